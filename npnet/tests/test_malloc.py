"""Memory that a process keeps is not asked of the system again."""

import subprocess
import sys

import pytest

from npnet import malloc

SCRIPT = """
import resource, sys
import numpy as np
from npnet import backend
kept = {keep} and backend.keep_memory()

def step():
    arrays = [np.ones(200_000) for _ in range(4)]

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool) -> tuple[str, int]:
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(keep=keep)], capture_output=True, text=True, check=True
    )
    kept, count = answer.stdout.split()
    return kept, int(count)


def test_a_step_finds_the_pages_of_the_last_one() -> None:
    pytest.importorskip("resource", reason="page faults are counted on Unix alone")
    kept, few = faults(keep=True)
    if kept != "True":
        pytest.skip("the C library is not glibc")
    _, many = faults(keep=False)
    assert few < 400 < many  # a step of 6.4 MB has 1,563 pages


def test_another_system_has_nothing_to_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert malloc.keep_memory() is False

"""Run tests against a copy of the tree that holds a planted mistake."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
from enum import Enum
from pathlib import Path

import pytest

from parity_tests.mistakes import Mistake

__all__ = ["Outcome", "copy_tree", "run", "run_with"]

ROOT = Path(__file__).parents[1]
COPIED = ("npnet", "torchref", "parity_tests", "conftest.py", "pyproject.toml")
OURS = ("npnet", "torchref", "parity_tests", "conftest")

PRELOADED = ["pandas", "scipy.special", "scipy.stats", "torch"]
"""Imported once, in the server from which the processes are forked: each then costs little but its test."""


class Outcome(Enum):
    """How a test ended; the value is the exit status of its process, none that comes about by itself."""

    PASSED = 40
    FAILED = 41
    """The mistake was noticed: by an assertion, as a rule, else by an error that wrong numbers cause."""
    BROKEN = 42
    """Not by the mistake: the test was not found, or what was planted is no working program."""


def copy_tree(target: Path) -> None:
    """Copy what tests need, without byte code, which may not notice that a file has changed."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "report"))
        else:
            shutil.copy(source, target / name)


def run_with(mistake: Mistake, tree: Path) -> tuple[Outcome, str]:
    """Plant a mistake in the copy, :func:`run` its test, and take the mistake out again."""
    file = tree / mistake.file
    right = file.read_text(encoding="utf-8")
    found = right.count(mistake.old)
    if found != 1:
        return Outcome.BROKEN, f"{mistake.file} holds this {found} times, not once: {mistake.old!r}"
    file.write_text(right.replace(mistake.old, mistake.new), encoding="utf-8")
    try:
        return run([mistake.test], tree)
    finally:
        file.write_text(right, encoding="utf-8")


def run(tests: list[str], tree: Path) -> tuple[Outcome, str]:
    """Run tests of the copy in a process of its own.

    Returns
    -------
    outcome : Outcome
    output : str
        What pytest printed.
    """
    log = tree / "output.txt"
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_child, args=(str(tree), tests, str(log)))
    process.start()
    process.join()
    known = [outcome for outcome in Outcome if outcome.value == process.exitcode]
    return (*known, Outcome.BROKEN)[0], log.read_text(encoding="utf-8", errors="replace")


SLIPS = (ImportError, SyntaxError, NameError, AttributeError, TypeError)
"""What a program raises that was badly written, rather than one that computes something else."""


class _Watch:
    """Notes whether a test failed by a slip in what was planted."""

    def __init__(self) -> None:
        self.slipped = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        from npnet.errors import NpnetError  # the copy's

        assert call.excinfo is not None
        self.slipped |= call.excinfo.errisinstance(SLIPS) and not call.excinfo.errisinstance(NpnetError)


def _child(tree: str, tests: list[str], log: str) -> None:
    """Run pytest in the copy, everything of the original forgotten."""
    with open(log, "wb") as handle:
        for stream in (1, 2):
            os.dup2(handle.fileno(), stream)
    for name in list(sys.modules):
        if name.split(".")[0] in OURS:
            del sys.modules[name]
    os.chdir(tree)
    sys.path.insert(0, tree)
    sys.dont_write_bytecode = True
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PARITY_REPORT"):
        os.environ.pop(name, None)
    os.environ |= {"HYPOTHESIS_PROFILE": "mistakes", "OMP_NUM_THREADS": "1"}
    watch = _Watch()
    status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], plugins=[watch])
    outcome = {0: Outcome.PASSED, 1: Outcome.FAILED}.get(int(status), Outcome.BROKEN)
    if watch.slipped:
        outcome = Outcome.BROKEN
    sys.stdout.flush()
    os._exit(outcome.value)

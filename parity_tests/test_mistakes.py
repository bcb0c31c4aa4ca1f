"""The tests notice mistakes: each of a catalogue is planted alone, in a copy, and its test must fail.

The ordinary suite plants a share of the catalogue, taken evenly; the Hypothesis profile ``thorough`` all.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from pathlib import Path

import pytest

from parity_tests import mistakes
from parity_tests.mistakes import Mistake
from parity_tests.planting import Outcome, copy_tree, run, run_with

CATALOGUES = sorted(
    module.name for module in pkgutil.iter_modules(mistakes.__path__, "parity_tests.mistakes.")
)
ALL: list[Mistake] = [
    mistake for catalogue in CATALOGUES for mistake in importlib.import_module(catalogue).MISTAKES
]

ORDINARY = 36
"""How many the ordinary suite plants: a few seconds each."""

STRIDE = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else max(1, len(ALL) // ORDINARY)


def identifier(mistake: Mistake) -> str:
    """A name that pytest's ``-k`` understands."""
    return re.sub(r"\W+", "-", f"{Path(mistake.file).stem}-{mistake.name}").strip("-")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what tests need."""
    target = tmp_path_factory.mktemp("planted")
    copy_tree(target)
    return target


@pytest.mark.parametrize("mistake", ALL[::STRIDE], ids=identifier)
def test_is_noticed(mistake: Mistake, tree: Path) -> None:
    outcome, output = run_with(mistake, tree)
    assert outcome is Outcome.FAILED, (
        f"{mistake.test} {outcome.name.lower()} under the mistake:\n{output[-3000:]}"
    )


def test_without_a_mistake_the_tests_pass(tree: Path) -> None:
    """Or else they would notice anything; a few of the tests stand for all."""
    outcome, output = run(sorted({mistake.test for mistake in ALL[:: 10 * STRIDE]}), tree)
    assert outcome is Outcome.PASSED, output[-3000:]


@pytest.mark.parametrize("mistake", ALL, ids=identifier)
def test_can_be_planted(mistake: Mistake) -> None:
    """What is to be replaced stands in the file exactly once; no two mistakes are one."""
    text = (Path(__file__).parents[1] / mistake.file).read_text(encoding="utf-8")
    assert text.count(mistake.old) == 1, (
        f"{mistake.file} holds {text.count(mistake.old)} times {mistake.old!r}"
    )
    assert mistake.new != mistake.old
    assert sum(each[1:4] == mistake[1:4] for each in ALL) == 1

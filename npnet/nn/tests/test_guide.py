"""The programs of the book run; those of the guide to layers of one's own say what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import npnet

BOOK = Path(npnet.__file__).parents[1] / "docs"

pytestmark = pytest.mark.skipif(not BOOK.is_dir(), reason="the book is not part of the wheel")


def run_programs(page, how_many):
    """Run the programs of a page one after the other, in one namespace."""
    blocks = re.findall(r"```python\n(.*?)```", (BOOK / page).read_text("utf-8"), re.DOTALL)
    assert len(blocks) == how_many
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def test_the_first_program_learns(capsys):
    assert run_programs("start.md", 1)["share"] > 0.9
    assert "epoch 10: loss 0." in capsys.readouterr().out


@pytest.mark.parametrize("page", ["penalties.md", "images.md", "dialects.md"])
def test_the_program_of_a_page_runs(page):
    run_programs(page, 1)


def test_the_guide_to_layers_runs(capsys):
    run_programs("layers.md", 3)
    printed = capsys.readouterr().out
    assert "Residual: 116 of 116 elements agree" in printed
    assert "ScaledTanh: 28 of 28 elements agree (input 0 by complex step, weight by complex step)" in printed
    assert re.search(r"Forgetful: 10 of 28 .*\n  wrong: input 0 at ", printed)

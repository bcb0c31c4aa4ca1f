"""The programs of the guide to layers of one's own run, and say what the guide says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import npnet

GUIDE = Path(npnet.__file__).parents[1] / "docs" / "layers.md"


@pytest.mark.skipif(not GUIDE.is_file(), reason="the book is not part of the wheel")
def test_the_guide_to_layers_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 3
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    printed = capsys.readouterr().out
    assert "Residual: 116 of 116 elements agree" in printed
    assert "ScaledTanh: 28 of 28 elements agree (input 0 by complex step, weight by complex step)" in printed
    assert re.search(r"Forgetful: 10 of 28 .*\n  wrong: input 0 at ", printed)

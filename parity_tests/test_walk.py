"""Truncated back-propagation along a series, with the state carried on: ``examples/replay/walk_*.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from npnet.training.replay import replay_scripts
from parity_tests.replaying import where_promised

EXAMPLES = Path(__file__).parents[1] / "examples" / "replay"


@where_promised
@pytest.mark.slow
def test_the_walk_is_pytorch_s(tmp_path: Path) -> None:
    """Draws to the bit, every loss, gradient and weight of two epochs; the last chunk is shorter."""
    pair = (EXAMPLES / "walk_torch.py", EXAMPLES / "walk_npnet.py")
    found = replay_scripts(*pair, ["--epochs", "2", "--chunk", "60"], out=tmp_path / "run")
    assert found["agree"], found["first"]
    assert found["steps"] == 18

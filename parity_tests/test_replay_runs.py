"""Whole runs of a PyTorch script and its npnet twin, from a seed: ``examples/replay``, run as a user runs it.

The ordinary suite takes a few epochs of scikit-learn's digits; the Hypothesis profile ``thorough`` takes
MNIST, every seed, and 500 steps, and only it measures drifts.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.training.replay import replay_scripts
from parity_tests.replaying import where_promised

pytestmark = where_promised

LOG = logging.getLogger(__name__)
EXAMPLES = Path(__file__).parents[1] / "examples" / "replay"
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough" and "NPNET_DATA" in os.environ
SEEDS = (0, 1, 2, 3, 4) if THOROUGH else (0,)
SIZE = ("--data", "mnist", "--epochs", "2") if THOROUGH else ("--data", "digits", "--epochs", "5")

ORDERS = 5
"""How often PyTorch runs in float32: once as it is, then with the rows of its batches in other orders."""

OTHER_PRODUCTS = {"MKL_CBWR": "COMPATIBLE"}
"""Makes PyTorch's BLAS compute as on an older processor: its products are summed in another order too."""

STEPS, SETTLED = 500, 50
"""How many steps are run in float32, and for how many of them losses agree within 1e-5."""

UNIT = float(np.finfo(np.float32).eps)
"""Of losses near 1; what is closer together than this, in the root mean square, is one curve."""

LEAST_CHANCE = 0.01
"""How rarely PyTorch itself may be as far away as npnet is."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("model", ["mlp", "cnn", "lstm"])
def test_the_twin_s_run_is_the_script_s(model: str, seed: int, tmp_path: Path) -> None:
    """Weights and draws to the bit; losses within 1e-10, gradients and weights within 1e-9."""
    pair = (EXAMPLES / f"{model}_torch.py", EXAMPLES / f"{model}_npnet.py")
    found = replay_scripts(*pair, [*SIZE, "--seed", str(seed)], out=tmp_path / "run")
    assert found["agree"], found["first"]
    assert found["steps"] >= (500 if THOROUGH else 60)
    names = sorted(path.name for path in (tmp_path / "run").iterdir() if path.name != ".lock")
    assert names == ["losses.png", "replay.csv", "replay.json", "steps.csv"]
    assert json.loads((tmp_path / "run" / "replay.json").read_text()) == found


def curves(library: str, orders: int, model: str, seed: int, folder: Path, **environment: str) -> Any:
    """Losses in float32, a row a run."""
    target = folder / f"{library}.json"
    how = [str(target), library, str(orders), str(STEPS), str(EXAMPLES / f"{model}_{library}.py")]
    options = [*SIZE, "--seed", str(seed), "--dtype", "float32"]
    command = [sys.executable, "-m", "parity_tests.loss_curves", *how, *options]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    return np.array(json.loads(target.read_text()))


def drift(curve: Any, from_: Any) -> float:
    """The root mean square of what two curves differ by once float32 no longer holds them together."""
    return max(float(np.sqrt(np.mean((curve - from_)[SETTLED:] ** 2))), UNIT)


def chance_of(total: int, seeds: int, others: int) -> float:
    """How probable it is that ranks from 0 to `others`, all alike, sum to `total` or more over the seeds."""
    chances = np.ones(1)
    for _ in range(seeds):
        chances = np.convolve(chances, np.full(others + 1, 1 / (others + 1)))
    return float(chances[total:].sum())


def test_the_chance_of_ranks_is_what_counting_finds() -> None:
    totals = [sum(ranks) for ranks in itertools.product(range(4), repeat=3)]
    for total in range(10):
        counted = np.mean([other >= total for other in totals])
        assert chance_of(total, seeds=3, others=3) == pytest.approx(counted, abs=1e-15)


@pytest.mark.slow
def test_in_float32_losses_agree_at_first(tmp_path: Path) -> None:
    (theirs,), (ours,) = (curves(library, 1, "mlp", 0, tmp_path) for library in ("torch", "npnet"))
    assert len(ours) == len(theirs) >= SETTLED
    assert np.abs(ours - theirs)[:SETTLED].max() <= 1e-5


@pytest.mark.slow
@pytest.mark.skipif(not THOROUGH, reason="takes HYPOTHESIS_PROFILE=thorough, and MNIST in NPNET_DATA")
@pytest.mark.parametrize("model", ["mlp", "cnn", "lstm"])
def test_in_float32_it_drifts_no_further_than_pytorch_from_itself(model: str, tmp_path: Path) -> None:
    """Losses within 1e-5 for 50 steps; then npnet is one of the runs that PyTorch makes in another order.

    Rounding stays what it is until it decides something, say whether a value just above ReLU's kink comes to
    lie below it; from there two runs are two runs, and part as fast as training lets them.  When that happens
    is a matter of chance, and a distance is a thousand times another one, or the very same; so ranks are held
    together, not distances.  npnet's rank is the number of PyTorch's other runs that are nearer to its first
    one than npnet is; were npnet one of them, each rank would be as probable as any other.

    Turning rows over changes sums over a batch, and no product of a single row, where npnet rounds in its own
    way too; so does PyTorch on another processor, and one of its runs does as such a one would.
    """
    ranks = []
    for seed in SEEDS:
        theirs, *turned = curves("torch", ORDERS, model, seed, tmp_path)
        turned += [*curves("torch", 1, model, seed, tmp_path, **OTHER_PRODUCTS)]
        (ours,) = curves("npnet", 1, model, seed, tmp_path)
        assert len(ours) == len(theirs) > SETTLED
        assert np.abs(ours - theirs)[:SETTLED].max() <= 1e-5
        assert all((curve != theirs).any() for curve in turned[:-1])  # or nothing was turned
        own, distance = [drift(curve, theirs) for curve in turned], drift(ours, theirs)
        LOG.info("%s, seed %d: npnet %.2g, PyTorch %s", model, seed, distance, np.sort(own))
        ranks.append(sum(one < distance for one in own))
    assert chance_of(sum(ranks), len(ranks), ORDERS) >= LEAST_CHANCE, ranks

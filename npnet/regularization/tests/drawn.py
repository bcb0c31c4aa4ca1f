"""Penalties of every kind, and weights for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import strategies as st

from npnet.nn.parameter import Parameter
from npnet.regularization import L1, L2, ElasticNet, GroupLasso, L2Norm, Penalty

__all__ = ["KINDS", "Make", "decays", "every_kind", "rates", "seeds", "weights_of"]

Make = Callable[..., Penalty]
KINDS: dict[str, Make] = {
    "L1": lambda **on: L1(0.7, **on),
    "L2": lambda **on: L2(0.3, **on),
    "ElasticNet": lambda **on: ElasticNet(0.7, 0.3, **on),
    "L2Norm": lambda **on: L2Norm(0.7, **on),
    "rows": lambda **on: GroupLasso(0.7, **on),
    "columns": lambda **on: GroupLasso(0.4, groups="columns", weight_by_size=False, **on),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())

seeds = st.integers(0, 2**32 - 1)
rates = st.floats(0.01, 0.9)
decays = st.floats(0.0, 1.0)


def weights_of(seed: int) -> Parameter:
    """A drawn matrix, a quarter of it zeros, with a drawn gradient."""
    rng = np.random.default_rng(seed)
    w = Parameter(rng.normal(size=(3, 4)) * (rng.random((3, 4)) > 0.25))
    w.grad = rng.normal(size=w.shape)
    return w

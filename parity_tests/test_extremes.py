"""Activations of numbers that overflow in a careless formula: PyTorch's values, and no warning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npnet.nn import functional
from parity_tests.libraries import NPNET, TORCH
from parity_tests.observation import take_step
from parity_tests.registry import MODULES
from parity_tests.registry.activations import ACTIVATIONS

LARGE = np.array([-1e30, -1e20, -1e4, -90.0, -1e-30, 0.0, 1e-30, 90.0, 1e4, 1e20, 1e30, 1.0])

NEEDED: dict[str, dict[str, Any]] = {
    "GLU": {"dim": 0},
    "LogSoftmax": {"dim": 0},
    "Softmax": {"dim": 0},
    "Threshold": {"threshold": 1.0, "value": 2.0},
}
"""Arguments without which a class cannot be made, or warns."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [specification.name for specification in ACTIVATIONS])
def test_nothing_overflows_on_the_way(name: str, dtype: str) -> None:
    """Warnings are errors here; the largest results are 1e30, and the smallest slopes 0."""
    seen = []
    for library in (NPNET, TORCH):
        module = MODULES[name].build(library, NEEDED.get(name, {}), dtype)
        seen.append(take_step(library, module, (LARGE,), dtype, 0))
    for key, theirs in seen[1].items():
        ours = seen[0][key]
        assert ours is not None
        assert theirs is not None
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6, err_msg=f"{name}: {key}")


@pytest.mark.parametrize("name", ["gelu", "mish", "silu"])
def test_far_below_zero_a_gate_is_closed_and_far_above_it_is_open(name: str) -> None:
    x = np.array([-1e200, -1e4, 1e4, 1e200])
    np.testing.assert_array_equal(getattr(functional, name)(x), np.maximum(x, 0))


@pytest.mark.parametrize("name", [specification.name for specification in ACTIVATIONS])
def test_corners_take_pytorch_s_side(name: str) -> None:
    """At multiples of a half, where the formulas of straight lines have their corners."""
    x = np.arange(-7.0, 7.5, 0.5)[:28]
    seen = []
    for library in (NPNET, TORCH):
        module = MODULES[name].build(library, NEEDED.get(name, {}), "float64")
        seen.append(take_step(library, module, (x,), "float64", 0))
    for key, theirs in seen[1].items():
        np.testing.assert_allclose(seen[0][key], theirs, rtol=1e-7, atol=1e-9, err_msg=f"{name}: {key}")

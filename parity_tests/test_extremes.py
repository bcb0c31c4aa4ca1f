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
    "Softmin": {"dim": 0},
    "Threshold": {"threshold": 1.0, "value": 2.0},
}
"""Arguments without which a class cannot be made, or warns."""

SHAPES: dict[str, Any] = {"Softmax2d": (-1, 1, 2)}
"""Of those that take no row of numbers."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [specification.name for specification in ACTIVATIONS])
def test_nothing_overflows_on_the_way(name: str, dtype: str) -> None:
    """Warnings are errors here; the largest results are 1e30, and the smallest slopes 0."""
    seen = []
    for library in (NPNET, TORCH):
        module = MODULES[name].build(library, NEEDED.get(name, {}), dtype)
        seen.append(take_step(library, module, (LARGE.reshape(SHAPES.get(name, -1)),), dtype, 0))
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
        seen.append(take_step(library, module, (x.reshape(SHAPES.get(name, -1)),), "float64", 0))
    for key, theirs in seen[1].items():
        np.testing.assert_allclose(seen[0][key], theirs, rtol=1e-7, atol=1e-9, err_msg=f"{name}: {key}")


# ------------------------------------------------------------------ not finite

WITHOUT_END = np.array([-np.inf, -5.0, -0.25, 0.0, 0.25, 5.0, np.inf, np.nan])
MASKED = ["ReLU", "ReLU6", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink", "Threshold"]


def of_gradient(name: str, g: float) -> tuple[Any, Any, Any, Any]:
    """Values and gradients of both, for one number as gradient by every output."""
    found: list[Any] = []
    for library in (NPNET, TORCH):
        module = MODULES[name].build(library, NEEDED.get(name, {}), "float64")
        inputs = [library.array(WITHOUT_END)]
        with np.errstate(all="ignore"):
            output = library.forward(module, inputs)
            found += [
                library.host(output),
                library.backward(module, inputs, output, np.full(WITHOUT_END.shape, g)),
            ]
    return found[0], found[1], found[2], found[3]


@pytest.mark.parametrize("g", [1.0, np.inf, np.nan])
@pytest.mark.parametrize("name", MASKED)
def test_a_mask_differs_from_pytorch_s_as_the_book_says(name: str, g: float) -> None:
    """docs/backward.md: 0 times what is not finite is NaN here; of a NaN nothing passes."""
    value, gradient, their_value, their_gradient = of_gradient(name, g)
    np.testing.assert_allclose(value, their_value, rtol=1e-12)
    known = ~np.isnan(WITHOUT_END)
    if np.isfinite(g):
        np.testing.assert_allclose(gradient[known], their_gradient[known], rtol=1e-7)
    else:
        masked = their_gradient[known] == 0
        assert np.isnan(gradient[known][masked]).all()
        np.testing.assert_allclose(gradient[known][~masked], their_gradient[known][~masked], rtol=1e-7)


def test_a_nan_in_a_window_gives_nan_and_the_gradient_to_the_last_place() -> None:
    x = np.array([[[1.0, np.nan, 2.0]]])
    for library, expected in ((NPNET, [0.0, 0.0, 1.0]), (TORCH, [0.0, 1.0, 0.0])):
        layer, inputs = library.nn.MaxPool1d(3), [library.array(x)]
        output = library.forward(layer, inputs)
        assert np.isnan(library.host(output)).all()
        np.testing.assert_array_equal(
            library.backward(layer, inputs, output, np.ones((1, 1, 1)))[0, 0], expected
        )

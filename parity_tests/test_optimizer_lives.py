"""Optimizers through whole lives: drawn groups, gradients and dtypes beside PyTorch, and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import nn, optim
from parity_tests.equal import assert_same_observations
from parity_tests.libraries import LIBRARIES, NPNET, TORCH, every_device
from parity_tests.registry import OPTIMIZERS
from parity_tests.scenario import scenarios, walk

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


@every_optimizer
@every_device
@given(data=st.data())
def test_trajectories(name: str, device: str, data: st.DataObject) -> None:
    """Groups of different options, gradients that are absent now and then, rates that change."""
    scenario = data.draw(scenarios(name))
    assert_same_observations(walk(LIBRARIES[device], scenario), walk(TORCH, scenario), name, "float64")


@every_optimizer
@given(data=st.data())
def test_mixed_dtypes(name: str, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(name, ("float32", "float64")))
    assert_same_observations(walk(NPNET, scenario), walk(TORCH, scenario), name, "float32")


# ------------------------------------------------------------------ closed forms


def after(
    optimizer_of: Callable[[list[nn.Parameter]], optim.Optimizer], start: float, g: list[float]
) -> float:
    """Where one parameter is after steps along given gradients."""
    p = nn.Parameter(np.array([start]))
    optimizer = optimizer_of([p])
    for gradient in g:
        p.grad = np.array([gradient])
        optimizer.step()
    return float(p.data[0])


numbers = st.floats(0.1, 10.0) | st.floats(-10.0, -0.1)
lengths = st.integers(1, 20)


@given(g=numbers, n=lengths, mu=st.floats(0.0, 0.95))
def test_sgd_along_a_constant_gradient_sums_two_geometric_series(g: float, n: int, mu: float) -> None:
    found = after(lambda p: optim.SGD(p, lr=0.1, momentum=mu), 1.0, [g] * n)
    expected = 1.0 - 0.1 * g * (n - mu * (1 - mu**n) / (1 - mu)) / (1 - mu)
    assert math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)


@given(g=numbers, n=lengths)
def test_adam_along_a_constant_gradient_takes_steps_of_the_learning_rate(g: float, n: int) -> None:
    found = after(lambda p: optim.Adam(p, lr=0.1, eps=0.0), 1.0, [g] * n)
    assert math.isclose(found, 1.0 - math.copysign(0.1 * n, g), rel_tol=1e-12, abs_tol=1e-12)


@given(n=lengths, decay=st.floats(0.0, 0.9))
def test_decoupled_decay_without_gradient_is_a_power(n: int, decay: float) -> None:
    found = after(lambda p: optim.AdamW(p, lr=0.5, weight_decay=decay), 2.0, [0.0] * n)
    assert math.isclose(found, 2.0 * (1 - 0.5 * decay) ** n, rel_tol=1e-13)


@given(g=numbers, n=lengths, alpha=st.floats(0.1, 0.99))
def test_rmsprop_along_a_constant_gradient(g: float, n: int, alpha: float) -> None:
    found = after(lambda p: optim.RMSprop(p, lr=0.1, alpha=alpha, eps=0.0), 1.0, [g] * n)
    steps = sum(1 / math.sqrt(1 - alpha**t) for t in range(1, n + 1))
    assert math.isclose(found, 1.0 - math.copysign(0.1 * steps, g), rel_tol=1e-12, abs_tol=1e-12)

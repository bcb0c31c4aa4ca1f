"""The second and third legs: differences and complex steps on npnet itself, and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from npnet import nn, no_grad
from npnet.nn import functional
from npnet.nn.differences import central_differences, complex_step
from npnet.nn.gradcheck import gradcheck
from npnet.nn.linear import linear
from npnet.nn.loss.cross_entropy import losses_of_distribution, losses_of_indices
from npnet.nn.normalization import batch_norm
from parity_tests.libraries import NPNET
from parity_tests.observation import build, cotangent_of, inputs_of
from parity_tests.registry import MODULES
from parity_tests.registry.specification import seeds

HostArray = npt.NDArray[Any]

few = settings(max_examples=max(5, settings().max_examples // 5))
"""Differences cost two hundred calls a case."""


def assert_near(found: HostArray, expected: HostArray, tolerance: float, label: str) -> None:
    """Compare relative to the largest element, or to one."""
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=label)


@pytest.mark.parametrize("name", MODULES)
@few
@given(data=st.data(), training=st.booleans())
def test_backward_is_the_difference_of_forward(name: str, data: st.DataObject, training: bool) -> None:
    """By the input and by every parameter; kinks are passed over, and smooth classes have none."""
    specification = MODULES[name]
    case = data.draw(specification.cases)
    assume(case.batches[0][0].size <= 200)
    module = build(NPNET, specification, case, "float64").train(training)
    inputs = inputs_of(NPNET, case.batches[0], "float64")
    x = np.asarray(1.5 * cotangent_of(inputs[0].shape, "float64", case.seed + 1))
    inputs[0] = np.asarray(specification.inside(x))
    NPNET.seed(case.seed)
    with no_grad():
        assume(bool(np.isfinite(module(*inputs)).all()))  # the mean over no samples
    result = gradcheck(module, tuple(inputs), seed=case.seed)
    if specification.smooth:
        assert not result.kinks, f"{name}: {result}"


@pytest.mark.parametrize(("layer", "at_zero"), [(nn.ReLU(), 0.0), (nn.LeakyReLU(0.25), 0.25)])
def test_kinks_are_noticed_and_take_the_left_slope(layer: nn.Module, at_zero: float) -> None:
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    kinks = central_differences(lambda: float(np.sum(layer(x))), x).kinks
    assert kinks.tolist() == [False, False, True, False, False]
    layer(x)
    assert layer.backward(np.ones(5))[2] == at_zero


# ------------------------------------------------------------------ complex steps


def normal(rng: np.random.Generator, *shape: int) -> HostArray:
    """Standard normal numbers."""
    return rng.normal(size=shape)


def parts(z: HostArray, rng: np.random.Generator, formula: str) -> Any:
    """The value of an analytic formula at a complex input, its other operands drawn from the generator."""
    if formula == "linear":
        return linear(z, normal(rng, 3, 4), normal(rng, 3))
    if formula == "tanh":
        return functional.tanh(z)
    if formula == "mse":
        return (z - normal(rng, 5, 4)) ** 2
    if formula == "batch_norm":
        return batch_norm(z, normal(rng, 4), normal(rng, 4), 1e-3)[0]
    if formula == "batch_norm of given statistics":
        return batch_norm(z, normal(rng, 4), None, 1e-3, normal(rng, 4), rng.uniform(0.5, 2.0, 4))[0]
    if formula == "cross-entropy of indices":
        return losses_of_indices(z, rng.integers(0, 5, 4), rng.uniform(0.0, 2.0, 4))[0]
    return losses_of_distribution(z, rng.uniform(0.0, 2.0, (5, 4)))[0]


def slopes(x: HostArray, g: HostArray, rng: np.random.Generator, formula: str) -> Any:
    """The gradient of the same formula by its layer's backward pass."""
    if formula == "linear":
        layer: nn.Module = nn.Linear(4, 3, dtype="float64")
        layer.load_state_dict({"weight": normal(rng, 3, 4), "bias": normal(rng, 3)})
    elif formula == "tanh":
        layer = nn.Tanh()
    elif formula == "mse":
        criterion = nn.MSELoss(reduction="none")
        criterion(x, normal(rng, 5, 4))
        return criterion.backward(g)
    elif formula.startswith("batch_norm"):
        given = formula != "batch_norm"
        layer = nn.BatchNorm1d(4, eps=1e-3, dtype="float64", bias=not given).train(not given)
        state = {"weight": normal(rng, 4)} | ({} if given else {"bias": normal(rng, 4)})
        if given:
            state |= {"running_mean": normal(rng, 4), "running_var": rng.uniform(0.5, 2.0, 4)}
        layer.load_state_dict(state, strict=False)
    elif formula == "cross-entropy of indices":
        return losses_of_indices(x, rng.integers(0, 5, 4), rng.uniform(0.0, 2.0, 4))[1] * g
    else:
        return losses_of_distribution(x, rng.uniform(0.0, 2.0, (5, 4)))[1] * g
    layer(x)
    return layer.backward(g)


@pytest.mark.parametrize(
    "formula",
    [
        "linear",
        "tanh",
        "mse",
        "batch_norm",
        "batch_norm of given statistics",
        "cross-entropy of indices",
        "cross-entropy of distributions",
    ],
)
@given(seed=seeds)
def test_backward_is_the_complex_step_of_the_formula(formula: str, seed: int) -> None:
    x = normal(np.random.default_rng([seed, 0]), 5, 4)
    shape = np.shape(parts(x, np.random.default_rng(seed), formula))
    g = normal(np.random.default_rng([seed, 1]), *shape)
    found = slopes(x, g, np.random.default_rng(seed), formula)
    expected = complex_step(lambda z: np.sum(g * parts(z, np.random.default_rng(seed), formula)), x)
    assert_near(found, expected, 1e-12, formula)


# ------------------------------------------------------------------ closed forms


@given(classes=st.integers(1, 20), label=st.integers(0, 19), smoothing=st.floats(0, 1))
def test_cross_entropy_of_equal_logits_is_the_logarithm(classes: int, label: int, smoothing: float) -> None:
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    value = criterion(np.full((1, classes), 7.0), np.array([label % classes]))
    assert math.isclose(value.item(), math.log(classes), rel_tol=1e-14, abs_tol=1e-14)
    expected = 1 / classes - (1 - smoothing) * (np.arange(classes) == label % classes) - smoothing / classes
    assert_near(criterion.backward(), expected[None], 1e-15, "p - q")


@given(seed=seeds, rows=st.integers(3, 200))
def test_batch_norm_normalises_and_its_gradient_is_orthogonal(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    x, g = rng.normal(2.0, 3.0, (rows, 2)), rng.normal(size=(rows, 2))
    layer = nn.BatchNorm1d(2, eps=1e-3, dtype="float64")
    y = layer(x)
    assert_near(y.mean(axis=0), np.zeros(2), 1e-14, "mean")
    assert_near(y.var(axis=0), x.var(axis=0) / (x.var(axis=0) + 1e-3), 1e-13, "variance")
    gradient = layer.backward(g)
    assert_near(gradient.sum(axis=0), np.zeros(2), 1e-12, "shifting the input changes nothing")
    assert_near(layer.bias.grad, g.sum(axis=0), 1e-13, "beta")
    assert_near(layer.weight.grad, (g * y).sum(axis=0), 1e-13, "gamma")
    assert_near(layer.running_mean, 0.1 * x.mean(axis=0), 1e-14, "running mean")
    assert_near(layer.running_var, 0.9 + 0.1 * x.var(axis=0, ddof=1), 1e-14, "running variance")


def test_batch_norm_without_momentum_averages_all_batches_equally() -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(n, 3)) for n in (4, 9, 5)]
    layer = nn.BatchNorm1d(3, momentum=None, dtype="float64")
    for batch in batches:
        layer(batch)
    assert_near(layer.running_mean, np.mean([b.mean(axis=0) for b in batches], axis=0), 1e-15, "mean")
    assert_near(
        layer.running_var, np.mean([b.var(axis=0, ddof=1) for b in batches], axis=0), 1e-15, "variance"
    )
    assert layer.num_batches_tracked == 3


@given(seed=seeds, p=st.floats(0.1, 0.9))
def test_dropout_keeps_the_expectation(seed: int, p: float) -> None:
    NPNET.seed(seed)
    layer = nn.Dropout(p)
    y = layer(np.ones(20_000))
    kept = y != 0
    assert set(np.unique(y)) == {0.0, 1.0 / (1.0 - p)}
    assert abs(kept.mean() - (1 - p)) < 6 * math.sqrt(p * (1 - p) / y.size)
    g = np.random.default_rng(seed).normal(size=y.shape)
    np.testing.assert_array_equal(layer.backward(g), np.where(kept, g * (1.0 / (1.0 - p)), 0.0))


@given(x=st.floats(-1e4, 1e4), t=st.floats(0, 1), p=st.floats(0.1, 10))
def test_binary_cross_entropy_is_that_of_the_logistic_function(x: float, t: float, p: float) -> None:
    """By the identities -log sigma(x) = log(1 + exp(-x)) and -log(1 - sigma(x)) = log(1 + exp(x))."""
    criterion = nn.BCEWithLogitsLoss(pos_weight=np.array([p]))
    value = criterion(np.array([x]), np.array([t])).item()
    expected = p * t * np.logaddexp(0.0, -x) + (1 - t) * np.logaddexp(0.0, x)
    assert math.isclose(value, expected, rel_tol=1e-12, abs_tol=1e-12)

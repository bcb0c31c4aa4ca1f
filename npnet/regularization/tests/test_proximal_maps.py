"""Proximal maps against their definition, groups and their norms, and the optima that the maps lead to."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import sklearn.linear_model
from hypothesis import given
from hypothesis import strategies as st

from npnet import errors, nn, optim
from npnet.nn.parameter import Parameter, house
from npnet.regularization import L1, L2, ElasticNet, GroupLasso, L2Norm, MaxNorm, Penalty, functional
from npnet.regularization.tests.drawn import KINDS, Make, every_kind, rates, seeds, weights_of

# --------------------------------------------------------------------- proximal maps


@every_kind
@given(seed=seeds, lr=rates)
def test_prox_is_the_argument_of_the_minimum(make: Make, seed: int, lr: float) -> None:
    w, penalty = weights_of(seed).data, make()

    def objective(x: Any) -> Any:
        return 0.5 * np.sum((x - w) ** 2) + lr * penalty.value(x)

    x = penalty.prox(w, lr)
    # The objective is strongly convex: its excess bounds the distance to the minimum.
    free = scipy.optimize.minimize(
        lambda flat: objective(flat.reshape(w.shape)),
        x.ravel() + 1e-3,
        method="Powell",
        options={"xtol": 1e-9},
    )
    assert objective(x) <= free.fun + 1e-12
    for direction in np.random.default_rng(seed).normal(size=(50, *w.shape)):
        for length in (1e-6, 1e-3, 1.0):
            assert objective(x) <= objective(x + length * direction)


@every_kind
@given(seed=seeds, lr=rates)
def test_away_from_kinks_prox_is_the_implicit_gradient_step(make: Make, seed: int, lr: float) -> None:
    w, penalty = np.random.default_rng(seed).uniform(3.0, 9.0, (3, 4)), make()
    x = penalty.prox(w, lr)
    np.testing.assert_allclose(x, w - lr * penalty.gradient(x), rtol=1e-12)


def test_closed_forms() -> None:
    w = np.array([[3.0, 4.0], [0.3, -0.4]])
    cases: list[tuple[Penalty, list[list[float]]]] = [
        (L1(1.0), [[2.5, 3.5], [0.0, 0.0]]),
        (L2(0.5), [[2.0, 8 / 3], [0.2, -0.8 / 3]]),
        (ElasticNet(1.0, 0.5), [[2.5 / 1.5, 3.5 / 1.5], [0.0, 0.0]]),
        (GroupLasso(1.0, weight_by_size=False), [[2.7, 3.6], [0.0, 0.0]]),
        (GroupLasso(0.5), (w * (1 - 0.25 * np.sqrt(2) / np.array([[5.0], [0.5]]))).tolist()),
        (L2Norm(100.0), [[0.0, 0.0], [0.0, 0.0]]),
    ]
    for penalty, expected in cases:
        np.testing.assert_allclose(penalty.prox(w, 0.5), expected, rtol=1e-14, atol=1e-16)


@every_kind
def test_what_is_below_the_threshold_becomes_exactly_zero(make: Make) -> None:
    w = Parameter(np.array([[1e-3, -1e-3], [-1e-3, 1e-5]]))
    w.grad = np.ones((2, 2))
    make().prox_([w], lr=0.5)
    assert np.all(w.data == 0) == (make is not KINDS["L2"])


@every_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_learning_rate_moves_nothing_and_zeros_stay(make: Make, dtype: str) -> None:
    w = weights_of(0).data.astype(dtype)
    np.testing.assert_array_equal(make().prox(w, 0.0), w)
    for formula in (make().prox(np.zeros((2, 2), dtype), 0.5), make().gradient(np.zeros((2, 2), dtype))):
        np.testing.assert_array_equal(formula, np.zeros((2, 2), dtype), strict=True)


@every_kind
def test_a_nan_stays_visible(make: Make) -> None:
    w = np.array([[np.nan, 1.0], [1.0, 1.0]])
    assert np.isnan(make().prox(w, 0.1)[0, 0])


# --------------------------------------------------------------------- groups


@given(seed=seeds)
def test_a_group_s_norm_is_weighted_by_its_size(seed: int) -> None:
    w = weights_of(seed).data
    rows = np.linalg.norm(w, axis=1).sum()
    columns = np.linalg.norm(w, axis=0).sum()
    for groups, norms, size in (
        ("rows", rows, 4),
        ("columns", columns, 3),
        ("parameters", np.linalg.norm(w), 12),
    ):
        assert GroupLasso(0.5, groups=groups).value(w) == pytest.approx(0.5 * np.sqrt(size) * norms)  # type: ignore[arg-type]
        assert GroupLasso(0.5, groups=groups, weight_by_size=False).value(w) == pytest.approx(0.5 * norms)  # type: ignore[arg-type]
    assert L2Norm(0.5).value(w) == pytest.approx(0.5 * np.linalg.norm(w))


@given(seed=seeds)
def test_the_group_gradient_is_the_complex_step(seed: int) -> None:
    w = np.random.default_rng(seed).normal(size=(3, 4))
    for axes in ((1,), (0,), (0, 1)):
        gradient = functional.group_gradient(w, 0.7, axes)
        for index in np.ndindex(w.shape):
            step = w.astype(complex)
            step[index] += 1e-30j
            assert gradient[index] == pytest.approx(functional.group_value(step, 0.7, axes).imag / 1e-30)


def test_each_element_of_a_bias_is_a_row_and_a_bias_has_no_columns() -> None:
    b = np.array([3.0, -0.2])
    for penalty in (GroupLasso(0.5), GroupLasso(0.5, weight_by_size=False)):
        assert penalty.value(b) == pytest.approx(L1(0.5).value(b))
        np.testing.assert_allclose(penalty.prox(b, 1.0), [2.5, 0.0])
    for act in (GroupLasso(0.5, groups="columns"), MaxNorm(1.0, groups="columns", on="all").project_):
        with pytest.raises(errors.ShapeError, match=r"two or more axes, got shape \(2,\).*on='weights'"):
            act([Parameter(b)])


def test_norms_are_taken_a_parameter_not_a_run() -> None:
    parameters = [Parameter(np.array([3.0, 4.0])), Parameter(np.array([5.0, 12.0]))]
    house(parameters)
    penalty = L2Norm(1.0)
    assert penalty(parameters) == 18.0
    for parameter in parameters:
        parameter.grad = np.zeros(2)
    penalty.backward(parameters)
    np.testing.assert_allclose(parameters[1].grad, [5 / 13, 12 / 13])
    penalty.prox_(parameters, 2.5)
    np.testing.assert_allclose(parameters[0].data, [1.5, 2.0])


# --------------------------------------------------------------------- optima


def regression(seed: int = 0) -> tuple[Any, Any]:
    """Forty rows of six columns, of which the target depends on two."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, 6))
    y = x[:, [1, 4]] @ np.array([[1.5, -1.0], [-2.0, 0.5]]) + 0.1 * rng.normal(size=(40, 2))
    return x, y


def ista(penalty: Penalty, x: Any, y: Any, steps: int = 3000) -> Any:
    """Full-batch proximal gradient descent on the mean squared error; the weight that it ends with."""
    model = nn.Linear(x.shape[1], y.shape[1], bias=False, dtype="float64")
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.9 / (2 * np.linalg.norm(x, 2) ** 2 / y.size))
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(model(x), y)
        model.backward(criterion.backward(), input_grad=False)
        optimizer.step()
        penalty.prox_(model, optimizer)
    return model.weight.data.copy()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
def test_ista_ends_at_scikit_learn_s_elastic_net_with_its_zeros(l1_ratio: float) -> None:
    x, y = regression()
    y = y[:, :1]
    alpha = 0.2
    # scikit-learn halves the mean squared error, and MSELoss does not: every strength doubles.
    penalty = ElasticNet(2 * alpha * l1_ratio, alpha * (1 - l1_ratio))
    ours = ista(L1(2 * alpha) if l1_ratio == 1 else penalty, x, y)
    theirs = sklearn.linear_model.ElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-14)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        theirs.fit(x, y[:, 0])
    np.testing.assert_allclose(ours[0], theirs.coef_, atol=1e-9)
    np.testing.assert_array_equal(ours[0] == 0, theirs.coef_ == 0)
    assert np.count_nonzero(ours) < ours.size


def test_proximal_group_lasso_ends_at_scikit_learn_s_multi_task_lasso() -> None:
    x, y = regression()
    alpha = 0.3
    # The mean runs over rows and outputs here, over rows there, where it is halved: 2 / outputs = 1.
    ours = ista(GroupLasso(alpha, groups="columns", weight_by_size=False), x, y)
    theirs = sklearn.linear_model.MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=1e-14).fit(x, y)
    np.testing.assert_allclose(ours, theirs.coef_, atol=1e-9)
    np.testing.assert_array_equal(ours == 0, theirs.coef_ == 0)
    assert 0 < np.count_nonzero(np.any(ours != 0, axis=0)) < 6


def test_group_lasso_on_orthonormal_columns_is_one_block_threshold() -> None:
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.normal(size=(12, 4)))
    x, y = q * np.sqrt(12.0), rng.normal(size=(12, 3))
    correlation = (x.T @ y).T / 12  # the unpenalised solution, (outputs, inputs)
    # With 3 outputs the loss is 1/3 |w - c|^2 + const: twice a third of half a square.
    expected = GroupLasso(0.1, groups="columns").prox(correlation, 3 / 2)
    np.testing.assert_allclose(ista(GroupLasso(0.1, groups="columns"), x, y), expected, atol=1e-10)


# --------------------------------------------------------------------- max-norm


@pytest.mark.parametrize(("groups", "axis"), [("rows", 1), ("columns", 0), ("parameters", None)])
@given(seed=seeds, bound=st.floats(0.1, 3.0))
def test_the_projection_is_the_nearest_point_of_the_ball(
    groups: Any, axis: int | None, seed: int, bound: float
) -> None:
    w = weights_of(seed)
    start = w.data.copy()
    MaxNorm(bound, groups=groups, on="all").project_([w])
    norms = np.linalg.norm(start, axis=axis, keepdims=True)
    inside = np.broadcast_to(norms <= bound, start.shape)
    np.testing.assert_array_equal(w.data[inside], start[inside])  # to the bit
    projected = np.linalg.norm(w.data, axis=axis, keepdims=True)
    np.testing.assert_allclose(projected[norms > bound], bound, rtol=1e-14)
    # The nearest point: what was taken away points outwards, along the weights that stay.
    np.testing.assert_allclose(w.data * norms, start * projected, rtol=1e-12, atol=1e-14)


def test_max_norm_constrains_weights_with_or_without_a_gradient_but_not_frozen_ones() -> None:
    model = nn.Sequential(nn.Linear(2, 2, dtype="float64"), nn.Linear(2, 2, dtype="float64"))
    for parameter in model.parameters():
        parameter.data = np.full(parameter.shape, 3.0)
    model[1].requires_grad_(False)
    MaxNorm(1.0).project_(model)
    np.testing.assert_allclose(np.linalg.norm(model[0].weight.data, axis=1), 1.0)
    assert np.all(model[0].bias.data == 3.0)
    assert np.all(model[1].weight.data == 3.0)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_a_bound_out_of_range_is_refused(bound: Any) -> None:
    with pytest.raises(errors.ArgumentError, match="max_norm must be"):
        MaxNorm(bound)

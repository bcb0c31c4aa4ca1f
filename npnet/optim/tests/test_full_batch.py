"""``minimize``, and full-batch training, reach the optima that scikit-learn finds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

import npnet
from npnet import backend, nn, optim, regularization
from npnet.errors import ArgumentError, DeviceError, NonFiniteError
from npnet.optim.full_batch import METHODS

RNG = np.random.default_rng(0)
ROWS, FEATURES = 60, 5
X = RNG.normal(size=(ROWS, FEATURES)) * np.array([1.0, 2.0, 0.5, 1.0, 1.0]) + 0.5
Y = (X @ np.array([1.0, -0.5, 0.0, 0.0, 2.0]) + 3.0 + 0.5 * RNG.normal(size=ROWS))[:, np.newaxis]
LABELS = np.digitize(Y[:, 0] + RNG.normal(size=ROWS), [2.0, 5.0])


def linear(outputs=1):
    return nn.Linear(FEATURES, outputs).double()


@pytest.fixture(scope="module")
def ridge():
    return Ridge(alpha=2.0, solver="cholesky").fit(X, Y[:, 0])


RIDGE = nn.MSELoss(reduction="sum"), regularization.L2(2.0, on="weights")


@pytest.mark.parametrize("method", METHODS)
def test_ridge(method, ridge):
    model = linear()
    model.weight.data = np.zeros((1, FEATURES))
    criterion, penalty = RIDGE
    result = optim.minimize(model, criterion, X, Y, method, penalty, tol=1e-12)
    np.testing.assert_allclose(model.weight.data[0], ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(model.bias.data[0], ridge.intercept_, atol=1e-5)
    np.testing.assert_array_equal(result.x, np.append(model.weight.data, model.bias.data))
    np.testing.assert_allclose(result.fun, criterion(model(X), Y) + penalty(model), rtol=1e-12)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=2e-3, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.05, betas=(0.9, 0.99)),
        lambda p: optim.Rprop(p),
    ],
    ids=["SGD", "Adam", "Rprop"],
)
def test_ridge_by_steps(make, ridge):
    model = linear()
    criterion, penalty = RIDGE
    optimizer = make(model.parameters())
    for _ in range(3000):
        optimizer.zero_grad()
        criterion(model(X), Y)
        model.backward(criterion.backward(), input_grad=False)
        penalty.backward(model)
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.997  # at a constant rate Adam circles around the optimum
    np.testing.assert_allclose(model.weight.data[0], ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(model.bias.data[0], ridge.intercept_, atol=1e-5)


def test_logistic_regression():
    strength = 0.4
    expected = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=10_000).fit(X, LABELS)
    model = linear(3)
    penalty = regularization.L2(strength / 2, on="weights")
    result = optim.minimize(
        model, nn.CrossEntropyLoss(reduction="sum"), X, LABELS, penalty=penalty, tol=1e-14
    )
    assert result.success
    np.testing.assert_allclose(model.weight.data, expected.coef_, atol=1e-5)
    bias = model.bias.data
    np.testing.assert_allclose(
        bias - bias.mean(), expected.intercept_ - expected.intercept_.mean(), atol=1e-5
    )


def test_elastic_net_by_proximal_steps():
    alpha, share = 0.5, 0.6
    expected = ElasticNet(alpha=alpha, l1_ratio=share, tol=1e-12, max_iter=100_000).fit(X, Y[:, 0])
    assert 0 < np.sum(expected.coef_ == 0) < FEATURES
    model, criterion = linear(), nn.MSELoss()
    # Twice scikit-learn's objective, whose squares have a half.
    penalty = regularization.ElasticNet(2 * alpha * share, alpha * (1 - share), on="weights")
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3000):
        optimizer.zero_grad()
        criterion(model(X), Y)
        model.backward(criterion.backward(), input_grad=False)
        optimizer.step()
        penalty.prox_(model, optimizer)
    np.testing.assert_allclose(model.weight.data[0], expected.coef_, atol=1e-9)
    np.testing.assert_array_equal(model.weight.data[0] == 0, expected.coef_ == 0)
    np.testing.assert_allclose(model.bias.data[0], expected.intercept_, atol=1e-9)


def test_several_penalties_add_up():
    one, two = linear(), linear()
    two.load_state_dict(one.state_dict())
    optim.minimize(one, nn.MSELoss(), X, Y, penalty=regularization.L2(0.3), tol=1e-14)
    parts = [regularization.L2(0.1), regularization.L2(0.2)]
    optim.minimize(two, nn.MSELoss(), X, Y, penalty=parts, tol=1e-14)
    np.testing.assert_allclose(one.weight.data, two.weight.data, rtol=1e-6)


def test_frozen_parameters_stay_and_unused_ones_too():
    model = linear()
    model.bias.requires_grad = False
    model.unused = nn.Parameter(np.ones(2))
    bias = model.bias.data.copy()
    result = optim.minimize(model, nn.MSELoss(), X, Y, tol=1e-12)
    assert result.x.size == FEATURES + 2
    np.testing.assert_array_equal(model.bias.data, bias)
    np.testing.assert_array_equal(model.unused.data, 1.0)
    expected = np.linalg.lstsq(X, Y - bias, rcond=None)[0]
    np.testing.assert_allclose(model.weight.data, expected.T, rtol=1e-6)


def test_weights_that_lie_in_several_arenas():
    model = nn.Sequential(linear(4), nn.Tanh(), nn.Linear(4, 1).double())
    optim.SGD(model[2].parameters())  # houses the last layer alone
    before = nn.MSELoss()(model(X), Y)
    result = optim.minimize(model, nn.MSELoss(), X, Y)
    assert result.x.size == sum(parameter.size for parameter in model.parameters())
    assert result.fun == nn.MSELoss()(model(X), Y) < 0.1 * before


def test_float32_is_searched_in_float64_and_stays_float32():
    model = nn.Linear(FEATURES, 1)
    result = optim.minimize(model, nn.MSELoss(), X.astype(np.float32), Y.astype(np.float32))
    assert result.x.dtype == np.float64
    assert model.weight.dtype == np.float32
    full = np.linalg.lstsq(np.c_[X, np.ones(ROWS)], Y, rcond=None)[0]
    np.testing.assert_allclose(model.weight.data[0], full[:-1, 0], atol=1e-2)


def test_callback_sees_the_weights_of_each_iteration():
    npnet.manual_seed(0)
    model = nn.Sequential(linear(4), nn.Tanh(), nn.Linear(4, 1).double())
    criterion, seen = nn.MSELoss(), []

    def callback(iteration, objective):
        seen.append((iteration, objective))
        assert objective == criterion(model(X), Y)

    # This method also tries points that it does not go to.
    options = {"maxiter": 60}
    result = optim.minimize(model, criterion, X, Y, "trust-constr", options=options, callback=callback)
    assert [iteration for iteration, _ in seen] == list(range(1, len(seen) + 1))
    assert [value for _, value in seen] == sorted((value for _, value in seen), reverse=True)
    assert seen[-1][1] == result.fun


def test_callback_ends_the_search():
    def callback(iteration, objective):
        if iteration == 2:
            raise StopIteration

    assert optim.minimize(linear(), nn.MSELoss(), X, Y, callback=callback).nit == 2


def test_whatever_is_raised_the_weights_are_back():
    model = linear()
    before = model.state_dict()["weight"].copy()

    def callback(iteration, objective):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optim.minimize(model, nn.MSELoss(), X, Y, callback=callback)
    np.testing.assert_array_equal(model.weight.data, before)


def nothing_to_learn():
    model = linear().requires_grad_(False)
    return model, nn.MSELoss(), {}


def dropout():
    return nn.Sequential(nn.Dropout(0.5), linear()), nn.MSELoss(), {}


def unreduced():
    return linear(), nn.MSELoss(reduction="none"), {}


def unknown_method():
    return linear(), nn.MSELoss(), {"method": "Nelder-Mead"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nothing_to_learn, "nothing to learn"),
        (dropout, r"model.eval\(\)"),
        (unreduced, r"one number, got shape \(60, 1\)"),
        (unknown_method, "method must be one of .*, got 'Nelder-Mead'"),
    ],
)
def test_what_cannot_be_minimised_is_refused(make, message):
    model, criterion, options = make()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    with pytest.raises(ArgumentError, match=message):
        optim.minimize(model, criterion, X, Y, **options)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_start_that_is_not_finite_is_refused():
    model = linear()
    model.bias.data = np.array([np.nan])
    with pytest.raises(NonFiniteError, match="nan"):
        optim.minimize(model, nn.MSELoss(), X, Y)


def test_two_devices_are_refused(monkeypatch):
    model = linear()
    names = iter(["cpu", "cuda"])
    monkeypatch.setattr(backend, "device_of", lambda array: next(names))
    with pytest.raises(DeviceError, match="lie on cpu and cuda"):
        optim.minimize(model, nn.MSELoss(), X, Y)

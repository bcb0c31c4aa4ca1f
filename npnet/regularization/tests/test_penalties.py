from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import errors, nn, optim
from npnet.nn import normalization
from npnet.nn.parameter import Parameter, house
from npnet.regularization import (
    L1,
    L2,
    ElasticNet,
    Penalty,
    functional,
    l1_regularization,
    l2_regularization,
    selection,
)

Make = Callable[..., Penalty]
KINDS: dict[str, Make] = {
    "L1": lambda **on: L1(0.7, **on),
    "L2": lambda **on: L2(0.3, **on),
    "ElasticNet": lambda **on: ElasticNet(0.7, 0.3, **on),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())

strengths = st.just(0.0) | st.floats(1e-6, 2.0)
seeds = st.integers(0, 2**32 - 1)


def model_of(seed: int = 0, dtype: str = "float64") -> nn.Sequential:
    """A model of every sort of parameter, all drawn, some exactly zero."""
    model = nn.Sequential(
        nn.Linear(3, 4, dtype=dtype), nn.BatchNorm1d(4, dtype=dtype), nn.Linear(4, 2, dtype=dtype)
    )
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        parameter.data = (rng.normal(size=parameter.shape) * rng.integers(0, 2, parameter.shape)).astype(
            dtype
        )
    return model


def grads_of(model: nn.Module) -> dict[str, Any]:
    """The gradients, copied, without touching those that are absent."""
    return {name: copy.copy(parameter.grad) for name, parameter in model.named_parameters()}


# ---------------------------------------------------------------- values and gradients


def test_closed_forms() -> None:
    w = np.array([[3.0, -4.0], [0.0, 1.0]])
    for penalty, value, gradient in (
        (L1(0.5), 4.0, [[0.5, -0.5], [0.0, 0.5]]),
        (L2(0.5), 13.0, [[3.0, -4.0], [0.0, 1.0]]),
        (ElasticNet(0.5, 0.25), 10.5, [[2.0, -2.5], [0.0, 1.0]]),
    ):
        parameter = Parameter(w)
        assert penalty([parameter]).item() == value
        penalty.backward([parameter])
        np.testing.assert_array_equal(parameter.grad, gradient)


@every_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_value_is_0_d_and_of_the_parameters_dtype(make: Make, dtype: str) -> None:
    value = make()(model_of(dtype=dtype))
    assert (value.shape, value.dtype) == ((), dtype)


@every_kind
@given(seed=seeds)
def test_backward_is_the_central_difference_of_the_value(make: Make, seed: int) -> None:
    model, penalty, h = model_of(seed), make(), 1e-6
    penalty.backward(model)
    for parameter in model.parameters():
        for index in np.ndindex(parameter.shape):
            here = parameter.data[index]
            parameter.data[index] = here + h
            above = penalty(model)
            parameter.data[index] = here - h
            below = penalty(model)
            parameter.data[index] = here
            assert parameter.grad is not None
            # At zero |w| has a kink, and the difference is the mean of both sides: the zero promised.
            assert parameter.grad[index] == pytest.approx((above - below) / (2 * h), abs=1e-8)


@given(seed=seeds, lamb=strengths)
def test_the_smooth_gradient_is_the_complex_step(seed: int, lamb: float) -> None:
    w = np.random.default_rng(seed).normal(size=5)
    steps = w + 1e-30j * np.eye(5)
    derivative = [functional.l2_value(step, lamb).imag / 1e-30 for step in steps]
    np.testing.assert_allclose(functional.l2_gradient(w, lamb), derivative, rtol=1e-14)


@given(seed=seeds, l1=strengths, l2=strengths)
def test_the_elastic_net_is_the_sum_of_its_two_terms(seed: int, l1: float, l2: float) -> None:
    model, twin = model_of(seed), model_of(seed)
    both = ElasticNet(l1, l2)
    assert both(model) == pytest.approx(L1(l1)(model) + L2(l2)(model), rel=1e-14)
    both.backward(model)
    L1(l1).backward(twin)
    L2(l2).backward(twin)
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad, other.grad, rtol=1e-14)


@pytest.mark.parametrize("plain", [l1_regularization, l2_regularization])
def test_float32_sums_keep_their_digits(plain: Callable[..., Any]) -> None:
    w = np.random.default_rng(0).normal(size=1_000_003).astype(np.float32)
    exact = plain(w.astype(np.float64), 0.5)
    assert plain(w, 0.5).dtype == np.float32
    assert abs(float(plain(w, 0.5)) - exact) <= 4 * np.spacing(np.float32(exact))


def test_a_nan_weight_is_not_hidden() -> None:
    for make in KINDS.values():
        parameter = Parameter(np.array([np.nan, 1.0]))
        assert np.isnan(make()([parameter]))
        make().backward([parameter])
        assert parameter.grad is not None
        assert np.isnan(parameter.grad[0])


# ---------------------------------------------------------------- the walk


@every_kind
@given(seed=seeds, housed=st.booleans(), data=st.data())
def test_gradients_are_added_where_there_are_some_and_made_where_there_are_none(
    make: Make, seed: int, housed: bool, data: st.DataObject
) -> None:
    model, penalty = model_of(seed), make()
    if housed:
        house(model.parameters())
    rng = np.random.default_rng(seed)
    expected = {}
    for name, parameter in model.named_parameters():
        # What an absent gradient's storage holds must not count, so leave something there.
        parameter.grad = rng.normal(size=parameter.shape)
        parameter.requires_grad = data.draw(st.booleans(), label="requires_grad")
        before = parameter.grad.copy()
        if data.draw(st.booleans(), label="absent"):
            parameter.grad, before = None, np.zeros(parameter.shape)
        expected[name] = before + penalty.gradient(parameter.data)
        if not parameter.requires_grad:
            expected[name] = None if parameter.grad is None else before
    values = {name: parameter.data.copy() for name, parameter in model.named_parameters()}
    penalty.backward(model)
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.data, values[name])
        if expected[name] is None:
            assert parameter.grad is None
        else:
            np.testing.assert_array_equal(parameter.grad, expected[name])


@every_kind
def test_where_the_parameters_lie_does_not_matter(make: Make) -> None:
    apart, together = model_of(3), model_of(3)
    house(together.parameters())
    assert make()(together) == pytest.approx(make()(apart), rel=1e-14)


@every_kind
def test_a_frozen_parameter_counts_in_the_value_and_gets_no_gradient(make: Make) -> None:
    model = model_of()
    value = make()(model)
    model[0].requires_grad_(False)
    assert make()(model) == value
    make().backward(model)
    assert grads_of(model)["0.weight"] is None
    assert grads_of(model)["2.weight"] is not None
    model.requires_grad_(False)
    make().backward(model)  # with nothing to learn there is nothing to do


@every_kind
def test_a_shared_parameter_counts_once(make: Make) -> None:
    w = Parameter(np.array([[1.0, -2.0], [0.5, 3.0]]))
    layers = [nn.Linear(2, 2, bias=False, dtype="float64") for _ in range(2)]
    for layer in layers:
        layer.weight = w
    for given_ in (nn.Sequential(*layers), [w, w], w):
        for on in ("all", "weights") if isinstance(given_, nn.Module) else ("all",):
            w.grad = None
            penalty = make(on=on)
            assert penalty(given_) == penalty.value(w.data)
            penalty.backward(given_)
            np.testing.assert_array_equal(w.grad, penalty.gradient(w.data))


@every_kind
def test_mixed_dtypes_keep_theirs(make: Make) -> None:
    narrow, wide = Parameter(np.ones(3, np.float32)), Parameter(np.ones(3))
    make().backward([narrow, wide])
    assert (narrow.grad.dtype, wide.grad.dtype) == (np.float32, np.float64)  # type: ignore[union-attr]


# ---------------------------------------------------------------- on=


def test_on_selects_all_or_weights_or_by_name() -> None:
    model = model_of()
    named = dict(model.named_parameters())

    def names(on: Any) -> list[str]:
        selected = L2(1.0, on=on).select(model)
        return [name for name, parameter in named.items() if any(parameter is s for s in selected)]

    assert names("all") == list(named)
    assert names("weights") == ["0.weight", "2.weight"]
    assert names(lambda name, parameter: name.startswith("1.")) == ["1.weight", "1.bias"]
    assert names(lambda name, parameter: parameter.ndim == 2) == ["0.weight", "2.weight"]


@every_kind
def test_only_what_is_selected_is_penalised(make: Make) -> None:
    model = model_of()
    penalty = make(on="weights")
    weights = [model[0].weight, model[2].weight]
    assert penalty(model) == pytest.approx(make()(weights), rel=1e-14)
    penalty.backward(model)
    assert [name for name, grad in grads_of(model).items() if grad is not None] == ["0.weight", "2.weight"]


def test_names_may_come_with_the_parameters() -> None:
    model = model_of()
    penalty = L1(1.0, on=lambda name, _: name.endswith("weight"))
    assert penalty(model.named_parameters()) == penalty(model)


def test_every_layer_that_normalises_is_known_as_one() -> None:
    layers = {
        layer
        for _, layer in inspect.getmembers(nn, inspect.isclass)
        if issubclass(layer, normalization.Normalization)
    }
    assert layers
    assert all(issubclass(layer, selection.NORMALIZATION) for layer in layers)


# ---------------------------------------------------------------- plain functions


def test_plain_functions_take_what_holds_weights() -> None:
    model = model_of()
    arrays = [parameter.data for parameter in model.parameters()]
    for plain, penalty in ((l1_regularization, L1(0.7)), (l2_regularization, L2(0.7))):
        value = pytest.approx(penalty(model), rel=1e-14)
        for weights in (model, model.parameters(), list(model.parameters()), arrays, tuple(arrays)):
            assert plain(weights, 0.7) == value
        assert plain({"w": arrays[0]}.values(), 0.7) == plain(arrays[0], 0.7) == plain(arrays[:1], 0.7)
        assert plain(model[0].weight, 0.7) == plain(arrays[0], 0.7)


def test_plain_functions_do_not_wrap_around_in_small_integers() -> None:
    w = np.array([-128, 100], dtype=np.int8)
    assert l1_regularization(w, 1.0) == 228.0
    assert l2_regularization(w, 1.0) == 26384.0


def test_numpy_s_float64_as_strength_does_not_widen() -> None:
    w = Parameter(np.ones(3, np.float32))
    for penalty in (L1(np.float64(0.1)), L2(np.float64(0.1)), ElasticNet(np.float64(0.1), np.float64(0.1))):
        assert penalty([w]).dtype == penalty.gradient(w.data).dtype == np.float32
    assert l1_regularization(w, np.float64(0.1)).dtype == np.float32


# ---------------------------------------------------------------- equal to weight decay


@given(
    seed=seeds,
    lr=st.floats(0.01, 0.9),
    decay=st.floats(0.0, 1.0),
    momentum=st.sampled_from([0.0, 0.9]),
    steps=st.integers(1, 5),
)
def test_half_the_decay_as_l2_is_coupled_weight_decay(
    seed: int, lr: float, decay: float, momentum: float, steps: int
) -> None:
    decayed, penalised = model_of(seed), model_of(seed)
    first = optim.SGD(decayed.parameters(), lr=lr, momentum=momentum, weight_decay=decay)
    second = optim.SGD(penalised.parameters(), lr=lr, momentum=momentum)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for one, other in zip(decayed.parameters(), penalised.parameters(), strict=True):
            one.grad = other.grad = rng.normal(size=one.shape)
        L2(decay / 2).backward(penalised)
        first.step()
        second.step()
    for one, other in zip(decayed.parameters(), penalised.parameters(), strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=1e-12, atol=1e-12)


@given(seed=seeds, lr=st.floats(0.01, 0.9), decay=st.floats(0.0, 1.0))
def test_without_a_loss_l2_is_one_shrinking_factor_a_step(seed: int, lr: float, decay: float) -> None:
    w = Parameter(np.random.default_rng(seed).normal(size=4))
    start = w.data.copy()
    optimizer = optim.SGD([w], lr=lr)
    for _ in range(5):
        optimizer.zero_grad()
        L2(decay / 2).backward([w])
        optimizer.step()
    np.testing.assert_allclose(w.data, start * (1 - lr * decay) ** 5, rtol=1e-12)


def test_with_adam_l2_is_coupled_decay_and_not_adamw() -> None:
    results = {}
    for name, make, penalty in (
        ("penalty", lambda w: optim.Adam(w, lr=0.1), L2(0.25)),
        ("coupled", lambda w: optim.Adam(w, lr=0.1, weight_decay=0.5), None),
        ("decoupled", lambda w: optim.AdamW(w, lr=0.1, weight_decay=0.5), None),
    ):
        w = Parameter(np.array([1.0, 10.0]))
        optimizer = make([w])
        for _ in range(3):
            w.grad = np.ones(2)
            if penalty is not None:
                penalty.backward([w])
            optimizer.step()
        results[name] = w.data.copy()
    np.testing.assert_allclose(results["penalty"], results["coupled"], rtol=1e-13)
    # Adam divides the decay's gradient by its own size: a large weight loses no more than a small one.
    assert results["penalty"][1] == pytest.approx(10 - 0.3, abs=0.01)
    assert results["decoupled"][1] == pytest.approx(10 * 0.95**3 - 0.1 * (0.95**2 + 0.95 + 1), abs=0.01)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("lamb", [-0.1, float("nan"), float("inf"), "0.1", None, 1j])
def test_a_strength_out_of_range_is_refused(lamb: Any) -> None:
    message = "must be a finite number that is not negative, got "
    for make, name in (
        (lambda: L1(lamb), "lamb"),
        (lambda: L2(lamb), "lamb"),
        (lambda: ElasticNet(lamb, 0.0), "l1"),
        (lambda: ElasticNet(0.0, lamb), "l2"),
        (lambda: l1_regularization(np.ones(2), lamb), "lamb"),
        (lambda: l2_regularization(np.ones(2), lamb), "lamb"),
    ):
        with pytest.raises(errors.ArgumentError, match=f"^{name} {message}"):
            make()


@every_kind
def test_a_choice_that_cannot_be_made_is_refused(make: Make) -> None:
    model = model_of()
    with pytest.raises(errors.ArgumentError, match=r"on must be 'all', 'weights' or a function.*got 'bias'"):
        make(on="bias")
    with pytest.raises(errors.ArgumentError, match="must know the layers: pass the model"):
        make(on="weights")(model.parameters())
    with pytest.raises(errors.ArgumentError, match="needs names"):
        make(on=lambda name, parameter: True)(model.parameters())


@every_kind
def test_to_penalise_nothing_is_refused(make: Make) -> None:
    model = model_of()
    misspelt = make(on=lambda name, parameter: "wieght" in name)
    with pytest.raises(errors.ArgumentError, match=r"finds nothing to act on.*0\.weight, 0\.bias"):
        misspelt.backward(model)
    used_up = model.parameters()
    list(used_up)
    with pytest.raises(errors.ArgumentError, match=r"finds nothing to act on.*none"):
        make()(used_up)
    with pytest.raises(errors.ArgumentError, match="finds nothing"):
        make()(nn.ReLU())
    for plain in (l1_regularization, l2_regularization):
        with pytest.raises(errors.ArgumentError, match="no weights to sum over"):
            plain([], 0.1)


@every_kind
def test_what_is_no_parameter_is_refused(make: Make) -> None:
    for wrong in (np.ones(3), [np.ones(3)], {"w": Parameter(np.ones(3))}, "model", None, 3):
        with pytest.raises(errors.DtypeError, match="takes a model or its parameters, got"):
            make()(wrong)
    for plain in (l1_regularization, l2_regularization):
        for wrong in ({"w": np.ones(3)}, "w", None, [None], np.ones(3, complex), np.array(["a"])):
            with pytest.raises(errors.DtypeError, match="real arrays or Parameters, got"):
                plain(wrong, 0.1)


def test_a_penalty_s_repr_tells_its_options() -> None:
    assert repr(ElasticNet(0.1, 0.2, on="weights")) == "ElasticNet(l1=0.1, l2=0.2, on='weights')"

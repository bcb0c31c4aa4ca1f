"""The four forms of a penalty: where they coincide, where not, and whose weights they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import errors, nn, optim
from npnet.nn.parameter import Parameter, house
from npnet.regularization import L1, L2, GroupLasso, MaxNorm, Penalty
from npnet.regularization.tests.drawn import Make, decays, every_kind, rates, seeds, weights_of

# --------------------------------------------------------------------- where the forms coincide


def run(
    form: str, d: float, make: Callable[[Any, float], optim.Optimizer], start: Any, gradients: Any
) -> Any:
    """Several steps on given gradients with ``L2(d / 2)`` in one form; the weights at the end."""
    w = Parameter(start)
    optimizer = make([w], d if form == "weight_decay" else 0.0)
    penalty = L2(d / 2)
    for gradient in gradients:
        w.grad = gradient
        if form == "term":
            penalty.backward([w])
        elif form == "coupled":
            penalty.couple_([w])
        elif form == "decoupled":
            penalty.decay_([w], optimizer)
        optimizer.step()
        if form == "proximal":
            penalty.prox_([w], optimizer)
    return w.data.copy()


@given(seed=seeds, lr=rates, d=decays)
def test_under_plain_sgd_term_coupled_decoupled_and_one_factor_coincide(
    seed: int, lr: float, d: float
) -> None:
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=5), rng.normal(size=(5, 5))

    def sgd(params: Any, weight_decay: float) -> optim.Optimizer:
        return optim.SGD(params, lr=lr, weight_decay=weight_decay)

    expected, implicit = start, start
    for gradient in gradients:
        expected = (1 - lr * d) * expected - lr * gradient  # the one shrinking factor
        implicit = (implicit - lr * gradient) / (1 + lr * d)
    for form in ("term", "coupled", "decoupled", "weight_decay"):
        np.testing.assert_allclose(run(form, d, sgd, start, gradients), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(run("proximal", d, sgd, start, gradients), implicit, rtol=1e-11, atol=1e-12)


@given(seed=seeds, lr=rates, d=decays, momentum=st.sampled_from([0.0, 0.9]))
def test_coupled_is_weight_decay_and_decoupled_is_adamw(
    seed: int, lr: float, d: float, momentum: float
) -> None:
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=5), rng.normal(size=(5, 5))
    for decoupled, form in ((False, "coupled"), (True, "decoupled")):

        def adam(params: Any, weight_decay: float, decoupled: bool = decoupled) -> optim.Optimizer:
            return optim.Adam(params, lr=lr, weight_decay=weight_decay, decoupled_weight_decay=decoupled)

        decayed = run("weight_decay", d, adam, start, gradients)
        np.testing.assert_allclose(run(form, d, adam, start, gradients), decayed, rtol=1e-9, atol=1e-10)

    def sgd(params: Any, weight_decay: float) -> optim.Optimizer:
        return optim.SGD(params, lr=lr, momentum=momentum, weight_decay=weight_decay)

    decayed = run("weight_decay", d, sgd, start, gradients)
    np.testing.assert_allclose(run("coupled", d, sgd, start, gradients), decayed, rtol=1e-10, atol=1e-11)


# --------------------------------------------------------------------- where they do not


def test_counter_example_momentum() -> None:
    """No loss, decay 1/2, learning rate 1, momentum 1/2: worked in the book's chapter on penalties.

    Coupled: b1 = 1/2, w1 = 1/2; b2 = 1/4 + 1/4 = 1/2, w2 = 0.  Decoupled: the buffer stays 0, w2 = 1/4.
    """

    def sgd(params: Any, weight_decay: float) -> optim.Optimizer:
        return optim.SGD(params, lr=1.0, momentum=0.5, weight_decay=weight_decay)

    nothing = np.zeros((2, 1))
    assert run("coupled", 0.5, sgd, np.ones(1), nothing) == 0.0
    assert run("decoupled", 0.5, sgd, np.ones(1), nothing) == 0.25


def test_counter_example_adam() -> None:
    """One step with weights 1 and 10 and no loss: coupled takes lr from both, decoupled a share of each."""

    def adam(params: Any, weight_decay: float) -> optim.Optimizer:
        return optim.Adam(params, lr=0.1, eps=0.0, weight_decay=weight_decay)

    start, nothing = np.array([1.0, 10.0]), np.zeros((1, 2))
    np.testing.assert_allclose(run("coupled", 0.5, adam, start, nothing), [0.9, 9.9], rtol=1e-14)
    with np.errstate(invalid="ignore"):  # eps=0 and no gradient: Adam's own step would be 0 / 0
        assert np.isnan(run("decoupled", 0.5, adam, start, nothing)).all()

    def adam_with_eps(params: Any, weight_decay: float) -> optim.Optimizer:
        return optim.Adam(params, lr=0.1, weight_decay=weight_decay)

    np.testing.assert_allclose(run("decoupled", 0.5, adam_with_eps, start, nothing), [0.95, 9.5], rtol=1e-14)


def test_only_the_proximal_form_leaves_zeros() -> None:
    ends = {}
    for form in ("term", "decoupled", "proximal"):
        w = Parameter(np.array([0.55]))
        optimizer, penalty = optim.SGD([w], lr=0.1), L1(1.0)
        for _ in range(20):
            w.grad = np.zeros(1)
            if form == "term":
                penalty.backward([w])
            elif form == "decoupled":
                penalty.decay_([w], optimizer)
            optimizer.step()
            if form == "proximal":
                penalty.prox_([w], optimizer)
        ends[form] = abs(w.data.item())
    assert ends["proximal"] == 0.0
    assert ends["term"] == pytest.approx(0.05)  # to and fro across zero
    assert ends["decoupled"] == pytest.approx(0.05)


# --------------------------------------------------------------------- the walk


def test_each_parameter_has_the_rate_of_its_group() -> None:
    a, b = Parameter(np.ones(2)), Parameter(np.ones(2))
    house([a, b])  # end to end, in one run but for their rates
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": [b], "lr": 0.25}], lr=1.0)
    a.grad, b.grad = np.zeros(2), np.zeros(2)
    L2(0.5).decay_([a, b], optimizer)
    assert (a.data.tolist(), b.data.tolist()) == ([0.5, 0.5], [0.75, 0.75])
    optimizer.param_groups[0]["lr"] = 1.0
    L1(0.25).prox_([a, b], optimizer)
    assert (a.data.tolist(), b.data.tolist()) == ([0.25, 0.25], [0.6875, 0.6875])


@every_kind
def test_a_step_s_forms_leave_alone_what_the_step_leaves_alone(make: Make) -> None:
    moved, frozen, absent = (Parameter(np.full((2, 2), 2.0)) for _ in range(3))
    everything = [moved, frozen, absent]
    house(everything)
    moved.grad = np.zeros((2, 2))
    frozen.grad = np.zeros((2, 2))
    frozen.requires_grad = False
    penalty = make()
    penalty.couple_(everything)
    assert np.any(moved.grad)
    assert not np.any(frozen.grad)
    assert absent.grad is None
    penalty.decay_(everything, 0.1)
    penalty.prox_(everything, 0.1)
    assert np.all(moved.data < 2.0)
    assert np.all(frozen.data == 2.0)
    assert np.all(absent.data == 2.0)


@every_kind
def test_a_form_after_zero_grad_is_refused_and_learns_nothing_else(make: Make) -> None:
    w = weights_of(0)
    w.grad = None
    for act in (make().couple_, lambda p: make().decay_(p, 0.1), lambda p: make().prox_(p, 0.1)):
        with pytest.raises(errors.StateError, match=r"no parameter has a gradient.*before zero_grad\(\)"):
            act([w])
    w.requires_grad = False
    make().prox_([w], 0.1)  # with nothing to learn there is nothing to do


@every_kind
def test_on_weights_leaves_biases_and_normalisation_alone(make: Make) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    for parameter in model.parameters():
        parameter.data = np.full_like(parameter.data, 2.0)
        parameter.grad = np.zeros_like(parameter.data)
    make(on="weights").prox_(model, 0.1)
    changed = [name for name, parameter in model.named_parameters() if np.any(parameter.data != 2.0)]
    assert changed == ["0.weight", "2.weight"]


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf"), "0.1", None])
def test_a_learning_rate_out_of_range_is_refused(lr: Any) -> None:
    w = weights_of(0)
    before = w.data.copy()
    for act in (L1(0.1).prox_, L1(0.1).decay_):
        with pytest.raises(errors.ArgumentError, match="lr must be a finite number that is not negative"):
            act([w], lr)
    np.testing.assert_array_equal(w.data, before)


def test_an_optimizer_of_other_parameters_is_refused() -> None:
    w, other = weights_of(0), weights_of(1)
    with pytest.raises(errors.ArgumentError, match="does not know Parameter"):
        L1(0.1).prox_([w], optim.SGD([other], lr=0.1))


def test_a_penalty_without_a_proximal_map_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Penalty has no proximal step"):
        Penalty().prox_([weights_of(0)], 0.1)


def test_groups_that_there_are_not_are_refused() -> None:
    for make in (GroupLasso, MaxNorm):
        with pytest.raises(errors.ArgumentError, match="groups must be one of 'rows', 'columns'"):
            make(1.0, groups="units")  # type: ignore[arg-type]

"""A step as one call is the five lines of the loop, to the last bit, for every loss and every network."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import nn, optim
from npnet.engine.tests.test_written_rows import COMMON, plans
from npnet.nn.utils import clip_grad_norm_
from npnet.training import TrainStep
from npnet.training.tests.train_steps import (
    CLASSES,
    WEIGHT,
    N,
    Training,
    assert_same,
    batch,
    both_of,
    compare,
    indices,
    network,
    usual,
    values,
)


def narrow(rows: int, dtype: str, rng: Any) -> Any:
    return rng.integers(0, CLASSES, rows).astype(np.uint8)


def shares(rows: int, dtype: str, rng: Any) -> Any:
    return rng.random((rows, CLASSES)).astype(dtype)


LOSSES: dict[str, tuple[Callable[[str], nn.Module], Callable[[int, str, Any], Any]]] = {
    "cross-entropy": (lambda dtype: nn.CrossEntropyLoss(), indices),
    "cross-entropy of bytes": (lambda dtype: nn.CrossEntropyLoss(), narrow),
    "cross-entropy, summed": (lambda dtype: nn.CrossEntropyLoss(reduction="sum"), indices),
    "cross-entropy, weighted": (lambda dtype: nn.CrossEntropyLoss(WEIGHT.astype(dtype)), indices),
    "cross-entropy, smoothed": (lambda dtype: nn.CrossEntropyLoss(label_smoothing=0.1), indices),
    "cross-entropy, one class ignored": (lambda dtype: nn.CrossEntropyLoss(ignore_index=1), indices),
    "cross-entropy of shares": (lambda dtype: nn.CrossEntropyLoss(), shares),
    "squares": (lambda dtype: nn.MSELoss(), values),
    "squares, summed": (lambda dtype: nn.MSELoss(reduction="sum"), values),
    "distances": (lambda dtype: nn.L1Loss(), values),
    "Huber": (lambda dtype: nn.HuberLoss(delta=0.3), values),
    "smooth distances": (lambda dtype: nn.SmoothL1Loss(beta=0.3), values),
    "binary": (lambda dtype: nn.BCEWithLogitsLoss(pos_weight=WEIGHT.astype(dtype)), shares),
    "margins": (lambda dtype: nn.MultiMarginLoss(), indices),
}
AT_ONCE = {
    *("cross-entropy", "cross-entropy of bytes", "cross-entropy, summed", "squares", "squares, summed"),
    *("distances", "Huber", "smooth distances", "binary"),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss(loss: str, dtype: str) -> None:
    make, target_of = LOSSES[loss]

    def training() -> Training:
        model = network(COMMON, dtype)
        return Training(model, make(dtype), optim.SGD(model.parameters(), lr=0.01))

    found = compare(training, target_of, [7, 7, 7, 7, 9, 7, 9, 9], dtype)
    assert bool(both_of(found)) == (loss in AT_ONCE)


@given(layers=plans, rows=st.sampled_from([2, 7, 130, 200]), dtype=st.sampled_from(["float32", "float64"]))
def test_every_network(layers: list[int], rows: int, dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(
            lambda: Training(network(layers, dtype), nn.CrossEntropyLoss()),
            *(indices, [rows] * 5 + [rows + 1] * 4 + [rows] * 2, dtype),
        )


def halves() -> Training:
    model = network(COMMON)
    return Training(model, nn.CrossEntropyLoss(), optim.SGD(list(model.parameters())[:3], lr=0.1))


def more() -> Training:
    model, other = network(COMMON), nn.Parameter(np.ones(3, np.float32))
    other.grad = np.ones(3, np.float32)
    return Training(model, nn.CrossEntropyLoss(), optim.SGD([*model.parameters(), other], lr=0.1))


def test_what_is_learned_elsewhere_too_is_dropped() -> None:
    def give_a_gradient(training: Training, step: int) -> None:
        training.optimizer.param_groups[0]["params"][-1].grad = np.ones(3, np.float32)

    training = compare(more, indices, [9] * 6, "float32", between=give_a_gradient)
    np.testing.assert_array_equal(training.optimizer.param_groups[0]["params"][-1].data, np.ones(3))


def frozen() -> Training:
    model = network(COMMON)
    model[0].requires_grad_(False)
    model[-1].bias.requires_grad = False
    return Training(model, nn.CrossEntropyLoss())


def nothing_learns() -> Training:
    model = network(COMMON)
    return Training(model.requires_grad_(False), nn.CrossEntropyLoss())


def shared() -> Training:
    npnet.manual_seed(1)
    linear = nn.Linear(N, N)
    return Training(nn.Sequential(linear, nn.Tanh(), linear, nn.ReLU(), linear), nn.MSELoss())


def nested() -> Training:
    return Training(nn.Sequential(network(COMMON), nn.Linear(CLASSES, CLASSES)), nn.CrossEntropyLoss())


def watched() -> Training:
    training = usual()
    forward = training.model[2].forward
    training.model[2].forward = lambda x: 2 * forward(x)  # type: ignore[method-assign]
    return training


@pytest.mark.parametrize("make", [halves, more, frozen, nothing_learns, nested, watched])
def test_every_kind_of_training(make: Callable[[], Training]) -> None:
    compare(make, indices, [9] * 6, "float32")


def test_a_layer_that_comes_several_times() -> None:
    compare(shared, lambda rows, dtype, rng: rng.standard_normal((rows, N)).astype(dtype), [9] * 6, "float32")


def test_a_common_step_is_written_down_as_one() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(6):
        step(*batch(9))
    (chain,) = both_of(training)
    assert set(chain._written) == {("both", 0, 9)}


def test_before_the_update_gradients_may_be_changed() -> None:
    def clipped(at_once: bool) -> Any:
        training = usual()
        norms: list[float] = []

        def clip() -> None:
            norms.append(float(clip_grad_norm_(training.model.parameters(), 0.01)))

        step = TrainStep(training.model, training.criterion, training.optimizer, before_update=clip)
        for number in range(6):
            x, target = batch(9)
            if at_once:
                step(x + number, target)
                continue
            training.optimizer.zero_grad()
            training.criterion(training.model(x + number), target)
            training.model.backward(training.criterion.backward())
            clip()
            training.optimizer.step()
        return tuple(map(np.array, norms)), tuple(map(np.array, training.model.state_dict().values()))

    assert_same(clipped(at_once=True), clipped(at_once=False))


def test_input_that_lies_otherwise() -> None:
    def step_of(training: Training) -> TrainStep:
        return TrainStep(training.model, training.criterion, training.optimizer)

    for lie in (np.asfortranarray, lambda x: x[::-1][::-1], lambda x: np.repeat(x, 2, axis=1)[:, ::2]):
        ours, theirs = usual(), usual()
        at_once = step_of(ours)
        npnet.manual_seed(0)
        found = [at_once(lie(batch(9)[0]), batch(9)[1]) for _ in range(5)]
        npnet.manual_seed(0)
        assert_same(tuple(found), tuple(theirs.by_hand(*batch(9)) for _ in range(5)))


def test_what_was_written_down_goes_with_the_step() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    values = weakref.ref(training.model[0].weight.arena.values)
    gc.collect()
    gc.disable()
    try:
        del training, step
        assert values() is None
    finally:
        gc.enable()

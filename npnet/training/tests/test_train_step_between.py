"""Whatever is done between two steps, the next one is that of the loop."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, no_grad, optim
from npnet.engine.tests.test_written_rows import CHANGES, COMMON
from npnet.errors import BackwardError
from npnet.training import TrainStep
from npnet.training.tests.train_steps import (
    CLASSES,
    WEIGHT,
    Between,
    Step,
    Training,
    assert_same,
    batch,
    both_of,
    compare,
    indices,
    network,
    usual,
)


def reduce_otherwise(training: Training, step: int) -> None:
    training.criterion.reduction = "sum" if step // 3 % 2 else "mean"


def ignore_a_class(training: Training, step: int) -> None:
    training.criterion.ignore_index = 1 if step // 3 % 2 else -100


def weigh_classes(training: Training, step: int) -> None:
    training.criterion.weight = WEIGHT.astype(np.float32) if step // 3 % 2 else None


def change_gradients(training: Training, step: int) -> None:
    if step > 3:
        training.model[0].weight.grad.fill(7)


def take_a_gradient_away(training: Training, step: int) -> None:
    if step == 5:
        training.model[0].weight.grad = None


def take_all_gradients_away(training: Training, step: int) -> None:
    if step == 5:
        training.model.zero_grad()


def step_by_hand(training: Training, step: int) -> None:
    if step % 4 == 3:
        training.by_hand(*batch(9))


def evaluate(training: Training, step: int) -> None:
    with no_grad():
        training.model.eval()(batch(9)[0])
    training.model.train()


def call_without_going_back(training: Training, step: int) -> None:
    if step % 3 == 2:
        training.model(batch(9)[0])


def seed(training: Training, step: int) -> None:
    if step == 5:
        npnet.manual_seed(4)


def lower_the_rate(training: Training, step: int) -> None:
    training.optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)


def append_a_layer(training: Training, step: int) -> None:
    if step == 5:
        training.model.append(nn.ReLU())


def keep_gradients(training: Training, step: int) -> None:
    if step == 4:
        training.optimizer.zero_grad = lambda: None


def take_a_parameter_away(training: Training, step: int) -> None:
    if step == 4:
        training.optimizer.param_groups[0]["params"].pop()


def call_a_forward(training: Training, step: int) -> None:
    training.model[0].forward(batch(9)[0])


def add_a_group(training: Training, step: int) -> None:
    if step == 2:
        training.other = nn.Parameter(np.ones(3, np.float32))
        optim.SGD([training.other])  # which gives it a place
    if step == 5:
        training.optimizer.add_param_group({"params": [training.other]})
        training.other.grad = np.ones(3, np.float32)
    if step > 5:
        assert not training.other.has_grad


BETWEEN: tuple[Between, ...] = (
    *(reduce_otherwise, ignore_a_class, weigh_classes, change_gradients, take_a_gradient_away),
    *(take_all_gradients_away, step_by_hand, evaluate, call_without_going_back, seed, lower_the_rate),
    *(append_a_layer, add_a_group, keep_gradients, take_a_parameter_away, call_a_forward),
)


@pytest.mark.parametrize("between", BETWEEN, ids=lambda between: between.__name__)
def test_whatever_is_done_between_two_steps(between: Between) -> None:
    compare(usual, indices, [9] * 10, "float32", between=between)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_noticed(change: Callable[..., Any]) -> None:
    def training() -> Training:
        model = network([*COMMON, 0])  # of which only the last bias moves, not what is set
        return Training(model, nn.CrossEntropyLoss(), optim.SGD([model[-1].bias], lr=0.1))

    compare(
        training, indices, [9] * 9, "float32", between=lambda training, step: change(training.model, step)
    )
    compare(usual, indices, [9] * 9, "float32", between=lambda training, step: change(training.model, step))


def test_what_breaks_off_leaves_no_gradients() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    x, target = batch(9)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        step(x * np.float32(1e30), target)
    assert not any(parameter.has_grad for parameter in training.model.parameters())


def test_warnings_come_in_the_order_of_the_lines() -> None:
    def warned(at_once: bool) -> list[str]:
        training = Training(network([*COMMON, 0]), nn.MSELoss())
        step: Step = training.by_hand
        if at_once:
            step = TrainStep(training.model, training.criterion, training.optimizer)
        x, _ = batch(9)
        target = np.zeros((9, CLASSES), np.float32)
        for _ in range(4):
            step(x, target)
        training.model[-1].weight.data.fill(1e19)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            step(x, target)
        return [str(warning.message) for warning in heard]

    ours, theirs = warned(at_once=True), warned(at_once=False)
    assert [each.replace("dot", "matmul") for each in ours] == [
        each.replace("dot", "matmul") for each in theirs
    ]
    assert theirs


def test_a_changed_option_is_written_down_again() -> None:
    training = usual(nn.HuberLoss())
    step = TrainStep(training.model, training.criterion, training.optimizer)
    x, target = batch(9)[0], np.zeros((9, CLASSES), np.float32)
    for delta in (1.0, 0.5):
        training.criterion.delta = delta
        for _ in range(4):
            step(x, target)
    (chain,) = both_of(training)
    (written,) = chain._written.values()
    assert 0.5 in [number for _, _, number in written._numbers]


def test_nothing_is_left_to_go_back_through() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        output = training.model(batch(9)[0])  # which the step forgets
        training.criterion(output, batch(9)[1])
        step(*batch(9))
        for module in (training.model, *training.model, training.criterion):
            with pytest.raises(BackwardError, match=f"^{type(module).__name__}.backward has no"):
                module.backward(np.ones_like(output))
    with no_grad(), pytest.raises(BackwardError):
        step(*batch(9))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda step: pickle.loads(pickle.dumps(step))])
def test_a_copy_learns_on_its_own(copied: Callable[[TrainStep], TrainStep]) -> None:
    training = usual()
    training.model[3].generator = npnet.random.Generator(5)
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    twin, found = copied(step), []
    for each in (step, twin):
        found.append(tuple(each(*batch(9))[0] for _ in range(4)))
    assert_same(*found)

"""Training steps on the strict device: nothing waits for it, and the numbers are those of the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend, nn, optim, regularization
from npnet.random import ReplayGenerator
from parity_tests.equal import assert_as_on_host
from parity_tests.strict_device import (  # registers "strict"
    SynchronisationError,
    count_synchronisations,
    forbid_synchronisation,
)

pytestmark = pytest.mark.device

ROWS, FEATURES, CLASSES = 130, 20, 3  # more rows than one block of a column sum
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, ROWS)
ONE_HOT = np.eye(CLASSES, dtype=np.float32)[LABELS]
WEIGHT = np.array([0.5, 1.0, 2.0], np.float32)

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.1),
    "SGD, Nesterov": lambda parameters: optim.SGD(
        parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "Adam": lambda parameters: optim.Adam(parameters, weight_decay=0.1),
    "AdamW, AMSGrad": lambda parameters: optim.AdamW(parameters, amsgrad=True),
    "RMSprop": lambda parameters: optim.RMSprop(parameters),
    "RMSprop, centered": lambda parameters: optim.RMSprop(parameters, centered=True, momentum=0.5),
}

LOSSES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "classes": (lambda weight: nn.CrossEntropyLoss(weight, ignore_index=1, label_smoothing=0.1), LABELS),
    "probabilities": (lambda weight: nn.CrossEntropyLoss(), ONE_HOT),
    "logits": (lambda weight: nn.BCEWithLogitsLoss(weight, pos_weight=weight), ONE_HOT),
    "squares": (lambda weight: nn.MSELoss(), ONE_HOT),
}


def no_limit(parameters: Any) -> None:
    """Leave the gradients as they are."""


CLIPS: dict[str, Callable[[Any], Any]] = {
    "unclipped": no_limit,
    "norm": lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.1),
    "largest": lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.1, norm_type=float("inf")),
    "value": lambda parameters: nn.utils.clip_grad_value_(parameters, 0.01),
}


def train(
    device: str, masks: list[Any], optimizer: str, loss: str, clip: str
) -> tuple[list[backend.Array], nn.Module]:
    """Three steps; the losses, and the trained model on the host."""
    npnet.manual_seed(0)
    dropout = nn.Dropout(0.3, generator=ReplayGenerator(masks))
    model = nn.Sequential(
        nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), dropout),
        nn.Sequential(nn.Linear(16, 8), nn.LeakyReLU(), nn.Linear(8, 8), nn.Sigmoid()),
        nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Flatten(), nn.Identity()),
        nn.Linear(8, CLASSES),
    ).to(device)
    make_criterion, host_target = LOSSES[loss]
    inputs, target, weight = (backend.to_device(array, device) for array in (INPUTS, host_target, WEIGHT))
    criterion = make_criterion(weight)
    penalty = regularization.ElasticNet(1e-3, 1e-2)
    update = OPTIMIZERS[optimizer](model.parameters())
    losses = []
    for _ in masks:
        with forbid_synchronisation():
            update.zero_grad()
            losses.append(criterion(model(inputs), target) + penalty(model))
            model.backward(criterion.backward(), input_grad=False)
            penalty.backward(model)
            CLIPS[clip](model.parameters())
            update.step()
    return [backend.to_host(value) for value in losses], model.to("cpu")


@pytest.mark.usefixtures("numpy_engine")
@pytest.mark.parametrize(
    ("optimizer", "loss", "clip"),
    [
        *((optimizer, "classes", "unclipped") for optimizer in OPTIMIZERS),
        *(("Adam", loss, "unclipped") for loss in LOSSES if loss != "classes"),
        *(("Adam", "classes", clip) for clip in CLIPS if clip != "unclipped"),
    ],
)
def test_a_step_waits_for_nothing_and_computes_as_on_the_host(optimizer: str, loss: str, clip: str) -> None:
    masks = list(np.random.default_rng(1).random((3, ROWS, 16)) < 0.7)
    losses, model = train("strict", masks, optimizer, loss, clip)
    expected_losses, expected = train("cpu", masks, optimizer, loss, clip)
    for step, (loss_there, loss_here) in enumerate(zip(losses, expected_losses, strict=True), 1):
        assert_as_on_host(loss_there, loss_here, f"the loss of step {step}", steps=step)
    assert len(set(map(float, losses))) == len(masks)  # it did train
    for (name, value), other in zip(model.state_dict().items(), expected.state_dict().values(), strict=True):
        assert_as_on_host(value, other, name, steps=len(masks))


WAITS: dict[str, Callable[[Any], Any]] = {
    "copy": backend.to_host,
    "text": repr,
    "item": lambda x: x.item(),
    "number": lambda x: float(x[0]),
    "truth": lambda x: bool(x[0] > 0),
    "mask": lambda x: x[x > 0],
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_wait_is_noticed(wait: Callable[[Any], Any]) -> None:
    x = backend.to_device(np.array([2.0]), "strict")
    with count_synchronisations() as waits:
        wait(x)
    assert waits
    with forbid_synchronisation(), pytest.raises(SynchronisationError, match="waits for the device"):
        wait(x)


def test_masks_are_drawn_on_the_device() -> None:
    layer = nn.Dropout(0.5)
    x = backend.to_device(INPUTS, "strict")
    with forbid_synchronisation():
        y = layer(x)
        layer.backward(y)
    dropped = np.mean(backend.to_host(y) == 0)
    assert 0.4 < dropped < 0.6  # 2,600 draws: ten standard deviations


def test_evaluation_waits_for_nothing() -> None:
    model = nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.Dropout(0.5)).to("strict").eval()
    with npnet.no_grad(), forbid_synchronisation():
        y = model(backend.to_device(INPUTS, "strict"))
    assert backend.device_of(y) == "strict"


@pytest.mark.usefixtures("numpy_engine")
def test_state_moves_between_devices_in_training() -> None:
    def fresh(device: str) -> tuple[nn.Module, optim.Optimizer]:
        npnet.manual_seed(2)
        first = nn.Linear(FEATURES, 4, bias=False)  # whose true gradient is zero: Adam would magnify rounding
        model = nn.Sequential(first, nn.BatchNorm1d(4), nn.Linear(4, CLASSES)).to(device)
        return model, optim.Adam(model.parameters(), lr=0.1)

    def step(model: nn.Module, update: optim.Optimizer, device: str) -> None:
        criterion = nn.MSELoss()
        update.zero_grad()
        criterion(model(backend.to_device(INPUTS, device)), backend.to_device(ONE_HOT, device))
        model.backward(criterion.backward())
        update.step()

    stay, stays = fresh("cpu")
    move, moves = fresh("cpu")
    for device in ("cpu", "strict", "strict", "cpu"):
        step(stay, stays, "cpu")
        step(move.to(device), moves, device)
    for name, value in move.state_dict().items():
        assert_as_on_host(value, stay.state_dict()[name], name, steps=4)

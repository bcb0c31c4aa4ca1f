"""Losses, layers and optimizers of others are called, and what is no training is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.engine.tests.test_written_rows import COMMON
from npnet.errors import BackwardError, DtypeError, NpnetError, ShapeError, TargetError
from npnet.training import TrainStep
from npnet.training.tests.train_steps import (
    CLASSES,
    N,
    Training,
    batch,
    compare,
    indices,
    network,
    usual,
    values,
)


class Doubled(nn.CrossEntropyLoss):
    __module__ = "somebody's"

    def forward(self, x: Any, target: Any) -> Any:
        return 2 * super().forward(x, target)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Any:
        return super().backward(2 * grad_output, input_grad=input_grad)


class Unchained(nn.Sequential):
    __module__ = "somebody's"

    def forward(self, x: Any) -> Any:
        return super().forward(2 * x)


class Halved(nn.MSELoss):
    __module__ = "somebody's"

    def _reduced(self, losses: Any, divisor: Any) -> Any:
        return super()._reduced(losses, divisor) / 2


class Steep(nn.CrossEntropyLoss):
    __module__ = "somebody's"

    def _seed(self, *args: Any) -> Any:
        return 2 * super()._seed(*args)


class Annealed(nn.HuberLoss):
    __module__ = "somebody's"
    options = ("now",)

    @property
    def now(self) -> float:
        self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
        return 1.0 / self.__dict__["calls"]


class Bare(nn.Module):
    """A loss of somebody's own that takes no gradient."""

    def forward(self, x: Any, target: Any) -> Any:
        self.save(x)
        return x.sum()

    def backward(self) -> Any:  # type: ignore[override]
        (x,) = self.saved()
        return np.ones_like(x)


class Scheduled(nn.Dropout):
    """Its probability is everybody's."""

    __module__ = "somebody's"
    shared: ClassVar[float] = 0.5

    @property
    def p(self) -> float:
        return type(self).shared

    @p.setter
    def p(self, value: float) -> None: ...


def scheduled() -> Training:
    npnet.manual_seed(1)
    layers = [nn.Linear(N, N), Scheduled(), nn.ReLU(), Scheduled(), nn.Linear(N, CLASSES)]
    return Training(nn.Sequential(*layers), nn.CrossEntropyLoss())


@pytest.mark.parametrize("make", [Steep, Bare])
def test_losses_of_others_are_called(make: Callable[[], nn.Module]) -> None:
    compare(lambda: usual(make()), indices, [9] * 6, "float32")


@pytest.mark.parametrize(
    "make", [Halved, Annealed, lambda: nn.HuberLoss(delta=np.float64(0.5)), lambda: nn.L1Loss()]
)
def test_losses_of_other_dtypes_and_options(make: Callable[[], nn.Module]) -> None:
    def training() -> Training:
        model = network(COMMON)
        return Training(model, make(), optim.SGD(model.parameters(), lr=0.01))

    compare(training, values, [9] * 6, "float32")


def test_a_layer_may_make_another_dtype() -> None:
    def training() -> Training:
        return Training(network(COMMON).append(nn.ELU(np.float64(0.5))), nn.CrossEntropyLoss())

    compare(training, indices, [9] * 6, "float32")


def test_probabilities_that_are_computed() -> None:
    def raise_it(training: Training, step: int) -> None:
        Scheduled.shared = 0.1 + 0.15 * step

    compare(scheduled, indices, [9] * 6, "float32", between=raise_it)
    hidden, dropped = scheduled().model[:4], []
    for step in range(5):
        Scheduled.shared = 0.1 + 0.15 * step
        dropped.append(np.mean(hidden(np.ones((900, N), np.float32)) == 0))
    assert np.all(np.diff(dropped) > 0.02)


def test_an_optimizer_of_somebodys_own() -> None:
    class Descent:
        def __init__(self, parameters: Any) -> None:
            self.parameters = list(parameters)

        def zero_grad(self) -> None:
            for parameter in self.parameters:
                parameter.grad = None

        def step(self) -> None:
            for parameter in self.parameters:
                parameter.data -= 0.1 * parameter.grad

    def training() -> Training:
        model = network(COMMON)
        return Training(model, nn.CrossEntropyLoss(), Descent(model.parameters()))

    compare(training, indices, [9] * 6, "float32")


def test_methods_of_others_are_called() -> None:
    compare(lambda: usual(Doubled()), indices, [9] * 6, "float32")

    def unchained() -> Training:
        return Training(Unchained(*network(COMMON)), nn.CrossEntropyLoss())

    with pytest.raises(BackwardError):  # as the loop itself: it changes its input
        compare(unchained, indices, [9] * 6, "float32")
    training = usual()
    seen = []
    backward = training.criterion.backward
    training.criterion.backward = lambda *args: (seen.append(args), backward(*args))[1]  # type: ignore[method-assign]
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    assert len(seen) == 4


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize(
    ("x", "target", "error"),
    [
        (np.ones((9, N + 1), np.float32), np.zeros(9, np.int64), ShapeError),
        (np.ones((9, N), np.float32), np.zeros(8, np.int64), ShapeError),
        (np.ones((9, N), np.float32), np.full(9, CLASSES), TargetError),
        (np.ones((9, N), np.float32), np.full(9, -1), TargetError),
        (np.ones((9, N), np.float32), [0] * 9, NpnetError),
        (np.ones((9, N), np.float32), np.zeros(9, np.float32), DtypeError),
        (np.ones((9, N), np.int64), np.zeros(9, np.int64), DtypeError),
        (np.ones((9, N), np.float32), np.zeros((9, CLASSES)), NpnetError),
        ([[0.0] * N] * 9, np.zeros(9, np.int64), NpnetError),
    ],
)
def test_what_is_refused_changes_no_parameter(
    steps: int, x: Any, target: Any, error: type[Exception]
) -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(steps):
        step(*batch(9))
    before = [parameter.data.copy() for parameter in training.model.parameters()]
    with pytest.raises(error):
        step(x, target)
    for parameter, then in zip(training.model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, then)
    step(*batch(9))


def test_a_loss_of_many_numbers_is_refused_as_ever() -> None:
    training = usual(nn.CrossEntropyLoss(reduction="none"))
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(3):
        with pytest.raises(ShapeError, match="gradient of shape"):
            step(*batch(9))


def test_an_option_that_does_not_fit_is_refused_every_time() -> None:
    training = usual(nn.BCEWithLogitsLoss(pos_weight=np.ones(CLASSES + 1, np.float32)))
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        with pytest.raises(ShapeError, match="pos_weight of shape"):
            step(batch(9)[0], np.zeros((9, CLASSES), np.float32))


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"model": None}, "model is an npnet module"),
        ({"criterion": nn.CrossEntropyLoss}, "criterion is an npnet module, an instance"),
        ({"optimizer": nn.MSELoss()}, r"optimizer is one of npnet\.optim, an instance"),
        ({"optimizer": optim.SGD}, r"optimizer is one of npnet\.optim, an instance"),
        ({"before_update": 3}, "before_update is a function without arguments"),
        ({"optimizer": optim.SGD(network([]).parameters())}, "holds no parameter of the model"),
    ],
)
def test_what_is_no_training_is_refused(replaced: dict[str, Any], message: str) -> None:
    model = network(COMMON)
    parts: dict[str, Any] = {"optimizer": optim.SGD(model.parameters())}
    parts = {"model": model, "criterion": nn.CrossEntropyLoss(), **parts, **replaced}
    with pytest.raises(NpnetError, match=message):
        TrainStep(**parts)

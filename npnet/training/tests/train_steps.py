"""Trainings by a loop written out and by steps as one call, to be compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

import npnet
from npnet import nn, optim
from npnet.engine.tests.test_trace import assert_same as assert_same_arrays
from npnet.engine.tests.test_written_rows import COMMON, LAYERS
from npnet.training import TrainStep

Step = Callable[[Any, Any], tuple[Any, Any]]
Between = Callable[["Training", int], None]

N, CLASSES = 5, 3

WEIGHT = np.array([0.5, 1.0, 2.0])


class Training:
    """A model, its loss and its optimizer."""

    other: nn.Parameter

    def __init__(self, model: nn.Sequential, criterion: nn.Module, optimizer: Any = None) -> None:
        self.model, self.criterion = model, criterion
        self.optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def by_hand(self, x: Any, target: Any) -> tuple[Any, Any]:
        self.optimizer.zero_grad()
        output = self.model(x)
        loss = self.criterion(output, target)
        self.model.backward(self.criterion.backward(), input_grad=False)
        self.optimizer.step()
        return loss, output


def network(layers: list[int], dtype: str = "float32") -> nn.Sequential:
    npnet.manual_seed(1)
    hidden = [LAYERS[i](N, dtype) for i in layers]
    return nn.Sequential(*hidden, nn.Linear(N, CLASSES, dtype=dtype))


def indices(rows: int, dtype: str, rng: Any) -> Any:
    return rng.integers(0, CLASSES, rows)


def values(rows: int, dtype: str, rng: Any) -> Any:
    return rng.standard_normal((rows, CLASSES)).astype(dtype)


def history(
    make: Callable[[], Training],
    target_of: Callable[[int, str, Any], Any],
    sizes: list[int],
    dtype: str,
    at_once: bool,
    between: Between | None = None,
) -> tuple[Any, Training]:
    """Everything that steps give and leave."""
    training = make()
    step: Step = training.by_hand
    if at_once:
        step = TrainStep(training.model, training.criterion, training.optimizer)
    rng = np.random.default_rng(0)
    found: list[Any] = []
    for number, rows in enumerate(sizes):
        if between is not None:
            between(training, number)
        x = rng.standard_normal((rows, N)).astype(dtype)
        target = target_of(rows, dtype, rng)
        given = x.copy(), target.copy()
        loss, output = step(x, target)
        assert_same((x, target), given)
        gradients = [parameter.grad for parameter in training.model.parameters()]
        found.append(copy.deepcopy((loss, tuple(gradients))))
        found.append((output, output.copy()))  # which nobody may touch any more
    for output, then in found[1::2]:
        assert_same(output, then)
    state = tuple(map(np.array, training.model.state_dict().values()))
    return (tuple(found), state, npnet.random.stream("dropout").randint(0, 9**9, (1,))), training


def ending_chains(model: nn.Module) -> list[Any]:
    """The chains of the rows of a model that end in a loss."""
    rows = [row for plan in model._contexts.plans.values() for row in plan._rows if row is not None]
    return [chain for row in rows for active in row._active.values() for chain in active.ending.values()]


def both_of(training: Training) -> list[Any]:
    """The chains in which model and loss went forth and back at once."""
    chains = ending_chains(training.model)
    return [chain for chain in chains if any(way[0] == "both" for way in chain._written)]


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert_same_arrays(ours, theirs)


def compare(make: Callable[[], Training], *args: Any, **named: Any) -> Training:
    ours, training = history(make, *args, at_once=True, **named)
    theirs, _ = history(make, *args, at_once=False, **named)
    assert_same(ours, theirs)
    return training


def usual(criterion: nn.Module | None = None) -> Training:
    return Training(network([*COMMON, 0]), criterion or nn.CrossEntropyLoss())


def batch(rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(8)
    return rng.standard_normal((rows, N)).astype(np.float32), rng.integers(0, CLASSES, rows)

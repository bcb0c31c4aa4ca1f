"""Schedules refuse what PyTorch's refuse, and what those forget to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from npnet import nn, optim
from npnet.errors import NpnetError
from parity_tests.schedules import ACCIDENTS, NPNET, TORCH, Build, optimizer_of, torch_may_grumble

NAN = math.nan


def sgd_of(library: Any) -> Callable[..., Any]:
    return lambda kind="SGD", groups=2: optimizer_of(library, kind, [0.1] * groups)


def one(schedule: str, *arguments: Any, kind: str = "SGD", **named: Any) -> Build:
    """Construct one schedule of that name."""
    return lambda library, sgd: getattr(library.schedules, schedule)(sgd(kind), *arguments, **named)


def then_step(build: Build, *arguments: Any) -> Build:
    return lambda library, sgd: build(library, sgd).step(*arguments)


def parts(library: Any, optimizer: Any, *others: Any) -> list[Any]:
    return [library.schedules.StepLR(optimizer, 2), library.schedules.ExponentialLR(optimizer, 0.9), *others]


REFUSED: dict[str, Build] = {
    "no optimizer": lambda library, sgd: library.schedules.StepLR(3, 1),
    "no optimizer for a plateau": lambda library, sgd: library.schedules.ReduceLROnPlateau(3),
    "base class": one("LRScheduler"),
    "one function for two groups": one("LambdaLR", [lambda t: 1.0]),
    "a number for a function": one("LambdaLR", 5),
    "a number for a multiplying function": one("MultiplicativeLR", 5),
    "one multiplying function for two groups": one("MultiplicativeLR", [lambda t: 1.0]),
    "last_epoch on a fresh optimizer": one("StepLR", 2, last_epoch=3),
    "last_epoch 0 on a fresh optimizer": one("ExponentialLR", 0.9, last_epoch=0),
    "last_epoch -2": one("StepLR", 2, last_epoch=-2),
    "last_epoch as text": one("StepLR", 2, last_epoch="a"),
    "last_epoch of a cycle": one("CyclicLR", 0.1, 0.2, 3, last_epoch=4),
    "last_epoch of one cycle": one("OneCycleLR", 0.1, 10, last_epoch=3),
    "milestones that are one number": one("MultiStepLR", 3),
    "constant factor above 1": one("ConstantLR", 1.5),
    "constant factor below 0": one("ConstantLR", -0.5),
    "start_factor 0": one("LinearLR", 0),
    "start_factor above 1": one("LinearLR", 1.5),
    "end_factor above 1": one("LinearLR", 0.5, 1.5),
    "end_factor below 0": one("LinearLR", 0.5, -0.5),
    "T_max 0": then_step(one("CosineAnnealingLR", 0)),
    "step_size 0": then_step(one("StepLR", 0)),
    "gamma as text": then_step(one("StepLR", 1, "a")),
    "constant factor 0": then_step(one("ConstantLR", 0, 1)),
    "power below 0": then_step(one("PolynomialLR", 1, -1)),
    **{f"T_0 {bad!r}": one("CosineAnnealingWarmRestarts", bad) for bad in (0, -1, 2.5, 2.0, "a")},
    **{f"T_mult {bad!r}": one("CosineAnnealingWarmRestarts", 2, bad) for bad in (0, 1.5, 2.0)},
    **{f"eta_min {bad!r}": one("CosineAnnealingWarmRestarts", 2, 1, bad) for bad in ("a", None)},
    **{
        f"epoch {bad!r} of warm restarts": then_step(one("CosineAnnealingWarmRestarts", 2), bad)
        for bad in (-1, "a", NAN, math.inf)
    },
    "one base_lr for two groups": one("CyclicLR", [0.1], 0.2),
    "three base_lr for two groups": one("CyclicLR", [0.1] * 3, 0.2),
    "one max_lr for two groups": one("CyclicLR", 0.1, [0.2]),
    "cyclic base_momentum for one group": one("CyclicLR", 0.1, 0.2, 3, base_momentum=[0.1]),
    "step_size_up 0": one("CyclicLR", 0.1, 0.2, 0),
    "unknown mode": one("CyclicLR", 0.1, 0.2, 3, mode="x"),
    "scale_fn that is a number": one("CyclicLR", 0.1, 0.2, 3, scale_fn=3),
    "neither total_steps nor epochs": one("OneCycleLR", 0.1),
    "epochs alone": one("OneCycleLR", 0.1, None, 3),
    **{f"total_steps {bad!r}": one("OneCycleLR", 0.1, bad) for bad in (0, -1, 2.5, 10.0, "a")},
    **{f"steps_per_epoch {bad!r}": one("OneCycleLR", 0.1, None, 3, bad) for bad in (0, 2.0)},
    **{f"epochs {bad!r}": one("OneCycleLR", 0.1, None, bad, 2) for bad in (0, 3.0, "a")},
    **{f"pct_start {bad!r}": one("OneCycleLR", 0.1, 10, pct_start=bad) for bad in (1, 0, 1.1, -0.1, "a")},
    "a first phase of one step": one("OneCycleLR", 0.1, 10, pct_start=0.1),
    "unknown anneal_strategy": one("OneCycleLR", 0.1, 10, anneal_strategy="x"),
    "one max_lr of one cycle": one("OneCycleLR", [0.1], 10),
    "max_lr as text": one("OneCycleLR", "a", 10),
    "base_momentum for one group": one("OneCycleLR", 0.1, 10, base_momentum=[0.1]),
    "max_momentum for one group": one("OneCycleLR", 0.1, 10, max_momentum=[0.1]),
    "div_factor 0": one("OneCycleLR", 0.1, 10, div_factor=0),
    "final_div_factor 0": one("OneCycleLR", 0.1, 10, final_div_factor=0),
    "a step past total_steps": then_step(one("OneCycleLR", 0.1, 10), 11),
    "unknown plateau mode": one("ReduceLROnPlateau", "x"),
    "factor 1": one("ReduceLROnPlateau", factor=1.0),
    "factor above 1": one("ReduceLROnPlateau", factor=1.5),
    "unknown threshold_mode": one("ReduceLROnPlateau", threshold_mode="x"),
    "one min_lr for two groups": one("ReduceLROnPlateau", min_lr=[0.1]),
    "three min_lr for two groups": one("ReduceLROnPlateau", min_lr=(0.1, 0.1, 0.1)),
    "a metric as text": then_step(one("ReduceLROnPlateau"), "a"),
    "no metric": then_step(one("ReduceLROnPlateau"), None),
    "two metrics": then_step(one("ReduceLROnPlateau"), np.zeros(2)),
    "no schedule in sequence": lambda library, sgd: library.schedules.SequentialLR(sgd(), [], []),
    "a milestone too few": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o), []
    ),
    "a milestone too many": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o), [1, 2]
    ),
    "a part of another optimizer": lambda library, sgd: library.schedules.SequentialLR(
        sgd(), parts(library, sgd()), [2]
    ),
    "a plateau in sequence": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o, library.schedules.ReduceLROnPlateau(o)), [2, 4]
    ),
    "a number in sequence": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o, 3), [2, 4]
    ),
    "nothing chained": lambda library, sgd: library.schedules.ChainedScheduler([]),
    "a number for the chain": lambda library, sgd: library.schedules.ChainedScheduler(3),
    "a number in the chain": lambda library, sgd: library.schedules.ChainedScheduler([3]),
    "a chain over two optimizers": lambda library, sgd: library.schedules.ChainedScheduler(
        parts(library, sgd()) + parts(library, sgd())
    ),
    "a chain of another optimizer": lambda library, sgd: library.schedules.ChainedScheduler(
        parts(library, sgd()), sgd()
    ),
    "a plateau in the chain": lambda library, sgd: library.schedules.ChainedScheduler(
        parts(library, o := sgd(), library.schedules.ReduceLROnPlateau(o))
    ),
}


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED.keys())
def test_what_pytorch_refuses_is_refused_by_the_same_type(build: Build) -> None:
    with torch_may_grumble(), pytest.raises(Exception) as expected:  # noqa: PT011
        build(TORCH, sgd_of(TORCH))
    with pytest.raises((NpnetError, NotImplementedError)) as caught:
        build(NPNET, sgd_of(NPNET))
    assert str(caught.value)
    assert isinstance(caught.value, type(expected.value)) or isinstance(expected.value, ACCIDENTS)


FORGOTTEN: dict[str, Build] = {
    **{f"gamma {bad!r}": one("ExponentialLR", bad) for bad in (NAN, math.inf, -1.0)},
    "gamma of StepLR": one("StepLR", 2, NAN),
    "gamma of MultiStepLR": one("MultiStepLR", [2], NAN),
    "gamma of CyclicLR": one("CyclicLR", 0.1, 0.2, 3, gamma=NAN),
    "step_size a fraction": one("StepLR", 2.5),
    "step_size below 0": one("StepLR", -2),
    "milestone a fraction": one("MultiStepLR", [2.5]),
    "milestone below 0": one("MultiStepLR", [-2]),
    "constant factor": one("ConstantLR", NAN),
    **{f"ConstantLR total_iters {bad!r}": one("ConstantLR", 0.5, bad) for bad in (0, -1, 2.5)},
    **{f"LinearLR total_iters {bad!r}": one("LinearLR", 0.5, 1.0, bad) for bad in (0, -1, 2.5)},
    **{f"PolynomialLR total_iters {bad!r}": one("PolynomialLR", bad) for bad in (0, -1, 2.5)},
    "start_factor": one("LinearLR", NAN),
    "power": one("PolynomialLR", 5, NAN),
    "T_max below 0": one("CosineAnnealingLR", -3),
    "T_max": one("CosineAnnealingLR", NAN),
    "eta_min": one("CosineAnnealingLR", 3, NAN),
    "eta_min of warm restarts": one("CosineAnnealingWarmRestarts", 3, 1, NAN),
    "base_lr": one("CyclicLR", NAN, 0.2),
    "base_lr below 0": one("CyclicLR", -0.1, 0.2),
    "max_lr": one("CyclicLR", 0.1, NAN),
    "step_size_up below 0": one("CyclicLR", 0.1, 0.2, -3),
    "step_size_down below 0": one("CyclicLR", 0.1, 0.2, 3, -1),
    "unknown scale_mode": one("CyclicLR", 0.1, 0.2, 3, scale_fn=lambda x: 1.0, scale_mode="x"),
    "max_momentum": one("CyclicLR", 0.1, 0.2, 3, max_momentum=NAN),
    "max_momentum above 1": one("OneCycleLR", 0.1, 10, max_momentum=3),
    "pct_start": one("OneCycleLR", 0.1, 10, pct_start=NAN),
    "div_factor": one("OneCycleLR", 0.1, 10, div_factor=NAN),
    "div_factor below 0": one("OneCycleLR", 0.1, 10, div_factor=-1),
    "factor": one("ReduceLROnPlateau", factor=NAN),
    "factor below 0": one("ReduceLROnPlateau", factor=-1),
    "patience below 0": one("ReduceLROnPlateau", patience=-1),
    "patience a fraction": one("ReduceLROnPlateau", patience=1.5),
    "cooldown below 0": one("ReduceLROnPlateau", cooldown=-1),
    "threshold": one("ReduceLROnPlateau", threshold=NAN),
    "min_lr": one("ReduceLROnPlateau", min_lr=NAN),
    "eps": one("ReduceLROnPlateau", eps=NAN),
    "epoch below 0": then_step(one("StepLR", 2), -3),
    "milestones that descend": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o, library.schedules.StepLR(o, 3)), [3, 2]
    ),
    "milestone of a sequence below 0": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o), [-1]
    ),
    "last_epoch of a sequence": lambda library, sgd: library.schedules.SequentialLR(
        o := sgd(), parts(library, o), [2], 3
    ),
    "one object twice": lambda library, sgd: library.schedules.ChainedScheduler(
        [schedule := library.schedules.StepLR(sgd(), 3), schedule]
    ),
}


@pytest.mark.parametrize("build", FORGOTTEN.values(), ids=FORGOTTEN.keys())
def test_what_pytorch_forgets_is_refused_too(build: Build) -> None:
    with torch_may_grumble():
        build(TORCH, sgd_of(TORCH))
    with pytest.raises(NpnetError):
        build(NPNET, sgd_of(NPNET))


@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR"])
def test_cycling_momentum_needs_one(name: str) -> None:
    class Plain(optim.Optimizer):
        """An optimizer without momentum, as Adagrad is."""

    plain = Plain([nn.Parameter(np.zeros(1))], {"lr": 0.1, "weight_decay": 0.0, "maximize": False})
    adagrad = torch.optim.Adagrad([TORCH.parameter()])
    for library, optimizer in ((NPNET, plain), (TORCH, adagrad)):
        with pytest.raises(ValueError, match="momentum"):
            getattr(library.schedules, name)(optimizer, 0.1, 20)
        getattr(library.schedules, name)(optimizer, 0.1, 20, cycle_momentum=False)

"""Schedules drawn at random, and walked in both libraries at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, settings
from hypothesis import strategies as st

from npnet import nn, optim
from npnet.errors import NpnetError
from npnet.optim import lr_scheduler as ours
from npnet.optim.lr_scheduler.scheduler import ClosedFormLR
from parity_tests import report

theirs = torch.optim.lr_scheduler
Arguments = dict[str, Any]
Build = Callable[[Any, Callable[..., Any]], Any]

NPNET = SimpleNamespace(optim=optim, schedules=ours, parameter=lambda: nn.Parameter(np.zeros(1)))
TORCH = SimpleNamespace(
    optim=torch.optim, schedules=theirs, parameter=lambda: torch.nn.Parameter(torch.zeros(1))
)
LIBRARIES = (NPNET, TORCH)

WRITTEN = ("lr", "initial_lr", "momentum", "betas", "max_lr", "min_lr", "base_momentum", "max_momentum")
"""What schedules read from groups and write into them."""

ACCIDENTS = (ZeroDivisionError, OverflowError, AttributeError)
"""What PyTorch raises where it does not look at an argument; here it is an :class:`NpnetError`."""


LAST_BITS = {"rel": 1e-14, "abs": 1e-17}

# A schedule has many options, and an example takes milliseconds: more of them than a quick profile has.
some = settings(max_examples=max(60, settings.default.max_examples))
few = settings(max_examples=max(15, settings.default.max_examples // 4))

# ---------------------------------------------------------------- what is drawn

KINDS: dict[str, Arguments] = {"SGD": {"momentum": 0.5}, "Adam": {}, "RMSprop": {}}
FUNCTIONS = (lambda t: 0.9**t, lambda t: 1 / (1 + t), lambda t: 0.5 if t % 3 == 1 else 1.0, lambda t: t / 7)

rates = st.floats(1e-3, 1.0)
momenta = st.floats(0.0, 1.0)
gammas = st.floats(0.0, 1.2)
lows = st.floats(-0.1, 0.2)


def a_group(groups: int, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=groups, max_size=groups)


def options(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Arguments]:
    return st.fixed_dictionaries({}, optional=strategies)


@st.composite
def one_cycles(draw: st.DrawFn, groups: int) -> Arguments:
    length = draw(
        st.fixed_dictionaries({"total_steps": st.integers(1, 20)})
        | st.fixed_dictionaries({"epochs": st.integers(1, 4), "steps_per_epoch": st.integers(1, 5)})
    )
    steps = length.get("total_steps") or length["epochs"] * length["steps_per_epoch"]
    shape = draw(
        options(
            pct_start=st.sampled_from([0.0, 0.25, 0.5, 0.6, 1.0]) | momenta,
            anneal_strategy=st.sampled_from(["cos", "linear"]),
            cycle_momentum=st.booleans(),
            base_momentum=a_group(groups, momenta),
            max_momentum=a_group(groups, momenta),
            div_factor=st.floats(0.5, 30),
            final_div_factor=st.floats(0.5, 1e4),
            three_phase=st.booleans(),
        )
    )
    assume(shape.get("pct_start", 0.3) * steps != 1)  # PyTorch divides by zero
    return {"max_lr": draw(a_group(groups, rates)), **length, **shape}


DRAWN: dict[str, Callable[[int], st.SearchStrategy[Arguments]]] = {
    "LambdaLR": lambda groups: st.fixed_dictionaries(
        {"lr_lambda": a_group(groups, st.sampled_from(FUNCTIONS))}
    ),
    "MultiplicativeLR": lambda groups: st.fixed_dictionaries(
        {"lr_lambda": a_group(groups, st.sampled_from(FUNCTIONS))}
    ),
    "StepLR": lambda _: st.fixed_dictionaries(
        {"step_size": st.integers(1, 6) | st.just(3.0)}, optional={"gamma": gammas}
    ),
    "MultiStepLR": lambda _: st.fixed_dictionaries(
        {"milestones": st.lists(st.integers(0, 12), max_size=5)}, optional={"gamma": gammas}
    ),
    "ConstantLR": lambda _: options(factor=st.floats(0.01, 1.0), total_iters=st.integers(1, 8)),
    "LinearLR": lambda _: options(
        start_factor=st.floats(0.01, 1.0), end_factor=st.floats(0.0, 1.0), total_iters=st.integers(1, 8)
    ),
    "ExponentialLR": lambda _: st.fixed_dictionaries({"gamma": gammas}),
    "PolynomialLR": lambda _: options(total_iters=st.integers(1, 8), power=st.floats(0.0, 3.0)),
    "CosineAnnealingLR": lambda _: st.fixed_dictionaries(
        {"T_max": st.integers(1, 6) | st.sampled_from([0.5, 1.5, 3.25])}, optional={"eta_min": lows}
    ),
    "CosineAnnealingWarmRestarts": lambda _: st.fixed_dictionaries(
        {"T_0": st.integers(1, 5)}, optional={"T_mult": st.integers(1, 3), "eta_min": lows}
    ),
    "CyclicLR": lambda groups: st.fixed_dictionaries(
        {"base_lr": a_group(groups, rates), "max_lr": a_group(groups, rates)},
        optional={
            "step_size_up": st.integers(1, 5) | st.just(2.5),
            "step_size_down": st.integers(0, 5) | st.none(),
            "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
            "gamma": st.floats(0.8, 1.1),
            "scale_fn": st.none() | st.sampled_from(FUNCTIONS),
            "scale_mode": st.sampled_from(["cycle", "iterations"]),
            "cycle_momentum": st.booleans(),
            "base_momentum": a_group(groups, momenta),
            "max_momentum": a_group(groups, momenta),
        },
    ),
    "OneCycleLR": one_cycles,
}
"""How to draw the arguments of each schedule that is stepped without a metric, for so many groups."""

every_schedule = pytest.mark.parametrize("name", DRAWN)
every_closed_form = pytest.mark.parametrize(
    "name", [name for name in DRAWN if issubclass(getattr(ours, name), ClosedFormLR)]
)

steps = st.just(("step", None))
jumps = st.tuples(st.just("step"), st.integers(0, 120).map(lambda quarters: quarters / 4))
whole_jumps = st.tuples(st.just("step"), st.integers(0, 30))
changes = st.tuples(st.just("change"), st.floats(0.1, 2.0))
walks = st.builds(
    lambda straight, rest: [("step", None)] * straight + rest,
    st.integers(0, 12),
    st.lists(steps | steps | jumps | whole_jumps | changes, max_size=12),
)
straight_walks = st.lists(steps | steps | steps | changes, min_size=8, max_size=16)


# ---------------------------------------------------------------- the same thing done in both libraries


def optimizer_of(library: Any, kind: str, lrs: list[float]) -> Any:
    groups = [{"params": [library.parameter()], "lr": lr} for lr in lrs]
    return getattr(library.optim, kind)(groups, **KINDS[kind])


def pair(kind: str, lrs: list[float], build: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """A schedule of either library, from ``build(library, optimizer)``."""
    mine, other = (build(library, optimizer_of(library, kind, lrs)) for library in LIBRARIES)
    return mine, other


@contextmanager
def torch_may_grumble() -> Iterator[None]:
    """PyTorch calls ``step(epoch)`` deprecated, and wants ``optimizer.step`` before every schedule's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def take(schedule: Any, action: str, value: Any) -> None:
    if action == "change":
        schedule.optimizer.param_groups[0]["lr"] *= value
    elif value is None:
        schedule.step()
    else:
        schedule.step(value)


def both_take(mine: Any, other: Any, action: str, value: Any) -> bool:
    """Whether the step was possible; if PyTorch refuses it, it is refused here too."""
    refusal: type[Exception] | None = None
    try:
        with torch_may_grumble():
            take(other, action, value)
    except (ValueError, *ACCIDENTS) as error:
        refusal = NpnetError if isinstance(error, ACCIDENTS) else type(error)
    if refusal is None:
        try:
            take(mine, action, value)
        except NpnetError as error:
            pytest.fail(f"refused here, not in PyTorch: {error}")
        return True
    with pytest.raises(refusal):
        take(mine, action, value)
    return False


def written(schedule: Any) -> list[float]:
    """Rates and momenta in force, and the rates that the schedule says it wrote."""
    groups = schedule.optimizer.param_groups
    values = [group["lr"] for group in groups] + [group.get("momentum", 0.0) for group in groups]
    return values + [beta for group in groups for beta in group.get("betas", ())] + schedule.get_last_lr()


def assert_equal(mine: Any, other: Any) -> None:
    values, expected = written(mine), written(other)
    assert values == pytest.approx(expected, **LAST_BITS)
    error = max(abs(value - true) / abs(true or 1.0) for value, true in zip(values, expected, strict=True))
    report.record(report.Subject(type(mine).__name__, "float64", "trajectory"), error, LAST_BITS["rel"])
    assert all(type(value) in (float, int) for value in written(mine))
    if hasattr(other, "last_epoch"):
        assert mine.last_epoch == other.last_epoch


def walk(mine: Any, other: Any, actions: list[tuple[str, Any]]) -> None:
    assert_equal(mine, other)
    for action, value in actions:
        if not both_take(mine, other, action, value):
            return
        assert_equal(mine, other)


def carry(source: Any, target: Any) -> None:
    """Load one optimizer's options into the other, as loading its state would."""
    for old, new in zip(source.param_groups, target.param_groups, strict=True):
        new.update({name: old[name] for name in WRITTEN if name in old})


def lrs_of(data: st.DataObject, kinds: tuple[str, ...] = tuple(KINDS)) -> tuple[str, list[float]]:
    return data.draw(st.sampled_from(kinds)), data.draw(st.lists(rates, min_size=1, max_size=3))

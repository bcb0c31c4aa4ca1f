"""Every schedule of PyTorch is here, and walks as PyTorch's does."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from npnet.optim import lr_scheduler as ours
from parity_tests.schedules import (
    DRAWN,
    LIBRARIES,
    NPNET,
    Build,
    a_group,
    assert_equal,
    every_closed_form,
    every_schedule,
    few,
    lrs_of,
    optimizer_of,
    options,
    pair,
    some,
    straight_walks,
    theirs,
    torch_may_grumble,
    walk,
    walks,
)


@every_schedule
@some
@given(data=st.data())
def test_rates_and_momenta_follow_pytorch(name: str, data: st.DataObject) -> None:
    kind, lrs = lrs_of(data)
    arguments = data.draw(DRAWN[name](len(lrs)))
    mine, other = pair(kind, lrs, lambda library, o: getattr(library.schedules, name)(o, **arguments))
    walk(mine, other, data.draw(walks))


@every_closed_form
@few
@given(data=st.data())
def test_the_closed_form_is_the_recursion(name: str, data: st.DataObject) -> None:
    kind, lrs = lrs_of(data)
    arguments = data.draw(DRAWN[name](len(lrs)))
    if name == "CosineAnnealingLR":
        # the recursion divides by 1 + cos, which rounding makes arbitrary near a fractional minimum
        assume(arguments["T_max"] == int(arguments["T_max"]))
    optimizer = optimizer_of(NPNET, kind, lrs)
    schedule = getattr(ours, name)(optimizer, **arguments)
    for epoch in range(arguments.get("total_steps", 12)):
        if name == "OneCycleLR" and epoch == schedule.total_steps:
            break
        if epoch:
            schedule.step()
        walked = [group["lr"] for group in optimizer.param_groups]
        assert walked == pytest.approx(schedule.closed_form(epoch), rel=1e-12, abs=1e-12 * max(lrs))
        if getattr(schedule, "cycle_momentum", False):
            groups = optimizer.param_groups
            walked = [group["betas"][0] if kind == "Adam" else group["momentum"] for group in groups]
            assert walked == schedule.closed_form_momentum(epoch)


ties = st.sampled_from([-1.0, 0.0, 0.5, 0.99995, 1.0, 1.05, 2.0, math.inf, -math.inf, math.nan])
few_levels = st.sampled_from([0.5, 1.0, math.nan])
metrics = st.lists(few_levels, min_size=6, max_size=16) | st.lists(ties | st.floats(-2, 2), max_size=20)


@some
@given(data=st.data())
def test_plateau_follows_pytorch(data: st.DataObject) -> None:
    kind, lrs = lrs_of(data)
    arguments = data.draw(
        options(
            mode=st.sampled_from(["min", "max"]),
            factor=st.floats(0, 0.99),
            patience=st.integers(0, 3),
            threshold=st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
            threshold_mode=st.sampled_from(["rel", "abs"]),
            cooldown=st.integers(0, 3),
            min_lr=a_group(len(lrs), st.floats(0, 0.5)),
            eps=st.sampled_from([0.0, 1e-8, 0.05]),
        )
    )
    mine, other = pair(kind, lrs, lambda library, o: library.schedules.ReduceLROnPlateau(o, **arguments))
    for metric in data.draw(metrics):
        mine.step(metric)
        other.step(metric)
        assert_equal(mine, other)
        assert mine.state_dict() == {**other.state_dict(), "_schedule": "ReduceLROnPlateau"}
        assert mine.in_cooldown == other.in_cooldown


@some
@given(data=st.data())
def test_one_after_the_other_follows_pytorch(data: st.DataObject) -> None:
    kind, lrs = lrs_of(data)
    names = data.draw(st.lists(st.sampled_from(list(DRAWN)), min_size=1, max_size=3))
    parts = [(name, data.draw(DRAWN[name](len(lrs)))) for name in names]
    milestones = sorted(
        data.draw(st.lists(st.integers(0, 9), min_size=len(parts) - 1, max_size=len(parts) - 1))
    )

    def build(library: Any, optimizer: Any) -> Any:
        schedules = [getattr(library.schedules, name)(optimizer, **arguments) for name, arguments in parts]
        return library.schedules.SequentialLR(optimizer, schedules, milestones)

    walk(*pair(kind, lrs, build), data.draw(straight_walks))


@some
@given(data=st.data())
def test_all_at_once_follow_pytorch(data: st.DataObject) -> None:
    kind, lrs = lrs_of(data)
    names = data.draw(st.lists(st.sampled_from(list(DRAWN)), min_size=1, max_size=3))
    parts = [(name, data.draw(DRAWN[name](len(lrs)))) for name in names]
    explicit = data.draw(st.booleans())

    def build(library: Any, optimizer: Any) -> Any:
        schedules = [getattr(library.schedules, name)(optimizer, **arguments) for name, arguments in parts]
        return library.schedules.ChainedScheduler(schedules, **({"optimizer": optimizer} if explicit else {}))

    walk(*pair(kind, lrs, build), data.draw(straight_walks))


@pytest.mark.parametrize(("name", "arguments"), [("CyclicLR", (0.3, 0.5, 2)), ("OneCycleLR", (0.3, 12))])
def test_a_cycle_keeps_its_own_rates_after_another_schedule(name: str, arguments: tuple[Any, ...]) -> None:
    def build(library: Any, optimizer: Any) -> Any:
        library.schedules.StepLR(optimizer, 2)  # leaves its initial_lr in the groups
        return getattr(library.schedules, name)(optimizer, *arguments)

    walk(*pair("SGD", [0.1], build), [("step", None)] * 5)


# ---------------------------------------------------------------- where PyTorch contradicts itself


def disagreement(build: Build, take_steps: Callable[[Any], Any], right: float, in_torch: float) -> None:
    """Write a case down with both values; a PyTorch that has come round is reported, not a failure."""
    values = []
    for library in LIBRARIES:
        schedule = build(library, lambda library=library: optimizer_of(library, "SGD", [1.0]))
        with torch_may_grumble():
            schedule = take_steps(schedule) or schedule
        values.append(schedule.optimizer.param_groups[0]["lr"])
    assert values[0] == pytest.approx(right, rel=1e-12)
    if values[1] == pytest.approx(right, rel=1e-12):
        pytest.skip(f"PyTorch {torch.__version__} gives {right} too")
    assert values[1] == pytest.approx(in_torch, rel=1e-12)


def test_a_restart_found_by_logarithm() -> None:
    """Documented: the initial rate after a restart.  Rounding of log(243, 3) leaves it in the old cycle."""
    disagreement(
        lambda library, sgd: library.schedules.CosineAnnealingWarmRestarts(sgd(), 1, 3),
        lambda schedule: schedule.step(121),
        right=1.0,
        in_torch=0.0,
    )


def test_warm_restarts_resumed_past_the_second_restart() -> None:
    """Straight: T_0 = 3, T_mult = 2 stand three epochs into the cycle of six at epoch 6."""
    disagreement(
        lambda library, sgd: library.schedules.CosineAnnealingWarmRestarts(sgd(), 3, 2),
        lambda schedule: type(schedule)(schedule.optimizer, 3, 2, last_epoch=5),
        right=0.5,
        in_torch=1.0,
    )


def test_a_sequence_that_begins_with_a_sequence() -> None:
    """The rate at epoch 1 is still the first part's, 0.1; PyTorch's inner sequence is an epoch early."""

    def nested(library: Any, sgd: Callable[[], Any]) -> Any:
        kinds, optimizer = library.schedules, sgd()
        with torch_may_grumble():
            inner = kinds.SequentialLR(
                optimizer, [kinds.ConstantLR(optimizer, 0.1, 2), kinds.LinearLR(optimizer, 0.5, 1.0, 2)], [2]
            )
            return kinds.SequentialLR(optimizer, [inner, kinds.ExponentialLR(optimizer, 0.5)], [4])

    disagreement(nested, lambda schedule: schedule.step(), right=0.1, in_torch=0.5)


# ---------------------------------------------------------------- completeness


def test_every_schedule_of_pytorch_is_here() -> None:
    missing = sorted(set(theirs.__all__) - set(ours.__all__))
    if missing and tuple(map(int, torch.__version__.split(".")[:2])) > (2, 13):
        pytest.skip(f"new in PyTorch {torch.__version__}: {', '.join(missing)}")
    assert not missing
    tested = {*DRAWN, "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler", "LRScheduler"}
    assert tested == set(ours.__all__)


@pytest.mark.parametrize("name", ours.__all__)
def test_signatures_are_pytorch_s(name: str) -> None:
    mine, other = (
        list(inspect.signature(getattr(kinds, name)).parameters.values()) for kinds in (ours, theirs)
    )
    assert [(p.name, p.kind, p.default) for p in mine[: len(other)]] == [
        (p.name, p.kind, p.default) for p in other
    ]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in mine[len(other) :])

"""A schedule that is saved, or resumed by its last epoch, goes on in either library."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from npnet.errors import NpnetError
from npnet.optim import lr_scheduler as ours
from parity_tests.schedules import (
    ACCIDENTS,
    DRAWN,
    LAST_BITS,
    NPNET,
    TORCH,
    both_take,
    carry,
    every_schedule,
    few,
    lrs_of,
    optimizer_of,
    pair,
    torch_may_grumble,
    walk,
    written,
)

ONE_SIDED = {"_is_initial", "_get_lr_called_within_step", "_schedule"}
ways = pytest.mark.parametrize(
    ("source", "target"),
    [(NPNET, NPNET), (NPNET, TORCH), (TORCH, NPNET)],
    ids=["own", "to torch", "from torch"],
)


def assert_continues(
    build: Callable[[Any, Any], Any], kind: str, lrs: list[float], source: Any, target: Any, cut: int
) -> None:
    """A run saved after `cut` steps and loaded elsewhere goes on as the one that was not."""
    straight = build(source, optimizer_of(source, kind, lrs))
    resumed = build(target, optimizer_of(target, kind, lrs))
    with torch_may_grumble():
        for _ in range(cut):
            straight.step()
        state = straight.state_dict()
        if source is target:
            state = json.loads(json.dumps(state))  # as a checkpoint does: keys become text
        carry(straight.optimizer, resumed.optimizer)
        resumed.load_state_dict(state)
        for _ in range(5):
            assert written(resumed) == pytest.approx(written(straight), **LAST_BITS)
            assert resumed.state_dict().keys() - ONE_SIDED == straight.state_dict().keys() - ONE_SIDED
            try:
                straight.step()
            except (ValueError, *ACCIDENTS):  # OneCycleLR beyond its end
                with pytest.raises((ValueError, *ACCIDENTS)):
                    resumed.step()
                return
            resumed.step()


@ways
@every_schedule
@few
@given(data=st.data())
def test_a_saved_run_continues_in_either_library(
    name: str, source: Any, target: Any, data: st.DataObject
) -> None:
    kind, lrs = lrs_of(data)
    arguments = data.draw(DRAWN[name](len(lrs)))
    cut = data.draw(st.integers(0, 8))
    if name == "OneCycleLR":
        cut = min(cut, arguments.get("total_steps", 1) - 1)
    assert_continues(
        lambda library, o: getattr(library.schedules, name)(o, **arguments), kind, lrs, source, target, cut
    )


@ways
@pytest.mark.parametrize("cut", [0, 2, 3, 7])
def test_a_saved_composition_continues_in_either_library(source: Any, target: Any, cut: int) -> None:
    def build(library: Any, optimizer: Any) -> Any:
        kinds = library.schedules
        parts = [kinds.LinearLR(optimizer), kinds.ExponentialLR(optimizer, 0.5), kinds.StepLR(optimizer, 2)]
        sequence = kinds.SequentialLR(optimizer, parts, [3, 5])
        return kinds.ChainedScheduler([sequence, kinds.CosineAnnealingLR(optimizer, 4)])

    assert_continues(build, "SGD", [0.5, 0.25], source, target, cut)


@pytest.mark.parametrize("cut", [0, 3, 5])
def test_a_saved_plateau_continues_in_either_library(cut: int) -> None:
    losses = [1.0, 0.9, 0.95, 0.95, math.nan, 0.95, 0.8, 0.9, 0.9, 0.9]
    mine, other = pair(
        "SGD", [0.5, 0.25], lambda library, o: library.schedules.ReduceLROnPlateau(o, patience=1, cooldown=1)
    )
    for loss in losses[:cut]:
        mine.step(loss)
    carry(mine.optimizer, other.optimizer)
    other.load_state_dict(mine.state_dict())
    back = ours.ReduceLROnPlateau(optimizer_of(NPNET, "SGD", [0.5, 0.25]))
    carry(other.optimizer, back.optimizer)
    back.load_state_dict(other.state_dict())
    for loss in losses[cut:]:
        for schedule in (mine, other, back):
            schedule.step(loss)
        assert written(mine) == written(other) == written(back)


@every_schedule
@few
@given(data=st.data())
def test_a_run_resumed_by_last_epoch_follows_pytorch(name: str, data: st.DataObject) -> None:
    kind, lrs = lrs_of(data)
    arguments = data.draw(DRAWN[name](len(lrs)))
    assume(arguments.get("T_mult", 1) == 1)  # PyTorch finds the wrong cycle: see the disagreements below
    cut = data.draw(st.integers(0, 6))

    def build(library: Any, optimizer: Any, last_epoch: int = -1) -> Any:
        return getattr(library.schedules, name)(optimizer, **arguments, last_epoch=last_epoch)

    mine, other = pair(kind, lrs, build)
    for _ in range(cut):
        if not both_take(mine, other, "step", None):
            return
    try:
        other = build(TORCH, other.optimizer, cut)
    except (ValueError, ZeroDivisionError):  # OneCycleLR beyond its end
        with pytest.raises(NpnetError):
            build(NPNET, mine.optimizer, cut)
        return
    walk(build(NPNET, mine.optimizer, cut), other, [("step", None)] * 4)

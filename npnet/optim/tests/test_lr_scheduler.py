"""What schedules promise besides being PyTorch's: nothing is lost by a mistake, and compositions nest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from npnet import nn, optim
from npnet.errors import ArgumentError, ArgumentTypeError, StateError
from npnet.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)


def sgd(*lrs: float) -> optim.SGD:
    groups = [{"params": [nn.Parameter(np.zeros(1))], "lr": lr} for lr in lrs or (0.5, 0.25)]
    return optim.SGD(groups, momentum=0.5)


def rates(schedule: LRScheduler) -> list[float]:
    return [group["lr"] for group in schedule.optimizer.param_groups]


def walked(schedule: LRScheduler, steps: int) -> list[float]:
    """The first group's rates from where the schedule stands."""
    seen = rates(schedule)[:1]
    for _ in range(steps):
        schedule.step()
        seen += rates(schedule)[:1]
    return seen


MAKERS: dict[str, Callable[[optim.Optimizer], LRScheduler]] = {
    "LambdaLR": lambda o: LambdaLR(o, lambda t: 0.9**t),
    "MultiplicativeLR": lambda o: MultiplicativeLR(o, lambda t: 0.9),
    "StepLR": lambda o: StepLR(o, 2),
    "MultiStepLR": lambda o: MultiStepLR(o, [2]),
    "ConstantLR": ConstantLR,
    "LinearLR": LinearLR,
    "ExponentialLR": lambda o: ExponentialLR(o, 0.9),
    "PolynomialLR": PolynomialLR,
    "CosineAnnealingLR": lambda o: CosineAnnealingLR(o, 3),
    "CosineAnnealingWarmRestarts": lambda o: CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: CyclicLR(o, 0.1, 0.2, 3),
    "CyclicLR without momentum": lambda o: CyclicLR(o, 0.1, 0.2, 3, cycle_momentum=False),
    "OneCycleLR": lambda o: OneCycleLR(o, 0.1, 10),
    "ReduceLROnPlateau": ReduceLROnPlateau,
    "SequentialLR": lambda o: SequentialLR(o, [StepLR(o, 2), LinearLR(o)], [2]),
    "SequentialLR of others": lambda o: SequentialLR(o, [StepLR(o, 2), ExponentialLR(o, 0.9)], [2]),
    "ChainedScheduler": lambda o: ChainedScheduler([StepLR(o, 2), LinearLR(o)]),
    "ChainedScheduler of three": lambda o: ChainedScheduler([StepLR(o, 2), LinearLR(o), LinearLR(o)]),
}


@pytest.mark.parametrize("owner", MAKERS)
@pytest.mark.parametrize("other", MAKERS)
def test_the_state_of_another_schedule_is_refused_and_changes_nothing(owner: str, other: str) -> None:
    schedule, state = MAKERS[owner](sgd()), MAKERS[other](sgd()).state_dict()
    if owner == other:
        schedule.load_state_dict(state)
        return
    before = schedule.state_dict()
    with pytest.raises(StateError, match=r"belongs to|schedules"):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before


@pytest.mark.parametrize("name", MAKERS)
def test_the_state_of_other_groups_is_refused_and_changes_nothing(name: str) -> None:
    schedule = MAKERS[name](sgd())
    before = schedule.state_dict()
    with pytest.raises(StateError, match="3 rates for 2"):
        schedule.load_state_dict(MAKERS[name](sgd(0.1, 0.2, 0.3)).state_dict())
    assert schedule.state_dict() == before


def test_a_state_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="mapping, got list"):
        StepLR(sgd(), 2).load_state_dict([1, 2])  # type: ignore[arg-type]


def test_a_state_is_a_copy() -> None:
    schedule = MultiStepLR(sgd(), [2])
    state = schedule.state_dict()
    state["milestones"][1] = 1
    state["base_lrs"][0] = 7.0
    assert walked(schedule, 2) == [0.5, 0.5, 0.05]
    other = MultiStepLR(sgd(), [9])
    other.load_state_dict(state)
    state["milestones"].clear()
    assert other.closed_form(1)[0] == pytest.approx(0.7)


def test_a_callable_object_is_saved_by_its_attributes() -> None:
    class Decay:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def __call__(self, x: float) -> float:
            return self.rate**x

    for make in (
        lambda o, function: LambdaLR(o, function),
        lambda o, function: MultiplicativeLR(o, function),
        lambda o, function: CyclicLR(o, 0.1, 0.2, 2, scale_fn=function),
    ):
        saved, loaded = Decay(0.5), Decay(0.9)
        schedule = make(sgd(), loaded)
        schedule.load_state_dict(make(sgd(), saved).state_dict())
        assert loaded.rate == 0.5
        saved.rate = 0.1
        assert loaded.rate == 0.5


def test_a_state_for_other_functions_is_refused() -> None:
    schedule = LambdaLR(sgd(), lambda t: 1.0)
    state = schedule.state_dict()
    state["lr_lambdas"] = [None]
    with pytest.raises(StateError, match="1 functions"):
        schedule.load_state_dict(state)


def failing(epoch: float) -> float:
    if epoch == 1:
        raise OSError("the file with the factors is gone")
    return 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda o: LambdaLR(o, failing),
        lambda o: MultiplicativeLR(o, failing),
        lambda o: SequentialLR(o, [LambdaLR(o, failing)], []),
    ],
)
def test_a_step_that_fails_leaves_everything_where_it_was(make: Callable[[Any], LRScheduler]) -> None:
    schedule = make(sgd())
    before, in_force = schedule.state_dict(), rates(schedule)
    with pytest.raises(OSError, match="gone"):
        schedule.step()
    assert schedule.state_dict() == before
    assert rates(schedule) == in_force


def test_one_cycle_stays_at_its_end() -> None:
    schedule = OneCycleLR(sgd(), 0.1, total_steps=4)
    for _ in range(4):
        schedule.step()
    before, in_force = schedule.state_dict(), rates(schedule)
    with pytest.raises(ArgumentError, match="step 5 of a OneCycleLR of 4 steps"):
        schedule.step()
    assert schedule.state_dict() == before
    assert rates(schedule) == in_force


def test_an_epoch_out_of_range_changes_nothing() -> None:
    schedule = CosineAnnealingWarmRestarts(sgd(), 3)
    schedule.step(2.5)
    before = schedule.state_dict()
    with pytest.raises(ArgumentError, match="epoch must be a finite number >= 0, got -1"):
        schedule.step(-1)
    assert schedule.state_dict() == before


def test_rates_are_plain_floats_whatever_the_arguments_are() -> None:
    schedule = LambdaLR(sgd(), lambda t: np.float64(0.5))  # type: ignore[arg-type,return-value]
    schedule.step()
    OneCycleLR(schedule.optimizer, np.float64(0.1), 10, base_momentum=np.float64(0.8))
    for group in schedule.optimizer.param_groups:
        assert {type(value) for name, value in group.items() if "lr" in name or "momentum" in name} == {float}
    assert {type(rate) for rate in schedule.get_last_lr()} == {float}


@pytest.mark.parametrize("name", ["LambdaLR", "CosineAnnealingLR", "CyclicLR", "OneCycleLR"])
def test_a_group_added_later_is_refused_by_name(name: str) -> None:
    schedule = MAKERS[name](sgd())
    schedule.optimizer.add_param_group({"params": [nn.Parameter(np.zeros(1))]})
    with pytest.raises(StateError, match="add groups before"):
        schedule.step()


def test_a_plateau_reaches_groups_added_later_where_min_lr_is_one_for_all() -> None:
    shared, apiece = ReduceLROnPlateau(sgd(), patience=0), ReduceLROnPlateau(sgd(), min_lr=[0.0, 0.1])
    for schedule in (shared, apiece):
        schedule.optimizer.add_param_group({"params": [nn.Parameter(np.zeros(1))], "lr": 0.125})
    shared.step(1.0)
    shared.step(1.0)
    assert rates(shared) == pytest.approx([0.05, 0.025, 0.0125])
    with pytest.raises(StateError, match="min_lr has 2 values"):
        apiece.step(1.0)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_a_tie_is_no_improvement(mode: Any, threshold_mode: Any) -> None:
    schedule = ReduceLROnPlateau(
        sgd(1.0), mode, factor=0.5, patience=0, threshold=0.0, threshold_mode=threshold_mode
    )
    for metric in (2.0, 2.0, np.nan):
        schedule.step(metric)
    assert rates(schedule) == [0.25]
    assert schedule.best == 2.0


def test_one_cycle_needs_what_an_earlier_one_wrote() -> None:
    optimizer = sgd()
    StepLR(optimizer, 2)
    with pytest.raises(StateError, match="no 'max_lr'"):
        OneCycleLR(optimizer, 0.1, 10, last_epoch=3)


def test_compositions_nest_in_every_place() -> None:
    def warm_up(o: optim.Optimizer) -> LRScheduler:  # 0.1, 0.1, then 0.5, 0.75, 1 of the rate
        return SequentialLR(o, [ConstantLR(o, 0.1, 2), LinearLR(o, 0.5, 1.0, 2)], [2])

    def both(o: optim.Optimizer) -> LRScheduler:
        return ChainedScheduler([ConstantLR(o, 0.5, 2), ExponentialLR(o, 0.5)])

    first, chained, fallen = [0.1, 0.1, 0.5, 0.75, 1.0], [0.5, 0.25, 0.25, 0.125], [1.0, 0.5, 0.25, 0.125]

    def sequence(*makers: Callable[[optim.Optimizer], LRScheduler], milestone: int) -> list[float]:
        o = sgd(1.0)
        return walked(SequentialLR(o, [make(o) for make in makers], [milestone]), milestone + 3)

    def fall(o: optim.Optimizer) -> LRScheduler:
        return ExponentialLR(o, 0.5)

    assert sequence(warm_up, fall, milestone=5) == pytest.approx(first + fallen)
    assert sequence(fall, warm_up, milestone=4) == pytest.approx(fallen + first[:4])
    assert sequence(both, fall, milestone=4) == pytest.approx(chained + fallen)
    assert sequence(fall, both, milestone=4) == pytest.approx(fallen + chained)


def test_skipped_and_empty_turns() -> None:
    o = sgd(1.0)
    parts = [ConstantLR(o, 0.1), ExponentialLR(o, 0.5), StepLR(o, 1)]
    assert walked(SequentialLR(o, parts, [0, 2]), 4) == pytest.approx([1.0, 0.5, 1.0, 0.1, 0.01])
    o = sgd(1.0)
    parts = [ConstantLR(o, 0.1), ExponentialLR(o, 0.5), StepLR(o, 1)]
    assert walked(SequentialLR(o, parts, [2, 2]), 3) == pytest.approx([0.1, 0.1, 1.0, 0.1])

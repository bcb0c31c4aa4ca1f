"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from npnet.errors import ArgumentError, ArgumentTypeError, StateError, UnsupportedError
from npnet.optim.lr_scheduler.checks import check_optimizer, integer
from npnet.optim.lr_scheduler.plateau import ReduceLROnPlateau
from npnet.optim.lr_scheduler.scheduler import LRScheduler
from npnet.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composition(LRScheduler):
    """What both have in common: checked parts, their state, and how they start again inside another."""

    _schedulers: list[LRScheduler]

    def _check_parts(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if not isinstance(schedulers, Sequence):
            raise ArgumentTypeError(f"{name} takes a list of schedules, got {schedulers!r}")
        if not schedulers:
            raise ArgumentError(f"{name} needs at least one schedule, got none")
        for i, part in enumerate(schedulers):
            if not isinstance(part, LRScheduler):
                raise ArgumentTypeError(f"{name} takes schedules, got {part!r} at index {i}")
            if isinstance(part, ReduceLROnPlateau):
                raise ArgumentError(
                    f"{name} cannot hold ReduceLROnPlateau (index {i}): its step needs a metric"
                )
        self.optimizer = schedulers[0].optimizer if optimizer is None else check_optimizer(optimizer)
        for i, part in enumerate(schedulers):
            if part.optimizer is not self.optimizer:
                raise ArgumentError(
                    f"{name}: {type(part).__name__} at index {i} belongs to another optimizer"
                )
        if len({id(part) for part in schedulers}) < len(schedulers):
            raise ArgumentError(
                f"{name}: the same schedule object is given twice; construct one for each place"
            )
        self._schedulers = list(schedulers)

    def get_lr(self) -> list[float]:
        """Not there, as in PyTorch: the parts compute the rates."""
        raise NotImplementedError(f"the parts of {type(self).__name__} compute the rates: see get_last_lr()")

    def _saved(self) -> dict[str, Any]:
        return super()._saved() | {"_schedulers": [part._saved() for part in self._schedulers]}

    def _checked_state(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._checked_state(state_dict)
        if len(state["_schedulers"]) != len(self._schedulers):
            raise StateError(
                f"this state_dict is of {len(state['_schedulers'])} schedules, {type(self).__name__} has "
                f"{len(self._schedulers)}"
            )
        parts = zip(self._schedulers, state["_schedulers"], strict=True)
        return state | {"_schedulers": [part._checked_state(saved) for part, saved in parts]}

    def _adopt(self, state: dict[str, Any]) -> None:
        for part, saved in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            part._adopt(saved)
        super()._adopt(state)

    def _rewind(self) -> None:
        for part in self._schedulers:
            part._rewind()

    def _restart(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._rewind()
        self._initial_step()


class SequentialLR(_Composition):
    """One schedule after the other, each from its epoch 0 when its turn comes.

    Epochs below ``milestones[0]`` belong to the first schedule, those from ``milestones[0]`` below
    ``milestones[1]`` to the second, and so on. At a milestone the rates become those of the next schedule
    at epoch 0, by its closed form where it has one, whatever they were before; from there it is stepped as
    if it stood alone.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    schedulers : sequence of LRScheduler
        Fresh schedules of that optimizer.
    milestones : sequence of int
        Epochs of the changes, one less than there are schedules, in ascending order; 0 skips the first
        schedule, and of two equal ones the schedule between them has no turn.
    last_epoch : int, default -1
        Only the default is taken: PyTorch shifts the milestones by it but leaves the schedules at their
        start. Resume with :meth:`load_state_dict`.

    Raises
    ------
    ArgumentError
        If there is no schedule, a wrong number of milestones, or they descend; if a schedule belongs to
        another optimizer, is there twice, or is :class:`ReduceLROnPlateau`.
    UnsupportedError
        If ``last_epoch`` is given.

    Notes
    -----
    Compositions nest. In PyTorch 2.13 a ``SequentialLR`` in the first place of another one runs an epoch
    early, and a composition in a later place raises ``NotImplementedError`` when its turn comes.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> from npnet.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> warmup, decay = LinearLR(optimizer, 0.25, total_iters=3), ExponentialLR(optimizer, 0.5)
    >>> schedule = SequentialLR(optimizer, [warmup, decay], milestones=[3])
    >>> rates = schedule.get_last_lr()
    >>> for _ in range(5):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> [round(rate, 6) for rate in rates]
    [0.2, 0.4, 0.6, 0.8, 0.4, 0.2]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if last_epoch != -1:
            raise UnsupportedError(
                f"SequentialLR(last_epoch={last_epoch!r}) would not move its schedules, which stand at 0: "
                "leave it out and load the state_dict of the run"
            )
        self._check_parts(schedulers, check_optimizer(optimizer))
        self._milestones = [integer("milestones", milestone, least=0) for milestone in milestones]
        if len(self._milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR needs a milestone between any two schedules: got {len(self._milestones)} "
                f"milestones for {len(schedulers)} schedules"
            )
        if self._milestones != sorted(self._milestones):
            raise ArgumentError(f"milestones must not descend, got {self._milestones}")
        self._restart()

    def step(self) -> None:  # type: ignore[override]
        """Go to the next epoch."""
        epoch = self.last_epoch + 1
        part = self._part(epoch)
        if epoch in self._milestones:
            part._restart()
        else:
            part.step()
        self.last_epoch = epoch
        self._last_lr = part.get_last_lr()

    def _part(self, epoch: float) -> LRScheduler:
        return self._schedulers[bisect_right(self._milestones, epoch)]

    def _rewind(self) -> None:
        self.last_epoch = -1
        super()._rewind()

    def _initial_step(self) -> None:
        self.last_epoch = 0
        part = self._part(0)
        part._initial_step()
        self._last_lr = part.get_last_lr()


class ChainedScheduler(_Composition):
    """Several schedules stepped together, each on the rates that the one before it leaves.

    With recursions the factors multiply; a schedule that writes its closed form (:class:`LambdaLR`,
    :class:`CyclicLR`, :class:`OneCycleLR`, :class:`CosineAnnealingWarmRestarts`) overwrites those before
    it, so let it come first.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
        Schedules of one optimizer.
    optimizer : Optimizer, optional
        That optimizer.

    Raises
    ------
    ArgumentError
        If there is no schedule; if one belongs to another optimizer, is there twice, or is
        :class:`ReduceLROnPlateau`.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> from npnet.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> parts = [ConstantLR(optimizer, 0.25, total_iters=2), ExponentialLR(optimizer, 0.5)]
    >>> schedule = ChainedScheduler(parts)
    >>> rates = schedule.get_last_lr()
    >>> for _ in range(3):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> [round(rate, 6) for rate in rates]
    [0.2, 0.1, 0.2, 0.1]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._check_parts(schedulers, optimizer)
        self._last_lr = self._present_lrs()

    def step(self) -> None:  # type: ignore[override]
        """Step every schedule, in the order in which they were given."""
        for part in self._schedulers:
            part.step()
        self._last_lr = self._present_lrs()

    def _initial_step(self) -> None:
        for part in self._schedulers:
            part._initial_step()
        self._last_lr = self._present_lrs()

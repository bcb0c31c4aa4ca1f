"""Decays by a constant factor: at intervals, at milestones, or at every epoch."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from npnet.errors import ArgumentTypeError
from npnet.optim.lr_scheduler.checks import number, whole
from npnet.optim.lr_scheduler.scheduler import FactorLR
from npnet.optim.optimizer import Optimizer

__all__ = ["ExponentialLR", "MultiStepLR", "StepLR"]


class StepLR(FactorLR):
    r"""Multiply by ``gamma`` once every ``step_size`` epochs.

    .. math::
        \eta_t = \eta_0 \, \gamma^{\lfloor t / s \rfloor}, \qquad
        \eta_t = \eta_{t-1} \cdot \begin{cases} \gamma & t > 0,\ s \mid t \\ 1 & \text{else} \end{cases}

    with :math:`\gamma` = ``gamma`` and :math:`s` = ``step_size``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    step_size : int
        Epochs between two decays, at least 1.
    gamma : float, default 0.1
        The factor, not negative.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If ``step_size`` is no positive integer (PyTorch divides by zero at the first step) or ``gamma`` is
        negative or not finite (PyTorch goes on with such rates).

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.closed_form(epoch)[0] for epoch in range(6)]
    [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = whole("step_size", step_size, least=1)
        self.gamma = number("gamma", gamma, least=0)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        return self.gamma ** (epoch // self.step_size)

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        return self.gamma if epoch > 0 and epoch % self.step_size == 0 else 1.0


class MultiStepLR(FactorLR):
    r"""Multiply by ``gamma`` at every milestone.

    .. math::
        \eta_t = \eta_0 \, \gamma^{\#\{m \le t\}}, \qquad \eta_t = \eta_{t-1} \, \gamma^{\#\{m = t\}}

    with :math:`\gamma` = ``gamma`` and :math:`m` running through ``milestones``: one that is given twice
    counts twice, and 0 decays from the start.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    milestones : iterable of int
        Epochs, in any order.
    gamma : float, default 0.1
        The factor, not negative.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If a milestone is negative or no integer (PyTorch never reaches it), or ``gamma`` negative or not
        finite.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 4, 4], gamma=0.5)
    >>> [schedule.closed_form(epoch)[0] for epoch in range(6)]
    [0.8, 0.8, 0.4, 0.4, 0.1, 0.1]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise ArgumentTypeError(f"milestones must be a list of epochs, got {milestones!r}")
        self.milestones = Counter(whole("milestones", milestone, least=0) for milestone in milestones)
        self.gamma = number("gamma", gamma, least=0)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), epoch)

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        return self.gamma ** self.milestones.get(epoch, 0)  # type: ignore[call-overload]

    def _checked_state(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._checked_state(state_dict)
        # JSON turns integer keys into text
        state["milestones"] = Counter({int(epoch): count for epoch, count in state["milestones"].items()})
        return state


class ExponentialLR(FactorLR):
    r"""Multiply by ``gamma`` at every epoch.

    .. math::
        \eta_t = \eta_0 \, \gamma^t, \qquad \eta_t = \eta_{t-1} \, \gamma

    with :math:`\gamma` = ``gamma``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    gamma : float
        The factor, not negative.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If ``gamma`` is negative or not finite (PyTorch goes on with such rates).

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> [schedule.closed_form(epoch)[0] for epoch in range(4)]
    [0.8, 0.4, 0.2, 0.1]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = number("gamma", gamma, least=0)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        return self.gamma**epoch

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        return self.gamma

    def _initial_lr(self) -> list[float]:
        return self._present_lrs()

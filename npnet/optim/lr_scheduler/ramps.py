"""Factors that run along a ramp for ``total_iters`` epochs and then stay: constant, linear, polynomial."""

from __future__ import annotations

from npnet.optim.lr_scheduler.checks import number, whole
from npnet.optim.lr_scheduler.scheduler import FactorLR
from npnet.optim.optimizer import Optimizer

__all__ = ["ConstantLR", "LinearLR", "PolynomialLR"]


class ConstantLR(FactorLR):
    r"""A constant factor for the first epochs, none after.

    .. math::
        \eta_t = \eta_0 \cdot \begin{cases} f & t < T \\ 1 & t \ge T \end{cases}, \qquad
        \eta_t = \eta_{t-1} \cdot \begin{cases} f & t = 0 \\ 1 / f & t = T \\ 1 & \text{else} \end{cases}

    with :math:`f` = ``factor`` and :math:`T` = ``total_iters``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    factor : float, default 1/3
        Above 0, at most 1.
    total_iters : int, default 5
        Epochs under the factor, at least 1.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If ``factor`` or ``total_iters`` is out of its range. PyTorch takes ``factor=0`` and divides by zero
        at epoch ``total_iters``, and with ``total_iters`` 0 or a fraction it never takes the factor back.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=2)
    >>> [schedule.closed_form(epoch)[0] for epoch in range(4)]
    [0.2, 0.2, 0.8, 0.8]
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor = number("factor", factor, above=0, most=1)
        self.total_iters = whole("total_iters", total_iters, least=1)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        return self.factor if epoch < self.total_iters else 1.0

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        if epoch == 0:
            return self.factor
        return 1.0 / self.factor if epoch == self.total_iters else 1.0


class LinearLR(FactorLR):
    r"""A factor that runs along a straight line, and stays at its end.

    .. math::
        \eta_t = \eta_0 f_t, \qquad f_t = a + (b - a) \frac{\min(t, T)}{T}, \qquad
        \eta_t = \eta_{t-1} \Bigl(1 + \frac{b - a}{T a + (t - 1) (b - a)}\Bigr) \quad (1 \le t \le T)

    with :math:`a` = ``start_factor``, :math:`b` = ``end_factor`` and :math:`T` = ``total_iters``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    start_factor : float, default 1/3
        The factor at epoch 0: above 0, at most 1.
    end_factor : float, default 1
        The factor from epoch ``total_iters`` on: between 0 and 1.
    total_iters : int, default 5
        Epochs from start to end, at least 1.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range. PyTorch takes ``total_iters`` 0 or a fraction, and never reaches
        ``end_factor``: with 0 it stays at ``start_factor`` for ever.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> [round(schedule.closed_form(epoch)[0], 6) for epoch in range(5)]
    [0.2, 0.4, 0.6, 0.8, 0.8]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = number("start_factor", start_factor, above=0, most=1)
        self.end_factor = number("end_factor", end_factor, least=0, most=1)
        self.total_iters = whole("total_iters", total_iters, least=1)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(epoch, self.total_iters) / self.total_iters

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        if epoch == 0:
            return self.start_factor
        if epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise)

    def _initial_lr(self) -> list[float]:
        return self.get_lr() if self.last_epoch == 0 else self._present_lrs()


class PolynomialLR(FactorLR):
    r"""A factor that falls to zero like a power of the epochs that are left.

    .. math::
        \eta_t = \eta_0 \Bigl(1 - \frac{\min(t, T)}{T}\Bigr)^p, \qquad
        \eta_t = \eta_{t-1} \Bigl(\frac{1 - t / T}{1 - (t - 1) / T}\Bigr)^p \quad (1 \le t \le T)

    with :math:`T` = ``total_iters`` and :math:`p` = ``power``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    total_iters : int, default 5
        Epochs until zero, at least 1.
    power : float, default 1
        Not negative; 1 is a straight line.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If ``total_iters`` is no positive integer (PyTorch then never reaches zero), or ``power`` negative
        (PyTorch divides by zero at the end) or not finite.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2)
    >>> [round(schedule.closed_form(epoch)[0], 6) for epoch in range(6)]
    [0.8, 0.45, 0.2, 0.05, 0.0, 0.0]

    References
    ----------
    Chen, Papandreou, Kokkinos, Murphy, Yuille, *DeepLab* (2017), https://arxiv.org/abs/1606.00915, section
    4.1: the "poly" policy.
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = whole("total_iters", total_iters, least=1)
        self.power = number("power", power, least=0)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        return (1.0 - min(epoch, self.total_iters) / self.total_iters) ** self.power

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        if epoch > self.total_iters:
            return 1.0
        left, left_before = 1.0 - epoch / self.total_iters, 1.0 - (epoch - 1) / self.total_iters
        return (left / left_before) ** self.power

    def _initial_lr(self) -> list[float]:
        return self._present_lrs()

"""Cosine annealing, without and with warm restarts (SGDR)."""

from __future__ import annotations

import math

from npnet.optim.lr_scheduler.checks import integer, number
from npnet.optim.lr_scheduler.scheduler import ClosedFormLR
from npnet.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


def half_cosine(high: float, low: float, position: float, period: float) -> float:
    """From ``high`` at position 0 down to ``low`` at ``period`` along half a cosine."""
    return low + (high - low) * (1 + math.cos(math.pi * position / period)) / 2


class CosineAnnealingLR(ClosedFormLR):
    r"""Fall from the initial rate to ``eta_min`` along half a cosine, and rise again past ``T_max``.

    .. math::
        \eta_t = \eta_{\min} + (\eta_0 - \eta_{\min}) \frac{1 + c_t}{2}, \qquad
        c_t = \cos \frac{\pi t}{T}, \qquad
        \eta_t = \eta_{\min} + (\eta_{t-1} - \eta_{\min}) \frac{1 + c_t}{1 + c_{t-1}}

    with :math:`\eta_{\min}` = ``eta_min`` and :math:`T` = ``T_max``. The recursion would divide by zero one
    epoch past a minimum, :math:`t - 1 = T, 3T, 5T, \ldots`; there the step of the closed form,
    :math:`\eta_t = \eta_{t-1} + (\eta_0 - \eta_{\min}) (1 - \cos(\pi / T)) / 2`, is added.

    The schedule does not stop at ``T_max``: the rate is back at its initial value at :math:`2T`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    T_max : int
        Epochs from the highest to the lowest rate. A fraction is taken too, as in PyTorch.
    eta_min : float, default 0
        The lowest rate.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If ``T_max`` is not above 0 (PyTorch divides by zero at the first step) or ``eta_min`` is not finite.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> [round(schedule.closed_form(epoch)[0], 6) for epoch in range(5)]
    [0.8, 0.4, 0.0, 0.4, 0.8]

    References
    ----------
    Loshchilov, Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts* (2017),
    https://arxiv.org/abs/1608.03983, equation 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max = number("T_max", T_max, above=0)
        self.eta_min = number("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        return [half_cosine(base, self.eta_min, epoch, self.T_max) for base in self.base_lrs]

    def get_lr(self) -> list[float]:
        """The next rates by the recursion, from the present ones."""
        epoch, period, low = self.last_epoch, self.T_max, self.eta_min
        pairs = list(zip(self.base_lrs, self._present_lrs(), strict=False))  # _write sees added groups
        if (epoch - 1 - period) % (2 * period) == 0:
            rise = (1 - math.cos(math.pi / period)) / 2
            return [rate + (base - low) * rise for base, rate in pairs]
        now, before = 1 + math.cos(math.pi * epoch / period), 1 + math.cos(math.pi * (epoch - 1) / period)
        return [now / before * (rate - low) + low for _, rate in pairs]

    def _initial_lr(self) -> list[float]:
        return self._present_lrs()


class CosineAnnealingWarmRestarts(ClosedFormLR):
    r"""Fall along half a cosine again and again, each time from the initial rate and for longer.

    .. math::
        \eta = \eta_{\min} + (\eta_0 - \eta_{\min}) \frac{1 + \cos(\pi T_{cur} / T_i)}{2}

    where :math:`T_{cur}` epochs have passed since the last restart and :math:`T_i` lie between that and the
    next: :math:`T_0` = ``T_0`` at first, ``T_mult`` times as many after each restart. Epochs may be
    fractions: ``step(epoch + batch / batches)`` anneals within an epoch, and ``step()`` then goes one epoch
    further.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    T_0 : int
        Epochs before the first restart, at least 1.
    T_mult : int, default 1
        Factor of the length after a restart, at least 1.
    eta_min : float, default 0
        The lowest rate.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If ``T_0`` or ``T_mult`` is no positive integer, or ``eta_min`` not finite; in :meth:`step`, if
        ``epoch`` is negative or not finite.

    Notes
    -----
    Two differences from PyTorch 2.13, where it contradicts its own documentation. It finds the cycle of
    ``step(epoch)`` by a logarithm, which rounding puts one cycle too low at some restarts
    (``T_0=1, T_mult=3``, epoch 121: rate ``eta_min`` instead of the initial one); and with ``T_mult > 1`` a
    run resumed by ``last_epoch`` past the second restart finds itself in the wrong cycle. Both are counted
    in integers here.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=1, T_mult=2)
    >>> [round(schedule.closed_form(epoch)[0], 6) for epoch in (0, 0.5, 1, 2, 3, 5)]
    [0.8, 0.4, 0.8, 0.4, 0.8, 0.4]

    References
    ----------
    Loshchilov, Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts* (2017),
    https://arxiv.org/abs/1608.03983, section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = integer("T_0", T_0, least=1)
        self.T_mult = integer("T_mult", T_mult, least=1)
        self.eta_min = number("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def cycle(self, epoch: float) -> tuple[float, int]:
        """Epochs since the last restart, and the length of the cycle, at ``epoch``."""
        if self.T_mult == 1:
            return epoch % self.T_0, self.T_0
        start, length = 0, self.T_0
        while epoch >= start + length:
            start, length = start + length, length * self.T_mult
        return epoch - start, length

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        return self._rates(*self.cycle(epoch))

    def get_lr(self) -> list[float]:
        """The rates at the present place in the cycle."""
        return self._rates(self.T_cur, self.T_i)

    def _rates(self, position: float, length: int) -> list[float]:
        return [half_cosine(base, self.eta_min, position, length) for base in self.base_lrs]

    def _initial_lr(self) -> list[float]:
        self.T_cur, self.T_i = self.cycle(self.last_epoch)
        return self.get_lr()

    def _advance(self) -> None:
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        super()._advance()

    def _jump(self, epoch: float) -> None:
        self.T_cur, self.T_i = self.cycle(epoch)
        self.last_epoch = math.floor(epoch)
        self._write(self.get_lr())

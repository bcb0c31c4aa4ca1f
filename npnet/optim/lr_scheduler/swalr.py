"""The schedule that goes with weight averaging: anneal to a fixed rate, and stay there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from npnet.errors import ArgumentError
from npnet.optim.lr_scheduler.checks import a_group, choice, integer
from npnet.optim.lr_scheduler.scheduler import LRScheduler
from npnet.optim.optimizer import Optimizer

__all__ = ["SWALR"]


class SWALR(LRScheduler):
    r"""Anneal the rate of each group to a fixed value, and stay there.

    With :math:`T` = ``anneal_epochs``, :math:`\alpha_t = \frac12 (1 - \cos \pi \tau)` or :math:`\tau` at
    :math:`\tau = \min(1, t / T)`:

    .. math:: \eta_t = \alpha_t \eta_\text{swa} + (1 - \alpha_t) \eta_0

    walked as a recursion, in which :math:`\eta_0` is found from the present rate, so that another schedule
    may have changed it.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float or sequence of float
        :math:`\eta_\text{swa}`, for all groups or one a group; noted in the groups as ``swa_lr``.
    anneal_epochs : int, default 10
        :math:`T`, at least 0.
    anneal_strategy : {"cos", "linear"}, default "cos"
    last_epoch : int, default -1
        See :class:`~npnet.optim.lr_scheduler.LRScheduler`.

    Raises
    ------
    ArgumentError
        If an argument is not accepted.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, "Averaging weights leads to wider optima and better
    generalization", UAI 2018.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=1.0)
    >>> schedule = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = schedule.get_last_lr()
    >>> for _ in range(3):
    ...     schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = a_group("swa_lr", swa_lr, optimizer, least=0.0)
        self._anneal_strategy = choice("anneal_strategy", anneal_strategy, ("cos", "linear"))
        if not isinstance(anneal_epochs, int):
            raise ArgumentError(f"anneal_epochs must be an integer >= 0, got {anneal_epochs!r}")
        self.anneal_epochs = integer("anneal_epochs", anneal_epochs, least=0)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The next rates, from the present ones."""
        return self._rates(self._step_count)

    def _initial_lr(self) -> list[float]:
        return self._rates(1 if self.anneal_epochs == 0 else 0)

    def _rates(self, step: int) -> list[float]:
        before, now = self._alpha(step - 1), self._alpha(step)
        return [
            group["swa_lr"] * now + _unannealed(group["lr"], group["swa_lr"], before) * (1 - now)
            for group in self.optimizer.param_groups
        ]

    def _alpha(self, step: int) -> float:
        r"""The share :math:`\alpha` of the final rate after so many steps."""
        tau = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return tau if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * tau)) / 2


def _unannealed(lr: float, swa_lr: float, alpha: float) -> float:
    r"""The rate :math:`\eta_0` that the present one was annealed from; if no share is left, the final."""
    return swa_lr if alpha == 1 else (lr - alpha * swa_lr) / (1 - alpha)

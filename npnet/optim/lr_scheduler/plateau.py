"""The schedule that watches a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, SupportsFloat

from npnet.errors import ArgumentTypeError, StateError
from npnet.optim.lr_scheduler.checks import a_group, check_optimizer, choice, integer, number
from npnet.optim.lr_scheduler.scheduler import LRScheduler
from npnet.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    r"""Reduce the rates when a metric has stopped getting better.

    A metric :math:`m` is better than the best one so far, :math:`m^*`, if

    ============ ================================== ==================================
    mode         ``threshold_mode="rel"``           ``threshold_mode="abs"``
    ============ ================================== ==================================
    ``"min"``    :math:`m < m^* (1 - \theta)`       :math:`m < m^* - \theta`
    ``"max"``    :math:`m > m^* (1 + \theta)`       :math:`m > m^* + \theta`
    ============ ================================== ==================================

    with :math:`\theta` = ``threshold``. Epochs that are not better are counted from the last better one or
    the last reduction; when there are more than ``patience`` of them,

    .. math::
        \eta \leftarrow \max(f \eta, \eta_{\min})

    with :math:`f` = ``factor`` and :math:`\eta_{\min}` = ``min_lr``, in each group where this changes the
    rate by more than ``eps``. Of the next ``cooldown`` epochs none is counted.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    mode : {"min", "max"}, default "min"
        Whether a metric is better when it is lower or higher.
    factor : float, default 0.1
        At least 0, below 1.
    patience : int, default 10
        Epochs without improvement that are let pass; the next one reduces.
    threshold : float, default 1e-4
        What an improvement must exceed.
    threshold_mode : {"rel", "abs"}, default "rel"
        Whether the threshold is a part of the best metric or a difference.
    cooldown : int, default 0
        Epochs after a reduction that do not count.
    min_lr : float or sequence of float, default 0
        The lowest rate; a list or tuple has one a group.
    eps : float, default 1e-8
        Smaller reductions are not made.

    Raises
    ------
    ArgumentError
        If an argument is out of its range. PyTorch takes a negative ``factor``, ``patience`` or ``cooldown``.
    StateError
        In :meth:`step`, if groups were added although ``min_lr`` has one value a group.

    Notes
    -----
    A NaN metric is never better. The relative threshold of a negative metric turns round: in "min" mode
    from a best of -1, -0.99995 is better. So it is in PyTorch; take ``threshold_mode="abs"`` for metrics
    that may be negative.

    Keras's callback of this name reduces at the ``patience``-th bad epoch, PyTorch and this class at the
    one after: ``patience=n`` there is ``patience=n - 1`` here. Its threshold, ``min_delta``, is absolute.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (1.0, 0.9, 0.9, 0.9, 0.8):
    ...     schedule.step(loss)
    ...     print(loss, schedule.get_last_lr())
    1.0 [0.8]
    0.9 [0.8]
    0.9 [0.8]
    0.9 [0.4]
    0.8 [0.4]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = check_optimizer(optimizer)
        self.mode = choice("mode", mode, ("min", "max"))
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.factor = number("factor", factor, least=0, below=1)
        self.patience = integer("patience", patience, least=0)
        self.threshold = number("threshold", threshold)
        self.threshold_mode = choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self.cooldown = integer("cooldown", cooldown, least=0)
        self.min_lrs = a_group("min_lr", min_lr, optimizer, least=0)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else self.min_lrs[0]
        self.eps = number("eps", eps, least=0)
        self.best = self.mode_worse
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = self._present_lrs()

    def get_lr(self) -> list[float]:
        """Not there, as in PyTorch: the next rates depend on the next metric."""
        raise NotImplementedError("the rates of ReduceLROnPlateau depend on the metric: see get_last_lr()")

    @property
    def in_cooldown(self) -> bool:
        """Whether the next epoch will not be counted."""
        return self.cooldown_counter > 0

    def is_better(self, metric: float) -> bool:
        """Whether a metric improves on :attr:`best` by more than the threshold."""
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bound = self.best * (1.0 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return metric > bound if self.mode == "max" else metric < bound

    def step(self, metrics: SupportsFloat, epoch: float | None = None) -> None:  # type: ignore[override]
        """Look at the metric of an epoch: the next one, or ``epoch``."""
        try:
            metric = float(metrics)
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(f"metrics must be a single number, got {metrics!r}") from error
        min_lrs = self._min_lrs()
        self.last_epoch = self.last_epoch + 1 if epoch is None else number("epoch", epoch, least=0)
        if self.is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce(min_lrs)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._present_lrs()

    def _min_lrs(self) -> list[float]:
        groups = len(self.optimizer.param_groups)
        if len(self.min_lrs) != groups:
            if self.default_min_lr is None:
                raise StateError(
                    f"the optimizer has {groups} parameter groups, min_lr has {len(self.min_lrs)} values: "
                    "add groups before the schedule is constructed, or give a scalar"
                )
            self.min_lrs = [self.default_min_lr] * groups
        return self.min_lrs

    def _reduce(self, min_lrs: list[float]) -> None:
        for group, low in zip(self.optimizer.param_groups, min_lrs, strict=True):
            reduced = max(group["lr"] * self.factor, low)
            if group["lr"] - reduced > self.eps:
                group["lr"] = float(reduced)

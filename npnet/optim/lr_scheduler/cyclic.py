"""Cyclical learning rates: a triangle wave between two rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from npnet.errors import ArgumentTypeError
from npnet.optim.lr_scheduler.checks import a_group, check_optimizer, choice, number
from npnet.optim.lr_scheduler.lambdas import load_callable, save_callable
from npnet.optim.lr_scheduler.momentum import MomentumCyclingLR, uses_beta1
from npnet.optim.optimizer import Optimizer

__all__ = ["CyclicLR"]


class CyclicLR(MomentumCyclingLR):
    r"""A triangle wave between ``base_lr`` and ``max_lr``; momentum runs against it. Step it once a batch.

    A cycle has :math:`n = u + d` steps, :math:`u` = ``step_size_up`` of them upwards, :math:`d` =
    ``step_size_down`` downwards. In cycle :math:`k = \lfloor 1 + t / n \rfloor`, at the part
    :math:`x = t / n - (k - 1)` of it:

    .. math::
        r_t = \begin{cases} x n / u & x n \le u \\ (1 - x) n / d & \text{else} \end{cases}, \qquad
        \eta_t = \eta_{base} + (\eta_{\max} - \eta_{base}) \, r_t s_t, \qquad
        \mu_t = \mu_{\max} - (\mu_{\max} - \mu_{base}) \, r_t s_t

    with the amplitude :math:`s_t` = 1 for ``"triangular"``, :math:`2^{1 - k}` for ``"triangular2"``,
    :math:`\gamma^t` for ``"exp_range"``, or what ``scale_fn`` makes of :math:`k` or :math:`t`. This is its
    closed form and the way it is walked: what others do to the rates between two steps is overwritten.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    base_lr, max_lr : float or sequence of float
        The lowest and the highest rate; a list or tuple has one a group.
    step_size_up : int, default 2000
        Steps upwards, above 0.
    step_size_down : int, optional
        Steps downwards; ``step_size_up`` where not given, 0 for a sawtooth.
    mode : {"triangular", "triangular2", "exp_range"}, default "triangular"
        The amplitude; not looked at where ``scale_fn`` is given.
    gamma : float, default 1
        For ``"exp_range"``.
    scale_fn : callable, optional
        The amplitude as a function of the cycle or of the step.
    scale_mode : {"cycle", "iterations"}, default "cycle"
        Whether ``scale_fn`` is called with the number of the cycle, from 1, or with that of the step, from 0.
    cycle_momentum : bool, default True
        Cycle ``momentum``, or ``betas[0]``, too.
    base_momentum, max_momentum : float or sequence of float, default 0.8 and 0.9
        The momentum at the highest and at the lowest rate.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If an argument is out of its range or has not one value a group; if momentum is to be cycled and the
        optimizer has none. PyTorch takes negative step sizes and rates, and an unknown ``scale_mode`` as
        ``"iterations"``.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    >>> schedule = optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.25, max_lr=1.0, step_size_up=2)
    >>> [schedule.closed_form(step)[0] for step in range(6)]
    [0.25, 0.625, 1.0, 0.625, 0.25, 0.625]

    References
    ----------
    Smith, *Cyclical Learning Rates for Training Neural Networks* (2017), https://arxiv.org/abs/1506.01186,
    section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[Any], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = check_optimizer(optimizer).param_groups
        base_lrs = a_group("base_lr", base_lr, optimizer, least=0)
        self.max_lrs = a_group("max_lr", max_lr, optimizer, least=0)
        up = float(number("step_size_up", step_size_up, above=0))
        down = up if step_size_down is None else float(number("step_size_down", step_size_down, least=0))
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode: str = mode
        self.gamma = number("gamma", gamma, least=0)
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            choice("mode", mode, ("triangular", "triangular2", "exp_range"))
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        elif not callable(scale_fn):
            raise ArgumentTypeError(f"scale_fn must be a function of the cycle or the step, got {scale_fn!r}")
        else:
            self.scale_mode = choice("scale_mode", scale_mode, ("cycle", "iterations"))
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = uses_beta1(optimizer)
            self.base_momentums = a_group("base_momentum", base_momentum, optimizer, least=0, most=1)
            self.max_momentums = a_group("max_momentum", max_momentum, optimizer, least=0, most=1)
            for group, base, top in zip(groups, self.base_momentums, self.max_momentums, strict=True):
                group["base_momentum"], group["max_momentum"] = base, top
        if last_epoch == -1:
            for group, rate in zip(groups, base_lrs, strict=True):
                group["lr"] = rate
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs  # an earlier schedule may have left another initial_lr

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        ramp, amplitude = self._ramp_and_amplitude(epoch)
        return [
            base + (top - base) * ramp * amplitude
            for base, top in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def closed_form_momentum(self, epoch: float) -> list[float]:
        """The momenta at ``epoch`` of a run that nobody disturbs; changes nothing."""
        ramp, amplitude = self._ramp_and_amplitude(epoch)
        return [
            top - (top - base) * ramp * amplitude
            for base, top in zip(self.base_momentums, self.max_momentums, strict=True)
        ]

    def _ramp_and_amplitude(self, epoch: float) -> tuple[float, float]:
        cycle = math.floor(1 + epoch / self.total_size)
        part = 1.0 + epoch / self.total_size - cycle
        ramp = part / self.step_ratio if part <= self.step_ratio else (part - 1) / (self.step_ratio - 1)
        if self._scale_fn_custom is not None:
            return ramp, self._scale_fn_custom(cycle if self.scale_mode == "cycle" else epoch)
        if self.mode == "exp_range":
            return ramp, self.gamma**epoch
        return ramp, 0.5 ** (cycle - 1) if self.mode == "triangular2" else 1.0

    def _saved(self) -> dict[str, Any]:
        scale_fn = self._scale_fn_custom
        return super()._saved() | {"_scale_fn_custom": None if scale_fn is None else save_callable(scale_fn)}

    def _adopt(self, state: dict[str, Any]) -> None:
        saved = state.pop("_scale_fn_custom")
        if self._scale_fn_custom is not None:
            load_callable(self._scale_fn_custom, saved)
        super()._adopt(state)

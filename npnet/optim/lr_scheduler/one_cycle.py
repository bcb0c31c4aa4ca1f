"""The 1cycle policy: one warm-up, one descent, and the end of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal

from npnet.errors import ArgumentError, StateError
from npnet.optim.lr_scheduler.checks import a_group, check_optimizer, choice, integer, number
from npnet.optim.lr_scheduler.momentum import MomentumCyclingLR, uses_beta1
from npnet.optim.optimizer import Optimizer

__all__ = ["OneCycleLR"]


def cosine(start: float, end: float, part: float) -> float:
    """From ``start`` at 0 to ``end`` at 1 along half a cosine."""
    return end + (start - end) / 2.0 * (1 + math.cos(math.pi * part))


def linear(start: float, end: float, part: float) -> float:
    """From ``start`` at 0 to ``end`` at 1 along a straight line."""
    return (end - start) * part + start


class OneCycleLR(MomentumCyclingLR):
    r"""Up to ``max_lr`` and down to almost nothing in one run; momentum the other way. Step it once a batch.

    The rates :math:`\eta_{initial} = \eta_{\max} / D`, :math:`\eta_{\max}` and
    :math:`\eta_{\min} = \eta_{initial} / F`, and the momenta :math:`\mu_{\max}` and :math:`\mu_{base}`, are
    joined by phases that end at the steps

    ============== ====================================== =======================================
    phase ends at  rate goes                              momentum goes
    ============== ====================================== =======================================
    :math:`pn - 1` from :math:`\eta_{initial}` to max     from :math:`\mu_{\max}` to base
    :math:`n - 1`  from max to :math:`\eta_{\min}`        from :math:`\mu_{base}` to max
    ============== ====================================== =======================================

    with :math:`n` = ``total_steps``, :math:`p` = ``pct_start``, :math:`D` = ``div_factor`` and :math:`F` =
    ``final_div_factor``. With ``three_phase`` the second phase is as long as the first, ends at
    :math:`2pn - 2` and at :math:`\eta_{initial}`, and a third one goes on to :math:`\eta_{\min}` under
    :math:`\mu_{\max}`. Within a phase from step :math:`a` to :math:`b`, with :math:`x = (t - a) / (b - a)`,

    .. math::
        \eta_t = \eta_b + (\eta_a - \eta_b) \frac{1 + \cos \pi x}{2}
        \qquad\text{or}\qquad \eta_t = \eta_a + (\eta_b - \eta_a) x

    for ``anneal_strategy`` "cos" or "linear". This is its closed form and the way it is walked: what others
    do to the rates between two steps is overwritten.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    max_lr : float or sequence of float
        The highest rate; a list or tuple has one a group.
    total_steps : int, optional
        Steps of the run. Where not given, ``epochs * steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
        The run's length, if ``total_steps`` is not given.
    pct_start : float, default 0.3
        The part of the run that goes upwards, between 0 and 1.
    anneal_strategy : {"cos", "linear"}, default "cos"
        The way between two rates.
    cycle_momentum : bool, default True
        Cycle ``momentum``, or ``betas[0]``, too.
    base_momentum, max_momentum : float or sequence of float, default 0.85 and 0.95
        The momentum at the highest rate and at both ends.
    div_factor, final_div_factor : float, default 25 and 1e4
        ``max_lr / initial_lr`` and ``initial_lr / min_lr``, above 0.
    three_phase : bool, default False
        The paper's shape rather than fastai's.
    last_epoch : int, default -1
        As in :class:`LRScheduler`; the groups must hold what an earlier ``OneCycleLR`` wrote into them.

    Raises
    ------
    ArgumentError
        If an argument is out of its range or has not one value a group; if momentum is to be cycled and the
        optimizer has none; if ``pct_start * total_steps`` is 1, so that the first phase begins where it
        ends (PyTorch divides by zero). In :meth:`step`, beyond step ``total_steps``; :math:`n` itself, one
        past the last one, is taken and runs on along the last phase's curve, as in PyTorch.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    >>> schedule = optim.lr_scheduler.OneCycleLR(
    ...     optimizer, max_lr=1.0, total_steps=8, pct_start=0.5, div_factor=4, anneal_strategy="linear"
    ... )
    >>> [round(schedule.closed_form(step)[0], 3) for step in range(8)]
    [0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25, 0.0]
    >>> [round(schedule.closed_form_momentum(step)[0], 6) for step in range(4)]
    [0.95, 0.916667, 0.883333, 0.85]

    References
    ----------
    Smith, Topin, *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates*
    (2019), https://arxiv.org/abs/1708.07120, section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = check_optimizer(optimizer).param_groups
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = choice("anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.cycle_momentum = cycle_momentum
        max_lrs = a_group("max_lr", max_lr, optimizer, least=0)
        div = number("div_factor", div_factor, above=0)
        final_div = number("final_div_factor", final_div_factor, above=0)
        if cycle_momentum:
            self.use_beta1 = uses_beta1(optimizer)
            base_momenta = a_group("base_momentum", base_momentum, optimizer, least=0, most=1)
            max_momenta = a_group("max_momentum", max_momentum, optimizer, least=0, most=1)
        if last_epoch == -1:
            for i, group in enumerate(groups):
                group["initial_lr"] = max_lrs[i] / div
                group["max_lr"] = max_lrs[i]
                group["min_lr"] = group["initial_lr"] / final_div
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = max_momenta[i], base_momenta[i]
        super().__init__(optimizer, last_epoch)

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        return self._joined(epoch, "start_lr", "end_lr")

    def closed_form_momentum(self, epoch: float) -> list[float]:
        """The momenta at ``epoch`` of a run that nobody disturbs; changes nothing."""
        return self._joined(epoch, "start_momentum", "end_momentum")

    def _joined(self, epoch: float, start: str, end: str) -> list[float]:
        """Each group's value on the way from ``group[phase[start]]`` to ``group[phase[end]]``."""
        anneal = cosine if self._anneal_func_type == "cos" else linear
        begin = 0.0
        for phase in self._schedule_phases[:-1]:
            if epoch <= phase["end_step"]:
                break
            begin = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        length = phase["end_step"] - begin
        if epoch > self.total_steps or length == 0:  # nothing is left to run on along
            raise ArgumentError(
                f"step {epoch} of a OneCycleLR of {self.total_steps} steps: the run is over; "
                "total_steps is the number of batches of the whole run"
            )
        part = (epoch - begin) / length
        try:
            return [
                anneal(group[phase[start]], group[phase[end]], part) for group in self.optimizer.param_groups
            ]
        except KeyError as error:
            raise StateError(
                f"a parameter group has no {error}: OneCycleLR writes it when it starts: add groups before "
                "it is constructed, and load the optimizer's state before last_epoch is given"
            ) from error


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return integer("total_steps", total_steps, least=1)
    if epochs is None or steps_per_epoch is None:
        raise ArgumentError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
    return integer("epochs", epochs, least=1) * integer("steps_per_epoch", steps_per_epoch, least=1)


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """The phases as PyTorch keeps them in its state: their ends, and which entries of a group they join."""
    if isinstance(pct_start, Integral):  # 1 is more likely one percent than all of the run
        raise ArgumentError(f"pct_start must be a float between 0 and 1, got the integer {pct_start!r}")
    peak = float(number("pct_start", pct_start, least=0, most=1)) * total_steps - 1
    if peak == 0:
        raise ArgumentError(
            f"pct_start={pct_start!r} of total_steps={total_steps} is a single step, so that the first phase "
            "ends where it begins: change one of the two"
        )
    columns = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    up = (peak, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if three_phase:
        down = (2 * peak, "max_lr", "initial_lr", "base_momentum", "max_momentum")
        out = (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")
        return [dict(zip(columns, phase, strict=True)) for phase in (up, down, out)]
    down = (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")
    return [dict(zip(columns, phase, strict=True)) for phase in (up, down)]

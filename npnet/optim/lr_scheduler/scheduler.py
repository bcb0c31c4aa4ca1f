"""What every schedule shares: the walk through the epochs, and the state that is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from npnet.errors import ArgumentError, ArgumentTypeError, StateError
from npnet.optim.lr_scheduler.checks import check_optimizer, number
from npnet.optim.optimizer import Optimizer

__all__ = ["ClosedFormLR", "FactorLR", "LRScheduler"]

# Bookkeeping that a state_dict of PyTorch holds and nothing here needs.
_TORCH_ONLY = frozenset({"_is_initial", "_get_lr_called_within_step", "verbose"})

CLASS_KEY = "_schedule"
"""Where a state says of which class it is.  PyTorch's do not; its schedules keep the key and ignore it."""


class LRScheduler:
    r"""Base of the schedules: sets ``group["lr"]`` of every parameter group, epoch after epoch.

    A subclass writes :meth:`get_lr`, which gives the rates at :attr:`last_epoch` from the present ones (a
    recursion, so that what others do to a rate between two steps stays), from :attr:`base_lrs`, or from both.
    An "epoch" is whatever passes between two calls of :meth:`step`: an epoch or a batch.

    Constructing a schedule is its step to epoch 0. It notes the rate of each group as ``initial_lr``
    (unless an earlier schedule did) and writes the first rates.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    last_epoch : int, default -1
        -1 starts a run. The index of the last finished epoch resumes one: the groups must then hold
        ``initial_lr`` (loaded with the optimizer's state), and construction is the step to
        ``last_epoch + 1``.

    Attributes
    ----------
    base_lrs : list of float
        The ``initial_lr`` of each group.
    last_epoch : int
        The epoch whose rates are in force.

    Raises
    ------
    ArgumentTypeError
        If ``optimizer`` is no :class:`~npnet.optim.Optimizer`.
    StateError
        If ``last_epoch`` is given, but a group has no ``initial_lr``; if groups were added since
        construction.

    Notes
    -----
    Resuming by ``last_epoch`` trusts the rates that it finds, and PyTorch's schedules do not agree on
    whether they still take the step that the construction stands for: :class:`StepLR`, :class:`MultiStepLR`
    and :class:`ConstantLR` do, other recursions do not and are a step behind from there on. The same
    happens here, to the last digit. :meth:`load_state_dict` is exact for all of them: prefer it.

    Differences from PyTorch: no warning if ``step`` is called before ``optimizer.step``, nor for
    ``step(epoch)``; a step that raises leaves the schedule where it was.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> class Halving(optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base * 0.5**self.last_epoch for base in self.base_lrs]
    >>> schedule = Halving(optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.4]
    """

    optimizer: Optimizer
    base_lrs: list[float]
    last_epoch: float
    _step_count: int
    _last_lr: list[float]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = check_optimizer(optimizer)
        self.last_epoch = _starting_epoch(self.optimizer, last_epoch)
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", float(group["lr"]))
        self.base_lrs = [float(group["initial_lr"]) for group in self.optimizer.param_groups]
        self._initial_step()

    def get_lr(self) -> list[float]:
        """The rates at :attr:`last_epoch`, one a group; called while the groups hold the previous ones."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to ``epoch``: by the closed form where the schedule has one."""
        before = dict(vars(self))
        try:
            if epoch is None:
                self._advance()
            else:
                self._jump(number("epoch", epoch, least=0))
        except BaseException:  # a step that fails leaves no trace, whatever the reason
            vars(self).update(before)
            raise
        self._step_count += 1

    def get_last_lr(self) -> list[float]:
        """The rates that this schedule wrote last, one a group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, under PyTorch's names; save the optimizer's state beside it."""
        return deepcopy(self._saved())

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where ``state_dict``, from here or from PyTorch, was taken.

        Hyper-parameters are taken over too. The rates in force belong to the optimizer and come with its
        state.

        Raises
        ------
        StateError
            If the state belongs to another schedule or to another number of groups; nothing is changed then.
        """
        self._adopt(self._checked_state(state_dict))

    def _saved(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "optimizer"}
        return state | {CLASS_KEY: type(self).__name__}

    def _checked_state(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """An own copy of a state that fits, in the types used here."""
        if not isinstance(state_dict, Mapping):
            raise ArgumentTypeError(f"state_dict must be a mapping, got {type(state_dict).__name__}")
        state = {key: deepcopy(value) for key, value in state_dict.items() if key not in _TORCH_ONLY}
        owner, name = state.pop(CLASS_KEY, None), type(self).__name__
        if owner not in (None, name):
            raise StateError(f"this state_dict belongs to another schedule: it is of {owner}, this is {name}")
        expected = self.state_dict().keys() - {CLASS_KEY}
        if state.keys() != expected:
            missing, unknown = sorted(expected - state.keys()), sorted(state.keys() - expected)
            raise StateError(
                f"this state_dict belongs to another schedule or to other options of {name}: "
                f"it lacks {missing} and has {unknown} besides"
            )
        groups = len(self.optimizer.param_groups)
        for key in {"base_lrs", "_last_lr"} & state.keys():
            if len(state[key]) != groups:
                raise StateError(
                    f"{key} of this state_dict has {len(state[key])} rates for {groups} parameter groups"
                )
            state[key] = [float(rate) for rate in state[key]]
        return state

    def _adopt(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def _present_lrs(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _initial_lr(self) -> list[float]:
        """The rates that construction writes, at epoch 0, or later where a run is resumed."""
        return self.get_lr()

    def _initial_step(self) -> None:
        self._step_count = 1
        self.last_epoch += 1
        self._write(self._initial_lr())

    def _advance(self) -> None:
        self.last_epoch += 1
        self._write(self.get_lr())

    def _jump(self, epoch: float) -> None:
        self.last_epoch = epoch
        self._write(self.get_lr())

    def _rewind(self) -> None:
        """Stand before the first epoch again; the rates stay."""
        self.last_epoch = -1

    def _restart(self) -> None:
        """Stand at epoch 0 with the rates of that epoch: a composition gives this schedule its turn."""
        self._jump(0)

    def _write(self, values: Sequence[float]) -> None:
        groups = self.optimizer.param_groups
        rates = [float(value) for value in values]  # NumPy scalars would promote float32 parameters
        if len(rates) != len(groups):
            raise StateError(
                f"{type(self).__name__} has {len(rates)} rates for {len(groups)} parameter groups: "
                "add groups before the schedule is constructed"
            )
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates


class ClosedFormLR(LRScheduler):
    """A schedule whose rates are a function of the epoch alone, as long as nobody else changes them.

    A subclass writes :meth:`closed_form`, and :meth:`get_lr` where PyTorch uses a recursion instead.
    """

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define closed_form()")

    def get_lr(self) -> list[float]:
        """The closed form at :attr:`last_epoch`."""
        return self.closed_form(self.last_epoch)

    def _jump(self, epoch: float) -> None:
        self.last_epoch = epoch
        self._write(self.closed_form(epoch))


class FactorLR(ClosedFormLR):
    r"""A schedule that multiplies: :math:`\eta_t = \eta_0 f_t`, walked as :math:`\eta_t = \eta_{t-1} r_t`.

    Several of them on one optimizer multiply their factors. A subclass writes :meth:`multiplier`, which is
    :math:`f_t`, and :meth:`ratio`, which is :math:`r_t = f_t / f_{t-1}` rounded as PyTorch rounds it.
    """

    def multiplier(self, epoch: float) -> float:
        """What the initial rates are multiplied by at ``epoch``."""
        raise NotImplementedError(f"{type(self).__name__} must define multiplier()")

    def ratio(self, epoch: float) -> float:
        """What the rates of the epoch before are multiplied by at ``epoch``."""
        raise NotImplementedError(f"{type(self).__name__} must define ratio()")

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        multiplier = self.multiplier(epoch)
        return [base * multiplier for base in self.base_lrs]

    def get_lr(self) -> list[float]:
        """The present rates times :meth:`ratio`."""
        ratio = self.ratio(self.last_epoch)
        return [rate * ratio for rate in self._present_lrs()]


def _starting_epoch(optimizer: Optimizer, last_epoch: int) -> int:
    if last_epoch == -1:
        return last_epoch
    for i, group in enumerate(optimizer.param_groups):
        if "initial_lr" not in group:
            raise StateError(
                f"last_epoch={last_epoch!r} resumes a run, but param_groups[{i}] has no 'initial_lr': "
                "load the optimizer's state first, or leave last_epoch out and load the schedule's state"
            )
    if not isinstance(last_epoch, int) or last_epoch < 0:
        raise ArgumentError(f"last_epoch must be -1 or the index of a finished epoch, got {last_epoch!r}")
    return last_epoch

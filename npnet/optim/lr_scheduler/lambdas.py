"""Schedules given as functions of the epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from npnet.errors import StateError
from npnet.optim.lr_scheduler.checks import check_optimizer, functions
from npnet.optim.lr_scheduler.scheduler import ClosedFormLR, LRScheduler
from npnet.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR", "load_callable", "save_callable"]

Lambda = Callable[[Any], float]
"""A factor as a function of the epoch: an int, unless ``step`` was given a fraction."""


def save_callable(function: Callable[..., Any]) -> dict[str, Any] | None:
    """The attributes of a callable object; a plain function has nothing that could be saved."""
    return None if isinstance(function, FunctionType) else getattr(function, "__dict__", {})


def load_callable(function: Callable[..., Any], state: Mapping[str, Any] | None) -> None:
    """Give a callable object its saved attributes back."""
    if state is not None:
        vars(function).update(state)


class _LambdasLR(LRScheduler):
    """What the two have in common: one function a group, and its state."""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Lambda | Sequence[Lambda], last_epoch: int = -1
    ) -> None:
        self.lr_lambdas = functions("lr_lambda", lr_lambda, check_optimizer(optimizer))
        super().__init__(optimizer, last_epoch)

    def _saved(self) -> dict[str, Any]:
        return super()._saved() | {"lr_lambdas": [save_callable(function) for function in self.lr_lambdas]}

    def _checked_state(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._checked_state(state_dict)
        if len(state["lr_lambdas"]) != len(self.lr_lambdas):
            raise StateError(
                f"this state_dict has {len(state['lr_lambdas'])} functions, there are {len(self.lr_lambdas)}"
            )
        return state

    def _adopt(self, state: dict[str, Any]) -> None:
        for function, saved in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            load_callable(function, saved)
        super()._adopt(state)


class LambdaLR(_LambdasLR, ClosedFormLR):
    r"""The initial rate times a given function of the epoch.

    .. math::
        \eta_t = \eta_0 \, \lambda(t)

    with :math:`\lambda` = ``lr_lambda`` and :math:`\eta_0` the group's ``initial_lr``. This is its closed
    form and the way it is walked: what others do to the rates between two steps is overwritten.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    lr_lambda : callable or sequence of callables
        Gives the factor at an epoch; a list or tuple has one function a group.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If the number of functions is not that of the groups.
    ArgumentTypeError
        If one of them cannot be called.

    Notes
    -----
    A callable object is saved as its attributes, and loaded into the object given here. Of a plain function
    nothing is saved, in PyTorch as here. PyTorch's states of :class:`LambdaLR` and
    :class:`MultiplicativeLR` look alike: loading one of them into the other passes unnoticed. Those saved
    here name their class.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.4)
    >>> schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.2]
    >>> schedule.closed_form(3)
    [0.1]
    """

    def closed_form(self, epoch: float) -> list[float]:
        """The rates at ``epoch`` of a run that nobody disturbs; changes nothing."""
        return [base * factor(epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_LambdasLR):
    r"""The present rate times a given function of the epoch.

    .. math::
        \eta_t = \eta_{t-1} \, \lambda(t), \qquad t = 1, 2, \ldots

    with :math:`\lambda` = ``lr_lambda``. A product of arbitrary functions has no closed form:
    ``step(epoch)`` multiplies once, by :math:`\lambda` at that epoch, and a :class:`SequentialLR` whose
    turn comes to this schedule does so with :math:`\lambda(0)`, both as in PyTorch.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are scheduled.
    lr_lambda : callable or sequence of callables
        Gives the factor at an epoch; a list or tuple has one function a group.
    last_epoch : int, default -1
        As in :class:`LRScheduler`.

    Raises
    ------
    ArgumentError
        If the number of functions is not that of the groups.
    ArgumentTypeError
        If one of them cannot be called.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.SGD(nn.Linear(2, 1).parameters(), lr=0.8)
    >>> schedule = optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5 if epoch < 3 else 1.0)
    >>> for _ in range(5):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.2]
    """

    def get_lr(self) -> list[float]:
        """The present rates times the functions at :attr:`last_epoch`."""
        pairs = zip(self._present_lrs(), self.lr_lambdas, strict=False)  # _write sees added groups
        return [rate * factor(self.last_epoch) for rate, factor in pairs]

    def _initial_lr(self) -> list[float]:
        return self._present_lrs()

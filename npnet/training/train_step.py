"""One training step: forward, loss, backward, update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npnet.backend import Array
from npnet.engine import choice
from npnet.nn.container import Sequential
from npnet.nn.context import thread
from npnet.nn.formula_layer import is_plain
from npnet.nn.loss.base import Ending, Loss
from npnet.nn.module import Module
from npnet.nn.plan import plan_of
from npnet.nn.row import Row, Version, version
from npnet.optim.optimizer import Optimizer

__all__ = ["TrainStep"]


class _Way(NamedTuple):
    """How to go forth and back at once with inputs of one kind, as long as nothing has changed."""

    version: Version
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    groups: int
    row: Row
    ending: Ending
    clears_all: bool


class TrainStep:
    r"""Take training steps: the five lines of a training loop, as one call.

    ``step(x, target)`` does what these lines do, with the same results to the bit::

        optimizer.zero_grad()
        output = model(x)
        loss = criterion(output, target)
        model.backward(criterion.backward(), input_grad=False)
        optimizer.step()

    and as nobody can look at anything between them, the way forth, the loss and the way back are one function
    where model and loss allow it: on the host, a :class:`~npnet.nn.Sequential` of layers that are run as one
    row, and class indices or an elementwise loss, reduced to a number.  That saves a third of the time that
    small networks take; else it saves nothing.

    Parameters
    ----------
    model : Module
        Its mode (:meth:`~npnet.nn.Module.train`) stays as it is.
    criterion : Module
        The loss; called with the model's output and the target.
    optimizer : Optimizer
    before_update : callable, keyword-only, optional
        Called without arguments when the gradients are there: for penalties, and to clip.

    Raises
    ------
    ShapeError, DtypeError, DeviceError, TargetError
        When called, as model and criterion do.  No parameter has changed then.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn, optim
    >>> from npnet.training import TrainStep
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> step = TrainStep(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05))
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> xor = np.array([0, 1, 1, 0])
    >>> losses = [step(x, xor)[0].item() for _ in range(200)]
    >>> losses[-1] < 0.2 < losses[0]
    True
    """

    def __init__(
        self,
        model: Module,
        criterion: Module,
        optimizer: Optimizer,
        *,
        before_update: Callable[[], object] | None = None,
    ) -> None:
        self._model = model
        self._criterion = criterion
        self._optimizer = optimizer
        self._before_update = before_update
        self._way: _Way | None = None
        self._emptied = -1  # the number of forward passes when last the contexts were emptied

    def __call__(self, input: Any, target: Any) -> tuple[Array, Array]:  # noqa: A002 (as layers have it)
        """Take a step; returns the loss, before the update, and the output."""
        way = self._way_for(input)
        operands = None if way is None else way.ending.operands(target)
        if way is None or operands is None:
            self._optimizer.zero_grad()
            output = self._model(input)
            loss = self._criterion(output, target)
            self._model.backward(self._criterion.backward(1.0), input_grad=False)
        else:
            loss, output = self._at_once(way, input, target, operands)
        if self._before_update is not None:
            self._before_update()
        self._optimizer.step()
        return loss, output

    def _way_for(self, x: Any) -> _Way | None:
        """The way for an input; None where model or loss have to be called."""
        now = thread.state
        if type(x) is not np.ndarray or not now.recording or now.frame is not None:
            return None
        way = self._way
        if (
            way is None
            or way.version != version()
            or way.shape != x.shape
            or way.dtype != x.dtype
            or way.groups != len(self._optimizer.param_groups)
        ):
            way = self._way = self._looked_up(x)
        return way

    def _looked_up(self, x: Array) -> _Way | None:
        model, criterion = self._model, self._criterion
        if not (isinstance(model, Sequential) and isinstance(criterion, Loss)):
            return None
        if not all(is_plain(module, "forward", "backward") for module in (model, criterion)):
            return None
        plan = plan_of(model, x, model._contexts.plans)
        whole = None if plan is None else plan.whole()
        if whole is None:
            return None
        row, like = whole
        ending = criterion.as_link(like)
        if ending is None or not (choice.joins(ending.link.formula) and choice.joins(ending.link.derivative)):
            return None
        groups = self._optimizer.param_groups
        cleared = {parameter for group in groups for parameter in group["params"]}
        return _Way(version(), x.shape, x.dtype, len(groups), row, ending, row.parameters == cleared)

    def _at_once(self, way: _Way, x: Array, target: Any, operands: tuple[Any, ...]) -> tuple[Any, Any]:
        """Go forth and back; where that cannot be at once, one way after the other."""
        now = thread.state
        if now.number != self._emptied:
            self._empty(way.row)
            self._emptied = now.number
        link, _, divisor = way.ending
        zero_grad = self._optimizer.zero_grad
        output, loss = way.row.learn(x, link, operands, divisor, zero_grad, clears_all=way.clears_all)
        if loss is None:
            loss = self._criterion(output, target)
            way.row.backward(self._criterion.backward(1.0), input_grad=False)
        return loss, output

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_way": None, "_emptied": -1}  # which is of these very layers

    def _empty(self, row: Row) -> None:
        """Drop what earlier forward passes have left to go back through, as another one would."""
        thread.state.taken.clear()
        row.forget()
        for module in (self._model, self._criterion):
            module._contexts.stack.clear()

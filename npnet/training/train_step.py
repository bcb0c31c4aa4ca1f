"""One training step: forward, loss, backward, update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npnet.backend import Array
from npnet.engine import choice
from npnet.engine.formula import is_own
from npnet.errors import ArgumentError, ArgumentTypeError
from npnet.nn.container import Sequential
from npnet.nn.context import thread
from npnet.nn.loss.base import Ending, Loss
from npnet.nn.module import Module, back_through
from npnet.nn.plan import plan_of
from npnet.nn.row import Row, Version, version
from npnet.optim.optimizer import Optimizer

__all__ = ["TrainStep"]

HARMLESS = {
    *("__init__", "__module__", "__qualname__", "__doc__", "__annotations__"),
    *("__dict__", "__weakref__", "__static_attributes__", "__firstlineno__"),
}
"""What a class may have of its own."""


class _Way(NamedTuple):
    """How to take steps with inputs of one kind, as long as nothing has changed."""

    version: Version
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    row: Row | None
    """None where model and loss have to be called."""
    ending: Ending | None


class TrainStep:
    r"""Take training steps: the five lines of a training loop, as one call.

    ``step(x, target)`` does what these lines do, with the same results to the bit::

        optimizer.zero_grad()
        output = model(x)
        loss = criterion(output, target)
        model.backward(criterion.backward(), input_grad=False)
        optimizer.step()

    and as nobody can look at anything between them, the way forth, the loss and the way back are one function
    where model and loss allow it: on the host, a :class:`~npnet.nn.Sequential` of nothing but
    linear layers, batch normalisation, activations and dropout (with the Numba engine, of ``Linear``,
    ``BatchNorm1d``, ``ReLU`` and ``Dropout``), and cross-entropy of class indices or an elementwise loss,
    reduced to a number.  On networks of a few dozen units that saves a quarter of the time, with the engine
    almost half; on large ones, and elsewhere, nothing.  (A class that is patched later is not noticed.)

    Parameters
    ----------
    model : Module
        Its mode (:meth:`~npnet.nn.Module.train`) stays as it is.
    criterion : Module
        The loss; called with the model's output and the target.
    optimizer : Optimizer
    before_update : callable, keyword-only, optional
        Called without arguments when the gradients are there: for penalties, and to clip.

    Returns
    -------
    loss, output : ndarray
        Of a call: the loss before the update, and the model's output.

    Raises
    ------
    ArgumentTypeError
        If one of them is something else, of PyTorch for example, or a class.
    ArgumentError
        If the optimizer holds no parameter of the model.
    ShapeError, DtypeError, DeviceError, TargetError, BackwardError
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
        _check_parts(model, criterion, optimizer, before_update)
        self._model = model
        self._criterion: Any = criterion
        self._optimizer = optimizer
        self._before_update = before_update
        self._way: _Way | None = None

    def __call__(self, input: Any, target: Any) -> tuple[Array, Array]:  # noqa: A002 (as layers have it)
        """Take a step; returns the loss, before the update, and the output."""
        self._optimizer.zero_grad()
        loss, output = self._learn(input, target)
        if self._before_update is not None:
            self._before_update()
        self._optimizer.step()
        return loss, output

    def _learn(self, x: Any, target: Any) -> tuple[Any, Any]:
        model, criterion = self._model, self._criterion
        way = self._way_for(x)
        if way is not None and way.row is not None and way.ending is not None:
            operands = way.ending.operands(target)
            if operands is not None:
                return self._at_once(way.row, way.ending, x, target, operands)
        output = model(x)
        loss = criterion(output, target)
        model.backward(criterion.backward(), input_grad=False)
        return loss, output

    def _way_for(self, x: Any) -> _Way | None:
        """The way for an input, None where nothing is known of it."""
        now = thread.state
        if type(x) is not np.ndarray or not now.recording or now.frame is not None:
            return None
        way = self._way
        if way is None or way.version != version() or way.shape != x.shape or way.dtype != x.dtype:
            way = self._way = self._looked_up(x)
        return way

    def _looked_up(self, x: Array) -> _Way | None:
        model, criterion, now = self._model, self._criterion, version()
        none = _Way(now, x.shape, x.dtype, None, None)
        if not (isinstance(model, Sequential) and isinstance(criterion, Loss)):
            return none
        if not (_is_untouched(model) and _is_untouched(criterion)):
            return none
        plan = plan_of(model, x, model._contexts.plans)
        if plan is None:  # it is made when the model is called
            return None
        whole = plan.whole()
        if whole is None:
            return none
        row, like = whole
        ending = criterion.as_link(like) if row.keeps_dtype() and like.dtype == x.dtype else None
        if ending is None or not (choice.joins(ending.link.formula) and choice.joins(ending.link.derivative)):
            return none
        return _Way(now, x.shape, x.dtype, row, ending)

    def _at_once(
        self, row: Row, ending: Ending, x: Array, target: Any, operands: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        """Go forth and back; where that cannot be at once, one way after the other."""
        thread.state.taken.clear()
        row.forget()
        for module in (self._model, self._criterion):
            module._contexts.stack.clear()
        output, loss = row.learn(x, ending.link, operands, ending.divisor)
        if loss is None:
            loss = self._criterion(output, target)
            back_through([row], self._criterion.backward(), input_grad=False)
        return loss, output

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_way": None}  # which is of these very layers


def _is_untouched(module: Module) -> bool:
    """Whether nobody has put methods of his own in the place of npnet's: at most an ``__init__``."""
    kinds = type(module).__mro__
    added = {name for kind in kinds if not is_own(kind) and kind is not object for name in vars(kind)}
    return added <= HARMLESS and not any(hasattr(type(module), name) for name in vars(module))


def _check_parts(model: Any, criterion: Any, optimizer: Any, before_update: Any) -> None:
    """Refuse what can take no step, such as classes, and PyTorch's modules and optimizers."""
    for name, module in (("model", model), ("criterion", criterion)):
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"{name} is an npnet module, an instance, got {module!r}")
    steps = all(callable(getattr(optimizer, name, None)) for name in ("zero_grad", "step"))
    if not steps or isinstance(optimizer, type):
        raise ArgumentTypeError(f"optimizer is one of npnet.optim, an instance, got {optimizer!r}")
    if before_update is not None and not callable(before_update):
        raise ArgumentTypeError(f"before_update is a function without arguments, got {before_update!r}")
    groups = getattr(optimizer, "param_groups", None)
    if groups is not None:
        held = {id(parameter) for group in groups for parameter in group["params"]}
        if held.isdisjoint(map(id, model.parameters())):
            raise ArgumentError("the optimizer holds no parameter of the model: give it model.parameters()")

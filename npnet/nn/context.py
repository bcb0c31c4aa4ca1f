"""What a forward pass leaves for the backward pass, and how to leave nothing.

:mod:`npnet.nn.module` keeps the books; a backward that checks a gradient on its own, as the losses and the
recurrent layers do, says there whether it was accepted.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Changes", "Contexts", "Pass", "Together", "is_grad_enabled", "no_grad", "thread"]


class Changes:
    """How often anything was changed that a module may look up once: its attributes, and those below it."""

    count = 0


Frame = list[Any] | tuple[()] | None
"""Where the calls of a module's children are noted; ``()`` where nobody asks, None outside all modules."""


class Pass:
    """What is known of the forward pass that a thread is in."""

    __slots__ = ("frame", "number", "recording", "taken")

    def __init__(self) -> None:
        self.recording = True
        self.number = 0  # of outermost forward passes so far
        self.frame: Frame = None  # of the innermost module that is being called
        # By backward passes, no gradient accepted yet.
        self.taken: list[tuple[Contexts, Any]] = []

    def put_back(self) -> None:
        """Undo what was taken since a gradient was accepted: it was refused, and the right one may follow."""
        while self.taken:
            contexts, context = self.taken.pop()
            contexts.stack.append(context)


class _Local(threading.local):
    def __init__(self) -> None:
        self.state = Pass()


thread = _Local()
"""``thread.state`` is this thread's :class:`Pass`."""


class no_grad(contextlib.ContextDecorator):  # noqa: N801 (PyTorch's name)
    """Keep nothing for a backward pass: for evaluation and prediction, as context or decorator.

    Examples
    --------
    >>> from npnet import nn, no_grad
    >>> import numpy as np
    >>> layer = nn.Linear(2, 1)
    >>> with no_grad():
    ...     y = layer(np.ones((3, 2), dtype=np.float32))
    >>> layer.backward(np.ones((3, 1), dtype=np.float32))
    Traceback (most recent call last):
    ...
    npnet.errors.BackwardError: Linear.backward has no forward pass to go back through: ...
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(thread.state.recording)
        thread.state.recording = False

    def __exit__(self, *_: object) -> None:
        thread.state.recording = self._before.pop()


def is_grad_enabled() -> bool:
    """Whether forward passes keep what backward needs, that is, whether no :class:`no_grad` is active."""
    return thread.state.recording


class Together:
    """What one call of several layers has left, for them together; it lies on the stack of each of them.

    Parameters
    ----------
    layers : list of int
        Identities of the layers, in their order; one may come twice.
    context : object
        What was left.
    spread : callable
        Makes the contexts of all layers of it.
    """

    __slots__ = ("_layers", "_spread", "context")

    def __init__(
        self, layers: list[int], context: Any, spread: Callable[[Any], list[tuple[Any, ...]]]
    ) -> None:
        self._layers, self.context, self._spread = layers, context, spread

    def of(self, layer: Any, earlier: int) -> tuple[Any, ...]:
        """The context of a layer alone, for that call of it that has so many calls before it."""
        positions = [position for position, own in enumerate(self._layers) if own == id(layer)]
        return self._spread(self.context)[positions[earlier]]


class Contexts:
    """The stack of what one module's forward calls left for its backward."""

    __slots__ = ("number", "plans", "stack")

    def __init__(self) -> None:
        self.number = 0
        self.stack: list[Any] = []
        self.plans: dict[Any, Any] = {}  # see npnet.nn.plan

    def push(self, context: Any, number: int, outermost: bool = False) -> None:
        """Keep a context of the outermost pass of that number; what an earlier pass has left is dropped."""
        if self.number != number or outermost:
            self.stack.clear()
            self.number = number
        self.stack.append(context)

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles of a module start without contexts
        return (Contexts, ())

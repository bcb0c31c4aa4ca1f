"""Rows of layers whose formulas are run as one.

The formulas of neighbours are one function of the input and of all their operands, and their
derivatives another one (:mod:`npnet.engine.chain`), which NumPy runs or an engine compiles.  Each layer still
has its context, or its part in one, as if it had been called itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.engine import choice
from npnet.engine.chain import Chain, Link, same
from npnet.errors import NpnetError
from npnet.nn.context import Changes, Contexts, Together, thread
from npnet.nn.formula_layer import FormulaLayer, is_steady
from npnet.nn.module import back_through, first_that_learns
from npnet.nn.parameter import Arena, Parameter

__all__ = ["Operands", "Row", "Version", "like_of", "one_by_one", "version"]

Operands = list[tuple[Any, ...] | None]
"""Of each layer; None for one that passes its input through."""

Version = tuple[int, int, int]


def version() -> Version:
    """What is equal as long as no module's attribute was set, no parameter moved, and the engine stayed."""
    return Changes.count, Arena.moves, choice.changes


class _Active:
    """Those layers of a row that do not pass their input through, and what is looked up once of them.

    Attributes
    ----------
    chain : Chain
    ending : dict
        Of each loss that the row was called with, the chain with the loss as its last link.
    outline : tuple
        What their contexts are made of beside the arrays: where they stand in the row, whether the first one
        keeps its input, and the shapes of the outputs of all layers of the row but the last.
    """

    def __init__(
        self, layers: list[FormulaLayer], positions: list[int], shapes: list[Any], chain: Chain
    ) -> None:
        self.layers, self.positions, self.chain = layers, positions, chain
        self.all = len(layers) == len(shapes) + 1
        self.outline = positions, bool(layers) and layers[0].keeps == "input", shapes
        self.ending: dict[Link, Chain] = {}
        self._places: tuple[tuple[Array | None, ...], ...] | None = None
        self._parameters: list[Parameter] = []
        self._version: Version | None = None

    def places(self, dtype: np.dtype[Any]) -> tuple[Any, list[tuple[Parameter, Array]] | None]:
        """The places of the gradients of each layer; and what is to be settled, None for all as they are."""
        if self._version != (now := version()):
            self._look_up(dtype)
            self._version = now
        if self._places is not None:
            for parameter in self._parameters:
                if parameter.has_grad or not parameter.requires_grad:
                    break
            else:
                return self._places, None
        written: list[tuple[Parameter, Array]] = []
        backwards = [layer.places(dtype, written) for layer in reversed(self.layers)]  # to be added in order
        return tuple(reversed(backwards)), written

    def settle(self, written: list[tuple[Parameter, Array]] | None) -> None:
        """The gradients are in their places."""
        if written is None:
            for parameter in self._parameters:
                parameter.has_grad = True
        else:
            for parameter, place in written:
                parameter.settle(place)

    def _look_up(self, dtype: np.dtype[Any]) -> None:
        learned = [layer.learned() for layer in self.layers]
        self._parameters = [parameter for own in learned for parameter in own if parameter is not None]
        places = None
        once = len(set(self._parameters)) == len(self._parameters)
        if once and all(each.dtype == dtype for each in self._parameters):
            places = tuple(
                [tuple([None if each is None else each.storage() for each in own]) for own in learned]
            )
        if not same(self._places, places):
            self._places = places


class Row:
    """Neighbours of which each is two formulas, for inputs of one shape and dtype.

    In the list of calls that a chain goes back through it stands for its layers.

    Parameters
    ----------
    layers : list of FormulaLayer
    likes : list of ndarray
        For each layer an array of the shape and the dtype of its input.
    """

    def __init__(self, layers: list[FormulaLayer], likes: list[Array]) -> None:
        self._layers = layers
        self._likes = likes
        self._kind, self._shape, self._dtype = type(likes[0]), likes[0].shape, likes[0].dtype
        self._kind_of_input = len(self._shape), self._dtype.char
        self._shapes = [like.shape for like in likes[1:]]
        self._contexts = Contexts()
        self._identities = list(map(id, layers))
        self._repeated = len(set(self._identities)) < len(layers)
        self._operands: Operands = []
        self._draw: Callable[[], Sequence[tuple[Any, ...] | None]]  # the operands of the others
        self._kinds = self._look_up()
        # By how many operands those layers have whose operands change, and may pass their input through.
        self._active: dict[tuple[int, ...], _Active] = {}

    def call(self, x: Any) -> Any:
        """The output, with what each layer needs for its backward saved, and the call noted."""
        if type(x) is not self._kind or x.shape != self._shape or x.dtype != self._dtype:
            return one_by_one(self._layers, x)
        return self._called(x, *self._given())

    def _given(self) -> tuple[tuple[int, ...], Operands, tuple[Any, ...], _Active]:
        """What the layers take in this call, masks drawn, and the layers that take anything."""
        operands = self._operands
        sizes: tuple[int, ...] = ()
        if self._others:
            operands = operands.copy()
            moving = self._draw()
            for i, own in zip(self._others, moving, strict=True):
                operands[i] = own
            sizes = tuple([-1 if own is None else len(own) for own in moving])
        active = self._active.get(sizes) or self._activate(operands, sizes)
        given = tuple(operands if active.all else [operands[i] for i in active.positions])
        return sizes, operands, given, active

    def _called(
        self, x: Any, sizes: tuple[int, ...], operands: Operands, given: tuple[Any, ...], active: _Active
    ) -> Any:
        if active.chain.lends:
            self._drop_earlier()
        steady = self._operands
        made = active.chain.forward(x, given, steady) if given else None
        if made is None:
            return one_by_one(self._layers, x, operands)
        output, kept = made
        now = thread.state
        if now.recording:
            context = sizes, active.outline, steady, output.shape, x, kept, given
            together, number = Together(self._identities, context, _spread), now.number
            for contexts in self._all:
                if contexts.number != number:
                    contexts.stack.clear()
                    contexts.number = number
                contexts.stack.append(together)
            if isinstance(now.frame, list):
                now.frame.append((self, x, output))
        return output

    def learn(self, x: Any, link: Link, operands: tuple[Any, ...], divisor: int) -> tuple[Any, Any]:
        """Go forth, through a loss and back; the output and the loss, None where it went forth alone.

        Parameters
        ----------
        x : ndarray
            Of the kind, shape and dtype that the row is for.
        link : Link
            The loss.
        operands : tuple
            Of the loss.
        divisor : int
            What the sum of the losses is divided by.
        """
        call = _, _, given, active = self._given()
        chain = active.ending.get(link)
        if chain is None:
            links = *active.chain.links, link
            chain = active.ending[link] = choice.chain_of(links, self._kind_of_input, self._likes[0])
        first = first_that_learns(active.layers)
        if first < len(active.layers):
            places, written = active.places(self._dtype)
            found = chain.both(x, (*given, operands), places, divisor, first, self._operands)
            if found is not None:
                active.settle(written)
                return found
        now = thread.state
        now.number += 1
        now.frame = ()
        try:
            return self._called(x, *call), None
        finally:
            now.frame = None

    def keeps_dtype(self) -> bool:
        """Whether the inputs of all layers have one dtype."""
        return all(like.dtype == self._dtype for like in self._likes)

    def forget(self) -> None:
        """Drop what earlier calls have left to go back through."""
        for contexts in self._all:
            contexts.stack.clear()

    def _drop_earlier(self) -> None:
        """Drop what an earlier pass has left, as this call will when it keeps something of its own."""
        now = thread.state
        if now.recording:
            for contexts in self._all:
                if contexts.number != now.number:
                    contexts.stack.clear()

    def _look_up(self) -> list[Any]:
        """Look up the contexts, and the operands of the steady layers; what kinds of operands these are."""
        self._all = [self._contexts, *(layer._contexts for layer in self._layers)]
        kinds = list(zip(self._layers, self._likes, strict=True))
        operands: Operands = [layer.operands(x) if is_steady(layer) else None for layer, x in kinds]
        if not same(self._operands, operands):
            self._operands = operands
        self._others = [i for i, layer in enumerate(self._layers) if not is_steady(layer)]
        layers, likes = [self._layers[i] for i in self._others], [self._likes[i] for i in self._others]
        ways = {type(layer).together for layer in layers}
        together = ways.pop() if len(ways) == 1 and len(layers) > 1 else None
        if together is None:
            self._draw = lambda: [layer.operands(like) for layer, like in zip(layers, likes, strict=True)]
        else:
            self._draw = together(layers, likes)
        return [given and [_kind(each) for each in given] for given in operands]

    def lasts(self) -> bool:
        """Whether the layers, after some change, take what they took, with operands of the same kinds."""
        try:
            for layer, like in zip(self._layers, self._likes, strict=True):
                layer.check(like)
        except NpnetError:
            return False
        return self._kinds == self._look_up()

    def _activate(self, operands: Operands, sizes: tuple[int, ...]) -> _Active:
        positions = [i for i, given in enumerate(operands) if given is not None]
        layers = [self._layers[i] for i in positions]
        links = tuple(
            Link(
                *(layer.formula, layer.derivative, layer.keeps, len(operands[i] or ()), len(layer.learned())),
                steady=is_steady(layer),
            )
            for i, layer in zip(positions, layers, strict=True)
        )
        chain = choice.chain_of(links, self._kind_of_input, self._likes[0])
        active = self._active[sizes] = _Active(layers, positions, self._shapes, chain)
        return active

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Go back through the last call, together if no layer was gone back through or called since."""
        together = self._taken_together()
        if together is None:
            return back_through(self._layers, grad_output, input_grad)
        sizes, _, steady, shape, x, kept, given = together.context
        active = self._active[sizes]
        active.layers[-1].check_grad(grad_output, shape)
        stop = None if input_grad else first_that_learns(active.layers)
        if type(grad_output) is self._kind and grad_output.dtype == self._dtype:
            places, written = active.places(self._dtype)
            found = active.chain.backward(grad_output, x, kept, given, places, stop, steady)
            if found is not None:
                for contexts in self._all:
                    contexts.stack.pop()
                active.settle(written)
                return found[0]
        self._contexts.stack.pop()
        return back_through(self._layers, grad_output, input_grad)

    def _taken_together(self) -> Together | None:
        """What the layers would take next, if they all have it of the last call of the row; else None."""
        stack = self._contexts.stack
        if not stack:
            return None
        together = stack[-1]
        for contexts in self._all:
            if not contexts.stack or contexts.stack[-1] is not together:
                stack.pop()
                return None
        if self._repeated:  # a layer that comes twice has it twice
            for contexts in self._all[1:]:
                times = self._all.count(contexts)
                if contexts.stack[-times:] != [together] * times:
                    stack.pop()
                    return None
        return together

    def _learns(self) -> bool:
        return first_that_learns(self._layers) < len(self._layers)


def _spread(context: Any) -> list[tuple[Any, ...]]:
    """The contexts of all layers of a row."""
    _, (positions, keeps_input, shapes), _, shape, x, kept, given = context
    shapes = [*shapes, shape]
    contexts: list[tuple[Any, ...]] = [(shape, (), None) for shape in shapes]
    for i, own_kept, own_given in zip(positions, kept, given, strict=True):
        contexts[i] = shapes[i], own_kept, own_given
    if keeps_input:
        first = positions[0]
        contexts[first] = shapes[first], (x,), given[0]
    return contexts


def _kind(operand: Any) -> Any:
    return getattr(operand, "shape", None), getattr(operand, "dtype", None)


def one_by_one(
    layers: Sequence[Any], x: Any, operands: Operands | None = None, likes: list[Array | None] | None = None
) -> Any:
    """Call layers one after another.

    Parameters
    ----------
    layers : sequence of Module
    x : ndarray
    operands : list of tuple, optional
        Of each layer, where they were asked for already.
    likes : list, optional
        Where to put an array like the input of each layer, None if it is no array.
    """
    for i, layer in enumerate(layers):
        if likes is not None:
            likes.append(like_of(x))
        if operands is None:
            x = layer(x)
        else:
            layer.check(x)
            output = layer.noted(x, operands[i])
            now = thread.state
            if now.recording and isinstance(now.frame, list):
                now.frame.append((layer, x, output))
            x = output
    return x


def like_of(x: Any) -> Array | None:
    """An array of the shape and the dtype of another one, if it is one."""
    return np.broadcast_to(np.zeros_like(x, shape=()), x.shape) if backend.is_plain(x) else None

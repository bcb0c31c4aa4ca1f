"""Rows of layers whose formulas are run as one.

:class:`~npnet.nn.Sequential` calls its children one after another the first time that it meets a shape.  From
then on the formulas of neighbours are one function of the input and of all their operands, and their
derivatives another one (:mod:`npnet.engine.chain`), which NumPy runs or an engine compiles.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.engine import choice
from npnet.engine.chain import Link
from npnet.errors import NpnetError
from npnet.nn.context import Changes
from npnet.nn.formula_layer import Context, FormulaLayer, is_bare, is_steady
from npnet.nn.module import Module
from npnet.nn.parameter import Arena, Parameter

__all__ = ["Plan", "Row", "through"]

PLANS = 64
"""How many plans, each for inputs of one shape, a module keeps."""

Operands = list[tuple[Any, ...] | None]


Version = tuple[int, int, int]


def version() -> Version:
    """What is equal as long as no module's attribute was set, no parameter moved, and the engine stayed."""
    return Changes.count, Arena.moves, choice.changes


class _Active:
    """Those layers of a row that do not pass their input through, and what is looked up once of them."""

    def __init__(self, layers: list[FormulaLayer], positions: list[int], chain: Any) -> None:
        self.layers, self.positions, self.chain = layers, positions, chain
        self._places: tuple[tuple[Array | None, ...], ...] | None = None
        self._parameters: list[Parameter] = []
        self._version: Version | None = None

    def places(self, dtype: np.dtype[Any]) -> tuple[Any, list[tuple[Parameter, Array]] | None]:
        """The places of the gradients of each layer; and what is to be settled, None for all as they are."""
        if self._version != version():
            self._look_up(dtype)
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
        self._places = None
        once = len(set(self._parameters)) == len(self._parameters)
        if once and all(each.dtype == dtype for each in self._parameters):
            self._places = tuple(
                [tuple([None if each is None else each.storage() for each in own]) for own in learned]
            )
        self._version = version()


class Row:
    """Neighbours of which each is two formulas, for inputs of one shape and dtype.

    Parameters
    ----------
    layers : list of FormulaLayer
    likes : list of ndarray
        For each layer an array of the shape and the dtype of its input.
    """

    def __init__(self, layers: list[FormulaLayer], likes: list[Array]) -> None:
        self._layers = layers
        self._likes = likes
        self._shape, self._dtype = likes[0].shape, likes[0].dtype
        self._others = [i for i, layer in enumerate(layers) if not is_steady(layer)]
        self._operands, self._shapes = self._looked_up()
        self._version = version()
        # By how many operands each layer has, which tells those apart that pass their input through.
        self._active: dict[tuple[int, ...], _Active] = {}

    def call(self, x: Any, calls: list[Any] | None) -> Any:
        """The output; the call is noted."""
        if type(x) is not np.ndarray or x.shape != self._shape or x.dtype != self._dtype:
            return one_by_one(self._layers, x, calls)
        if self._version != version():
            self._operands, self._shapes = self._looked_up()
            self._version = version()
        operands = self._operands.copy()
        for i in self._others:
            operands[i] = self._layers[i].operands(self._likes[i])
        sizes = tuple([-1 if given is None else len(given) for given in operands])
        active = self._active.get(sizes) or self._activate(sizes)
        given = tuple([operands[i] for i in active.positions])
        made = active.chain.forward(x, given)
        if made is None:
            return one_by_one(self._layers, x, calls, operands)
        output, kept = made
        if calls is not None:
            calls.append((self, x, output, (output.shape, active, x, kept, given)))
        return output

    def _looked_up(self) -> tuple[Operands, list[Any]]:
        """The operands of the steady layers, None for the others; and their shapes."""
        operands = [
            None if i in self._others else layer.operands(like)
            for i, (layer, like) in enumerate(zip(self._layers, self._likes, strict=True))
        ]
        shapes = [given and [getattr(each, "shape", None) for each in given] for given in operands]
        return operands, shapes

    def lasts(self) -> bool:
        """Whether the layers, now that attributes were set, take what they took, and have the same shapes."""
        try:
            for layer, like in zip(self._layers, self._likes, strict=True):
                layer.check(like)
        except NpnetError:
            return False
        return self._shapes == self._looked_up()[1]

    def _activate(self, sizes: tuple[int, ...]) -> _Active:
        positions = [i for i, size in enumerate(sizes) if size >= 0]
        layers = [self._layers[i] for i in positions]
        links = tuple(
            Link(layer.formula, layer.derivative, layer.keeps, sizes[i], len(layer.learned()))
            for i, layer in zip(positions, layers, strict=True)
        )
        chain = choice.chain_of(links, (len(self._shape), self._dtype.char))
        active = self._active[sizes] = _Active(layers, positions, chain)
        return active

    def compute_grad(self, grad_output: Array, context: Any, input_grad: bool) -> Array | None:
        """Go back through one call, given its context."""
        shape, active, x, kept, given = context
        active.layers[-1].check_grad(grad_output, shape)
        stop = None if input_grad else next(i for i, layer in enumerate(active.layers) if layer._learns())
        if grad_output.dtype == self._dtype:
            places, written = active.places(self._dtype)
            found = active.chain.backward(grad_output, x, kept, given, places, stop)
            if found is not None:
                active.settle(written)
                return found[0]
        calls = self.spread(context)
        first = 0 if stop is None else active.positions[stop]
        for i in reversed(range(first, len(calls))):
            layer, own_context = calls[i]
            wanted = stop is None or i > first
            grad_output = layer.compute_grad(grad_output, own_context, wanted)  # type: ignore[assignment]
        return grad_output

    def spread(self, context: Any) -> list[tuple[FormulaLayer, Context]]:
        """The layers, and the context of each."""
        shape, active, x, kept, given = context
        shapes = [*(like.shape for like in self._likes[1:]), shape]
        contexts: list[Context] = [(own_shape, (), None) for own_shape in shapes]
        for i, own_kept, own_given in zip(active.positions, kept, given, strict=True):
            contexts[i] = shapes[i], own_kept, own_given
        if active.layers[0].keeps == "input":
            i = active.positions[0]
            contexts[i] = shapes[i], (x,), given[0]
        return list(zip(self._layers, contexts, strict=True))

    def _learns(self) -> bool:
        return any(layer._learns() for layer in self._layers)


class Plan:
    """Which layers of a chain are run as rows, for inputs of one shape and dtype."""

    def __init__(self, layers: list[Module], likes: list[Array | None]) -> None:
        self._layers = layers
        self._bare = list(map(is_bare, layers))
        self._version, self._engine = Changes.count, choice.changes
        self._parts: list[Row | list[Module]] = []
        kinds = zip(layers, likes, map(_joins, layers, likes), strict=True)
        for together, group in itertools.groupby(kinds, lambda kind: kind[2]):
            some: list[Any] = list(group)
            part = [layer for layer, _, _ in some]
            self._parts.append(
                Row(part, [like for _, like, _ in some]) if together and len(part) > 1 else part
            )

    def lasts(self, chain: Module) -> bool:
        """Whether the children are the same, with ways and shapes as they were, and so is the engine."""
        if self._engine != choice.changes:
            return False
        if self._version == Changes.count:  # no attribute of any module was set
            return True
        layers = list(chain.children())
        if self._layers != layers or self._bare != list(map(is_bare, layers)):
            return False
        if not all(part.lasts() for part in self._parts if isinstance(part, Row)):
            return False
        self._version = Changes.count
        return True

    def run(self, x: Any, calls: list[Any] | None) -> Any:
        """The output of all; the calls are noted."""
        for part in self._parts:
            x = one_by_one(part, x, calls) if isinstance(part, list) else part.call(x, calls)
        return x


def _joins(layer: Any, like: Any) -> bool:
    return (
        like is not None and is_bare(layer) and choice.joins(layer.formula) and choice.joins(layer.derivative)
    )


def through(chain: Module, x: Any, calls: list[Any] | None, plans: dict[Hashable, Plan]) -> Any:
    """Pass an input through the children of a chain, rows of them as one.

    Parameters
    ----------
    chain : Module
    x : ndarray
    calls : list, optional
        Where to note what was called, as :mod:`npnet.nn.module` has it.
    plans : dict
        The plans that there are, to which one may be added.
    """
    if type(x) is not np.ndarray:
        return one_by_one(list(chain.children()), x, calls)
    key = x.shape, x.dtype.char
    plan = plans.get(key)
    if plan is not None and plan.lasts(chain):
        return plan.run(x, calls)
    layers = list(chain.children())
    likes: list[Array | None] = []
    output = one_by_one(layers, x, calls, likes=likes)
    if len(plans) >= PLANS:
        plans.clear()
    plans[key] = Plan(layers, likes)
    return output


def one_by_one(
    layers: Sequence[Any],
    x: Any,
    calls: list[Any] | None,
    operands: Operands | None = None,
    likes: list[Array | None] | None = None,
) -> Any:
    """Pass an input through layers; of a layer that is two formulas, the formula alone is called.

    Parameters
    ----------
    layers, x, calls
        As for :func:`through`.
    operands : list of tuple, optional
        Of each layer, where they were asked for already.
    likes : list, optional
        Where to put an array like the input of each layer, None if it is no array of NumPy's.
    """
    for i, layer in enumerate(layers):
        if likes is not None:
            likes.append(
                np.broadcast_to(np.zeros_like(x, shape=()), x.shape) if type(x) is np.ndarray else None
            )
        if is_bare(layer):
            layer.check(x)
            output, context = layer.compute(x, layer.operands(x) if operands is None else operands[i])
            if calls is not None:
                calls.append((layer, x, output, context))
        else:
            output = layer(x)
        x = output
    return x

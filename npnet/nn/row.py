"""Rows of layers whose formulas an engine runs as one.

Where an engine compiles, :class:`~npnet.nn.Sequential` does not call one formula after another: the formulas
of neighbours are one function of the input and of all their operands, and their derivatives another one.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.engine.choice import chain_of
from npnet.nn.formula_layer import Context, FormulaLayer, is_bare
from npnet.nn.module import Module

__all__ = ["Plan", "Row", "through"]

PLANS = 64
"""How many plans, each for inputs of one shape, a module keeps."""

Operands = list[tuple[Any, ...] | None]


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
        # By how many operands each layer has, which tells those apart that pass their input through.
        self._chains: dict[tuple[int, ...], tuple[Any, list[FormulaLayer], list[int]]] = {}

    def call(self, x: Any, calls: list[Any] | None) -> Any:
        """The output; the call is noted."""
        if type(x) is not np.ndarray or x.shape != self._shape or x.dtype != self._dtype:
            return one_by_one(self._layers, x, calls)
        operands: Operands = [
            layer.operands(like) for layer, like in zip(self._layers, self._likes, strict=True)
        ]
        sizes = tuple([-1 if given is None else len(given) for given in operands])
        chain, _, active = self._chains.get(sizes) or self._chain(sizes)
        given = tuple([operands[i] for i in active])
        made = chain.forward(x, given)
        if made is None:
            return one_by_one(self._layers, x, calls, operands)
        output, kept = made
        if calls is not None:
            calls.append((self, x, output, (output.shape, sizes, kept, given)))
        return output

    def _chain(self, sizes: tuple[int, ...]) -> tuple[Any, list[FormulaLayer], list[int]]:
        active = [i for i, size in enumerate(sizes) if size >= 0]
        layers = [self._layers[i] for i in active]
        links = tuple(
            (layer.formula, layer.derivative, layer.keeps, sizes[i], len(layer.learned()))
            for i, layer in zip(active, layers, strict=True)
        )
        chain = chain_of(links, (len(self._shape), self._dtype.char))
        found = self._chains[sizes] = chain, layers, active
        return found

    def compute_grad(self, grad_output: Array, context: Any, input_grad: bool) -> Array | None:
        """Go back through one call, given its context."""
        shape, sizes, kept, given = context
        chain, layers, _ = self._chains[sizes]
        layers[-1].check_grad(grad_output, shape)
        stop = None if input_grad else next(i for i, layer in enumerate(layers) if layer._learns())
        if grad_output.dtype == self._dtype:
            written: list[tuple[Any, Array]] = []
            places = tuple([layer.places(self._dtype, written) for layer in layers])
            found = chain.backward(grad_output, kept, given, places, stop)
            if found is not None:
                for parameter, place in written:
                    parameter.settle(place)
                return found[0]
        calls = self.spread(context)
        for i in reversed(range(stop or 0, len(calls))):
            layer, own_context = calls[i]
            grad_output = layer.compute_grad(grad_output, own_context, i != stop)  # type: ignore[assignment]
        return grad_output

    def spread(self, context: Any) -> list[tuple[FormulaLayer, Context]]:
        """The layers, and the context of each."""
        shape, sizes, kept, given = context
        _, layers, active = self._chains[sizes]
        shapes = [*(like.shape for like in self._likes[1:]), shape]
        return [
            (layer, (shapes[i], own_kept, own_given))
            for layer, i, own_kept, own_given in zip(layers, active, kept, given, strict=True)
        ]

    def _learns(self) -> bool:
        return any(layer._learns() for layer in self._layers)


class Plan:
    """Which layers of a chain are run as rows, for inputs of one shape and dtype."""

    def __init__(self, layers: list[Module], likes: list[Array | None]) -> None:
        self.layers = layers
        self.bare = list(map(is_bare, layers))
        self._parts: list[Row | list[Module]] = []
        kinds = zip(layers, likes, map(_may_be_compiled, layers, likes), strict=True)
        for together, group in itertools.groupby(kinds, lambda kind: kind[2]):
            some: list[Any] = list(group)
            part = [layer for layer, _, _ in some]
            self._parts.append(
                Row(part, [like for _, like, _ in some]) if together and len(part) > 1 else part
            )

    def fits(self, layers: list[Module]) -> bool:
        """Whether these are still the layers, and nobody has given one a forward of his own."""
        return self.layers == layers and self.bare == list(map(is_bare, layers))

    def run(self, x: Any, calls: list[Any] | None) -> Any:
        """The output of all; the calls are noted."""
        for part in self._parts:
            x = one_by_one(part, x, calls) if isinstance(part, list) else part.call(x, calls)
        return x


def _may_be_compiled(layer: Any, like: Any) -> bool:
    if like is None or not is_bare(layer):
        return False
    return hasattr(layer.formula, "formula") and hasattr(layer.derivative, "formula")


def through(layers: list[Module], x: Any, calls: list[Any] | None, plans: dict[Hashable, Plan] | None) -> Any:
    """Pass an input through layers: one by one, or rows of them as one.

    Parameters
    ----------
    layers : list of Module
    x : ndarray
    calls : list, optional
        Where to note what was called, as :mod:`npnet.nn.module` has it.
    plans : dict, optional
        The plans that there are, to which one may be added; without it, the layers are called one by one.
    """
    if plans is None or type(x) is not np.ndarray:
        return one_by_one(layers, x, calls)
    key = x.shape, x.dtype.char
    plan = plans.get(key)
    if plan is not None and plan.fits(layers):
        return plan.run(x, calls)
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

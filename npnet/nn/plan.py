"""Chains of layers, of which neighbours are run as one.

:class:`~npnet.nn.Sequential` calls its children one after another the first time that it meets a shape.  From
then on there is a plan: which of them are rows (:mod:`npnet.nn.row`).
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Hashable
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.engine import choice
from npnet.nn.formula_layer import is_bare, is_steady
from npnet.nn.module import Module
from npnet.nn.row import Row, like_of, one_by_one, version

__all__ = ["Plan", "plan_of", "through"]

PLANS = 64
"""How many plans, each for inputs of one shape, a module keeps."""


class Plan:
    """Which layers of a chain are run as rows, for inputs of one shape and dtype."""

    def __init__(
        self, chain: Module, layers: list[Module], likes: list[Array | None], output: Array | None
    ) -> None:
        self._version = version()
        self._chain = weakref.ref(chain)
        self._layers = layers
        self._bare = list(map(is_bare, layers))
        self._rows: list[Row | None] = []
        self._parts: list[list[Module]] = []
        joins = map(_joins, layers, likes, [*likes[1:], output])
        kinds = zip(layers, likes, joins, strict=True)
        for joined, group in itertools.groupby(kinds, lambda kind: kind[2]):
            some: list[Any] = list(group)
            part = [layer for layer, _, _ in some]
            self._parts.append(part)
            self._rows.append(Row(part, [like for _, like, _ in some]) if joined and len(part) > 1 else None)
        self._output = output

    def lasts(self, chain: Module) -> bool:
        """Whether the children are the same, with methods and operands as they were, and so is the engine."""
        if self._chain() is not chain:
            return False
        now = version()
        if self._version == now:
            return True
        layers = list(chain.children())
        if self._version[2] != now[2] or self._layers != layers or self._bare != list(map(is_bare, layers)):
            return False
        if not all(row.lasts() for row in self._rows if row is not None):
            return False
        self._version = now
        return True

    def is_stale(self) -> bool:
        """Whether a parameter has moved since, or the engine changed, and what is held here may go."""
        return self._version[1:] != version()[1:]

    def whole(self) -> tuple[Row, Array] | None:
        """The row that all layers are in, and an array like the output; None if there is no such row."""
        row = self._rows[0] if len(self._rows) == 1 else None
        return None if row is None or self._output is None else (row, self._output)

    def run(self, x: Any) -> Any:
        """The output of all."""
        for part, row in zip(self._parts, self._rows, strict=True):
            x = one_by_one(part, x) if row is None else row.call(x)
        return x


def _joins(layer: Any, like: Any, output: Any) -> bool:
    """Whether a layer can be run with its neighbours; for a compiler, its vectors are as long as its rows."""
    if like is None or output is None or not is_bare(layer) or not layer.joins_rows:
        return False
    if not (choice.joins(layer.formula) and choice.joins(layer.derivative)):
        return False
    widths = {like.shape[-1:], output.shape[-1:]}
    operands = layer.operands(like) if is_steady(layer) else None
    return all(getattr(each, "ndim", 0) != 1 or each.shape in widths for each in operands or ())


def through(chain: Module, x: Any, plans: dict[Hashable, Plan]) -> Any:
    """Pass an input through the children of a chain, rows of them as one.

    Parameters
    ----------
    chain : Module
    x : ndarray
    plans : dict
        The plans that there are, to which one may be added.
    """
    if type(x) is not np.ndarray and not backend.is_plain(x):
        return one_by_one(list(chain.children()), x)
    plan = plan_of(chain, x, plans)
    if plan is not None:
        return plan.run(x)
    for stale in [shape for shape, each in plans.items() if each.is_stale()]:
        del plans[stale]
    layers = list(chain.children())
    likes: list[Array | None] = []
    output = one_by_one(layers, x, likes=likes)
    if len(plans) >= PLANS:
        del plans[next(iter(plans))]
    plans[_key(chain, x)] = Plan(chain, layers, likes, like_of(output))
    return output


def plan_of(chain: Module, x: Any, plans: dict[Hashable, Plan]) -> Plan | None:
    """The plan that there is for an input of this kind, if it still holds."""
    plan = plans.get(_key(chain, x))
    return plan if plan is not None and plan.lasts(chain) else None


def _key(chain: Module, x: Any) -> Hashable:
    return type(x), x.shape, x.dtype.str, chain.training

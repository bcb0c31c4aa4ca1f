"""Lines of a function that calls NumPy and does nothing else, and what makes them fewer and cheaper.

:mod:`npnet.engine.trace` notes them.  Nothing here changes what is computed: a line that nobody needs is left
out, a result is made where it would have been copied to, and a temporary is written over by the next one of
its kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Step", "lines", "store_at_once", "without_unused"]

FREED = 1 << 16
"""Bytes from which on a temporary is let go as soon as nobody needs it."""


@dataclass
class Step:
    """A line of the function.

    Attributes
    ----------
    target : str
        The name of what it makes; empty where it makes nothing.
    function : str
        What is called; or a method of the first argument.
    arguments : list of str
    uses : set of str
        Names of arrays among them.
    kind : {"ufunc", "dot", "call", "method", "item", "store"}
        A ``"ufunc"`` goes through its operands element by element.  It takes a place for the result behind
        them, as ``"dot"`` does, a matrix product.
    writes : str
        The name of the array that is changed, if one is.
    like : (shape, dtype, strides) or None
        Of what is made, if it is an array of its own, neither a view nor a number.
    """

    target: str
    function: str
    arguments: list[str]
    uses: set[str]
    kind: str
    writes: str = ""
    like: tuple[tuple[int, ...], Any, tuple[int, ...]] | None = None

    def text(self) -> str:
        """The line.

        Examples
        --------
        >>> Step("v2", "add", ["v0", "v1"], {"v0", "v1"}, "ufunc").text()
        'v2 = add(v0, v1)'
        >>> Step("", "", ["c0", "...", "v2"], {"c0", "v2"}, "store", "c0").text()
        'c0[...] = v2'
        """
        first, rest = self.arguments[0], ", ".join(self.arguments[1:])
        if self.kind == "store":
            return f"{first}[{self.arguments[1]}] = {self.arguments[2]}"
        if self.kind == "item":
            made = f"{first}[{rest}]"
        elif self.kind == "dot":  # as a method, since np.dot looks for other kinds of arrays first
            made = f"{first}.dot({rest})"
        elif self.kind == "method":
            made = f"{first}.T" if self.function == "T" else f"{first}.{self.function}({rest})"
        else:
            made = f"{self.function}({', '.join(self.arguments)})"
        return f"{self.target} = {made}" if self.target else made

    def rename(self, old: str, new: str) -> None:
        """Use another array in the place of one."""
        if old in self.uses:
            self.arguments = [new if each == old else each for each in self.arguments]
            self.uses = (self.uses - {old}) | {new}


def without_unused(steps: list[Step], returned: set[str]) -> list[Step]:
    """Those that change something, or make what is used.

    Examples
    --------
    >>> kept, lost = Step("v0", "sin", ["x"], {"x"}, "ufunc"), Step("v1", "cos", ["v0"], {"v0"}, "ufunc")
    >>> [step.target for step in without_unused([kept, lost], {"v0"})]
    ['v0']
    """
    needed, found = set(returned), []
    for step in reversed(steps):
        if step.writes or step.target in needed:
            needed |= step.uses
            found.append(step)
    return found[::-1]


def store_at_once(
    steps: list[Step], returned: set[str], constants: Mapping[str, Any], owner: Mapping[str, str]
) -> None:
    """Let what is made only to be copied into a constant be made there, in place.

    Parameters
    ----------
    steps : list of Step
    returned : set of str
        Names of what the function returns.
    constants : mapping
        Arrays that are the same in every call, and other things, by name.
    owner : mapping of str to str
        For each name of an array the name of the one whose memory it has a part in.
    """
    for store in [step for step in steps if step.kind == "store"]:
        place, index, value = store.arguments
        made = next((step for step in steps if step.target == value), None)
        where = constants.get(place)
        if where is None or constants.get(index) is not ... or made is None or value in returned:
            continue
        first, last = steps.index(made), steps.index(store)
        group = {name for name, of in owner.items() if of == owner[place]}
        between = set().union(*(step.uses for step in steps[first + 1 : last]))
        if (
            made.kind not in ("ufunc", "dot")
            or made.like != (where.shape, where.dtype, where.strides)
            or not where.flags.c_contiguous
            or any(of == value for name, of in owner.items() if name != value)
            or any(step.writes == value for step in steps)
            or group & between
            or group & made.uses - ({place} if made.kind == "ufunc" else set())
            or any(step.writes in group for step in steps[last + 1 :])
        ):
            continue
        made.arguments.append(place)
        made.uses.add(place)
        made.target, made.writes, made.like = "", place, None
        steps.remove(store)
        for step in steps[first + 1 :]:
            step.rename(value, place)


def lines(steps: list[Step], returned: set[str], owner: Mapping[str, str]) -> list[str]:
    """The text of steps; temporaries are written over, or let go, when nobody needs them any more.

    Examples
    --------
    >>> import numpy as np
    >>> like = (2,), np.dtype(float), (8,)
    >>> steps = [
    ...     Step("v0", "exp", ["x"], {"x"}, "ufunc", like=like),
    ...     Step("v1", "negative", ["v0"], {"v0"}, "ufunc", like=like),
    ... ]
    >>> lines(steps, {"v1"}, {name: name for name in ("x", "v0", "v1")})
    ['v0 = exp(x)', 'v1 = negative(v0, v0)']
    """
    last = {owner[name]: i for i, step in enumerate(steps) for name in (*step.uses, step.target) if name}
    last.update({owner[name]: len(steps) for name in returned})
    alive: list[Step] = []  # those that made an array which is used further on
    free: list[Step] = []  # and those whose array nobody needs any more
    names: dict[str, list[str]] = {}  # by the target of such a step, all that its memory is called by
    found: list[str] = []
    for i, step in enumerate(steps):
        if step.like is not None:
            if step.kind == "ufunc":
                ending = [each for each in alive if last[each.target] <= i and each.target in step.uses]
                over = next((each for each in [*ending, *free] if each.like == step.like), None)
                if over is not None:
                    step.arguments.append(over.target)
                    names[step.target] = names.pop(over.target)
                    (alive if over in alive else free).remove(over)
            alive.append(step)
        if step.target:
            names.setdefault(owner[step.target], []).append(step.target)
        found.append(step.text())
        free += [each for each in alive if last[each.target] <= i]
        alive = [each for each in alive if last[each.target] > i]
    for each in free:
        (shape, dtype, _), end = each.like or ((), None, ()), last[each.target]
        if dtype is not None and math.prod(shape) * dtype.itemsize >= FREED:
            found[end] += f"; del {', '.join(names[each.target])}"
    return found

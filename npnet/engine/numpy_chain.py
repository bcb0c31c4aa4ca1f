"""Rows of formulas on NumPy: called as they stand at first, then line by line (:mod:`npnet.engine.trace`).

A row is written down when it is called for the second time with the same parameters, numbers and places of
gradients; whoever changes a number in every step is served by the formulas themselves.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.engine.chain import Chain, Link
from npnet.engine.formula import is_own
from npnet.engine.numpy_engine import refusal
from npnet.engine.trace import Tape, Untraceable, unheard

__all__ = ["TracedChain"]


class _Way:
    """A way and what it was called with.

    Parameters
    ----------
    links : tuple of Link
    operands : tuple of tuple
    fixed : tuple
        What must be the very same in a call that the way fits.
    """

    entry: Callable[..., Any]
    """What was written down, once it was."""

    def __init__(self, links: tuple[Link, ...], operands: tuple[Any, ...], fixed: tuple[Any, ...]) -> None:
        self.fixed = fixed
        self._arrays: list[tuple[int, int, Any]] = []
        self._numbers: list[tuple[int, int, Any]] = []
        for i, link in enumerate(links):
            for j, each in enumerate(() if link.steady else operands[i]):
                if type(each) is np.ndarray:
                    self._arrays.append((i, j, (each.shape, each.strides, each.dtype)))
                else:
                    self._numbers.append((i, j, each))

    def moving(self, fixed: tuple[Any, ...], operands: tuple[Any, ...]) -> list[Any] | None:
        """The arrays that are others in every call; None if the way does not fit the call."""
        if not all(map(operator.is_, self.fixed, fixed)):
            return None
        found = []
        for i, j, kind in self._arrays:
            each = operands[i][j]
            if type(each) is not np.ndarray or (each.shape, each.strides, each.dtype) != kind:
                return None
            found.append(each)
        for i, j, number in self._numbers:
            if operands[i][j] is not number:
                return None
        return found


class TracedChain(Chain):
    """A row of formulas that NumPy runs, for inputs of one shape and dtype.

    Parameters
    ----------
    links : tuple of Link
    """

    def __init__(self, links: tuple[Link, ...]) -> None:
        super().__init__(links)
        self._written: dict[Any, _Way] = {}
        self._lately: dict[Any, _Way] = {}
        self._refused = not all(is_own(link.formula) and is_own(link.derivative) for link in links)

    def forward(self, x: Any, operands: tuple[Any, ...], steady: object) -> tuple[Any, tuple[Any, ...]]:
        """As :meth:`Chain.forward`."""
        if not self._refused and x.flags.c_contiguous:
            found = self._fitting("forth", operands, (steady,), self._forth, x, operands)
            if found is not None:
                entry, moving = found
                made: tuple[Any, tuple[Any, ...]] = entry(x, moving)
                return made
        return super().forward(x, operands, steady)  # type: ignore[return-value]

    def backward(
        self,
        g: Any,
        x: Any,
        kept: tuple[Any, ...],
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        stop: int | None,
        steady: object,
    ) -> tuple[Any, ...]:
        """As :meth:`Chain.backward`."""
        if not self._refused and (flags := g.flags).forc and x.flags.c_contiguous:
            way, call = ("back", stop, flags.c_contiguous), (g, x, kept, operands, places, stop)
            found = self._fitting(way, operands, (steady, places), self._back, *call)
            if found is not None:
                entry, moving = found
                return (entry(g, x, kept, moving),)
        return super().backward(g, x, kept, operands, places, stop, steady)  # type: ignore[return-value]

    def both(
        self,
        x: Any,
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        divisor: int,
        stop: int,
        steady: object,
    ) -> tuple[Any, Any]:
        """As :meth:`Chain.both`."""
        if not self._refused and x.flags.c_contiguous:
            way, call = ("both", stop, divisor), (x, operands, places, divisor, stop)
            found = self._fitting(way, operands, (steady, places), self._both, *call)
            if found is not None:
                entry, moving = found
                made: tuple[Any, Any] = entry(x, moving)
                return made
        return super().both(x, operands, places, divisor, stop, steady)  # type: ignore[return-value]

    def _fitting(
        self,
        way: Any,
        operands: tuple[Any, ...],
        fixed: tuple[Any, ...],
        write: Callable[..., Callable[..., Any]],
        *call: Any,
    ) -> tuple[Callable[..., Any], list[Any]] | None:
        """What was written down of a way and fits a call, and its arrays that move.

        It is written down if the last call had the very same fixed; else None.
        """
        written = self._written.get(way)
        if written is not None and (moving := written.moving(fixed, operands)) is not None:
            return written.entry, moving
        lately = self._lately.get(way)
        if lately is None or (moving := lately.moving(fixed, operands)) is None:
            self._lately[way] = _Way(self.links, operands, fixed)
            return None
        try:
            with unheard():
                lately.entry = write(*call)
        except Untraceable as reason:
            self._refused = refusal("a row of layers", reason)
            return None
        self._written[way] = lately
        self._lately.pop(way, None)  # another thread may have been here
        return lately.entry, moving

    def _forth(self, x: Any, operands: tuple[Any, ...]) -> Callable[..., Any]:
        tape = Tape()
        own, names = self._noted(tape, operands)
        result = self.way("forth")(tape.argument(x, "x"), own)
        return tape.function(["def entry(x, moving):", f"    {names} = moving"], result)

    def _back(
        self,
        g: Any,
        x: Any,
        kept: tuple[Any, ...],
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        stop: int | None,
    ) -> Callable[..., Any]:
        tape = Tape()
        own, names = self._noted(tape, operands)
        own_places = _constants(tape, places)
        own_kept = tuple(
            [
                tuple([tape.argument(each, f"k{i}_{j}") for j, each in enumerate(some)])
                for i, some in enumerate(kept)
            ]
        )
        given = tape.argument(g, "g"), tape.argument(x, "x")
        result = self.way("back", stop)(*given, own_kept, own, own_places)
        head = ["def entry(g, x, kept, moving):", f"    {names} = moving"]
        return tape.function([*head, f"    {tape.text(own_kept, set())} = kept"], result)

    def _both(
        self, x: Any, operands: tuple[Any, ...], places: tuple[Any, ...], divisor: int, stop: int
    ) -> Callable[..., Any]:
        tape = Tape()
        own, names = self._noted(tape, operands)
        result = self.way("both", stop)(tape.argument(x, "x"), own, _constants(tape, places), divisor)
        return tape.function(["def entry(x, moving):", f"    {names} = moving"], result)

    def _noted(self, tape: Tape, operands: tuple[Any, ...]) -> tuple[tuple[Any, ...], str]:
        """The operands with arrays that take notes, and the names of those that move, as a tuple."""
        own: list[tuple[Any, ...]] = []
        names: list[str] = []
        for link, given in zip(self.links, operands, strict=True):
            mine = []
            for each in given:
                if link.steady or not isinstance(each, np.ndarray):
                    mine.append(_constant(tape, each))
                else:
                    names.append(f"m{len(names)}")
                    mine.append(tape.argument(each, names[-1]))
            own.append(tuple(mine))
        return tuple(own), f"({''.join(f'{name}, ' for name in names)})"


def _constant(tape: Tape, value: Any) -> Any:
    return tape.constant(value) if isinstance(value, np.ndarray) else value


def _constants(tape: Tape, trees: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([tuple([_constant(tape, each) for each in some]) for some in trees])

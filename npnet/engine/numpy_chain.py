"""Rows of formulas on NumPy: called as they stand at first, then line by line (:mod:`npnet.engine.trace`).

A row is written down when it is called for the second time with the same parameters, numbers and places of
gradients; whoever changes a number in every step is served by the formulas themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.engine.chain import Chain, Link
from npnet.engine.formula import is_known
from npnet.engine.trace import Tape, Untraceable

__all__ = ["TracedChain"]

logger = logging.getLogger("npnet")


class _Way:
    """A way and what it was called with: arrays and numbers that stay, and kinds of the others."""

    entry: Callable[..., Any] | None = None
    """What was written down; None as long as it was called only once."""

    def __init__(self, fixed: list[Any], moving: list[Any]) -> None:
        self._fixed = fixed
        self._kinds = [(array.shape, array.dtype) for array in moving]

    def fits(self, fixed: list[Any], moving: list[Any]) -> bool:
        """Whether a call has the very same arrays and numbers, and arrays like the others."""
        for own, given in zip(self._fixed, fixed, strict=True):
            if own is not given:
                return False
        for (shape, dtype), array in zip(self._kinds, moving, strict=True):
            if array.shape != shape or array.dtype != dtype:
                return False
        return True


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
        self._refused = not all(is_known(link.formula) and is_known(link.derivative) for link in links)

    def forward(self, x: Any, operands: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """As :meth:`Chain.forward`."""
        if not self._refused and x.flags.c_contiguous:
            fixed, moving = self._parted(operands)
            entry = self._entry("forth", fixed, moving, self._forth, x, operands)
            if entry is not None:
                found: tuple[Any, tuple[Any, ...]] = entry(x, moving)
                return found
        return super().forward(x, operands)  # type: ignore[return-value]

    def backward(
        self,
        g: Any,
        x: Any,
        kept: tuple[Any, ...],
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        stop: int | None,
    ) -> tuple[Any, ...]:
        """As :meth:`Chain.backward`."""
        if not self._refused and (flags := g.flags).forc:
            fixed, moving = self._parted(operands)
            fixed.append(places)
            entry = self._entry(
                (stop, flags.c_contiguous), fixed, moving, self._back, g, x, kept, operands, places, stop
            )
            if entry is not None:
                return (entry(g, x, kept, moving),)
        return super().backward(g, x, kept, operands, places, stop)  # type: ignore[return-value]

    def _parted(self, operands: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
        """What of the operands is the same call after call, and the arrays that are others."""
        fixed: list[Any] = []
        moving: list[Any] = []
        for link, given in zip(self.links, operands, strict=True):
            if link.steady:
                fixed.append(given)
            else:
                for each in given:
                    (moving if isinstance(each, np.ndarray) else fixed).append(each)
        return fixed, moving

    def _entry(
        self, way: Any, fixed: list[Any], moving: list[Any], write: Callable[..., Any], *call: Any
    ) -> Callable[..., Any] | None:
        """The way as it was written down; now, if the last call had the same fixed, else None."""
        written = self._written.get(way)
        if written is not None and written.fits(fixed, moving):
            return written.entry
        lately = self._lately.get(way)
        if lately is None or not lately.fits(fixed, moving):
            self._lately[way] = _Way(fixed, moving)
            return None
        try:
            with np.errstate(all="ignore"):  # the numbers of this call are not looked at
                lately.entry = write(*call)
        except Untraceable as reason:
            logger.debug("npnet: a row of layers is not written down: %s", reason)
            self._refused = True
            return None
        self._written[way] = self._lately.pop(way)
        return lately.entry

    def _forth(self, x: Any, operands: tuple[Any, ...]) -> Callable[..., Any]:
        tape = Tape()
        own, names = self._noted(tape, operands)
        result = self.way_forth()(tape.argument(x, "x"), own)
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
        own_places = tuple([tuple([_constant(tape, each) for each in some]) for some in places])
        own_kept = tuple(
            [
                tuple([tape.argument(each, f"k{i}_{j}") for j, each in enumerate(some)])
                for i, some in enumerate(kept)
            ]
        )
        given = tape.argument(g, "g"), tape.argument(x, "x")
        result = self.way_back(stop)(*given, own_kept, own, own_places)
        head = ["def entry(g, x, kept, moving):", f"    {names} = moving"]
        return tape.function([*head, f"    {tape.text(own_kept, set())} = kept"], result)

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

"""Rows of formulas, compiled as one function: a call costs as much as that of one formula.

The values are those of the formulas called one by one, to the last bit, so that it does not matter when a row
is compiled: it is once it was called :data:`HOT` times, or at once where its machine code is kept.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from npnet.engine import numba_engine
from npnet.engine.chain import CALLED, Chain, Link
from npnet.engine.numba_overloads import ShapeMismatch
from npnet.engine.scalar import NotScalar

__all__ = ["HOT", "CompiledChain", "chain_of"]

logger = logging.getLogger("npnet")

HOT = 10_000
"""How often a row is called formula by formula before it is compiled, which takes ten seconds or thirty."""

INT64 = np.dtype(np.int64)


class CompiledChain(Chain):
    """A row of formulas that is compiled once it is hot."""

    def __init__(self, links: tuple[Link, ...]) -> None:
        super().__init__(links)
        self._calls: dict[tuple[str, int | None], int] = {}  # of ways that are not compiled yet
        self._refused: set[str] = set()  # "both", or "one" for either alone

    def forward(
        self, x: Any, operands: tuple[Any, ...], steady: object
    ) -> tuple[Any, tuple[Any, ...]] | None:
        """As :meth:`Chain.forward`; None until the row is hot, and where no loop takes its operands."""
        if "one" in self._refused or not _regular(x) or not self._is_hot("forth"):
            return None
        found: tuple[Any, tuple[Any, ...]] | None = self._unless_refused(
            "one", lambda: super(CompiledChain, self).forward(x, operands, steady)
        )
        return found

    def _unless_refused(self, what: str, run: Callable[[], Any]) -> Any:
        """What a function returns; None, from now on, if there is no loop for it."""
        try:
            return run()
        except ShapeMismatch:
            return None
        except (NumbaError, NotScalar):
            self._refused.add(what)
            return None

    def _is_hot(self, name: str, stop: int | None = None) -> bool:
        """Whether there is machine code of a way, or it is time to make it; counts the calls until then."""
        way = name, stop
        if way in self.ways:
            return True
        calls = self._calls[way] = self._calls.get(way, 0) + 1
        kept = calls == 1 and numba_engine.is_kept(name, self._text(name, self.lines(name, stop)))
        return calls > HOT or kept

    def backward(self, g: Any, *others: Any, **named: Any) -> tuple[Any, ...] | None:
        """As :meth:`Chain.backward`."""
        if "one" in self._refused or not (g.flags.forc and g.flags.writeable):
            return None
        found: tuple[Any, ...] | None = self._unless_refused(
            "one", lambda: super(CompiledChain, self).backward(g, *others, **named)
        )
        return found

    def both(
        self,
        x: Any,
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        divisor: int,
        stop: int,
        steady: object,
    ) -> tuple[Any, Any] | None:
        """As :meth:`Chain.both`; None until it is hot, and where there is no loop for it."""
        if "both" in self._refused or not _regular(x) or not self._is_hot("both", stop):
            return None
        own = *operands[:-1], tuple([_as_compiled(each) for each in operands[-1]])
        found = self._unless_refused("both", lambda: self.way("both", stop)(x, own, places, divisor))
        return found and (found[0], found[1][()])  # a number, as NumPy has it

    def names(self, which: str) -> list[str]:
        """The formulas' own names."""
        return [getattr(link, which).__name__ for link in self.links]

    def function(self, name: str, lines: list[str]) -> Callable[..., Any]:
        """The function ``entry`` of a text, to be compiled when it is called."""
        text = self._text(name, lines)
        if not numba_engine.is_kept(name, text):
            number = len(self.links) * len(CALLED[name])
            logger.warning("npnet: compiling %d formulas as one, once, for up to half a minute", number)
        return numba_engine.compiled(name, text)

    def _text(self, name: str, lines: list[str]) -> str:
        texts = numba_engine.texts([getattr(link, which) for which in CALLED[name] for link in self.links])
        return "\n".join([*texts.values(), *lines, ""])


def _regular(array: Any) -> bool:
    """Whether an array lies as arrays mostly do; else there would be machine code for each way to lie."""
    flags = array.flags
    return bool(flags.c_contiguous and flags.writeable)


def _as_compiled(operand: Any) -> Any:
    """An operand of a loss as there is machine code for: a regular array, and integers of 64 bits."""
    if not isinstance(operand, np.ndarray):
        return operand
    dtype = INT64 if operand.dtype.kind in "iu" else operand.dtype
    return operand if operand.dtype == dtype and _regular(operand) else np.array(operand, dtype, order="C")


@functools.lru_cache(maxsize=256)
def chain_of(links: tuple[Link, ...], kind: Hashable) -> CompiledChain:
    """The chain of these links for inputs of one kind."""
    return CompiledChain(links)

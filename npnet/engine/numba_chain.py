"""Rows of formulas, compiled as one function: a call costs as much as that of one formula.

The values are those of the formulas called one by one, to the last bit, so that it does not matter when a row
is compiled: it is once it was called :data:`HOT` times, or at once where its machine code is kept.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Hashable
from typing import Any

from numba.core.errors import NumbaError

from npnet.engine import numba_engine
from npnet.engine.chain import Chain, Link, lines_forth
from npnet.engine.numba_overloads import ShapeMismatch
from npnet.engine.scalar import NotScalar

__all__ = ["HOT", "CompiledChain", "chain_of"]

logger = logging.getLogger("npnet")

HOT = 10_000
"""How often a row is called formula by formula before it is compiled, which takes some seconds."""


class CompiledChain(Chain):
    """A row of formulas that is compiled once it is hot."""

    def __init__(self, links: tuple[Link, ...]) -> None:
        super().__init__(links)
        self._calls = 0
        self._refused = False

    def forward(
        self, x: Any, operands: tuple[Any, ...], steady: object
    ) -> tuple[Any, tuple[Any, ...]] | None:
        """As :meth:`Chain.forward`; None until the row is hot, and where no loop takes its operands."""
        if self._refused or not (x.flags.c_contiguous and x.flags.writeable):  # else compiled for each layout
            return None
        found: tuple[Any, tuple[Any, ...]] | None = self._unless_refused(
            lambda: super(CompiledChain, self).forward(x, operands, steady) if self._is_hot() else None
        )
        return found

    def _unless_refused(self, run: Callable[[], Any]) -> Any:
        """What a function returns; None, from now on, if there is no loop for it."""
        try:
            return run()
        except ShapeMismatch:
            return None
        except (NumbaError, NotScalar):
            self._refused = True
            return None

    def _is_hot(self) -> bool:
        """Whether there is machine code, or it is time to make it; counts the calls until then."""
        if "forth" in self.ways:
            return True
        self._calls += 1
        if self._calls > HOT:
            return True
        if self._calls > 1:
            return False
        names = self.names("formula")
        return numba_engine.is_kept("formula", self._text("formula", lines_forth(self.links, names)))

    def backward(self, g: Any, *others: Any, **named: Any) -> tuple[Any, ...] | None:
        """As :meth:`Chain.backward`."""
        if self._refused or not (g.flags.forc and g.flags.writeable):
            return None
        found: tuple[Any, ...] | None = self._unless_refused(
            lambda: super(CompiledChain, self).backward(g, *others, **named)
        )
        return found

    def names(self, which: str) -> list[str]:
        """The formulas' own names."""
        return [getattr(link, which).__name__ for link in self.links]

    def function(self, which: str, names: list[str], lines: list[str]) -> Callable[..., Any]:
        """The function ``entry`` of a text, to be compiled when it is called."""
        text = self._text(which, lines)
        if not numba_engine.is_kept(which, text):
            logger.warning("npnet: compiling %d %ss as one, which takes some seconds", len(names), which)
        return numba_engine.compiled(which, text)

    def _text(self, which: str, lines: list[str]) -> str:
        texts = numba_engine.texts([getattr(link, which) for link in self.links])
        return "\n".join([*texts.values(), *lines, ""])


@functools.lru_cache(maxsize=256)
def chain_of(links: tuple[Link, ...], kind: Hashable) -> CompiledChain:
    """The chain of these links for inputs of one kind."""
    return CompiledChain(links)

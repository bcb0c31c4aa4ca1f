"""A row of formulas, each taking what the last one gave, compiled as one function; and the way back.

The text of the row is a line for each formula, the formulas' own texts stand in front of it, and a call costs
as much as that of one formula.  The values are those of the formulas called one by one, to the last bit, so
that it does not matter when a row is compiled: it is once it was called :data:`HOT` times, or at once where
its machine code is kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from numba.core.errors import NumbaError

from npnet.engine import numba_engine
from npnet.engine.numba_engine import ShapeMismatch
from npnet.engine.scalar import NotScalar

__all__ = ["HOT", "Chain", "Link", "chain_of"]

HOT = 1000
"""How often a row is called formula by formula before it is compiled, which takes some seconds."""


class Link(NamedTuple):
    """One formula of a row.

    Parameters
    ----------
    formula, derivative : callable
        As :class:`npnet.nn.formula_layer.FormulaLayer` has them; both are formulas of :mod:`npnet.engine`.
    keeps : str or int
    operands, places : int
        How many operands both take, and how many places for gradients the derivative takes.
    """

    formula: Callable[..., Any]
    derivative: Callable[..., Any]
    keeps: str | int
    operands: int
    places: int


class Chain:
    """A row of formulas that is compiled once it is hot.

    Parameters
    ----------
    links : tuple of Link
    """

    def __init__(self, links: tuple[Link, ...]) -> None:
        self._links = links
        self._calls = 0
        self._forward: Callable[..., Any] | None = None
        self._backward: dict[int | None, Callable[..., Any]] = {}
        self._refused = False

    def forward(self, x: Any, operands: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]] | None:
        """The last output and what each link keeps; None where the formulas have to be called one by one."""
        if self._refused:
            return None
        try:
            if self._forward is None and not self._is_hot():
                return None
            result: tuple[Any, tuple[Any, ...]] = self._forward(x, operands)  # type: ignore[misc]
            return result
        except ShapeMismatch:
            return None
        except (NumbaError, NotScalar):
            self._refused = True
            return None

    def _is_hot(self) -> bool:
        """Count a call, and compile the way forward if that is due."""
        self._calls += 1
        if 1 < self._calls <= HOT:
            return False
        functions = [link.formula for link in self._links]
        text = _joined(functions, _forward_lines(self._links))
        if self._calls == 1 and HOT and not numba_engine.is_kept("forward", text):
            return False
        self._forward = numba_engine.compiled("forward", text)
        return True

    def backward(
        self,
        g: Any,
        x: Any,
        kept: tuple[Any, ...],
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        stop: int | None,
    ) -> tuple[Any, ...] | None:
        """A tuple of the gradient by the input; None where the derivatives have to be called one by one.

        Parameters
        ----------
        g, x : ndarray
            The gradient by the last output, and the first input, which is not among what was kept.
        kept, operands, places : tuple of tuple
            Of each link.
        stop : int or None
            The first link that learns, to go back no further, and give None for the gradient by the input;
            or None, to go back all the way.
        """
        if self._refused:
            return None
        try:
            if stop not in self._backward:
                functions = [link.derivative for link in self._links]
                text = _joined(functions, _backward_lines(self._links, stop))
                self._backward[stop] = numba_engine.compiled("backward", text)
            return (self._backward[stop](g, x, kept, operands, places),)
        except ShapeMismatch:
            return None
        except (NumbaError, NotScalar):
            self._refused = True
            return None


def _joined(functions: list[Callable[..., Any]], lines: list[str]) -> str:
    return "\n".join([*numba_engine.texts(functions).values(), *lines, ""])


@functools.lru_cache(maxsize=256)
def chain_of(links: tuple[Link, ...], kind: Hashable) -> Chain:
    """The chain of these links for inputs of one kind."""
    return Chain(links)


def _forward_lines(links: tuple[Link, ...]) -> list[str]:
    lines = ["def entry(x0, operands):"]
    for i, link in enumerate(links):
        arguments = ", ".join([f"x{i}", *(f"operands[{i}][{j}]" for j in range(link.operands))])
        call = f"{link.formula.__name__}({arguments})"
        if isinstance(link.keeps, int):
            lines += [f"    made{i} = {call}", f"    x{i + 1} = made{i}[0]", f"    kept{i} = made{i}[1:]"]
        else:
            kept = {"input": f"(x{i},)" if i else "()", "output": f"(x{i + 1},)", "nothing": "()"}[link.keeps]
            lines += [f"    x{i + 1} = {call}", f"    kept{i} = {kept}"]
    kept = "".join(f"kept{i}, " for i in range(len(links)))
    return [*lines, f"    return x{len(links)}, ({kept})"]


def _backward_lines(links: tuple[Link, ...], stop: int | None) -> list[str]:
    lines = [f"def entry(g{len(links)}, x, kept, operands, places):"]
    first = 0 if stop is None else stop
    for i in reversed(range(first, len(links))):
        link = links[i]
        kept = link.keeps if isinstance(link.keeps, int) else int(link.keeps != "nothing")
        given = ["x"] if link.keeps == "input" and i == 0 else [f"kept[{i}][{j}]" for j in range(kept)]
        arguments = [f"g{i + 1}", *given]
        arguments += [f"operands[{i}][{j}]" for j in range(link.operands)]
        if link.places:
            arguments += [f"places[{i}][{j}]" for j in range(link.places)]
            arguments.append("None" if stop == i else "True")
        lines.append(f"    g{i} = {link.derivative.__name__}({', '.join(arguments)})")
    return [*lines, f"    return {'None' if stop is not None else 'g0'}"]

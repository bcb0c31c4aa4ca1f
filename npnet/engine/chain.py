"""A row of formulas, each taking what the last one gave, as one function; and the way back.

The function is a line for each formula.  NumPy runs these lines as they stand; an engine compiles them
together with the formulas' own texts (:mod:`npnet.engine.numba_chain`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Chain", "Link", "lines_back", "lines_forth", "same"]

VALUES = (bool, int, float, str, np.generic)
"""What is compared by its value; everything else is the same only if it is the very same."""


class Link(NamedTuple):
    """One formula of a row.

    Parameters
    ----------
    formula, derivative : callable
        As :class:`npnet.nn.formula_layer.FormulaLayer` has them.
    keeps : str or int
    operands, places : int
        How many operands both take, and how many places for gradients the derivative takes.
    steady : bool
        Whether the operands are the same arrays and numbers call after call.
    """

    formula: Callable[..., Any]
    derivative: Callable[..., Any]
    keeps: str | int
    operands: int
    places: int
    steady: bool = True


class Chain:
    """A row of formulas that NumPy runs.

    Parameters
    ----------
    links : tuple of Link

    Attributes
    ----------
    lends : bool
        Whether what it keeps lies where its next call would put the same, and should be dropped before.
    """

    lends = False

    def __init__(self, links: tuple[Link, ...]) -> None:
        self.links = links
        self.ways: dict[Any, Callable[..., Any]] = {}  # the way forth, and those back by where they stop

    def forward(
        self, x: Any, operands: tuple[Any, ...], steady: object
    ) -> tuple[Any, tuple[Any, ...]] | None:
        """The last output and what each link keeps; None where the formulas have to be called one by one.

        The first input is not among what is kept.

        Parameters
        ----------
        x : ndarray
        operands : tuple of tuple
            Of each link.
        steady : object
            The very same one as long as those of all steady links are.
        """
        found: tuple[Any, tuple[Any, ...]] = self.way_forth()(x, operands)
        return found

    def way_forth(self) -> Callable[..., Any]:
        """``entry(x, operands)``."""
        if "forth" not in self.ways:
            names = self.names("formula")
            self.ways["forth"] = self.function("formula", names, lines_forth(self.links, names))
        return self.ways["forth"]

    def backward(
        self,
        g: Any,
        x: Any,
        kept: tuple[Any, ...],
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        stop: int | None,
        steady: object,
    ) -> tuple[Any, ...] | None:
        """A tuple of the gradient by the input; None where the derivatives have to be called one by one.

        Parameters
        ----------
        g, x : ndarray
            The gradient by the last output, and the first input.
        kept, operands, places : tuple of tuple
            Of each link.
        stop : int or None
            The first link that learns, to go back no further, and give None for the gradient by the input;
            or None, to go back all the way.
        steady : object
            What :meth:`forward` was given.
        """
        return (self.way_back(stop)(g, x, kept, operands, places),)

    def way_back(self, stop: int | None) -> Callable[..., Any]:
        """``entry(g, x, kept, operands, places)``."""
        if stop not in self.ways:
            names = self.names("derivative")
            self.ways[stop] = self.function("derivative", names, lines_back(self.links, names, stop))
        return self.ways[stop]

    def names(self, which: str) -> list[str]:
        """Under which names a text calls the formulas, or the derivatives."""
        return [f"{which}{i}" for i in range(len(self.links))]

    def function(self, which: str, names: list[str], lines: list[str]) -> Callable[..., Any]:
        """The function ``entry`` of a text."""
        namespace: dict[str, Any] = {}
        for name, link in zip(names, self.links, strict=True):
            namespace[name] = self.runner(getattr(link, which))
        exec("\n".join(lines), namespace)
        entry: Callable[..., Any] = namespace.pop("entry")  # or it would keep itself
        return entry

    def runner(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What runs a formula or a derivative."""
        formula = getattr(function, "formula", None)
        run: Callable[..., Any] = function if formula is None else formula.run
        return run


def lines_forth(links: tuple[Link, ...], names: list[str]) -> list[str]:
    r"""The text of ``entry(x, operands)``.

    Examples
    --------
    >>> print(*lines_forth((Link(max, max, "output", 1, 0),), ["max"]), sep="\n")
    def entry(x0, operands):
        x1 = max(x0, operands[0][0])
        return x1, ((x1,), )
    """
    lines, all_kept = ["def entry(x0, operands):"], ""
    for i, (link, name) in enumerate(zip(links, names, strict=True)):
        arguments = ", ".join([f"x{i}", *(f"operands[{i}][{j}]" for j in range(link.operands))])
        if isinstance(link.keeps, int):
            lines += [f"    made{i} = {name}({arguments})", f"    x{i + 1} = made{i}[0]"]
            kept = f"made{i}[1:]"
        else:
            lines.append(f"    x{i + 1} = {name}({arguments})")
            kept = {"input": f"(x{i},)" if i else "()", "output": f"(x{i + 1},)", "nothing": "()"}[link.keeps]
        all_kept += f"{kept}, "
    return [*lines, f"    return x{len(links)}, ({all_kept})"]


def lines_back(links: tuple[Link, ...], names: list[str], stop: int | None) -> list[str]:
    r"""The text of ``entry(g, x, kept, operands, places)``.

    Examples
    --------
    >>> print(*lines_back((Link(max, min, "input", 1, 1),), ["min"], 0), sep="\n")
    def entry(g1, x, kept, operands, places):
        g0 = min(g1, x, operands[0][0], places[0][0], None)
        return None
    """
    lines = [f"def entry(g{len(links)}, x, kept, operands, places):"]
    for i in reversed(range(stop or 0, len(links))):
        link = links[i]
        kept = link.keeps if isinstance(link.keeps, int) else int(link.keeps != "nothing")
        given = ["x"] if link.keeps == "input" and i == 0 else [f"kept[{i}][{j}]" for j in range(kept)]
        arguments = [f"g{i + 1}", *given, *(f"operands[{i}][{j}]" for j in range(link.operands))]
        if link.places:
            arguments += [f"places[{i}][{j}]" for j in range(link.places)]
            arguments.append("None" if stop == i else "True")
        lines.append(f"    g{i} = {names[i]}({', '.join(arguments)})")
    return [*lines, f"    return {'g0' if stop is None else 'None'}"]


def same(a: Any, b: Any) -> bool:
    """Whether two trees of lists and tuples have the very same arrays, and equal numbers."""
    if a is b:
        return True
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, VALUES) and isinstance(b, VALUES) and bool(a == b) and repr(a) == repr(b)

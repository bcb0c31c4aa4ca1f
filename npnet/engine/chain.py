"""A row of formulas, each taking what the last one gave, as one function; and the way back.

The function is a line for each formula.  NumPy runs these lines as they stand; an engine compiles them
together with the formulas' own texts (:mod:`npnet.engine.numba_chain`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Chain", "Link", "divided_sum", "lines_back", "lines_both", "lines_forth", "same"]

VALUES = (bool, int, float, str, np.generic)
"""What is compared by its value; everything else is the same only if it is the very same."""


CALLED = {"forth": ("formula",), "back": ("derivative",), "both": ("formula", "derivative")}
"""What of the links a text calls, for each way."""


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
        self.ways: dict[tuple[str, int | None], Callable[..., Any]] = {}

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
        found: tuple[Any, tuple[Any, ...]] = self.way("forth")(x, operands)
        return found

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
        return (self.way("back", stop)(g, x, kept, operands, places),)

    def both(
        self,
        x: Any,
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        divisor: int,
        stop: int,
        steady: object,
    ) -> tuple[Any, Any] | None:
        """Go forth and back at once, where the last link is a loss; None where it has to be done in two.

        What the last but one link gives, and the sum of the losses, divided.

        Parameters
        ----------
        x : ndarray
        operands, places : tuple of tuple
            Of each link.
        divisor : int
            What the sum of the losses is divided by.
        stop : int
            The first link that learns.
        steady : object
            As :meth:`forward` has it.
        """
        found: tuple[Any, Any] = self.way("both", stop)(x, operands, places, divisor)
        return found

    def way(self, name: str, stop: int | None = None) -> Callable[..., Any]:
        """The function of a way.

        ``"forth"`` is ``entry(x, operands)``, ``"back"`` is ``entry(g, x, kept, operands, places)`` and
        ``"both"`` is ``entry(x, operands, places, divisor)``; the latter two to the link where they stop.
        """
        entry = self.ways.get((name, stop))
        if entry is None:
            entry = self.ways[name, stop] = self.function(name, self.lines(name, stop))
        return entry

    def lines(self, name: str, stop: int | None) -> list[str]:
        """The text of a way."""
        if name == "forth":
            return lines_forth(self.links, self.names("formula"))
        if name == "back":
            return lines_back(self.links, self.names("derivative"), stop)
        return lines_both(self.links, self.names("formula"), self.names("derivative"), stop)

    def names(self, which: str) -> list[str]:
        """Under which names a text calls the formulas, or the derivatives."""
        return [f"{which}{i}" for i in range(len(self.links))]

    def function(self, name: str, lines: list[str]) -> Callable[..., Any]:
        """The function ``entry`` of a text that calls formulas, derivatives or both."""
        namespace: dict[str, Any] = {"divided_sum": divided_sum}
        for which in CALLED[name]:
            for own, link in zip(self.names(which), self.links, strict=True):
                namespace[own] = self.runner(getattr(link, which))
        exec("\n".join(lines), namespace)
        entry: Callable[..., Any] = namespace.pop("entry")  # or it would keep itself
        return entry

    def runner(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What runs a formula or a derivative."""
        formula = getattr(function, "formula", None)
        run: Callable[..., Any] = function if formula is None else formula.run
        return run


def divided_sum(losses: Any, divisor: Any) -> Any:
    """The sum of all losses, divided.

    Examples
    --------
    >>> divided_sum(np.array([1.0, 3.0]), 2)
    np.float64(2.0)
    """
    return losses.sum() / divisor


def lines_forth(links: tuple[Link, ...], names: list[str]) -> list[str]:
    r"""The text of ``entry(x, operands)``.

    Examples
    --------
    >>> print(*lines_forth((Link(max, max, "output", 1, 0),), ["max"]), sep="\n")
    def entry(x0, operands):
        x1 = max(x0, operands[0][0])
        return x1, ((x1,), )
    """
    lines, kept = _forth(links, names)
    return ["def entry(x0, operands):", *lines, f"    return x{len(links)}, {kept}"]


def lines_back(links: tuple[Link, ...], names: list[str], stop: int | None) -> list[str]:
    r"""The text of ``entry(g, x, kept, operands, places)``.

    Examples
    --------
    >>> print(*lines_back((Link(max, min, "input", 1, 1),), ["min"], 0), sep="\n")
    def entry(g1, x, kept, operands, places):
        g0 = min(g1, x, operands[0][0], places[0][0], None)
        return None
    """
    head = f"def entry(g{len(links)}, x, kept, operands, places):"
    return [head, *_back(links, names, stop), f"    return {'g0' if stop is None else 'None'}"]


def lines_both(links: tuple[Link, ...], forth: list[str], back: list[str], stop: int | None) -> list[str]:
    r"""The text of ``entry(x, operands, places, divisor)``.

    Examples
    --------
    >>> loss = Link(max, min, "input", 1, 0)
    >>> print(*lines_both((Link(sum, len, "input", 0, 1), loss), ["sum", "max"], ["len", "min"], 0), sep="\n")
    def entry(x0, operands, places, divisor):
        x1 = sum(x0)
        x2 = max(x1, operands[1][0])
        loss, x, kept, g2 = divided_sum(x2, divisor), x0, ((), (x1,), ), 1.0 / divisor
        g1 = min(g2, kept[1][0], operands[1][0])
        g0 = len(g1, x, places[0][0], None)
        return x1, loss
    """
    n = len(links)
    lines, kept = _forth(links, forth)
    head = "def entry(x0, operands, places, divisor):"
    turn = f"    loss, x, kept, g{n} = divided_sum(x{n}, divisor), x0, {kept}, 1.0 / divisor"
    return [head, *lines, turn, *_back(links, back, stop), f"    return x{n - 1}, loss"]


def _forth(links: tuple[Link, ...], names: list[str]) -> tuple[list[str], str]:
    """The lines from the first input, x0, to the last output; and what is kept, in words."""
    lines, all_kept = [], ""
    for i, (link, name) in enumerate(zip(links, names, strict=True)):
        arguments = ", ".join([f"x{i}", *(f"operands[{i}][{j}]" for j in range(link.operands))])
        if isinstance(link.keeps, int):
            lines += [f"    made{i} = {name}({arguments})", f"    x{i + 1} = made{i}[0]"]
            kept = f"made{i}[1:]"
        else:
            lines.append(f"    x{i + 1} = {name}({arguments})")
            kept = {"input": f"(x{i},)" if i else "()", "output": f"(x{i + 1},)", "nothing": "()"}[link.keeps]
        all_kept += f"{kept}, "
    return lines, f"({all_kept})"


def _back(links: tuple[Link, ...], names: list[str], stop: int | None) -> list[str]:
    """The lines from the gradient by the last output to that by the first input, or where they stop."""
    lines = []
    for i in reversed(range(stop or 0, len(links))):
        link = links[i]
        kept = link.keeps if isinstance(link.keeps, int) else int(link.keeps != "nothing")
        given = ["x"] if link.keeps == "input" and i == 0 else [f"kept[{i}][{j}]" for j in range(kept)]
        arguments = [f"g{i + 1}", *given, *(f"operands[{i}][{j}]" for j in range(link.operands))]
        if link.places:
            arguments += [f"places[{i}][{j}]" for j in range(link.places)]
            arguments.append("None" if stop == i else "True")
        lines.append(f"    g{i} = {names[i]}({', '.join(arguments)})")
    return lines


def same(a: Any, b: Any) -> bool:
    """Whether two trees of lists and tuples have the very same arrays, and equal numbers."""
    if a is b:
        return True
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, VALUES) and isinstance(b, VALUES) and repr(a) == repr(b)

"""How NumPy runs a formula of a narrow matrix and rows: several rows side by side.

NumPy walks over ``(1024, 64) + (64,)`` in 1,024 loops of 64 elements, and entering a loop costs as much as
some tens of elements.  Looked at as ``(64, 1024) + (1024,)``, with the row repeated, it is the same addition
in half the time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["formula_runner"]

LEAST = 8192
"""Elements of the smallest matrix for which repeating rows pays."""

LENGTH = 1024
"""Elements in a row that is long enough."""


def formula_runner(function: Callable[..., Any]) -> Callable[..., Any]:
    """What to call instead of a formula.

    Examples
    --------
    >>> add = formula_runner(lambda x, row: x + row)
    >>> x, row = np.zeros((1024, 64)), np.arange(64.0)
    >>> bool((add(x, row) == x + row).all())
    True
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        x = args[0] if args else None
        if type(x) is not np.ndarray or x.size < LEAST or x.ndim != 2 or kwargs:
            return function(*args, **kwargs)
        others = args[1:]
        rows, width = x.shape
        together = rows_together(rows, width)
        shapes = {other.shape for other in others if isinstance(other, np.ndarray) and other.ndim}
        if together == 1 or x.shape[1:] not in shapes or shapes - {x.shape, x.shape[1:]}:
            return function(x, *others)
        long = (rows // together, width * together)
        given = (_long(other, x.shape, long, together) for other in others)
        results = function(x.reshape(long), *given)
        if isinstance(results, tuple):
            return tuple(result.reshape(x.shape) for result in results)
        return results.reshape(x.shape)

    return run


@functools.lru_cache(maxsize=256)
def rows_together(rows: int, width: int) -> int:
    """How many rows are laid side by side: the least power of two that is long enough and divides them.

    Examples
    --------
    >>> rows_together(1024, 64), rows_together(1000, 64), rows_together(1000, 1024)
    (16, 8, 1)
    """
    together = 1
    while width * together < LENGTH and rows % (2 * together) == 0:
        together *= 2
    return together


def _long(other: Any, shape: tuple[int, ...], long: tuple[int, ...], together: int) -> Any:
    if not isinstance(other, np.ndarray) or other.ndim == 0:
        return other
    return np.concatenate((other,) * together) if other.shape == shape[1:] else other.reshape(long)

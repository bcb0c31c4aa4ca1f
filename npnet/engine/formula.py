"""Formulas that an engine may run: elementwise functions of arrays, under their own names.

``@elementwise`` leaves a function what it is, a few lines of NumPy.  Called, it runs as it stands, or as the
engine that was chosen makes of the very same text (:mod:`npnet.engine.choice`).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["Formula", "elementwise", "formulas"]

F = TypeVar("F", bound=Callable[..., Any])


class Formula:
    """A function and what runs it.

    Parameters
    ----------
    function : callable
        Of arrays and numbers.  The first argument is an array; the others have its shape, or that of its last
        axis, or are numbers.  It returns one array of that shape, or a tuple of them, and changes none of its
        arguments.

    Attributes
    ----------
    run : callable
        What a call runs.
    """

    __slots__ = ("__weakref__", "function", "run")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.run: Callable[..., Any] = function


formulas: weakref.WeakSet[Formula] = weakref.WeakSet()
"""All that there are; an engine walks them when it is chosen."""


def elementwise(function: F) -> F:
    """Let engines run a function of arrays that treats every element alike.

    Examples
    --------
    >>> import numpy as np
    >>> @elementwise
    ... def scaled(x, scale):
    ...     return x * scale
    >>> scaled(np.ones(2), 3.0)
    array([3., 3.])
    """
    from npnet.engine.choice import adopt

    formula = Formula(function)
    formulas.add(formula)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return formula.run(*args, **kwargs)

    call.formula = formula  # type: ignore[attr-defined]
    adopt(formula)
    return cast(F, call)

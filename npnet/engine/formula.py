"""Formulas that an engine may run: functions of arrays, under their own names.

``@elementwise`` and ``@whole`` leave a function what it is, a few lines of NumPy.  Called, it runs as it
stands, or as the engine that was chosen makes of the very same text (:mod:`npnet.engine.choice`).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ["Formula", "elementwise", "formulas", "whole"]

F = TypeVar("F", bound=Callable[..., Any])


class Formula:
    """A function and what runs it.

    Parameters
    ----------
    function : callable
        Of arrays and numbers.  The first argument is an array.
    is_elementwise : bool
        Whether the other arguments have the shape of the first one, or that of its last axis, or are numbers;
        and it returns one array of that shape, or a tuple of them, and changes none of its arguments.

    Attributes
    ----------
    run : callable
        What a call runs.
    """

    __slots__ = ("__weakref__", "function", "is_elementwise", "run")

    def __init__(self, function: Callable[..., Any], is_elementwise: bool) -> None:
        self.function = function
        self.is_elementwise = is_elementwise
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
    return _formula(function, is_elementwise=True)


def whole(function: F) -> F:
    """Let engines run a function of arrays that calls formulas and sums over batches.

    Its text has no numbers and no arithmetic of arrays with numbers: those are for elementwise formulas,
    where they take the arrays' dtype.

    Examples
    --------
    >>> import numpy as np
    >>> @whole
    ... def products(x, y):
    ...     return x * y
    >>> products(np.ones(2), np.ones(2))
    array([1., 1.])
    """
    return _formula(function, is_elementwise=False)


def _formula(function: F, is_elementwise: bool) -> F:
    from npnet.engine.choice import adopt

    formula = Formula(function, is_elementwise)
    formulas.add(formula)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return formula.run(*args, **kwargs) if kwargs else formula.run(*args)

    call.formula = formula  # type: ignore[attr-defined]
    adopt(formula)
    return cast(F, call)

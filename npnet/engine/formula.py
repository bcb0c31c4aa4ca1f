"""Formulas that an engine may run: functions of arrays, under their own names.

``@elementwise``, ``@whole`` and ``@recorded`` leave a function what it is, a few lines of NumPy.  Called, it
runs as it stands, or as the engine that was chosen makes of the very same text (:mod:`npnet.engine.choice`).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

__all__ = ["Formula", "elementwise", "formulas", "is_known", "is_own", "recorded", "text_of", "whole"]

F = TypeVar("F", bound=Callable[..., Any])


class Formula:
    """A function and what runs it.

    Parameters
    ----------
    function : callable
        Of arrays and numbers.  The first argument is an array.
    kind : {"elementwise", "whole", "recorded"}
        Elementwise: the other arguments have the shape of the first one, or that of its last axis, or are
        numbers; and it returns one array of that shape, or a tuple of them, and changes none of its
        arguments.  For the others see :func:`whole` and :func:`recorded`.

    Attributes
    ----------
    run : callable
        What a call runs.
    """

    __slots__ = ("__weakref__", "function", "kind", "run")

    def __init__(
        self, function: Callable[..., Any], kind: Literal["elementwise", "whole", "recorded"]
    ) -> None:
        self.function = function
        self.kind = kind
        self.run: Callable[..., Any] = function

    @property
    def is_elementwise(self) -> bool:
        """Whether it treats every element alike."""
        return self.kind == "elementwise"


formulas: weakref.WeakSet[Formula] = weakref.WeakSet()
"""All that there are; an engine walks them when it is chosen."""


def text_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """A formula as it stands, whatever runs it; any other function itself.

    Examples
    --------
    >>> from npnet.nn.linear import linear
    >>> text_of(linear) is linear.formula.function, text_of(len) is len
    (True, True)
    """
    formula: Formula | None = getattr(function, "formula", None)
    return function if formula is None else formula.function


def is_known(function: Callable[..., Any]) -> bool:
    """Whether a function does nothing but arithmetic of arrays: a formula, or one of npnet's own."""
    return hasattr(function, "formula") or is_own(function)


def is_own(function: Callable[..., Any]) -> bool:
    """Whether a function is one of npnet's."""
    return (function.__module__ or "").partition(".")[0] == "npnet"


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
    return _formula(function, "elementwise")


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
    return _formula(function, "whole")


def recorded(function: F) -> F:
    """Let a GPU launch all of a function at once, and NumPy do its calls and nothing else: if they are many.

    It changes none of its arguments, which are arrays, numbers, strings and None, the first one an array; it
    never looks at a number in an array; and it returns arrays, and numbers that depend on shapes alone.
    With an engine it runs as it stands, and the engine what it calls.

    Examples
    --------
    >>> import numpy as np
    >>> @recorded
    ... def mean_square(x, axis):
    ...     return np.sum(x * x, axis) / x.shape[axis]
    >>> mean_square(np.ones((2, 3)), 0)
    array([1., 1., 1.])
    """
    return _formula(function, "recorded")


def _formula(function: F, kind: Literal["elementwise", "whole", "recorded"]) -> F:
    from npnet.engine.choice import adopt

    formula = Formula(function, kind)
    formulas.add(formula)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return formula.run(*args, **kwargs) if kwargs else formula.run(*args)

    call.formula = formula  # type: ignore[attr-defined]
    adopt(formula)
    return cast(F, call)

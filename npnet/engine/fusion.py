"""Single kernels for CuPy's arrays: ``cupy.fuse`` of the very same formulas and rules.

CuPy traces a function with stand-ins for arrays and makes one kernel of all that was done to them.  Tracing
does not go through NumPy's dispatch, so the function is given ``cupy`` under the name ``np``; nothing else
changes.  Options that branch are closed over, so that a trace sees one way only; numbers are given in the
arrays' dtype, since a kernel with one double in it computes in doubles.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from types import ModuleType
from typing import Any

from npnet.engine.formula import text_of

__all__ = ["Fusion", "with_module"]


UNTRACEABLE = (AttributeError, NotImplementedError, TypeError)
"""What tracing raises at something that CuPy's stand-ins for arrays do not know."""


def _typed(args: tuple[Any, ...]) -> tuple[Any, ...]:
    number = args[0].dtype.type
    return tuple(number(arg) if isinstance(arg, (int, float)) else arg for arg in args)


def with_module(function: Callable[..., Any], module: Any) -> Callable[..., Any]:
    """The same function with another module under the name ``np``, in it and in what it calls of npnet's.

    An elementwise formula that it calls stays what it is: a kernel of its own.

    Examples
    --------
    >>> import math, numpy as np
    >>> with_module(eval("lambda x: np.sqrt(x)", {"np": np}), math)(4)
    2.0
    """
    rebound: Callable[..., Any] = _rebound(text_of(function), module, {})
    return rebound


def _rebound(function: Any, module: Any, done: dict[Any, Any]) -> Any:
    """What stands in the place of a global, or of what is closed over; `done` is what was rebound already."""
    if not isinstance(function, types.FunctionType):
        return function
    formula = getattr(function, "formula", None)
    if formula is not None and formula.is_elementwise:
        return function
    inner: Any = text_of(function)
    if "np" not in inner.__globals__ and not inner.__module__.startswith("npnet."):
        return function
    if inner not in done:
        namespace = {**inner.__globals__, "np": module}
        closure = [types.CellType() for _ in inner.__closure__ or ()]
        made = types.FunctionType(
            inner.__code__, namespace, inner.__name__, inner.__defaults__, tuple(closure) or None
        )
        made.__kwdefaults__ = inner.__kwdefaults__
        done[inner] = made  # before what it calls, which may be itself
        for cell, old in zip(closure, inner.__closure__ or (), strict=True):
            cell.cell_contents = _rebound(old.cell_contents, module, done)
        for name in _global_names(inner.__code__):
            if name in inner.__globals__ and name != "np":
                namespace[name] = _rebound(inner.__globals__[name], module, done)
    return done[inner]


def _global_names(code: types.CodeType) -> set[str]:
    """The names that a function's text may look up in its module, comprehensions and lambdas included."""
    inside = [_global_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inside)


class Fusion:
    """Makes kernels with one CuPy.

    Parameters
    ----------
    cupy : module
    """

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy = cupy

    def takes(self, array: Any) -> bool:
        """Whether an array is CuPy's."""
        return isinstance(array, self._cupy.ndarray)

    def formula_runner(self, function: Callable[..., Any], on_host: Callable[..., Any]) -> Callable[..., Any]:
        """What to call instead of a formula: a kernel for CuPy's arrays, `on_host` for all others."""
        kernel = self._fused(function)
        array_type = self._cupy.ndarray
        fusible = True

        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal fusible
            if kwargs or not isinstance(args[0], array_type):
                return on_host(*args, **kwargs)
            if fusible:
                try:
                    return kernel(*_typed(args))
                except UNTRACEABLE:
                    fusible = False
            return function(*args)

        return run

    @functools.cache  # noqa: B019 (one Fusion a process)
    def rule_runner(self, kernel: Callable[..., Any]) -> Callable[..., bool]:
        """The update of whole flat arrays in place, ``run(p, g, shrink, *state, *constants)``."""
        fused = self._fused(kernel)
        fusible = True

        def run(*args: Any) -> bool:
            nonlocal fusible
            if fusible:
                try:
                    fused(*_typed(args))
                except UNTRACEABLE:  # a rule of somebody's own; nothing was changed yet
                    fusible = False
            return fusible

        return run

    def _fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        kernel: Callable[..., Any] = self._cupy.fuse(kernel_name=f"npnet_{function.__name__}")(
            with_module(function, self._cupy)
        )
        return kernel

"""What layer code may call: the part of NumPy that CuPy answers through NumPy's own protocols.

One table, three readers: the strict device (:mod:`parity_tests.strict_device`) refuses what is not
here while a layer runs, the lint of the layers' text (:mod:`parity_tests.layer_text`) refuses it
before, and ``test_allowed_functions.py`` holds the table against CuPy's own signatures where CuPy is
installed.  To let layers use one more function, add it here and run that last test.

In a signature the parameters before ``/`` are the array operands; those after ``*`` must be spelled
out, because NumPy and CuPy put them at different positions.

References
----------
CuPy's reference, "Comparison Table" and "Differences between CuPy and NumPy"; NEP 13 and NEP 18.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = [
    "CREATION",
    "FUNCTIONS",
    "METADATA",
    "METHODS",
    "SPECIAL",
    "UFUNCS",
    "UFUNC_KEYWORDS",
    "name_of",
    "refusal",
]


def _signatures(table: dict[str, str]) -> Mapping[str, inspect.Signature]:
    return MappingProxyType(
        {name: inspect.signature(eval(f"lambda {parameters}: None")) for name, parameters in table.items()}
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CREATION = frozenset({"arange", "array", "asarray", "empty", "zeros"})
"""Functions that make an array out of none: without ``like=`` they make it on the host."""

INSTEAD = MappingProxyType(
    {
        # NumPy 2 hands on its own device= keyword here, which CuPy does not know.
        "full": "np.full_like(x, value, shape=...)",
        "ones": "np.ones_like(x, shape=...)",
        "ascontiguousarray": ".copy(), or .reshape, which copies where it must",
    }
)
"""What to write for functions that are off the list and easily reached for."""

METADATA = frozenset({"may_share_memory", "ndim", "result_type", "shape", "size"})
"""Functions whose answer is no array and is known without waiting for the device."""

FUNCTIONS = _signatures(
    {
        # making arrays (``like=`` chooses the device and is taken off by NumPy before the dispatch)
        "arange": "start, stop=None, step=1, *, dtype=None",
        "array": "object, *, dtype=None, copy=True, order='K'",
        "asarray": "a, *, dtype=None",
        "empty": "shape, dtype=float",
        "empty_like": "prototype, /, dtype=None, *, shape=None",
        "full_like": "a, /, fill_value, dtype=None, *, shape=None",
        "ones_like": "a, /, dtype=None, *, shape=None",
        "zeros": "shape, dtype=float",
        "zeros_like": "a, /, dtype=None, *, shape=None",
        # moving elements
        "broadcast_to": "array, /, shape",
        "concatenate": "arrays, /, axis=0, *, out=None",
        "copyto": "dst, src, /, *, casting='same_kind', where=True",
        "diagonal": "a, /, offset=0, axis1=0, axis2=1",
        "expand_dims": "a, /, axis",
        "flip": "m, /, axis=None",
        "moveaxis": "a, /, source, destination",
        "pad": "array, /, pad_width, mode='constant', *, constant_values=0",
        "ravel": "a, /",
        "reshape": "a, shape, /",
        "roll": "a, /, shift, axis=None",
        "split": "ary, /, indices_or_sections, axis=0",
        "squeeze": "a, /, axis=None",
        "stack": "arrays, /, axis=0, *, out=None",
        "swapaxes": "a, /, axis1, axis2",
        "take": "a, indices, /, axis=None, *, out=None",
        "take_along_axis": "arr, indices, /, axis",
        "transpose": "a, /, axes=None",
        "tril": "m, /, k=0",
        "triu": "m, /, k=0",
        "where": "condition, x, y, /",
        "lib.stride_tricks.sliding_window_view": "x, /, window_shape, axis=None",
        # reductions, scans, order
        "all": "a, /, axis=None, *, out=None, keepdims=False",
        "any": "a, /, axis=None, *, out=None, keepdims=False",
        "argmax": "a, /, axis=None, *, keepdims=False",
        "argmin": "a, /, axis=None, *, keepdims=False",
        "argsort": "a, /, axis=-1",
        "count_nonzero": "a, /, axis=None",
        "cumprod": "a, /, axis=None, *, dtype=None, out=None",
        "cumsum": "a, /, axis=None, *, dtype=None, out=None",
        "max": "a, /, axis=None, *, out=None, keepdims=False",
        "mean": "a, /, axis=None, *, dtype=None, out=None, keepdims=False",
        "min": "a, /, axis=None, *, out=None, keepdims=False",
        "prod": "a, /, axis=None, *, dtype=None, out=None, keepdims=False",
        "sort": "a, /, axis=-1",
        "std": "a, /, axis=None, *, dtype=None, out=None, ddof=0, keepdims=False",
        "sum": "a, /, axis=None, *, dtype=None, out=None, keepdims=False",
        "var": "a, /, axis=None, *, dtype=None, out=None, ddof=0, keepdims=False",
        # algebra
        "clip": "a, a_min, a_max, /, *, out=None",
        "dot": "a, b, /, *, out=None",
        "einsum": "*operands, dtype=None, optimize=False",
        "inner": "a, b, /",
        "linalg.norm": "x, /, ord=None, axis=None, keepdims=False",
        "outer": "a, b, /, *, out=None",
        "tensordot": "a, b, /, axes=2",
        "trace": "a, /, offset=0, axis1=0, axis2=1",
        "vdot": "a, b, /",
        # what is known without looking at the elements
        "may_share_memory": "a, b, /",
        "ndim": "a, /",
        "result_type": "*arrays_and_dtypes",
        "shape": "a, /",
        "size": "a, /",
    }
)

METHODS = _signatures(
    {
        "all": "axis=None, *, out=None, keepdims=False",
        "any": "axis=None, *, out=None, keepdims=False",
        "argmax": "axis=None, *, keepdims=False",
        "argmin": "axis=None, *, keepdims=False",
        "argsort": "axis=-1",
        "astype": "dtype, *, copy=True",
        "clip": "min=None, max=None, *, out=None",
        "copy": "",
        "cumprod": "axis=None, *, dtype=None, out=None",
        "cumsum": "axis=None, *, dtype=None, out=None",
        "diagonal": "offset=0, axis1=0, axis2=1",
        "dot": "b, /",
        "fill": "value, /",
        "flatten": "",
        "max": "axis=None, *, out=None, keepdims=False",
        "mean": "axis=None, *, dtype=None, out=None, keepdims=False",
        "min": "axis=None, *, out=None, keepdims=False",
        "prod": "axis=None, *, dtype=None, out=None, keepdims=False",
        "ravel": "",
        "reshape": "*shape",
        "squeeze": "axis=None",
        "std": "axis=None, *, dtype=None, out=None, ddof=0, keepdims=False",
        "sum": "axis=None, *, dtype=None, out=None, keepdims=False",
        "swapaxes": "axis1, axis2, /",
        "take": "indices, /, axis=None, *, out=None",
        "trace": "offset=0, axis1=0, axis2=1",
        "transpose": "*axes",
        "var": "axis=None, *, dtype=None, out=None, ddof=0, keepdims=False",
        "view": "dtype",
    }
)
"""Methods of an array, without those that wait for the device (``item``, ``tolist``)."""

# No method of a ufunc is here: CuPy 13 answers none of reduce, accumulate, outer and at through NEP 13.
UFUNCS = _names(
    """
    absolute add arctan arctan2 arctanh bitwise_and bitwise_or bitwise_xor ceil copysign cos cosh divide
    equal exp exp2 expm1 floor floor_divide fmax fmin greater greater_equal hypot invert isfinite isinf
    isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor
    matmul maximum minimum multiply negative not_equal positive power reciprocal remainder rint sign
    signbit sin sinh sqrt square subtract tan tanh trunc
    """
)

UFUNC_KEYWORDS = frozenset({"dtype", "out"})

SPECIAL = _names(
    """
    digamma entr erf erfc erfcinv erfcx erfinv expit exprel gamma gammaln huber kl_div log_expit
    log_ndtr logit ndtr ndtri psi rel_entr xlog1py xlogy
    """
)
"""Special functions that ``backend.special`` offers on every device."""


def refusal(name: str) -> str:
    """Why a function of NumPy is refused, and what to write instead where that is known.

    Examples
    --------
    >>> refusal("ones")
    'np.ones is not on the list of allowed functions: use np.ones_like(x, shape=...)'
    """
    instead = f": use {INSTEAD[name]}" if name in INSTEAD else ""
    return f"np.{name} is not on the list of allowed functions{instead}"


def name_of(function: Callable[..., Any]) -> str:
    """The name under which a function of NumPy stands in the tables, whatever alias it was reached by.

    Examples
    --------
    >>> name_of(np.abs), name_of(np.linalg.norm)
    ('absolute', 'linalg.norm')
    """
    if isinstance(function, np.ufunc):
        return function.__name__
    return f"{function.__module__}.{function.__name__}".removeprefix("numpy.")

"""What the loops of the Numba engine call, and what whole formulas call, said anew for a compiler.

Each has the name that it has in the formulas' texts, and says for the types of its arguments what runs; where
it gives None, as for arrays that no loop takes, NumPy runs the formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from npnet.engine.numba_blas import product_of

__all__ = ["OPTIONS", "WORDS", "ShapeMismatch"]

OPTIONS: Any = {"error_model": "numpy", "nogil": True}
"""Division by zero gives infinity, as in NumPy; other threads may run."""

MANY = 10_000
"""Exponentials that NumPy's vector code takes faster than a whole loop that calls the C library."""


class ShapeMismatch(Exception):  # noqa: N818 (no error: NumPy takes over)
    """Operands whose shapes the loop does not take."""


WORDS: dict[str, Callable[..., Any]] = {}
"""What compiled texts call, by name."""


def word(choose: Callable[..., Any]) -> Any:
    """A function for compiled texts alone: `choose` gives what runs for the types of a call, or None."""

    def called(*args: Any) -> Any:
        raise TypeError(f"{choose.__name__} is called by compiled texts alone")

    called.__name__, called.__doc__ = choose.__name__, choose.__doc__
    overload(called, jit_options=OPTIONS, strict=False)(choose)
    WORDS[choose.__name__] = called
    return called


# ---------------------------------------------------------------------- what the loops call


@word
def operand(first: Any, other: Any) -> Any:
    """An operand as the loop wants it: a matrix, a row, or a number of the first one's dtype."""
    if not isinstance(first, types.Array) or first.ndim == 0 or not isinstance(first.dtype, types.Float):
        return None
    if isinstance(other, (types.Float, types.Integer)):
        return lambda first, other: first.dtype.type(other)
    if not isinstance(other, types.Array) or other.dtype not in (first.dtype, types.boolean):
        return None
    if other.ndim == 1:

        def row(first: Any, other: Any) -> Any:
            if first.shape[-1] != other.shape[0]:
                raise ShapeMismatch
            return other

        return row
    if other.ndim != first.ndim:
        return None
    if other.ndim == 2:

        def matrix(first: Any, other: Any) -> Any:
            if first.shape != other.shape:
                raise ShapeMismatch
            return other

        return matrix
    if other.layout != "C":
        return None

    def stacked(first: Any, other: Any) -> Any:
        if first.shape != other.shape:
            raise ShapeMismatch
        rows = 1
        for length in other.shape[:-1]:
            rows *= length
        return other.reshape(rows, other.shape[-1])

    return stacked


@word
def element(array: Any, i: Any, j: Any) -> Any:
    """Element ``[i, j]`` of a matrix, ``[j]`` of a row, or the number itself."""
    if not isinstance(array, types.Array):
        return lambda array, i, j: array
    if array.ndim == 1:
        return lambda array, i, j: array[j]
    return lambda array, i, j: array[i, j]


@word
def put(array: Any, i: Any, j: Any, value: Any) -> Any:
    """Store into element ``[i, j]`` of a matrix, or ``[j]`` of a row."""
    if array.ndim == 1:

        def into_row(array: Any, i: Any, j: Any, value: Any) -> None:
            array[j] = value

        return into_row

    def into_matrix(array: Any, i: Any, j: Any, value: Any) -> None:
        array[i, j] = value

    return into_matrix


# ---------------------------------------------------------------------- what whole formulas call


@word
def product(a: Any, b: Any, out: Any = None) -> Any:
    """What ``np.dot`` is in the formulas' texts: a product of two matrices."""
    alike = _is_matrix(a) and _is_matrix(b) and a.dtype == b.dtype and "A" not in (a.layout, b.layout)
    if not alike or (isinstance(out, types.Array) and (out.layout != "C" or out.dtype != a.dtype)):
        return None
    compiled = product_of(a, b, ShapeMismatch)
    if isinstance(out, types.Array):
        return lambda a, b, out=None: compiled(a, b, out)
    return lambda a, b, out=None: compiled(a, b, np.empty((a.shape[0], b.shape[1]), a.dtype))


def _is_matrix(x: Any) -> bool:
    return isinstance(x, types.Array) and x.ndim == 2 and isinstance(x.dtype, types.Float)


def _are_indices(x: Any) -> bool:
    return isinstance(x, types.Array) and x.ndim == 1 and isinstance(x.dtype, types.Integer)


@word
def column_sums(x: Any, out: Any = None) -> Any:
    """Sums over the rows of a matrix; see :func:`npnet.nn.sums.column_sums`."""
    if not _is_matrix(x):
        return None

    def sums_into(x: Any, out: Any) -> Any:  # in double precision, and in blocks of 64 rows
        n, d = x.shape
        total, block = np.zeros(d), np.zeros(d)
        for i in range(n):
            for j in range(d):
                block[j] += x[i, j]
            if i % 64 == 63 or i == n - 1:
                for j in range(d):
                    total[j] += block[j]
                    block[j] = 0.0
        for j in range(d):
            out[j] = total[j]
        return out

    compiled = numba.njit(**OPTIONS)(sums_into)
    if out is None or isinstance(out, (types.NoneType, types.Omitted)):
        return lambda x, out=None: compiled(x, np.empty(x.shape[1], x.dtype))
    return lambda x, out=None: compiled(x, out)


@word
def channel_sums(x: Any) -> Any:
    """The same."""
    return (lambda x: column_sums(x)) if _is_matrix(x) else None


@word
def divisor(x: Any) -> Any:
    """How many rows a matrix has, at least 1, as a number of its dtype."""
    return (lambda x: x.dtype.type(max(x.shape[0], 1))) if _is_matrix(x) else None


@word
def values_of_channel(x: Any) -> Any:
    """How many rows a matrix has."""
    return (lambda x: x.shape[0]) if _is_matrix(x) else None


@word
def along_channels(statistic: Any, x: Any) -> Any:
    """A row as it is added to a matrix."""
    return (lambda statistic, x: statistic) if _is_matrix(x) else None


@word
def share_of_batch(num_batches_tracked: Any, momentum: Any) -> Any:
    """See :func:`npnet.nn.normalization.share_of_batch`."""
    if isinstance(momentum, types.NoneType):

        def average(num_batches_tracked: Any, momentum: Any) -> Any:
            num_batches_tracked[()] += 1
            return 1 / num_batches_tracked[()]

        return average

    def moving(num_batches_tracked: Any, momentum: Any) -> Any:
        num_batches_tracked[()] += 1
        return momentum

    return moving


@word
def rows_of(x: Any) -> Any:
    """A matrix."""
    return (lambda x: x) if _is_matrix(x) and x.layout != "A" else None  # which a product would copy


@word
def flat_images(x: Any) -> Any:
    """A matrix."""
    return (lambda x: x) if _is_matrix(x) else None


@word
def classes_first(x: Any) -> Any:
    """The transpose of a matrix, as an array of its own."""
    return (lambda x: x.T.copy()) if _is_matrix(x) else None


@word
def divided_sum(losses: Any, divisor: Any) -> Any:
    """The sum of a vector as NumPy takes it, to the bit, divided; an array of no axes."""
    if not isinstance(losses, types.Array) or losses.ndim != 1:
        return None

    def of_few(x: Any) -> Any:  # in eights
        total = x.dtype.type(0)
        last = x.size - x.size % 8
        if last:
            eight = x[:8].copy()
            for i in range(8, last, 8):
                for j in range(8):
                    eight[j] += x[i + j]
            total = (eight[0] + eight[1]) + (eight[2] + eight[3])
            total += (eight[4] + eight[5]) + (eight[6] + eight[7])
        for i in range(last, x.size):
            total += x[i]
        return total

    few = numba.njit(**OPTIONS)(of_few)

    def divided(losses: Any, divisor: Any) -> Any:  # halves, until there are few (Numba keeps no recursion)
        left = [(0, losses.size)]
        sums = [losses.dtype.type(0) for _ in range(0)]
        while left:
            first, n = left.pop()
            if n < 0:
                second = sums.pop()
                sums[-1] += second
            elif n <= 128:
                sums.append(few(losses[first : first + n]))
            else:
                half = n // 2 - n // 2 % 8
                left += [(0, -1), (first + half, n - half), (first, half)]
        found = np.empty((), losses.dtype)
        found[()] = sums[0] / losses.dtype.type(divisor)
        return found

    return divided


@word
def ones(n: Any, like: Any) -> Any:
    """Ones of an array's dtype."""
    return lambda n, like: np.ones(n, like.dtype)


@word
def largest(x: Any) -> Any:
    """The largest element of each column of a matrix."""
    if not _is_matrix(x):
        return None

    def maxima(x: Any) -> Any:
        if not 0 < x.size <= MANY:
            raise ShapeMismatch
        found = x[0].copy()
        for i in range(1, x.shape[0]):
            for j in range(x.shape[1]):
                found[j] = np.maximum(found[j], x[i, j])  # which hands NaN on
        return found

    return maxima


@word
def at_class(x: Any, target: Any) -> Any:
    """The element of each column at its sample's class."""
    if not _is_matrix(x) or not _are_indices(target):
        return None

    def gathered(x: Any, target: Any) -> Any:
        if target.size != x.shape[1]:
            raise ShapeMismatch
        found = np.empty(target.size, x.dtype)
        for i in range(target.size):
            if not 0 <= target[i] < x.shape[0]:
                raise ShapeMismatch
            found[i] = x[target[i], i]
        return found

    return gathered


@word
def less_at_class(x: Any, target: Any, amount: Any) -> Any:
    """Take something off there, in place."""
    if not _is_matrix(x) or not _are_indices(target) or not isinstance(amount, types.Array):
        return None

    def lessened(x: Any, target: Any, amount: Any) -> None:
        for i in range(target.size):  # which at_class has looked at
            x[target[i], i] -= amount[i]

    return lessened

"""Arrays of one number that are made once and only read."""

from __future__ import annotations

import functools

import numpy as np

from npnet import backend
from npnet.backend import Array

__all__ = ["counted", "ones", "ones_for", "zeros_for"]

LARGEST = 1 << 18
"""Elements of the array of zeros that is kept, one a dtype."""

SHORT = 4096
"""Elements of the longest vectors that are kept, some of each kind."""


@functools.lru_cache(maxsize=32)
def ones(n: int, dtype: str, device: str) -> Array:
    """A vector of ones, by the dtype's character."""
    return backend.to_device(np.ones(n, dtype), device)


def ones_for(x: Array) -> Array:
    """A vector of ones, one for each column of a matrix."""
    n = x.shape[-1]
    return ones(n, x.dtype.char, "cpu") if type(x) is np.ndarray and n <= SHORT else np.ones_like(x, shape=n)


@functools.lru_cache(maxsize=32)
def _counted(n: int) -> Array:
    return np.arange(n)


def counted(n: int, like: Array) -> Array:
    """The numbers ``0 ... n - 1``, where another array lies."""
    return _counted(n) if type(like) is np.ndarray and n <= SHORT else np.arange(n, like=like)


@functools.lru_cache(maxsize=4)
def _zeros(dtype: str) -> Array:
    zeros = np.zeros(LARGEST, dtype)
    zeros.flags.writeable = False
    return zeros


def zeros_for(x: Array) -> Array | int:
    """What to compare `x` with to compare it with zero.

    NumPy takes the maximum of two arrays three times faster than that of an array and a number.  An engine
    reads the number 0 instead.
    """
    if type(x) is not np.ndarray or x.size > LARGEST:
        return 0
    return _zeros(x.dtype.char)[: x.size].reshape(x.shape)

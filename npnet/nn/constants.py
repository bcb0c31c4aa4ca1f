"""Arrays of one number that are made once and only read."""

from __future__ import annotations

import functools

import numpy as np

from npnet import backend
from npnet.backend import Array

__all__ = ["counted", "ones", "zeros_for"]

LARGEST = 1 << 18
"""Elements of the arrays that are kept for good, one a dtype: of zeros, and on a device of ones."""

SHORT = 4096
"""Elements of the longest vectors that are kept, some of each kind."""


@functools.lru_cache(maxsize=32)
def _host_ones(n: int, dtype: str) -> Array:
    return np.ones(n, dtype)


@functools.cache
def _device_ones(dtype: str, device: str) -> Array:
    """Kept for good: what a GPU has recorded reads them where they are."""
    return backend.to_device(np.ones(LARGEST, dtype), device)


def ones(n: int, like: Array) -> Array:
    """A vector of ones of an array's dtype, where that array lies."""
    if isinstance(like, np.ndarray):
        return _host_ones(n, like.dtype.char) if n <= SHORT else np.ones(n, like.dtype)
    if n > LARGEST:
        return np.ones_like(like, shape=n)
    return _device_ones(like.dtype.char, backend.device_of(like))[:n]


@functools.lru_cache(maxsize=32)
def _counted(n: int) -> Array:
    return np.arange(n)


def counted(n: int, like: Array) -> Array:
    """The numbers ``0 ... n - 1``, where another array lies."""
    if isinstance(like, np.ndarray):
        return _counted(n) if n <= SHORT else _counted.__wrapped__(n)
    return np.arange(n, like=like)


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
    if not isinstance(x, np.ndarray) or x.size > LARGEST:
        return 0
    return _zeros(x.dtype.char)[: x.size].reshape(x.shape)

"""Arrays of one number that are made once and only read."""

from __future__ import annotations

import functools

import numpy as np

from npnet import backend
from npnet.backend import Array

__all__ = ["ones", "zeros_for"]

LARGEST = 1 << 18
"""Elements of the array of zeros that is kept, one a dtype."""


@functools.lru_cache(maxsize=32)
def ones(n: int, dtype: str, device: str) -> Array:
    """A vector of ones, by the dtype's character."""
    return backend.to_device(np.ones(n, dtype), device)


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

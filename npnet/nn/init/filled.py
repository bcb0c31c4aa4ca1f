r"""Constant, uniform and normal values, and the identity."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from npnet import backend
from npnet import random as streams
from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.parameter import Parameter

__all__ = [
    "Tensor",
    "constant_",
    "dirac_",
    "eye_",
    "fill",
    "normal_",
    "ones_",
    "uniform_",
    "values_of",
    "zeros_",
]

Tensor = TypeVar("Tensor", Parameter, Array)


def values_of(tensor: Any) -> Array:
    """The array itself, or a parameter's."""
    return tensor.data if isinstance(tensor, Parameter) else tensor


def fill(tensor: Tensor, values: Array) -> Tensor:
    """Copy values from the host into place, wherever that is."""
    place = values_of(tensor)
    place[...] = backend.to_device(values, backend.device_of(place))
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from U(a, b).

    Raises
    ------
    ArgumentError
        If `b` is below `a`.
    """
    if not a <= b:
        raise ArgumentError(f"uniform_: b must not be below a, got a={a} and b={b}")
    place = values_of(tensor)
    return fill(tensor, streams.resolve(generator, "init").uniform(a, b, place.shape, place.dtype))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from N(mean, std²).

    Raises
    ------
    ArgumentError
        If `std` is negative.
    """
    if not std >= 0:
        raise ArgumentError(f"normal_: std must not be negative, got {std}")
    place = values_of(tensor)
    return fill(tensor, streams.resolve(generator, "init").normal(mean, std, place.shape, place.dtype))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with a number."""
    values_of(tensor).fill(val)
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity.

    Raises
    ------
    ShapeError
        If it is no matrix.
    """
    place = values_of(tensor)
    if place.ndim != 2:
        raise ShapeError(f"eye_ fills matrices, got shape {place.shape}")
    return fill(tensor, np.eye(*place.shape, dtype=place.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    r"""Fill the weight of a convolution so that it hands its input channels on, as far as there are any.

    Raises
    ------
    ShapeError
        If it has not three to five axes, or the first is not divisible by `groups`.

    Examples
    --------
    >>> dirac_(np.empty((2, 1, 3)))
    array([[[0., 1., 0.]],
    <BLANKLINE>
           [[0., 0., 0.]]])
    """
    place = values_of(tensor)
    if place.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_ fills weights of three to five axes, got shape {place.shape}")
    if place.shape[0] % groups:
        raise ShapeError(f"dirac_: the first axis, {place.shape[0]}, is not divisible by groups={groups}")
    values = np.zeros(place.shape, place.dtype)
    centre: tuple[int, ...] = tuple(size // 2 for size in place.shape[2:])
    outputs = place.shape[0] // groups
    for group in range(groups):
        for channel in range(min(outputs, place.shape[1])):
            values[(group * outputs + channel, channel, *centre)] = 1
    return fill(tensor, values)

"""Flatten axes."""

from __future__ import annotations

import math

from npnet.backend import Array
from npnet.errors import AxisError, ShapeError
from npnet.nn.module import Module

__all__ = ["Flatten", "flatten"]


def flatten(input: Array, start_dim: int = 0, end_dim: int = -1) -> Array:  # noqa: A002 (PyTorch's name)
    """Merge the axes from `start_dim` to `end_dim`, both included, into one.

    Raises
    ------
    AxisError
        If an axis is out of range.
    ShapeError
        If the first axis lies behind the last.

    Examples
    --------
    >>> import numpy as np
    >>> flatten(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    axes = max(input.ndim, 1)
    start, end = (dim + axes if dim < 0 else dim for dim in (start_dim, end_dim))
    if not (0 <= start < axes and 0 <= end < axes):
        raise AxisError(f"flatten from {start_dim} to {end_dim}: out of range for shape {input.shape}")
    if start > end:
        raise ShapeError(f"flatten from {start_dim} to {end_dim}: the first axis lies behind the last")
    shape = input.shape
    return input.reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


class Flatten(Module):
    """Merge axes into one; by default all but the first.

    Backward gives the gradient the input's shape.

    Parameters
    ----------
    start_dim, end_dim : int
        First and last axis to merge.

    Shape
    -----
    Input ``(n, a, b, ...)``, output ``(n, a * b * ...)``.

    Raises
    ------
    AxisError
        If an axis is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> nn.Flatten()(np.zeros((5, 28, 28))).shape
    (5, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Merge the axes."""
        output = flatten(input, self.start_dim, self.end_dim)
        self.save(input.shape, output.shape)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Part the axes again."""
        given, made = self.saved()
        self.check_grad(grad_output, made)
        return grad_output.reshape(given) if input_grad else None

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"

"""The affine map of given arrays."""

from __future__ import annotations

from npnet.backend import Array
from npnet.errors import ShapeError
from npnet.nn import linear as _linear
from npnet.nn.operands import check_operands

__all__ = ["linear"]


def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:  # noqa: A002 (PyTorch's name)
    """Compute :class:`npnet.nn.Linear` with these weights; a vector as weight is one row, without its axis.

    Raises
    ------
    ShapeError, DtypeError
        If the arrays do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([5.0]))
    array([[16.]])
    """
    check_operands("linear", input, weight=(weight, None))
    if weight.ndim not in (1, 2) or input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            "linear takes input of shape (..., n) and weight of shape (m, n) or (n,), "
            f"got {input.shape} and {weight.shape}"
        )
    scalar = () if getattr(bias, "ndim", 1) == 0 else weight.shape[:-1]  # PyTorch takes a single number too
    check_operands("linear", input, bias=(bias, scalar))
    return _linear.linear(input, weight, bias)

r"""The formulas of the penalties, and the plain functions over arrays.

Each formula is a pure function of one array and of a strength; :mod:`npnet.regularization.penalties`
runs the same ones over the parameters of a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias, cast

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter

__all__ = [
    "l1_gradient",
    "l1_regularization",
    "l1_value",
    "l2_gradient",
    "l2_regularization",
    "l2_value",
    "strength",
]

Weights: TypeAlias = Array | Parameter | Module | Iterable[Array | Parameter]


def l1_value(w: Array, lamb: float) -> Array:
    r""":math:`\lambda \sum_i |w_i|`, 0-d."""
    return cast(Array, lamb * np.sum(np.abs(w)))


def l1_gradient(w: Array, lamb: float) -> Array:
    r""":math:`\lambda \operatorname{sign}(w_i)`, the subgradient that is zero at zero."""
    return lamb * np.sign(w)


def l2_value(w: Array, lamb: float) -> Array:
    r""":math:`\lambda \sum_i w_i^2`, 0-d.

    NumPy sums in pairs, which keeps float32 exact to a few units in the last place; a BLAS dot product
    is faster and, over a million values, a hundred times less exact.
    """
    return cast(Array, lamb * np.sum(w * w))


def l2_gradient(w: Array, lamb: float) -> Array:
    r""":math:`2 \lambda w_i`."""
    return cast(Array, (2.0 * lamb) * w)


def l1_regularization(weights: Weights, lamb: float) -> Array:
    r"""Sum of the absolute values of arrays, times a strength: :math:`\lambda \sum_i |w_i|`.

    Parameters
    ----------
    weights : array, Parameter, Module, or iterable of arrays and Parameters
        What is summed over.  An array that comes twice counts twice, as in any sum.
    lamb : float
        The strength :math:`\lambda`; finite, not negative.

    Returns
    -------
    ndarray
        0-d, of the arrays' dtype (float64 for integers) and on their device.

    Raises
    ------
    ArgumentError
        If `lamb` is not accepted, or `weights` is empty.
    DtypeError
        If `weights` holds something else than arrays and Parameters.

    See Also
    --------
    L1 : the same with its gradient, for a model.

    Examples
    --------
    >>> import numpy as np
    >>> l1_regularization([np.array([[1.0, -2.0]]), np.array([3.0])], 0.5).item()
    3.0
    """
    lamb = strength("lamb", lamb)
    return cast(Array, sum(l1_value(w, lamb) for w in _arrays(weights)))


def l2_regularization(weights: Weights, lamb: float) -> Array:
    r"""Sum of the squares of arrays, times a strength: :math:`\lambda \sum_i w_i^2`, without a half.

    Parameters
    ----------
    weights : array, Parameter, Module, or iterable of arrays and Parameters
        What is summed over.  An array that comes twice counts twice, as in any sum.
    lamb : float
        The strength :math:`\lambda`; finite, not negative.

    Returns
    -------
    ndarray
        0-d, of the arrays' dtype (float64 for integers) and on their device.

    Raises
    ------
    ArgumentError
        If `lamb` is not accepted, or `weights` is empty.
    DtypeError
        If `weights` holds something else than arrays and Parameters.

    See Also
    --------
    L2 : the same with its gradient, for a model.

    Examples
    --------
    >>> import numpy as np
    >>> l2_regularization([np.array([[1.0, -2.0]]), np.array([3.0])], 0.5).item()
    7.0
    """
    lamb = strength("lamb", lamb)
    return cast(Array, sum(l2_value(w, lamb) for w in _arrays(weights)))


def strength(name: str, value: float) -> float:
    """The value as a Python float, checked: NumPy's float64 would turn float32 results into float64.

    Raises
    ------
    ArgumentError
        If it is negative, infinite, NaN or no number; the message calls it `name`.
    """
    if isinstance(value, (int, float, np.number)) and 0.0 <= value < math.inf:
        return float(value)
    raise ArgumentError(f"{name} must be a finite number that is not negative, got {value!r}")


def _arrays(weights: Any) -> list[Array]:
    """The floating arrays that a plain function sums over."""
    if isinstance(weights, Module):
        weights = weights.parameters()
    elif backend.is_array(weights) or not isinstance(weights, Iterable):
        weights = [weights]
    arrays = []
    for item in weights:
        array = item.data if isinstance(item, Parameter) else item
        if not backend.is_array(array) or array.dtype.kind not in "fiu":
            given = f"dtype {array.dtype}" if backend.is_array(array) else type(array).__name__
            raise DtypeError(
                f"weights are a model, real arrays or Parameters, got {given}; of a dict pass its values()"
            )
        # Squares of small integers would overflow, silently.
        arrays.append(array if array.dtype.kind == "f" else array.astype(np.float64))
    if not arrays:
        raise ArgumentError("there are no weights to sum over; was the iterator used up before?")
    return arrays

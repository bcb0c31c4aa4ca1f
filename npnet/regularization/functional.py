r"""The formulas of penalties and constraints, and the plain functions over arrays.

Each formula is a pure function of one array and of a strength; :mod:`npnet.regularization.penalties`
runs the same ones over the parameters of a model.  A penalty :math:`R` has three: its value, its
(sub)gradient, and its proximal map

.. math::
    \operatorname{prox}_R(w) = \arg\min_x \tfrac12 \|x - w\|^2 + R(x),

the point that pays for leaving :math:`w` with a lower penalty.  At a learning rate :math:`\eta` the step is
:math:`\operatorname{prox}_{\eta R}`, and every :math:`R` here is proportional to its strengths, so that a
learning rate multiplies them.

References
----------
Parikh and Boyd, "Proximal Algorithms" (2014), sections 6.5 (norms, elastic net) and 1.2 (projections).
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
    "clip_groups",
    "elastic_net_prox",
    "group_gradient",
    "group_norms",
    "group_prox",
    "group_value",
    "l1_gradient",
    "l1_prox",
    "l1_regularization",
    "l1_value",
    "l2_gradient",
    "l2_prox",
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


def l1_prox(w: Array, lamb: float) -> Array:
    r"""Soft threshold, :math:`\operatorname{sign}(w_i) \max(|w_i| - \lambda, 0)`, with zeros that are exact.

    What a clip to :math:`[-\lambda, \lambda]` takes away stays (Moreau's decomposition).
    """
    return w - np.clip(w, -lamb, lamb)


def l2_value(w: Array, lamb: float) -> Array:
    r""":math:`\lambda \sum_i w_i^2`, 0-d.

    NumPy sums in pairs, which keeps float32 exact to a few units in the last place; a BLAS dot product
    is faster and, over a million values, a hundred times less exact.
    """
    return cast(Array, lamb * np.sum(w * w))


def l2_gradient(w: Array, lamb: float) -> Array:
    r""":math:`2 \lambda w_i`."""
    return cast(Array, (2.0 * lamb) * w)


def l2_prox(w: Array, lamb: float) -> Array:
    r""":math:`w_i / (1 + 2 \lambda)`: all shrink alike, none to zero."""
    return cast(Array, w / (1.0 + 2.0 * lamb))


def elastic_net_prox(w: Array, l1: float, l2: float) -> Array:
    r"""The soft threshold by :math:`\lambda_1`, divided by :math:`1 + 2 \lambda_2`; the order matters."""
    return l2_prox(l1_prox(w, l1), l2)


def group_norms(w: Array, axes: tuple[int, ...]) -> Array:
    r""":math:`\|w_g\|_2` of each group :math:`g`, the elements along `axes`, which stay with length 1.

    Without axes each element is a group.
    """
    return cast(Array, np.sqrt(np.sum(w * w, axis=axes, keepdims=True)) if axes else np.abs(w))


def group_value(w: Array, lamb: float, axes: tuple[int, ...]) -> Array:
    r""":math:`\lambda \sum_g \|w_g\|_2`, 0-d."""
    return cast(Array, lamb * np.sum(group_norms(w, axes)))


def group_gradient(w: Array, lamb: float, axes: tuple[int, ...]) -> Array:
    r""":math:`\lambda w_g / \|w_g\|_2`, the subgradient that is zero for a group of zeros."""
    norms = group_norms(w, axes)
    return lamb * (w / (norms + (norms == 0)))


def group_prox(w: Array, lamb: float, axes: tuple[int, ...]) -> Array:
    r"""Block soft threshold, :math:`w_g \max(\|w_g\|_2 - \lambda, 0) / \|w_g\|_2`: a group vanishes whole."""
    norms = group_norms(w, axes)
    return w * (np.maximum(norms - lamb, 0.0) / (norms + (norms == 0)))


def clip_groups(w: Array, max_norm: float, axes: tuple[int, ...]) -> Array:
    r"""Projection of each group onto the ball of radius :math:`c`, :math:`w_g \min(1, c / \|w_g\|_2)`."""
    return w * (max_norm / np.maximum(group_norms(w, axes), max_norm))


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

"""Clip gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, NonFiniteError, UnsupportedError
from npnet.nn.parameter import Parameter, Run, runs

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]


def _gradient_runs(parameters: Parameter | Iterable[Parameter], foreach: bool | None) -> list[Run]:
    if foreach is not None:
        raise UnsupportedError(
            "foreach chooses an implementation in PyTorch; here there is one, leave it out"
        )
    given = [parameters] if isinstance(parameters, Parameter) else list(parameters)
    return runs([parameter for parameter in given if parameter.has_grad])


def _norm(x: Array, order: float) -> Any:
    r"""Compute :math:`(\sum_i |x_i|^k)^{1/k}`, the largest magnitude for :math:`k = \infty`."""
    if order == 2.0:
        return np.sqrt(np.sum(x * x))  # in pairs: a BLAS dot product is less exact in float32
    if order == math.inf:
        return np.max(np.abs(x))
    return np.sum(np.abs(x) ** order) ** (1.0 / order)


def get_total_norm(parameters: Parameter | Iterable[Parameter], norm_type: float = 2.0) -> Array:
    """Norm of all gradients, taken as one vector; 0 where there are none.

    Parameters
    ----------
    parameters : Parameter or iterable of Parameter
        PyTorch's function of this name takes the gradients instead.
    norm_type : float
        Order of the norm; ``inf`` is the largest magnitude.

    Examples
    --------
    >>> w = Parameter(np.zeros(2))
    >>> w.grad = np.array([3.0, 4.0])
    >>> float(get_total_norm(w))
    5.0
    """
    return _total_norm(_gradient_runs(parameters, None), norm_type)


def _total_norm(found: list[Run], norm_type: float) -> Array:
    if math.isnan(norm_type) or norm_type <= 0:
        raise ArgumentError(f"norm_type must be positive, got {norm_type}")
    norms = [_norm(run.gradients, norm_type) for run in found]
    if len(norms) == 1:
        return norms[0]
    return _norm(np.stack(norms), norm_type) if norms else np.zeros(())


def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: None = None,
) -> Array:
    r"""Scale all gradients together so that their norm is at most `max_norm`.

    .. math:: g \leftarrow g \cdot \min\bigl(1, \; \mathrm{max\_norm} / (\lVert g \rVert + 10^{-6}) \bigr)

    Parameters
    ----------
    parameters : Parameter or iterable of Parameter
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float
        Order of the norm; ``inf`` is the largest magnitude.
    error_if_nonfinite : bool
        Raise rather than scale by a norm that is NaN or infinite.  Waits for the device on a GPU.
    foreach : None
        Chooses an implementation in PyTorch; refused.

    Returns
    -------
    0-d ndarray
        The norm before clipping.

    Raises
    ------
    ArgumentError
        If `max_norm` is not positive (PyTorch takes 0, and a negative one too).
    NonFiniteError
        See ``error_if_nonfinite``.

    Examples
    --------
    >>> w = Parameter(np.zeros(2))
    >>> w.grad = np.array([3.0, 4.0])
    >>> float(clip_grad_norm_([w], max_norm=1.0))
    5.0
    >>> w.grad.round(6)
    array([0.6, 0.8])

    References
    ----------
    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
    """
    if math.isnan(max_norm) or max_norm <= 0:
        raise ArgumentError(f"max_norm must be positive, got {max_norm}; to drop gradients, call zero_grad()")
    found = _gradient_runs(parameters, foreach)
    total = _total_norm(found, norm_type)  # of the runs: `parameters` may be an iterator, used up by now
    if error_if_nonfinite and not bool(np.isfinite(total)):
        raise NonFiniteError(f"the norm of the gradients is {float(total)}; look for the loss that became so")
    scale = np.minimum(max_norm / (total + 1e-6), 1.0)
    for run in found:
        gradients = run.gradients
        gradients *= scale.astype(gradients.dtype)
    return total


def clip_grad_value_(
    parameters: Parameter | Iterable[Parameter], clip_value: float, foreach: None = None
) -> None:
    """Cut every element of every gradient to ``[-clip_value, clip_value]``.

    Raises
    ------
    ArgumentError
        If `clip_value` is not positive.

    Examples
    --------
    >>> w = Parameter(np.zeros(2))
    >>> w.grad = np.array([3.0, -0.5])
    >>> clip_grad_value_(w, 1.0)
    >>> w.grad
    array([ 1. , -0.5])
    """
    if math.isnan(clip_value) or clip_value <= 0:
        raise ArgumentError(f"clip_value must be positive, got {clip_value}")
    for run in _gradient_runs(parameters, foreach):
        np.clip(run.gradients, -clip_value, clip_value, out=run.gradients)

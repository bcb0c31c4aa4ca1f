r"""Losses of the distance between input and target, :math:`d = x - t`."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.nn.loss.base import ElementwiseLoss

__all__ = [
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "SmoothL1Loss",
    "huber_loss",
    "huber_loss_backward",
    "l1_loss",
    "l1_loss_backward",
    "mse_loss",
    "mse_loss_backward",
    "smooth_l1_loss",
    "smooth_l1_loss_backward",
]


def mse_loss(input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`(x_i - t_i)^2`, elementwise."""
    difference = input - target
    return difference * difference


def mse_loss_backward(g: Any, x: Array, target: Array) -> Array:
    r""":math:`2 g (x_i - t_i)`."""
    return (x - target) * (2.0 * g)


def l1_loss(input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`|x_i - t_i|`, elementwise."""
    return np.abs(input - target)


def l1_loss_backward(g: Any, x: Array, target: Array) -> Array:
    r""":math:`g \, \mathrm{sign}(x_i - t_i)`."""
    return np.sign(x - target) * g


def huber_loss(input: Array, target: Array, delta: float = 1.0) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`m (|d| - m / 2)` with :math:`m = \min(|d|, \delta)`: both branches in one formula."""
    distance = np.abs(input - target)
    near = np.minimum(distance, delta)  # m
    return near * (distance - 0.5 * near)


def huber_loss_backward(g: Any, x: Array, target: Array, delta: float) -> Array:
    r""":math:`g \, d`, and :math:`g` times plus or minus :math:`\delta` beyond."""
    return np.clip(x - target, -delta, delta) * g


def smooth_l1_loss(input: Array, target: Array, beta: float = 1.0) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute Huber's loss of :math:`\delta = \beta` over :math:`\beta`; its limit for 0 is L1."""
    if beta == 0:
        return l1_loss(input, target)
    return huber_loss(input, target, beta) / beta


def smooth_l1_loss_backward(g: Any, x: Array, target: Array, beta: float) -> Array:
    r""":math:`g \, d / \beta`, and plus or minus :math:`g` beyond."""
    if beta == 0:
        return l1_loss_backward(g, x, target)
    return huber_loss_backward(g / beta, x, target, beta)


class MSELoss(ElementwiseLoss):
    r"""Squared error :math:`\ell_i = (x_i - t_i)^2`.

    .. math:: \partial \ell_i / \partial x_i = 2 (x_i - t_i)

    The mean divides by the number of elements.  Input and target must have one shape: PyTorch warns and
    broadcasts, which hides the usual mistake of ``(n, 1)`` against ``(n,)``.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of any one shape.

    Raises
    ------
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.MSELoss()
    >>> criterion(np.array([1.0, 3.0]), np.array([0.0, 0.0])).item()
    5.0
    >>> criterion.backward()
    array([1., 3.])
    """

    formula, derivative = staticmethod(mse_loss), staticmethod(mse_loss_backward)


class L1Loss(ElementwiseLoss):
    r"""Absolute error :math:`\ell_i = |x_i - t_i|`.

    .. math:: \partial \ell_i / \partial x_i = \mathrm{sign}(x_i - t_i)

    zero where the two are equal, as in PyTorch.  The mean divides by the number of elements.  Input and
    target must have one shape, where PyTorch warns and broadcasts.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of any one shape.

    Raises
    ------
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.L1Loss()
    >>> criterion(np.array([1.0, -3.0]), np.array([1.0, 0.0])).item()
    1.5
    >>> criterion.backward()
    array([ 0. , -0.5])
    """

    formula, derivative = staticmethod(l1_loss), staticmethod(l1_loss_backward)


class HuberLoss(ElementwiseLoss):
    r"""Huber's loss: squared for small errors, linear for large ones.

    With :math:`d = x_i - t_i`,

    .. math::
        \ell_i = \tfrac12 d^2 \ \text{ where } |d| \le \delta, \qquad
        \ell_i = \delta \, (|d| - \tfrac12 \delta) \ \text{ else}, \qquad
        \partial \ell_i / \partial x_i = \max(-\delta, \min(d, \delta))

    The mean divides by the number of elements.  Input and target must have one shape, where PyTorch warns and
    broadcasts.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float, default 1.0
        Where the parabola becomes a line, :math:`\delta`.

    Shape
    -----
    Input and target of any one shape.

    Raises
    ------
    ArgumentError
        If `delta` is not positive.
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.HuberLoss(reduction="none")
    >>> criterion(np.array([0.5, 3.0]), np.zeros(2))
    array([0.125, 2.5  ])
    >>> criterion.backward(np.ones(2))
    array([0.5, 1. ])

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).
    """

    formula, derivative = staticmethod(huber_loss), staticmethod(huber_loss_backward)
    options = ("delta",)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not delta > 0:
            raise ArgumentError(f"HuberLoss: delta must be positive, got {delta}; L1Loss has no parabola")
        self.delta = delta


class SmoothL1Loss(ElementwiseLoss):
    r"""Smooth absolute error: Huber's loss of :math:`\delta = \beta`, over :math:`\beta`.

    With :math:`d = x_i - t_i`,

    .. math::
        \ell_i = \frac{d^2}{2 \beta} \ \text{ where } |d| \le \beta, \qquad
        \ell_i = |d| - \tfrac12 \beta \ \text{ else}, \qquad
        \partial \ell_i / \partial x_i = \max(-1, \min(d / \beta, 1))

    so the slope of the tails is 1 whatever :math:`\beta`, where Huber's is :math:`\delta`.  The mean divides
    by the number of elements.  Input and target must have one shape, where PyTorch warns and broadcasts.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}
    beta : float, default 1.0
        Where the parabola becomes a line, :math:`\beta`; 0 is :class:`L1Loss`.

    Shape
    -----
    Input and target of any one shape.

    Raises
    ------
    ArgumentError
        If `beta` is negative.
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.SmoothL1Loss(reduction="none", beta=2.0)
    >>> criterion(np.array([1.0, 3.0]), np.zeros(2))
    array([0.25, 2.  ])
    >>> criterion.backward(np.ones(2))
    array([0.5, 1. ])

    References
    ----------
    Girshick, "Fast R-CNN", ICCV 2015, equation 3.
    """

    formula, derivative = staticmethod(smooth_l1_loss), staticmethod(smooth_l1_loss_backward)
    options = ("beta",)

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if not beta >= 0:
            raise ArgumentError(f"SmoothL1Loss: beta must not be negative, got {beta}")
        self.beta = beta

r"""Shrinkage: small inputs become zero, or a constant."""

from __future__ import annotations

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.nn.activation.base import Elementwise, refuse_inplace

__all__ = [
    "Hardshrink",
    "Softshrink",
    "Tanhshrink",
    "Threshold",
    "hardshrink",
    "shrink_backward",
    "softshrink",
    "tanhshrink",
    "tanhshrink_backward",
    "threshold",
    "threshold_backward",
]


def hardshrink(input: Array, lambd: float = 0.5) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x` where :math:`|x| > \lambda`, 0 else."""
    return np.where(np.abs(input) <= lambd, 0, input)


def softshrink(input: Array, lambd: float = 0.5) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x - \min(\max(x, -\lambda), \lambda)`."""
    _check_lambd("softshrink", lambd)
    return input - np.clip(input, -lambd, lambd)


def _check_lambd(owner: str, lambd: float) -> None:
    if not lambd >= 0:
        raise ArgumentError(f"{owner}: lambd must not be negative, got {lambd}")


def shrink_backward(g: Array, x: Array, lambd: float) -> Array:
    r""":math:`g` where :math:`|x| > \lambda`, 0 else: for the hard and the soft one."""
    return g * (np.abs(x) > lambd)


def threshold(input: Array, threshold: float, value: float) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x` where :math:`x` is above `threshold`, `value` else."""
    return np.where(input <= threshold, value, input)


def threshold_backward(g: Array, x: Array, threshold: float, value: float) -> Array:
    r""":math:`g` where :math:`x` is above `threshold`, 0 else."""
    return g * (x > threshold)


def tanhshrink(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x - \tanh x`."""
    return input - np.tanh(input)


def tanhshrink_backward(g: Array, x: Array) -> Array:
    r""":math:`g \tanh^2 x`."""
    t = np.tanh(x)
    return g * (t * t)


class Hardshrink(Elementwise):
    r"""Hard shrinkage: :math:`y = x` where :math:`|x| > \lambda`, 0 else.

    .. math:: \partial L / \partial x = g \, [|x| > \lambda]

    Parameters
    ----------
    lambd : float, default 0.5
        The threshold :math:`\lambda`.

    Shape
    -----
    Any; the output has the input's.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Hardshrink()(np.array([-2.0, 0.5, 1.0]))
    array([-2.,  0.,  1.])

    References
    ----------
    Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81 (1994).
    """

    formula, derivative = staticmethod(hardshrink), staticmethod(shrink_backward)
    options = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd


class Softshrink(Elementwise):
    r"""Soft shrinkage: :math:`y = \mathrm{sign}(x) \max(|x| - \lambda, 0)`, the proximal step of L1.

    .. math:: \partial L / \partial x = g \, [|x| > \lambda]

    Parameters
    ----------
    lambd : float, default 0.5
        The threshold :math:`\lambda`.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `lambd` is negative.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Softshrink()(np.array([-2.0, 0.5, 1.0]))
    array([-1.5,  0. ,  0.5])

    References
    ----------
    Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81 (1994).
    """

    formula, derivative = staticmethod(softshrink), staticmethod(shrink_backward)
    options = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        _check_lambd("Softshrink", lambd)
        self.lambd = lambd


class Threshold(Elementwise):
    r"""Replace small inputs: :math:`y = x` where :math:`x > \tau`, :math:`y = v` else.

    .. math:: \partial L / \partial x = g \, [x > \tau]

    Parameters
    ----------
    threshold : float
        :math:`\tau`.
    value : float
        :math:`v`.
    inplace : bool
        Only False is supported.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    UnsupportedError
        With ``inplace=True``.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Threshold(1.0, 20.0)(np.array([0.0, 1.0, 2.0]))
    array([20., 20.,  2.])
    """

    formula, derivative = staticmethod(threshold), staticmethod(threshold_backward)
    options = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("Threshold", inplace)
        self.threshold, self.value = threshold, value


class Tanhshrink(Elementwise):
    r"""What :math:`\tanh` takes away: :math:`y = x - \tanh x`.

    .. math:: \partial L / \partial x = g \tanh^2 x

    Shape
    -----
    Any; the output has the input's.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Tanhshrink()(np.array([0.0, 1e4]))
    array([   0., 9999.])
    """

    formula, derivative = staticmethod(tanhshrink), staticmethod(tanhshrink_backward)

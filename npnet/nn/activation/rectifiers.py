"""Rectifiers: linear on either side of a threshold."""

from __future__ import annotations

import numpy as np

from npnet.backend import Array
from npnet.engine import elementwise
from npnet.nn.activation.base import Elementwise, refuse_inplace
from npnet.nn.constants import zeros_for

__all__ = ["LeakyReLU", "ReLU", "leaky_relu", "leaky_relu_backward", "relu", "relu_backward"]


@elementwise
def relu(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\max(x, 0)`."""
    return np.maximum(input, zeros_for(input))


@elementwise
def relu_backward(g: Array, y: Array) -> Array:
    r""":math:`g \, [y > 0]`, from the output ``y``."""
    return g * (y > 0)


def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x` for :math:`x > 0`, :math:`a x` else, :math:`a` = ``negative_slope``."""
    return input * _leaky_slope(input, negative_slope)


def leaky_relu_backward(g: Array, x: Array, negative_slope: float) -> Array:
    r""":math:`g` where :math:`x > 0`, :math:`a g` else."""
    return g * _leaky_slope(x, negative_slope)


def _leaky_slope(x: Array, negative_slope: float) -> Array:
    return np.where(x > 0, x.dtype.type(1), x.dtype.type(negative_slope))


class ReLU(Elementwise):
    r"""Rectified linear unit :math:`y = \max(x, 0)`.

    .. math:: \partial L / \partial x = g \, [x > 0]

    so the derivative at 0 is 0, as in PyTorch.

    Parameters
    ----------
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
    >>> layer = nn.ReLU()
    >>> layer(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> layer.backward(np.array([5.0, 5.0, 5.0]))
    array([0., 0., 5.])

    References
    ----------
    Nair, Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    """

    formula, derivative = staticmethod(relu), staticmethod(relu_backward)
    keeps = "output"

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("ReLU", inplace)


class LeakyReLU(Elementwise):
    r"""Leaky rectifier :math:`y = x` for :math:`x > 0`, :math:`y = a x` else.

    .. math:: \partial L / \partial x = g \, (1 \text{ if } x > 0 \text{ else } a)

    Parameters
    ----------
    negative_slope : float, default 0.01
        The slope :math:`a`.
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
    >>> nn.LeakyReLU(0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])

    References
    ----------
    Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """

    formula, derivative = staticmethod(leaky_relu), staticmethod(leaky_relu_backward)
    options = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("LeakyReLU", inplace)
        self.negative_slope = negative_slope

"""Sigmoids and what is made of them: smooth, and bent by exponentials."""

from __future__ import annotations

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.engine import elementwise
from npnet.errors import ArgumentError
from npnet.nn.activation.base import Elementwise

__all__ = [
    "LogSigmoid",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "log1p_exp",
    "log_sigmoid",
    "log_sigmoid_backward",
    "sigmoid",
    "sigmoid_backward",
    "softplus",
    "softplus_backward",
    "softsign",
    "softsign_backward",
    "tanh",
    "tanh_backward",
]


def sigmoid(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\sigma(x) = 1 / (1 + e^{-x})`."""
    return backend.special(input).expit(input)


@elementwise
def sigmoid_backward(g: Array, y: Array) -> Array:
    r""":math:`g \, y (1 - y)`, from the output ``y``."""
    return g * (y * (1 - y))


def tanh(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\tanh x`."""
    return np.tanh(input)


@elementwise
def tanh_backward(g: Array, y: Array) -> Array:
    r""":math:`g (1 - y^2)`, from the output ``y``."""
    return g * (1 - y * y)


def log1p_exp(x: Array) -> Array:
    r"""Compute :math:`\log(1 + e^x) = \log(1 + e^{-|x|}) + \max(x, 0)`, which does not overflow.

    Examples
    --------
    >>> log1p_exp(np.array([-1e4, 1e4]))
    array([    0., 10000.])
    """
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def log_sigmoid(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\log \sigma(x) = -\log(1 + e^{-x})`."""
    return -log1p_exp(-input)


def log_sigmoid_backward(g: Array, x: Array) -> Array:
    r""":math:`g \, \sigma(-x)`, since :math:`1 - \sigma(x) = \sigma(-x)`."""
    return g * backend.special(x).expit(-x)


def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:  # noqa: A002 (PyTorch's)
    r"""Compute :math:`\log(1 + e^{bx}) / b`, and :math:`x` where :math:`bx` is above `threshold`."""
    _check_beta("softplus", beta)
    scaled = beta * input
    return np.where(scaled > threshold, input, log1p_exp(scaled) / beta)


def _check_beta(owner: str, beta: float) -> None:
    if beta == 0:
        raise ArgumentError(f"{owner} divides by beta, which must not be 0")


def softplus_backward(g: Array, x: Array, beta: float, threshold: float) -> Array:
    r""":math:`g \, \sigma(bx)`, and :math:`g` where :math:`bx` is above `threshold`."""
    scaled = beta * x
    return g * np.where(scaled > threshold, 1, backend.special(x).expit(scaled))


def softsign(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x / (1 + |x|)`."""
    return input / (1 + np.abs(input))


def softsign_backward(g: Array, x: Array) -> Array:
    r""":math:`g / (1 + |x|)^2`."""
    shrink = 1 / (1 + np.abs(x))
    return g * (shrink * shrink)


class Sigmoid(Elementwise):
    r"""Logistic function :math:`y = 1 / (1 + e^{-x})`.

    .. math:: \partial L / \partial x = g \, y (1 - y)

    Shape
    -----
    Any; the output has the input's.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Sigmoid()(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """

    formula, derivative = staticmethod(sigmoid), staticmethod(sigmoid_backward)
    keeps = "output"


class Tanh(Elementwise):
    r"""Hyperbolic tangent :math:`y = \tanh x`.

    .. math:: \partial L / \partial x = g \, (1 - y^2)

    Shape
    -----
    Any; the output has the input's.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Tanh()(np.array([0.0, 1e4]))
    array([0., 1.])
    """

    formula, derivative = staticmethod(tanh), staticmethod(tanh_backward)
    keeps = "output"


class LogSigmoid(Elementwise):
    r"""Logarithm of the logistic function: :math:`y = \log \sigma(x) = -\log(1 + e^{-x})`.

    .. math:: \partial L / \partial x = g \, (1 - \sigma(x)) = g \, \sigma(-x)

    Shape
    -----
    Any; the output has the input's.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.LogSigmoid()(np.array([-1e4, 1e4])) + 0.0
    array([-10000.,      0.])
    """

    formula, derivative = staticmethod(log_sigmoid), staticmethod(log_sigmoid_backward)


class Softplus(Elementwise):
    r"""Smooth rectifier :math:`y = \log(1 + e^{bx}) / b`.

    .. math:: \partial L / \partial x = g \, \sigma(bx)

    Where :math:`bx` is above `threshold`, :math:`y = x` and the derivative is 1, as in PyTorch; with the
    default of 20 the two differ there by :math:`2 \cdot 10^{-9} / b` at most.

    Parameters
    ----------
    beta : float, default 1.0
        The sharpness :math:`b`.
    threshold : float, default 20.0

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `beta` is 0.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Softplus()(np.array([-1e4, 1e4]))
    array([    0., 10000.])

    References
    ----------
    Dugas, Bengio, Bélisle, Nadeau, Garcia, "Incorporating second-order functional knowledge for better
    option pricing", NeurIPS 2000.
    """

    formula, derivative = staticmethod(softplus), staticmethod(softplus_backward)
    options = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        _check_beta("Softplus", beta)
        self.beta, self.threshold = beta, threshold


class Softsign(Elementwise):
    r"""Softsign :math:`y = x / (1 + |x|)`.

    .. math:: \partial L / \partial x = g / (1 + |x|)^2

    Shape
    -----
    Any; the output has the input's.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Softsign()(np.array([-1.0, 0.0, 3.0]))
    array([-0.5 ,  0.  ,  0.75])

    References
    ----------
    Bergstra, Desjardins, Lamblin, Bengio, "Quadratic polynomials learn better image features", technical
    report 1337, Université de Montréal (2009).
    """

    formula, derivative = staticmethod(softsign), staticmethod(softsign_backward)

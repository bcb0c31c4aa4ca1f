r"""Elementwise nonlinearities.

Each is a pure function and its derivative's, side by side; one base class does the bookkeeping.
At a kink the derivative is PyTorch's: 0 for ReLU at 0, the slope for LeakyReLU at 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import UnsupportedError
from npnet.nn.module import Module

__all__ = ["LeakyReLU", "ReLU", "Sigmoid", "Tanh", "leaky_relu", "relu", "sigmoid", "tanh"]


def relu(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\max(x, 0)`."""
    return np.maximum(input, 0)


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


def sigmoid(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\sigma(x) = 1 / (1 + e^{-x})`."""
    return backend.special(input).expit(input)


def sigmoid_backward(g: Array, y: Array) -> Array:
    r""":math:`g \, y (1 - y)`, from the output ``y``."""
    return g * (y * (1 - y))


def tanh(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\tanh x`."""
    return np.tanh(input)


def tanh_backward(g: Array, y: Array) -> Array:
    r""":math:`g (1 - y^2)`, from the output ``y``."""
    return g * (1 - y * y)


class _Elementwise(Module):
    """An elementwise function: the checks, the context and the call of two formulas."""

    keeps_output = True  # whether backward is written in terms of the output (else of the input)

    def _value(self, x: Array) -> Array:
        raise NotImplementedError

    def _slope_times(self, g: Array, kept: Array) -> Array:
        raise NotImplementedError

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Apply the function to every element."""
        self.check_input(input)
        output = self._value(input)
        self.save(output if self.keeps_output else input)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Multiply the gradient by the derivative."""
        (kept,) = self.saved()
        self.check_grad(grad_output, kept.shape)
        return self._slope_times(grad_output, kept) if input_grad else None


def refuse_inplace(module: Module, inplace: bool) -> None:
    """Refuse ``inplace=True`` by name."""
    if inplace:
        raise UnsupportedError(
            f"{type(module).__name__}: inplace=True is not supported, since a layer here never overwrites "
            "its input; leave it out, the values are the same"
        )


class ReLU(_Elementwise):
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

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace(self, inplace)

    def _value(self, x: Array) -> Array:
        return relu(x)

    def _slope_times(self, g: Array, kept: Array) -> Array:
        return relu_backward(g, kept)


class LeakyReLU(_Elementwise):
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

    keeps_output = False

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace(self, inplace)
        self.negative_slope = negative_slope

    def _value(self, x: Array) -> Array:
        return leaky_relu(x, self.negative_slope)

    def _slope_times(self, g: Array, kept: Array) -> Array:
        return leaky_relu_backward(g, kept, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class Sigmoid(_Elementwise):
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

    def _value(self, x: Array) -> Array:
        return sigmoid(x)

    def _slope_times(self, g: Array, kept: Any) -> Array:
        return sigmoid_backward(g, kept)


class Tanh(_Elementwise):
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

    def _value(self, x: Array) -> Array:
        return tanh(x)

    def _slope_times(self, g: Array, kept: Array) -> Array:
        return tanh_backward(g, kept)

r"""Softmax and its logarithm along one axis."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

from npnet.backend import Array
from npnet.errors import AxisError
from npnet.nn.module import Module

__all__ = [
    "LogSoftmax",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "axis_of",
    "log_softmax",
    "log_softmax_backward",
    "softmax",
    "softmax_backward",
    "softmin",
    "softmin_backward",
]


def softmax(input: Array, dim: int) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`p_c = e^{x_c - m} / \sum_k e^{x_k - m}`, :math:`m = \max_k x_k`."""
    exponentials = np.exp(input - np.max(input, axis=dim, keepdims=True))
    return exponentials / np.sum(exponentials, axis=dim, keepdims=True)


def softmax_backward(g: Array, p: Array, dim: int) -> Array:
    r""":math:`p_c (g_c - \sum_k g_k p_k)`, from the output ``p``."""
    return p * (g - np.sum(g * p, axis=dim, keepdims=True))


def log_softmax(input: Array, dim: int) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`z_c - \log \sum_k e^{z_k}`, :math:`z = x - \max_k x_k`."""
    shifted = input - np.max(input, axis=dim, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True))


def log_softmax_backward(g: Array, y: Array, dim: int) -> Array:
    r""":math:`g_c - p_c \sum_k g_k`, from the output ``y`` as :math:`p = e^y`."""
    return g - np.exp(y) * np.sum(g, axis=dim, keepdims=True)


def axis_of(x: Array, dim: int | None, name: str, stacklevel: int = 3) -> int:
    """The axis that ``dim`` names; None is PyTorch's choice for an input of this shape, with its warning.

    Raises
    ------
    AxisError
        If it is out of range.
    """
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"{name} without dim= takes axis {dim} of input of shape {x.shape}, as PyTorch; say dim={dim}",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    axes = max(x.ndim, 1)
    if not -axes <= dim < axes:
        raise AxisError(f"{name}: dim {dim} is out of range for input of shape {x.shape}")
    return dim % axes


class _AlongAxis(Module):
    """A function along one axis whose backward is written in terms of the output."""

    formula: ClassVar[staticmethod[[Array, int], Array]]
    derivative: ClassVar[staticmethod[[Array, Array, int], Array]]

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Apply the function along the axis."""
        self.check_input(input)
        axis = axis_of(input, self.dim, type(self).__name__)
        shape = input.shape or (1,)  # a single number is a class of its own
        # an empty axis has no largest element
        output = self.formula(input.reshape(shape), axis).reshape(input.shape) if input.size else input.copy()
        self.save(output, axis)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the input."""
        output, axis = self.saved()
        self.check_grad(grad_output, output.shape)
        if not input_grad:
            return None
        shape = output.shape or (1,)
        return self.derivative(grad_output.reshape(shape), output.reshape(shape), axis).reshape(output.shape)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    r"""Softmax along an axis: :math:`p_c = e^{x_c} / \sum_k e^{x_k}`.

    .. math:: \partial L / \partial x_c = p_c \, \bigl( g_c - \textstyle\sum_k g_k p_k \bigr)

    The largest input is subtracted first, so nothing overflows.

    Parameters
    ----------
    dim : int
        The axis.  Without it PyTorch's choice is taken with a warning: 0 for input of 0, 1 or 3 axes, else 1.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    AxisError
        If `dim` is out of range.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.Softmax(dim=-1)
    >>> layer(np.array([[0.0, 0.0], [1e4, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    >>> layer.backward(np.array([[1.0, 0.0], [1.0, 0.0]]))
    array([[ 0.25, -0.25],
           [ 0.  , -0.  ]])

    References
    ----------
    Bridle, "Training stochastic model recognition algorithms as networks can lead to maximum mutual
    information estimation of parameters", NeurIPS 1989.
    """

    formula, derivative = staticmethod(softmax), staticmethod(softmax_backward)


def softmin(input: Array, dim: int) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute the softmax of :math:`-x`."""
    return softmax(-input, dim)


def softmin_backward(g: Array, p: Array, dim: int) -> Array:
    r"""Of the softmax, times -1."""
    return -softmax_backward(g, p, dim)


class Softmin(_AlongAxis):
    r"""Softmax of the negative input: :math:`p_c = e^{-x_c} / \sum_k e^{-x_k}`.

    .. math:: \partial L / \partial x_c = -p_c \, \bigl( g_c - \textstyle\sum_k g_k p_k \bigr)

    Parameters
    ----------
    dim : int
        The axis.  Without it PyTorch's choice is taken with a warning: 0 for input of 0, 1 or 3 axes, else 1.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    AxisError
        If `dim` is out of range.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Softmin(dim=-1)(np.array([[0.0, 0.0], [1e4, 0.0]]))
    array([[0.5, 0.5],
           [0. , 1. ]])
    """

    formula, derivative = staticmethod(softmin), staticmethod(softmin_backward)


class Softmax2d(_AlongAxis):
    r"""Softmax over the channels at every pixel of pictures: along the third axis from behind.

    Shape
    -----
    Input and output ``(n, C, h, w)`` or ``(C, h, w)``.

    Raises
    ------
    ShapeError
        If the input has another number of axes.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Softmax2d()(np.zeros((2, 1, 3)))[:, 0, 0]
    array([0.5, 0.5])
    """

    formula, derivative = staticmethod(softmax), staticmethod(softmax_backward)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(-3)

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Apply the softmax at every pixel."""
        self.check_input(input, (3, 4))
        return super().forward(input)

    def extra_repr(self) -> str:
        """Nothing."""
        return ""


class LogSoftmax(_AlongAxis):
    r"""Logarithm of the softmax along an axis: :math:`y_c = x_c - \log \sum_k e^{x_k}`.

    .. math:: \partial L / \partial x_c = g_c - e^{y_c} \textstyle\sum_k g_k

    The largest input is subtracted first, so nothing overflows.

    Parameters
    ----------
    dim : int
        The axis.  Without it PyTorch's choice is taken with a warning: 0 for input of 0, 1 or 3 axes, else 1.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    AxisError
        If `dim` is out of range.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.LogSoftmax(dim=-1)(np.array([1e4, 0.0]))
    array([     0., -10000.])
    """

    formula, derivative = staticmethod(log_softmax), staticmethod(log_softmax_backward)

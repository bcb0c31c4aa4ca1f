"""The gated linear unit: one half of an axis gates the other."""

from __future__ import annotations

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ShapeError
from npnet.nn.activation.softmax import axis_of
from npnet.nn.module import Module

__all__ = ["GLU", "glu", "glu_backward"]


def glu(input: Array, dim: int = -1) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`a \, \sigma(b)` of the halves :math:`a` and :math:`b` of an axis.

    Examples
    --------
    >>> glu(np.array([6.0, 0.0]))
    array([3.])
    """
    a, b = _halves(input, dim)
    return a * backend.special(b).expit(b)


def glu_backward(g: Array, x: Array, dim: int) -> Array:
    r""":math:`g \, \sigma(b)` and :math:`g \, a \, \sigma(b) (1 - \sigma(b))`, end to end."""
    a, b = _halves(x, dim)
    sigma = backend.special(b).expit(b)
    gated = g * sigma
    return np.concatenate([gated, gated * a * (1 - sigma)], axis=dim)


def _halves(x: Array, dim: int) -> list[Array]:
    if x.ndim == 0:
        raise ShapeError("GLU takes input with an axis to halve, got a single number")
    size = x.shape[axis_of(x, dim, "GLU")]
    if size % 2:
        raise ShapeError(f"GLU halves axis {dim}, which must be even; got input of shape {x.shape}")
    return np.split(x, 2, axis=dim)


class GLU(Module):
    r"""Gated linear unit: :math:`y = a \, \sigma(b)`, of the halves :math:`a`, :math:`b` of an axis.

    .. math::
        \partial L / \partial a = g \, \sigma(b), \qquad
        \partial L / \partial b = g \, a \, \sigma(b) \, (1 - \sigma(b))

    Parameters
    ----------
    dim : int, default -1
        The axis that is halved.

    Shape
    -----
    Input ``(..., 2 n, ...)``, output ``(..., n, ...)``.

    Raises
    ------
    AxisError
        If `dim` is out of range.
    ShapeError
        If the axis has an odd size.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.GLU()
    >>> layer(np.array([[6.0, 2.0, 0.0, 1e4]]))
    array([[3., 2.]])
    >>> layer.backward(np.ones((1, 2)))
    array([[0.5, 1. , 1.5, 0. ]])

    References
    ----------
    Dauphin, Fan, Auli, Grangier, "Language modeling with gated convolutional networks", ICML 2017.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Gate the first half by the second."""
        self.check_input(input)
        output = glu(input, self.dim)
        self.save(input, output.shape)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the input."""
        x, shape = self.saved()
        self.check_grad(grad_output, shape)
        return glu_backward(grad_output, x, self.dim) if input_grad else None

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"

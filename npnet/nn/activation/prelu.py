"""The rectifier that learns its slope."""

from __future__ import annotations

import math

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.module import Module
from npnet.nn.operands import check_operands
from npnet.nn.parameter import Parameter

__all__ = ["PReLU", "prelu", "prelu_backward"]


def prelu(input: Array, weight: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x` for :math:`x > 0`, :math:`a_c x` else, :math:`c` running over axis 1.

    Examples
    --------
    >>> prelu(np.array([[-1.0, -1.0]]), np.array([0.1, 0.2]))
    array([[-0.1, -0.2]])
    """
    _check_slopes(input, weight)
    return np.where(input > 0, input, _along_channels(weight, input) * input)


def prelu_backward(g: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    r""":math:`g` for :math:`x > 0`, :math:`g \, a_c` else; and :math:`g \, \min(x, 0)`, not summed yet."""
    return g * np.where(x > 0, 1, _along_channels(weight, x)), g * np.minimum(x, 0)


def _along_channels(weight: Array, x: Array) -> Array:
    """Give the slopes the axes to broadcast against `x`."""
    return weight.reshape(-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else weight.reshape((1,) * x.ndim)


def _check_slopes(x: Array, weight: Array) -> None:
    check_operands("prelu", x, weight=(weight, None))
    if weight.ndim > 1:
        raise ShapeError(f"prelu takes a number or a vector as weight, got shape {weight.shape}")
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size not in (1, channels):
        raise ShapeError(
            f"PReLU of {weight.size} slopes takes input of shape (n, {weight.size}, ...), got {x.shape}"
        )


class PReLU(Module):
    r"""Rectifier with learned slopes: :math:`y = x` for :math:`x > 0`, :math:`y = a_c x` else.

    .. math::
        \partial L / \partial x = g \, (1 \text{ if } x > 0 \text{ else } a_c), \qquad
        \partial L / \partial a_c = \textstyle\sum g \min(x, 0)

    the sum running over all elements of channel :math:`c`, or over all where there is one slope.  At 0 the
    derivative is :math:`a_c`, as in PyTorch.  Weight decay pulls the slopes to those of ReLU.

    Parameters
    ----------
    num_parameters : int, default 1
        1, or the size of axis 1.
    init : float, default 0.25
        Where the slopes start.
    device, dtype : optional
        Where and as what the parameter is made.

    Shape
    -----
    Any; axis 1 has ``num_parameters`` channels if that is not 1.  The output has the input's.

    Raises
    ------
    ArgumentError
        If `num_parameters` is not positive.
    ShapeError
        If the input has another number of channels.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.PReLU(dtype="float64")
    >>> layer(np.array([-2.0, 3.0]))
    array([-0.5,  3. ])
    >>> layer.backward(np.array([1.0, 1.0]))
    array([0.25, 1.  ])
    >>> layer.weight.grad
    array([-2.])

    References
    ----------
    He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ArgumentError(f"PReLU: num_parameters must be positive, got {num_parameters}")
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(np.empty(num_parameters, backend.floating_dtype(dtype)))
        self.reset_parameters()
        self.to(device)

    def reset_parameters(self) -> None:
        """Set the slopes to ``init``."""
        self.weight.data.fill(self.init)

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Scale what is not positive."""
        self.check_input(input, like=self.weight.data)
        output = prelu(input, self.weight.data)
        self.save(input)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradient of the slopes; return the gradient by the input."""
        (x,) = self.saved()
        self.check_grad(grad_output, x.shape)
        grad_input, slopes = prelu_backward(grad_output, x, self.weight.data)
        self.weight.accumulate(np.sum, self._by_channel(slopes), -1)  # dL/da_c = sum g min(x, 0)
        return grad_input if input_grad else None

    def _by_channel(self, slopes: Array) -> Array:
        """Reshape so that each row belongs to one parameter."""
        if self.num_parameters == 1:
            return slopes.reshape(1, -1)
        rest = math.prod(slopes.shape[2:])
        return np.swapaxes(slopes.reshape(len(slopes), self.num_parameters, rest), 0, 1).reshape(
            self.num_parameters, -1
        )

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"

"""Noise that PyTorch has no layer for: added to activations, or dropped from weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet import backend
from npnet import random as streams
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.dropout import checked_mask, drawn_mask, factors
from npnet.nn.linear import Linear, linear, rows_of
from npnet.nn.module import Module
from npnet.nn.sums import column_sums

__all__ = ["DropConnect", "GaussianNoise"]


class GaussianNoise(Module):
    r"""Add normal noise while training: :math:`y = x + \sigma \epsilon`, :math:`\epsilon \sim N(0, 1)`.

    .. math:: \partial L / \partial x = g

    To first order in :math:`\sigma^2` it penalises the slope of what follows, as weight decay does in a
    linear model.  Not in PyTorch; Keras has it under this name.

    Parameters
    ----------
    std : float, default 0.1
        :math:`\sigma`.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the noise, on the host; the ``dropout`` stream where it is None.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `std` is negative.
    ShapeError
        If given noise has not the input's shape.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.GaussianNoise(0.5)
    >>> layer(np.array([1.0, 2.0]), noise=np.array([1.0, -1.0]))
    array([1.5, 1.5])
    >>> layer.backward(np.array([3.0, 4.0]))
    array([3., 4.])

    References
    ----------
    Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural Computation 7 (1995).
    """

    def __init__(self, std: float = 0.1, *, generator: Any = None) -> None:
        super().__init__()
        if not std >= 0.0:
            raise ArgumentError(f"GaussianNoise: std must not be negative, got {std}")
        self.std = float(std)
        self.generator = generator

    def forward(self, input: Array, *, noise: Array | None = None) -> Array:  # noqa: A002 (PyTorch's name)
        r"""Add noise while training.

        Parameters
        ----------
        input : ndarray
        noise : ndarray, keyword-only, optional
            :math:`\epsilon`, in place of a drawn one.
        """
        self.check_input(input)
        self.save(input.shape)
        if not self.training or self.std == 0.0:
            return input
        if noise is None:
            generator = streams.resolve(self.generator, "dropout")
            drawn = generator.normal(0.0, 1.0, input.shape, input.dtype)
            noise = backend.to_device(drawn, backend.device_of(input))
        self.check_input(noise, like=input)
        if noise.shape != input.shape:
            raise ShapeError(f"noise of shape {noise.shape} does not fit input of shape {input.shape}")
        return input + self.std * noise

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Hand the gradient on."""
        (shape,) = self.saved()
        self.check_grad(grad_output, shape)
        return grad_output if input_grad else None

    def extra_repr(self) -> str:
        """The standard deviation."""
        return f"std={self.std}"


class DropConnect(Linear):
    r"""Affine map that drops weights, rather than activations, while training.

    .. math::
        W' = W \odot M / (1 - p), \qquad M_{ij} \sim \mathrm{Bernoulli}(1 - p), \qquad y = x W'^\top + b

    so that the expectation of :math:`W'` is :math:`W`, with which evaluation works.  Backward:

    .. math::
        \partial L / \partial W = (g^\top x) \odot M / (1 - p), \qquad
        \partial L / \partial b = \textstyle\sum_i g_i, \qquad
        \partial L / \partial x = g W'

    One mask serves a whole batch, where the paper draws one a sample.  Not in PyTorch; the state is that of
    :class:`~npnet.nn.Linear`.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of the input and of the output.
    p : float, default 0.5
        Probability that a weight is dropped.
    bias : bool, default True
        Learn the additive term ``b``, which is never dropped.
    device, dtype : optional
        Where and as what the parameters are made.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the initial values and the masks; the ``init`` and ``dropout`` streams where it is None.

    Shape
    -----
    As of :class:`~npnet.nn.Linear`; a given mask has the weight's.

    Raises
    ------
    ArgumentError
        If `p` is not within 0 and 1, or a size is negative.
    ShapeError, DtypeError
        If the input or a given mask does not fit.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.DropConnect(2, 1, p=0.5, bias=False, dtype="float64")
    >>> layer.weight.data[...] = [[3.0, 5.0]]
    >>> layer(np.ones((1, 2)), mask=np.array([[True, False]]))
    array([[6.]])
    >>> layer.backward(np.ones((1, 1)))
    array([[6., 0.]])
    >>> layer.weight.grad
    array([[2., 0.]])

    References
    ----------
    Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of neural networks using DropConnect", ICML 2013.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        p: float = 0.5,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        generator: Any = None,
    ) -> None:
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"dropout probability must lie between 0 and 1, got {p}")
        super().__init__(in_features, out_features, bias, device, dtype, generator=generator)
        self.p = float(p)
        self.generator = generator

    def forward(self, input: Array, *, mask: Array | None = None) -> Array:  # noqa: A002 (PyTorch's name)
        """Map ``(..., in_features)`` to ``(..., out_features)``.

        Parameters
        ----------
        input : ndarray
        mask : ndarray of bool, keyword-only, optional
            True for the weights that are kept, in place of a drawn mask.
        """
        self.check(input)
        weight, factor = self.weight.data, None
        if self.training and (self.p > 0.0 or mask is not None):
            if mask is None:
                keep = drawn_mask(self.p, weight.shape, input, self.generator)
            else:
                keep = checked_mask(mask, weight.shape)
            factor = factors(keep, self.p, input)
            weight = weight * factor  # W'
        self.save(input, weight, factor)
        return linear(input, weight, None if self.bias is None else self.bias.data)

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradients of weight and bias; return the gradient by the input."""
        x, weight, factor = self.saved()
        self.check_grad(grad_output, (*x.shape[:-1], self.out_features))
        g = rows_of(grad_output)
        slopes = np.dot(g.T, rows_of(x))  # dL/dW'
        if factor is not None:
            slopes *= factor  # dL/dW
        self.weight.accumulate(np.positive, slopes)
        if self.bias is not None:
            self.bias.accumulate(column_sums, g)  # dL/db = sum_i g_i
        return np.dot(g, weight).reshape(x.shape) if input_grad else None  # dL/dx = g W'

    def extra_repr(self) -> str:
        """The sizes and the probability."""
        return f"{super().extra_repr()}, p={self.p}"

"""Normalisation of each sample by itself: LayerNorm and RMSNorm, over the last axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, ArgumentTypeError, ShapeError
from npnet.nn.normalization import Normalization, batch_norm, batch_norm_backward
from npnet.nn.parameter import Parameter
from npnet.nn.sums import column_sums

__all__ = ["LayerNorm", "RMSNorm", "layer_norm", "layer_norm_backward", "rms_norm", "rms_norm_backward"]

# ------------------------------------------------------------------ formulas


def layer_norm(x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
    r"""Normalise each row of a matrix, then scale and shift the columns.

    A row is normalised as :func:`~npnet.nn.normalization.batch_norm` normalises a channel.

    Returns
    -------
    y, centred, inverse_std : ndarray
        The output, :math:`x - \mu` and :math:`1 / \sqrt{\sigma^2 + \epsilon}`, one a row.
    """
    y, centred, inverse_std, *_ = batch_norm(x[np.newaxis], None, None, eps)  # rows as channels
    y = y[0]
    if gamma is not None:
        y *= gamma
    if beta is not None:
        y += beta
    return y, centred[0], inverse_std


def layer_norm_backward(
    g: Array, centred: Array, inverse_std: Array, gamma: Array | None
) -> tuple[Array, Array, Array]:
    """Go back through :func:`layer_norm`.

    Returns
    -------
    grad_input, grad_gamma, grad_beta : ndarray
    """
    grad_beta = column_sums(g)  # sum g
    grad_gamma = column_sums(g * centred * inverse_std[:, None])  # sum g xhat
    upstream = (g if gamma is None else g * gamma)[np.newaxis]
    grad_input, *_ = batch_norm_backward(upstream, centred[np.newaxis], inverse_std, None, True)
    return grad_input[0], grad_gamma, grad_beta


def rms_norm(x: Array, gamma: Array | None, eps: float) -> tuple[Array, Array, Array]:
    r"""Divide each row of a matrix by its root mean square, then scale the columns.

    Returns
    -------
    y, xhat, inverse_rms : ndarray
        The output; the rows before scaling; :math:`1 / \sqrt{\overline{x^2} + \epsilon}`, one a row.
    """
    inverse_rms = 1 / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + eps)
    xhat = x * inverse_rms
    return (xhat if gamma is None else xhat * gamma), xhat, inverse_rms


def rms_norm_backward(g: Array, xhat: Array, inverse_rms: Array, gamma: Array | None) -> tuple[Array, Array]:
    """Go back through :func:`rms_norm`.

    Returns
    -------
    grad_input, grad_gamma : ndarray
    """
    product = g * xhat
    grad_gamma = column_sums(product)  # sum g xhat
    if gamma is not None:
        g, product = g * gamma, product * gamma
    grad_input = g - xhat * np.mean(product, axis=1, keepdims=True)  # g - xhat mean(g xhat)
    grad_input *= inverse_rms
    return grad_input, grad_gamma


# ------------------------------------------------------------------ layers


def shape_of(owner: str, normalized_shape: Any) -> tuple[int, ...]:
    """Read ``normalized_shape``: one whole number, or one an axis.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If it is neither, or a number is below 1.
    """
    given = normalized_shape
    sizes = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    if not all(isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in sizes):
        raise ArgumentTypeError(f"{owner}: normalized_shape must be one or more integers, got {given!r}")
    if not sizes or min(sizes) < 1:
        raise ArgumentError(f"{owner}: normalized_shape must name an axis, each at least 1, got {given!r}")
    return tuple(int(size) for size in sizes)


def rows(owner: str, x: Array, shape: tuple[int, ...]) -> Array:
    """Give what is normalised together one axis, and all else another.

    Raises
    ------
    ShapeError
        If the input does not end in `shape`.
    """
    if x.ndim < len(shape) or x.shape[x.ndim - len(shape) :] != shape:
        wanted = ", ".join(map(str, shape))
        raise ShapeError(f"{owner}({shape}) takes input of shape (..., {wanted}), got {x.shape}")
    return x.reshape(-1, math.prod(shape)) if x.size else x.reshape(0, math.prod(shape))


class _RowNorm(Normalization):
    """What LayerNorm and RMSNorm share: rows of a matrix, and parameters in the shape of one."""

    normalized_shape: tuple[int, ...]

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None,
        affine: bool,
        bias: bool,
        device: str | None,
        dtype: DTypeLike | None,
    ) -> None:
        super().__init__()
        kind = backend.floating_dtype(dtype)
        self.normalized_shape = shape_of(type(self).__name__, normalized_shape)
        self.eps, self.elementwise_affine = eps, affine
        self.weight = Parameter(np.ones(self.normalized_shape, kind)) if affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, kind)) if affine and bias else None
        self.to(device)

    def reset_parameters(self) -> None:
        """Start from a scale of one and a shift of zero."""
        if self.weight is not None:
            self.weight.data.fill(1)
        if self.bias is not None:
            self.bias.data.fill(0)

    def _rows(self, x: Array) -> tuple[Array, Array | None, Array | None]:
        """The input as rows, scale and shift as one row."""
        self.check_input(x, like=None if self.weight is None else self.weight.data)
        matrix = rows(type(self).__name__, x, self.normalized_shape)
        gamma, beta = self._affine()
        return (
            matrix,
            None if gamma is None else gamma.reshape(-1),
            None if beta is None else beta.reshape(-1),
        )


class LayerNorm(_RowNorm):
    r"""Normalise each sample over its last axes, then scale and shift every element.

    .. math::
        \mu = \frac1D \sum_j x_j, \qquad \sigma^2 = \frac1D \sum_j (x_j - \mu)^2, \qquad
        \hat x_j = \frac{x_j - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y_j = \gamma_j \hat x_j + \beta_j

    where :math:`j` runs over the :math:`D` elements of one sample (or one position of a sequence): what
    :class:`BatchNorm1d` does down a column, this does along a row, so that training and evaluation are the
    same.  Backward, with :math:`i` over the samples and :math:`h_j = \gamma_j g_j`:

    .. math::
        \frac{\partial L}{\partial \gamma_j} = \sum_i g_{ij} \hat x_{ij}, \qquad
        \frac{\partial L}{\partial \beta_j} = \sum_i g_{ij}, \qquad
        \frac{\partial L}{\partial x_j} = \frac{1}{\sqrt{\sigma^2 + \epsilon}} \Bigl(
            h_j - \frac1D \sum_k h_k - \hat x_j \frac1D \sum_k h_k \hat x_k \Bigr)

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last axes, those that are normalised together.
    eps : float, default 1e-5
        :math:`\epsilon`, under the root.
    elementwise_affine : bool, default True
        Learn :math:`\gamma` (``weight``, from 1) and :math:`\beta` (``bias``, from 0), each in the shape
        `normalized_shape`.
    bias : bool, default True
        Learn :math:`\beta`, where ``elementwise_affine``.
    device, dtype : optional
        Where and as what the parameters are made.

    Shape
    -----
    Input and output ``(..., *normalized_shape)``.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `normalized_shape` names no axis, or a size that is no whole number above 0.
    ShapeError
        If the input does not end in `normalized_shape`.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.LayerNorm(2, eps=0.0, dtype="float64")
    >>> layer(np.array([[1.0, 3.0], [0.0, 10.0]]))
    array([[-1.,  1.],
           [-1.,  1.]])

    References
    ----------
    Ba, Kiros, Hinton, "Layer normalization", arXiv:1607.06450 (2016).
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, bias, device, dtype)

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Normalise every sample."""
        matrix, gamma, beta = self._rows(input)
        y, centred, inverse_std = layer_norm(matrix, gamma, beta, epsilon(self.eps, input))
        self.save(input.shape, centred, inverse_std, gamma)
        return y.reshape(input.shape)

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradients of scale and shift; return the gradient by the input."""
        shape, centred, inverse_std, gamma = self.saved()
        self.check_grad(grad_output, shape)
        g = grad_output.reshape(centred.shape)
        grad_input, grad_gamma, grad_beta = layer_norm_backward(g, centred, inverse_std, gamma)
        self._learn(grad_gamma, grad_beta)
        return grad_input.reshape(shape) if input_grad else None

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(_RowNorm):
    r"""Divide each sample by the root mean square over its last axes, then scale every element.

    .. math::
        r = \sqrt{\frac1D \sum_j x_j^2 + \epsilon}, \qquad \hat x_j = x_j / r, \qquad y_j = \gamma_j \hat x_j

    Backward, with :math:`i` over the samples and :math:`h_j = \gamma_j g_j`:

    .. math::
        \frac{\partial L}{\partial \gamma_j} = \sum_i g_{ij} \hat x_{ij}, \qquad
        \frac{\partial L}{\partial x_j} =
            \frac1r \Bigl( h_j - \hat x_j \frac1D \sum_k h_k \hat x_k \Bigr)

    (:class:`LayerNorm` without the mean, so without the term that keeps the mean.)

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last axes, those that are normalised together.
    eps : float, optional
        :math:`\epsilon`, under the root; where None the spacing of the input's dtype at 1.
    elementwise_affine : bool, default True
        Learn :math:`\gamma` (``weight``, from 1), in the shape `normalized_shape`.
    device, dtype : optional
        Where and as what the parameter is made.

    Shape
    -----
    Input and output ``(..., *normalized_shape)``.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        If `normalized_shape` names no axis, or a size that is no whole number above 0.
    ShapeError
        If the input does not end in `normalized_shape`.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.RMSNorm(2, eps=0.0, dtype="float64")
    >>> layer(np.array([[1.0, 7.0]]))  # the mean square is 25
    array([[0.2, 1.4]])

    References
    ----------
    Zhang, Sennrich, "Root mean square layer normalization", NeurIPS 2019.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False, device, dtype)

    def forward(self, x: Array) -> Array:
        """Divide every sample."""
        matrix, gamma, _ = self._rows(x)
        y, xhat, inverse_rms = rms_norm(matrix, gamma, epsilon(self.eps, x))
        self.save(x.shape, xhat, inverse_rms, gamma)
        return y.reshape(x.shape)

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradient of the scale; return the gradient by the input."""
        shape, xhat, inverse_rms, gamma = self.saved()
        self.check_grad(grad_output, shape)
        g = grad_output.reshape(xhat.shape)
        grad_input, grad_gamma = rms_norm_backward(g, xhat, inverse_rms, gamma)
        self._learn(grad_gamma)
        return grad_input.reshape(shape) if input_grad else None

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def epsilon(eps: float | None, x: Array) -> float:
    """What is added under the root; by default the spacing of the dtype at 1."""
    return float(np.finfo(x.dtype).eps) if eps is None else eps

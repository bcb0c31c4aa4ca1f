"""Batch normalisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.engine import elementwise, whole
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.formula_layer import FormulaLayer, plain, steady
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.nn.sums import column_sums

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "Normalization",
    "Tracking",
    "batch_norm",
    "batch_norm_backward",
    "channel_sums",
    "flat_positions",
    "track",
    "values_of_channel",
]


def channel_sums(x: Array) -> Array:
    """Sum an ``(n, c)`` or ``(n, c, length)`` array over all axes but the channels'; shape ``(c,)``."""
    return column_sums(x if x.ndim == 2 else np.sum(x, axis=-1))


def flat_positions(x: Array) -> Array:
    """``(n, c, ...)`` as ``(n, c, length)``."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def flat_images(x: Array) -> Array:
    """``(n, c, h, w)`` as ``(n, c, h w)``; what has fewer axes as it is."""
    return x if x.ndim <= 3 else flat_positions(x)


def values_of_channel(x: Array) -> int:
    """How many values of each channel an ``(n, c)`` or ``(n, c, length)`` array holds."""
    return len(x) if x.ndim == 2 else len(x) * x.shape[2]


def divisor(x: Array) -> int:
    """What a mean over the values of a channel divides by."""
    return max(values_of_channel(x), 1)


def along_channels(statistic: Array, x: Array) -> Array:
    """Give an array of shape ``(c,)`` the axes to broadcast against `x`."""
    return statistic if x.ndim == 2 else statistic[:, None]


@elementwise
def deviations(x: Array, mean: Array) -> tuple[Array, Array]:
    r"""Compute :math:`x - \mu`, and its square."""
    centred = x - mean
    return centred, centred * centred


@elementwise
def inverse_deviation(variance: Array, eps: float) -> Array:
    r"""Compute :math:`1 / \sqrt{\sigma^2 + \epsilon}`."""
    return 1 / np.sqrt(variance + eps)


@elementwise
def scaled_and_shifted(centred: Array, scale: Array, shift: Array) -> Array:
    r"""Compute :math:`s (x - \mu) + \beta`."""
    y = centred * scale
    y += shift
    return y


@elementwise
def three_terms(g: Array, centred: Array, slope: Array, mean_g: Array, scale: Array) -> Array:
    """Put the three terms of the gradient by the input together."""
    grad_input = centred * slope
    grad_input += g
    grad_input -= mean_g
    grad_input *= scale
    return grad_input


@elementwise
def moved(running: Array, statistic: Array, keep: float, share: float) -> Array:
    """Move a running statistic towards a batch's."""
    return running * keep + statistic * share


@whole
def batch_norm(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    eps: float,
    mean: Array | None = None,
    variance: Array | None = None,
) -> tuple[Array, ...]:
    r"""Normalise with given statistics, or with the batch's own where they are None.

    Returns
    -------
    y, centred, inverse_std, mean, variance : ndarray
        The output; :math:`x - \mu` and :math:`1 / \sqrt{\sigma^2 + \epsilon}`, which backward needs; and
        the statistics used, the batch's variance with divisor :math:`m`.
    """
    m = divisor(x)
    if mean is None:
        mean = channel_sums(x) / m  # mu
    if variance is None:
        centred, squares = deviations(x, along_channels(mean, x))
        variance = channel_sums(squares) / m  # sigma^2
    else:
        centred = x - along_channels(mean, x)
    inverse_std = inverse_deviation(variance, eps)
    scale = along_channels(inverse_std if gamma is None else gamma * inverse_std, x)
    y = centred * scale if beta is None else scaled_and_shifted(centred, scale, along_channels(beta, x))
    return y, centred, inverse_std, mean, variance


@whole
def batch_norm_backward(
    g: Array, centred: Array, inverse_std: Array, gamma: Array | None, own_statistics: bool
) -> tuple[Array, Array, Array]:
    r"""Go back through :func:`batch_norm`.

    Parameters
    ----------
    g, centred, inverse_std, gamma : ndarray
    own_statistics : bool
        Whether the statistics were the batch's own, and so depend on the input.

    Returns
    -------
    grad_input, grad_gamma, grad_beta : ndarray
    """
    m = divisor(g)
    grad_beta = channel_sums(g)  # sum g
    grad_gamma = channel_sums(g * centred) * inverse_std  # sum g xhat
    scale = along_channels(inverse_std if gamma is None else gamma * inverse_std, g)
    if not own_statistics:
        return g * scale, grad_gamma, grad_beta
    slope = along_channels(grad_gamma * inverse_std / -m, g)  # - xhat mean(g xhat)
    return three_terms(g, centred, slope, along_channels(grad_beta / m, g), scale), grad_gamma, grad_beta


@whole
def track(running_mean: Any, running_var: Any, share: Any, mean: Array, variance: Array, m: int) -> None:
    """Move running statistics in place towards those of `m` values a channel; of none, leave them."""
    if m == 0:
        return
    running_mean[...] = moved(running_mean, mean, 1 - share, share)
    running_var[...] = moved(running_var, variance, 1 - share, share * m / (m - 1))  # Bessel's correction


def share_of_batch(num_batches_tracked: Any, momentum: float | None) -> Any:
    """Count one more batch, and say what its share is in the running statistics."""
    num_batches_tracked += 1
    return 1 / num_batches_tracked if momentum is None else momentum


@whole
def tracked_batch_norm(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    eps: float,
    mean: Array | None,
    variance: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    num_batches_tracked: Array | None,
    momentum: float | None,
) -> tuple[Array, Array, Array]:
    r"""Do :func:`batch_norm` over all axes but the second, and move the running statistics if there are any.

    Returns
    -------
    y, centred, inverse_std : ndarray
    """
    flat = flat_images(x)
    y, centred, inverse_std, mean, variance = batch_norm(flat, gamma, beta, eps, mean, variance)
    if running_mean is not None:
        share = share_of_batch(num_batches_tracked, momentum)
        track(running_mean, running_var, share, mean, variance, values_of_channel(flat))
    return y.reshape(x.shape), centred, inverse_std


@whole
def tracked_batch_norm_backward(
    g: Array,
    centred: Array,
    inverse_std: Array,
    gamma: Array | None,
    beta: Array | None,
    eps: float,
    mean: Array | None,
    variance: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    num_batches_tracked: Array | None,
    momentum: float | None,
    into_gamma: Any,
    into_beta: Any,
    wanted: bool | None,
) -> Array | None:
    """Go back through :func:`tracked_batch_norm`: write the gradients by scale and shift into their places.

    Returns
    -------
    ndarray or None
        The gradient by the input, None unless it is wanted.
    """
    flat = flat_images(g)
    grad_input, grad_gamma, grad_beta = batch_norm_backward(flat, centred, inverse_std, gamma, mean is None)
    if into_gamma is not None:
        into_gamma[...] = grad_gamma
    if into_beta is not None:
        into_beta[...] = grad_beta
    if wanted is None:
        return None
    return grad_input.reshape(g.shape)


class Normalization(Module):
    """Base of the layers that normalise, whose parameters are no weights to be penalised."""

    weight: Parameter | None
    bias: Parameter | None

    def _affine(self) -> tuple[Array | None, Array | None]:
        """Values of scale and shift, None where there is none."""
        return (
            None if self.weight is None else self.weight.data,
            None if self.bias is None else self.bias.data,
        )

    def _learn(self, grad_gamma: Array, grad_beta: Array | None = None) -> None:
        """Add to the gradients of scale and shift."""
        if self.weight is not None:
            self.weight.accumulate(np.positive, grad_gamma.reshape(self.weight.shape))
        if self.bias is not None and grad_beta is not None:
            self.bias.accumulate(np.positive, grad_beta.reshape(self.bias.shape))


class Tracking(Normalization):
    """Base of the layers that keep running statistics of their channels."""

    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_features < 0:
            raise ArgumentError(f"num_features must not be negative, got {num_features}")
        kind = backend.floating_dtype(dtype)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, kind)) if affine else None
        self.bias = Parameter(np.zeros(num_features, kind)) if affine and bias else None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, kind) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, kind) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)
        self.to(device)

    def reset_running_stats(self) -> None:
        """Start the running statistics again from mean 0 and variance 1."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.fill(0)
            self.running_var.fill(1)
            self.num_batches_tracked.fill(0)

    def reset_parameters(self) -> None:
        """Start scale, shift and running statistics again."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.data.fill(1)
        if self.bias is not None:
            self.bias.data.fill(0)

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(Tracking, FormulaLayer):
    """Batch normalisation over all axes but the second; a subclass says how many axes there may be."""

    shapes: ClassVar[Mapping[int, str]]
    """Accepted numbers of axes, and the shapes in words."""

    formula, derivative = staticmethod(tracked_batch_norm), staticmethod(tracked_batch_norm_backward)
    keeps = 2

    @steady
    def operands(self, x: Array) -> tuple[Any, ...]:
        """Scale and shift, epsilon, statistics in place of the batch's own, and those that are to move."""
        gamma, beta = self._affine()
        mean, variance = self.running_mean, self.running_var
        if not self.training:
            return gamma, beta, self.eps, mean, variance, None, None, None, None
        tracked = self.num_batches_tracked
        if mean is not None and isinstance(tracked, (int, np.integer)):  # somebody's number
            tracked = self.num_batches_tracked = np.full_like(mean, tracked, np.int64, shape=())
        return gamma, beta, self.eps, None, None, mean, variance, tracked, self.momentum

    def learned(self) -> tuple[Parameter | None, Parameter | None]:
        """Scale and shift."""
        return self.weight, self.bias

    @plain
    def check(self, x: Array) -> None:
        """Refuse another shape, and in training one value a channel, which has no variance."""
        name = type(self).__name__
        like = self.running_mean if self.weight is None else self.weight.data
        self.check_input(x, self.shapes, like=like)
        if x.shape[1] != self.num_features:
            wanted = " or ".join(self.shapes.values()).replace("c", str(self.num_features))
            raise ShapeError(f"{name}({self.num_features}) takes input of shape {wanted}, got {x.shape}")
        if self.training and x.size == self.num_features:
            raise ShapeError(
                f"{name} needs more than 1 value per channel when training, got input of shape "
                f"{x.shape}; use a larger batch, drop_last=True in the loader, or eval()"
            )


class BatchNorm1d(_BatchNorm):
    r"""Normalise each feature over the batch, then scale and shift it.

    .. math::
        \mu = \frac1m \sum_i x_i, \qquad \sigma^2 = \frac1m \sum_i (x_i - \mu)^2, \qquad
        \hat x_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y_i = \gamma \hat x_i + \beta

    where :math:`i` runs over the batch and, for 3-d input, over the positions: :math:`m` values a
    feature.  Since :math:`\mu` and :math:`\sigma` depend on every :math:`x_i`, backward has three terms:

    .. math::
        \frac{\partial L}{\partial \gamma} = \sum_i g_i \hat x_i, \qquad
        \frac{\partial L}{\partial \beta} = \sum_i g_i, \qquad
        \frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \Bigl(
            g_i - \frac1m \sum_j g_j - \hat x_i \frac1m \sum_j g_j \hat x_j \Bigr)

    While training, the running statistics move: :math:`r \leftarrow (1 - a) r + a s`, with :math:`a` =
    ``momentum``, and :math:`s` the mean :math:`\mu` or the *unbiased* variance
    :math:`\sigma^2 m / (m - 1)`.  Evaluation normalises with them, and its backward has the first term
    only.

    Parameters
    ----------
    num_features : int
        Size of axis 1.
    eps : float, default 1e-5
        :math:`\epsilon`, under the root.
    momentum : float or None, default 0.1
        Share of the newest batch in the running statistics (Keras's ``momentum`` is one minus that);
        None averages all batches equally.
    affine : bool, default True
        Learn :math:`\gamma` (``weight``, from 1) and :math:`\beta` (``bias``, from 0).
    track_running_stats : bool, default True
        If False, evaluation uses the batch's statistics too.
    device, dtype : optional
        Where and as what parameters and buffers are made.
    bias : bool, keyword-only, default True
        Learn :math:`\beta`, where ``affine``.

    Shape
    -----
    Input and output ``(n, num_features)`` or ``(n, num_features, length)``.

    Raises
    ------
    ShapeError
        If the input has another shape, or gives one value a feature in training (which has no variance).

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.BatchNorm1d(1, eps=0.0, dtype="float64")
    >>> layer(np.array([[1.0], [3.0]]))
    array([[-1.],
           [ 1.]])
    >>> layer.running_mean, layer.running_var  # 0.9 * 0 + 0.1 * 2, 0.9 * 1 + 0.1 * 2
    (array([0.2]), array([1.1]))

    References
    ----------
    Ioffe, Szegedy, "Batch normalization", ICML 2015.
    """

    shapes = MappingProxyType({2: "(n, c)", 3: "(n, c, length)"})


class BatchNorm2d(_BatchNorm):
    r"""Normalise each channel over the batch and over all positions, then scale and shift it.

    The equations are those of :class:`BatchNorm1d`, with :math:`i` running over the images and their rows
    and columns, :math:`m = n h w` values a channel: every position of a channel is normalised by the same
    two numbers, so that a convolution's equivariance to shifts is kept.

    Parameters
    ----------
    num_features : int
        Number of channels, the size of axis 1.
    eps, momentum, affine, track_running_stats, device, dtype, bias
        As for :class:`BatchNorm1d`.

    Shape
    -----
    Input and output ``(n, num_features, h, w)``.

    Raises
    ------
    ShapeError
        If the input has another shape, or gives one value a channel in training (which has no variance).

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.BatchNorm2d(2, dtype="float64")
    >>> y = layer(np.arange(24.0).reshape(3, 2, 2, 2))
    >>> bool(np.allclose(y.mean(axis=(0, 2, 3)), 0)), y.var(axis=(0, 2, 3)).round(6)
    (True, array([1., 1.]))

    References
    ----------
    Ioffe, Szegedy, "Batch normalization", ICML 2015, section 3.2.
    """

    shapes = MappingProxyType({4: "(n, c, h, w)"})

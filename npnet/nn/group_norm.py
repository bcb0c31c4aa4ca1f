"""Normalisation of each sample by groups of its channels, or channel by channel: GroupNorm, InstanceNorm."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, AxisError, ShapeError
from npnet.nn.normalization import (
    Normalization,
    Tracking,
    batch_norm,
    batch_norm_backward,
    channel_sums,
    flat_positions,
    track,
)
from npnet.nn.parameter import Parameter
from npnet.nn.windows import as_batch

__all__ = ["GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "group_norm", "group_norm_backward"]

# ------------------------------------------------------------------ formulas


def group_norm(
    x: Array, groups: int, gamma: Array | None, beta: Array | None, eps: float
) -> tuple[Array, ...]:
    r"""Normalise groups of channels of each sample, then scale and shift the channels.

    A group of a sample is normalised as :func:`~npnet.nn.normalization.batch_norm` normalises a channel.

    Parameters
    ----------
    x : ndarray, shape (n, c, length)
    groups : int
        Into how many the channels are split.
    gamma, beta : ndarray, shape (c,), or None
    eps : float

    Returns
    -------
    y, centred, inverse_std, mean, variance : ndarray
        The output; :math:`x - \mu`, shape ``(1, n * groups, c / groups * length)``; and a number for each
        sample and group.
    """
    n, c, length = x.shape
    y, *rest = batch_norm(x.reshape(1, n * groups, c // groups * length), None, None, eps)
    y = y.reshape(x.shape)
    if gamma is not None:
        y *= gamma[:, None]
    if beta is not None:
        y += beta[:, None]
    return y, *rest


def group_norm_backward(
    g: Array, centred: Array, inverse_std: Array, gamma: Array | None
) -> tuple[Array, Array, Array]:
    """Go back through :func:`group_norm`.

    Parameters
    ----------
    g : ndarray, shape (n, c, length)
    centred, inverse_std : ndarray
        As :func:`group_norm` returned them.
    gamma : ndarray, shape (c,), or None

    Returns
    -------
    grad_input, grad_gamma, grad_beta : ndarray
    """
    xhat = (centred * inverse_std[:, None]).reshape(g.shape)
    grad_gamma = channel_sums(g * xhat)  # sum g xhat
    grad_beta = channel_sums(g)  # sum g
    upstream = (g if gamma is None else g * gamma[:, None]).reshape(centred.shape)
    grad_input, *_ = batch_norm_backward(upstream, centred, inverse_std, None, True)
    return grad_input.reshape(g.shape), grad_gamma, grad_beta


# ------------------------------------------------------------------ layers


class GroupNorm(Normalization):
    r"""Normalise groups of channels of each sample, then scale and shift each channel.

    With :math:`j` running over the channels and positions of one group of one sample, :math:`D` values,

    .. math::
        \hat x_j = \frac{x_j - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad \mu = \frac1D \sum_j x_j, \qquad
        \sigma^2 = \frac1D \sum_j (x_j - \mu)^2, \qquad y = \gamma_c \hat x + \beta_c

    for each channel :math:`c`: one group is :class:`LayerNorm` but for the shape of :math:`\gamma`, as many
    groups as channels are :class:`InstanceNorm2d`.  No sample sees another, so training and evaluation are
    the same.  Backward, with :math:`h = \gamma_c g`:

    .. math::
        \frac{\partial L}{\partial \gamma_c} = \sum_{n, p} g \, \hat x, \qquad
        \frac{\partial L}{\partial \beta_c} = \sum_{n, p} g, \qquad
        \frac{\partial L}{\partial x_j} = \frac{1}{\sqrt{\sigma^2 + \epsilon}} \Bigl(
            h_j - \frac1D \sum_k h_k - \hat x_j \frac1D \sum_k h_k \hat x_k \Bigr)

    Parameters
    ----------
    num_groups : int
        Into how many groups the channels are split; divides `num_channels`.
    num_channels : int
        Size of axis 1.
    eps : float, default 1e-5
        :math:`\epsilon`, under the root.
    affine : bool, default True
        Learn :math:`\gamma` (``weight``, from 1) and :math:`\beta` (``bias``, from 0).
    device, dtype : optional
        Where and as what the parameters are made.
    bias : bool, keyword-only, default True
        Learn :math:`\beta`, where ``affine``.

    Shape
    -----
    Input and output ``(n, num_channels, ...)``.

    Raises
    ------
    ArgumentError
        If `num_groups` does not divide `num_channels`.
    ShapeError
        If axis 1 is not `num_channels`, or there is but one value to normalise.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.GroupNorm(2, 4, eps=0.0, dtype="float64")
    >>> layer(np.array([[1.0, 3.0, 0.0, 10.0]]))
    array([[-1.,  1., -1.,  1.]])

    References
    ----------
    Wu, He, "Group normalization", ECCV 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_channels={num_channels} must be a multiple of num_groups={num_groups}, "
                "and both at least 1"
            )
        kind = backend.floating_dtype(dtype)
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(np.ones(num_channels, kind)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, kind)) if affine and bias else None
        self.to(device)

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Normalise every sample."""
        self.check_input(input, like=None if self.weight is None else self.weight.data)
        x = grouped_channels("GroupNorm", input, self.num_groups, self.num_channels)
        gamma, beta = self._affine()
        y, centred, inverse_std, *_ = group_norm(x, self.num_groups, gamma, beta, self.eps)
        self.save(input.shape, centred, inverse_std)
        return y.reshape(input.shape)

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradients of scale and shift; return the gradient by the input."""
        shape, centred, inverse_std = self.saved()
        self.check_grad(grad_output, shape)
        g = flat_positions(grad_output)
        grad_input, grad_gamma, grad_beta = group_norm_backward(g, centred, inverse_std, self._affine()[0])
        self._learn(grad_gamma, grad_beta)
        return grad_input.reshape(shape) if input_grad else None

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


def grouped_channels(owner: str, x: Array, groups: int, channels: int | None = None) -> Array:
    """Check the input of group normalisation; give it as ``(n, c, length)``.

    Raises
    ------
    AxisError, ShapeError
    """
    if x.ndim < 2:
        raise AxisError(f"{owner} takes input of shape (n, c, ...), got {x.shape}")
    if x.shape[1] % groups or (channels is not None and x.shape[1] != channels):
        wanted = f"a multiple of {groups}" if channels is None else str(channels)
        raise ShapeError(f"{owner} takes input with {wanted} channels on axis 1, got shape {x.shape}")
    if x.size == groups:  # one sample, and one value a group
        raise ShapeError(
            f"{owner} needs more than 1 value per group, got {groups} groups for shape {x.shape}"
        )
    return flat_positions(x)


class _InstanceNorm(Tracking):
    """Normalisation of each channel of each sample; a subclass says how many axes of positions there are."""

    axes: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Normalise a batch, or one sample."""
        self.check_input(input, like=self.running_mean if self.weight is None else self.weight.data)
        name = type(self).__name__
        batch = as_batch(name, input, self.axes)
        own = self.training or self.running_mean is None
        x = instances(name, batch, self.num_features, own=own)
        gamma, beta = self._affine()
        if own:
            y, centred, inverse_std, mean, variance = group_norm(x, x.shape[1], gamma, beta, self.eps)
            if self.running_mean is not None:
                share = 0.0 if self.momentum is None else self.momentum  # PyTorch's: None stands still
                track_instances(self.running_mean, self.running_var, share, mean, variance, x.shape)
        else:
            running = (self.running_mean, self.running_var)
            y, centred, inverse_std, *_ = batch_norm(x, gamma, beta, self.eps, *running)
        self.save(input.shape, x.shape, centred, inverse_std, own)
        return y.reshape(input.shape)

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradients of scale and shift; return the gradient by the input."""
        given, shape, centred, inverse_std, own = self.saved()
        self.check_grad(grad_output, given)
        g, gamma = grad_output.reshape(shape), self._affine()[0]
        if own:
            grad_input, grad_gamma, grad_beta = group_norm_backward(g, centred, inverse_std, gamma)
        else:
            grad_input, grad_gamma, grad_beta = batch_norm_backward(g, centred, inverse_std, gamma, False)
        self._learn(grad_gamma, grad_beta)
        return grad_input.reshape(given) if input_grad else None


def instances(owner: str, x: Array, channels: int | None, *, own: bool) -> Array:
    """Check a batch for instance normalisation; give it as ``(n, c, length)``.

    Raises
    ------
    ShapeError
    """
    if channels is not None and x.shape[1] != channels:
        raise ShapeError(f"{owner}({channels}) takes input with {channels} channels, got shape {x.shape}")
    x3 = flat_positions(x)
    if own and x3.shape[2] == 1:
        raise ShapeError(f"{owner} needs more than 1 position to normalise, got input of shape {x.shape}")
    return x3


def track_instances(
    running_mean: Any, running_var: Any, share: float, mean: Array, variance: Array, shape: tuple[int, ...]
) -> None:
    """Move running statistics towards the means, over the samples, of their statistics."""
    n, c, length = shape
    average, spread = (np.mean(each.reshape(n, c), axis=0) for each in (mean, variance))
    track(running_mean, running_var, share, average, spread, length)


class InstanceNorm1d(_InstanceNorm):
    r"""Normalise each channel of each sequence: :class:`InstanceNorm2d` with one axis of positions.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        As for :class:`InstanceNorm2d`.

    Shape
    -----
    Input and output ``(n, num_features, length)`` or ``(num_features, length)``.

    Raises
    ------
    ShapeError
        As :class:`InstanceNorm2d`.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.InstanceNorm1d(1, eps=0.0)(np.array([[[1.0, 3.0]], [[0.0, 10.0]]]))
    array([[[-1.,  1.]],
    <BLANKLINE>
           [[-1.,  1.]]])
    """

    axes = 1


class InstanceNorm2d(_InstanceNorm):
    r"""Normalise each channel of each image by its own mean and deviation, then scale and shift it.

    The equations are those of :class:`GroupNorm` with as many groups as channels: :math:`j` runs over the
    positions of one channel of one image, :math:`D = h w`.

    With ``track_running_stats`` training moves running statistics, :math:`r \leftarrow (1 - a) r + a s`,
    with :math:`a` = ``momentum`` and :math:`s` the mean over the images of their means, or of their
    *unbiased* variances :math:`\sigma^2 D / (D - 1)`; evaluation normalises with them, as
    :class:`BatchNorm2d` does.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float, default 1e-5
        :math:`\epsilon`, under the root.
    momentum : float, default 0.1
        Share of the newest batch in the running statistics; with None they stand still, as in PyTorch.
    affine : bool, default False
        Learn :math:`\gamma` (``weight``, from 1) and :math:`\beta` (``bias``, from 0).
    track_running_stats : bool, default False
        Keep running statistics, for evaluation.
    device, dtype : optional
        Where and as what parameters and buffers are made.
    bias : bool, keyword-only, default True
        Learn :math:`\beta`, where ``affine``.

    Shape
    -----
    Input and output ``(n, num_features, h, w)`` or ``(num_features, h, w)``.

    Raises
    ------
    ShapeError
        If the input has another shape, or one position only.

    Examples
    --------
    >>> from npnet import nn
    >>> y = nn.InstanceNorm2d(3)(np.arange(24.0).reshape(2, 3, 2, 2))
    >>> bool(np.allclose(y.mean(axis=(2, 3)), 0))
    True

    References
    ----------
    Ulyanov, Vedaldi, Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
    arXiv:1607.08022 (2016).
    """

    axes = 2

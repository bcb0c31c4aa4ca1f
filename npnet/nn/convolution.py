"""Convolution: one small linear map, applied to every window."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, ShapeError
from npnet.nn import init
from npnet.nn.im2col import bias_gradient, convolution, convolution_backward, weight_gradient
from npnet.nn.module import Module
from npnet.nn.operands import check_operands
from npnet.nn.parameter import Parameter
from npnet.nn.windows import (
    PADDING_MODES,
    Pairs,
    Sizes,
    as_batch,
    check_padding,
    each_axis,
    output_sizes,
    pad,
    pad_backward,
    spans,
)

__all__ = ["Conv1d", "Conv2d"]


class _Conv(Module):
    """Convolution over as many axes of positions as the subclass says."""

    axes: ClassVar[int]

    bias: Parameter | None
    padding: str | Sizes

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sizes,
        stride: int | Sizes = 1,
        padding: str | int | Sizes = 0,
        dilation: int | Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        generator: object = None,
    ) -> None:
        super().__init__()
        name, axes = type(self).__name__, self.axes
        if min(in_channels, out_channels, groups) < 1:
            raise ArgumentError(
                f"{name}: in_channels, out_channels and groups must be at least 1, got {in_channels}, "
                f"{out_channels} and {groups}"
            )
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        if padding_mode not in PADDING_MODES:
            raise ArgumentError(
                f"{name}: padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = each_axis(name, "kernel_size", kernel_size, axes, 1)
        self.stride = each_axis(name, "stride", stride, axes, 1)
        self.dilation = each_axis(name, "dilation", dilation, axes, 1)
        self.padding = _checked_padding(name, padding, self.stride, axes)
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(np.empty(shape, backend.floating_dtype(dtype)))
        self.bias = Parameter(np.empty(out_channels, self.weight.dtype)) if bias else None
        self.reset_parameters(generator=generator)
        self.to(device)

    def reset_parameters(self, *, generator: object = None) -> None:
        """Draw weight, then bias, anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound, generator=generator)

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Convolve a batch, or one sample."""
        weight = self.weight.data
        self.check_input(input, like=weight)
        x = as_batch(type(self).__name__, input, self.axes)
        widths = padding_widths(self.padding, self.kernel_size, self.dilation)
        geometry = (widths, self.padding_mode, self.stride, self.dilation, self.groups)
        check_convolution(type(self).__name__, x.shape, weight.shape, *geometry)
        wide = pad(x, widths, self.padding_mode)
        bias = None if self.bias is None else self.bias.data
        y = convolution(wide, weight, bias, self.stride, self.dilation, self.groups)
        self.save(input.shape, y.shape, wide, widths)
        return y.reshape(y.shape[x.ndim - input.ndim :])

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Add to the gradients of weight and bias; return the gradient by the input."""
        given, made, x, widths = self.saved()
        self.check_grad(grad_output, made[len(made) - len(given) :])
        g = grad_output.reshape(made)
        steps = (self.stride, self.dilation, self.groups)
        self.weight.accumulate(weight_gradient, g, x, self.weight.shape, *steps)
        if self.bias is not None:
            self.bias.accumulate(bias_gradient, g)
        if not input_grad:
            return None
        wide = convolution_backward(g, self.weight.data, x.shape[2:], *steps)
        return pad_backward(wide, widths, self.padding_mode).reshape(given)

    def extra_repr(self) -> str:
        """The arguments that are not the default."""
        parts = [f"{self.in_channels}, {self.out_channels}"]
        parts += [f"kernel_size={self.kernel_size}, stride={self.stride}"]
        usual = {
            "padding": (0,) * self.axes,
            "dilation": (1,) * self.axes,
            "groups": 1,
            "padding_mode": "zeros",
        }
        given = {key: getattr(self, key) for key in usual}
        parts += [f"{key}={value!r}" for key, value in given.items() if value != usual[key]]
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts)


def _checked_padding(owner: str, padding: Any, stride: Sizes, axes: int) -> str | Sizes:
    if not isinstance(padding, str):
        return each_axis(owner, "padding", padding, axes, 0)
    if padding not in ("same", "valid"):
        raise ArgumentError(f"{owner}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    if padding == "same" and max(stride) > 1:
        raise ArgumentError(f"{owner}: padding='same' takes stride 1, got stride={stride}")
    return padding


def padding_widths(padding: str | Sizes, kernel: Sizes, dilation: Sizes) -> Pairs:
    """Widths before and after; ``"same"`` puts the larger half of an odd number after."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        return tuple(((span - 1) // 2, span // 2) for span in spans(kernel, dilation))
    return tuple((width, width) for width in padding)  # type: ignore[misc]


def check_convolution(
    owner: str,
    shape: Sizes,
    weight: Sizes,
    widths: Pairs,
    mode: str,
    stride: Sizes,
    dilation: Sizes,
    groups: int,
) -> None:
    """Refuse an input whose channels are not the weight's, or in which no window fits.

    Raises
    ------
    ShapeError
    """
    channels = weight[1] * groups
    if shape[1] != channels:
        raise ShapeError(
            f"{owner} with weight of shape {weight} and groups={groups} takes input with {channels} "
            f"channels, got shape {shape}"
        )
    check_padding(owner, shape[2:], widths, mode)
    padded = tuple(n + sum(pair) for n, pair in zip(shape[2:], widths, strict=True))
    kernel = weight[2:]
    if min(output_sizes(padded, kernel, stride, dilation)) < 1:
        raise ShapeError(
            f"{owner}: kernel {kernel}, which covers {spans(kernel, dilation)} positions, does not fit into "
            f"input of shape {shape}, padded to {padded}"
        )


def convolve(
    owner: str,
    input: Array,  # noqa: A002 (PyTorch's name)
    weight: Array,
    bias: Array | None,
    stride: int | Sizes,
    padding: str | int | Sizes,
    dilation: int | Sizes,
    groups: int,
) -> Array:
    """Convolve with given arrays: the body of ``functional.conv1d`` and ``conv2d``."""
    axes = int(owner[-2])
    check_operands(owner, input, weight=(weight, None))
    kernel = weight.shape[2:]
    x = as_batch(owner, input, axes)
    if weight.ndim != axes + 2:
        raise ShapeError(f"{owner} takes a weight with {axes + 2} axes, got shape {weight.shape}")
    check_operands(owner, input, bias=(bias, weight.shape[:1]))
    if groups < 1 or weight.shape[0] % groups:
        raise ArgumentError(f"{owner}: groups={groups} must divide the outputs of weight {weight.shape}")
    steps = each_axis(owner, "stride", stride, axes, 1)
    apart = each_axis(owner, "dilation", dilation, axes, 1)
    widths = padding_widths(_checked_padding(owner, padding, steps, axes), kernel, apart)
    check_convolution(owner, x.shape, weight.shape, widths, "zeros", steps, apart, groups)
    y = convolution(pad(x, widths), weight, bias, steps, apart, groups)
    return y.reshape(y.shape[x.ndim - input.ndim :])


class Conv1d(_Conv):
    r"""Convolve sequences: :class:`Conv2d` with one axis of positions.

    .. math::
        y_{n,o}(p) = b_o + \sum_c \sum_k W_{o,c}(k) \, x_{n,c}(s p + d k)

    with stride :math:`s` and dilation :math:`d`, :math:`x` being padded; backward as in :class:`Conv2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        As for :class:`Conv2d`, one number an argument.
    device, dtype : optional
        Where and as what the parameters are made.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the initial values; the ``init`` stream where it is None.

    Shape
    -----
    Input ``(n, in_channels, length)`` or ``(in_channels, length)``; ``weight`` is
    ``(out_channels, in_channels / groups, kernel_size)``.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError
        As :class:`Conv2d`.

    Examples
    --------
    A kernel that subtracts neighbours:

    >>> from npnet import nn
    >>> layer = nn.Conv1d(1, 1, 2, bias=False, dtype="float64")
    >>> layer.weight.data = np.array([[[-1.0, 1.0]]])
    >>> layer(np.array([[1.0, 4.0, 9.0, 16.0]]))
    array([[3., 5., 7.]])

    References
    ----------
    Waibel et al., "Phoneme recognition using time-delay neural networks", IEEE Trans. ASSP 37 (1989).
    """

    axes = 1


class Conv2d(_Conv):
    r"""Convolve images: multiply every window with the same kernels.

    With positions :math:`p` of the output, places :math:`k` of the kernel, stride :math:`s`, dilation
    :math:`d` and :math:`x` padded,

    .. math::
        y_{n,o}(p) = b_o + \sum_c \sum_k W_{o,c}(k) \, x_{n,c}(s p + d k)

    (a cross-correlation, strictly: the kernel is not flipped).  Written as a matrix, the windows of a sample
    are the columns of :math:`X_n`, :math:`X_n[(c, k), p] = x_{n,c}(s p + d k)`, and :math:`Y_n = W X_n + b`.
    Backward, for an upstream gradient :math:`G_n = \partial L / \partial Y_n`:

    .. math::
        \partial L / \partial W = \sum_n G_n X_n^\top, \qquad
        \partial L / \partial b_o = \sum_n \sum_p g_{n,o}(p), \qquad
        \partial L / \partial X_n = W^\top G_n

    and since a position of :math:`x` occurs in several windows, its gradient is the sum of theirs:
    :math:`\partial L / \partial x_{n,c}(q) = \sum_{(k, p):\, s p + d k = q} (W^\top G_n)[(c, k), p]`; what
    was padded passes its share on to where it was copied from, or drops it.  With ``groups`` the channels
    are split, and each group of outputs sees its own group of inputs.

    Weight and bias start from :math:`U(-1/\sqrt{m}, 1/\sqrt{m})`, :math:`m` = ``in_channels / groups *
    kh * kw``, as in PyTorch.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size, stride, dilation : int or pair of int
        Size of the kernel, steps between windows (default 1) and between the places of one (default 1).
    padding : int, pair of int, "same" or "valid", default 0
        Positions added on each side; ``"same"`` as many as keep the size (with stride 1 only, the larger
        half of an odd number below and to the right), ``"valid"`` none.
    groups : int, default 1
        Into how many groups the channels are split; divides both numbers of channels.
    bias : bool, default True
        Learn the additive term ``b``.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What is put there: zeros, the mirrored image, its border, or its other side.
    device, dtype : optional
        Where and as what the parameters are made.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the initial values; the ``init`` stream where it is None.

    Shape
    -----
    Input ``(n, in_channels, h, w)`` or ``(in_channels, h, w)``; the output has ``out_channels`` and, along
    each axis, ``(size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1`` positions; ``weight``
    is ``(out_channels, in_channels / groups, kh, kw)``.

    Raises
    ------
    ArgumentError
        If a number is too small, `groups` does not divide the channels, ``padding="same"`` comes with a
        stride, or a word is not known.
    ArgumentTypeError
        If a size is no whole number.
    ShapeError
        If the channels are not `in_channels`, or the kernel is larger than the padded input.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.Conv2d(3, 8, 3, padding="same", dtype="float64")
    >>> layer(np.ones((2, 3, 5, 5))).shape
    (2, 8, 5, 5)
    >>> layer.backward(np.ones((2, 8, 5, 5))).shape
    (2, 3, 5, 5)
    >>> layer.bias.grad
    array([50., 50., 50., 50., 50., 50., 50., 50.])

    References
    ----------
    LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation 1 (1989).
    Chellapilla, Puri, Simard, "High performance convolutional neural networks for document processing",
    IWFHR 2006, for the product of matrices.
    """

    axes = 2

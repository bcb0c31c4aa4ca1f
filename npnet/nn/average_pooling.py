"""Pooling by means: of windows, or of as many stretches as asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.nn.pooling import Pool, SizeLike, options, pooled, steps
from npnet.nn.windows import Sizes, each_axis, pad, pad_backward

__all__ = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d"]


def sum_pool(x: Array, kernel: Sizes, stride: Sizes, outputs: Sizes) -> Array:
    r"""Compute :math:`y(p) = \sum_k x(s p + k)`, one axis after the other."""
    for axis, (k, s, n) in enumerate(zip(kernel, stride, outputs, strict=True), start=2):
        total = x[steps(axis, 0, s, n)].copy()
        for place in range(1, k):
            total += x[steps(axis, place, s, n)]
        x = total
    return x


def sum_pool_backward(g: Array, kernel: Sizes, stride: Sizes, positions: Sizes) -> Array:
    """Go back through :func:`sum_pool`: each position gets the gradients of its windows."""
    for axis in range(len(kernel) + 1, 1, -1):
        k, s, n = kernel[axis - 2], stride[axis - 2], g.shape[axis]
        grad = _zeros(g, axis, positions[axis - 2])
        for place in range(k):
            grad[steps(axis, place, s, n)] += g
        g = grad
    return g


def _zeros(g: Array, axis: int, n: int) -> Array:
    """Zeros in the shape of `g`, but for one axis."""
    return np.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype, like=g)


def divisors(x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, outputs: Sizes, *, padded: bool) -> Any:
    """How many positions the windows of a mean count: a number, or an array over the windows.

    With `padded` positions of the padding count, but none beyond it, where a last window of
    ``ceil_mode`` may reach; without, those of the input alone.
    """
    counts: Any = 1
    for axis, (k, s, p, n) in enumerate(zip(kernel, stride, padding, outputs, strict=True), start=2):
        first, last = (-p, x.shape[axis] + p) if padded else (0, x.shape[axis])
        if first <= -p and s * (n - 1) - p + k <= last:
            own: Any = k  # every window lies within
        else:
            start = np.arange(n, like=x) * s - p
            own = np.minimum(start + k, last) - np.maximum(start, first)
            own = own.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1 - axis))
        counts = counts * own
    return counts


def bins(n: int, count: int) -> list[tuple[int, int]]:
    """Cut `n` positions into `count` stretches, which overlap where `n` is no multiple.

    Examples
    --------
    >>> bins(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def bin_means(x: Array, counts: Sizes) -> Array:
    r"""Means over the stretches of every axis of positions, one axis after the other."""
    for axis, count in enumerate(counts, start=2):
        stretches = [x[steps(axis, a, 1, b - a)] for a, b in bins(x.shape[axis], count)]
        x = np.stack([np.mean(stretch, axis=axis) for stretch in stretches], axis=axis)
    return x


def bin_means_backward(g: Array, positions: Sizes) -> Array:
    """Go back through :func:`bin_means`: every position of a stretch gets its share."""
    for axis in range(len(positions) + 1, 1, -1):
        n = positions[axis - 2]
        grad = _zeros(g, axis, n)
        for i, (a, b) in enumerate(bins(n, g.shape[axis])):
            grad[steps(axis, a, 1, b - a)] += g[steps(axis, i, 1, 1)] / (b - a)
        g = grad
    return g


# ------------------------------------------------------------------ layers


class _AvgPool(Pool):
    kernel_size: SizeLike
    stride: SizeLike
    padding: SizeLike
    ceil_mode: bool
    count_include_pad: bool
    divisor_override: int | None = None
    _options: tuple[Sizes, Sizes, Sizes, Sizes]

    def _pool(self, x: Array) -> tuple[Array, tuple[Any, ...]]:
        kernel, stride, padding, dilation = self._options
        name = type(self).__name__
        outputs, widths = pooled(name, x.shape, kernel, stride, padding, dilation, ceil=self.ceil_mode)
        count = self.divisor_override
        if count is None:
            count = divisors(x, kernel, stride, padding, outputs, padded=self.count_include_pad)
        wide = pad(x, widths)
        y = sum_pool(wide, kernel, stride, outputs)
        y /= count
        return y, (count, wide.shape[2:], widths)

    def _back(self, g: Array, *context: Any) -> Array:
        count, positions, widths = context
        kernel, stride, _, _ = self._options
        return pad_backward(sum_pool_backward(g / count, kernel, stride, positions), widths)

    def extra_repr(self) -> str:
        """The arguments."""
        parts = [f"{key}={getattr(self, key)}" for key in ("kernel_size", "stride", "padding")]
        defaults = {"ceil_mode": False, "count_include_pad": True, "divisor_override": None}
        parts += [
            f"{key}={getattr(self, key)}" for key, value in defaults.items() if getattr(self, key) != value
        ]
        return ", ".join(parts)


class AvgPool1d(_AvgPool):
    r"""The mean of every window of a sequence: :class:`AvgPool2d` with one axis of positions.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As for :class:`AvgPool2d`, one number an argument.

    Shape
    -----
    Input ``(n, c, length)`` or ``(c, length)``.

    Raises
    ------
    ArgumentError, ShapeError
        As :class:`AvgPool2d`.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.AvgPool1d(2)
    >>> layer(np.array([[1.0, 3.0, 2.0, 2.0]]))
    array([[2., 2.]])
    >>> layer.backward(np.array([[5.0, 7.0]]))
    array([[2.5, 2.5, 3.5, 3.5]])
    """

    axes = 1

    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: SizeLike = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self._options = options(type(self).__name__, 1, kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding, _ = self._options  # tuples, as in PyTorch
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class AvgPool2d(_AvgPool):
    r"""The mean of every window of an image.

    .. math::
        y_{n,c}(p) = \frac{1}{m_p} \sum_k x_{n,c}(s p + k), \qquad
        \frac{\partial L}{\partial x_{n,c}(q)} = \sum_{(k, p):\, s p + k = q} \frac{g_{n,c}(p)}{m_p}

    with :math:`m_p` positions in a window.

    Parameters
    ----------
    kernel_size : int or pair of int
        Size of the windows.
    stride : int or pair of int, optional
        Steps between them; the kernel's size where None.
    padding : int or pair of int, default 0
        Zeros added on each side, at most half a kernel.
    ceil_mode : bool, default False
        Count a last window that does not fit whole, if it begins within the input or the padding before.
    count_include_pad : bool, default True
        Whether :math:`m_p` counts the padding; what a window has beyond that never counts.
    divisor_override : int, optional
        In place of :math:`m_p`.

    Shape
    -----
    Input ``(n, c, h, w)`` or ``(c, h, w)``; the output has ``(size + 2 * padding - kernel_size) / stride +
    1`` positions along each axis, rounded down, or up with `ceil_mode`.

    Raises
    ------
    ArgumentError
        If a number is too small, the padding more than half a kernel, or `divisor_override` zero.
    ShapeError
        If the input has another number of axes, or no window fits.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.AvgPool2d(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])

    References
    ----------
    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86
    (1998), section II.
    """

    axes = 2

    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: SizeLike = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        if divisor_override == 0:
            raise ArgumentError("AvgPool2d: divisor_override must not be 0; None counts the positions")
        self._options = options(type(self).__name__, 2, kernel_size, stride, padding)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override


class _AdaptiveAvgPool(Pool):
    output_size: Any

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * self.axes
        if len(sizes) != self.axes:
            raise ArgumentError(
                f"{type(self).__name__}: output_size must be an integer or {self.axes} of them, "
                f"got {output_size!r}"
            )
        filled = tuple(1 if size is None else size for size in sizes)  # None keeps the input's
        each_axis(type(self).__name__, "output_size", filled, self.axes, 1)
        self._sizes = tuple(sizes)
        self.output_size = output_size

    def _pool(self, x: Array) -> tuple[Array, tuple[Any, ...]]:
        sizes = zip(x.shape[2:], self._sizes, strict=True)
        counts = tuple(n if size is None else int(size) for n, size in sizes)
        return bin_means(x, counts), (x.shape[2:],)

    def _back(self, g: Array, *context: Any) -> Array:
        return bin_means_backward(g, *context)

    def extra_repr(self) -> str:
        """The size of the output."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    r"""Means over as many stretches of a sequence as asked for: :class:`AdaptiveAvgPool2d`, one axis.

    Parameters
    ----------
    output_size : int
        How many.

    Shape
    -----
    Input ``(n, c, length)`` or ``(c, length)``, output with ``output_size`` positions.

    Raises
    ------
    ArgumentError, ShapeError
        As :class:`AdaptiveAvgPool2d`.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.AdaptiveAvgPool1d(2)(np.array([[1.0, 2.0, 6.0]]))
    array([[1.5, 4. ]])
    """

    axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    r"""Means over as many rows and columns of windows as asked for, whatever the size of the image.

    Along each axis of :math:`N` positions, window :math:`i` of :math:`M` reaches from
    :math:`a_i = \lfloor i N / M \rfloor` up to, not including, :math:`b_i = \lceil (i + 1) N / M \rceil`;
    windows overlap where :math:`M` does not divide :math:`N`.  For one axis

    .. math::
        y_i = \frac{1}{b_i - a_i} \sum_{q = a_i}^{b_i - 1} x_q, \qquad
        \frac{\partial L}{\partial x_q} = \sum_{i:\, a_i \le q < b_i} \frac{g_i}{b_i - a_i}

    and for two the same for one axis after the other.  ``AdaptiveAvgPool2d(1)`` is the mean of a channel.

    Parameters
    ----------
    output_size : int, None, or pair of them
        How many windows; None keeps the input's size.

    Shape
    -----
    Input ``(n, c, h, w)`` or ``(c, h, w)``, output with ``output_size`` positions.

    Raises
    ------
    ArgumentError
        If a size is below 1, or there is not one an axis.
    ShapeError
        If the input has another number of axes.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 4, 4))
    array([[[7.5]]])

    References
    ----------
    Lin, Chen, Yan, "Network in network", ICLR 2014, section 3.2, for the mean of a channel.
    """

    axes = 2

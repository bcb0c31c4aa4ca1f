"""Pooling: one number a window; here what all kinds share, and the largest."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError, UnsupportedError
from npnet.nn.module import Module
from npnet.nn.windows import Pairs, Sizes, as_batch, each_axis, pad, pad_backward, spans

__all__ = ["MaxPool1d", "MaxPool2d", "Pool", "SizeLike", "options", "pooled", "steps"]

SizeLike = int | Sizes

# ------------------------------------------------------------------ formulas


def max_pool(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, outputs: Sizes) -> list[Array]:
    r"""Compute :math:`y(p) = \max_k x(s p + d k)` of an array padded with :math:`-\infty`.

    One axis after the other, the last first.

    Returns
    -------
    list of ndarray
        The input, what each axis leaves, and so the output as the last.
    """
    stages = [x]
    for axis in range(len(kernel) - 1, -1, -1):
        k, s, d, n = kernel[axis], stride[axis], dilation[axis], outputs[axis]
        x = stages[-1]
        y = x[steps(axis + 2, 0, s, n)].copy()
        for place in range(1, k):
            np.maximum(y, x[steps(axis + 2, place * d, s, n)], out=y)
        stages.append(y)
    return stages


def max_pool_backward(g: Array, stages: list[Array], kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    r"""Go back through :func:`max_pool`: each gradient goes to the first place that holds the maximum.

    First the first row that holds it, then within the row the first place.
    """
    for axis, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x, y = stages[-2 - axis], stages[-1 - axis]
        n = y.shape[axis + 2]
        grad = np.zeros_like(x)
        apart = s > d * (k - 1)  # no position lies in two windows
        for place in range(k):
            there = grad[steps(axis + 2, place * d, s, n)]
            part = g
            if place < k - 1:
                part = g * (x[steps(axis + 2, place * d, s, n)] == y)
                g = g - part  # what no place has taken yet
            np.copyto(there, part) if apart else np.add(there, part, out=there)
        g = grad
    return g


def steps(axis: int, start: int, stride: int, count: int) -> tuple[slice, ...]:
    """The index of so many positions of one axis."""
    return (*[slice(None)] * axis, slice(start, start + stride * (count - 1) + 1, stride))


# ------------------------------------------------------------------ geometry


def pooled(
    owner: str, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, *, ceil: bool
) -> tuple[Sizes, Pairs]:
    """How many windows there are along each axis, and how wide the input must be padded for them.

    Raises
    ------
    ShapeError
        If there is none.
    """
    outputs, widths = [], []
    covered = zip(shape[2:], spans(kernel, dilation), stride, padding, strict=True)
    for n, span, s, p in covered:
        room = n + 2 * p - span
        count = (room + (s - 1 if ceil else 0)) // s + 1
        if ceil and (count - 1) * s >= n + p:  # a last window would begin in the padding behind
            count -= 1
        outputs.append(count)
        widths.append((p, max(0, s * (count - 1) + span - n - p)))
    if min(outputs) < 1:
        raise ShapeError(
            f"{owner}: windows of {kernel} with dilation {dilation} and padding {padding} do not fit into "
            f"input of shape {shape}: the output would have {tuple(outputs)} positions"
        )
    return tuple(outputs), tuple(widths)


def options(
    owner: str,
    axes: int,
    kernel: SizeLike,
    stride: SizeLike | None,
    padding: SizeLike,
    dilation: SizeLike = 1,
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """Read the arguments of a pooling layer, one number an axis.

    Raises
    ------
    ArgumentError
        If a number is too small, or the padding more than half a kernel.
    """
    size = each_axis(owner, "kernel_size", kernel, axes, 1)
    step = size if stride is None else each_axis(owner, "stride", stride, axes, 1)
    width = each_axis(owner, "padding", padding, axes, 0)
    apart = each_axis(owner, "dilation", dilation, axes, 1)
    if any(2 * p > k for p, k in zip(width, size, strict=True)):
        raise ArgumentError(
            f"{owner}: padding must be at most half of kernel_size, got padding={padding} and "
            f"kernel_size={kernel}"
        )
    return size, step, width, apart


# ------------------------------------------------------------------ layers


class Pool(Module):
    """The bookkeeping of pooling: one sample or many, shapes of gradients."""

    axes: ClassVar[int]

    def _pool(self, x: Array) -> tuple[Array, tuple[Any, ...]]:
        """Pool a batch; what backward needs, too."""
        raise NotImplementedError

    def _back(self, g: Array, *context: Any) -> Array:
        """Go back through :meth:`_pool`."""
        raise NotImplementedError

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Pool a batch, or one sample."""
        self.check_input(input)
        x = as_batch(type(self).__name__, input, self.axes)
        y, context = self._pool(x)
        output = y.reshape(y.shape[x.ndim - input.ndim :])
        self.save(input.shape, y.shape, context)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Hand each window's gradient to its positions."""
        given, made, context = self.saved()
        self.check_grad(grad_output, made[len(made) - len(given) :])
        if not input_grad:
            return None
        return self._back(grad_output.reshape(made), *context).reshape(given)


class _MaxPool(Pool):
    def __init__(
        self,
        kernel_size: SizeLike,
        stride: SizeLike | None = None,
        padding: SizeLike = 0,
        dilation: SizeLike = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        if return_indices:
            raise UnsupportedError(
                f"{type(self).__name__}: return_indices=True is not supported, since no layer here takes the "
                "indices; leave it out"
            )
        self._options = options(type(self).__name__, self.axes, kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _pool(self, x: Array) -> tuple[Array, tuple[Any, ...]]:
        kernel, stride, padding, dilation = self._options
        name = type(self).__name__
        outputs, widths = pooled(name, x.shape, kernel, stride, padding, dilation, ceil=self.ceil_mode)
        wide = pad(x, widths, value=-math.inf)
        stages = max_pool(wide, kernel, stride, dilation, outputs)
        return stages[-1], (stages, widths)

    def _back(self, g: Array, *context: Any) -> Array:
        stages, widths = context
        kernel, stride, _, dilation = self._options
        return pad_backward(max_pool_backward(g, stages, kernel, stride, dilation), widths)

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    r"""The largest value of every window of a sequence: :class:`MaxPool2d` with one axis of positions.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, return_indices, ceil_mode
        As for :class:`MaxPool2d`, one number an argument.

    Shape
    -----
    Input ``(n, c, length)`` or ``(c, length)``.

    Raises
    ------
    ArgumentError, ShapeError, UnsupportedError
        As :class:`MaxPool2d`.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.MaxPool1d(2)
    >>> layer(np.array([[1.0, 3.0, 2.0, 2.0]]))
    array([[3., 2.]])
    >>> layer.backward(np.array([[5.0, 7.0]]))  # of equal ones, the first
    array([[0., 5., 7., 0.]])
    """

    axes = 1


class MaxPool2d(_MaxPool):
    r"""The largest value of every window of an image.

    .. math::
        y_{n,c}(p) = \max_k x_{n,c}(s p + d k), \qquad
        \frac{\partial L}{\partial x_{n,c}(q)} = \sum_{p:\, k^*(p) = q} g_{n,c}(p)

    where :math:`k^*(p)` is the position of the window's maximum; of equal ones the first in the order of
    rows, as in PyTorch.  Padding counts as :math:`-\infty`.

    Parameters
    ----------
    kernel_size : int or pair of int
        Size of the windows.
    stride : int or pair of int, optional
        Steps between them; the kernel's size where None.
    padding : int or pair of int, default 0
        Positions added on each side, at most half a kernel.
    dilation : int or pair of int, default 1
        Steps between the places of a window.
    return_indices : bool
        Only False is supported.
    ceil_mode : bool, default False
        Count a last window that does not fit whole, if it begins within the input or the padding before.

    Shape
    -----
    Input ``(n, c, h, w)`` or ``(c, h, w)``; the output has ``(size + 2 * padding - dilation * (kernel_size -
    1) - 1) / stride + 1`` positions along each axis, rounded down, or up with `ceil_mode`.

    Raises
    ------
    ArgumentError
        If a number is too small, or the padding more than half a kernel.
    ShapeError
        If the input has another number of axes, or no window fits.
    UnsupportedError
        With ``return_indices=True``.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.MaxPool2d(2)(np.arange(16.0).reshape(1, 4, 4))
    array([[[ 5.,  7.],
            [13., 15.]]])

    References
    ----------
    Weng, Ahuja, Huang, "Cresceptron: a self-organizing neural network which grows adaptively", IJCNN 1992.
    """

    axes = 2

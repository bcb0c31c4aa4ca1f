r"""Convolution as matrix products: windows side by side, one a column (*im2col*), and the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.nn.sums import column_sums
from npnet.nn.windows import Sizes, add_patches, output_sizes, patches

__all__ = ["bias_gradient", "convolution", "convolution_backward", "weight_gradient"]


def columns_of(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, groups: int) -> Array:
    """Write the windows of padded samples side by side, one a column: ``(n, groups, depth, windows)``."""
    windows = patches(x, kernel, stride, dilation)
    outputs = windows.shape[2 + len(kernel) :]
    depth = x.shape[1] // groups * math.prod(kernel)
    return windows.reshape(len(x), groups, depth, math.prod(outputs))


def blocks(n: int, numbers: int, x: Array) -> Iterator[slice]:
    """Part samples into blocks whose columns, so many `numbers` a sample, stay near the processor."""
    size = max(1, backend.block_bytes(x) // max(1, numbers * x.dtype.itemsize))
    return (slice(start, start + size) for start in range(0, n, size))


def convolution(
    x: Array, weight: Array, bias: Array | None, stride: Sizes, dilation: Sizes, groups: int
) -> Array:
    r"""Convolve a padded batch.

    The windows of a sample and a group are written side by side, one a column (*im2col*); one matrix
    product a sample and group then does all the arithmetic.  It is done block by block of samples, since
    the columns take as many times the memory of the input as a kernel has places.

    Parameters
    ----------
    x : ndarray, shape ``(n, c, *positions)``
    weight : ndarray, shape ``(o, c / groups, *kernel)``
    bias : ndarray, shape (o,), or None
    stride, dilation : tuple of int
    groups : int

    Returns
    -------
    ndarray, shape ``(n, o, *outputs)``
    """
    n, outs, kernel = len(x), len(weight), weight.shape[2:]
    outputs = output_sizes(x.shape[2:], kernel, stride, dilation)
    w = weight.reshape(groups, outs // groups, -1)
    y = np.empty((n, groups, outs // groups, math.prod(outputs)), x.dtype, like=x)
    for block in blocks(n, groups * w.shape[2] * y.shape[3], x):
        columns = columns_of(x[block], kernel, stride, dilation, groups)
        np.matmul(w, columns, out=y[block])  # Y = W X
        if bias is not None:
            y[block] += bias.reshape(groups, -1, 1)  # + b
    return y.reshape(n, outs, *outputs)


def convolution_backward(
    g: Array, weight: Array, positions: Sizes, stride: Sizes, dilation: Sizes, groups: int
) -> Array:
    r"""Go back through :func:`convolution` to the padded input.

    Parameters
    ----------
    g : ndarray, shape ``(n, o, *outputs)``
    weight : ndarray
    positions : tuple of int
        Of the padded input.
    stride, dilation : tuple of int
    groups : int
    """
    n, outs, kernel, outputs = len(g), len(weight), weight.shape[2:], g.shape[2:]
    transposed = np.swapaxes(weight.reshape(groups, outs // groups, -1), 1, 2)
    channels, windows = groups * weight.shape[1], math.prod(outputs)
    grad = np.zeros((n, channels, *positions), g.dtype, like=g)
    for block in blocks(n, channels * math.prod(kernel) * windows, g):
        part = g[block].reshape(-1, groups, outs // groups, windows)
        columns = np.matmul(transposed, part)  # dL/dX = W^T G
        add_patches(grad[block], columns.reshape(-1, channels, *kernel, *outputs), stride, dilation)
    return grad


def weight_gradient(
    g: Array, x: Array, shape: Sizes, stride: Sizes, dilation: Sizes, groups: int, out: Array | None = None
) -> Array:
    r"""The gradient of a convolution by its weight, :math:`\sum_n G_n X_n^\top`.

    Parameters
    ----------
    g : ndarray, shape ``(n, o, *outputs)``
    x : ndarray
        The padded input.
    shape : tuple of int
        Of the weight.
    stride, dilation : tuple of int
    groups : int
    out : ndarray, optional
        Where to put it.
    """
    n, windows = len(x), math.prod(g.shape[2:])
    total = np.zeros(shape, np.result_type(g, x), like=g) if out is None else out
    total.fill(0)
    for block in blocks(n, groups * math.prod(shape[1:]) * windows, x):
        columns = columns_of(x[block], shape[2:], stride, dilation, groups)
        part = g[block].reshape(-1, groups, shape[0] // groups, windows)
        a_sample = np.matmul(part, np.swapaxes(columns, 2, 3))  # G_n X_n^T
        total += np.sum(a_sample.reshape(-1, *shape), axis=0)
    return total


def bias_gradient(g: Array, out: Array | None = None) -> Array:
    r"""The gradient by the bias: the sum of :math:`g` over samples and positions."""
    return column_sums(np.sum(g, axis=tuple(range(2, g.ndim))), out=out)

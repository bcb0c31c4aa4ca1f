"""Convolution and pooling."""

from __future__ import annotations

from typing import Any

from npnet.backend import Array
from npnet.nn import average_pooling as _average_pooling
from npnet.nn import pooling as _pooling
from npnet.nn.convolution import convolve
from npnet.nn.pooling import SizeLike

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "max_pool1d",
    "max_pool2d",
]


def conv1d(
    input: Array,  # noqa: A002 (PyTorch's name)
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: str | SizeLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Array:
    """Compute :class:`npnet.nn.Conv1d` with these weights.

    Examples
    --------
    >>> import numpy as np
    >>> conv1d(np.array([[1.0, 4.0, 9.0]]), np.array([[[-1.0, 1.0]]]))
    array([[3., 5.]])
    """
    return convolve("conv1d", input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Array,  # noqa: A002 (PyTorch's name)
    weight: Array,
    bias: Array | None = None,
    stride: SizeLike = 1,
    padding: str | SizeLike = 0,
    dilation: SizeLike = 1,
    groups: int = 1,
) -> Array:
    """Compute :class:`npnet.nn.Conv2d` with these weights.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)))
    array([[[4., 4.],
            [4., 4.]]])
    """
    return convolve("conv2d", input, weight, bias, stride, padding, dilation, groups)


def max_pool1d(
    input: Array,  # noqa: A002 (PyTorch's name)
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.MaxPool1d`.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool1d(np.array([[1.0, 4.0, 9.0, 0.0]]), 2)
    array([[4., 9.]])
    """
    layer = _pooling.MaxPool1d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)
    return layer.forward(input)


def max_pool2d(
    input: Array,  # noqa: A002 (PyTorch's name)
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    dilation: SizeLike = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.MaxPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    """
    layer = _pooling.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)
    return layer.forward(input)


def avg_pool1d(
    input: Array,  # noqa: A002 (PyTorch's name)
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Compute :class:`npnet.nn.AvgPool1d`.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool1d(np.array([[1.0, 4.0, 9.0, 0.0]]), 2)
    array([[2.5, 4.5]])
    """
    layer = _average_pooling.AvgPool1d(kernel_size, stride, padding, ceil_mode, count_include_pad)
    return layer.forward(input)


def avg_pool2d(
    input: Array,  # noqa: A002 (PyTorch's name)
    kernel_size: SizeLike,
    stride: SizeLike | None = None,
    padding: SizeLike = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Compute :class:`npnet.nn.AvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    layer = _average_pooling.AvgPool2d(
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return layer.forward(input)


def adaptive_avg_pool1d(input: Array, output_size: Any) -> Array:  # noqa: A002 (PyTorch's name)
    """Compute :class:`npnet.nn.AdaptiveAvgPool1d`.

    Examples
    --------
    >>> import numpy as np
    >>> adaptive_avg_pool1d(np.array([[1.0, 2.0, 6.0]]), 2)
    array([[1.5, 4. ]])
    """
    return _average_pooling.AdaptiveAvgPool1d(output_size).forward(input)


def adaptive_avg_pool2d(input: Array, output_size: Any) -> Array:  # noqa: A002 (PyTorch's name)
    """Compute :class:`npnet.nn.AdaptiveAvgPool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> adaptive_avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 1)
    array([[[7.5]]])
    """
    return _average_pooling.AdaptiveAvgPool2d(output_size).forward(input)

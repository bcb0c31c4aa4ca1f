"""The activations that take ``inplace``, which is refused; the others are their formulas themselves."""

from __future__ import annotations

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.nn import activation as _activation
from npnet.nn.activation import refuse_inplace
from npnet.nn.activation.softmax import axis_of

__all__ = [
    "celu",
    "elu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "silu",
    "softmax",
    "softmin",
    "threshold",
]


def relu(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.ReLU`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    refuse_inplace("relu", inplace)
    return _activation.relu(input)


def leaky_relu(
    input: Array,  # noqa: A002 (PyTorch's name)
    negative_slope: float = 0.01,
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.LeakyReLU`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    refuse_inplace("leaky_relu", inplace)
    return _activation.leaky_relu(input, negative_slope)


def elu(
    input: Array,  # noqa: A002 (PyTorch's name)
    alpha: float = 1.0,
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.ELU`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> elu(np.array([-1e4, 2.0]))
    array([-1.,  2.])
    """
    refuse_inplace("elu", inplace)
    return _activation.elu(input, alpha)


def celu(
    input: Array,  # noqa: A002 (PyTorch's name)
    alpha: float = 1.0,
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.CELU`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> celu(np.array([-1e4, 2.0]))
    array([-1.,  2.])
    """
    refuse_inplace("celu", inplace)
    return _activation.celu(input, alpha)


def selu(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.SELU`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> selu(np.array([0.0, 1.0]))
    array([0.        , 1.05070099])
    """
    refuse_inplace("selu", inplace)
    return _activation.selu(input)


def silu(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.SiLU`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> silu(np.array([0.0, 1e4]))
    array([    0., 10000.])
    """
    refuse_inplace("silu", inplace)
    return _activation.silu(input)


def mish(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.Mish`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> mish(np.array([0.0, 1e4]))
    array([    0., 10000.])
    """
    refuse_inplace("mish", inplace)
    return _activation.mish(input)


def hardtanh(
    input: Array,  # noqa: A002 (PyTorch's name)
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.Hardtanh`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> hardtanh(np.array([-5.0, 0.5]))
    array([-1. ,  0.5])
    """
    refuse_inplace("hardtanh", inplace)
    return _activation.hardtanh(input, min_val, max_val)


def relu6(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.ReLU6`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> relu6(np.array([-5.0, 7.0]))
    array([0., 6.])
    """
    refuse_inplace("relu6", inplace)
    return _activation.hardtanh(input, 0.0, 6.0)


def hardsigmoid(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.Hardsigmoid`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> hardsigmoid(np.array([-5.0, 0.0]))
    array([0. , 0.5])
    """
    refuse_inplace("hardsigmoid", inplace)
    return _activation.hardsigmoid(input)


def hardswish(
    input: Array,  # noqa: A002 (PyTorch's name)
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.Hardswish`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> hardswish(np.array([0.0, 5.0]))
    array([0., 5.])
    """
    refuse_inplace("hardswish", inplace)
    return _activation.hardswish(input)


def threshold(
    input: Array,  # noqa: A002 (PyTorch's name)
    threshold: float,
    value: float,
    inplace: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.Threshold`; only ``inplace=False`` is supported.

    Examples
    --------
    >>> import numpy as np
    >>> threshold(np.array([0.0, 5.0]), 1.0, 20.0)
    array([20.,  5.])
    """
    refuse_inplace("threshold", inplace)
    return _activation.threshold(input, threshold, value)


def softmax(
    input: Array,  # noqa: A002 (PyTorch's name)
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
) -> Array:
    """Compute :class:`npnet.nn.Softmax`, of the input in `dtype` where one is given.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.array([1e4, 1e4]), dim=0).round(4)
    array([0.5, 0.5])
    """
    return _activation.Softmax(axis_of(input, dim, "softmax", _stacklevel - 1)).forward(
        _as_type(input, dtype)
    )


def softmin(
    input: Array,  # noqa: A002 (PyTorch's name)
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
) -> Array:
    """Compute :class:`npnet.nn.Softmin`, of the input in `dtype` where one is given.

    Examples
    --------
    >>> import numpy as np
    >>> softmin(np.array([1e4, 1e4]), dim=0).round(4)
    array([0.5, 0.5])
    """
    return _activation.Softmin(axis_of(input, dim, "softmin", _stacklevel - 1)).forward(
        _as_type(input, dtype)
    )


def log_softmax(
    input: Array,  # noqa: A002 (PyTorch's name)
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
) -> Array:
    """Compute :class:`npnet.nn.LogSoftmax`, of the input in `dtype` where one is given.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.array([1e4, 1e4]), dim=0).round(4)
    array([-0.6931, -0.6931])
    """
    return _activation.LogSoftmax(axis_of(input, dim, "log_softmax", _stacklevel - 1)).forward(
        _as_type(input, dtype)
    )


def _as_type(x: Array, dtype: DTypeLike | None) -> Array:
    return x if dtype is None else x.astype(backend.floating_dtype(dtype), copy=False)

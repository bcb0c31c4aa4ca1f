"""The activations that take ``inplace``, which is refused; the others are their formulas themselves."""

from __future__ import annotations

from npnet.backend import Array
from npnet.nn import activation as _activation
from npnet.nn.activation import refuse_inplace

__all__ = ["celu", "elu", "leaky_relu", "mish", "relu", "selu", "silu"]


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

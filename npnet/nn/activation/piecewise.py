r"""Sigmoids and gates made of straight lines: cheap, and flat where they saturate.

At a corner the derivative is that of the flat side, as in PyTorch; :class:`Hardswish` says where it differs.
"""

from __future__ import annotations

import numpy as np

from npnet.backend import Array
from npnet.errors import ConflictError, UnsupportedError
from npnet.nn.activation.base import Elementwise, refuse_inplace

__all__ = [
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "ReLU6",
    "hardsigmoid",
    "hardsigmoid_backward",
    "hardswish",
    "hardswish_backward",
    "hardtanh",
    "hardtanh_backward",
]


def hardtanh(input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:  # noqa: A002
    r"""Compute :math:`\min(\max(x, a), b)`."""
    _check_bounds("hardtanh", min_val, max_val, equal=True)
    return np.clip(input, min_val, max_val)


def _check_bounds(owner: str, min_val: float, max_val: float, *, equal: bool) -> None:
    """Refuse bounds in the wrong order; PyTorch's function takes equal ones, its class does not."""
    if not (max_val > min_val or (equal and max_val == min_val)):
        wanted = "at least" if equal else "above"
        raise ConflictError(f"{owner}: max_val must be {wanted} min_val, got {max_val} and {min_val}")


def hardtanh_backward(g: Array, x: Array, min_val: float, max_val: float) -> Array:
    r""":math:`g \, [a < x < b]`."""
    return g * ((x > min_val) & (x < max_val))


def hardsigmoid(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\min(\max(x + 3, 0), 6) / 6`."""
    return np.clip(input + 3, 0, 6) / 6


def hardsigmoid_backward(g: Array, x: Array) -> Array:
    r""":math:`g / 6 \, [-3 < x < 3]`."""
    return g * ((x > -3) & (x < 3)) / 6


def hardswish(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x \min(\max(x + 3, 0), 6) / 6`."""
    return input * hardsigmoid(input)


def hardswish_backward(g: Array, x: Array) -> Array:
    r""":math:`g (x / 3 + 1/2)` where :math:`-3 < x < 3`, :math:`g` from 3 on, 0 up to -3."""
    return g * np.where(x < 3, np.where(x > -3, x / 3 + 0.5, 0), 1)


class Hardtanh(Elementwise):
    r"""Cut to an interval: :math:`y = \min(\max(x, a), b)`.

    .. math:: \partial L / \partial x = g \, [a < x < b]

    Parameters
    ----------
    min_val, max_val : float
        The bounds :math:`a` and :math:`b`.
    inplace : bool
        Only False is supported.
    min_value, max_value : None
        PyTorch's deprecated names of the bounds; refused.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ConflictError
        If `max_val` is not above `min_val`.
    UnsupportedError
        With ``inplace=True`` or a deprecated name.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.Hardtanh(-2.0, 1.0)
    >>> layer(np.array([-5.0, 0.5, 1.0]))
    array([-2. ,  0.5,  1. ])
    >>> layer.backward(np.ones(3))
    array([0., 1., 0.])
    """

    formula, derivative = staticmethod(hardtanh), staticmethod(hardtanh_backward)
    options = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: None = None,
        max_value: None = None,
    ) -> None:
        super().__init__()
        refuse_inplace("Hardtanh", inplace)
        if min_value is not None or max_value is not None:
            raise UnsupportedError("min_value and max_value are deprecated in PyTorch; use min_val, max_val")
        _check_bounds("Hardtanh", min_val, max_val, equal=False)
        self.min_val, self.max_val = min_val, max_val


class ReLU6(Elementwise):
    r"""Rectifier that saturates: :math:`y = \min(\max(x, 0), 6)`.

    .. math:: \partial L / \partial x = g \, [0 < x < 6]

    Parameters
    ----------
    inplace : bool
        Only False is supported.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    UnsupportedError
        With ``inplace=True``.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.ReLU6()(np.array([-1.0, 2.0, 1e4]))
    array([0., 2., 6.])

    References
    ----------
    Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010).
    """

    formula, derivative = staticmethod(hardtanh), staticmethod(hardtanh_backward)
    options = ("min_val", "max_val")
    min_val, max_val = 0.0, 6.0

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("ReLU6", inplace)

    def extra_repr(self) -> str:
        """Nothing: the bounds are part of the name."""
        return ""


class Hardsigmoid(Elementwise):
    r"""Three straight lines in place of the logistic function: :math:`y = \min(\max(x + 3, 0), 6) / 6`.

    .. math:: \partial L / \partial x = \tfrac16 g \, [-3 < x < 3]

    Parameters
    ----------
    inplace : bool
        Only False is supported.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    UnsupportedError
        With ``inplace=True``.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Hardsigmoid()(np.array([-1e4, 0.0, 1.5, 1e4]))
    array([0.  , 0.5 , 0.75, 1.  ])

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    formula, derivative = staticmethod(hardsigmoid), staticmethod(hardsigmoid_backward)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("Hardsigmoid", inplace)


class Hardswish(Elementwise):
    r"""Gate of straight lines: :math:`y = x \min(\max(x + 3, 0), 6) / 6`.

    .. math::
        \partial L / \partial x = 0 \ \text{ for } x \le -3, \qquad
        g \, (x / 3 + 1/2) \ \text{ for } -3 < x < 3, \qquad g \ \text{ for } x \ge 3

    Parameters
    ----------
    inplace : bool
        Only False is supported.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    UnsupportedError
        With ``inplace=True``.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.Hardswish()
    >>> layer(np.array([-3.0, 0.0, 3.0]))
    array([-0.,  0.,  3.])
    >>> layer.backward(np.ones(3))
    array([0. , 0.5, 1. ])

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    formula, derivative = staticmethod(hardswish), staticmethod(hardswish_backward)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("Hardswish", inplace)

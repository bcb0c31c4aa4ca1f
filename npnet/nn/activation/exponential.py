r"""Exponential linear units: the identity above zero, an exponential that levels off below.

Three names for one formula, with a height :math:`a`, a rate :math:`r` and a scale :math:`s`:

.. math:: y = s \, x \ \text{ for } x > 0, \qquad y = s \, a \, (e^{r x} - 1) \ \text{ else}
"""

from __future__ import annotations

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.nn.activation.base import Elementwise, refuse_inplace

__all__ = [
    "CELU",
    "ELU",
    "SELU",
    "celu",
    "celu_backward",
    "elu",
    "elu_backward",
    "selu",
    "selu_backward",
]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
"""The height and the scale for which mean 0 and variance 1 are a fixed point of a layer of many inputs."""


def exponential_unit(x: Array, alpha: float, rate: float, scale: float) -> Array:
    r"""Compute :math:`s \max(x, 0) + s \, a \, (e^{r \min(x, 0)} - 1)`: one term of the two is zero."""
    return scale * np.maximum(x, 0) + scale * alpha * np.expm1(rate * np.minimum(x, 0))


def exponential_unit_backward(g: Array, x: Array, alpha: float, rate: float, scale: float) -> Array:
    r""":math:`g s` where :math:`x > 0`, :math:`g s \, a \, r \, e^{r x}` else."""
    return g * np.where(x > 0, scale, scale * alpha * rate * np.exp(rate * np.minimum(x, 0)))


def elu(input: Array, alpha: float = 1.0) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x` for :math:`x > 0`, :math:`a (e^x - 1)` else."""
    return exponential_unit(input, alpha, 1.0, 1.0)


def elu_backward(g: Array, x: Array, alpha: float) -> Array:
    r""":math:`g` where :math:`x > 0`, :math:`g \, a \, e^x` else."""
    return exponential_unit_backward(g, x, alpha, 1.0, 1.0)


def celu(input: Array, alpha: float = 1.0) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x` for :math:`x > 0`, :math:`a (e^{x / a} - 1)` else."""
    _check_alpha("celu", alpha)
    return exponential_unit(input, alpha, 1.0 / alpha, 1.0)


def _check_alpha(owner: str, alpha: float) -> None:
    if alpha == 0:
        raise ArgumentError(f"{owner} divides by alpha, which must not be 0; ReLU is the limit")


def celu_backward(g: Array, x: Array, alpha: float) -> Array:
    r""":math:`g` where :math:`x > 0`, :math:`g \, e^{x / a}` else."""
    return exponential_unit_backward(g, x, alpha, 1.0 / alpha, 1.0)


def selu(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`s x` for :math:`x > 0`, :math:`s \, a (e^x - 1)` else, with the two constants."""
    return exponential_unit(input, SELU_ALPHA, 1.0, SELU_SCALE)


def selu_backward(g: Array, x: Array) -> Array:
    r""":math:`g s` where :math:`x > 0`, :math:`g s \, a \, e^x` else."""
    return exponential_unit_backward(g, x, SELU_ALPHA, 1.0, SELU_SCALE)


class ELU(Elementwise):
    r"""Exponential linear unit :math:`y = x` for :math:`x > 0`, :math:`y = a (e^x - 1)` else.

    .. math:: \partial L / \partial x = g \, (1 \text{ if } x > 0 \text{ else } a \, e^x)

    With :math:`a \ne 1` there is a kink at 0, where the derivative is :math:`a`, as in PyTorch.

    Parameters
    ----------
    alpha : float, default 1.0
        The height :math:`a`: outputs stay above :math:`-a`.
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
    >>> layer = nn.ELU()
    >>> layer(np.array([-1e4, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    >>> layer.backward(np.ones(3))
    array([0., 1., 1.])

    References
    ----------
    Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear
    units", ICLR 2016.
    """

    formula, derivative = staticmethod(elu), staticmethod(elu_backward)
    options = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("ELU", inplace)
        self.alpha = alpha


class CELU(Elementwise):
    r"""Exponential linear unit without a kink: :math:`y = x` for :math:`x > 0`, :math:`a (e^{x/a} - 1)` else.

    .. math:: \partial L / \partial x = g \, (1 \text{ if } x > 0 \text{ else } e^{x / a})

    so the derivative is 1 at 0 from either side, whatever :math:`a`.

    Parameters
    ----------
    alpha : float, default 1.0
        The height and width :math:`a`.
    inplace : bool
        Only False is supported.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `alpha` is 0.
    UnsupportedError
        With ``inplace=True``.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.CELU(2.0)(np.array([-1e4, 0.0, 2.0]))
    array([-2.,  0.,  2.])

    References
    ----------
    Barron, "Continuously differentiable exponential linear units", arXiv:1704.07483.
    """

    formula, derivative = staticmethod(celu), staticmethod(celu_backward)
    options = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("CELU", inplace)
        _check_alpha("CELU", alpha)
        self.alpha = alpha


class SELU(Elementwise):
    r"""Self-normalising unit: :math:`y = s x` for :math:`x > 0`, :math:`y = s \, a \, (e^x - 1)` else.

    .. math:: \partial L / \partial x = g \, s \, (1 \text{ if } x > 0 \text{ else } a \, e^x)

    With :math:`a = 1.67326\ldots` and :math:`s = 1.05070\ldots` a standard normal input gives an output of
    mean 0 and variance 1.  It wants weights from :func:`npnet.nn.init.lecun_normal_` and, in place of
    dropout, :class:`~npnet.nn.AlphaDropout`.  The derivative at 0 is :math:`s \, a`, as in PyTorch.

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
    >>> nn.SELU()(np.array([-1e4, 0.0, 1.0])).round(4)
    array([-1.7581,  0.    ,  1.0507])

    References
    ----------
    Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.
    """

    formula, derivative = staticmethod(selu), staticmethod(selu_backward)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("SELU", inplace)

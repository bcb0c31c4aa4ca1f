r"""Units that gate themselves: the input times a smooth step of the input, :math:`y = x \, s(x)`."""

from __future__ import annotations

import math

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.nn.activation.base import Elementwise, refuse_inplace
from npnet.nn.activation.sigmoids import log1p_exp

__all__ = ["GELU", "Mish", "SiLU", "gelu", "gelu_backward", "mish", "mish_backward", "silu", "silu_backward"]

SATURATED = 40.0
"""Beyond it a step is exactly 0 or 1 in float64: inputs are cut there before they are squared or cubed."""

ROOT = math.sqrt(2.0 / math.pi)
CUBIC = 0.044715


def gelu(input: Array, approximate: str = "none") -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x \, \Phi(x)`, or with ``"tanh"`` :math:`\frac{x}{2} (1 + \tanh u)`."""
    _check_approximate("gelu", approximate)
    if approximate == "tanh":
        return 0.5 * input * (1 + np.tanh(_tanh_argument(input)))
    return input * backend.special(input).ndtr(input)


def _check_approximate(owner: str, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"{owner}: approximate must be 'none' or 'tanh', got {approximate!r}")


def gelu_backward(g: Array, x: Array, approximate: str) -> Array:
    r""":math:`g (\Phi + x \varphi)`, or :math:`g \bigl(\frac{1 + t}{2} + \frac{x}{2} (1 - t^2) u'\bigr)`."""
    near = np.clip(x, -SATURATED, SATURATED)
    if approximate == "tanh":
        t = np.tanh(_tanh_argument(x))
        slope = ROOT * (1 + 3 * CUBIC * near * near)  # u'
        return g * (0.5 * (1 + t) + 0.5 * near * (1 - t * t) * slope)
    density = np.exp(-0.5 * near * near) * (1 / math.sqrt(2 * math.pi))  # phi
    return g * (backend.special(x).ndtr(x) + near * density)


def _tanh_argument(x: Array) -> Array:
    r""":math:`u = \sqrt{2 / \pi} \, (x + 0.044715 \, x^3)`."""
    near = np.clip(x, -SATURATED, SATURATED)
    return ROOT * (near + CUBIC * near * near * near)


def silu(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x \, \sigma(x)`."""
    return input * backend.special(input).expit(input)


def silu_backward(g: Array, x: Array) -> Array:
    r""":math:`g \, \sigma \, (1 + x (1 - \sigma))`."""
    sigma = backend.special(x).expit(x)
    return g * (sigma * (1 + x * (1 - sigma)))


def mish(input: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`x \tanh(\log(1 + e^x))`."""
    return input * np.tanh(log1p_exp(input))


def mish_backward(g: Array, x: Array) -> Array:
    r""":math:`g (t + x \, \sigma (1 - t^2))` with :math:`t = \tanh(\log(1 + e^x))`."""
    t = np.tanh(log1p_exp(x))
    return g * (t + x * backend.special(x).expit(x) * (1 - t * t))


class GELU(Elementwise):
    r"""Gaussian error linear unit :math:`y = x \, \Phi(x)`, :math:`\Phi` the normal distribution function.

    .. math:: \partial L / \partial x = g \, (\Phi(x) + x \, \varphi(x))

    with the normal density :math:`\varphi`.  With ``approximate="tanh"``

    .. math::
        u = \sqrt{2 / \pi} \, (x + 0.044715 \, x^3), \qquad y = \tfrac12 x \, (1 + \tanh u), \qquad
        \frac{\partial L}{\partial x} = g \, \bigl( \tfrac12 (1 + \tanh u)
        + \tfrac12 x \, (1 - \tanh^2 u) \sqrt{2 / \pi} \, (1 + 0.134145 \, x^2) \bigr)

    :math:`\Phi` comes from SciPy's ``ndtr``, which keeps its digits where :math:`\Phi` is tiny; PyTorch's
    :math:`\frac12 (1 + \mathrm{erf}(x / \sqrt 2))` loses them below -4.

    Parameters
    ----------
    approximate : {"none", "tanh"}

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `approximate` is something else.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.GELU()(np.array([-1e4, 0.0, 1.0])).round(6)
    array([-0.      ,  0.      ,  0.841345])
    >>> nn.GELU("tanh")(np.array([-1e4, 0.0, 1.0])).round(6)
    array([-0.      ,  0.      ,  0.841192])

    References
    ----------
    Hendrycks, Gimpel, "Gaussian error linear units", arXiv:1606.08415.
    """

    formula, derivative = staticmethod(gelu), staticmethod(gelu_backward)
    options = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        _check_approximate("GELU", approximate)
        self.approximate = approximate


class SiLU(Elementwise):
    r"""Sigmoid linear unit, or swish: :math:`y = x \, \sigma(x)`, :math:`\sigma(x) = 1 / (1 + e^{-x})`.

    .. math:: \partial L / \partial x = g \, \sigma(x) \, (1 + x \, (1 - \sigma(x)))

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
    >>> nn.SiLU()(np.array([-1e4, 0.0, 1e4]))
    array([   -0.,     0., 10000.])

    References
    ----------
    Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", Neural Networks 107 (2018).
    """

    formula, derivative = staticmethod(silu), staticmethod(silu_backward)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("SiLU", inplace)


class Mish(Elementwise):
    r"""Mish: :math:`y = x \tanh(\log(1 + e^x))`.

    With :math:`t = \tanh(\log(1 + e^x))`,

    .. math:: \partial L / \partial x = g \, (t + x \, \sigma(x) \, (1 - t^2))

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
    >>> nn.Mish()(np.array([-1e4, 0.0, 1e4]))
    array([   -0.,     0., 10000.])

    References
    ----------
    Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.
    """

    formula, derivative = staticmethod(mish), staticmethod(mish_backward)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        refuse_inplace("Mish", inplace)

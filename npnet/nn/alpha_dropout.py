r"""Dropout that keeps mean 0 and variance 1, for networks of :class:`~npnet.nn.SELU`."""

from __future__ import annotations

import math

import numpy as np

from npnet.backend import Array
from npnet.nn.activation.exponential import SELU_ALPHA, SELU_SCALE
from npnet.nn.dropout import MaskedLayer
from npnet.nn.feature_dropout import FeatureMaskedLayer

__all__ = ["AlphaDropout", "FeatureAlphaDropout", "alpha_masked", "alpha_masked_backward"]

LOWEST = -SELU_ALPHA * SELU_SCALE
"""What SELU tends to for large negative inputs: the value of what is dropped."""


def _scale(p: float) -> float:
    r""":math:`a = \bigl( (1 - p) (1 + p \, \alpha'^2) \bigr)^{-1/2}`; 0 where everything is dropped."""
    return 0.0 if p == 1.0 else 1.0 / math.sqrt((1.0 - p) * (1.0 + p * LOWEST * LOWEST))


def alpha_masked(x: Array, keep: Array, p: float) -> Array:
    r"""Compute :math:`a \, (x \odot m + \alpha' (1 - m)) - a \, p \, \alpha'`, 0 for :math:`p = 1`.

    Examples
    --------
    >>> alpha_masked(np.array([1.0, 1.0]), np.array([True, False]), 0.5).round(4)
    array([ 1.6656, -0.7792])
    """
    a = _scale(p)
    return a * np.where(keep, x, LOWEST) - a * p * LOWEST


def alpha_masked_backward(g: Array, keep: Array, p: float) -> Array:
    r""":math:`a \, g \odot m`."""
    return g * keep * _scale(p)


class AlphaDropout(MaskedLayer):
    r"""Set elements to SELU's lowest value with probability :math:`p` while training, and keep the moments.

    With :math:`\alpha' = -1.7581\ldots`, the limit of SELU for large negative inputs,

    .. math::
        a = \bigl( (1 - p) (1 + p \, \alpha'^2) \bigr)^{-1/2}, \qquad
        y = a \, (x \odot m + \alpha' (1 - m)) - a \, p \, \alpha', \qquad
        \partial L / \partial x = a \, g \odot m

    with :math:`m_i \sim \mathrm{Bernoulli}(1 - p)`: an input of mean 0 and variance 1 gives an output of
    mean 0 and variance 1.  With :math:`p = 1` the output is 0, as in PyTorch.

    Parameters
    ----------
    p : float, default 0.5
        Probability of dropping.
    inplace : bool
        Only False is supported.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the masks; the ``dropout`` stream where it is None.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `p` is not within 0 and 1.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.AlphaDropout(0.5)
    >>> layer(np.array([1.0, 1.0]), mask=np.array([True, False])).round(4)
    array([ 1.6656, -0.7792])
    >>> layer.backward(np.ones(2)).round(4)
    array([0.8864, 0.    ])

    References
    ----------
    Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", NeurIPS 2017.
    """

    formula, derivative = staticmethod(alpha_masked), staticmethod(alpha_masked_backward)
    keeps = "nothing"


class FeatureAlphaDropout(FeatureMaskedLayer):
    r"""Set whole channels to SELU's lowest value with probability :math:`p` while training.

    The equations are those of :class:`AlphaDropout`, with one :math:`m_{nc}` for all positions of a channel.

    Parameters
    ----------
    p : float, default 0.5
        Probability of dropping.
    inplace : bool
        Only False is supported.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the masks; the ``dropout`` stream where it is None.

    Shape
    -----
    ``(n, c, ...)``; the output has the input's.  A given mask is ``(n, c, 1, ...)``.

    Raises
    ------
    ArgumentError
        If `p` is not within 0 and 1.
    ShapeError
        If the input has fewer than two axes.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.FeatureAlphaDropout(0.5)
    >>> layer(np.ones((1, 2, 2)), mask=np.array([[[True], [False]]])).round(4)
    array([[[ 1.6656,  1.6656],
            [-0.7792, -0.7792]]])
    """

    formula, derivative = staticmethod(alpha_masked), staticmethod(alpha_masked_backward)
    keeps = "nothing"
    takes = "(n, c, ...)"

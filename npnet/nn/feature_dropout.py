"""Dropout of whole channels."""

from __future__ import annotations

from typing import ClassVar

from npnet.backend import Array
from npnet.errors import ShapeError
from npnet.nn.dropout import MaskedLayer

__all__ = ["Dropout1d", "Dropout2d", "FeatureMaskedLayer"]


class FeatureMaskedLayer(MaskedLayer):
    """Base of the kinds that keep or drop whole channels: axis 1, or axis 0 without a batch."""

    joins_rows = False
    axes: ClassVar[tuple[int, ...]] = ()  # numbers of axes that are accepted; empty for two or more
    takes: ClassVar[str]

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """One element a sample and channel."""
        if x.ndim < 2 or (self.axes and x.ndim not in self.axes):
            raise ShapeError(f"{type(self).__name__} takes input of shape {self.takes}, got {x.shape}")
        return (*x.shape[:2], *[1] * (x.ndim - 2))


class Dropout1d(FeatureMaskedLayer):
    r"""Set whole channels of sequences to zero with probability :math:`p` while training.

    .. math::
        y_{ncl} = x_{ncl} \, m_{nc} / (1 - p), \qquad m_{nc} \sim \mathrm{Bernoulli}(1 - p), \qquad
        \partial L / \partial x_{ncl} = g_{ncl} \, m_{nc} / (1 - p)

    What is kept is scaled up, as in :class:`~npnet.nn.Dropout`.  Neighbours of one feature map are alike, so
    that dropping single ones would take little away.

    Parameters
    ----------
    p : float, default 0.5
        Probability of zero.
    inplace : bool
        Only False is supported.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the masks; the ``dropout`` stream where it is None.

    Shape
    -----
    ``(n, c, length)`` or, without a batch, ``(c, length)``; the output has the input's.  A given mask is
    ``(n, c, 1)`` or ``(c, 1)``.

    Raises
    ------
    ArgumentError
        If `p` is not within 0 and 1.
    ShapeError
        If the input has another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> layer = nn.Dropout1d(0.5)
    >>> layer(np.ones((1, 2, 3)), mask=np.array([[[True], [False]]]))
    array([[[2., 2., 2.],
            [0., 0., 0.]]])

    References
    ----------
    Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015.
    """

    axes, takes = (2, 3), "(n, c, length) or (c, length)"

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """One element a sample and channel."""
        shape = super().mask_shape(x)
        return (x.shape[0], 1) if x.ndim == 2 else shape


class Dropout2d(FeatureMaskedLayer):
    r"""Set whole channels of images to zero with probability :math:`p` while training.

    .. math::
        y_{nchw} = x_{nchw} \, m_{nc} / (1 - p), \qquad m_{nc} \sim \mathrm{Bernoulli}(1 - p), \qquad
        \partial L / \partial x_{nchw} = g_{nchw} \, m_{nc} / (1 - p)

    Parameters
    ----------
    p : float, default 0.5
        Probability of zero.
    inplace : bool
        Only False is supported.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the masks; the ``dropout`` stream where it is None.

    Shape
    -----
    ``(n, c, height, width)``; the output has the input's.  A given mask is ``(n, c, 1, 1)``.  Other numbers
    of axes, for which PyTorch warns, are refused.

    Raises
    ------
    ArgumentError
        If `p` is not within 0 and 1.
    ShapeError
        If the input has another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> nn.Dropout2d(0.5)(np.ones((1, 2, 1, 2)), mask=np.array([[[[True]], [[False]]]]))
    array([[[[2., 2.]],
    <BLANKLINE>
            [[0., 0.]]]])

    References
    ----------
    Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015.
    """

    axes, takes = (4,), "(n, c, height, width)"

"""Dropout: multiply by a random mask while training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet import random as streams
from npnet.backend import Array
from npnet.engine import elementwise, whole
from npnet.errors import ArgumentError, DtypeError, ShapeError
from npnet.nn.activation import refuse_inplace
from npnet.nn.formula_layer import FormulaLayer, plain

__all__ = ["Dropout", "MaskedLayer", "checked_mask", "drawn_mask", "factors"]


@whole
def factors(keep: Array, p: float, like: Array) -> Array:
    r"""Compute :math:`m / (1 - p)` in the dtype of `like`: what dropout multiplies by, forward and backward.

    Examples
    --------
    >>> factors(np.array([True, False]), 0.5, np.ones(2))
    array([2., 0.])
    """
    factor = keep.astype(like.dtype)
    factor *= 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    return factor


@elementwise
def times(x: Array, factor: Array) -> Array:
    """Multiply element by element."""
    return x * factor


@whole
def masked(x: Array, keep: Array, p: float) -> tuple[Array, Array]:
    r"""Compute :math:`x \odot m / (1 - p)`; and the factor, for backward."""
    factor = factors(keep, p, x)
    return times(x, factor), factor


@whole
def masked_backward(g: Array, factor: Array, keep: Array, p: float) -> Array:
    r""":math:`g \odot m / (1 - p)`."""
    return times(g, factor)


def drawn_mask(p: float, shape: tuple[int, ...], like: Array, generator: Any) -> Array:
    """Draw what to keep, True with probability ``1 - p``, on the device of `like`.

    Examples
    --------
    >>> drawn_mask(1.0, (2,), np.ones(1), None)
    array([False, False])
    """
    if p == 1.0:  # no draw, as in PyTorch
        return np.zeros(shape, dtype=bool, like=like)
    mask: Array = streams.resolve(generator, "dropout").bernoulli(1.0 - p, shape, like=like)
    return mask


def masks_together(layers: Sequence[Any], inputs: Sequence[Array]) -> Callable[[], Sequence[Any]]:
    """What draws the operands of several kinds of dropout that are called one after another: masks at once.

    They are the same as if each layer drew its own.
    """
    p, own, like = layers[0].p, layers[0].generator, inputs[0]

    def apart() -> Sequence[Any]:
        return [layer.operands(x) for layer, x in zip(layers, inputs, strict=True)]

    alike = all(layer.training and layer.p == p and layer.generator is own for layer in layers)
    computed = any(hasattr(type(layer), name) for layer in layers for name in ("p", "generator", "training"))
    if computed or not alike or not 0.0 < p < 1.0:
        return apart
    shapes = tuple([layer.mask_shape(x) for layer, x in zip(layers, inputs, strict=True)])

    def at_once() -> Sequence[Any]:
        generator = streams.resolve(own, "dropout")
        if type(generator) is not streams.Generator:
            return apart()
        return [(mask, p) for mask in generator.bernoullis(1.0 - p, shapes, like=like)]

    return at_once


class MaskedLayer(FormulaLayer):
    """What every kind of dropout does: the probability, the mask, the modes, and the call of two formulas.

    A subclass of another kind gives formulas that take a mask and `p`; and :meth:`mask_shape` if the mask has
    not the input's shape but one that broadcasts to it.
    """

    together: ClassVar[Any] = staticmethod(masks_together)
    formula: ClassVar[staticmethod[..., Any]] = staticmethod(masked)
    derivative: ClassVar[staticmethod[..., Any]] = staticmethod(masked_backward)
    keeps: ClassVar[str | int] = 1

    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: Any = None) -> None:
        super().__init__()
        refuse_inplace(type(self).__name__, inplace)
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"dropout probability must lie between 0 and 1, got {p}")
        self.p = float(p)
        self.generator = generator

    def mask_shape(self, x: Array) -> tuple[int, ...]:
        """Shape of the mask for an input.

        Raises
        ------
        ShapeError
            If the layer takes no input of this shape.
        """
        return x.shape

    @plain
    def forward(self, input: Array, *, mask: Array | None = None) -> Array:  # noqa: A002 (PyTorch's name)
        """Drop while training.

        Parameters
        ----------
        input : ndarray
        mask : ndarray of bool, keyword-only, optional
            True for what is kept, in place of a drawn mask.
        """
        self.check(input)
        return self.noted(input, self.operands(input, mask))

    @plain
    def operands(self, x: Array, mask: Array | None = None) -> tuple[Array, float] | None:
        """A drawn or given mask, and the probability; None where everything passes."""
        shape = self.mask_shape(x)
        if not self.training or (self.p == 0.0 and mask is None):
            return None
        keep = drawn_mask(self.p, shape, x, self.generator) if mask is None else checked_mask(mask, shape)
        return keep, self.p

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def checked_mask(mask: Any, shape: tuple[int, ...]) -> Array:
    """A given mask, if it is boolean and of this shape; else DtypeError or ShapeError."""
    if not backend.is_array(mask) or mask.dtype != bool:
        raise DtypeError(f"mask must be a boolean array, got {getattr(mask, 'dtype', type(mask).__name__)}")
    if mask.shape != shape:
        raise ShapeError(f"mask of shape {mask.shape} does not fit this input, which takes {shape}")
    return mask


class Dropout(MaskedLayer):
    r"""Set elements to zero with probability :math:`p` while training, and scale the others up.

    .. math::
        y = x \odot m / (1 - p), \qquad m_i \sim \mathrm{Bernoulli}(1 - p), \qquad
        \partial L / \partial x = g \odot m / (1 - p)

    so that the expectation of :math:`y` is :math:`x` and evaluation passes the input through.

    Parameters
    ----------
    p : float, default 0.5
        Probability of zero; 0 passes everything through, 1 nothing.
    inplace : bool
        Only False is supported.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the masks; the ``dropout`` stream where it is None.  A
        :class:`~npnet.random.RecordingGenerator` keeps them, a
        :class:`~npnet.random.ReplayGenerator` gives them back.

    Shape
    -----
    Any; the output has the input's.

    Raises
    ------
    ArgumentError
        If `p` is not within 0 and 1.
    ShapeError, DtypeError
        If a given mask is not boolean or has not the input's shape.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.Dropout(0.5)
    >>> layer(np.array([1.0, 2.0]), mask=np.array([False, True]))
    array([0., 4.])
    >>> layer.backward(np.array([1.0, 1.0]))
    array([0., 2.])
    >>> layer.eval()(np.array([1.0, 2.0]))
    array([1., 2.])

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: a simple way to prevent neural
    networks from overfitting", JMLR 15 (2014).  They scale at test time instead.
    """

"""Losses that compare inputs with one another: which is larger, how near two vectors are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError, UnsupportedError
from npnet.nn.loss.base import Loss, beside

__all__ = [
    "CosineEmbeddingLoss",
    "MarginRankingLoss",
    "TripletMarginLoss",
    "cosine",
    "cosine_backward",
    "distance",
    "distance_backward",
]

TINY = 1e-12
"""Added to squared lengths, so that vectors of zeros have a cosine: PyTorch's."""


def cosine(a: Array, b: Array) -> tuple[Array, Array, Array]:
    r"""Compute :math:`a \cdot b / \sqrt{|a|^2 |b|^2}` along the last axis.

    Returns
    -------
    tuple of ndarray
        The cosine, :math:`|a|^2` and :math:`|b|^2`, with the last axis kept.
    """
    squared_a = np.sum(a * a, axis=-1, keepdims=True) + TINY
    squared_b = np.sum(b * b, axis=-1, keepdims=True) + TINY
    return np.sum(a * b, axis=-1, keepdims=True) / np.sqrt(squared_a * squared_b), squared_a, squared_b


def cosine_backward(a: Array, b: Array, c: Array, squared_a: Array, squared_b: Array) -> Array:
    r""":math:`\partial c / \partial a = b / \sqrt{|a|^2 |b|^2} - c \, a / |a|^2`."""
    return b / np.sqrt(squared_a * squared_b) - a * (c / squared_a)


def distance(u: Array, p: float) -> Array:
    r"""Compute :math:`(\sum_k |u_k|^p)^{1/p}` along the last axis, which is kept."""
    if p == 2:
        return np.sqrt(np.sum(u * u, axis=-1, keepdims=True))
    return np.sum(np.abs(u) ** p, axis=-1, keepdims=True) ** (1 / p)


def distance_backward(u: Array, d: Array, p: float) -> Array:
    r""":math:`\partial d / \partial u_k = \mathrm{sign}(u_k) (|u_k| / d)^{p-1}`, 0 where :math:`d` is 0."""
    d = np.where(d == 0, 1, d)
    return np.sign(u) * (np.abs(u) / d) ** (p - 1)


class _Comparison(Loss):
    """A loss of several inputs of one shape, with a margin."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def _check_alike(self, **inputs: Any) -> None:
        first, *rest = inputs.values()
        self.check_input(first)
        for other in rest:
            self.check_input(other, like=first)
        if any(other.shape != first.shape for other in rest):
            shapes = ", ".join(f"{name} {x.shape}" for name, x in inputs.items())
            raise ShapeError(f"{type(self).__name__} takes inputs of one shape, got {shapes}")

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, margin={self.margin}"


class MarginRankingLoss(_Comparison):
    r"""Of two scores the right one shall be larger by a margin.

    .. math::
        \ell = \max(0, \Delta - t (x_1 - x_2)), \qquad
        \frac{\partial \ell}{\partial x_1} = -t \, [\Delta - t (x_1 - x_2) \ge 0]
        = -\frac{\partial \ell}{\partial x_2}

    The mean divides by the number of elements.

    Parameters
    ----------
    margin : float, default 0.0
        :math:`\Delta`.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Both inputs and the target of any one shape; the target is 1 where the first shall be larger, else -1.
    ``backward`` gives the gradients by both inputs.

    Raises
    ------
    ShapeError, DtypeError
        If inputs and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.MarginRankingLoss(margin=1.0, reduction="none")
    >>> criterion(np.array([2.0, 0.5]), np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    array([0. , 1.5])
    >>> criterion.backward(np.ones(2))
    (array([-0., -1.]), array([0., 1.]))

    References
    ----------
    Herbrich, Graepel, Obermayer, "Large margin rank boundaries for ordinal regression", 2000.
    """

    def forward(self, input1: Array, input2: Array, target: Array) -> Array:
        """Compare two scores."""
        self._check_alike(input1=input1, input2=input2, target=target)
        excess = self.margin - target * (input1 - input2)
        self.save(excess, target)
        return self._reduced(np.maximum(excess, 0), excess.size)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Any:
        """Compute the gradients by both scores."""
        excess, target = self.saved()
        seed = self._seed(grad_output, excess.shape, excess.size, excess)
        if not input_grad:
            return None
        by_second = target * (excess >= 0) * seed
        return -by_second, by_second


class CosineEmbeddingLoss(_Comparison):
    r"""Vectors that belong together shall point the same way, others not beyond a margin.

    With :math:`c = a \cdot b / \sqrt{|a|^2 |b|^2}` (:math:`10^{-12}` added to each squared length),

    .. math::
        \ell = 1 - c \ \text{ where } t = 1, \qquad
        \ell = \max(0, c - \Delta) \ \text{ where } t = -1, \qquad
        \frac{\partial c}{\partial a} = \frac{b}{|a| |b|} - c \, \frac{a}{|a|^2}

    and by :math:`b` likewise.  The mean divides by the number of pairs.

    Parameters
    ----------
    margin : float, default 0.0
        :math:`\Delta`, from -1 to 1.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Inputs ``(n, d)`` or ``(d,)``, target ``(n,)`` or ``()``, 1 or -1.  ``backward`` gives the gradients by
    both inputs.

    Raises
    ------
    ShapeError, DtypeError
        If inputs and target do not fit.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.CosineEmbeddingLoss(reduction="none")
    >>> a, b = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 2.0], [3.0, 0.0]])
    >>> criterion(a, b, np.array([1.0, -1.0])).round(6)
    array([1., 1.])
    >>> criterion.backward(np.ones(2))[0].round(6)
    array([[-0., -1.],
           [ 0.,  0.]])
    """

    def forward(self, input1: Array, input2: Array, target: Array) -> Array:
        """Compare the directions of two vectors."""
        self._check_alike(input1=input1, input2=input2)
        self.check_input(target, like=input1)
        if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
            raise ShapeError(
                "CosineEmbeddingLoss takes inputs (n, d) and target (n,), or (d,) and (), got "
                f"{input1.shape} and {target.shape}"
            )
        c, *squared = cosine(input1, input2)
        t = target[..., None]
        excess = c - self.margin
        losses = np.where(t == 1, 1 - c, 0) + np.where(t == -1, np.maximum(excess, 0), 0)
        slopes = (t == -1) * (excess >= 0) * c.dtype.type(1) - (t == 1)  # dl/dc
        self.save(input1, input2, c, squared, slopes)
        return self._reduced(losses[..., 0], target.size)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Any:
        """Compute the gradients by both vectors."""
        a, b, c, (squared_a, squared_b), slopes = self.saved()
        seed = self._seed(grad_output, a.shape[:-1], c.size, c)
        if not input_grad:
            return None
        by_cosine = slopes * beside(seed)
        by_first = by_cosine * cosine_backward(a, b, c, squared_a, squared_b)
        return by_first, by_cosine * cosine_backward(b, a, c, squared_b, squared_a)


class TripletMarginLoss(_Comparison):
    r"""An anchor shall be nearer to the positive than to the negative, by a margin.

    With :math:`d(a, b) = \lVert a - b + \epsilon \rVert_p`,

    .. math::
        \ell = \max(0, \Delta + d(a, p) - d(a, n)), \qquad
        \frac{\partial d}{\partial u_k} = \mathrm{sign}(u_k) \Bigl( \frac{|u_k|}{d} \Bigr)^{p-1},
        \quad u = a - b + \epsilon

    With ``swap`` the negative's distance is :math:`\min(d(a, n), d(p, n))`; equal ones share the gradient.
    The mean divides by the number of triplets.

    Parameters
    ----------
    margin : float, default 1.0
        :math:`\Delta`, positive.
    p : float, default 2.0
        Of the norm, 1 or more.
    eps : float, default 1e-6
        :math:`\epsilon`, keeps the distance of equal points from 0.
    swap : bool, default False
        Take the positive as anchor where that is harder.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Anchor, positive and negative of any one shape ``(..., d)``; the losses are ``(...)``.  ``backward`` gives
    the gradients by all three.

    Raises
    ------
    ArgumentError
        If the margin is not positive.
    UnsupportedError
        If `p` is below 1, or infinite.
    ShapeError, DtypeError
        If the three differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.TripletMarginLoss(margin=1.0, eps=0.0)
    >>> criterion(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])).item()
    4.0
    >>> criterion.backward()
    (array([[-0.6,  0.2]]), array([[0.6, 0.8]]), array([[ 0., -1.]]))

    References
    ----------
    Balntas, Riba, Ponsa, Mikolajczyk, "Learning local feature descriptors with triplets and shallow
    convolutional neural networks", BMVC 2016.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        if not margin > 0:
            raise ArgumentError(f"TripletMarginLoss: margin must be positive, got {margin}")
        if not 1 <= p < math.inf:
            raise UnsupportedError(f"TripletMarginLoss: p={p} is not supported, a finite p of 1 or more is")
        self.p, self.eps, self.swap = p, eps, swap

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:
        """Compare two distances."""
        self._check_alike(anchor=anchor, positive=positive, negative=negative)
        if anchor.ndim == 0:
            raise ShapeError("TripletMarginLoss takes vectors of shape (..., d), got single numbers")
        near, far, other = anchor - positive + self.eps, anchor - negative + self.eps, None
        d_near, d_far = distance(near, self.p), distance(far, self.p)
        least, d_other = d_far, None
        if self.swap:
            other = positive - negative + self.eps
            d_other = distance(other, self.p)
            least = np.minimum(d_far, d_other)
        excess = self.margin + d_near - least
        self.save(excess, (near, d_near), (far, d_far), (other, d_other))
        return self._reduced(np.maximum(excess, 0)[..., 0], excess.size)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Any:
        """Compute the gradients by anchor, positive and negative."""
        excess, (near, d_near), (far, d_far), (other, d_other) = self.saved()
        seed = self._seed(grad_output, excess.shape[:-1], excess.size, excess)
        if not input_grad:
            return None
        slope = (excess >= 0).astype(excess.dtype) * beside(seed)
        by_near = slope * distance_backward(near, d_near, self.p)
        by_far = slope * distance_backward(far, d_far, self.p)
        if d_other is None:
            return by_near - by_far, -by_near, by_far
        half = excess.dtype.type(0.5)
        part = (d_far < d_other) + half * (d_far == d_other)  # of d(a, n) in the smaller of the two
        by_far, by_other = part * by_far, (1 - part) * slope * distance_backward(other, d_other, self.p)
        return by_near - by_far, -by_near - by_other, by_far + by_other

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, p={self.p}, eps={self.eps}, swap={self.swap}"

"""Losses that are satisfied beyond a margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.loss.base import ElementwiseLoss, beside
from npnet.nn.loss.classes import ClassLoss, flat

__all__ = [
    "HingeEmbeddingLoss",
    "MultiMarginLoss",
    "hinge_embedding_loss",
    "hinge_embedding_loss_backward",
    "multi_margin_excess",
]


def hinge_embedding_loss(input: Array, target: Array, margin: float = 1.0) -> Array:  # noqa: A002
    r"""Compute :math:`x_i` where :math:`t_i = 1`, :math:`\max(0, \Delta - x_i)` where :math:`t_i = -1`.

    As in PyTorch a target that is neither gives the sum of the two.
    """
    near, far = np.where(target != -1, input, 0), np.where(target != 1, margin - input, 0)
    return near + np.maximum(far, 0)


def hinge_embedding_loss_backward(g: Any, x: Array, target: Array, margin: float) -> Array:
    r""":math:`g` where :math:`t_i = 1`, :math:`-g` where :math:`t_i = -1` and :math:`x_i \le \Delta`."""
    near, far = target != -1, (target != 1) & (x <= margin)
    return (near * x.dtype.type(1) - far) * g


def multi_margin_excess(x: Array, target: Array, margin: float) -> Array:
    r"""By how much each other class comes too near: :math:`z_k = \max(0, \Delta - x_t + x_k)`.

    For the target itself it is 0.

    Parameters
    ----------
    x : ndarray, shape (m, c)
    target : ndarray of int, shape (m,)
    margin : float
    """
    samples = np.arange(target.size, like=x)
    excess = np.maximum(margin - x[samples, target][:, None] + x, 0)
    excess[samples, target] = 0
    return excess


class HingeEmbeddingLoss(ElementwiseLoss):
    r"""Loss of a distance :math:`x`: small for pairs that belong together, beyond a margin for others.

    .. math::
        \ell_i = x_i \ \text{ where } t_i = 1, \qquad
        \ell_i = \max(0, \Delta - x_i) \ \text{ where } t_i = -1

    with the slopes 1 and :math:`-[x_i \le \Delta]`, as in PyTorch.  The mean divides by the number of
    elements.

    Parameters
    ----------
    margin : float, default 1.0
        :math:`\Delta`.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of any one shape; targets are -1 and 1.

    Raises
    ------
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.HingeEmbeddingLoss(reduction="none")
    >>> criterion(np.array([0.25, 0.25, 3.0]), np.array([1.0, -1.0, -1.0]))
    array([0.25, 0.75, 0.  ])
    >>> criterion.backward(np.ones(3))
    array([ 1., -1.,  0.])

    References
    ----------
    Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006 (with
    squares).
    """

    formula, derivative = staticmethod(hinge_embedding_loss), staticmethod(hinge_embedding_loss_backward)
    options = ("margin",)

    def __init__(
        self,
        margin: float = 1.0,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class MultiMarginLoss(ClassLoss):
    r"""Hinge loss of several classes: each other class must score lower than the target by a margin.

    With :math:`z_k = \max(0, \Delta - x_t + x_k)` for :math:`k \ne t`, :math:`C` classes and weights
    :math:`w`,

    .. math::
        \ell = \frac{w_t}{C} \sum_{k \ne t} z_k^p, \qquad
        \frac{\partial \ell}{\partial x_k} = \frac{w_t}{C} \, p \, z_k^{p-1} \, [z_k > 0], \qquad
        \frac{\partial \ell}{\partial x_t} = - \sum_{k \ne t} \frac{\partial \ell}{\partial x_k}

    The mean divides by the number of samples, whatever the weights.

    Parameters
    ----------
    p : {1, 2}
        The power.
    margin : float, default 1.0
        :math:`\Delta`.
    weight : ndarray of shape (C,), optional
        Weight of each class, 1 where not given.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input ``(C,)`` or ``(n, C)``; target without the class axis, integers below C.

    Raises
    ------
    ArgumentError
        If `p` is neither 1 nor 2.
    ShapeError, DtypeError
        If target, weights and input do not fit.
    TargetError
        If a class index is not within 0 and C - 1 (checked on the host only).

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.MultiMarginLoss()
    >>> criterion(np.array([[2.0, 1.5, 0.0, 0.0]]), np.array([0])).item()  # (1 - 2 + 1.5) / 4
    0.125
    >>> criterion.backward()
    array([[-0.25,  0.25,  0.  ,  0.  ]])

    References
    ----------
    Crammer, Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", JMLR 2
    (2001).
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Array | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, None, reduce, reduction)
        if p not in (1, 2):
            raise ArgumentError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ShapeError(f"MultiMarginLoss: weight must have one axis, got shape {weight.shape}")
        self.p, self.margin = p, margin

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare scores with class indices."""
        self._check_classes(input, target)
        if input.ndim > 2:
            raise ShapeError(f"MultiMarginLoss takes input of shape (C,) or (n, C), got {input.shape}")
        self._check_indices(input, target)
        x = input.reshape(-1, input.shape[-1])
        flat = target.reshape(-1)
        excess = multi_margin_excess(x, flat, self.margin)
        factor = 1 / x.shape[1] if self.weight is None else self.weight[flat] / x.shape[1]  # w_t / C
        self.save(target.shape, flat, excess, factor)
        losses = factor * np.sum(excess if self.p == 1 else excess * excess, axis=1)
        return self._reduced(losses.reshape(target.shape), len(x))

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the scores."""
        shape, target, excess, factor = self.saved()
        seed = self._seed(grad_output, shape, len(excess), excess)
        if not input_grad:
            return None
        slopes = (excess > 0) * excess.dtype.type(1) if self.p == 1 else 2 * excess  # p z^(p-1)
        slopes = slopes * beside(factor * flat(seed))
        slopes[np.arange(target.size, like=slopes), target] = -np.sum(slopes, axis=1)
        return slopes if len(shape) else slopes[0]

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, p={self.p}, margin={self.margin}"

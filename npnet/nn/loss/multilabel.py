"""Losses of samples that belong to several classes at once, or to none."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import DtypeError, ShapeError, TargetError
from npnet.nn.activation.sigmoids import log_sigmoid, sigmoid
from npnet.nn.loss.base import Loss, beside

__all__ = [
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "multilabel_soft_margin",
    "multilabel_soft_margin_backward",
]


def multilabel_soft_margin(x: Array, target: Array) -> Array:
    r"""Compute :math:`-t \log \sigma(x) - (1 - t) \log \sigma(-x)`, elementwise."""
    return -(target * log_sigmoid(x) + (1 - target) * log_sigmoid(-x))


def multilabel_soft_margin_backward(g: Any, x: Array, target: Array) -> Array:
    r""":math:`g ((1 - t) \sigma(x) - t \sigma(-x))`."""
    return ((1 - target) * sigmoid(x) - target * sigmoid(-x)) * g


class MultiLabelSoftMarginLoss(Loss):
    r"""Each class on its own is there or not: the mean over classes of the logistic loss.

    .. math::
        \ell = -\frac1C \sum_c w_c \bigl( t_c \log \sigma(x_c) + (1 - t_c) \log \sigma(-x_c) \bigr), \qquad
        \frac{\partial \ell}{\partial x_c} = \frac{w_c}{C} \, (\sigma(x_c) - t_c)

    It is :class:`~npnet.nn.BCEWithLogitsLoss`, which by ``reduction="none"`` keeps the classes apart.  The
    mean divides by the number of samples.

    Parameters
    ----------
    weight : ndarray of shape (C,), optional
        Weight of each class, 1 where not given.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of one shape ``(..., C)``; targets are 0 and 1.  The losses are ``(...)``.

    Raises
    ------
    ShapeError, DtypeError
        If target, weights and input do not fit.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.MultiLabelSoftMarginLoss()
    >>> round(criterion(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).item(), 6)
    0.693147
    >>> criterion.backward()
    array([[-0.25,  0.25]])
    """

    weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", self._check_weight("weight", weight))

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare scores with the classes that are there."""
        self._check_pair(input, target)
        if input.ndim == 0:
            raise ShapeError("MultiLabelSoftMarginLoss takes input with a class axis, got a single number")
        classes = input.shape[-1]
        self._check_class_weight(input, self.weight, classes)
        self.save(input, target)
        losses = multilabel_soft_margin(input, target)
        losses = losses if self.weight is None else losses * self.weight
        losses = np.sum(losses, axis=-1) / classes
        return self._reduced(losses, losses.size)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the scores."""
        x, target = self.saved()
        shape, classes = x.shape[:-1], x.shape[-1]
        seed = self._seed(grad_output, shape, x.size // max(classes, 1), x)
        if not input_grad:
            return None
        slopes = multilabel_soft_margin_backward(beside(seed) / classes, x, target)
        return slopes if self.weight is None else slopes * self.weight


class MultiLabelMarginLoss(Loss):
    r"""Hinge loss of several labels: each class that is there shall score above each that is not, by one.

    With the labels :math:`t_1, t_2, \dots` of a sample, up to the first -1, and
    :math:`z_{jk} = \max(0, 1 - x_{t_j} + x_k)` for classes :math:`k` that are no label,

    .. math::
        \ell = \frac1C \sum_{j, k} z_{jk}, \qquad
        \frac{\partial \ell}{\partial x_k} = \frac1C \sum_j [z_{jk} > 0], \qquad
        \frac{\partial \ell}{\partial x_{t_j}} = - \frac1C \sum_k [z_{jk} > 0]

    The mean divides by the number of samples.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input ``(C,)`` or ``(n, C)``; the target, integers, of the same shape: labels, then -1.

    Raises
    ------
    ShapeError, DtypeError, DeviceError
        If target and input do not fit.
    TargetError
        If a label is not within -1 and C - 1 (checked on the host only).

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.MultiLabelMarginLoss()
    >>> criterion(np.array([[0.5, 2.0, 0.0]]), np.array([[1, -1, -1]])).item()  # 2 is above both by one
    0.0
    >>> criterion(np.array([[0.5, 1.0, 0.0]]), np.array([[1, -1, 0]])).item()  # (1 - 1 + 0.5) / 3
    0.16666666666666666
    >>> (3 * criterion.backward()).tolist()
    [[1.0, -1.0, 0.0]]
    """

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare scores with labels."""
        self._check_labels(input, target)
        x, t = input.reshape(-1, input.shape[-1]), target.reshape(-1, input.shape[-1])
        real = np.cumprod((t >= 0).astype(np.int64), axis=1) > 0  # up to the first -1
        labels = real[:, :, None] & (t[:, :, None] == np.arange(x.shape[1], like=x))  # (n, j, class)
        absent = ~np.any(labels, axis=1)
        scores = np.take_along_axis(x, np.where(real, t, 0), axis=1)
        excess = np.maximum(1 - scores[:, :, None] + x[:, None, :], 0)
        excess = excess * (real[:, :, None] & absent[:, None, :])
        self.save(input.shape, excess > 0, labels, x)
        losses = np.sum(excess, axis=(1, 2)) / x.shape[1]
        return self._reduced(losses.reshape(input.shape[:-1]), len(x))

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the scores."""
        shape, near, labels, x = self.saved()
        seed = self._seed(grad_output, shape[:-1], len(x), x)
        if not input_grad:
            return None
        near = near.astype(x.dtype)
        lower = np.sum(near, axis=2)[:, :, None] * labels  # of each label, at its class
        slopes = (np.sum(near, axis=1) - np.sum(lower, axis=1)) / x.shape[1]
        return (slopes * beside(seed)).reshape(shape)

    def _check_labels(self, x: Any, target: Any) -> None:
        name = type(self).__name__
        self.check_input(x)
        if not backend.is_array(target) or target.dtype.kind not in "iu":
            got = target.dtype if backend.is_array(target) else type(target).__name__
            raise DtypeError(f"{name} takes labels, that is integers, as target, got {got}")
        if x.ndim not in (1, 2) or not x.shape[-1] or target.shape != x.shape:
            raise ShapeError(
                f"{name} takes input and target of one shape (C,) or (n, C), got {x.shape} and {target.shape}"
            )
        self._check_device(x, target)
        if backend.device_of(x) == "cpu" and (wrong := target[(target < -1) | (target >= x.shape[-1])]).size:
            raise TargetError(
                f"label {wrong[0]} is out of bounds: labels go from 0 to {x.shape[-1] - 1}, -1 ends them"
            )

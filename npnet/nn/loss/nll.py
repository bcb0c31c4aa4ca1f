"""Negative log-likelihood of log-probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.nn.constants import counted
from npnet.nn.loss.classes import (
    ClassLoss,
    at_class,
    classes_first,
    classes_second,
    flat,
    which_count,
    without_classes,
)

__all__ = ["NLLLoss", "nll_loss", "nll_loss_backward"]


def nll_loss(x: Array, target: Array, counts: Array, kept: Array) -> Array:
    r"""Compute :math:`-w \, x_t`, and 0 for samples that do not count, whatever their input.

    Parameters
    ----------
    x : ndarray, shape (c, m)
        Log-probabilities.
    target : ndarray of int, shape (m,)
    counts : ndarray of bool, shape (m,)
    kept : ndarray, shape (m,)
        :math:`w`: the weight of each sample, 0 where it is ignored.
    """
    return -kept * np.where(counts, at_class(x, target), 0)


def nll_loss_backward(g: Any, x: Array, target: Array, kept: Array) -> Array:
    r""":math:`-g w` at the target's class, 0 elsewhere."""
    slopes = np.zeros_like(x)
    slopes[target, counted(target.size, x)] = -kept * g
    return slopes


class NLLLoss(ClassLoss):
    r"""Negative log-likelihood :math:`\ell = -w_t \, x_t` of a target class :math:`t`.

    .. math:: \partial \ell / \partial x_c = -w_t \, [c = t]

    The input holds log-probabilities, as :class:`~npnet.nn.LogSoftmax` gives them; with the two in a row one
    has :class:`~npnet.nn.CrossEntropyLoss`.  The mean divides by :math:`\sum_i w_{t_i}` over the samples
    that are not ignored.

    Parameters
    ----------
    weight : ndarray of shape (C,), optional
        Weight of each class, 1 where not given.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    ignore_index : int, default -100
        Samples of this target count neither in the loss nor in the mean.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input ``(C,)``, ``(n, C)`` or ``(n, C, ...)``; target without the class axis, integers below C.

    Raises
    ------
    ShapeError, DtypeError
        If target and input do not fit.
    TargetError
        If a class index is neither ``ignore_index`` nor within 0 and C - 1 (checked on the host only).

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.NLLLoss()
    >>> criterion(np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([0, 1])).item().__round__(6)
    0.490415
    >>> criterion.backward()
    array([[-0.5,  0. ],
           [ 0. , -0.5]])

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 6.2.1.1.
    """

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare log-probabilities with class indices."""
        self._check_classes(input, target)
        self._check_indices(input, target)
        x = classes_first(input)
        shape = target.shape
        target, counts, kept = which_count(x, target, self.weight, self.ignore_index)
        total = np.sum(kept)
        self.save(input.shape, x, target, kept, total)
        with np.errstate(invalid="ignore"):  # all samples ignored: 0 / 0 is NaN, as in PyTorch
            return self._reduced(nll_loss(x, target, counts, kept).reshape(shape), total)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the log-probabilities."""
        given, x, target, kept, total = self.saved()
        divisor = np.where(total == 0, 1, total).astype(x.dtype)  # all ignored: slopes are 0
        seed = self._seed(grad_output, without_classes(given), divisor, x)
        if not input_grad:
            return None
        return classes_second(nll_loss_backward(flat(seed), x, target, kept), given)

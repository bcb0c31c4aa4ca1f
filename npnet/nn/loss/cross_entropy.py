r"""Cross-entropy of logits.

The work is done with the classes on the first axis: the maximum, the sum and the loss of a sample are then
sums of whole rows, a third of the time that they take along the last axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.engine import recorded, whole
from npnet.engine.chain import Link
from npnet.engine.choice import takes_exponentials
from npnet.errors import ArgumentError, DtypeError
from npnet.nn.constants import counted, ones
from npnet.nn.dropout import times
from npnet.nn.loss.base import Ending, reduced
from npnet.nn.loss.classes import (
    ClassLoss,
    at_class,
    classes_first,
    classes_second,
    flat,
    greatest,
    largest,
    less_at_class,
    which_count,
    without_classes,
)

__all__ = ["CrossEntropyLoss", "losses_of_distribution", "losses_of_indices", "softmax_parts"]


@whole
def softmax_parts(x: Array) -> tuple[Array, Array, Array]:
    r"""Split the softmax over axis 0 into safe parts.

    Returns
    -------
    shifted : ndarray, shape (c, m)
        :math:`z = x - \max_c x`.
    exponentials : ndarray, shape (c, m)
        :math:`e^z`.
    total : ndarray, shape (m,)
        :math:`\sum_c e^z`; so :math:`\log p = z - \log\mathrm{total}`, :math:`p = e^z / \mathrm{total}`.
    """
    shifted = x - largest(x)
    exponentials = np.exp(shifted)
    return shifted, exponentials, exponentials.sum(axis=0)


@whole
def losses_of_indices(x: Array, target: Array, kept: Array) -> tuple[Array, Array]:
    r"""Compute :math:`-w \log p_t` for class indices `target`, and :math:`w (p - [c = t])`.

    Parameters
    ----------
    x : ndarray, shape (c, m)
        Logits.
    target : ndarray of int, shape (m,)
    kept : ndarray, shape (m,)
        :math:`w`: the weight of each sample, 0 where it is ignored.

    Returns
    -------
    losses : ndarray, shape (m,)
    slopes : ndarray, shape (c, m)
        :math:`\partial \ell_i / \partial x_{ci}`.
    """
    shifted, exponentials, total = softmax_parts(x)
    losses = kept * (np.log(total) - at_class(shifted, target))
    slopes = exponentials * (kept / total)
    less_at_class(slopes, target, kept)
    return losses, slopes


def losses_of_distribution(x: Array, q: Array) -> tuple[Array, Array]:
    r"""Compute :math:`-\sum_c q_c \log p_c` for a target distribution, and :math:`p \sum_k q_k - q`.

    Parameters
    ----------
    x, q : ndarray, shape (c, m)
        Logits; and the target, which need not sum to one.

    Returns
    -------
    losses : ndarray, shape (m,)
    slopes : ndarray, shape (c, m)
    """
    shifted, exponentials, total = softmax_parts(x)
    losses = np.sum(q * (np.log(total) - shifted), axis=0)
    slopes = exponentials
    slopes *= np.sum(q, axis=0) / total
    slopes -= q
    return losses, slopes


def smoothed(t: Array, weight: Array | None, label_smoothing: float) -> Array:
    r""":math:`q_c = w_c ((1 - \epsilon) t_c + \epsilon / C)`."""
    if label_smoothing > 0.0:
        t = t * (1.0 - label_smoothing) + label_smoothing / len(t)
    return t if weight is None else t * weight[:, None]


@whole
def losses_of_all(input: Array, target: Array) -> tuple[Array, Array]:  # noqa: A002 (PyTorch's name)
    """Do :func:`losses_of_indices` where all samples count alike, for an input as the user has it."""
    x = classes_first(input)
    return losses_of_indices(x, target.reshape(-1), ones(target.size, x))


@whole
def gradient_of_all(seed: Any, slopes: Array, target: Array) -> Array:
    """Give the gradient by an input of shape (n, c), of something whose gradient by each loss is `seed`."""
    return times(slopes, seed).T


OF_ALL = Link(losses_of_all, gradient_of_all, 1, operands=1, places=0, steady=False)


@recorded
def reduced_of_all(input: Array, target: Array, reduction: str) -> tuple[Array, Array]:  # noqa: A002 (PyTorch's)
    """Reduce the losses of class indices, at least one, of which all count alike.

    Returns
    -------
    reduced : ndarray
        The loss.
    slopes : ndarray, shape (c, m)
        Of each sample's loss.
    """
    losses, slopes = losses_of_all(input, target)
    return reduced(losses.reshape(target.shape), target.size, reduction), slopes


@recorded
def reduced_over_indices(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None,
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
) -> tuple[Array, Array, Array]:
    r"""Reduce the losses of class indices, of which some may be ignored.

    Returns
    -------
    reduced : ndarray
        The loss.
    slopes : ndarray, shape (c, m)
        Of each sample's loss.
    divisor : ndarray
        What a mean divides the slopes by: 1 where all are ignored, whose slopes are 0.
    """
    x = classes_first(input)
    target, counts, kept = which_count(x, target, weight, ignore_index)
    with np.errstate(invalid="ignore"):  # 0 times inf, where an ignored sample rules a class out; 0 / 0
        if label_smoothing == 0.0:
            losses, slopes = losses_of_indices(x, target, kept)
        else:
            one_hot = np.zeros_like(x)
            one_hot[target, counted(target.size, x)] = 1
            losses, slopes = losses_of_distribution(x, smoothed(one_hot, weight, label_smoothing) * counts)
        losses = np.where(counts, losses, 0).reshape(without_classes(input.shape))
        total = np.sum(kept)
        divisor = np.where(total == 0, 1, total).astype(x.dtype)
        return reduced(losses, total, reduction), slopes, divisor


class CrossEntropyLoss(ClassLoss):
    r"""Cross-entropy between softmax(input) and the target.

    With :math:`p = \mathrm{softmax}(x)`, :math:`C` classes, weights :math:`w` (1 where not given),
    :math:`\epsilon` = ``label_smoothing`` and the target as a distribution :math:`t` (one-hot for a class
    index):

    .. math::
        q_c = w_c \bigl( (1 - \epsilon) \, t_c + \epsilon / C \bigr), \qquad
        \ell = - \sum_c q_c \log p_c, \qquad
        \partial \ell / \partial x_c = p_c \sum_k q_k - q_c

    The mean divides by :math:`\sum_i w_{t_i}` over the samples that are not ignored for class indices,
    and by the number of samples for probabilities, as in PyTorch.

    Parameters
    ----------
    weight : ndarray of shape (C,), optional
        Weight of each class.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    ignore_index : int, default -100
        Samples of this target count neither in the loss nor in the mean.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float, default 0.0
        :math:`\epsilon`, from 0 to 1.

    Shape
    -----
    Input ``(C,)``, ``(n, C)`` or ``(n, C, ...)``; target without the class axis (integers below C) or of
    the input's shape (probabilities).

    Raises
    ------
    ArgumentError
        If ``label_smoothing`` is not within 0 and 1, or ``ignore_index`` names a class of probabilities.
    ShapeError, DtypeError
        If target and input do not fit.
    TargetError
        If a class index is neither ``ignore_index`` nor within 0 and C - 1 (checked on the host only: on a
        GPU it would have to wait for the device).

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.CrossEntropyLoss()
    >>> logits = np.array([[0.0, 0.0], [1e4, 0.0]])
    >>> round(criterion(logits, np.array([0, 0])).item(), 6)  # (log 2 + 0) / 2
    0.346574
    >>> criterion.backward()
    array([[-0.25,  0.25],
           [ 0.  ,  0.  ]])

    References
    ----------
    Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7 (label smoothing).
    """

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ArgumentError(f"label_smoothing must lie between 0 and 1, got {label_smoothing}")
        self.label_smoothing = label_smoothing

    def as_link(self, like: Array) -> Ending | None:
        """As :meth:`Loss.as_link`; None but for class indices of which all count alike, one for each row."""
        plain_one = self.weight is None and self.label_smoothing == 0.0
        if not plain_one or like.ndim != 2 or not takes_exponentials(like):
            return None
        n, classes = like.shape
        if self.ignore_index is not None and 0 <= self.ignore_index < classes:
            return None

        def operands(target: Any) -> tuple[Any, ...] | None:
            if type(target) is not np.ndarray or target.shape != (n,):
                return None
            indices = target.dtype.kind in "iu" and target.dtype.isnative
            return (target,) if indices and greatest(target) < classes else None

        return self._ending(OF_ALL, operands, n)

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare logits with class indices or probabilities."""
        self._check_classes(input, target)
        if target.dtype.kind in "iu":
            divisor: Any = target.size
            if self._check_indices(input, target) and self.weight is None and self.label_smoothing == 0.0:
                loss, slopes = reduced_of_all(input, target, self.reduction)
            else:
                loss, slopes, divisor = reduced_over_indices(
                    *(input, target, self.weight, self.ignore_index, self.label_smoothing, self.reduction)
                )
            self.save(input.shape, slopes, divisor)
            return loss
        self._check_distribution(input, target)
        x, q = classes_first(input), smoothed(classes_first(target), self.weight, self.label_smoothing)
        losses, slopes = losses_of_distribution(x, q)
        divisor = x.shape[1]
        self.save(input.shape, slopes, divisor)
        with np.errstate(invalid="ignore" if divisor == 0 else None):  # 0 / 0 is NaN, as in PyTorch
            return self._reduced(losses.reshape(without_classes(input.shape)), divisor)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the logits."""
        given, slopes, divisor = self.saved()
        seed = self._seed(grad_output, without_classes(given), divisor, slopes)
        if not input_grad:
            return None
        return classes_second(slopes * flat(seed), given)

    def _check_distribution(self, x: Array, target: Array) -> None:
        if self.ignore_index is not None and self.ignore_index >= 0:
            raise ArgumentError(
                f"ignore_index={self.ignore_index} needs class indices as target; probabilities have "
                "none to ignore, so leave it out"
            )
        if target.shape != x.shape and target.shape == without_classes(x.shape):
            raise DtypeError(
                f"class indices are integers, got {target.dtype}: convert them with target.astype('int64')"
            )
        self._check_pair(x, target)

    def extra_repr(self) -> str:
        """Show the arguments that differ from the default."""
        smoothing = "" if self.label_smoothing == 0.0 else f", label_smoothing={self.label_smoothing}"
        return super().extra_repr() + smoothing

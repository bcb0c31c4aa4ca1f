"""What the losses of several classes share: targets as class indices, weights, and where the classes lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.engine import whole
from npnet.errors import DtypeError, ShapeError, TargetError
from npnet.nn.constants import counted
from npnet.nn.loss.base import Loss

__all__ = [
    "ClassLoss",
    "at_class",
    "classes_first",
    "classes_second",
    "flat",
    "largest",
    "less_at_class",
    "which_count",
    "without_classes",
]


def without_classes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the losses, and of class indices, for an input's shape."""
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def classes_first(x: Array) -> Array:
    """Copy ``(C,)``, ``(n, C)`` or ``(n, C, ...)`` into shape ``(C, m)``: a column is a sample."""
    if x.ndim == 1:
        return x[:, None].copy()
    if x.ndim == 2:
        return x.T.copy()
    return np.moveaxis(x, 1, 0).copy().reshape(x.shape[1], -1)


def classes_second(columns: Array, shape: tuple[int, ...]) -> Array:
    """The opposite of :func:`classes_first`, a view where it can be."""
    if len(shape) == 1:
        return columns[:, 0]
    if len(shape) == 2:
        return columns.T
    return np.moveaxis(columns.reshape(shape[1], shape[0], *shape[2:]), 0, 1)


@whole
def greatest(target: Array) -> Any:
    """The greatest of some integers, where a negative one is a huge one."""
    return target.astype(np.uint64).max()


def largest(x: Array) -> Array:
    """The largest element of each column."""
    return x.max(axis=0)


def at_class(x: Array, target: Array) -> Array:
    """The element of each column at its sample's class: :math:`x_{t_i i}`."""
    return x[target, counted(target.size, x)]


def less_at_class(x: Array, target: Array, amount: Array) -> None:
    """Take something off there, in place."""
    x[target, counted(target.size, x)] -= amount


def flat(seed: Any) -> Any:
    """The gradient by the losses: an array as ``(m,)``, a single number as it is."""
    return seed.reshape(-1) if getattr(seed, "ndim", 0) else seed


def which_count(
    x: Array, target: Array, weight: Array | None, ignore_index: int | None
) -> tuple[Array, Array, Array]:
    r"""Flat targets, ignored ones moved to class 0; whether each counts; and its weight, 0 if not.

    The weights' sum is what a mean divides by.

    Examples
    --------
    >>> which_count(np.ones((3, 2)), np.array([2, -1]), None, -1)
    (array([2, 0]), array([ True, False]), array([1., 0.]))
    """
    target = target.reshape(-1)
    counts = target != ignore_index
    target = np.where(counts, target, 0)
    kept = counts.astype(x.dtype) if weight is None else weight[target] * counts
    return target, counts, kept


class ClassLoss(Loss):
    """Base of the losses whose target names a class of each sample.

    Parameters
    ----------
    weight : ndarray of shape (C,), optional
        Weight of each class.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    ignore_index : int or None
        Samples of this target do not count; None ignores nothing.
    reduction : {"mean", "sum", "none"}
    """

    weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        ignore_index: int | None = -100,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", self._check_weight("weight", weight))
        self.ignore_index = ignore_index

    def _check_classes(self, x: Any, target: Any) -> None:
        """Refuse an input without classes, a target that is no array, and weights of other classes."""
        name = type(self).__name__
        self.check_input(x)
        if not backend.is_array(target):
            raise DtypeError(f"{name} takes an array as target, got {type(target).__name__}")
        if x.ndim == 0:
            raise ShapeError(f"{name} takes input with a class axis, got a single number")
        self._check_class_weight(x, self.weight, x.shape[1] if x.ndim > 1 else x.shape[0])

    def _check_indices(self, x: Array, target: Array) -> bool:
        """Refuse class indices of another shape or device, or, on the host, out of range.

        Says whether it is known that all samples count; on a device nobody looks, as that would wait.
        """
        name = type(self).__name__
        classes = x.shape[1] if x.ndim > 1 else x.shape[0]
        expected = without_classes(x.shape)
        if target.dtype.kind not in "iu":
            raise DtypeError(f"{name} takes class indices, that is integers, as target, got {target.dtype}")
        if target.shape != expected:
            raise ShapeError(
                f"{name} takes class indices of shape {expected} for input of shape {x.shape}, "
                f"got {target.shape}"
            )
        self._check_device(x, target)
        if backend.device_of(x) == "cpu" and target.size:
            ignored = self.ignore_index
            if greatest(target) < classes:
                return ignored is None or not 0 <= ignored < classes
            outside = target[(target < 0) | (target >= classes)]
            wrong = outside if ignored is None else outside[outside != ignored]
            if wrong.size:
                also = "" if ignored is None else f" (and {ignored} for samples to ignore)"
                raise TargetError(
                    f"target {wrong[0]} is out of bounds: class indices go from 0 to {classes - 1}{also}"
                )
        return False

    def extra_repr(self) -> str:
        """The reduction, and the class to ignore if it was chosen."""
        chosen = "" if self.ignore_index in (-100, None) else f", ignore_index={self.ignore_index}"
        return super().extra_repr() + chosen

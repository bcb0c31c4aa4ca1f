r"""Losses: what is made small.

A loss is a module of two inputs: ``criterion(input, target)`` is its value, ``criterion.backward()`` the
gradient by ``input``.  With :math:`\ell_i` the loss of one element, ``reduction`` is ``"none"``
(:math:`\ell`), ``"sum"`` (:math:`\sum_i \ell_i`) or ``"mean"`` (the average; each loss says over what).
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from npnet.nn.module import Module

__all__ = ["BCEWithLogitsLoss", "Loss", "MSELoss", "binary_cross_entropy_with_logits", "mse_loss"]


class Loss(Module):
    """Base of the losses: the reduction, its backward and the checks.

    Parameters
    ----------
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ArgumentError
        If the reduction is not known.
    UnsupportedError
        If one of the deprecated arguments is given.
    """

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise UnsupportedError("size_average and reduce are deprecated in PyTorch; use reduction=")
        if reduction not in ("mean", "sum", "none"):
            raise ArgumentError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def _reduced(self, losses: Array, divisor: Any) -> Array:
        """The losses as the reduction has them; `divisor` is what a mean divides by."""
        if self.reduction == "none":
            return losses
        total = np.sum(losses)
        return total / divisor if self.reduction == "mean" else total

    def _seed(self, grad_output: Any, losses_shape: tuple[int, ...], divisor: Any) -> Any:
        r""":math:`\partial L / \partial \ell_i`: a number; for ``"none"`` an array, one an element."""
        shape = losses_shape if self.reduction == "none" else ()
        if isinstance(grad_output, Real):  # a plain number takes the dtype of the losses
            grad_output = float(grad_output)
        if getattr(grad_output, "shape", ()) != shape:
            raise ShapeError(
                f"{type(self).__name__}.backward takes a gradient of shape {shape} for "
                f"reduction={self.reduction!r}, got {getattr(grad_output, 'shape', ())}"
            )
        return grad_output / divisor if self.reduction == "mean" else grad_output

    def _check_pair(self, x: Any, target: Any) -> None:
        """Refuse a target that is not of the input's shape, dtype and device."""
        self.check_input(x)
        self.check_input(target, like=x)
        if target.shape != x.shape:
            raise ShapeError(
                f"{type(self).__name__} takes input and target of one shape, got {x.shape} and {target.shape}"
            )

    def _check_weight(self, name: str, weight: Any) -> Any:
        if weight is not None and (not backend.is_array(weight) or weight.dtype.kind != "f"):
            raise DtypeError(f"{type(self).__name__}: {name} must be a floating array, got {weight!r}")
        return weight

    def extra_repr(self) -> str:
        """The reduction."""
        return f"reduction={self.reduction!r}"


def mse_loss(input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`(x_i - t_i)^2`, elementwise."""
    difference = input - target
    return difference * difference


class MSELoss(Loss):
    r"""Squared error :math:`\ell_i = (x_i - t_i)^2`.

    .. math:: \partial \ell_i / \partial x_i = 2 (x_i - t_i)

    The mean divides by the number of elements.  Input and target must have one shape: PyTorch warns and
    broadcasts, which hides the usual mistake of ``(n, 1)`` against ``(n,)``.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of any one shape.

    Raises
    ------
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.MSELoss()
    >>> criterion(np.array([1.0, 3.0]), np.array([0.0, 0.0])).item()
    5.0
    >>> criterion.backward()
    array([1., 3.])
    """

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare `input` with `target`."""
        self._check_pair(input, target)
        self.save(input, target)
        return self._reduced(mse_loss(input, target), input.size)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the input."""
        x, target = self.saved()
        seed = self._seed(grad_output, x.shape, x.size)
        return (x - target) * (2.0 * seed) if input_grad else None


def binary_cross_entropy_with_logits(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    pos_weight: Array | None = None,
) -> Array:
    r"""Compute the elementwise loss of :class:`BCEWithLogitsLoss`.

    It is written with :math:`\mathrm{softplus}(-x) = \log(1 + e^{-|x|}) + \max(-x, 0)`, which does not
    overflow.
    """
    softplus = np.log1p(np.exp(-np.abs(input))) + np.maximum(-input, 0)  # -log sigma(x)
    share = 1.0 if pos_weight is None else 1 + (pos_weight - 1) * target
    losses = (1 - target) * input + share * softplus
    return losses if weight is None else weight * losses


class BCEWithLogitsLoss(Loss):
    r"""Binary cross-entropy of logits.

    .. math::
        \ell_i = -w_i \bigl( p \, t_i \log \sigma(x_i) + (1 - t_i) \log (1 - \sigma(x_i)) \bigr), \qquad
        \partial \ell_i / \partial x_i = w_i \bigl( (1 - t_i) - (1 + (p - 1) t_i) (1 - \sigma(x_i)) \bigr)

    with :math:`w` = ``weight``, :math:`p` = ``pos_weight`` and :math:`\sigma(x) = 1 / (1 + e^{-x})`.  The
    mean divides by the number of elements, whatever the weights.

    Parameters
    ----------
    weight : ndarray, optional
        Broadcast against the losses.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}
    pos_weight : ndarray, optional
        Weight of the positive class, broadcast against the target; above 1 it favours recall.

    Shape
    -----
    Input and target of any one shape; targets lie between 0 and 1.

    Raises
    ------
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.BCEWithLogitsLoss(reduction="none")
    >>> criterion(np.array([0.0, 1e4]), np.array([1.0, 1.0]))
    array([0.69314718, 0.        ])
    >>> criterion.backward(np.ones(2))
    array([-0.5,  0. ])
    """

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        pos_weight: Array | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", self._check_weight("weight", weight))
        self.register_buffer("pos_weight", self._check_weight("pos_weight", pos_weight))

    weight: Array | None
    pos_weight: Array | None

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare logits with targets between 0 and 1."""
        self._check_pair(input, target)
        self.save(input, target)
        losses = binary_cross_entropy_with_logits(input, target, self.weight, self.pos_weight)
        return self._reduced(losses, input.size)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the logits."""
        x, target = self.saved()
        seed = self._seed(grad_output, x.shape, x.size)
        share = 1.0 if self.pos_weight is None else 1 + (self.pos_weight - 1) * target
        slope = (1 - target) - share * backend.special(x).expit(-x)  # expit(-x) = 1 - sigma(x)
        if self.weight is not None:
            slope = self.weight * slope
        return slope * seed if input_grad else None

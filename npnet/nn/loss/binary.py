r"""Losses of two classes: logits, probabilities or scores against a target that says which class it is."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.activation.sigmoids import log1p_exp
from npnet.nn.loss.base import ElementwiseLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "SoftMarginLoss",
    "binary_cross_entropy",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_backward",
    "soft_margin_loss",
    "soft_margin_loss_backward",
]

LEAST_LOGARITHM = -100.0
"""PyTorch's: below it a logarithm is cut, so that a probability of 0 gives a finite loss."""

LEAST_VARIANCE = float(np.float32(1e-12))
"""PyTorch's, kept in float32: below it :math:`p (1 - p)` is cut, so that the slope is finite too."""


def binary_cross_entropy_with_logits(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    pos_weight: Array | None = None,
) -> Array:
    r"""Compute the elementwise loss of :class:`BCEWithLogitsLoss`.

    It is written with :math:`\log(1 + e^{-x}) = -\log \sigma(x)`, which does not overflow.
    """
    softplus = log1p_exp(-input)  # -log sigma(x)
    share = 1.0 if pos_weight is None else 1 + (pos_weight - 1) * target
    losses = (1 - target) * input + share * softplus
    return losses if weight is None else weight * losses


def binary_cross_entropy_with_logits_backward(
    g: Any, x: Array, target: Array, weight: Array | None, pos_weight: Array | None
) -> Array:
    r""":math:`g \, w_i \bigl( (1 - t_i) - (1 + (p - 1) t_i) (1 - \sigma(x_i)) \bigr)`."""
    share = 1.0 if pos_weight is None else 1 + (pos_weight - 1) * target
    slope = (1 - target) - share * backend.special(x).expit(-x)  # expit(-x) = 1 - sigma(x)
    if weight is not None:
        slope = weight * slope
    return slope * g


def binary_cross_entropy(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
) -> Array:
    r"""Compute :math:`-w_i \bigl( t_i \log x_i + (1 - t_i) \log(1 - x_i) \bigr)`, logarithms from -100 on."""
    log_one = np.maximum(np.log(input), LEAST_LOGARITHM)
    log_zero = np.maximum(np.log1p(-input), LEAST_LOGARITHM)
    losses = (target - 1) * log_zero - target * log_one
    return losses if weight is None else weight * losses


def binary_cross_entropy_backward(g: Any, x: Array, target: Array, weight: Array | None) -> Array:
    r""":math:`g \, w_i (x_i - t_i) / \max(x_i (1 - x_i), 10^{-12})`."""
    slope = (x - target) / np.maximum(x * (1 - x), LEAST_VARIANCE)
    if weight is not None:
        slope = weight * slope
    return slope * g


def soft_margin_loss(input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`\log(1 + e^{-t_i x_i})`, elementwise."""
    return log1p_exp(-target * input)


def soft_margin_loss_backward(g: Any, x: Array, target: Array) -> Array:
    r""":math:`-g \, t_i \, \sigma(-t_i x_i)`."""
    return -target * backend.special(x).expit(-target * x) * g


class BinaryLoss(ElementwiseLoss):
    """Base of the losses whose weights are broadcast against the input."""

    def _check_pair(self, x: Any, target: Any) -> None:
        super()._check_pair(x, target)
        for name in self.options:
            weight = getattr(self, name)
            if weight is None:
                continue
            self.check_input(x, like=weight)
            if not _fits(weight.shape, x.shape):
                raise ShapeError(
                    f"{type(self).__name__}: {name} of shape {weight.shape} does not broadcast to the "
                    f"input's {x.shape}"
                )


def _fits(shape: tuple[int, ...], onto: tuple[int, ...]) -> bool:
    """Whether an array of one shape broadcasts to another."""
    pairs = zip(shape[::-1], onto[::-1], strict=False)
    return len(shape) <= len(onto) and all(one in (1, other) for one, other in pairs)


class BCEWithLogitsLoss(BinaryLoss):
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
        If input and target differ, or a weight does not fit them.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.BCEWithLogitsLoss(reduction="none")
    >>> criterion(np.array([0.0, 1e4]), np.array([1.0, 1.0]))
    array([0.69314718, 0.        ])
    >>> criterion.backward(np.ones(2))
    array([-0.5,  0. ])
    """

    formula = staticmethod(binary_cross_entropy_with_logits)
    derivative = staticmethod(binary_cross_entropy_with_logits_backward)
    options = ("weight", "pos_weight")

    weight: Array | None
    pos_weight: Array | None

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


class BCELoss(BinaryLoss):
    r"""Binary cross-entropy of probabilities.

    .. math::
        \ell_i = -w_i \bigl( t_i \log x_i + (1 - t_i) \log (1 - x_i) \bigr), \qquad
        \partial \ell_i / \partial x_i = w_i \frac{x_i - t_i}{x_i (1 - x_i)}

    with :math:`w` = ``weight``.  As in PyTorch a logarithm is never below -100 and the denominator never
    below :math:`10^{-12}`, so that probabilities of 0 and 1 give finite numbers; logits and
    :class:`BCEWithLogitsLoss` lose nothing there.  The mean divides by the number of elements, whatever the
    weights.

    Parameters
    ----------
    weight : ndarray, optional
        Broadcast against the losses.
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of any one shape, both between 0 and 1.

    Raises
    ------
    ArgumentError
        If an input or a target lies outside 0 and 1 (checked on the host only: on a GPU it would have to
        wait for the device).
    ShapeError, DtypeError
        If input and target differ, or a weight does not fit them.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.BCELoss(reduction="none")
    >>> criterion(np.array([0.5, 0.0]), np.array([1.0, 1.0]))
    array([  0.69314718, 100.        ])
    >>> nn.BCELoss()(np.array([1.5]), np.array([1.0]))
    Traceback (most recent call last):
    ...
    npnet.errors.ArgumentError: BCELoss takes probabilities between 0 and 1 as input, got 1.5; ...
    """

    formula = staticmethod(binary_cross_entropy)
    derivative = staticmethod(binary_cross_entropy_backward)
    options = ("weight",)
    quiet: ClassVar[dict[str, Any]] = {"divide": "ignore"}  # log 0, which is cut

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

    def _check_pair(self, x: Any, target: Any) -> None:
        super()._check_pair(x, target)
        if backend.device_of(x) == "cpu":
            self._check_probabilities("input", x, "BCEWithLogitsLoss takes logits")
            self._check_probabilities("target", target, "scale the labels")

    def _check_probabilities(self, what: str, values: Array, instead: str) -> None:
        wrong = values[~((values >= 0) & (values <= 1))]  # NaN too
        if wrong.size:
            raise ArgumentError(
                f"BCELoss takes probabilities between 0 and 1 as {what}, got {wrong[0]:g}; {instead}"
            )


class SoftMarginLoss(ElementwiseLoss):
    r"""Logistic loss of scores against signs: :math:`\ell_i = \log(1 + e^{-t_i x_i})`.

    .. math:: \partial \ell_i / \partial x_i = -t_i \, \sigma(-t_i x_i)

    The mean divides by the number of elements.

    Parameters
    ----------
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
    >>> criterion = nn.SoftMarginLoss(reduction="none")
    >>> criterion(np.array([0.0, -1e4]), np.array([1.0, 1.0])).round(4)
    array([6.931e-01, 1.000e+04])
    >>> criterion.backward(np.ones(2))
    array([-0.5, -1. ])
    """

    formula, derivative = staticmethod(soft_margin_loss), staticmethod(soft_margin_loss_backward)

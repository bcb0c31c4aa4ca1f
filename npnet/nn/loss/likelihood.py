"""Losses between distributions: divergence, and likelihoods other than that of classes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.nn.loss.base import ElementwiseLoss

__all__ = [
    "KLDivLoss",
    "PoissonNLLLoss",
    "kl_div",
    "kl_div_backward",
    "poisson_nll_loss",
    "poisson_nll_loss_backward",
]


def kl_div(input: Array, target: Array, log_target: bool = False) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Compute :math:`q_i (\log q_i - x_i)`, elementwise; 0 where :math:`q_i = 0`."""
    if log_target:
        return np.exp(target) * (target - input)
    return backend.special(target).xlogy(target, target) - target * input


def kl_div_backward(g: Any, x: Array, target: Array, log_target: bool) -> Array:
    r""":math:`-g \, q_i`."""
    return -(np.exp(target) if log_target else target) * g


def poisson_nll_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
) -> Array:
    r"""Compute :math:`e^{x_i} - t_i x_i`, or :math:`x_i - t_i \log(x_i + \epsilon)`, elementwise."""
    losses = np.exp(input) - target * input if log_input else input - target * np.log(input + eps)
    if not full:
        return losses
    many = np.maximum(target, 1)  # Stirling's formula counts above 1
    stirling = many * np.log(many) - many + 0.5 * np.log(2 * math.pi * many)
    return losses + (target > 1) * stirling


def poisson_nll_loss_backward(
    g: Any, x: Array, target: Array, log_input: bool, full: bool, eps: float
) -> Array:
    r""":math:`g (e^{x_i} - t_i)`, or :math:`g (1 - t_i / (x_i + \epsilon))`."""
    return (np.exp(x) - target if log_input else 1 - target / (x + eps)) * g


class KLDivLoss(ElementwiseLoss):
    r"""Kullback-Leibler divergence of log-probabilities :math:`x` from a distribution :math:`q`.

    .. math::
        \ell_i = q_i \, (\log q_i - x_i), \qquad \partial \ell_i / \partial x_i = -q_i

    with :math:`q` the target, or its exponential with ``log_target``.  ``"batchmean"`` divides the sum by the
    length of the first axis, which is the divergence of the mathematics; ``"mean"`` divides by the number
    of elements (PyTorch warns that it will not always do so).

    Parameters
    ----------
    size_average, reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "batchmean", "sum", "none"}
    log_target : bool, default False
        Whether the target holds logarithms.

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
    >>> criterion = nn.KLDivLoss(reduction="batchmean")
    >>> q = np.array([[0.5, 0.5]])
    >>> round(criterion(np.log(np.array([[0.25, 0.75]])), q).item(), 6)
    0.143841
    >>> criterion.backward()
    array([[-0.5, -0.5]])

    References
    ----------
    Kullback, Leibler, "On information and sufficiency", Annals of Mathematical Statistics 22 (1951).
    """

    formula, derivative = staticmethod(kl_div), staticmethod(kl_div_backward)
    options = ("log_target",)
    reductions = ("mean", "batchmean", "sum", "none")

    def __init__(
        self,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def _divisor(self, x: Array) -> int:
        return len(x) if self.reduction == "batchmean" and x.ndim else x.size


class PoissonNLLLoss(ElementwiseLoss):
    r"""Negative log-likelihood of counts :math:`t` that are Poisson distributed.

    With the rate's logarithm :math:`x` as input, or with ``log_input=False`` the rate itself,

    .. math::
        \ell_i = e^{x_i} - t_i x_i, \qquad \partial \ell_i / \partial x_i = e^{x_i} - t_i; \qquad\qquad
        \ell_i = x_i - t_i \log(x_i + \epsilon), \qquad
        \partial \ell_i / \partial x_i = 1 - \frac{t_i}{x_i + \epsilon}

    With ``full`` Stirling's formula :math:`t \log t - t + \frac12 \log(2 \pi t)` for :math:`\log t!` is added
    where :math:`t > 1`; it changes no gradient.  The mean divides by the number of elements.

    Parameters
    ----------
    log_input : bool, default True
        Whether the input is the logarithm of the rate.
    full : bool, default False
        Add the term that depends on the target alone.
    size_average : None
        Deprecated in PyTorch; refused.
    eps : float, default 1e-8
        :math:`\epsilon`, keeps the logarithm finite where ``log_input`` is False.
    reduce : None
        Deprecated in PyTorch; refused.
    reduction : {"mean", "sum", "none"}

    Shape
    -----
    Input and target of any one shape; targets are not negative.

    Raises
    ------
    ShapeError, DtypeError
        If input and target differ.

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.PoissonNLLLoss(reduction="none")
    >>> criterion(np.array([0.0, 0.0]), np.array([0.0, 3.0]))
    array([1., 1.])
    >>> criterion.backward(np.ones(2))
    array([ 1., -2.])

    References
    ----------
    Cameron, Trivedi, *Regression Analysis of Count Data* (2013), section 3.2.
    """

    formula, derivative = staticmethod(poisson_nll_loss), staticmethod(poisson_nll_loss_backward)
    options = ("log_input", "full", "eps")
    quiet: ClassVar[dict[str, Any]] = {"over": "ignore"}  # a rate beyond the largest number is infinite

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Array, target: Array) -> Array:
        """Compare rates, or their logarithms, with counts."""
        return super().forward(log_input, target)

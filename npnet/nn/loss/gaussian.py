"""Likelihood of normal distributions whose variance is a forecast, too."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.loss.base import Loss

__all__ = ["GaussianNLLLoss", "gaussian_nll_loss", "gaussian_nll_loss_backward"]


def gaussian_nll_loss(input: Array, target: Array, var: Array, full: bool, eps: float) -> Array:  # noqa: A002
    r"""Compute :math:`\frac12 (\log v + (x - t)^2 / v)`, and :math:`\frac12 \log 2 \pi` more if `full`."""
    v, difference = np.maximum(var, eps), input - target
    losses = 0.5 * (np.log(v) + difference * difference / v)
    return losses + 0.5 * math.log(2 * math.pi) if full else losses


def gaussian_nll_loss_backward(
    g: Any, x: Array, target: Array, var: Array, eps: float
) -> tuple[Array, Array]:
    r""":math:`g z` by the input, :math:`\frac12 g (1 / v - z^2)` by the variance; :math:`z = (x - t) / v`."""
    v = np.maximum(var, eps)
    z = (x - target) / v
    return z * g, (1 / v - z * z) * (0.5 * g)


class GaussianNLLLoss(Loss):
    r"""Negative log-likelihood of targets :math:`t` under a normal distribution.

    Its mean :math:`x` and its variance are both forecast; with :math:`v = \max(\mathrm{var}, \epsilon)`,

    .. math::
        \ell = \tfrac12 \Bigl( \log v + \frac{(x - t)^2}{v} \Bigr), \qquad
        \frac{\partial \ell}{\partial x} = \frac{x - t}{v}, \qquad
        \frac{\partial \ell}{\partial \mathrm{var}} =
        \tfrac12 \Bigl( \frac1v - \frac{(x - t)^2}{v^2} \Bigr)

    As in PyTorch the bound takes no part in the derivative: a variance below it is driven as if it were at
    it.  With ``full`` the constant :math:`\frac12 \log 2 \pi` is added.  The mean divides by the number of
    elements.

    Parameters
    ----------
    full : bool, keyword-only, default False
        Add the constant term.
    eps : float, keyword-only, default 1e-6
        :math:`\epsilon`, the least variance.
    reduction : {"mean", "sum", "none"}, keyword-only

    Shape
    -----
    Input and target of any one shape ``(..., d)``; the variance of the same, of ``(..., 1)`` or ``(...)`` for
    one variance a row, of 1 along one other axis, or a number.  ``backward`` gives one gradient for each of
    input, target and variance; that by the target is None, and so is that by a number.

    Raises
    ------
    ShapeError, DtypeError
        If input, target and variance do not fit.
    ArgumentError
        If a variance is negative (looked at on the host only: on a GPU it would have to wait).

    Examples
    --------
    >>> from npnet import nn
    >>> criterion = nn.GaussianNLLLoss()
    >>> x, target, var = np.array([[1.0, 3.0]]), np.array([[0.0, 3.0]]), np.array([[1.0, 0.25]])
    >>> round(criterion(x, target, var).item(), 6)
    -0.096574
    >>> by_mean, _, by_variance = criterion.backward()
    >>> by_mean, by_variance
    (array([[0.5, 0. ]]), array([[0., 1.]]))

    References
    ----------
    Nix, Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Array, target: Array, var: Any) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare means and variances with targets."""
        self._check_pair(input, target)
        given = None
        if isinstance(var, Real):
            var = np.full_like(input, float(var))
        else:
            self.check_input(var, like=input)
            given = var.shape
            var = self._along(var, input)
        if backend.device_of(var) == "cpu" and var.size and var.min() < 0:
            raise ArgumentError(f"GaussianNLLLoss: a variance is not negative, got {var.min():g}")
        self.save(input, target, var, given)
        losses = gaussian_nll_loss(input, target, var, self.full, self.eps)
        return self._reduced(losses, input.size)

    def _along(self, var: Array, x: Array) -> Array:
        """The variance with the axes of the input."""
        if var.shape == x.shape:
            return var
        if x.ndim and var.shape == x.shape[:-1]:  # one a row
            return var[..., None]
        if var.ndim == x.ndim and sum(v for v, n in zip(var.shape, x.shape, strict=True) if v != n) == 1:
            return var
        raise ShapeError(
            f"GaussianNLLLoss takes a variance of the input's shape {x.shape}, without its last axis, or "
            f"with 1 along one axis, got {var.shape}"
        )

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Any:
        """Compute the gradients by input, target (None) and variance."""
        x, target, var, given = self.saved()
        seed = self._seed(grad_output, x.shape, x.size, x)
        if not input_grad:
            return None
        by_mean, by_var = gaussian_nll_loss_backward(seed, x, target, var, self.eps)
        if given is None:
            return by_mean, None, None
        if var.shape != x.shape:
            shared = tuple(axis for axis in range(x.ndim) if var.shape[axis] != x.shape[axis])
            by_var = np.sum(by_var, axis=shared, keepdims=True)
        return by_mean, None, by_var.reshape(given)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, full={self.full}, eps={self.eps}"

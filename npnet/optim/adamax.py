"""Adamax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_betas, check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["Adamax"]


def adamax(
    p: Array, g: Array, m: Array, u: Array, rate: float, fade1: float, beta2: float, eps: float
) -> tuple[Array, ...]:
    """One step; ``fade1`` is 1 - beta1, and ``rate`` is lr / (1 - beta1 ** t)."""
    m += fade1 * (g - m)
    np.maximum(beta2 * u, np.abs(g) + eps, out=u)
    p -= rate * m / u
    return p, m, u


class Adamax(Optimizer):
    r"""Adam by the largest gradient rather than the root of the mean square.

    With :math:`\eta` = ``lr``, :math:`\beta_1, \beta_2` = ``betas`` and the gradient :math:`g_t`:

    .. math::
        m_t = m_{t-1} + (1 - \beta_1) (g_t - m_{t-1}), \qquad
        u_t = \max(\beta_2 u_{t-1}, |g_t| + \epsilon), \qquad
        p_t = p_{t-1} - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t}

    ``weight_decay`` :math:`\lambda` is added to the gradient, :math:`g_t + \lambda p_{t-1}`.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 2e-3
    betas : pair of float, default (0.9, 0.999)
    eps : float, default 1e-8
        Keeps :math:`u_t` above zero; the paper has none, and Keras adds it to :math:`u_t` instead.
    weight_decay : float, default 0
    foreach, differentiable, capturable : PyTorch's
        Choose an implementation there; refused.
    maximize : bool, keyword-only, default False
        Climb instead of descend.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.Adamax([w], lr=0.1)
    >>> for gradient in (4.0, 0.0):
    ...     w.grad = np.array([gradient])
    ...     optimizer.step()
    >>> w.data.round(5)  # 1 - 0.1 - 0.1 / (1 - 0.9 ** 2) * (0.9 * 0.1 * 4) / (0.999 * 4)
    array([0.85258])

    References
    ----------
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2.
    """

    states = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        refuse_implementation(self, foreach=foreach, differentiable=differentiable, capturable=capturable)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        check_range(self, "eps", group["eps"], 0.0)
        check_betas(self, group["betas"])

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The one there is."""
        return adamax

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The first moment and the decaying maximum."""
        return self.states

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """The corrected rate, what fades, what is kept of the maximum, and epsilon."""
        beta1, beta2 = group["betas"]
        return group["lr"] / (1 - beta1 ** numbers["step"]), 1 - beta1, beta2, group["eps"]

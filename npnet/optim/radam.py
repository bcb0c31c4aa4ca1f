"""RAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_betas, check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["RAdam"]


def radam(
    p: Array, g: Array, m: Array, v: Array, rate: float, fade1: float, fade2: float, eps: float
) -> tuple[Array, ...]:
    """One rectified step; ``fade`` is 1 - beta, ``rate`` is lr r sqrt(1 - beta2 ** t) / (1 - beta1 ** t)."""
    m += fade1 * (g - m)
    v += fade2 * (g * g - v)
    p -= rate * m / (np.sqrt(v) + eps)
    return p, m, v


def unadapted_radam(
    p: Array, g: Array, m: Array, v: Array, rate: float, fade1: float, fade2: float, eps: float
) -> tuple[Array, ...]:
    """One early step, by the first moment alone: the second one varies too much as yet."""
    m += fade1 * (g - m)
    v += fade2 * (g * g - v)
    p -= rate * m
    return p, m, v


def effective_length(beta2: float, step: float) -> float:
    r"""Length :math:`\rho_t` of the plain average that varies as the second moment does at that step."""
    kept = beta2**step
    return 2 / (1 - beta2) - 1 - 2 * step * kept / (1 - kept)


class RAdam(Optimizer):
    r"""Adam, rectified: adaptive only once the second moment is worth trusting.

    With :math:`\eta` = ``lr`` and the moments :math:`\hat m_t`, :math:`v_t` of :class:`Adam`:

    .. math::
        \rho_\infty &= \frac{2}{1 - \beta_2} - 1, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2) \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}} \\
        p_t &= p_{t-1} - \eta \, \hat m_t \, \begin{cases}
            r_t \sqrt{1 - \beta_2^t} / (\sqrt{v_t} + \epsilon) & \rho_t > 5 \\ 1 & \text{else} \end{cases}

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-3
    betas : pair of float, default (0.9, 0.999)
    eps : float, default 1e-8
        Added to the uncorrected root, so that it is :class:`Adam`'s over :math:`\sqrt{1 - \beta_2^t}`.
    weight_decay : float, default 0
    decoupled_weight_decay : bool, default False
        Decay as :class:`AdamW` does, and as the authors' code.
    maximize : bool, keyword-only, default False
        Climb instead of descend.
    foreach, capturable, differentiable : keyword-only
        Choose an implementation in PyTorch; refused.

    Notes
    -----
    As in PyTorch the threshold is 5, the authors' code's; the paper has 4.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.RAdam([w], lr=0.1)
    >>> w.grad = np.array([5.0])
    >>> optimizer.step()
    >>> w.data  # not adaptive yet: 1 - 0.1 * 5
    array([0.5])

    References
    ----------
    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2.
    """

    states = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        refuse_implementation(self, foreach=foreach, capturable=capturable, differentiable=differentiable)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options | {"decoupled_weight_decay": decoupled_weight_decay})

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        check_range(self, "eps", group["eps"], 0.0)
        check_betas(self, group["betas"])

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """Rectified, or unadapted in the first steps."""
        return radam if effective_length(group["betas"][1], step) > 5 else unadapted_radam

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Both moments."""
        return self.states

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """The corrected rate, what fades, and epsilon."""
        (beta1, beta2), step = group["betas"], numbers["step"]
        rate = group["lr"] / (1 - beta1**step)
        limit, length = 2 / (1 - beta2) - 1, effective_length(beta2, step)
        if length > 5:
            rectified = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            rate *= (rectified * (1 - beta2**step)) ** 0.5
        return rate, 1 - beta1, 1 - beta2, group["eps"]

    def decoupled(self, group: Mapping[str, Any]) -> bool:
        """Whether decay is AdamW's."""
        return bool(group["decoupled_weight_decay"])

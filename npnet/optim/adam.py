"""Adam."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_betas, check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["Adam"]


def adam(
    p: Array, g: Array, m: Array, v: Array, rate: float, fade1: float, fade2: float, eps: float
) -> tuple[Array, ...]:
    """One step; ``fade`` is 1 - beta, and ``rate`` and ``eps`` hold the corrections of both moments."""
    m += fade1 * (g - m)
    v += fade2 * (g * g - v)
    p -= rate * m / (np.sqrt(v) + eps)
    return p, m, v


def amsgrad(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    w: Array,
    rate: float,
    fade1: float,
    fade2: float,
    eps: float,
) -> tuple[Array, ...]:
    """One step by the largest second moment so far, ``w``, in place of the present one."""
    m += fade1 * (g - m)
    v += fade2 * (g * g - v)
    np.maximum(w, v, out=w)
    p -= rate * m / (np.sqrt(w) + eps)
    return p, m, v, w


class Adam(Optimizer):
    r"""Adaptive moments.

    With :math:`\eta` = ``lr``, :math:`\beta_1, \beta_2` = ``betas`` and the gradient :math:`g_t`:

    .. math::
        m_t &= m_{t-1} + (1 - \beta_1) (g_t - m_{t-1}), &
        \hat m_t &= m_t / (1 - \beta_1^t) \\
        v_t &= v_{t-1} + (1 - \beta_2) (g_t^2 - v_{t-1}), &
        \hat v_t &= v_t / (1 - \beta_2^t) \\
        p_t &= p_{t-1} - \eta \, \hat m_t / (\sqrt{\hat v_t} + \epsilon)

    ``weight_decay`` :math:`\lambda` is added to the gradient, :math:`g_t + \lambda p_{t-1}`, and so is
    scaled by the adaptive step; :class:`AdamW` shrinks the parameter instead.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-3
    betas : pair of float, default (0.9, 0.999)
    eps : float, default 1e-8
        :math:`\epsilon`, outside the root, after the correction (the paper's algorithm 1; its
        :math:`\hat\epsilon`, which Keras uses, is :math:`\epsilon \sqrt{1 - \beta_2^t}`).
    weight_decay : float, default 0
    amsgrad : bool, default False
        Use the running maximum of :math:`v_t` in place of :math:`v_t`.
    foreach, capturable, differentiable, fused : keyword-only
        Choose an implementation in PyTorch; refused.
    maximize : bool, keyword-only, default False
        Climb instead of descend.
    decoupled_weight_decay : bool, keyword-only, default False
        Decay as :class:`AdamW` does.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> w.grad = np.array([5.0])
    >>> optimizer.step()
    >>> w.data.round(6)  # the first step has length lr, whatever the gradient
    array([0.9])

    References
    ----------
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; Reddi, Kale, Kumar,
    "On the convergence of Adam and beyond", ICLR 2018 (AMSGrad).
    """

    states = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        refuse_implementation(
            self, foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused
        )
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        more = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, defaults | more)

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        check_range(self, "eps", group["eps"], 0.0)
        check_betas(self, group["betas"], floats=True)

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """Adam's or AMSGrad's."""
        return amsgrad if group["amsgrad"] else adam

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Both moments, and the largest second one for AMSGrad."""
        return self.states if group["amsgrad"] else self.states[:2]

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        r"""The rate, what fades, and epsilon, multiplied so that no moment need be corrected.

        With :math:`r = \sqrt{1 - \beta_2^t}`, :math:`\eta \hat m / (\sqrt{\hat v} + \epsilon)` is
        :math:`\eta r / (1 - \beta_1^t) \cdot m / (\sqrt v + \epsilon r)`
        (the end of the paper's section 2).
        """
        (beta1, beta2), step = group["betas"], numbers["step"]
        root = math.sqrt(1 - beta2**step)
        return group["lr"] * root / (1 - beta1**step), 1 - beta1, 1 - beta2, group["eps"] * root

    def decoupled(self, group: Mapping[str, Any]) -> bool:
        """Whether decay is AdamW's."""
        return bool(group["decoupled_weight_decay"])

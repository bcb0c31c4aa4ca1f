"""Adadelta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["Adadelta"]


def adadelta(p: Array, g: Array, v: Array, u: Array, lr: float, fade: float, eps: float) -> tuple[Array, ...]:
    """One step; ``fade`` is 1 - rho."""
    v += fade * (g * g - v)
    delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    u += fade * (delta * delta - u)
    p -= lr * delta
    return p, v, u


class Adadelta(Optimizer):
    r"""Steps in the parameters' own unit: the ratio of two running root mean squares.

    With :math:`\eta` = ``lr``, :math:`\rho` = ``rho`` and the gradient :math:`g_t`:

    .. math::
        v_t &= v_{t-1} + (1 - \rho) (g_t^2 - v_{t-1}), &
        \delta_t &= \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}} g_t \\
        u_t &= u_{t-1} + (1 - \rho) (\delta_t^2 - u_{t-1}), &
        p_t &= p_{t-1} - \eta \, \delta_t

    ``weight_decay`` :math:`\lambda` is added to the gradient, :math:`g_t + \lambda p_{t-1}`.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1.0
        The paper has none.
    rho : float, default 0.9
        From 0 to 1; Keras's default is 0.95.
    eps : float, default 1e-6
        Inside both roots; through it alone the first step gets its length.
    weight_decay : float, default 0
    foreach, capturable, differentiable : PyTorch's
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
    >>> optimizer = optim.Adadelta([w], rho=0.75, eps=1e-4)
    >>> w.grad = np.array([4.0])
    >>> optimizer.step()
    >>> w.data.round(4)  # 1 - sqrt(1e-4) / sqrt(0.25 * 16) * 4
    array([0.98])

    References
    ----------
    Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701, algorithm 1.
    """

    states = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        refuse_implementation(self, foreach=foreach, capturable=capturable, differentiable=differentiable)
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        check_range(self, "rho", group["rho"], 0.0, 1.0)
        check_range(self, "eps", group["eps"], 0.0)

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The one there is."""
        return adadelta

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The running squares of gradients and of steps."""
        return self.states

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """Learning rate, what fades, and epsilon."""
        return group["lr"], 1 - group["rho"], group["eps"]

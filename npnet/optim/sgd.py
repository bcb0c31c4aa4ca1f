"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["SGD"]


def sgd(p: Array, g: Array, lr: float) -> tuple[Array, ...]:
    """Plain descent."""
    p -= lr * g
    return (p,)


def momentum_sgd(p: Array, g: Array, b: Array, lr: float, mu: float, keep: float) -> tuple[Array, ...]:
    """Descent along a decaying sum of gradients; ``keep`` is 1 - dampening, and 1 at the first step."""
    b *= mu
    b += keep * g
    p -= lr * b
    return p, b


def nesterov_sgd(p: Array, g: Array, b: Array, lr: float, mu: float, keep: float) -> tuple[Array, ...]:
    """Look ahead: descend along the gradient plus the next share of the sum."""
    b *= mu
    b += keep * g
    p -= lr * (g + mu * b)
    return p, b


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum.

    With :math:`\eta` = ``lr``, :math:`\mu` = ``momentum``, :math:`\tau` = ``dampening`` and the gradient
    :math:`g_t` (``weight_decay`` :math:`\lambda` added, :math:`g_t + \lambda p_{t-1}`):

    .. math::
        b_1 = g_1, \qquad b_t = \mu b_{t-1} + (1 - \tau) g_t, \qquad p_t = p_{t-1} - \eta b_t

    and with ``nesterov`` :math:`p_t = p_{t-1} - \eta (g_t + \mu b_t)`.  Without momentum
    :math:`p_t = p_{t-1} - \eta g_t`.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-3
        Learning rate :math:`\eta`.
    momentum : float, default 0
    dampening : float, default 0
        Does not touch the first step, as in PyTorch.
    weight_decay : float, default 0
        :math:`\lambda`; equals the penalty ``L2(weight_decay / 2)``.
    nesterov : bool, default False
        Needs momentum, and no dampening.
    maximize : bool, keyword-only, default False
        Climb instead of descend.
    foreach, differentiable, fused : keyword-only
        Choose an implementation in PyTorch; refused.

    Notes
    -----
    Sutskever et al. and many papers put the learning rate inside the sum, :math:`b_t = \mu b_{t-1} +
    \eta g_t`; PyTorch does not, so that a change of :math:`\eta` acts at once.

    Raises
    ------
    ArgumentError
        If an option is out of range, or Nesterov's form is asked for without momentum.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     w.grad = np.array([1.0])
    ...     optimizer.step()
    >>> w.data  # 1 - 0.1 - 0.1 * 1.9
    array([0.71])

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods" (1964); Sutskever,
    Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    states = ("momentum_buffer",)
    counts_steps = False

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: None = None,
        differentiable: bool = False,
        fused: None = None,
    ) -> None:
        refuse_implementation(self, foreach=foreach, differentiable=differentiable, fused=fused)
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, options | {"nesterov": nesterov, "maximize": maximize})

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        check_range(self, "momentum", group["momentum"], 0.0)
        check_range(self, "dampening", group["dampening"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ArgumentError(
                f"SGD: nesterov needs momentum above 0 and dampening 0, got momentum={group['momentum']}, "
                f"dampening={group['dampening']}"
            )

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """Plain, with momentum, or Nesterov's."""
        if group["momentum"] == 0:
            return sgd
        return nesterov_sgd if group["nesterov"] else momentum_sgd

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The decaying sum, where there is momentum."""
        return () if group["momentum"] == 0 else ("momentum_buffer",)

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """Learning rate, momentum and the share of the newest gradient."""
        if group["momentum"] == 0:
            return (group["lr"],)
        return group["lr"], group["momentum"], 1.0 if numbers["step"] == 1 else 1.0 - group["dampening"]

"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["RMSprop"]


def rmsprop(p: Array, g: Array, v: Array, lr: float, fade: float, eps: float) -> tuple[Array, ...]:
    """One step; ``fade`` is 1 - alpha."""
    v += fade * (g * g - v)
    p -= lr * (g / (np.sqrt(v) + eps))
    return p, v


def centered_rmsprop(
    p: Array, g: Array, v: Array, a: Array, lr: float, fade: float, eps: float
) -> tuple[Array, ...]:
    """One step by the variance of the gradient rather than its second moment."""
    v += fade * (g * g - v)
    a += fade * (g - a)
    p -= lr * (g / (np.sqrt(v - a * a) + eps))
    return p, v, a


def momentum_rmsprop(
    p: Array, g: Array, v: Array, b: Array, lr: float, fade: float, eps: float, mu: float
) -> tuple[Array, ...]:
    """One step along a decaying sum of the scaled gradients."""
    v += fade * (g * g - v)
    b *= mu
    b += g / (np.sqrt(v) + eps)
    p -= lr * b
    return p, v, b


def centered_momentum_rmsprop(
    p: Array, g: Array, v: Array, b: Array, a: Array, lr: float, fade: float, eps: float, mu: float
) -> tuple[Array, ...]:
    """Both."""
    v += fade * (g * g - v)
    a += fade * (g - a)
    b *= mu
    b += g / (np.sqrt(v - a * a) + eps)
    p -= lr * b
    return p, v, b, a


class RMSprop(Optimizer):
    r"""Divide the gradient by a running root mean square of it.

    With :math:`\eta` = ``lr``, :math:`\alpha` = ``alpha``, :math:`\mu` = ``momentum``:

    .. math::
        v_t = v_{t-1} + (1 - \alpha) (g_t^2 - v_{t-1}), \qquad
        b_t = \mu b_{t-1} + g_t / (\sqrt{s_t} + \epsilon), \qquad
        p_t = p_{t-1} - \eta b_t

    where :math:`s_t = v_t`, or with ``centered`` :math:`s_t = v_t - a_t^2` with :math:`a_t = a_{t-1} +
    (1 - \alpha) (g_t - a_{t-1})`.  ``weight_decay`` :math:`\lambda` is added to the gradient.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-2
    alpha : float, default 0.99
        How much of the running square is kept; Keras calls it ``rho`` (0.9 there).
    eps : float, default 1e-8
        Outside the root; TensorFlow 1 put it inside.
    weight_decay : float, default 0
    momentum : float, default 0
    centered : bool, default False
    capturable, foreach, differentiable : PyTorch's
        Choose an implementation there; refused.
    maximize : bool, default False
        Climb instead of descend.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> w.grad = np.array([3.0])
    >>> optimizer.step()
    >>> w.data.round(6)  # 1 - 0.1 * 3 / sqrt(0.25 * 9)
    array([0.8])

    References
    ----------
    Tieleman, Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural Networks for Machine Learning (2012);
    Graves, "Generating sequences with recurrent neural networks", arXiv:1308.0850, equations 38 to 41
    (centered, with momentum).
    """

    states = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        refuse_implementation(self, capturable=capturable, foreach=foreach, differentiable=differentiable)
        options = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered}
        super().__init__(params, options | {"weight_decay": weight_decay, "maximize": maximize})

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        for name in ("alpha", "eps", "momentum"):
            check_range(self, name, group[name], 0.0)

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """One of the four forms."""
        if group["momentum"] > 0:
            return centered_momentum_rmsprop if group["centered"] else momentum_rmsprop
        return centered_rmsprop if group["centered"] else rmsprop

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The running square; the decaying sum and the running mean where the form has them."""
        momentum = self.states[1:2] if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """Learning rate, what fades, epsilon and momentum."""
        plain = group["lr"], 1 - group["alpha"], group["eps"]
        return (*plain, group["momentum"]) if group["momentum"] > 0 else plain

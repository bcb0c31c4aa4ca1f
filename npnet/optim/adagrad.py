"""Adagrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_range, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["Adagrad"]


def adagrad(p: Array, g: Array, s: Array, rate: float, eps: float) -> tuple[Array, ...]:
    """One step; ``rate`` is the decayed learning rate."""
    s += g * g
    p -= rate * g / (np.sqrt(s) + eps)
    return p, s


class Adagrad(Optimizer):
    r"""Divide the gradient by the root of the sum of all its squares.

    With :math:`\eta` = ``lr``, :math:`\kappa` = ``lr_decay`` and the gradient :math:`g_t`:

    .. math::
        s_t = s_{t-1} + g_t^2, \qquad
        p_t = p_{t-1} - \frac{\eta}{1 + (t - 1) \kappa} \frac{g_t}{\sqrt{s_t} + \epsilon}

    with :math:`s_0` = ``initial_accumulator_value``.  ``weight_decay`` :math:`\lambda` is added to the
    gradient, :math:`g_t + \lambda p_{t-1}`.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-2
    lr_decay : float, default 0
        :math:`\kappa`.
    weight_decay : float, default 0
    initial_accumulator_value : float, default 0
        Of all groups: as in PyTorch 2.13, a group's own value is ignored, against PyTorch's documentation
        of groups.
    eps : float, default 1e-10
    foreach, differentiable, fused : PyTorch's
        Choose an implementation there; refused.
    maximize : bool, keyword-only, default False
        Climb instead of descend.

    Notes
    -----
    Parameters have state from the construction on, and are in the ``state_dict`` before their first step,
    as in PyTorch; those of a group that is added later, from their first step.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.Adagrad([w], lr=0.1)
    >>> for gradient in (3.0, 4.0):
    ...     w.grad = np.array([gradient])
    ...     optimizer.step()
    >>> w.data.round(6)  # 1 - 0.1 * 3 / 3 - 0.1 * 4 / 5
    array([0.82])

    References
    ----------
    Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12 (2011).
    """

    states = ("sum",)

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: None = None,
    ) -> None:
        refuse_implementation(self, foreach=foreach, differentiable=differentiable, fused=fused)
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        more = {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, options | more)
        for group in self.param_groups:
            self._begin(group, group["params"])

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        for name in ("lr_decay", "initial_accumulator_value", "eps"):
            check_range(self, name, group[name], 0.0)

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The one there is."""
        return adagrad

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The sum of squares."""
        return self.states

    def initial_value(self, group: Mapping[str, Any], name: str) -> float:
        """The sum's first value, the same in all groups."""
        return float(self.defaults["initial_accumulator_value"])

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """The decayed rate, and epsilon."""
        return group["lr"] / (1 + (numbers["step"] - 1) * group["lr_decay"]), group["eps"]

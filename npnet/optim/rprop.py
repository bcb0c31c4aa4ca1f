"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_pair, refuse_implementation
from npnet.optim.state import Numbers

__all__ = ["Rprop"]


def rprop(
    p: Array, g: Array, b: Array, d: Array, minus: float, plus: float, least: float, most: float
) -> tuple[Array, ...]:
    """One step; ``b`` is the gradient before, and ``d`` the length of each element's step."""
    agreement = b * g
    d[...] = np.where(agreement > 0, plus * d, np.where(agreement < 0, minus * d, d))
    np.clip(d, least, most, out=d)
    b[...] = np.where(agreement < 0, 0.0, g)
    p -= d * np.sign(b)
    return p, b, d


class Rprop(Optimizer):
    r"""A step length for each element, from the signs of the gradient alone; for full batches.

    With :math:`\eta^-, \eta^+` = ``etas`` and :math:`\Delta_{\min}, \Delta_{\max}` = ``step_sizes``, for each
    element:

    .. math::
        \Delta_t &= \operatorname{clip}(\Delta_{t-1} \cdot \begin{cases}
            \eta^+ & b_{t-1} g_t > 0 \\ \eta^- & b_{t-1} g_t < 0 \\ 1 & \text{else}
            \end{cases}, \Delta_{\min}, \Delta_{\max}), \qquad
        b_t = \begin{cases} 0 & b_{t-1} g_t < 0 \\ g_t & \text{else} \end{cases} \\
        p_t &= p_{t-1} - \Delta_t \operatorname{sign}(b_t)

    with :math:`b_0 = 0` and :math:`\Delta_0` = ``lr``.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-2
        The first step length; a change after a parameter's first step does nothing.
    etas : pair of float, default (0.5, 1.2)
        :math:`0 < \eta^- < 1 < \eta^+`.
    step_sizes : pair of float, default (1e-6, 50)
    capturable, foreach, differentiable : keyword-only
        Choose an implementation in PyTorch; refused.
    maximize : bool, keyword-only, default False
        Climb instead of descend.

    Notes
    -----
    The length is clipped at every step, the first one too, as PyTorch 2.13 does; its documentation clips
    only where the length changes.  With ``lr=100`` the first step has length 50, and not 100.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.Rprop([w], lr=0.1)
    >>> for gradient in (7.0, 0.01):
    ...     w.grad = np.array([gradient])
    ...     optimizer.step()
    >>> w.data.round(6)  # 1 - 0.1 - 0.1 * 1.2
    array([0.78])

    References
    ----------
    Riedmiller, Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm",
    IEEE International Conference on Neural Networks (1993); without the paper's step back.
    """

    states = ("prev", "step_size")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        refuse_implementation(self, capturable=capturable, foreach=foreach, differentiable=differentiable)
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        for name in ("etas", "step_sizes"):
            check_pair(self, name, group[name], 0.0)
        if not 0 < group["etas"][0] < 1 < group["etas"][1]:
            raise ArgumentError(f"Rprop: etas must be below 1 and above 1, got {group['etas']}")
        if group["step_sizes"][0] > group["step_sizes"][1]:
            raise ArgumentError(f"Rprop: step_sizes must not decrease, got {group['step_sizes']}")

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The one there is."""
        return rprop

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The gradient before, and the step lengths."""
        return self.states

    def initial_value(self, group: Mapping[str, Any], name: str) -> float:
        """The learning rate is the first step length."""
        return float(group["lr"]) if name == "step_size" else 0.0

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """What shrinks and stretches a step length, and its limits."""
        return *group["etas"], *group["step_sizes"]

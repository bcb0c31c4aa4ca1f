"""NAdam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_betas, check_range, refuse_implementation
from npnet.optim.state import Numbers, as_stored

__all__ = ["NAdam"]


def nadam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    rate_g: float,
    rate_m: float,
    fade1: float,
    fade2: float,
    eps: float,
    bias2: float,
) -> tuple[Array, ...]:
    """One step along gradient and first moment; ``fade`` is 1 - beta, ``bias2`` is 1 - beta2 ** t."""
    m += fade1 * (g - m)
    v += fade2 * (g * g - v)
    p -= (rate_g * g + rate_m * m) / (np.sqrt(v / bias2) + eps)
    return p, m, v


class NAdam(Optimizer):
    r"""Adam with Nesterov's momentum, which warms up.

    With :math:`\eta` = ``lr``, :math:`\psi` = ``momentum_decay`` and the moments :math:`m_t`,
    :math:`\hat v_t` of :class:`Adam`:

    .. math::
        \mu_t &= \beta_1 (1 - \tfrac{1}{2} 0.96^{t \psi}), \qquad \Pi_t = \textstyle\prod_{i=1}^t \mu_i \\
        \bar m_t &= \frac{1 - \mu_t}{1 - \Pi_t} g_t + \frac{\mu_{t+1}}{1 - \Pi_t \mu_{t+1}} m_t \\
        p_t &= p_{t-1} - \eta \, \bar m_t / (\sqrt{\hat v_t} + \epsilon)

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 2e-3
    betas : pair of float, default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    momentum_decay : float, default 4e-3
        :math:`\psi`; with 0 the momentum is half of :math:`\beta_1` for ever.
    decoupled_weight_decay : bool, default False
        Decay as :class:`AdamW` does.
    maximize : bool, keyword-only, default False
        Climb instead of descend.
    foreach, capturable, differentiable : keyword-only
        Choose an implementation in PyTorch; refused.

    Notes
    -----
    As in PyTorch :math:`\Pi_t` is kept in the default dtype, float32 unless
    :func:`npnet.backend.set_default_dtype` says otherwise, also where parameters are float64.  A state that
    PyTorch 2.13 loads it turns to the parameters' dtype and goes on with more digits than an uninterrupted
    run: the two differ in the eighth digit of the first steps.  Here a loaded run goes on exactly.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.NAdam([w], lr=0.1)
    >>> w.grad = np.array([5.0])
    >>> optimizer.step()
    >>> w.data.round(4)  # 1 - 0.1 * (5 + 0.4502 / (1 - 0.4501 * 0.4502) * 0.1 * 5) / 5
    array([0.8944])

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    states = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        refuse_implementation(self, foreach=foreach, capturable=capturable, differentiable=differentiable)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        decays = {"momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, options | decays)

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        for name in ("eps", "momentum_decay"):
            check_range(self, name, group[name], 0.0)
        check_betas(self, group["betas"])

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The one there is."""
        return nadam

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Both moments."""
        return self.states

    def initial_numbers(self, group: Mapping[str, Any]) -> Numbers:
        """The empty product of momenta."""
        return {"step": 0, "mu_product": 1.0}

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """The rates of gradient and first moment, what fades, epsilon and the second correction."""
        (beta1, beta2), step = group["betas"], numbers["step"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        product = numbers["mu_product"] = as_stored(numbers["mu_product"] * as_stored(mu))
        rate_g = group["lr"] * (1 - mu) / (1 - product)
        rate_m = group["lr"] * mu_next / (1 - product * mu_next)
        return rate_g, rate_m, 1 - beta1, 1 - beta2, group["eps"], 1 - beta2**step

    def decoupled(self, group: Mapping[str, Any]) -> bool:
        """Whether decay is AdamW's."""
        return bool(group["decoupled_weight_decay"])

"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npnet.backend import Array
from npnet.optim.kernel import Rule
from npnet.optim.optimizer import Optimizer, ParamsT
from npnet.optim.options import check_range, refuse_implementation
from npnet.optim.state import Numbers, as_stored

__all__ = ["ASGD"]


def asgd(p: Array, g: Array, a: Array, eta: float, shrink: float, mu: float) -> tuple[Array, ...]:
    """One step, and the average ``a`` after it; ``shrink`` is 1 - lambd * eta."""
    p *= shrink
    p -= eta * g
    a += mu * (p - a)
    return p, a


class ASGD(Optimizer):
    r"""Stochastic gradient descent that also averages the parameters it passes.

    With :math:`\lambda` = ``lambd``, :math:`\alpha` = ``alpha``, :math:`t_0` = ``t0`` and the gradient
    :math:`g_t` (``weight_decay`` times :math:`p_{t-1}` added):

    .. math::
        p_t &= (1 - \lambda \eta_t) p_{t-1} - \eta_t g_t, &
        \eta_{t+1} &= \frac{\eta}{(1 + \lambda \eta t)^\alpha} \\
        a_t &= a_{t-1} + \mu_t (p_t - a_{t-1}), &
        \mu_{t+1} &= \frac{1}{\max(1, t - t_0)}

    with :math:`\eta_1` = :math:`\eta` = ``lr`` and :math:`\mu_1 = 1`, so that :math:`a` follows :math:`p`
    until :math:`t_0` and is its mean from then on.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-2
    lambd : float, default 1e-4
    alpha : float, default 0.75
    t0 : float, default 1e6
    weight_decay : float, default 0
    foreach, differentiable, capturable : PyTorch's
        Choose an implementation there; refused.
    maximize : bool, default False
        Climb instead of descend.

    Notes
    -----
    The average is ``optimizer.state[parameter]["ax"]``; nothing puts it into the parameter.  As in PyTorch
    a new ``lr`` acts one step late, since each step computes the next one's :math:`\eta_{t+1}`; and
    :math:`\eta_t` and :math:`\mu_t` are rounded to the default dtype, float32 unless
    :func:`npnet.backend.set_default_dtype` says otherwise, also where parameters are float64.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.ASGD([w], lr=0.25, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     w.grad = np.array([1.0])
    ...     optimizer.step()
    >>> w.data, optimizer.state[w]["ax"]  # the mean of the last two, 0.5 and 0.25
    (array([0.25]), array([0.375]))

    References
    ----------
    Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30
    (1992); Bottou, "Stochastic gradient descent tricks" (2012), section 5.2, for :math:`\eta_t`.
    """

    states = ("ax",)

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        refuse_implementation(self, foreach=foreach, differentiable=differentiable, capturable=capturable)
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        super().__init__(params, options | {"maximize": maximize})

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range."""
        super().check_options(group)
        check_range(self, "lambd", group["lambd"], 0.0)
        for name in ("alpha", "t0"):
            check_range(self, name, group[name])

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The one there is."""
        return asgd

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The average."""
        return self.states

    def initial_numbers(self, group: Mapping[str, Any]) -> Numbers:
        """The learning rate, and an average of one."""
        return {"step": 0, "eta": as_stored(group["lr"]), "mu": 1.0}

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """The decayed rate, the decay and the newest parameters' share, of this step."""
        step, eta, mu = numbers["step"], numbers["eta"], numbers["mu"]
        lr, lambd = group["lr"], group["lambd"]
        numbers["eta"] = as_stored(lr / (1 + lambd * lr * step) ** group["alpha"])
        numbers["mu"] = as_stored(1 / max(1, step - group["t0"]))
        return eta, 1 - lambd * eta, mu

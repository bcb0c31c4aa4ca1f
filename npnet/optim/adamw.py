"""AdamW."""

from __future__ import annotations

from npnet.optim.adam import Adam
from npnet.optim.optimizer import ParamsT

__all__ = ["AdamW"]


class AdamW(Adam):
    r"""Adam with decoupled weight decay.

    .. math:: p_t = (1 - \eta \lambda) p_{t-1} - \eta \, \hat m_t / (\sqrt{\hat v_t} + \epsilon)

    with the moments of :class:`Adam`, from the gradient without decay.  As in PyTorch the learning rate
    :math:`\eta` multiplies the decay :math:`\lambda`; in the paper's algorithm 2 only the schedule does.

    Parameters
    ----------
    params : iterable of Parameter or of dict
    lr : float, default 1e-3
    betas : pair of float, default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 1e-2
    amsgrad : bool, default False
    maximize : bool, keyword-only, default False
    foreach, capturable, differentiable, fused : keyword-only
        Choose an implementation in PyTorch; refused.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn, optim
    >>> w = nn.Parameter(np.array([1.0]))
    >>> optimizer = optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> w.grad = np.array([0.0])
    >>> optimizer.step()
    >>> w.data  # 1 - 0.1 * 0.5
    array([0.95])

    References
    ----------
    Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

"""The penalties that are sums over elements: L1, L2 and the elastic net.

The four forms in which each can enter training are those of :class:`~npnet.regularization.penalty.Penalty`.
"""

from __future__ import annotations

from npnet.backend import Array
from npnet.regularization.functional import (
    elastic_net_prox,
    l1_gradient,
    l1_prox,
    l1_value,
    l2_gradient,
    l2_prox,
    l2_value,
    strength,
)
from npnet.regularization.penalty import Penalty
from npnet.regularization.selection import Choice

__all__ = ["L1", "L2", "ElasticNet"]


class L1(Penalty):
    r"""Sum of absolute values: drives weights towards exact zeros.

    .. math::
        R(\theta) = \lambda \sum_i |\theta_i|, \qquad
        \partial R / \partial \theta_i = \lambda \operatorname{sign}(\theta_i), \quad
        \operatorname{sign}(0) = 0

    The pull does not weaken as a weight shrinks.  Plain gradient steps therefore jump to and fro across
    zero, by :math:`\eta\lambda` at a learning rate :math:`\eta`, and leave small values, not zeros; the
    proximal step, :meth:`~Penalty.prox_`, leaves zeros.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`; finite, not negative.
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised, see :class:`Penalty`.

    Raises
    ------
    ArgumentError
        If `lamb` is negative, infinite, NaN or no number, or `on` is not accepted.

    Notes
    -----
    Equal to ``lamb * sum(p.abs().sum() for p in model.parameters())`` and its autograd in PyTorch, but
    for a NaN weight, whose gradient is NaN here and 0 there.

    References
    ----------
    Tibshirani, "Regression Shrinkage and Selection via the Lasso" (1996).

    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 7.1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.nn.parameter import Parameter
    >>> w = Parameter(np.array([3.0, -1.0, 0.0]))
    >>> penalty = L1(0.5)
    >>> penalty([w]).item()
    2.0
    >>> penalty.backward([w])
    >>> w.grad
    array([ 0.5, -0.5,  0. ])
    """

    def __init__(self, lamb: float, *, on: Choice = "all") -> None:
        self.lamb = strength("lamb", lamb)
        super().__init__(on=on)

    def value(self, w: Array) -> Array:
        """See :func:`~npnet.regularization.functional.l1_value`."""
        return l1_value(w, self.lamb)

    def gradient(self, w: Array) -> Array:
        """See :func:`~npnet.regularization.functional.l1_gradient`."""
        return l1_gradient(w, self.lamb)

    def prox(self, w: Array, lr: float) -> Array:
        """See :func:`~npnet.regularization.functional.l1_prox`."""
        return l1_prox(w, lr * self.lamb)


class L2(Penalty):
    r"""Sum of squares: shrinks every weight in proportion to its size.

    .. math::
        R(\theta) = \lambda \sum_i \theta_i^2, \qquad
        \partial R / \partial \theta_i = 2 \lambda \theta_i

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`; finite, not negative.
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised, see :class:`Penalty`.

    Raises
    ------
    ArgumentError
        If `lamb` is negative, infinite, NaN or no number, or `on` is not accepted.

    Notes
    -----
    There is no half in front: ``L2(d / 2)`` adds the gradient :math:`d\,\theta` that ``weight_decay=d``
    adds in every optimizer of ``npnet.optim`` and ``torch.optim`` but those with decoupled decay, such as
    AdamW.  Keras's ``L2(l2)`` is this one.  Books that write :math:`\frac{\lambda}{2} \|w\|^2` mean
    ``L2(lamb / 2)``.  For the norm itself, without the square, see :class:`L2Norm`.

    References
    ----------
    Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization" (1991).

    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 7.1.1.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.nn.parameter import Parameter
    >>> w = Parameter(np.array([3.0, -1.0]))
    >>> penalty = L2(0.5)
    >>> penalty([w]).item()
    5.0
    >>> penalty.backward([w])
    >>> w.grad
    array([ 3., -1.])
    """

    def __init__(self, lamb: float, *, on: Choice = "all") -> None:
        self.lamb = strength("lamb", lamb)
        super().__init__(on=on)

    def value(self, w: Array) -> Array:
        """See :func:`~npnet.regularization.functional.l2_value`."""
        return l2_value(w, self.lamb)

    def gradient(self, w: Array) -> Array:
        """See :func:`~npnet.regularization.functional.l2_gradient`."""
        return l2_gradient(w, self.lamb)

    def prox(self, w: Array, lr: float) -> Array:
        """See :func:`~npnet.regularization.functional.l2_prox`."""
        return l2_prox(w, lr * self.lamb)


class ElasticNet(Penalty):
    r"""Sum of absolute values and sum of squares, each with its own strength.

    .. math::
        R(\theta) = \lambda_1 \sum_i |\theta_i| + \lambda_2 \sum_i \theta_i^2, \qquad
        \partial R / \partial \theta_i = \lambda_1 \operatorname{sign}(\theta_i) + 2 \lambda_2 \theta_i

    The first term selects, the second keeps correlated weights together.

    Parameters
    ----------
    l1, l2 : float
        The strengths :math:`\lambda_1` and :math:`\lambda_2`; finite, not negative.
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised, see :class:`Penalty`.

    Raises
    ------
    ArgumentError
        If a strength is negative, infinite, NaN or no number, or `on` is not accepted.

    Notes
    -----
    Keras's ``L1L2(l1, l2)`` is this one.  scikit-learn's ``ElasticNet(alpha, l1_ratio)`` adds
    :math:`\alpha \rho \|w\|_1 + \frac{\alpha (1 - \rho)}{2} \|w\|_2^2`, hence ``l1 = alpha * l1_ratio``
    and ``l2 = alpha * (1 - l1_ratio) / 2``.

    References
    ----------
    Zou and Hastie, "Regularization and Variable Selection via the Elastic Net" (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.nn.parameter import Parameter
    >>> w = Parameter(np.array([3.0, -1.0]))
    >>> penalty = ElasticNet(l1=0.5, l2=0.25)
    >>> penalty([w]).item()
    4.5
    >>> penalty.backward([w])
    >>> w.grad
    array([ 2., -1.])
    """

    def __init__(self, l1: float, l2: float, *, on: Choice = "all") -> None:
        self.l1 = strength("l1", l1)
        self.l2 = strength("l2", l2)
        super().__init__(on=on)

    def value(self, w: Array) -> Array:
        """The value of L1 plus that of L2."""
        return l1_value(w, self.l1) + l2_value(w, self.l2)

    def gradient(self, w: Array) -> Array:
        """The gradient of L1 plus that of L2."""
        return l1_gradient(w, self.l1) + l2_gradient(w, self.l2)

    def prox(self, w: Array, lr: float) -> Array:
        """See :func:`~npnet.regularization.functional.elastic_net_prox`."""
        return elastic_net_prox(w, lr * self.l1, lr * self.l2)

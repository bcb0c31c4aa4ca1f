r"""Penalties: terms that are added to the loss so that large weights cost something.

The total loss and its gradient are

.. math::
    J(\theta) = L(\theta) + R(\theta), \qquad
    \nabla J = \nabla L + \nabla R,

so a training step calls the model's backward and the penalty's, in any order, before the optimizer's
step.  The classes choose the parameters and walk them; the formulas, pure functions of one array, are
those of :mod:`npnet.regularization.functional`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError
from npnet.nn.module import Module
from npnet.nn.normalization import BatchNorm1d
from npnet.nn.parameter import Parameter, runs
from npnet.regularization.functional import l1_gradient, l1_value, l2_gradient, l2_value, strength

__all__ = ["L1", "L2", "ElasticNet", "Penalty"]

Penalized: TypeAlias = Module | Parameter | Iterable[Parameter] | Iterable[tuple[str, Parameter]]
"""What a penalty can be asked about; ``model.parameters()`` and ``model.named_parameters()`` are two."""

Choice: TypeAlias = Literal["all", "weights"] | Callable[[str, Parameter], bool]

NORMALIZATION = (BatchNorm1d,)
"""Layers whose parameters are no weights in the sense of ``on="weights"``."""


class Penalty:
    r"""Base of the penalties that are sums over elements, :math:`R(\theta) = \sum_i r(\theta_i)`.

    A subclass gives :meth:`value` and :meth:`gradient` of one array.  As the terms add up, both are
    computed once for each run of parameters that lie end to end in an arena.

    Parameters
    ----------
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised: all; all but the biases (parameters whose name starts with
        ``bias``) and those of normalisation layers; or those for which ``on(name, parameter)`` is true.

    Raises
    ------
    ArgumentError
        If `on` is none of these.

    Examples
    --------
    A penalty of your own, :math:`\lambda \sum_i \log(1 + w_i^2)`:

    >>> import numpy as np
    >>> from npnet.nn.parameter import Parameter
    >>> class LogPenalty(Penalty):
    ...     def value(self, w):
    ...         return 0.1 * np.sum(np.log1p(w * w))
    ...
    ...     def gradient(self, w):
    ...         return 0.1 * 2 * w / (1 + w * w)
    >>> w = Parameter(np.array([0.0, 1.0]))
    >>> LogPenalty().backward([w])
    >>> w.grad
    array([0. , 0.1])
    """

    def __init__(self, *, on: Choice = "all") -> None:
        if not callable(on) and on not in ("all", "weights"):
            raise ArgumentError(
                f"on must be 'all', 'weights' or a function of a name and a parameter, got {on!r}"
            )
        self.on = on

    def value(self, w: Array) -> Array:
        """The penalty of one array, 0-d."""
        raise NotImplementedError(f"{type(self).__name__} has no value; write one")

    def gradient(self, w: Array) -> Array:
        """The (sub)gradient by the elements of one array, in its shape."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient; write one")

    def __call__(self, model_or_parameters: Penalized) -> Array:
        """The value of the penalty, frozen parameters included.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            What is penalised, so far as `on` selects it; a parameter that comes twice counts once.

        Returns
        -------
        ndarray
            0-d, of the parameters' dtype and on their device.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`.
        """
        return cast(Array, sum(self.value(run.values) for run in runs(self.select(model_or_parameters))))

    def backward(self, model_or_parameters: Penalized) -> None:
        """Add the (sub)gradient to ``parameter.grad`` of every selected parameter that is not frozen.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            As for the value.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`.
        """
        learned = [p for p in self.select(model_or_parameters) if p.requires_grad]
        present = [p.grad is not None for p in learned]
        for run in runs(learned, present):
            if present[run.members[0]]:
                gradients = run.gradients
                np.add(gradients, self.gradient(run.values), out=gradients)
            else:
                for parameter in (learned[i] for i in run.members):
                    parameter.grad = self.gradient(parameter.data)

    def select(self, model_or_parameters: Penalized) -> list[Parameter]:
        """The parameters on which this penalty acts, each once.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            ``on="weights"`` needs the model itself, a function as `on` the names.

        Returns
        -------
        list of Parameter
            In the order of the model or of the iterable.

        Raises
        ------
        ArgumentError
            If nothing is selected (a misspelt name, an iterator that was used up before), or `on` needs
            more than was given.
        DtypeError
            If it is no model, nor parameters.
        """
        found = list(_walk(model_or_parameters))
        selected = dict.fromkeys(p for name, p, owner in found if self._selects(name, p, owner))
        if not selected:
            names = ", ".join(name or "(no name)" for name, _, _ in found) or "none"
            raise ArgumentError(f"{self!r} finds nothing to penalise; the parameters given are: {names}")
        return list(selected)

    def _selects(self, name: str | None, parameter: Parameter, owner: Module | None) -> bool:
        if self.on == "all":
            return True
        if self.on == "weights":
            if name is None or owner is None:
                raise ArgumentError("on='weights' must know the layers: pass the model, not its parameters")
            return not (name.rpartition(".")[2].startswith("bias") or isinstance(owner, NORMALIZATION))
        if name is None:
            raise ArgumentError("on= a function needs names: pass the model or model.named_parameters()")
        return bool(self.on(name, parameter))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


class L1(Penalty):
    r"""Sum of absolute values: drives weights towards exact zeros.

    .. math::
        R(\theta) = \lambda \sum_i |\theta_i|, \qquad
        \partial R / \partial \theta_i = \lambda \operatorname{sign}(\theta_i), \quad
        \operatorname{sign}(0) = 0

    The pull does not weaken as a weight shrinks.  Plain gradient steps therefore jump to and fro across
    zero, by :math:`\eta\lambda` at a learning rate :math:`\eta`, and leave small values, not zeros.

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
    ``L2(lamb / 2)``.

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


def _walk(target: Penalized) -> Iterator[tuple[str | None, Parameter, Module | None]]:
    """Every parameter with its name and the layer that owns it, as far as they are known."""
    if isinstance(target, Module):
        for path, module in target.named_modules():
            yield from ((*named, module) for named in module.named_parameters(path, recurse=False))
        return
    items: Iterable[Any] = target if isinstance(target, Iterable) else [target]
    for item in items:
        name, parameter = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        if not isinstance(parameter, Parameter):
            raise DtypeError(
                f"a penalty takes a model or its parameters, got {type(parameter).__name__}; for bare "
                "arrays, such as the values of a dict, there are l1_regularization and l2_regularization"
            )
        yield name, parameter, None

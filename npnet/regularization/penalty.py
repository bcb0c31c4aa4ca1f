r"""What every penalty shares: the four forms in which it can enter training.

A penalty :math:`R(\theta)` can enter training at four places.  At a learning rate :math:`\eta`, before or
after the optimizer's step:

1. a **term of the loss**: minimise :math:`J = L + R`.  ``penalty(model)`` is its value, and
   ``penalty.backward(model)`` adds :math:`\nabla R` to the gradients, beside the model's own backward;
2. **coupled decay**, :math:`g \leftarrow g + \nabla R`, right before ``optimizer.step()``: no part of the
   loss that is reported, nor of the gradient that is clipped.  ``penalty.couple_(model)``;
3. **decoupled decay**, :math:`\theta \leftarrow \theta - \eta \nabla R(\theta)`, right before
   ``optimizer.step()``: past momentum and adaptive scaling.  ``penalty.decay_(model, lr)``;
4. a **proximal step**, :math:`\theta \leftarrow \operatorname{prox}_{\eta R}(\theta)`, right after
   ``optimizer.step()``: the only one that gives exact zeros.  ``penalty.prox_(model, lr)``.

For ``L2(d / 2)`` the second is what ``weight_decay=d`` does in SGD or Adam, and the third what it does in
AdamW.  Under plain SGD the first three are one and the same; under momentum or Adam they are not.

The classes choose the parameters and walk them; the formulas, pure functions of one array, are those of
:mod:`npnet.regularization.functional`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, StateError
from npnet.nn.parameter import Parameter, runs
from npnet.regularization.functional import strength
from npnet.regularization.selection import Penalized, Selective

__all__ = ["HasGroups", "Penalty"]


class HasGroups(Protocol):
    """What knows a learning rate for each parameter: an optimizer."""

    param_groups: list[dict[str, Any]]


class Penalty(Selective):
    r"""Base of the penalties.

    A subclass gives :meth:`value`, :meth:`gradient` and, if there is one, :meth:`prox` of one array.  As a
    rule a penalty is a sum over elements, :math:`R(\theta) = \sum_i r(\theta_i)`; these are then computed
    once for each run of parameters that lie end to end in an arena.

    Parameters
    ----------
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised: all; all but the biases (parameters whose name starts with
        ``bias``) and those of normalisation layers; or those for which ``on(name, parameter)`` is true.

    Raises
    ------
    ArgumentError
        If `on` is none of these.

    Notes
    -----
    The forms that belong to a step (:meth:`couple_`, :meth:`decay_`, :meth:`prox_`) leave alone what the step
    leaves alone, as ``weight_decay`` does: parameters that are frozen or have no gradient.

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

    separable: ClassVar[bool] = True
    """Whether it is a sum over elements; if not, the formulas get one parameter at a time, in its shape."""

    def value(self, w: Array) -> Array:
        """The penalty of one array, 0-d."""
        raise NotImplementedError(f"{type(self).__name__} has no value; write one")

    def gradient(self, w: Array) -> Array:
        """The (sub)gradient by the elements of one array, in its shape."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient; write one")

    def prox(self, w: Array, lr: float) -> Array:
        r"""The proximal map :math:`\arg\min_x \frac12 \|x - w\|^2 + \eta R(x)` of one array, in its shape."""
        raise NotImplementedError(f"{type(self).__name__} has no proximal step; write prox(w, lr)")

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
        parameters = self.select(model_or_parameters)
        rates = [0.0] * len(parameters)
        return cast(Array, sum(self.value(w) for w, _ in self._pieces(parameters, rates)))

    def backward(self, model_or_parameters: Penalized) -> None:
        """Term of the loss: add the (sub)gradient to ``parameter.grad`` of all that are not frozen.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            As for the value.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`.
        """
        self._add_gradient([p for p in self.select(model_or_parameters) if p.requires_grad])

    def couple_(self, model_or_parameters: Penalized) -> None:
        r"""Coupled decay, :math:`g \leftarrow g + \nabla R(\theta)`, right before ``optimizer.step()``.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            As for the value.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`.
        StateError
            If no parameter has a gradient.
        """
        self._add_gradient(self._stepping(model_or_parameters))

    def decay_(self, model_or_parameters: Penalized, lr: float | HasGroups) -> None:
        r"""Decoupled decay, :math:`\theta \leftarrow \theta - \eta \nabla R(\theta)`, right before the step.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            As for the value.
        lr : float or Optimizer
            The learning rate :math:`\eta`, or the optimizer that knows the present one of each parameter.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`; if the learning rate is not accepted, or the optimizer lacks a parameter.
        StateError
            If no parameter has a gradient, as after ``zero_grad()``.
        """
        for w, rate in self._steps(model_or_parameters, lr):
            np.subtract(w, rate * self.gradient(w), out=w)

    def prox_(self, model_or_parameters: Penalized, lr: float | HasGroups) -> None:
        r"""Proximal step, :math:`\theta \leftarrow \mathrm{prox}_{\eta R}(\theta)`, right after the step.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            As for the value.
        lr : float or Optimizer
            The learning rate :math:`\eta`, or the optimizer that knows the present one of each parameter.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`; if the learning rate is not accepted, or the optimizer lacks a parameter.
        StateError
            If no parameter has a gradient, as after ``zero_grad()``.

        Examples
        --------
        >>> import numpy as np
        >>> from npnet import nn, optim
        >>> from npnet.regularization import L1
        >>> w = nn.Parameter(np.array([3.0, -0.25]))
        >>> optimizer = optim.SGD([w], lr=0.5)
        >>> w.grad = np.zeros(2)
        >>> optimizer.step()
        >>> L1(1.0).prox_([w], optimizer)
        >>> w.data
        array([2.5, 0. ])
        """
        for w, rate in self._steps(model_or_parameters, lr):
            w[...] = self.prox(w, rate)

    def _add_gradient(self, parameters: list[Parameter]) -> None:
        present = [p.has_grad for p in parameters]
        for run in runs(parameters, present):
            if self.separable and present[run.members[0]]:
                gradients = run.gradients
                np.add(gradients, self.gradient(run.values), out=gradients)
            else:
                for parameter in (parameters[i] for i in run.members):
                    parameter.accumulate(np.positive, self.gradient(parameter.data))

    def _stepping(self, target: Penalized) -> list[Parameter]:
        """The parameters that the optimizer's step moves."""
        learned = [p for p in self.select(target) if p.requires_grad]
        stepping = [p for p in learned if p.has_grad]
        if learned and not stepping:
            raise StateError(
                f"{self!r} belongs to an optimizer's step, but no parameter has a gradient: "
                "call it beside optimizer.step(), before zero_grad()"
            )
        return stepping

    def _steps(self, target: Penalized, lr: float | HasGroups) -> Iterator[tuple[Array, float]]:
        stepping = self._stepping(target)
        return self._pieces(stepping, _rates(lr, stepping))

    def _pieces(self, parameters: list[Parameter], rates: Sequence[float]) -> Iterator[tuple[Array, float]]:
        """The arrays to compute on, runs or single parameters, each with its learning rate."""
        if self.separable:
            return ((run.values, rates[run.members[0]]) for run in runs(parameters, rates))
        return ((p.data, rate) for p, rate in zip(parameters, rates, strict=True))


def _rates(lr: float | HasGroups, parameters: list[Parameter]) -> list[float]:
    """The learning rate of each parameter."""
    groups = getattr(lr, "param_groups", None)
    if groups is None:
        return [strength("lr", cast(float, lr))] * len(parameters)
    known = {p: float(group["lr"]) for group in groups for p in group["params"]}
    missing = [p for p in parameters if p not in known]
    if missing:
        raise ArgumentError(f"the optimizer given as lr does not know {missing[0]!r}: it has no rate for it")
    return [known[p] for p in parameters]

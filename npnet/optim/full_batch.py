"""SciPy's optimizers, driving a whole model through its arena."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, DeviceError, NonFiniteError
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter, Run, house, runs

__all__ = ["METHODS", "Term", "minimize"]

METHODS = ("L-BFGS-B", "BFGS", "CG", "Newton-CG", "TNC", "SLSQP", "trust-constr")
"""SciPy's methods that go by the gradient."""


class Term(Protocol):
    """What is added to the loss: a penalty of :mod:`npnet.regularization`."""

    def __call__(self, model: Any, /) -> Any:
        """Its value."""

    def backward(self, model: Any, /) -> None:
        """Add its gradient to the parameters'."""


class _Objective:
    """The loss as SciPy sees it: a function of one float64 vector of the host, and its gradient."""

    def __init__(
        self, model: Module, criterion: Any, x: Any, target: Any, penalties: tuple[Term, ...]
    ) -> None:
        self.model, self.criterion, self.x, self.target = model, criterion, x, target
        self.penalties = penalties
        self.parameters = _learned(model)
        house(self.parameters)
        self.runs: list[Run] = runs(self.parameters)
        self.last: tuple[Array, float] | None = None

    def vector(self) -> Array:
        """The present weights."""
        return np.concatenate([_to_vector(run.values) for run in self.runs])

    def write(self, vector: Array) -> None:
        """Set the weights."""
        start = 0
        for run in self.runs:
            values = vector[start : start + run.stop - run.start].astype(run.values.dtype)
            run.values[...] = backend.to_device(values, backend.device_of(run.values))
            start += run.stop - run.start

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """The loss with these weights, and its gradient."""
        self.write(vector)
        self.model.zero_grad()
        loss = self.criterion(self.model(self.x), self.target)
        if loss.ndim:
            raise ArgumentError(
                f"the loss is to be one number, got shape {loss.shape}: give the criterion reduction='mean'"
            )
        self.model.backward(self.criterion.backward(), input_grad=False)
        for penalty in self.penalties:
            loss = loss + penalty(self.model)
            penalty.backward(self.model)
        for parameter in self.parameters:
            if not parameter.has_grad:  # no part of the loss
                parameter.grad = np.zeros_like(parameter.data)
        value = float(backend.to_host(loss))
        self.last = vector.copy(), value
        return value, np.concatenate([_to_vector(run.gradients) for run in self.runs])

    def value(self, vector: Array) -> float:
        """The loss with these weights, which the model has afterwards."""
        if self.last is None or np.any(self.last[0] != vector):
            return self(vector)[0]
        return self.last[1]


def minimize(
    model: Module,
    criterion: Any,
    x: Any,
    target: Any,
    method: str = "L-BFGS-B",
    penalty: Term | Iterable[Term] | None = None,
    *,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
    callback: Callable[[int, float], Any] | None = None,
) -> Any:
    r"""Minimise the loss of a full batch by one of SciPy's optimizers.

    .. math:: \theta^* = \arg\min_\theta L(f_\theta(x), y) + \textstyle\sum_k R_k(\theta)

    For problems that fit in memory and want many digits; small batches want the optimizers beside this.

    Parameters
    ----------
    model : Module
        Starts from its present weights, and ends with the best ones.  Frozen parameters stay.
    criterion : Module
        A loss, with reduction ``"mean"`` or ``"sum"``.
    x, target : ndarray
        The whole batch.
    method : str, default "L-BFGS-B"
        ``"L-BFGS-B"``, ``"BFGS"``, ``"CG"``, ``"Newton-CG"``, ``"TNC"``, ``"SLSQP"`` or ``"trust-constr"``.
    penalty : penalty or iterable of penalties, optional
        Terms :math:`R_k` of the objective, such as ``regularization.L2(0.1)``.  One with kinks (L1) stops
        most methods short of its optimum; take steps with ``penalty.prox_`` for those.
    tol, options : keyword-only, optional
        SciPy's, such as ``options={"maxiter": 100}``.
    callback : callable, keyword-only, optional
        Called as ``callback(iteration, objective)`` after each iteration, counted from 1, the model having
        the weights of it.  Where SciPy allows it (not in TNC), ``StopIteration`` ends the search.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``fun`` is the objective reached, ``x`` the flat float64 vector of weights, ``success`` and
        ``message`` say why it stopped.

    Raises
    ------
    ArgumentError
        If the method is not one of these, the model has nothing to learn, or the loss is not one number or
        differs between two calls, as with dropout: call ``model.eval()`` first.
    DeviceError
        If the parameters lie on several devices.
    NonFiniteError
        If the loss or its gradient is not finite at the start.

    Notes
    -----
    Whatever is raised, by ``callback`` too, the model then has its weights of the start again.

    The search is in float64; a float32 model rounds each point and gives a gradient of seven digits, at
    which line searches give up early.  ``model.double()`` before, with float64 data, avoids that.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> model = nn.Linear(1, 1).double()
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> result = optim.minimize(model, nn.MSELoss(), x, 3 * x + 1)
    >>> result.x.round(4)
    array([3., 1.])

    References
    ----------
    Nocedal, Wright, *Numerical Optimization* (2006), chapter 7.
    """
    from scipy import optimize  # slow to import, and few need it

    if method not in METHODS:
        raise ArgumentError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    penalties = () if penalty is None else (penalty,) if callable(penalty) else tuple(penalty)
    objective = _Objective(model, criterion, x, target, penalties)
    start = objective.vector()
    iterations = 0

    def report(vector: Array, *_: Any) -> None:
        nonlocal iterations
        iterations += 1
        if callback is not None:
            callback(iterations, objective.value(vector))

    try:
        _check_start(objective, start)
        result = optimize.minimize(
            objective, start, method=method, jac=True, tol=tol, options=dict(options or {}), callback=report
        )
        objective.write(result.x)
    except BaseException:
        objective.write(start)
        raise
    finally:
        model.zero_grad()
    return result


def _learned(model: Module) -> list[Parameter]:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not sum(parameter.size for parameter in parameters):
        raise ArgumentError("the model has nothing to learn: no parameter, or all of them frozen")
    devices = sorted({parameter.device for parameter in parameters})
    if len(devices) > 1:
        raise DeviceError(f"the parameters lie on {' and '.join(devices)}: move the model to one device")
    return parameters


def _to_vector(values: Array) -> Array:
    return np.array(backend.to_host(values), np.float64)


def _check_start(objective: _Objective, start: Array) -> None:
    value, gradient = objective(start)
    if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
        raise NonFiniteError(f"at the start the loss is {value}, its gradient or itself not finite")
    again = objective(start)[0]
    if not math.isclose(value, again, rel_tol=1e-5):
        raise ArgumentError(
            f"the loss of the same weights was {value}, then {again}: a layer draws at random; call "
            "model.eval() before, so that dropout keeps everything"
        )

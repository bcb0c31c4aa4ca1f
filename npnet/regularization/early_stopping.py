r"""Early stopping: end the training when a watched number has ceased to improve.

Stopping early is a regularizer: from small initial weights, training for longer lets the weights move
further, so that the number of steps acts like an inverse weight decay (Goodfellow et al., section 7.8).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, SupportsFloat, get_args

import numpy as np

from npnet import backend
from npnet.errors import ArgumentError, DtypeError, NonFiniteError, ShapeError, StateError

__all__ = ["EarlyStopping"]

Mode = Literal["min", "max"]
MarginMode = Literal["abs", "rel"]
NanPolicy = Literal["bad", "stop", "raise"]
InfinityPolicy = Literal["ordered", "stop"]
FirstPolicy = Literal["better", "any"]


class _Stateful(Protocol):
    """What has weights and buffers: a module of npnet, or one of PyTorch."""

    def state_dict(self) -> Mapping[str, Any]: ...
    def load_state_dict(self, state_dict: Any) -> Any: ...


class EarlyStopping:
    r"""Stop when a number has not improved for `patience` checks in a row; keep the best weights.

    With :math:`b` the best value so far (at first the worst possible one) and :math:`\delta` `min_delta`,
    a value :math:`v` is *better* when

    .. math::
        v + \Delta < b \quad (\text{mode "min"}), \qquad v - \Delta > b \quad (\text{mode "max"}), \qquad
        \Delta = \begin{cases} \delta & \text{"abs"} \\ \delta\,|b| & \text{"rel"} \end{cases}

    so equality is not enough.  (Until there is a best value, :math:`\Delta` is :math:`\delta`.)  A check
    is *good*, and the counting of patience starts again, when its value is better than the best one and,
    if a `baseline` is given, by the same rule better than the baseline; any other check is bad.  The
    `patience`-th bad check in a row stops.

    The defaults are the rule that is easiest to state.  The last five options are there to decide as other
    libraries do: :mod:`npnet.dialects` turns their arguments into these.

    Parameters
    ----------
    patience : int
        The number of bad checks in a row that stops the training, at least 1.
    min_delta : float, default 0.0
        The margin by which a value must be better; finite, not negative.
    mode : {"min", "max"}, default "min"
        Whether smaller values are better (a loss) or larger ones (an accuracy).
    min_delta_mode : {"abs", "rel"}, keyword-only, default "abs"
        Whether the margin is `min_delta` itself or that fraction of the best value's magnitude, which is
        right for negative values too.
    baseline : float, optional, keyword-only
        A value that must be beaten before the counting of patience starts again.
    start_from_epoch : int, keyword-only, default 0
        The first check that counts; earlier values are not looked at.
    nan : {"bad", "stop", "raise"}, keyword-only, default "bad"
        What a NaN, which is never better, does: count as a bad check, stop at once, or raise.
    monitor : str, optional, keyword-only
        Which of several numbers is watched: :meth:`step` then takes a mapping of names to values too.
    infinite : {"ordered", "stop"}, keyword-only, default "ordered"
        What an infinity does: compare like any value, or stop at once.
    first : {"better", "any"}, keyword-only, default "better"
        What the first check that counts must be to give the best value: better than the worst possible one,
        or anything, NaN included.
    baseline_stops : bool, keyword-only, default True
        Whether a check that beats the best value, but not the baseline, can be the one that stops.
    stopping_threshold, divergence_threshold : float, optional, keyword-only
        Stop at once at a value better than the first, or worse than the second.

    Attributes
    ----------
    best : float or None
        The best value, None before there is one.
    best_epoch : int or None
        The check, counted from 0, that gave it.
    best_weights : mapping of str to ndarray, or None
        Copies of the weights and buffers that the model had then, where they lay; None if that check
        was not given the model.
    epoch : int
        How many checks there were, hence the number of the next one.
    num_bad_epochs : int
        How many of the last checks were bad.
    stopped : bool
        What the last check said.

    Raises
    ------
    ArgumentError
        If an argument is not accepted.

    Notes
    -----
    A check is a call of :meth:`step`, an epoch as a rule.  The same words elsewhere (Keras 3.15 and
    Lightning 2.6; where the table does not tell otherwise, all three stop at the same check):

    ========================  =====================  ========================  ==========================
    ..                        npnet                  Keras                     Lightning
    ========================  =====================  ========================  ==========================
    ``patience=0``            refused                as 1                      as 1
    ``min_delta < 0``         refused                its magnitude             used as it is
    relative ``min_delta``    ``min_delta_mode=``    no                        no
    NaN                       ``nan=``, a bad check  a bad check; if it comes  stops; a bad check with
                                                     first, the best value,    ``check_finite=False``
                                                     which nothing beats
                                                     (``first="any"``)
    infinity                  ``infinite=``,         ordered; if it comes      stops; ordered with
                              ordered                first, the best value     ``check_finite=False``
    beats best, not baseline  a bad check            counted, but does not     has no baseline
                                                     stop at that check
                                                     (``baseline_stops=``)
    ``start_from_epoch``      yes                    yes                       no
    stop at a threshold       as Lightning           no                        ``stopping_threshold``,
                                                                               ``divergence_threshold``
    best weights put back     :meth:`restoring`, on  at the end, with          not by this callback
                              every exit             ``restore_best_weights``
    reset between fits        :meth:`restoring`,     yes                       no
                              :meth:`reset`
    state saved               :meth:`state_dict`     no                        yes
    ========================  =====================  ========================  ==========================

    PyTorch itself has no early stopping.  Its ``ReduceLROnPlateau`` acts at the bad epoch after the
    `patience`-th, and with a relative threshold counts a worse value as better where the best is negative.

    References
    ----------
    Prechelt, "Early Stopping - But When?" (1998).

    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 7.8.

    Examples
    --------
    >>> stopping = EarlyStopping(patience=2)
    >>> [stopping.step(loss) for loss in (1.0, 0.5, 0.7, 0.5)]
    [False, False, False, True]
    >>> stopping.best, stopping.best_epoch
    (0.5, 1)
    """

    best: float | None
    best_epoch: int | None
    best_weights: Mapping[str, Any] | None
    epoch: int
    num_bad_epochs: int
    stopped: bool

    def __init__(
        self,
        patience: int,
        min_delta: float = 0.0,
        mode: Mode = "min",
        *,
        min_delta_mode: MarginMode = "abs",
        baseline: float | None = None,
        start_from_epoch: int = 0,
        nan: NanPolicy = "bad",
        monitor: str | None = None,
        infinite: InfinityPolicy = "ordered",
        first: FirstPolicy = "better",
        baseline_stops: bool = True,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        self.patience = _count("patience", patience, least=1)
        self.min_delta = _finite("min_delta", min_delta)
        if self.min_delta < 0:
            raise ArgumentError(
                f"min_delta must not be negative, got {min_delta!r}; mode= gives the direction"
            )
        self.mode = _choice("mode", mode, Mode)
        self.min_delta_mode = _choice("min_delta_mode", min_delta_mode, MarginMode)
        self.baseline = _optional("baseline", baseline)
        self.start_from_epoch = _count("start_from_epoch", start_from_epoch, least=0)
        self.nan = _choice("nan", nan, NanPolicy)
        self.monitor = monitor
        self.infinite = _choice("infinite", infinite, InfinityPolicy)
        self.first = _choice("first", first, FirstPolicy)
        self.baseline_stops = baseline_stops
        self.stopping_threshold = _optional("stopping_threshold", stopping_threshold)
        self.divergence_threshold = _optional("divergence_threshold", divergence_threshold)
        self.reset()

    def reset(self) -> None:
        """Forget every check and the weights, as before another training."""
        self.best = None
        self.best_epoch = None
        self.best_weights = None
        self.epoch = 0
        self.num_bad_epochs = 0
        self.stopped = False

    @contextmanager
    def restoring(self, model: _Stateful, *, reset: bool = True) -> Iterator[EarlyStopping]:
        """One fit: start anew, and put the best weights back however the block is left.

        Whether the rule stops, the last epoch is reached, an error is raised or Ctrl-C is pressed, the model
        then has the best weights; where there are none, it keeps its own.

        Parameters
        ----------
        model : Module
            What is restored; give it to :meth:`step` too.
        reset : bool, keyword-only, default True
            Forget what an earlier fit left; False continues, as from a loaded state.

        Examples
        --------
        >>> from npnet import nn
        >>> model, stopping = nn.Linear(1, 1, bias=False, dtype="float64"), EarlyStopping(patience=1)
        >>> with stopping.restoring(model):
        ...     for loss in (0.5, 0.4, 0.6):
        ...         model.weight.data = np.array([[loss]])
        ...         if stopping.step(loss, model):
        ...             break
        >>> model.weight.data
        array([[0.4]])
        """
        if reset:
            self.reset()
        try:
            yield self
        finally:
            if self.best_weights is not None:
                self.restore(model)

    def step(
        self, value: SupportsFloat | Mapping[str, SupportsFloat], model: _Stateful | None = None
    ) -> bool:
        """Take the value of the next check, and say whether to stop.

        Parameters
        ----------
        value : float or array of one element, or mapping of str to such
            What is watched, alone or under the name `monitor`.  Reading it from a GPU waits for the device.
        model : Module, optional
            Its weights and buffers are copied when the value is better than the best one.

        Returns
        -------
        bool
            Whether to stop.  Going on all the same is legal: a good check starts the counting again.

        Raises
        ------
        NonFiniteError
            If the value is NaN and ``nan="raise"``; the state is then as before.
        DtypeError, ShapeError
            If the value is not one number.
        ArgumentError
            If it is a mapping without the watched name.
        """
        number = _number(self._watched(value))
        counts = self.epoch >= self.start_from_epoch
        is_nan = math.isnan(number)
        if counts and is_nan and self.nan == "raise":
            raise NonFiniteError(f"early stopping: the watched value is NaN at check {self.epoch}")
        self.stopped = False
        if counts:
            improved = self._beats_best(number)
            if improved:
                self._keep(number, model)
            good = improved and (self.baseline is None or self._better(number, self.baseline))
            self.num_bad_epochs = 0 if good else self.num_bad_epochs + 1
            tired = self.num_bad_epochs >= self.patience and (self.baseline_stops or not improved)
            self.stopped = tired or self._stops_at_once(number)
        self.epoch += 1
        return self.stopped

    def _watched(self, value: Any) -> Any:
        """The one value among several that is watched."""
        if not isinstance(value, Mapping):
            return value
        if self.monitor is None or self.monitor not in value:
            raise ArgumentError(
                f"early stopping watches monitor={self.monitor!r}, got {', '.join(map(repr, value))}"
            )
        return value[self.monitor]

    def _beats_best(self, value: float) -> bool:
        if self.best is None:
            return self.first == "any" or self._sign * value < math.inf
        return self._better(value, self.best)

    def _stops_at_once(self, value: float) -> bool:
        """Whether a value stops by itself, without patience; NaN compares as neither better nor worse."""
        if (math.isnan(value) and self.nan == "stop") or (math.isinf(value) and self.infinite == "stop"):
            return True
        reached, diverged = self.stopping_threshold, self.divergence_threshold
        return (reached is not None and self._sign * value < self._sign * reached) or (
            diverged is not None and self._sign * value > self._sign * diverged
        )

    @property
    def _sign(self) -> float:
        """What turns larger-is-better into smaller-is-better."""
        return 1.0 if self.mode == "min" else -1.0

    def _better(self, value: float, reference: float) -> bool:
        """Whether a value is better than another by more than the margin."""
        # An infinite best has no fraction to take; any finite margin from it decides alike.
        relative = self.min_delta_mode == "rel" and math.isfinite(reference)
        margin = self.min_delta * abs(reference) if relative else self.min_delta
        return self._sign * value + margin < self._sign * reference

    def _keep(self, value: float, model: _Stateful | None) -> None:
        self.best, self.best_epoch = value, self.epoch
        # Weights of an older check would not be those of the best value: better to have none.
        self.best_weights = None if model is None else copy.deepcopy(model.state_dict())

    def restore(self, model: _Stateful) -> None:
        """Put the best weights and buffers back into a model, in place.

        Raises
        ------
        StateError
            If there are none, or they do not fit the model.
        """
        if self.best_weights is None:
            why = "no value was ever better" if self.best is None else "call step(value, model) to keep them"
            raise StateError(f"early stopping holds no weights to restore: {why}")
        model.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        """The numbers of the state, fit for JSON; `best_weights` is to be stored beside them."""
        return {"mode": self.mode, **{name: getattr(self, name) for name in _NUMBERS}}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], best_weights: Mapping[str, Any] | None = None
    ) -> None:
        """Continue from what :meth:`state_dict` returned.

        Parameters
        ----------
        state_dict : mapping
            The numbers.  The options (patience and so on) stay those of this object.
        best_weights : mapping of str to ndarray, optional
            The weights of the best check; copied.

        Raises
        ------
        StateError
            If it is not the state of an EarlyStopping of the same mode; nothing is then changed.
        """
        expected = {"mode", *_NUMBERS}
        if set(state_dict) != expected:
            raise StateError(
                f"the state of an EarlyStopping has the keys {sorted(expected)}, got {sorted(state_dict)}"
            )
        if state_dict["mode"] != self.mode:
            raise StateError(f"this EarlyStopping has mode {self.mode!r}, the state {state_dict['mode']!r}")
        for name in _NUMBERS:
            setattr(self, name, state_dict[name])
        self.best_weights = copy.deepcopy(best_weights)


_NUMBERS = ("best", "best_epoch", "epoch", "num_bad_epochs", "stopped")


def _number(value: Any) -> float:
    """The value as a Python float, fetched from its device."""
    if backend.is_array(value):
        value = backend.to_host(value)
        if value.size != 1:
            raise ShapeError(f"early stopping watches one number, got an array of shape {value.shape}")
        value = value.item()
    if not isinstance(value, SupportsFloat):
        raise DtypeError(f"early stopping watches a real number, got {value!r}")
    return float(value)


def _finite(name: str, value: float) -> float:
    if not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise ArgumentError(f"{name} must be a finite number, got {value!r}")
    return float(value)


def _optional(name: str, value: float | None) -> float | None:
    return None if value is None else _finite(name, value)


def _count(name: str, value: int, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _choice(name: str, value: str, options: Any) -> str:
    if value not in get_args(options):
        accepted = " or ".join(repr(option) for option in get_args(options))
        raise ArgumentError(f"{name} must be {accepted}, got {value!r}")
    return value

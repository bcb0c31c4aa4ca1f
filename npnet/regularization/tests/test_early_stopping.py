from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import errors, nn
from npnet.regularization import EarlyStopping

# Eighths, so that sums and products with the margins are exact and ties are ties.
eighths = st.integers(-16, 16).map(lambda n: n / 8)
values = st.lists(eighths | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=16)
options = st.fixed_dictionaries(
    {
        "patience": st.integers(1, 4),
        "min_delta": st.sampled_from([0.0, 0.125, 0.25, 1.0]),
        "mode": st.sampled_from(["min", "max"]),
        "min_delta_mode": st.sampled_from(["abs", "rel"]),
        "baseline": st.none() | eighths,
        "start_from_epoch": st.integers(0, 3),
    }
)


def oracle(
    history: list[float],
    patience: int,
    min_delta: float,
    mode: str,
    min_delta_mode: str,
    baseline: float | None,
    start_from_epoch: int,
) -> tuple[bool, int | None]:
    """Whether to stop after a whole history, and the best epoch, without any state.

    The records are the epochs whose value beats that of the record before; the run goes on if one of the
    last `patience` epochs that count is a record that beats the baseline too.
    """

    def beats(value: float, other: float) -> bool:
        gain = other - value if mode == "min" else value - other
        if min_delta_mode == "rel" and math.isfinite(other):
            return gain > min_delta * abs(other)
        return gain > min_delta

    worst = math.inf if mode == "min" else -math.inf
    counted = range(start_from_epoch, len(history))
    records: list[int] = []
    for epoch in counted:
        if beats(history[epoch], history[records[-1]] if records else worst):
            records.append(epoch)
    good = {epoch for epoch in records if baseline is None or beats(history[epoch], baseline)}
    stop = len(counted) >= patience and not good.intersection(counted[-patience:])
    return stop, records[-1] if records else None


@given(values, options)
def test_every_decision_is_the_oracle_s(history: list[float], chosen: dict[str, Any]) -> None:
    stopping = EarlyStopping(**chosen)
    for epoch, value in enumerate(history):
        said = stopping.step(value)
        stop, best_epoch = oracle(history[: epoch + 1], **chosen)
        assert said == stopping.stopped == stop
        assert stopping.best_epoch == best_epoch
        assert stopping.best == (None if best_epoch is None else history[best_epoch])


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_stops_at_the_patience_th_bad_check(patience: int) -> None:
    stopping = EarlyStopping(patience)
    decisions = [stopping.step(value) for value in [1.0] * (patience + 1)]
    assert decisions == [False] * patience + [True]


@pytest.mark.parametrize(
    ("mode", "best", "enough", "too_little"),
    [
        ("min", -2.0, -2.5, -2.25),
        ("max", -2.0, -1.5, -1.75),
        ("min", 2.0, 1.5, 1.75),
        ("max", 2.0, 2.5, 2.25),
    ],
)
def test_a_relative_margin_asks_for_more_whatever_the_sign(
    mode: Any, best: float, enough: float, too_little: float
) -> None:
    for value, improves in ((enough, True), (too_little, False)):
        stopping = EarlyStopping(3, 0.1875, mode, min_delta_mode="rel")
        stopping.step(best)
        stopping.step(value)
        assert (stopping.best == value) is improves


def test_a_nan_is_counted_or_stops_or_raises() -> None:
    bad = EarlyStopping(2)
    assert [bad.step(value) for value in (1.0, math.nan, math.nan)] == [False, False, True]
    stop = EarlyStopping(2, nan="stop")
    assert [stop.step(value) for value in (1.0, math.nan, 0.5)] == [False, True, False]
    strict = EarlyStopping(2, nan="raise")
    strict.step(1.0)
    before = strict.state_dict()
    with pytest.raises(errors.NonFiniteError, match="NaN at check 1"):
        strict.step(math.nan)
    assert strict.state_dict() == before


def test_a_nan_before_the_first_check_that_counts_is_not_looked_at() -> None:
    for policy in ("bad", "stop", "raise"):
        stopping = EarlyStopping(1, start_from_epoch=1, nan=policy)  # type: ignore[arg-type]
        assert not stopping.step(math.nan)
        assert not stopping.step(1.0)
        assert stopping.best_epoch == 1


@pytest.mark.parametrize(("mode", "worst"), [("min", math.inf), ("max", -math.inf)])
def test_the_first_check_may_be_the_best_whatever_it_is(mode: Any, worst: float) -> None:
    for first in (worst, math.nan, 1.0):
        anything = EarlyStopping(2, mode=mode, first="any")
        anything.step(first)
        assert anything.best_epoch == 0
        assert anything.num_bad_epochs == 0
    for first in (worst, math.nan):
        better = EarlyStopping(2, mode=mode)
        better.step(first)
        assert better.best_epoch is None
    nothing_beats_nan = EarlyStopping(2, mode=mode, first="any")
    assert [nothing_beats_nan.step(value) for value in (math.nan, 1.0, -1.0)] == [False, False, True]


def test_a_check_that_beats_the_best_but_not_the_baseline_may_be_spared() -> None:
    history = (1.0, 0.9, 0.8, 0.8)
    for stops, expected in ((True, [False, True, True, True]), (False, [False, False, False, True])):
        stopping = EarlyStopping(2, baseline=0.5, baseline_stops=stops)
        assert [stopping.step(value) for value in history] == expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_thresholds_and_infinities_stop_at_once(sign: float) -> None:
    mode: Any = "min" if sign > 0 else "max"
    thresholds: Any = {"stopping_threshold": sign * 0.5, "divergence_threshold": sign * 2.0}
    for value in (0.25, 2.25, math.inf):
        assert EarlyStopping(9, mode=mode, **thresholds).step(sign * value)
    for value in (0.5, 2.0, math.nan):
        assert not EarlyStopping(9, mode=mode, **thresholds).step(sign * value)
    for value, stops in ((math.inf, True), (-math.inf, True), (math.nan, False), (1.0, False)):
        assert EarlyStopping(9, mode=mode, infinite="stop").step(value) is stops
        assert EarlyStopping(9, mode=mode).step(value) is False


def test_one_of_several_numbers_is_watched() -> None:
    stopping = EarlyStopping(1, mode="max", monitor="accuracy")
    stopping.step({"loss": 0.1, "accuracy": np.float32(0.5)})
    assert stopping.best == 0.5
    stopping.step(0.75)
    assert stopping.best == 0.75
    before = stopping.state_dict()
    with pytest.raises(errors.ArgumentError, match="monitor='accuracy', got 'loss'"):
        stopping.step({"loss": 0.1})
    with pytest.raises(errors.ArgumentError, match="monitor=None, got 'loss'"):
        EarlyStopping(1).step({"loss": 0.1})
    assert stopping.state_dict() == before


def model_of(seed: int) -> nn.Sequential:
    """A model whose weights and buffers are all drawn, and of two dtypes."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, dtype="float64"), nn.Linear(4, 2))
    rng = np.random.default_rng(seed)
    for array in model.state_dict().values():
        array[...] = rng.integers(0, 100, array.shape) / 7
    return model


def state_of(model: nn.Module) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state_dict().items()}


def test_restore_puts_every_bit_of_weights_and_buffers_back() -> None:
    model, stopping = model_of(0), EarlyStopping(2)
    stopping.step(1.0, model)
    model.load_state_dict(model_of(1).state_dict())
    best = state_of(model)
    weight = model[0].weight.data
    stopping.step(0.5, model)
    model.load_state_dict(model_of(2).state_dict())
    stopping.step(0.5, model)  # a tie keeps the older weights
    assert state_of(model) != best
    stopping.restore(model)
    assert state_of(model) == best
    assert model[0].weight.data is weight  # in place
    model[0].weight.data += 1  # and the copy is not the model's
    stopping.restore(model)
    assert state_of(model) == best


@pytest.mark.parametrize("leave", ["stopped", "end", "error", "interrupt"])
def test_the_best_weights_come_back_on_every_exit(leave: str) -> None:
    model, stopping = model_of(0), EarlyStopping(2)
    stopping.step(0.0)  # an earlier fit, to be forgotten
    raised = {"error": errors.NonFiniteError("loss"), "interrupt": KeyboardInterrupt()}.get(leave)
    best = {}

    def fit() -> None:
        with stopping.restoring(model) as rule:
            assert rule is stopping
            for epoch, loss in enumerate((1.0, 0.5, 0.7, 0.8)):
                model.load_state_dict(model_of(epoch).state_dict())
                if loss == 0.5:
                    best.update(state_of(model))
                if stopping.step(loss, model) and leave == "stopped":
                    break
                if raised is not None and epoch == 2:
                    raise raised

    if raised is None:
        fit()
    else:
        with pytest.raises(type(raised)):
            fit()
    assert stopping.best_epoch == 1
    assert state_of(model) == best


def test_a_fit_without_a_best_keeps_its_weights_and_a_resumed_one_its_state() -> None:
    model, stopping = model_of(0), EarlyStopping(3)
    before = state_of(model)
    with stopping.restoring(model):
        stopping.step(math.nan, model)
    assert state_of(model) == before
    with stopping.restoring(model, reset=False):
        stopping.step(math.nan, model)
    assert (stopping.epoch, stopping.num_bad_epochs) == (2, 2)
    with stopping.restoring(model):
        pass
    assert stopping.epoch == 0


def test_restore_with_nothing_to_restore_says_why() -> None:
    model, stopping = model_of(0), EarlyStopping(2)
    stopping.step(math.nan, model)
    with pytest.raises(errors.StateError, match="no value was ever better"):
        stopping.restore(model)
    stopping.step(1.0, model)
    stopping.step(0.5)  # better, but the model was not given: the weights of 1.0 are not the best ones
    with pytest.raises(errors.StateError, match=r"call step\(value, model\)"):
        stopping.restore(model)


@given(values, options, st.integers(0, 16))
def test_a_run_saved_as_json_and_reloaded_goes_on_alike(
    history: list[float], chosen: dict[str, Any], cut: int
) -> None:
    whole, first, second = (EarlyStopping(**chosen) for _ in range(3))
    decisions = [whole.step(value) for value in history]
    before = [first.step(value) for value in history[:cut]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert before + [second.step(value) for value in history[cut:]] == decisions
    assert second.state_dict() == whole.state_dict()


def test_the_best_weights_travel_beside_the_state() -> None:
    model, saved, resumed = model_of(0), EarlyStopping(2), EarlyStopping(2)
    saved.step(1.0, model)
    best = state_of(model)
    assert saved.best_weights is not None
    resumed.load_state_dict(saved.state_dict(), saved.best_weights)
    for array in saved.best_weights.values():  # the loaded ones are copies
        array[...] = 0
    model.load_state_dict(model_of(1).state_dict())
    resumed.restore(model)
    assert state_of(model) == best


@given(values, values, options)
def test_reset_forgets_everything(first: list[float], second: list[float], chosen: dict[str, Any]) -> None:
    used, fresh = EarlyStopping(**chosen), EarlyStopping(**chosen)
    for value in first:
        used.step(value, model_of(0))
    used.reset()
    assert used.best_weights is None
    assert [used.step(value) for value in second] == [fresh.step(value) for value in second]
    assert used.state_dict() == fresh.state_dict()


@pytest.mark.parametrize("value", [np.float32(0.5), np.array(0.5), np.array([0.5]), 0.5])
def test_a_value_may_be_an_array_of_one_element(value: Any) -> None:
    stopping = EarlyStopping(1)
    stopping.step(value)
    assert stopping.best == 0.5
    assert type(stopping.best) is float


def test_a_value_that_is_no_number_is_refused_and_changes_nothing() -> None:
    stopping = EarlyStopping(1)
    before = stopping.state_dict()
    with pytest.raises(errors.ShapeError, match=r"one number, got an array of shape \(2,\)"):
        stopping.step(np.zeros(2))  # type: ignore[arg-type]
    for value in (None, "0.5", 1j, np.array(1j)):
        with pytest.raises(errors.DtypeError, match="a real number, got"):
            stopping.step(value)  # type: ignore[arg-type]
    assert stopping.state_dict() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": 0}, "patience must be an integer of at least 1, got 0"),
        ({"patience": 2.0}, "patience must be an integer of at least 1, got 2.0"),
        ({"patience": True}, "patience must be an integer of at least 1, got True"),
        ({"min_delta": -0.1}, "min_delta must not be negative, got -0.1"),
        ({"min_delta": math.nan}, "min_delta must be a finite number, got nan"),
        ({"min_delta": math.inf}, "min_delta must be a finite number, got inf"),
        ({"min_delta": "0.1"}, "min_delta must be a finite number, got '0.1'"),
        ({"mode": "auto"}, "mode must be 'min' or 'max', got 'auto'"),
        ({"min_delta_mode": "relative"}, "min_delta_mode must be 'abs' or 'rel', got 'relative'"),
        ({"baseline": math.nan}, "baseline must be a finite number, got nan"),
        ({"start_from_epoch": -1}, "start_from_epoch must be an integer of at least 0, got -1"),
        ({"nan": "ignore"}, "nan must be 'bad' or 'stop' or 'raise', got 'ignore'"),
        ({"infinite": "bad"}, "infinite must be 'ordered' or 'stop', got 'bad'"),
        ({"first": "best"}, "first must be 'better' or 'any', got 'best'"),
        ({"stopping_threshold": math.nan}, "stopping_threshold must be a finite number, got nan"),
        ({"divergence_threshold": math.inf}, "divergence_threshold must be a finite number, got inf"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ArgumentError, match=message):
        EarlyStopping(**{"patience": 1, **arguments})


def test_a_foreign_state_is_refused_and_changes_nothing() -> None:
    stopping = EarlyStopping(1)
    stopping.step(1.0)
    before = stopping.state_dict()
    with pytest.raises(errors.StateError, match="has mode 'min', the state 'max'"):
        stopping.load_state_dict(EarlyStopping(1, mode="max").state_dict())
    with pytest.raises(errors.StateError, match="has the keys"):
        stopping.load_state_dict({"last_epoch": 3})
    assert stopping.state_dict() == before

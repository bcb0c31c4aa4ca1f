"""Converters of other libraries' words, against closed forms, recorded decisions and the libraries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from npnet import dialects, errors, nn, optim
from npnet.regularization import L2, EarlyStopping
from parity_tests import peers

HostArray = npt.NDArray[Any]
seeds = st.integers(0, 2**32 - 1)
both = pytest.mark.parametrize("source", ["equations", "keras"])


def trajectory(
    optimizer: optim.Optimizer, w: nn.Parameter, gradients: Sequence[HostArray], epsilon: Any
) -> Any:
    """The weights after each step; `epsilon` is Adam's uncorrected one, or None."""
    seen = []
    for step, gradient in enumerate(gradients, start=1):
        w.grad = gradient
        for group in optimizer.param_groups:
            if epsilon is not None:
                group["eps"] = dialects.corrected_epsilon(epsilon, group["betas"][1], step)
        optimizer.step()
        seen.append(w.data.copy())
    return seen


# ---------------------------------------------------------------- Adam


def adam_equations(o: dict[str, Any], w: HostArray, gradients: Sequence[HostArray]) -> list[HostArray]:
    """Keras's and scikit-learn's Adam, written out."""
    m, v, largest, seen = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        w = w - w * (o["weight_decay"] or 0.0) * o["learning_rate"]
        m = o["beta_1"] * m + (1 - o["beta_1"]) * g
        v = o["beta_2"] * v + (1 - o["beta_2"]) * g**2
        largest = np.maximum(largest, v)
        alpha = o["learning_rate"] * math.sqrt(1 - o["beta_2"] ** t) / (1 - o["beta_1"] ** t)
        w = w - alpha * m / (np.sqrt(largest if o["amsgrad"] else v) + o["epsilon"])
        seen.append(w)
    return seen


@both
@given(
    seed=seeds,
    options=st.fixed_dictionaries(
        {
            "learning_rate": st.floats(1e-3, 0.5),
            "beta_1": st.sampled_from([0.0, 0.9]),
            "beta_2": st.sampled_from([0.5, 0.999]),
            "epsilon": st.sampled_from([1e-7, 1e-2, 1.0]),
            "amsgrad": st.booleans(),
            "weight_decay": st.none() | st.floats(0.01, 1.0),
        }
    ),
)
def test_adam_with_its_epsilon_is_keras_s(source: str, seed: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=4), list(rng.normal(size=(6, 4)))
    expected = (
        adam_equations(options, start, gradients)
        if source == "equations"
        else peers.keras_trajectory("Adam", options, start, gradients)
    )
    w = nn.Parameter(start)
    ours = trajectory(optim.Adam([w], **dialects.keras_adam(**options)), w, gradients, options["epsilon"])
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)


def test_without_the_correction_keras_s_adam_is_another() -> None:
    """The counter-example: epsilon 1 and one gradient of 1; 0.5 lr here, 0.03 lr there."""
    options = {"learning_rate": 1.0, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1.0}
    w = nn.Parameter(np.zeros(1))
    (ours,) = trajectory(optim.Adam([w], **dialects.keras_adam(**options)), w, [np.ones(1)], None)
    (theirs,) = adam_equations({**options, "amsgrad": False, "weight_decay": None}, np.zeros(1), [np.ones(1)])
    assert ours.item() == pytest.approx(-0.5)
    assert theirs.item() == pytest.approx(-math.sqrt(0.001) / (math.sqrt(0.001) + 1))


@given(
    seed=seeds,
    alpha=st.sampled_from([0.0, 1e-4, 0.5]),
    epsilon=st.sampled_from([1e-8, 1e-3, 0.1]),
    activation=st.sampled_from(["relu", "tanh"]),
)
def test_an_mlp_classifier_is_replayed_step_by_step(
    seed: int, alpha: float, epsilon: float, activation: str
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 3)), np.arange(20) % 3
    theirs = MLPClassifier(
        (5,),
        activation=activation,
        alpha=alpha,
        batch_size=8,  # the last batch of a pass has 4 rows, and so another decay
        learning_rate_init=0.05,
        epsilon=epsilon,
        shuffle=False,
        random_state=int(seed % 1000),
        max_iter=1,
    )
    theirs.partial_fit(x, y, classes=[0, 1, 2])
    del theirs._optimizer  # weights are there; its next pass starts Adam anew
    hidden = nn.ReLU() if activation == "relu" else nn.Tanh()
    model = nn.Sequential(nn.Linear(3, 5, dtype="float64"), hidden, nn.Linear(5, 3, dtype="float64"))
    for layer, coefs, intercepts in zip((model[0], model[2]), theirs.coefs_, theirs.intercepts_, strict=True):
        layer.weight.data, layer.bias.data = coefs.T, intercepts
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), **dialects.sklearn_adam(0.05, epsilon=epsilon))
    step = 0
    for _ in range(3):
        theirs.partial_fit(x, y)
        for first in range(0, 20, 8):
            rows = slice(first, first + 8)
            step += 1
            optimizer.zero_grad()
            criterion(model(x[rows]), y[rows])
            model.backward(criterion.backward(), input_grad=False)
            L2(dialects.sklearn_alpha(alpha, len(x[rows])), on="weights").backward(model)
            for group in optimizer.param_groups:
                group["eps"] = dialects.corrected_epsilon(epsilon, group["betas"][1], step)
            optimizer.step()
        for layer, coefs, intercepts in zip(
            (model[0], model[2]), theirs.coefs_, theirs.intercepts_, strict=True
        ):
            np.testing.assert_allclose(layer.weight.data, coefs.T, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(layer.bias.data, intercepts, rtol=1e-8, atol=1e-9)


@given(seed=seeds, decay=st.floats(0.0, 0.5), lr=st.floats(0.01, 0.5))
def test_adamw_with_the_paper_s_decay_is_its_algorithm_2(seed: int, decay: float, lr: float) -> None:
    rng = np.random.default_rng(seed)
    start, gradients, schedule = rng.normal(size=4), rng.normal(size=(6, 4)), rng.uniform(0.1, 1.0, 6)
    w = nn.Parameter(start)
    optimizer = optim.AdamW([w], lr=lr, weight_decay=dialects.adamw_paper_weight_decay(decay, lr))
    p, m, v = start, np.zeros(4), np.zeros(4)
    for t, (g, eta) in enumerate(zip(gradients, schedule, strict=True), start=1):
        w.grad = g
        optimizer.param_groups[0]["lr"] = eta * lr
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p = p - eta * (lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + decay * p)
        np.testing.assert_allclose(w.data, p, rtol=1e-9, atol=1e-10)


# ---------------------------------------------------------------- RMSprop


def rmsprop_equations(o: dict[str, Any], w: HostArray, gradients: Sequence[HostArray]) -> list[HostArray]:
    """Keras's RMSprop, written out."""
    v, mean, buffer, seen = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w), []
    for g in gradients:
        v = o["rho"] * v + (1 - o["rho"]) * g**2
        mean = o["rho"] * mean + (1 - o["rho"]) * g
        inside = v - mean**2 if o["centered"] else v
        buffer = o["momentum"] * buffer + o["learning_rate"] * g / np.sqrt(inside + o["epsilon"])
        w = w - buffer
        seen.append(w)
    return seen


rmsprop_options = {
    "learning_rate": st.floats(1e-3, 0.1),
    "rho": st.sampled_from([0.5, 0.9]),
    "momentum": st.sampled_from([0.0, 0.9]),
    "centered": st.booleans(),
}


@both
@given(seed=seeds, options=st.fixed_dictionaries({**rmsprop_options, "epsilon": st.just(0.0)}))
def test_rmsprop_without_epsilon_is_keras_s(source: str, seed: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=4), list(rng.normal(size=(6, 4)))
    expected = (
        rmsprop_equations(options, start, gradients)
        if source == "equations"
        else peers.keras_trajectory("RMSprop", options, start, gradients)
    )
    w = nn.Parameter(start)
    ours = trajectory(optim.RMSprop([w], **dialects.keras_rmsprop(**options)), w, gradients, None)
    np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-8)


@both
@pytest.mark.parametrize("ratio", [1e-8, 1e-2, 1.0, 1e2, 1e8])
def test_an_rmsprop_step_is_at_most_a_root_of_two_shorter(source: str, ratio: float) -> None:
    """At v = ratio * epsilon the two steps differ by (1 + sqrt(ratio)) / sqrt(1 + ratio), and by no more."""
    options = {"learning_rate": 1.0, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-4, "centered": False}
    start, gradient = np.zeros(1), np.array([math.sqrt(ratio * 1e-4 / 0.1)])
    (theirs,) = (
        rmsprop_equations(options, start, [gradient])
        if source == "equations"
        else peers.keras_trajectory("RMSprop", options, start, [gradient])
    )
    w = nn.Parameter(start)
    (ours,) = trajectory(optim.RMSprop([w], **dialects.keras_rmsprop(**options)), w, [gradient], None)
    quotient = (theirs / ours).item()
    assert quotient == pytest.approx((1 + math.sqrt(ratio)) / math.sqrt(1 + ratio), rel=1e-6)
    assert quotient <= math.sqrt(2) * (1 + 1e-6)


# ---------------------------------------------------------------- BatchNorm


def batch_norm_equations(
    momentum: float, epsilon: float, batches: Sequence[HostArray]
) -> tuple[list[HostArray], HostArray, HostArray]:
    """Keras's BatchNormalization, written out."""
    mean, variance, outputs = np.zeros(3), np.ones(3), []
    for x in batches:
        outputs.append((x - x.mean(0)) / np.sqrt(x.var(0) + epsilon))
        mean = momentum * mean + (1 - momentum) * x.mean(0)
        variance = momentum * variance + (1 - momentum) * x.var(0)
    return outputs, mean, variance


@both
@given(seed=seeds, momentum=st.floats(0.0, 0.99), epsilon=st.floats(1e-3, 1.0), rows=st.integers(2, 6))
def test_batch_norm_is_keras_s(source: str, seed: int, momentum: float, epsilon: float, rows: int) -> None:
    batches = list(np.random.default_rng(seed).normal(size=(4, rows, 3)))
    # Keras takes moments in float32, whatever the type of its inputs.
    tolerance = 1e-10 if source == "equations" else 1e-4
    outputs, mean, variance = (
        batch_norm_equations(momentum, epsilon, batches)
        if source == "equations"
        else peers.keras_batch_norm({"momentum": momentum, "epsilon": epsilon}, batches)
    )
    layer = nn.BatchNorm1d(3, dtype="float64", **dialects.keras_batch_norm(momentum, epsilon))
    np.testing.assert_allclose([layer(batch) for batch in batches], outputs, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=tolerance, atol=tolerance)
    moved = dialects.keras_moving_variance(layer.running_var, momentum, len(batches), rows)
    np.testing.assert_allclose(moved, variance, rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- plateaus


eighths = st.integers(-16, 16).map(lambda n: n / 8)
plateau_options = st.fixed_dictionaries(
    {
        "factor": st.sampled_from([0.1, 0.5]),
        "patience": st.integers(0, 3),
        "mode": st.sampled_from(["min", "max"]),
        "min_delta": st.sampled_from([0.0, 0.25]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0.0, 0.25]),
    }
)


def plateau_equations(o: dict[str, Any], values: Sequence[float], lr: float) -> list[float]:
    """Keras's ReduceLROnPlateau, written out."""
    sign = 1 if o["mode"] == "min" else -1
    best, wait, cooling, rates = math.inf, 0, 0, []
    for value in values:
        if cooling > 0:
            cooling, wait = cooling - 1, 0
        if sign * value + o["min_delta"] < best:
            best, wait = sign * value, 0
        elif cooling == 0:
            wait += 1
            if wait >= o["patience"] and lr > o["min_lr"]:
                lr, cooling, wait = max(lr * o["factor"], o["min_lr"]), o["cooldown"], 0
        rates.append(lr)
    return rates


@both
@example(  # better by more than the margin, not by more than that part of the best value
    options={"factor": 0.5, "patience": 1, "mode": "min", "min_delta": 0.25, "cooldown": 2, "min_lr": 0.0},
    values=[2.0, 1.625, 1.5, 1.5, 1.5, 1.5],
)
@given(options=plateau_options, values=st.lists(eighths, min_size=1, max_size=16))
def test_a_plateau_is_keras_s(source: str, options: dict[str, Any], values: list[float]) -> None:
    expected = (plateau_equations if source == "equations" else peers.keras_plateau)(options, values, 1.0)
    optimizer = optim.SGD([nn.Parameter(np.zeros(1))], lr=1.0)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, **dialects.keras_reduce_lr_on_plateau(**options)
    )
    rates = []
    for value in values:
        schedule.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


# ---------------------------------------------------------------- early stopping

CONVERTERS = {
    "keras": lambda options: dialects.keras_early_stopping("m", **options),
    "pytorch_lightning": lambda options: dialects.lightning_early_stopping("m", **options),
}
every_library = pytest.mark.parametrize("library", CONVERTERS)


def stops(library: str, options: dict[str, Any], values: Sequence[float]) -> int | None:
    """At which check npnet stops under the other library's options."""
    stopping = EarlyStopping(**CONVERTERS[library](options))
    for check, value in enumerate(values):
        if stopping.step({"m": value, "another": 0.0}):
            return check
    return None


@every_library
def test_recorded_decisions_are_ours(library: str) -> None:
    table = peers.recorded(library)
    decided = {case["stops"] is None for case in table["cases"]}
    assert decided == {True, False}
    for case in table["cases"]:
        values = [float(value) for value in case["values"]]
        assert stops(library, case["options"], values) == case["stops"], case


@every_library
@given(data=st.data())
def test_decisions_are_those_of_the_library_itself(library: str, data: st.DataObject) -> None:
    options = {
        name: data.draw(st.sampled_from(accepted), label=name)
        for name, accepted in peers.OPTIONS[library].items()
    }
    values = data.draw(st.lists(eighths | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=12))
    assert stops(library, options, values) == peers.DECISIONS[library](options, values)


@pytest.mark.parametrize("library", ["keras"])
def test_the_record_is_what_the_installed_library_decides(library: str) -> None:
    peers.load_keras()
    for case in peers.recorded(library)["cases"][:50]:
        assert peers.keras_stop(case["options"], [float(v) for v in case["values"]]) == case["stops"]


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: dialects.corrected_epsilon(1e-8, 0.999, 0), "steps count from 1.*step=0"),
        (lambda: dialects.corrected_epsilon(1e-8, 1.0, 1), "beta2=1.0"),
        (lambda: dialects.sklearn_alpha(0.1, 0), "batch_size must be at least 1, got 0"),
        (lambda: dialects.adamw_paper_weight_decay(0.1, 0.0), "lr must be above 0, got 0.0"),
        (lambda: dialects.keras_early_stopping(mode="auto"), "mode must be 'min' or 'max', got 'auto'"),
        (lambda: dialects.keras_reduce_lr_on_plateau(mode="auto"), "got 'auto'"),
        (lambda: dialects.lightning_early_stopping("m", mode="up"), "got 'up'"),
        (
            lambda: EarlyStopping(**dialects.lightning_early_stopping("m", -0.1)),
            "min_delta must not be negative",
        ),
    ],
)
def test_what_has_no_translation_is_refused(act: Any, message: str) -> None:
    with pytest.raises(errors.ArgumentError, match=message):
        act()

"""Keras and Lightning behind plain functions, for the tests of dialects; absent libraries skip with a reason.

``python -m parity_tests.peers`` records anew what the installed ones decide, in ``parity_tests/recorded``.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

__all__ = [
    "DECISIONS",
    "RECORDED",
    "keras_batch_norm",
    "keras_plateau",
    "keras_stop",
    "keras_trajectory",
    "lightning_stop",
    "load_keras",
    "load_lightning",
    "recorded",
]

HostArray = npt.NDArray[Any]
RECORDED = Path(__file__).parent / "recorded"


def _load(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            name,
            reason=f"{name} is not installed; recorded decisions and closed forms are compared all the same",
        )


def load_keras() -> Any:
    """Keras on its PyTorch backend."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return _load("keras")


def load_lightning() -> Any:
    """PyTorch Lightning."""
    return _load("pytorch_lightning")


def keras_stop(options: Mapping[str, Any], values: Sequence[float]) -> int | None:
    """At which epoch, from 0, ``keras.callbacks.EarlyStopping`` stops."""
    callback = load_keras().callbacks.EarlyStopping(monitor="m", **options)
    model = SimpleNamespace(stop_training=False)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"m": value})
        if model.stop_training:
            return epoch
    return None


def lightning_stop(options: Mapping[str, Any], values: Sequence[float]) -> int | None:
    """At which check, from 0, Lightning's EarlyStopping stops."""
    callback = load_lightning().callbacks.EarlyStopping("m", **options)
    for check, value in enumerate(values):
        if callback._evaluate_stopping_criteria(torch.tensor(value, dtype=torch.float64))[0]:
            return check
    return None


def keras_plateau(options: Mapping[str, Any], values: Sequence[float], lr: float) -> list[float]:
    """The rate after each epoch under ``keras.callbacks.ReduceLROnPlateau``."""
    callback = load_keras().callbacks.ReduceLROnPlateau(monitor="m", **options)
    optimizer = SimpleNamespace(learning_rate=lr)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"m": value})
        rates.append(float(optimizer.learning_rate))
    return rates


def keras_trajectory(
    name: str, options: Mapping[str, Any], start: HostArray, gradients: Sequence[HostArray]
) -> list[HostArray]:
    """The weights after each step of a Keras optimizer, in float64."""
    with _keras_in_float64() as keras:
        weight = keras.Variable(start)
        optimizer = getattr(keras.optimizers, name)(**options)
        seen = []
        for gradient in gradients:
            optimizer.apply([torch.tensor(gradient)], [weight])
            seen.append(_host(weight))
        return seen


@contextmanager
def _keras_in_float64() -> Iterator[Any]:
    """Keras with its default type set, since what is asked of a layer alone does not reach its inputs."""
    keras = load_keras()
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        yield keras
    finally:
        keras.config.set_floatx(before)


def _host(variable: Any) -> HostArray:
    """A copy of what a variable of Keras holds; its own ``numpy()`` warns under NumPy 2."""
    return np.array(variable.value.detach().numpy())


def keras_batch_norm(
    options: Mapping[str, Any], batches: Sequence[HostArray]
) -> tuple[list[HostArray], HostArray, HostArray]:
    """Outputs in training, and the moving mean and variance afterwards, in float64."""
    with _keras_in_float64() as keras:
        layer = keras.layers.BatchNormalization(**options)
        outputs = [layer(torch.tensor(batch), training=True).detach().numpy() for batch in batches]
        return outputs, _host(layer.moving_mean), _host(layer.moving_variance)


DECISIONS: dict[str, Callable[[Mapping[str, Any], Sequence[float]], int | None]] = {
    "keras": keras_stop,
    "pytorch_lightning": lightning_stop,
}
"""Library to the function that says where its early stopping stops."""

OPTIONS: dict[str, dict[str, Sequence[Any]]] = {
    "keras": {
        "patience": (0, 1, 2, 3),
        "min_delta": (0.0, 0.25, -0.25),
        "mode": ("min", "max"),
        "baseline": (None, -0.5, 0.5),
        "start_from_epoch": (0, 0, 2),
    },
    "pytorch_lightning": {
        "patience": (0, 1, 2, 3),
        "min_delta": (0.0, 0.25),
        "mode": ("min", "max"),
        "check_finite": (True, False),
        "stopping_threshold": (None, None, -1.5),
        "divergence_threshold": (None, None, 1.5),
    },
}
"""What is recorded: options of each library, drawn together."""


def recorded(library: str) -> dict[str, Any]:
    """The recorded decisions of a library, with its version."""
    table: dict[str, Any] = json.loads((RECORDED / f"{library}_early_stopping.json").read_text("utf-8"))
    return table


def _record(library: str, cases: int = 200) -> None:
    rng = np.random.default_rng(0)
    module = load_keras() if library == "keras" else load_lightning()
    rows = []
    for _ in range(cases):
        options = {
            name: accepted[int(rng.integers(len(accepted)))] for name, accepted in OPTIONS[library].items()
        }
        values = [int(n) / 8 for n in rng.integers(-16, 17, int(rng.integers(4, 12)))]
        if rng.random() < 0.3:
            values[int(rng.integers(len(values)))] = float(rng.choice([np.nan, np.inf, -np.inf]))
        words = [value if np.isfinite(value) else str(value) for value in values]
        rows.append({"options": options, "values": words, "stops": DECISIONS[library](options, values)})
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps({"library": library, "version": module.__version__})[:-1]
    RECORDED.mkdir(exist_ok=True)
    path = RECORDED / f"{library}_early_stopping.json"
    path.write_text(f'{head}, "cases": [\n{lines}\n]}}\n', "utf-8")


if __name__ == "__main__":
    for name in DECISIONS:
        _record(name)

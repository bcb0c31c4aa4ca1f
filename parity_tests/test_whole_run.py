"""Whole runs on both libraries, from the same weights, batches and masks: equal at every step and at the end.

Both go through :func:`npnet.training.run_recipe`, so that schedules, clipping, early stopping and the choice
of the epoch that is kept are compared as a user meets them.  Dropout's masks are recorded as npnet draws
them, and replayed in PyTorch.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import npnet.data
from npnet import nn
from npnet.data import Dataset
from npnet.random import RecordingGenerator, ReplayGenerator
from npnet.training import (
    Callback,
    Engine,
    NumpyEngine,
    Recipe,
    Step,
    Task,
    Trainer,
    load_recipe,
    load_weights,
    run_recipe,
)
from parity_tests.equal import assert_equal
from parity_tests.report import Subject
from torchref import TorchEngine

LOSS_TOLERANCE = 1e-10

thorough = pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "thorough", reason="minutes: HYPOTHESIS_PROFILE=thorough runs it"
)


class Steps(Callback):
    """Keeps loss and learning rate of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []

    def on_batch_end(self, trainer: Trainer, step: Step) -> None:
        """Take them down."""
        self.losses.append(step.loss)
        self.rates.append(trainer.engine.lr)


@dataclasses.dataclass
class Run:
    """What a run has left."""

    steps: Steps
    history: pd.DataFrame
    weights: dict[str, Any]
    summary: dict[str, Any]


def run(recipe: Recipe, make_engine: Callable[[Task], Engine], folder: Path) -> Run:
    steps = Steps()
    summary = run_recipe(recipe, make_engine=make_engine, out=folder, callbacks=[steps])
    return Run(steps, pd.read_csv(folder / "metrics.csv"), load_weights(folder), summary)


def on_both(recipe: Recipe, folder: Path) -> tuple[Run, Run]:
    recorder = RecordingGenerator()

    def ours(task: Task) -> Engine:
        for module in task.model.modules():
            if isinstance(module, nn.Dropout):
                module.generator = recorder
        return NumpyEngine(task)

    def theirs(task: Task) -> Engine:
        return TorchEngine(task, masks=ReplayGenerator(recorder.tape))

    return run(recipe, ours, folder / "numpy"), run(recipe, theirs, folder / "torch")


def assert_same_run(ours: Run, theirs: Run, name: str) -> None:
    assert ours.summary["epochs"] == theirs.summary["epochs"]
    assert ours.summary["kept_epoch"] == theirs.summary["kept_epoch"]
    assert ours.summary["test"]["confusion"] == theirs.summary["test"]["confusion"]
    np.testing.assert_allclose(ours.steps.losses, theirs.steps.losses, rtol=0, atol=LOSS_TOLERANCE)
    np.testing.assert_allclose(ours.steps.rates, theirs.steps.rates, rtol=1e-14)
    assert ours.history.columns.tolist() == theirs.history.columns.tolist()
    for column in set(theirs.history) - {"seconds", "rows_per_second"}:
        np.testing.assert_allclose(
            ours.history[column], theirs.history[column], rtol=0, atol=LOSS_TOLERANCE, err_msg=column
        )
    assert list(ours.weights) == list(theirs.weights)
    subject = Subject(f"whole run, {name}", "float64", "trajectory")
    for key, array in theirs.weights.items():
        assert_equal(ours.weights[key], array, subject, key, least_scale=1.0)


def some_rows(dataset: Dataset, size: int) -> Dataset:
    rows = np.random.default_rng(0).permutation(len(dataset))[:size]
    parts = ("targets", "identifiers", "groups", "held_out")
    picked = {part: getattr(dataset, part)[rows] for part in parts if getattr(dataset, part) is not None}
    inputs = dataset.inputs
    return dataclasses.replace(
        dataset, inputs=inputs[rows] if isinstance(inputs, np.ndarray) else inputs.iloc[rows], **picked
    )


def digits_as_images() -> Dataset:
    """Scikit-learn's digits as MNIST comes: bytes, and a test part of their own."""
    digits = npnet.data.load("digits")
    pixels = np.asarray(digits.inputs, np.uint8).reshape(-1, 8, 8) * 15
    return dataclasses.replace(digits, inputs=pixels, held_out=np.arange(len(digits)) % 6 == 0)


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    """What is loaded under these names, in a size for the ordinary suite."""
    return {
        "galaxies": some_rows(npnet.data.load("galaxies"), 1500),
        "digits": some_rows(npnet.data.load("digits"), 700),
        "mnist": some_rows(digits_as_images(), 900),
    }


CASES = {
    "galaxies": (
        "galaxies",
        ["training.batch_size=64", "scheduler.patience=0", "regularization.early_stopping.patience=2"],
    ),
    "images, one-cycle": ("mnist", ["training.epochs=4", "training.batch_size=32"]),
    "SGD, elastic net, clipped norm": (
        "digits",
        [
            *("optimizer=SGD", "optimizer.lr=0.1", "optimizer.momentum=0.9", "optimizer.nesterov=true"),
            *("scheduler=StepLR", "scheduler.step_size=2", "scheduler.gamma=0.3", "training.epochs=5"),
            *("regularization.penalty=ElasticNet", "regularization.penalty.l1=1e-3"),
            *("regularization.penalty.l2=2e-3", "regularization.penalty.on=weights"),
            *("regularization.clip_grad_norm=0.3", "training.drop_last=true"),
        ],
    ),
    "RMSprop, L1, clipped values, weighted classes": (
        "digits",
        [
            *(
                "optimizer=RMSprop",
                "optimizer.lr=1e-3",
                "optimizer.momentum=0.5",
                "optimizer.weight_decay=1e-3",
            ),
            *("scheduler=ExponentialLR", "scheduler.gamma=0.8", "training.epochs=4"),
            *("regularization.penalty=L1", "regularization.penalty.lamb=1e-3"),
            *("regularization.clip_grad_value=1e-2", "regularization.label_smoothing=0.1"),
            "regularization.class_weight=balanced",
        ],
    ),
    "AdamW, L2, whole batches": (
        "digits",
        [
            *("optimizer=AdamW", "optimizer.lr=1e-2", "optimizer.weight_decay=0.1", "scheduler=none"),
            *("regularization.penalty=L2", "regularization.penalty.lamb=1e-3", "training.epochs=20"),
            *("training.batch_size=full", "training.monitor=validation_accuracy", "model.activation=Tanh"),
        ],
    ),
}


@pytest.mark.parametrize(("recipe", "overrides"), CASES.values(), ids=CASES)
def test_runs_are_equal(
    recipe: str,
    overrides: list[str],
    datasets: dict[str, Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(npnet.data, "load", lambda name, **options: datasets[name])
    ours, theirs = on_both(load_recipe(recipe, ["training.dtype=float64", *overrides]), tmp_path)
    assert_same_run(ours, theirs, recipe)


def test_the_galaxies_case_stops_early_and_lowers_the_rate(
    datasets: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the comparison above would say nothing of these decisions."""
    monkeypatch.setattr(npnet.data, "load", lambda name, **options: datasets[name])
    recipe = load_recipe("galaxies", ["training.dtype=float64", *CASES["galaxies"][1]])
    seen = run(recipe, TorchEngine, tmp_path)
    assert seen.summary["kept_epoch"] < seen.summary["epochs"] < recipe.training.epochs
    assert len(set(seen.steps.rates)) > 1


@thorough
@pytest.mark.slow
@pytest.mark.parametrize("name", ["galaxies", "mnist"])
def test_the_whole_recipe_is_equal(name: str, tmp_path: Path) -> None:
    if name == "mnist" and "NPNET_DATA" not in os.environ:
        pytest.skip("NPNET_DATA does not say where MNIST is")
    ours, theirs = on_both(load_recipe(name, ["training.dtype=float64"]), tmp_path)
    assert_same_run(ours, theirs, f"{name} in full")

"""Whole runs on both libraries, from the same weights, batches and masks: equal at every step and at the end.

This is ``npnet compare``: gradients, weights and buffers after every step, losses, rates, where the run
stops, which epoch it keeps and what it says of the test part.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import npnet.data
from npnet.data import Dataset
from npnet.training import NumpyEngine, Recipe, compare_recipe, load_recipe, run_recipe
from parity_tests import report
from parity_tests.report import Subject
from torchref import TorchEngine

thorough = pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "thorough", reason="minutes: HYPOTHESIS_PROFILE=thorough runs it"
)


def assert_same_run(recipe: Recipe, folder: Path, name: str) -> dict[str, Any]:
    """Compare, and note the largest difference of the weights in the table."""
    found = compare_recipe(recipe, {"numpy": NumpyEngine, "torch": TorchEngine.replaying}, out=folder)
    assert found["agree"], found["first"]
    runs = found["runs"]
    assert runs["numpy"]["test"]["confusion"] == runs["torch"]["test"]["confusion"]
    subject = Subject(f"whole run, {name}", "float64", "trajectory")
    for tensor in found["tensors"]:
        if tensor["kind"] == "value":
            report.record(subject, tensor["largest_difference"], tensor["tolerance"])
    return found


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
    "images, moved at random": (
        "mnist",
        [
            *("training.epochs=3", "training.batch_size=32"),
            'regularization.augmentation=["RandomQuarterTurn", {kind = "RandomRotation", degrees = 20, '
            'interpolation = "bilinear"}, {kind = "RandomShift", pixels = 1}]',
        ],
    ),
    "convolutions": (
        "mnist-cnn",
        ["model.channels=[4, 6]", "training.epochs=2", "training.batch_size=32"],
    ),
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
    assert_same_run(load_recipe(recipe, ["training.dtype=float64", *overrides]), tmp_path, recipe)


def test_the_galaxies_case_stops_early_and_lowers_the_rate(
    datasets: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the comparison above would say nothing of these decisions."""
    monkeypatch.setattr(npnet.data, "load", lambda name, **options: datasets[name])
    recipe = load_recipe("galaxies", ["training.dtype=float64", *CASES["galaxies"][1]])
    seen = run_recipe(recipe, make_engine=TorchEngine, out=tmp_path)
    assert seen["kept_epoch"] < seen["epochs"] < recipe.training.epochs
    assert pd.read_csv(tmp_path / "metrics.csv")["lr"].nunique() > 1


@thorough
@pytest.mark.slow
@pytest.mark.parametrize("name", ["galaxies", "mnist"])
def test_the_whole_recipe_is_equal(name: str, tmp_path: Path) -> None:
    if name == "mnist" and "NPNET_DATA" not in os.environ:
        pytest.skip("NPNET_DATA does not say where MNIST is")
    assert_same_run(load_recipe(name, ["training.dtype=float64"]), tmp_path, f"{name} in full")

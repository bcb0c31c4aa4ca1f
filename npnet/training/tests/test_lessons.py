"""The recipes that lessons use, each on both libraries."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import pytest

from npnet.data import make_features
from npnet.data.small_tables import MEASUREMENTS
from npnet.errors import RecipeError
from npnet.training import NumpyEngine, RunFolder, load_recipe, run_recipe
from torchref import TorchEngine

SAME = (
    "training.dtype=float64",
    "model.dropout=0",
    "training.epochs=2",
    "regularization.early_stopping=none",
)
"""Without dropout, which each library draws by itself, both do the same."""


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr(RunFolder, "write_figure", lambda *_: None)


def wine(folder):
    """A table in the format of the real one."""
    drawn = np.random.default_rng(0).normal(size=(300, len(MEASUREMENTS)))
    table = pd.DataFrame(drawn, columns=list(MEASUREMENTS))
    table["quality"] = np.clip(np.round(5.5 + table["alcohol"]), 3, 8).astype(int)
    table.to_csv(folder / "winequality-red.csv", sep=";", index=False)


def pictures(folder):
    """Four IDX files in the format of the real ones."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 200), ("t10k", 60)):
        labels = np.arange(count) % 10
        images = generator.integers(0, 60, (count, 28, 28)) + 15 * labels[:, None, None]
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())


MAKE = {"wine": wine, "binary": lambda folder: None, "fashion-mnist-lesson": pictures}


@pytest.mark.parametrize("name", MAKE)
def test_both_libraries_do_the_same(tmp_path, name):
    MAKE[name](tmp_path)
    recipe = load_recipe(name, SAME)
    data = None if name == "binary" else tmp_path
    ours, theirs = (
        run_recipe(
            recipe, make_engine=engine, backend_name=engine.name, data=data, out=tmp_path / engine.name
        )
        for engine in (NumpyEngine, TorchEngine)
    )
    assert ours["status"] == theirs["status"] == "finished"
    for part in ("validation", "test"):
        for measure, value in ours[part].items():
            np.testing.assert_allclose(theirs[part][measure], value, rtol=1e-8)
    assert ours["test"]["accuracy"] > {"wine": 0.2, "binary": 0.8, "fashion-mnist-lesson": 0.15}[name]


def test_the_lesson_on_clothes_is_as_the_lesson_has_it():
    recipe = load_recipe("fashion-mnist-lesson")
    assert recipe.training.batch_size == 16
    stopping = recipe.regularization.early_stopping
    assert (stopping.patience, stopping.min_delta) == (3, 0.001)
    features = make_features(recipe.data.features.kind, **recipe.data.features.options)
    images = np.array([[[0, 255]], [[51, 102]]], dtype=np.uint8)
    scaled = features.fit(images, np.array([0, 1])).transform(images).ravel()
    np.testing.assert_allclose(scaled, [-1, 1, -0.6, -0.2], atol=1e-6)  # (x / 255 - 0.5) / 0.5


def test_one_logit_of_two_classes():
    recipe = load_recipe("binary")
    assert recipe.training.loss.kind == "BCEWithLogitsLoss"
    assert recipe.data.dataset == "breast-cancer"


def test_galaxies_has_what_the_seed_of_the_project_had():
    recipe = load_recipe("galaxies")
    assert recipe.model.batch_norm
    assert recipe.model.dropout > 0
    assert recipe.scheduler.kind == "ReduceLROnPlateau"
    assert recipe.regularization.early_stopping is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("mean = 0.5", "deviation must be a number, and both are given or neither"),
        ("mean = 0.5, deviation = 0", "deviation must be above 0"),
        ("mean = nan, deviation = 1", "mean must be a number"),
        ("mean = 0.5, scale = 1", r"unknown key data\.features\.scale"),
    ],
)
def test_a_scaling_that_cannot_be_meant_is_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("mnist", [f"data.features={{kind = 'images', {options}}}"])

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from npnet import manual_seed
from npnet.data import Dataset, load
from npnet.errors import RecipeError, ShapeError
from npnet.regularization import RandomHorizontalFlip, RandomShift
from npnet.training import NumpyEngine, Trainer, load_recipe, make_task, run_recipe, splits

MOVES = 'regularization.augmentation=["RandomHorizontalFlip", {kind = "RandomShift", pixels = 1}]'
QUICK = ("model.hidden=[6]", "training.epochs=2", "training.batch_size=16")


def pictures(shape=(120, 6, 6)):
    """Bytes with a test part of their own, under the name of a recipe's dataset."""
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return Dataset(
        name="mnist",
        inputs=images,
        targets=np.arange(len(images)) % 3,
        class_names=("a", "b", "c"),
        identifiers=np.arange(len(images)),
        held_out=np.arange(len(images)) >= len(images) - 30,
    )


def task_of(*overrides, dataset=None):
    recipe = load_recipe("mnist", [*QUICK, *overrides])
    dataset = pictures() if dataset is None else dataset
    manual_seed(0)
    return make_task(recipe, dataset, splits(recipe, dataset)[0])[0]


def test_a_recipe_names_augmentations_by_word_or_table(tmp_path):
    recipe = load_recipe("mnist", [MOVES])
    assert [each.kind for each in recipe.regularization.augmentation] == [
        "RandomHorizontalFlip",
        "RandomShift",
    ]
    path = tmp_path / "again.toml"
    path.write_text(recipe.to_toml())
    assert load_recipe(path) == recipe
    assert load_recipe(path, ["regularization.augmentation=none"]).regularization.augmentation is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('["RandomFlip"]', r"augmentation\[0\].kind must be one of .* did you mean 'Random\w+Flip'"),
        ('["RandomShift"]', r"augmentation\[0\].pixels is missing: RandomShift needs it"),
        ('[{kind = "RandomShift", pixels = -1}]', "pixels is a whole number"),
        ('[{kind = "RandomRotation", degres = 3}]', "did you mean .*degrees"),
        ('[{kind = "RandomHorizontalFlip", generator = 3}]', "unknown key .*generator"),
        ('"RandomHorizontalFlip"', "must be a list"),
    ],
)
def test_a_misspelt_augmentation_is_refused(written, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("mnist", [f"regularization.augmentation={written}"])


def test_what_is_trained_on_is_moved_and_what_is_looked_at_is_not():
    task = task_of(MOVES)
    rows = task.rows["train"][:16]
    taken = task.inputs[rows]
    manual_seed(3)
    moved = task.prepare(taken, training=True)
    manual_seed(3)
    expected = RandomShift(1)(RandomHorizontalFlip()(taken))
    np.testing.assert_array_equal(moved, task.transform(expected))
    np.testing.assert_array_equal(task.prepare(taken, training=False), task.transform(taken))
    assert (moved != task.transform(taken)).any()


def test_an_engine_moves_training_batches_alone():
    plain, moved = (NumpyEngine(task_of(*overrides)) for overrides in ((), (MOVES,)))
    np.testing.assert_array_equal(plain.evaluate("test").outputs, moved.evaluate("test").outputs)
    rows = plain.task.rows["train"][:16]
    assert plain.train_batch(rows).loss != moved.train_batch(rows).loss


def test_a_seed_gives_the_same_moves_and_leaves_the_other_draws_alone():
    first, again = (Trainer(NumpyEngine(task_of(MOVES, "model.dropout=0.2"))).fit().frame for _ in range(2))
    columns = ["train_loss", "validation_loss"]
    np.testing.assert_array_equal(first[columns], again[columns])
    orders = [[rows.tolist() for rows in task_of(*overrides).batches()] for overrides in ((), (MOVES,))]
    assert orders[0] == orders[1]


def test_tables_and_pictures_of_the_wrong_size_are_refused_before_training():
    digits = load("digits")
    recipe = load_recipe("digits", [MOVES])
    with pytest.raises(RecipeError, match="moves pictures, and digits is a table"):
        make_task(recipe, digits, splits(recipe, digits)[0])
    with pytest.raises(ShapeError, match="square pictures, got 6 by 5"):
        task_of('regularization.augmentation=["RandomQuarterTurn"]', dataset=pictures((120, 6, 5)))


def test_a_run_on_pictures_shows_its_worst_mistakes(tmp_path, monkeypatch):
    drawn = []

    def draw(images, targets, probabilities, class_names, title, note, names=None):
        drawn.append((images, targets, probabilities, names))

    monkeypatch.setattr("npnet.data.load", lambda name, **_: pictures())
    monkeypatch.setattr("npnet.training.mistakes_figure.mistakes_figure", draw)
    run_recipe(load_recipe("mnist", [MOVES, *QUICK]), out=tmp_path / "run")
    images, targets, probabilities, names = drawn[0]
    np.testing.assert_array_equal(images, pictures().inputs[90:])
    np.testing.assert_array_equal(targets, pictures().targets[90:])
    np.testing.assert_array_equal(names, np.arange(90, 120))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert not (tmp_path / "run" / "mistakes.png").exists()  # as nothing was drawn
    monkeypatch.undo()
    monkeypatch.setattr("npnet.data.load", lambda name, **_: dataclasses.replace(pictures()))
    run_recipe(load_recipe("mnist", QUICK), out=tmp_path / "drawn")
    assert Path(tmp_path / "drawn" / "mistakes.png").stat().st_size > 5000

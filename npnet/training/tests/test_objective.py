from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.data import Dataset
from npnet.errors import RecipeError, ShapeError, StateError, TargetError
from npnet.training import (
    BinaryClassification,
    Classification,
    NumpyEngine,
    Regression,
    load_recipe,
    make_task,
    objective_from_state,
    run_recipe,
    splits,
)
from npnet.training.objective import LOSSES

QUICK = ("training.epochs=3", "model.hidden=[8]", "model.dropout=0")
N = 160


def dataset(kind, *, folds=False):
    """A table whose first column decides."""
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(N, 3)), columns=["a", "b", "c"])
    facts = {"name": kind, "inputs": table, "identifiers": np.arange(N), "class_names": ()}
    if kind == "binary":
        return Dataset(
            **facts | {"targets": (table["a"] > 0.3).astype(int).to_numpy(), "class_names": ("no", "yes")}
        )
    numbers = 300 + 20 * table["a"].to_numpy() + generator.normal(size=N)
    if kind == "pairs":
        numbers = np.stack([numbers, -0.01 * numbers], axis=1)
        return Dataset(**facts, targets=numbers, target_names=("up", "down"), unit="m")
    return Dataset(**facts, targets=numbers, target_names=("co2",), unit="ppm")


def recipe(loss, *overrides):
    return load_recipe("digits", [*QUICK, f"training.loss={loss}", *overrides])


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(kind, *overrides, **options):
        monkeypatch.setattr("npnet.data.load", lambda *_, **__: dataset(kind))
        loss = "BCEWithLogitsLoss" if kind == "binary" else "MSELoss"
        return run_recipe(recipe(loss, *overrides), out=tmp_path / "run", **options)

    return run


def task_of(kind, loss, *overrides):
    chosen, rows = recipe(loss, *overrides), dataset(kind)
    return make_task(chosen, rows, splits(chosen, rows)[0])[0]


def test_one_logit_decides_between_two_classes(run, tmp_path):
    summary = run("binary", "training.epochs=20", "optimizer.lr=0.02")
    assert summary["task"] == "binary"
    assert set(summary["test"]) == {"loss", "accuracy", "macro_f1", "roc_auc", "confusion"}
    assert summary["test"]["accuracy"] > 0.9
    assert summary["test"]["roc_auc"] > 0.95
    assert (tmp_path / "run" / "confusion.png").is_file()
    frame = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert list(frame)[1:5] == ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    assert frame["train_accuracy"].iloc[-1] > frame["train_accuracy"].iloc[0]


def test_numbers_are_measured_in_their_own_units(run, tmp_path):
    summary = run(
        "regression",
        "training.epochs=40",
        "training.batch_size=16",
        "optimizer.lr=0.02",
        "model.batch_norm=false",
        "regularization.early_stopping=none",
    )
    test = summary["test"]
    assert set(test) == {"loss", "mae", "rmse", "r2"}
    assert 0.5 < test["mae"] < test["rmse"] < 6  # the noise has deviation 1, the numbers 20
    assert test["r2"] > 0.9
    assert summary["data"]["unit"] == "ppm"
    assert (tmp_path / "run" / "predictions.png").is_file()
    assert not (tmp_path / "run" / "confusion.png").exists()
    frame = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert list(frame)[1:5] == ["train_loss", "train_mae", "validation_loss", "validation_mae"]
    kept = frame.iloc[summary["kept_epoch"] - 1]
    assert summary["validation"]["mae"] == pytest.approx(kept["validation_mae"], rel=1e-5)


def test_the_scale_is_learned_from_the_training_part_alone(run, tmp_path):
    run("regression")
    learned = json.loads((tmp_path / "run" / "targets.json").read_text())
    task = task_of("regression", "MSELoss")
    numbers = dataset("regression").targets[task.rows["train"]]
    encoded = task.targets[task.rows["train"]]
    assert task.objective.mean[0] == pytest.approx(numbers.mean())
    assert (encoded.mean(), encoded.std()) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert learned["target_names"] == ["co2"]
    assert learned["unit"] == "ppm"
    assert len(learned["mean"]) == len(learned["scale"]) == 1


def test_several_numbers_a_row(run):
    summary = run("pairs", "training.epochs=5")
    assert summary["data"]["targets"] == ["up", "down"]
    assert summary["test"]["mae"] > 0


def test_folds_of_numbers_are_put_together(run, tmp_path):
    summary = run("regression", "data.test=none", "data.folds=3", "training.epochs=1")
    assert [fold["rows"]["test"] for fold in summary["folds"]] == [54, 53, 53]
    errors = [fold["test"]["mae"] for fold in summary["folds"]]
    assert summary["test"]["mae"] == pytest.approx(np.mean(errors))
    assert summary["test"]["mae_std"] == pytest.approx(np.std(errors, ddof=1))
    assert (tmp_path / "run" / "predictions.png").is_file()


def test_outputs_of_another_scale_say_the_same_numbers():
    first = Regression(("x",), "", np.array([1.0]), np.array([2.0]))
    other = Regression(("x",), "", np.array([-5.0]), np.array([0.5]))
    outputs = np.array([[0.3], [-2.0]])
    np.testing.assert_allclose(first.decode(first.recode(outputs, other)), other.decode(outputs))


def test_the_positive_weight_is_the_second_over_the_first():
    task = task_of("binary", "BCEWithLogitsLoss", "regularization.class_weight=[2, 3]")
    np.testing.assert_array_equal(task.objective.criterion(task.recipe).pos_weight, [1.5])
    balanced = task_of("binary", "BCEWithLogitsLoss", "regularization.class_weight=balanced")
    counts = np.bincount(dataset("binary").targets[balanced.rows["train"]])
    ratio = balanced.objective.criterion(balanced.recipe).pos_weight
    np.testing.assert_allclose(ratio, [counts[0] / counts[1]])
    plain = NumpyEngine(task_of("binary", "BCEWithLogitsLoss")).train_batch(np.arange(20))
    assert NumpyEngine(balanced).train_batch(np.arange(20)).loss != plain.loss


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 1)), min_size=1, max_size=20))
def test_one_logit_is_two_of_which_the_first_is_zero(rows):
    logits, targets = np.array([r[0] for r in rows])[:, None], np.array([r[1] for r in rows])
    one, two = BinaryClassification(("a", "b")), Classification(("a", "b"))
    both = np.concatenate([np.zeros_like(logits), logits], axis=1)
    assert one.tally(logits, one.encode(targets)) == two.tally(both, two.encode(targets))
    np.testing.assert_array_equal(one.decode(logits), two.decode(both))
    np.testing.assert_allclose(one.probabilities(logits), two.probabilities(both), atol=1e-15)


@pytest.mark.parametrize(
    "objective",
    [
        Classification(("a", "b", "c")),
        BinaryClassification(("a", "b")),
        Regression(("x", "y"), "m", np.array([1.0, 1 / 3]), np.array([2.0, 1e-7])),
    ],
)
def test_what_was_written_reads_outputs_the_same_way(objective):
    state = json.loads(json.dumps(objective.state(), default=np.ndarray.tolist))
    again = objective_from_state(state)
    assert type(again) is type(objective)
    outputs = np.random.default_rng(0).normal(size=(5, objective.outputs))
    np.testing.assert_array_equal(again.decode(outputs), objective.decode(outputs))


@pytest.mark.parametrize(
    "state", [{}, {"kind": "ranking"}, {"kind": "classification"}, {"kind": "regression"}]
)
def test_what_was_not_written_is_refused(state):
    with pytest.raises(StateError, match="not the state of an objective"):
        objective_from_state(state)


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"CrossEntropyLoss", "BCEWithLogitsLoss"}))
def test_every_loss_of_numbers_is_made_smaller(loss):
    task = task_of("regression", loss)
    engine = NumpyEngine(task)
    before = engine.evaluate("validation").loss
    for _ in range(10):
        for rows in task.batches():
            engine.train_batch(rows)
    assert engine.evaluate("validation").loss < before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.loss=MSELos"], "training.loss.kind must be one of .*did you mean 'MSELoss'"),
        (["training.loss=MSELoss", "training.loss.reduction=sum"], "unknown key training.loss.reduction"),
        (
            ["training.loss=MSELoss", "training.monitor=validation_accuracy"],
            "must be one of .*validation_mae",
        ),
        (["training.loss=MSELoss", "regularization.label_smoothing=0.1"], "label_smoothing = 0.1 is not for"),
        (
            ["training.loss=MSELoss", "regularization.class_weight=balanced"],
            "class_weight = 'balanced' is not",
        ),
        (
            ["training.loss=BCEWithLogitsLoss", "regularization.label_smoothing=0.1"],
            "not for training.loss=BCE",
        ),
    ],
)
def test_settings_that_the_loss_does_not_take_are_refused(overrides, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("digits", overrides)


def test_what_is_better_follows_from_the_loss():
    assert load_recipe("digits", ["training.monitor=validation_accuracy"]).training.mode == "max"
    assert recipe("MSELoss", "training.monitor=validation_mae").training.mode == "min"
    assert recipe("MSELoss").training.mode == "min"


@pytest.mark.parametrize(
    ("kind", "loss", "message"),
    [
        ("binary", "MSELoss", "is for numbers, and the targets of binary are classes"),
        ("regression", "CrossEntropyLoss", "is for classes, and the targets of regression are numbers"),
        ("regression", "BCEWithLogitsLoss", "is for classes, and the targets of regression are numbers"),
    ],
)
def test_a_loss_for_other_targets_is_refused(kind, loss, message):
    with pytest.raises(RecipeError, match=message):
        task_of(kind, loss)


def test_one_logit_is_not_for_ten_classes(tmp_path):
    with pytest.raises(RecipeError, match="is for two classes, and digits has 10"):
        run_recipe(recipe("BCEWithLogitsLoss"), out=tmp_path / "run")


def test_a_first_class_of_no_weight_is_refused():
    with pytest.raises(RecipeError, match="the first of two weights must be above 0"):
        task_of("binary", "BCEWithLogitsLoss", "regularization.class_weight=[0, 1]")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target_names": ()}, ShapeError, "0 target names and no class names"),
        ({"target_names": ("a", "b")}, ShapeError, "2 target names"),
        ({"targets": np.arange(N)}, ShapeError, "targets int64"),
        ({"targets": np.where(np.arange(N) == 3, np.nan, 1.0)}, TargetError, "target in row 3 is not finite"),
    ],
)
def test_numbers_that_cannot_be_learned_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(dataset("regression"), **change)

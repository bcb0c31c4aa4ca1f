"""Two engines of npnet, one of them with a mistake: it is found, at its step and under its name."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from npnet import random
from npnet.errors import ArgumentError, OutputError
from npnet.training import Interrupted, NumpyEngine, compare_recipe, load_recipe, run_recipe
from npnet.training.agreement import Agreement, Moment

QUICK = (
    *("training.dtype=float64", "training.epochs=2", "training.batch_size=400", "model.hidden=[6]"),
    *("optimizer=SGD", "optimizer.lr=0.1", "scheduler=none"),
)
"""Three steps an epoch."""


@pytest.fixture(autouse=True)
def _blank_figures(monkeypatch):
    """Drawing takes longer than the short trainings here."""
    for name in ("comparison_figure", "curves_figure", "confusion_figure"):
        monkeypatch.setattr(f"npnet.training.figures.{name}", lambda *_, **__: Figure())


def compare(folder, other=NumpyEngine, *overrides, **options):
    recipe = load_recipe("digits", [*QUICK, *overrides])
    return compare_recipe(recipe, {"numpy": NumpyEngine, "other": other}, out=folder / "run", **options)


class Mistaken(NumpyEngine):
    """Does something wrong at the fifth step, the second of the second epoch."""

    steps = 0

    def train_batch(self, rows):
        self.steps += 1
        step = super().train_batch(rows)
        return self.spoil(step) if self.steps == 5 else step

    def spoil(self, step):
        return step


def test_the_same_engine_twice_agrees_to_the_bit(tmp_path):
    found = compare(tmp_path)
    assert (found["agree"], found["first"], found["steps"]) == (True, None, 6)
    assert {tensor["largest_difference"] for tensor in found["tensors"]} == {0.0}
    one, other = found["runs"].values()
    assert one["test"] == other["test"]
    assert one["epochs"] == other["epochs"] == 2


def test_the_first_side_is_the_run_that_the_recipe_makes(tmp_path):
    found = compare(tmp_path)
    alone = run_recipe(load_recipe("digits", QUICK), out=tmp_path / "alone")
    assert found["runs"]["numpy"]["test"] == alone["test"]
    losses = pd.read_csv(tmp_path / "run" / "steps.csv").groupby("epoch")["numpy_loss"]
    assert losses.size().tolist() == [3, 3]


def test_the_files(tmp_path):
    found = compare(tmp_path)
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".lock", "compare.csv", "compare.json", "losses.png", "recipe.toml", "steps.csv")
    ]
    assert json.loads((folder / "compare.json").read_text()) == found
    table = pd.read_csv(folder / "compare.csv")
    assert table.columns.tolist()[:5] == ["kind", "tensor", "largest_difference", "tolerance", "share"]
    assert table["tensor"].tolist() == [tensor["tensor"] for tensor in found["tensors"]]
    for kind, names in (
        ("gradient", {"0.weight", "1.weight", "1.bias", "4.weight", "4.bias"}),
        ("loss", {"loss", "train loss", "validation loss", "penalty"}),
        ("output", {"outputs of the test part"}),
        ("rate", {"learning rate"}),
    ):
        assert set(table["tensor"][table["kind"] == kind]) == names
    assert "1.running_var" in set(table["tensor"][table["kind"] == "value"])
    steps = pd.read_csv(folder / "steps.csv")
    assert steps.columns.tolist() == [
        *("fold", "epoch", "step", "numpy_loss", "other_loss", "share", "furthest")
    ]
    assert steps["epoch"].tolist() == [1, 1, 1, 2, 2, 2]


class WrongGradient(Mistaken):
    def _regularize(self):
        super()._regularize()
        if self.steps == 5:
            for name in ("4.weight", "0.weight"):
                dict(self.model.named_parameters())[name].grad *= 1.001


class WrongLoss(Mistaken):
    def spoil(self, step):
        return step._replace(loss=step.loss + 1e-6)


class WrongBuffer(Mistaken):
    def spoil(self, step):
        self.model[1].running_var *= 1.001
        return step


class WrongRate(Mistaken):
    def spoil(self, step):
        self.optimizer.param_groups[0]["lr"] *= 1 + 1e-9
        return step


class OneDrawMore(Mistaken):
    def spoil(self, step):
        random.stream("augment").random_()
        return step


class WrongInEvaluation(NumpyEngine):
    def evaluate(self, part):
        seen = super().evaluate(part)
        return seen._replace(loss=seen.loss + 1e-6) if part == "validation" else seen


class WrongAtTheEnd(NumpyEngine):
    def evaluate(self, part):
        loss, outputs = super().evaluate(part)
        return type(super().evaluate(part))(loss, outputs + (1e-6 if part == "test" else 0.0))


@pytest.mark.parametrize(
    ("engine", "kind", "what", "step"),
    [
        (WrongGradient, "gradient", "gradient of 4.weight", 5),
        (WrongLoss, "loss", "loss", 5),
        (WrongBuffer, "value", "1.running_var", 5),
        (WrongRate, "rate", "learning rate", 5),
        (WrongInEvaluation, "loss", "validation loss", 3),
        (WrongAtTheEnd, "output", "outputs of the test part", 6),
        (OneDrawMore, "run", "draws from the stream augment: not as many on numpy as on other", 6),
    ],
)
def test_a_mistake_is_named_with_its_step(engine, kind, what, step, tmp_path):
    found = compare(tmp_path, engine)
    first = found["first"]
    assert not found["agree"]
    assert (first["kind"], first["what"], first["step"]) == (kind, what, step)
    assert found["steps"] == 6  # both go on to the end, for the picture


def test_another_end_is_a_difference(tmp_path):
    class Hopeless(NumpyEngine):
        def evaluate(self, part):
            return super().evaluate(part)._replace(loss=1.0)

    found = compare(tmp_path, Hopeless, "regularization.early_stopping.patience=1", "training.epochs=4")
    assert [run["epochs"] for run in found["runs"].values()] == [4, 2]
    told = [tensor["tensor"] for tensor in found["tensors"] if tensor["kind"] == "run"]
    assert told[:2] == ["epochs: 4 on numpy, 2 on other", "epoch kept: 4 on numpy, 1 on other"]
    assert found["steps"] == 6  # those that both took


def test_a_run_that_diverges_is_told_and_not_raised(tmp_path):
    class Diverges(Mistaken):
        def spoil(self, step):
            return step._replace(loss=float("nan"))

    found = compare(tmp_path, Diverges)
    assert found["first"]["kind"] == "run"
    assert "the loss became nan in epoch 2" in found["runs"]["other"]["failure"]
    assert found["runs"]["numpy"]["failure"] is None
    assert found["steps"] == 4


def test_an_interrupted_comparison_leaves_what_it_has(tmp_path):
    class Interrupts(Mistaken):
        def spoil(self, step):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="what was compared lies in"):
        compare(tmp_path, Interrupts)
    assert json.loads((tmp_path / "run" / "compare.json").read_text())["steps"] == 4


def test_folds_are_compared_one_by_one(tmp_path):
    settings = load_recipe("digits", [*QUICK, "training.epochs=1", "training.batch_size=150"]).to_toml()
    (tmp_path / "folds.toml").write_text(settings.replace("test = 0.2", "folds = 2"))
    recipe = load_recipe(tmp_path / "folds.toml")
    found = compare_recipe(recipe, {"numpy": NumpyEngine, "other": WrongGradient}, out=tmp_path / "run")
    assert found["first"]["when"] == "fold 1, epoch 1, step 5"
    assert sorted(set(pd.read_csv(tmp_path / "run" / "steps.csv")["fold"])) == [1, 2]
    run = found["runs"]["numpy"]
    assert run["test"]["accuracy"] == pytest.approx(np.mean([f["test"]["accuracy"] for f in run["folds"]]))
    alone = run_recipe(recipe, out=tmp_path / "alone")
    assert [fold["test"] for fold in run["folds"]] == [fold["test"] for fold in alone["folds"]]


def test_a_tolerance_of_one_s_own(tmp_path):
    found = compare(tmp_path, WrongLoss, tolerance=1e-5)
    assert found["agree"]
    assert 0 < max(tensor["share"] for tensor in found["tensors"]) < 1


def test_what_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="two engines"):
        compare_recipe(load_recipe("digits"), {"numpy": NumpyEngine}, out=tmp_path / "run")
    with pytest.raises(ArgumentError, match="a tolerance is positive, got 0"):
        compare(tmp_path, tolerance=0.0)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    with pytest.raises(OutputError, match="not empty"):
        compare(tmp_path)


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        (None, None, 0.0),
        (None, np.ones(1), np.inf),
        (np.ones(2), np.ones(3), np.inf),
        (np.ones(2), np.ones(2, np.float32), np.inf),
        (np.array([1]), np.array([1]), 0.0),
        (np.array([1]), np.array([2]), np.inf),
        (np.array([np.nan]), np.array([np.nan]), 0.0),
        (np.array([np.nan]), np.array([1.0]), np.inf),
        (np.array([np.inf]), np.array([1.0]), np.inf),
        (np.array([1.5, 1.0]), np.array([1.5, 0.0]), 1 / 1.5),
        (np.array([0.25]), np.array([0.5]), 0.25),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0.0),
    ],
)
def test_differences(ours, theirs, difference):
    agreement = Agreement("float64")
    agreement.compare("value", "w", ours, theirs, Moment(0, 1, 1))
    assert agreement.largest[0].difference == difference
    assert (agreement.first is None) == (difference == 0.0)

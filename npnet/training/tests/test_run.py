from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from matplotlib.figure import Figure
from threadpoolctl import threadpool_info

from npnet import manual_seed
from npnet.data import features_from_state, load
from npnet.errors import ArgumentError, NonFiniteError, OutputError, RecipeError, ShapeError, StateError
from npnet.training import (
    Callback,
    Interrupted,
    NumpyEngine,
    RunFolder,
    load_checkpoint,
    load_recipe,
    load_weights,
    run_recipe,
    splits,
)

QUICK = ("training.epochs=2", "model.hidden=[8]")


def run(out, *overrides, **options):
    return run_recipe(load_recipe("digits", [*QUICK, *overrides]), out=out, **options)


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Titles and notes of the figures, which are left blank since drawing takes longer than training."""
    captions = []

    def curves(frame, kept, title, note, ceiling, objective):
        captions.append((title, note))
        return Figure()

    def confusion(matrix, names, title, note):
        captions.append((title, note))
        return Figure()

    monkeypatch.setattr("npnet.training.figures.curves_figure", curves)
    monkeypatch.setattr("npnet.training.figures.confusion_figure", confusion)
    return captions


@pytest.fixture(scope="module")  # made before the figures of a test are left blank
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    return folder, run(folder)


def test_the_folder_holds_what_the_issue_names(finished):
    folder, _ = finished
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "run.json",
        "recipe.toml",
        "features.json",
        "targets.json",
        "metrics.csv",
        "times.csv",
        "last.safetensors",
        "weights.safetensors",
        "curves.png",
        "confusion.png",
        "summary.json",
    }


def test_the_figures_are_not_blank(finished):
    for name in ("curves.png", "confusion.png"):
        picture = image.imread(finished[0] / name)
        assert picture.shape[0] > 500
        assert len(np.unique(picture)) > 50
        assert 0.02 < np.mean(picture[..., :3].min(axis=2) < 0.9) < 0.9  # some ink, some paper


def test_the_recipe_is_the_resolved_one(finished):
    folder, _ = finished
    assert load_recipe(folder / "recipe.toml") == load_recipe("digits", QUICK)


def test_the_metrics_have_a_row_an_epoch(finished):
    folder, summary = finished
    frame = pd.read_csv(folder / "metrics.csv")
    assert frame["epoch"].tolist() == [1, 2]
    assert summary["epochs"] == 2


def test_the_summary_is_what_was_returned(finished):
    folder, summary = finished
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["status"] == "finished"
    assert summary["folder"] == str(folder)
    assert summary["rows"] == {"train": 1079, "validation": 359, "test": 359}
    assert summary["data"]["simulated"] is False


def test_features_and_weights_give_the_network_back(finished):
    folder, summary = finished
    recipe = load_recipe(folder / "recipe.toml")
    features = features_from_state(json.loads((folder / "features.json").read_text()))
    model = recipe.model.build(features.shape, 10)
    model.load_state_dict(load_weights(folder))
    digits = load("digits")
    manual_seed(recipe.seed)
    test = splits(recipe, digits)[0].test
    logits = model.eval()(features.transform(digits.inputs.iloc[test]))
    assert np.mean(logits.argmax(axis=1) == digits.targets[test]) == summary["test"]["accuracy"]
    confusion = np.array(summary["test"]["confusion"])
    assert confusion.trace() / confusion.sum() == summary["test"]["accuracy"]
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(digits.targets[test]))


def test_features_learn_from_the_training_part_alone(finished):
    digits = load("digits")
    manual_seed(0)
    train = splits(load_recipe("digits"), digits)[0].train
    learned = json.loads((finished[0] / "features.json").read_text())
    np.testing.assert_allclose(learned["mean"], digits.inputs.iloc[train].mean(), rtol=1e-12)


def test_a_seed_gives_the_very_same_weights_again(finished, tmp_path):
    folder, _ = finished
    run(tmp_path / "again")
    run(tmp_path / "other", "seed=1")
    first = (folder / "weights.safetensors").read_bytes()
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == first
    assert (tmp_path / "other" / "weights.safetensors").read_bytes() != first


def test_folds_test_every_row_once(tmp_path):
    summary = run(tmp_path / "cv", "data.test=none", "data.folds=3", "training.epochs=1")
    assert [fold["rows"]["test"] for fold in summary["folds"]] == [599, 599, 599]
    assert np.sum(summary["test"]["confusion"]) == 1797
    accuracies = [fold["test"]["accuracy"] for fold in summary["folds"]]
    assert summary["test"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert summary["test"]["accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    names = {path.name for path in (tmp_path / "cv").iterdir()}
    own = {".lock", "run.json", "recipe.toml", "summary.json", "confusion.png"}
    assert names == own | {"fold-1", "fold-2", "fold-3"}
    assert (tmp_path / "cv" / "fold-2" / "weights.safetensors").is_file()


def test_the_parts_of_a_fold_do_not_overlap():
    recipe = load_recipe("digits", ["data.test=none", "data.folds=4"])
    for split in splits(recipe, load("digits")):
        assert sorted(np.concatenate(split)) == list(range(1797))


def test_a_validation_part_is_not_needed(tmp_path):
    summary = run(tmp_path / "run", "data.validation=0", "regularization.early_stopping=none")
    assert "validation" not in summary
    assert summary["kept_epoch"] == 2
    assert "validation_loss" not in pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert (tmp_path / "run" / "curves.png").is_file()


def test_nor_is_a_test_part(tmp_path):
    summary = run(tmp_path / "run", "data.test=0")
    assert "test" not in summary
    assert not (tmp_path / "run" / "confusion.png").exists()


class At(Callback):
    def __init__(self, epoch, action):
        self.epoch, self.action = epoch, action

    def on_batch_end(self, trainer, step):
        if trainer.epoch == self.epoch:
            self.action(trainer)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_after_its_step(tmp_path, number):
    message = r"interrupted in epoch 2, after a checkpoint; go on with: npnet train --resume .*run"
    with pytest.raises(Interrupted, match=message) as ended:
        run(tmp_path / "run", callbacks=[At(2, lambda trainer: signal.raise_signal(number))])
    assert ended.value.signal == number
    checkpoint = load_checkpoint(tmp_path / "run")
    assert (checkpoint.epoch, checkpoint.step) == (2, 1)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["epochs"], summary["kept_epoch"]) == ("interrupted", 1, 1)
    assert "test" not in summary  # it is looked at once, in the end
    assert load_weights(tmp_path / "run")


def test_a_second_ctrl_c_ends_it_at_once(tmp_path):
    def press_twice(trainer):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match=r"stopped at once; go on with: npnet train --resume .*run"):
        run(tmp_path / "run", callbacks=[At(2, press_twice)])
    assert not (tmp_path / "run" / "summary.json").exists()


def test_after_a_run_signals_do_what_they_did(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(tmp_path / "run")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_run_in_another_thread_leaves_signals_alone(tmp_path):
    with ThreadPoolExecutor() as pool:
        summary = pool.submit(run, tmp_path / "run").result()
    assert summary["status"] == "finished"


def test_a_nan_keeps_the_last_good_weights(tmp_path):
    def spoil(trainer):
        trainer.engine.optimizer.param_groups[0]["lr"] = 1e38

    with (
        np.errstate(all="ignore"),
        pytest.raises(
            NonFiniteError, match=r"in epoch 2, at step \d+ of 17 .* the weights of epoch 1 are kept in .*run"
        ),
    ):
        run(tmp_path / "run", callbacks=[At(2, spoil)])
    assert all(np.isfinite(array).all() for array in load_weights(tmp_path / "run").values())
    assert len(pd.read_csv(tmp_path / "run" / "metrics.csv")) == 1
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "diverged"


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"is not empty \(it holds mine\.txt\)"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write to the output folder .*file: "):
        RunFolder(tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot write to the output folder"):
        RunFolder(tmp_path)


def test_no_folder_is_left_where_nothing_was_read(tmp_path):
    with pytest.raises(ArgumentError, match="each part needs at least one row"):
        run(tmp_path / "a" / "run", "data.test=0.001")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_of_the_user_s_stays(tmp_path):
    with pytest.raises(ArgumentError, match="leave none to train on"):
        run(tmp_path, "data.validation=0.999")
    assert list(tmp_path.iterdir()) == []


def test_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(RunFolder.numbered("digits-numpy").path) for _ in range(2)] == [
        os.path.join("runs", "digits-numpy-1"),
        os.path.join("runs", "digits-numpy-2"),
    ]


def test_weights_are_whole_or_not_there(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.write_weights({"w": np.ones(3)}, epoch=1)

    def fail(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        folder.write_weights({"w": np.zeros(3)}, epoch=2)
    np.testing.assert_array_equal(load_weights(folder.path)["w"], np.ones(3))


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(StateError, match=r"cannot read .*weights\.safetensors"):
        load_weights(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(StateError, match=r"cannot read .*weights\.safetensors"):
        load_weights(tmp_path)


def test_folds_of_a_dataset_with_a_test_part_are_refused():
    digits = load("digits")
    held = np.arange(len(digits)) % 5 == 0
    dataset = type(digits)(**{**vars(digits), "held_out": held})
    with pytest.raises(RecipeError, match="brings its own test part"):
        splits(load_recipe("digits", ["data.test=none", "data.folds=3"]), dataset)


def test_one_weight_for_each_class(tmp_path):
    with pytest.raises(RecipeError, match="has 2 weights for 10 classes"):
        run(tmp_path / "run", "regularization.class_weight=[1, 2]")
    assert run(tmp_path / "run", "regularization.class_weight=balanced")["status"] == "finished"


def test_batches_of_one_row_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ShapeError, match=r"batches of 11 leave one row alone"):  # 1079 = 98 * 11 + 1
        run(tmp_path / "run", "training.batch_size=11")
    assert not (tmp_path / "run").exists()


def test_what_is_simulated_is_called_so(tmp_path, monkeypatch, drawn):
    digits = load("digits")
    dataset = type(digits)(
        **{**vars(digits), "simulated": True, "ceiling": 0.9, "origin": "simulated digits"}
    )
    monkeypatch.setattr("npnet.data.load", lambda *_, **__: dataset)
    summary = run(tmp_path / "run")
    assert summary["data"]["simulated"] is True
    assert summary["data"]["ceiling"] == 0.9
    assert len(drawn) == 2  # curves and confusion
    for title, note in drawn:
        assert "simulated" in title
        assert "90.0%" in note


def test_what_is_observed_is_not_called_simulated(tmp_path, drawn):
    run(tmp_path / "run")
    assert not any("simulated" in text for caption in drawn for text in caption)


@pytest.mark.parametrize(
    ("options", "epochs", "kept"),
    [
        ("patience = 1, min_delta = 100", 2, 1),  # after the first epoch nothing is better by 100
        ("patience = 2, min_delta = 100", 3, 1),
        ("patience = 1, min_delta = 100, restore_best = false", 2, 2),
        ("patience = 1, min_delta = 100, start_from_epoch = 2", 4, 3),
        ("patience = 6", 5, 5),
    ],
)
def test_early_stopping_as_the_recipe_says(tmp_path, options, epochs, kept):
    summary = run(
        tmp_path / "run",
        f"regularization.early_stopping={{{options}}}",
        "training.epochs=5",
        "optimizer.lr=1e-4",
    )
    assert (summary["epochs"], summary["kept_epoch"]) == (epochs, kept)


@pytest.mark.parametrize(("threads", "seen"), [("1", {1}), ("none", None)])
def test_the_threads_of_the_matrix_library_are_limited_while_training(tmp_path, threads, seen):
    def number():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    before, during = number(), []
    look = At(1, lambda trainer: during.append(number()))
    run(tmp_path / "run", f"training.threads={threads}", callbacks=[look])
    assert during[0] == (seen or before)
    assert number() == before


def test_an_engine_may_be_given(tmp_path):
    made = []

    def make(task):
        made.append(task)
        return NumpyEngine(task)

    run(tmp_path / "run", make_engine=make)
    assert len(made) == 1

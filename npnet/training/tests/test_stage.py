"""How far a run has come, and what is said of it."""

from __future__ import annotations

import json

import pytest

from npnet.errors import CheckpointError
from npnet.training import (
    Callback,
    Interrupted,
    RunFolder,
    evaluate_run,
    load_predictor,
    load_recipe,
    read_run,
    resume_recipe,
    run_recipe,
)
from npnet.training.stage import stage_of

RECIPE = load_recipe("digits", ["training.epochs=3", "training.batch_size=400", "model.hidden=[8]"])
FOLDS = load_recipe(RECIPE, ["data.test=none", "data.folds=2"])


class PauseAfter(Callback):
    """Pauses after so many steps, three of which are an epoch."""

    def __init__(self, steps):
        self.left = steps

    def on_batch_end(self, trainer, step):
        self.left -= 1
        trainer.should_pause = self.left == 0


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr(RunFolder, "write_figure", lambda *_: None)


def stopped(path, steps, recipe=RECIPE):
    with pytest.raises(Interrupted):
        run_recipe(recipe, out=path, callbacks=[PauseAfter(steps)])
    return path


def test_what_is_said_of_a_run(tmp_path):
    path = stopped(tmp_path / "run", 2)
    assert str(stage_of(read_run(path))) == "stopped in epoch 1 of 3"
    (path / "summary.json").unlink()
    assert str(stage_of(read_run(path))) == "killed in epoch 1 of 3"
    with RunFolder.existing(path):
        assert str(stage_of(read_run(path))) == "running in epoch 1 of 3"
    with pytest.raises(Interrupted):
        resume_recipe(path, callbacks=[PauseAfter(5)])
    assert str(stage_of(read_run(path))) == "stopped after epoch 2 of 3"
    resume_recipe(path)
    assert str(stage_of(read_run(path))) == "finished"


def test_what_is_said_of_folds(tmp_path):
    path = stopped(tmp_path / "run", 9, FOLDS)
    assert str(stage_of(read_run(path))) == "stopped in fold 2 of 2, after epoch 1 of 3"
    (path / "fold-2" / "summary.json").unlink()
    assert str(stage_of(read_run(path))) == "killed in fold 2 of 2, after epoch 1 of 3"


def test_a_run_knows_when_it_was_begun(tmp_path):
    begun = read_run(stopped(tmp_path / "run", 2)).begun
    with pytest.raises(Interrupted):
        resume_recipe(tmp_path / "run", callbacks=[PauseAfter(2)])
    assert read_run(tmp_path / "run").begun == begun


def test_a_network_without_a_complete_epoch_is_refused(tmp_path, npnet_):
    path = stopped(tmp_path / "run", 2)
    with pytest.raises(CheckpointError, match=r"initial weights alone.* stopped in epoch 1 of 3: go on with"):
        load_predictor(path)
    for arguments in (("evaluate", path), ("export", path, tmp_path / "model.safetensors")):
        status, out, err = npnet_(*arguments)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert "initial weights" in err
    assert not (tmp_path / "model.safetensors").exists()


def test_an_unfinished_run_is_noted(tmp_path, npnet_):
    path = stopped(tmp_path / "run", 4)
    with pytest.warns(UserWarning, match="weights after epoch 1; the run was stopped after epoch 1 of 3"):
        assert evaluate_run(path)["epoch"] == 1
    status, out, err = npnet_("evaluate", path)
    assert (status, err.count("\n")) == (0, 1)
    assert err.startswith("npnet: note: ")
    assert "go on with npnet train --resume" in err
    assert "after epoch 1" in out
    resume_recipe(path)
    assert npnet_("evaluate", path)[2] == ""


def test_a_finished_fold_needs_no_note(tmp_path):
    path = stopped(tmp_path / "run", 9, FOLDS)
    assert load_predictor(path / "fold-1").epoch >= 1
    with pytest.warns(UserWarning, match="the run was stopped in fold 2 of 2, after epoch 1 of 3"):
        load_predictor(path / "fold-2")


def test_runs_are_listed_as_they_were_begun_and_none_is_blank(tmp_path, npnet_):
    stopped(tmp_path / "z-first", 4)
    stopped(tmp_path / "a-second", 2)
    (tmp_path / "a-second" / "summary.json").unlink()
    run_recipe(RECIPE, out=tmp_path / "m-third")
    (tmp_path / "z-first" / "run.json").touch()  # as --resume does
    found = json.loads(npnet_("runs", tmp_path, "--json")[1])
    assert [facts["run"].split("/")[-1] for facts in found] == ["z-first", "a-second", "m-third"]
    assert [facts["state"] for facts in found] == [
        "stopped after epoch 1 of 3",
        "killed in epoch 1 of 3",
        "finished",
    ]
    lines = [line for line in cells(npnet_, tmp_path) if line[0]]
    assert all(cell for line in lines for cell in line), lines
    assert any("validation accuracy" in cell for cell in lines[0])


def cells(npnet_, path):
    from npnet.cli.runs import _cells, _facts, _run_folders

    facts = sorted(map(_facts, _run_folders(path)), key=lambda each: each["begun"])
    assert npnet_("runs", path)[0] == 0
    return [_cells(each, path) for each in facts]

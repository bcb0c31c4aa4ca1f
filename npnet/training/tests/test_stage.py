"""How far a run has come, what is said of it, and what becomes of the damaged files of one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import npnet
from npnet import cli
from npnet.errors import CheckpointError, NpnetError
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


@pytest.fixture
def npnet_(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["npnet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return call


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


# ---------------------------------------------------------------------- damaged files

ODD = [None, True, -1, 10**30, 1e308, "", "x", "../x", [], [1, "a"], {}, {"kind": "x"}, [[]]]


def places(tree, path=()):
    """Every place in a tree of JSON."""
    yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


def damaged(content, draw):
    """JSON with one place taken out or replaced, or text cut off or with something in it."""
    tree = json.loads(content)
    chosen = draw.choice(list(places(tree))[1:])
    inner = tree
    for key in chosen[:-1]:
        inner = inner[key]
    if draw.random() < 0.3:
        del inner[chosen[-1]]
    else:
        inner[chosen[-1]] = draw.choice(ODD)
    return json.dumps(tree)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "write_figure", lambda *_: None)
        path = tmp_path_factory.mktemp("finished")
        run_recipe(RECIPE, out=path / "whole")
        run_recipe(FOLDS, out=path / "folds")
    return path


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["run.json", "summary.json", "features.json", "targets.json"])
@pytest.mark.parametrize("run", ["whole", "folds"])
def test_no_damaged_file_gives_a_traceback(finished, tmp_path, npnet_, run, name):
    draw = random.Random(f"{run} {name}")
    path = tmp_path / "run"
    shutil.copytree(finished / run, path)
    network = path if run == "whole" else path / "fold-1"
    file = network / name if name in ("features.json", "targets.json") else path / name
    whole = file.read_text()
    for _ in range(12):
        file.write_text(damaged(whole, draw))
        with contextlib.suppress(NpnetError, OSError):
            evaluate_run(network)
        for command in (("runs", path), ("train", "--resume", path)):
            status, _, err = npnet_(*command)
            assert status in (0, 1)
            assert "Traceback" not in err
        shutil.rmtree(path)
        shutil.copytree(finished / run, path)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_while_loading_is_one_line(tmp_path):
    for module in ("npnet.cli", "npnet.training", "sklearn"):
        program = (
            "import os, signal, sys\n"
            "class Interrupting:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name == {module!r}:\n"
            "            os.kill(os.getpid(), signal.SIGINT)\n"
            "sys.meta_path.insert(0, Interrupting())\n"
            "from npnet.__main__ import main\n"
            "sys.argv = ['npnet', 'train', 'digits', '--json']\n"
            "main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(npnet.__file__).parents[1])},
        )
        assert (done.returncode, done.stdout) == (128 + signal.SIGINT, ""), done.stderr
        assert done.stderr == "npnet: interrupted\n"
    assert list(tmp_path.iterdir()) == []

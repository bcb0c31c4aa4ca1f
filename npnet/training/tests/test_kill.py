"""Runs that are killed at random moments and go on, as ``npnet train`` and ``npnet train --resume``.

``make kill-test`` kills 200 times; ``NPNET_KILLS`` says another number.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time

import pytest

from npnet.training.tests.left_behind import left_behind

KILLS = int(os.environ.get("NPNET_KILLS", "6"))

SMALL = ["training.epochs=6", "training.batch_size=200", "model.hidden=[8]"]
STORIES = {
    "plateau, early stopping": [
        *("scheduler=ReduceLROnPlateau", "scheduler.patience=0", "optimizer.lr=0.1"),
        *("regularization.early_stopping.patience=2", "training.checkpoint_seconds=0"),
    ],
    "one-cycle": ["scheduler=OneCycleLR", "scheduler.max_lr=0.05", "training.checkpoint_seconds=0"],
    "few checkpoints": ["optimizer=RMSprop", "optimizer.momentum=0.9", "training.epochs=12"],
    "moving average": ["training.averaging.kind=ema", "training.checkpoint_seconds=0"],
    "average of epochs": [
        "training.averaging={kind = 'swa', start_from_epoch = 2, swa_lr = 0.01, anneal_epochs = 2}",
        "training.checkpoint_seconds=0.01",
    ],
    "folds": ["data.test=none", "data.folds=2", "training.epochs=3", "training.checkpoint_seconds=0.01"],
}

processes = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
processes.set_forkserver_preload(  # what a run loads on its way; torch._dynamo comes with an optimizer
    [
        *("npnet.cli", "npnet.training", "npnet.training.figures", "torchref", "torch._dynamo"),
        *("sklearn.metrics", "sklearn.datasets", "matplotlib.figure", "rich.console", "filelock", "tomli_w"),
    ]
)


def npnet(*arguments):
    """What a child does: the command line, with nothing to say and figures that take no time to draw."""
    from npnet import cli
    from npnet.training import RunFolder, figures

    figures.curves_figure = figures.confusion_figure = lambda *_, **__: None
    RunFolder.write_figure = lambda self, name, figure: self._write(name, [b"no picture"])
    sys.argv = ["npnet", "train", *arguments, "--json"]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    cli.main()


def spend(seconds, *arguments):
    """Run the command line in a process of its own, and kill it after so many seconds; True if it was."""
    process = processes.Process(target=npnet, args=arguments)
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), arguments
    return process.exitcode != 0


def say(capsys, line):
    """Tell it whoever waits, though pytest keeps what tests print."""
    with capsys.disabled():
        sys.stdout.write(f" {line}\n")
        sys.stdout.flush()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_runs_survive_being_killed(capsys, tmp_path, backend):
    draw = random.Random(f"{backend} {KILLS}")
    goal = KILLS // 2 + (KILLS % 2 if backend == "numpy" else 0)
    undisturbed, kills, finished = {}, 0, 0
    while kills < goal:
        story = list(STORIES)[finished % len(STORIES)]
        settings = [part for setting in (*SMALL, *STORIES[story]) for part in ("--set", setting)]
        begin = ["digits", "--backend", backend, *settings, "--out"]
        if story not in undisturbed:
            whole = tmp_path / story
            began = time.perf_counter()
            assert not spend(None, *begin, str(whole))
            undisturbed[story] = left_behind(whole), time.perf_counter() - began
        expected, duration = undisturbed[story]
        folder, more = tmp_path / "killed", draw.choice([1, 2, 3, 5])
        while True:
            seconds = draw.uniform(0.0, 0.8 * duration) if more and kills < goal else None
            begun = (folder / "run.json").exists()
            if not spend(seconds, *(["--resume", str(folder)] if begun else [*begin, str(folder)])):
                break
            kills, more = kills + 1, more - 1
        assert left_behind(folder) == expected, (story, kills)
        shutil.rmtree(folder)
        finished += 1
        if KILLS > 20 and finished % 10 == 0:
            say(capsys, f"{backend}: {kills} kills in {finished} runs so far")
    said = f"{backend}: {kills} kills in {finished} runs, each of which ended as if nothing had been"
    say(capsys, said)

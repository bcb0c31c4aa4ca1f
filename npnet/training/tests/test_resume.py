"""A run that is interrupted and goes on ends as one that was never interrupted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from npnet.random import Generator, manual_seed
from npnet.training import (
    Callback,
    Checkpoint,
    Interrupted,
    NumpyEngine,
    RunFolder,
    Task,
    Trainer,
    load_checkpoint,
    load_recipe,
    resume_recipe,
    run_recipe,
)
from npnet.training.callbacks import recipe_callbacks
from npnet.training.checkpoint import save_checkpoint
from npnet.training.recipe import OPTIMIZERS, SCHEDULES
from npnet.training.tests.left_behind import left_behind
from torchref import TorchEngine

ENGINES = {"numpy": NumpyEngine, "torch": TorchEngine}
QUICK = ("training.epochs=3", "training.batch_size=400", "model.hidden=[8]")  # three steps an epoch

NEEDED = {
    "StepLR": ["step_size=2"],
    "MultiStepLR": ["milestones=[1,2]"],
    "ExponentialLR": ["gamma=0.7"],
    "CosineAnnealingLR": ["T_max=3"],
    "CosineAnnealingWarmRestarts": ["T_0=2"],
    "CyclicLR": ["base_lr=1e-3", "max_lr=1e-2", "step_size_up=2"],
    "OneCycleLR": ["max_lr=1e-2"],
    "ReduceLROnPlateau": ["patience=0", "threshold=1"],
}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Drawing takes longer than the short trainings here."""
    for name in ("curves_figure", "confusion_figure"):
        monkeypatch.setattr(f"npnet.training.figures.{name}", lambda *_, **__: Figure())
    monkeypatch.setattr(RunFolder, "write_figure", lambda *_: None)


class PauseAt(Callback):
    """Pauses after the `number`-th step that it sees, or at the end of an epoch."""

    def __init__(self, number, closed=False):
        self.left, self.closed = number, closed

    def on_batch_end(self, trainer, step):
        self.left -= not self.closed
        trainer.should_pause = self.left == 0

    def on_epoch_closed(self, trainer):
        self.left -= self.closed
        trainer.should_pause = trainer.should_pause or self.left == 0


def with_breaks(folder, recipe, breaks, backend="numpy"):
    """Run with a break after each of these numbers of steps."""
    engine = {"make_engine": ENGINES[backend], "backend_name": backend}
    with pytest.raises(Interrupted):
        run_recipe(recipe, out=folder, callbacks=[breaks[0]], **engine)
    for later in breaks[1:]:
        with pytest.raises(Interrupted):
            resume_recipe(folder, callbacks=[later], **engine)
    return resume_recipe(folder, **engine)


def assert_the_same(tmp_path, overrides, breaks, backend="numpy"):
    recipe = load_recipe("digits", [*QUICK, *overrides])
    run_recipe(recipe, out=tmp_path / "whole", make_engine=ENGINES[backend], backend_name=backend)
    with_breaks(tmp_path / "broken", recipe, breaks, backend)
    assert left_behind(tmp_path / "broken") == left_behind(tmp_path / "whole")


@pytest.mark.parametrize("backend", ENGINES)
def test_breaks_change_nothing(tmp_path, backend):
    breaks = [PauseAt(4), PauseAt(1), PauseAt(1), PauseAt(1, closed=True)]
    assert_the_same(tmp_path, (), breaks, backend)


def small_task(recipe):
    generator = Generator(1)
    inputs = generator.normal(0.0, 1.0, (40, 4), "float32")
    rows = {"train": np.arange(30), "validation": np.arange(30, 40), "test": np.arange(0)}
    manual_seed(recipe.seed)
    return Task(recipe, recipe.model.build(4, 3), inputs, (inputs[:, 0] > 0).astype(np.int64), rows)


class SaveAt(PauseAt):
    """Writes a checkpoint where it pauses."""

    def __init__(self, path, number, closed=False):
        super().__init__(number, closed)
        self.path = path

    def on_batch_end(self, trainer, step):
        super().on_batch_end(trainer, step)
        self.save(trainer)

    def on_epoch_closed(self, trainer):
        super().on_epoch_closed(trainer)
        self.save(trainer)

    def save(self, trainer):
        if trainer.should_pause:
            facts = {"recipe": {}, "backend": "", "dataset": {}, "versions": {}, "threads": {}}
            save_checkpoint(self.path, Checkpoint(**facts, trainer=trainer.state_dict()))


def trained(backend, overrides, breaks=()):
    """Weights and history of a training that goes on from a file after each of these breaks."""
    small = ("training.epochs=4", "training.batch_size=8", "model.hidden=[5]")  # four steps an epoch
    recipe = load_recipe("digits", [*small, *overrides])
    for number, pause in enumerate((*breaks, None)):
        _, watching = recipe_callbacks(recipe)
        trainer = Trainer(ENGINES[backend](small_task(recipe)), [*watching, *([pause] if pause else [])])
        if number > 0:
            trainer.load_state_dict(load_checkpoint(breaks[number - 1].path).trainer)
        trainer.fit()
    return trainer.engine.state_dict(), trainer.history.frame.drop(columns=["seconds", "rows_per_second"])


def assert_goes_on(path, backend, overrides):
    weights, history = trained(backend, overrides)
    breaks = [SaveAt(path, 2), SaveAt(path, 1, closed=True), SaveAt(path, 4), SaveAt(path, 1)]
    resumed, its_history = trained(backend, overrides, breaks)
    for name, values in weights.items():
        np.testing.assert_array_equal(resumed[name], values, err_msg=name)
    assert its_history.equals(history)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on(tmp_path, backend, name):
    extra = ["optimizer.momentum=0.9"] if name in ("SGD", "RMSprop") else []
    overrides = [f"optimizer={name}", "optimizer.lr=1e-2", *extra, "scheduler=none"]
    assert_goes_on(tmp_path / "last", backend, overrides)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_on(tmp_path, backend, name):
    overrides = [f"scheduler={name}", *(f"scheduler.{option}" for option in NEEDED.get(name, ()))]
    if name in ("OneCycleLR", "CyclicLR"):  # they move the momentum too
        overrides += ["optimizer=SGD", "optimizer.lr=1e-2", "optimizer.momentum=0.9"]
    assert_goes_on(tmp_path / "last", backend, overrides)


@pytest.mark.parametrize(("backend", "restore"), [("numpy", "true"), ("torch", "false")])
def test_early_stopping_goes_on_counting(tmp_path, backend, restore):
    overrides = [
        "training.epochs=9",
        f"regularization.early_stopping={{patience = 3, min_delta = 100, restore_best = {restore}}}",
    ]
    assert_the_same(tmp_path, overrides, [PauseAt(7), PauseAt(1, closed=True)], backend)
    summary = json.loads((tmp_path / "broken" / "summary.json").read_text())
    assert (summary["epochs"], summary["kept_epoch"]) == (4, 1 if restore == "true" else 4)


@pytest.mark.parametrize(("backend", "steps"), [("numpy", 4), ("numpy", 9), ("torch", 10)])
def test_folds_go_on(tmp_path, backend, steps):
    overrides = ["data.test=none", "data.folds=2", "training.batch_size=300"]
    assert_the_same(tmp_path, overrides, [PauseAt(steps)], backend)

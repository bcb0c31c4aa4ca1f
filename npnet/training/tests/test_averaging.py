"""Averages of the weights: by hand, over breaks, in both libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npnet.errors import RecipeError
from npnet.random import Generator, manual_seed
from npnet.training import (
    Callback,
    NumpyEngine,
    RunFolder,
    Task,
    Trainer,
    compare_recipe,
    load_recipe,
    run_recipe,
)
from npnet.training.callbacks import recipe_callbacks
from npnet.training.tests.test_resume import assert_goes_on
from torchref import TorchEngine

ENGINES = {"numpy": NumpyEngine, "torch": TorchEngine}
SMALL = ("training.epochs=4", "training.batch_size=8", "model.hidden=[5]", "scheduler=none")
EMA = "training.averaging={kind = 'ema', decay = 0.9}"


class Followed(Callback):
    """Copies of the weights after every step and every epoch, and the rates."""

    def __init__(self):
        self.steps, self.epochs, self.rates = [], [], []

    def on_batch_end(self, trainer, step):
        self.steps.append(trainer.engine.state_dict())

    def on_epoch_end(self, trainer, measured):
        self.epochs.append(trainer.engine.state_dict())
        self.rates.append(measured["lr"])


def trained(backend, *overrides):
    """A trainer that has trained on a small task, what it went through, and what it kept."""
    recipe = load_recipe("digits", [*SMALL, "training.dtype=float64", *overrides])
    inputs = Generator(1).normal(0.0, 1.0, (44, 4), "float64")
    rows = {"train": np.arange(32), "validation": np.arange(32, 44), "test": np.arange(0)}
    manual_seed(recipe.seed)
    model = recipe.model.build(4, 3)
    task = Task(recipe, model, inputs, (inputs[:, 0] > 0).astype(np.int64), rows)
    (keep, watching), followed = recipe_callbacks(recipe), Followed()
    trainer = Trainer(ENGINES[backend](task), [*watching, followed])
    trainer.fit()
    return trainer, followed, keep


def assert_equal(found, expected):
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("backend", ENGINES)
def test_ema_is_the_mean_that_forgets(backend):
    _, followed, keep = trained(backend, EMA, "regularization.early_stopping=none")
    expected = followed.steps[0]
    for weights in followed.steps[1:]:
        expected = {name: 0.9 * expected[name] + 0.1 * weights[name] for name in weights}
    whole = {name for name, values in expected.items() if values.dtype.kind != "f" or not values.ndim}
    assert_equal(keep.weights, {name: values for name, values in expected.items() if name not in whole})
    assert not np.allclose(keep.weights["0.weight"], followed.steps[-1]["0.weight"])


@pytest.mark.parametrize("backend", ENGINES)
def test_ema_begins_where_it_is_told(backend):
    setting = "training.averaging={kind = 'ema', decay = 0.5, start_from_epoch = 3}"
    _, followed, keep = trained(backend, setting, "regularization.early_stopping=none")
    expected = followed.steps[12]["0.weight"]  # four steps an epoch
    for weights in followed.steps[13:]:
        expected = 0.5 * expected + 0.5 * weights["0.weight"]
    np.testing.assert_allclose(keep.weights["0.weight"], expected, rtol=1e-12)


@pytest.mark.parametrize("backend", ENGINES)
def test_swa_is_the_mean_of_the_last_epochs_with_statistics_of_its_own(backend):
    setting = "training.averaging={kind = 'swa', start_from_epoch = 1}"
    trainer, followed, keep = trained(
        backend, setting, "regularization.early_stopping=none", "model.dropout=0"
    )
    learned = [name for name in keep.weights if not name.startswith("1.running") and "num_" not in name]
    for name in learned:
        mean = np.mean([weights[name] for weights in followed.epochs[1:]], axis=0)
        np.testing.assert_allclose(keep.weights[name], mean, rtol=1e-12, err_msg=name)
    task = trainer.engine.task
    batches = [task.inputs[rows] @ keep.weights["0.weight"].T for rows in task.statistics_batches()]
    assert [len(batch) for batch in batches] == [8, 8, 8, 8]
    np.testing.assert_allclose(
        keep.weights["1.running_mean"], np.mean([batch.mean(0) for batch in batches], axis=0), rtol=1e-10
    )
    np.testing.assert_allclose(
        keep.weights["1.running_var"],
        np.mean([batch.var(0, ddof=1) for batch in batches], axis=0),
        rtol=1e-10,
    )


@pytest.mark.parametrize("backend", ENGINES)
def test_the_average_is_what_is_judged(backend):
    trainer, _, keep = trained(backend, EMA, "regularization.early_stopping=none")
    last = trainer.history.rows[-1]["validation_loss"]
    assert trainer.engine.evaluate("validation").loss == pytest.approx(last, rel=1e-12)
    manual_seed(0)
    alone = trainer.engine.task.recipe.model.build(4, 3).double()
    alone.load_state_dict(keep.weights)
    rows = trainer.engine.task.rows["validation"]
    outputs = alone.eval()(trainer.engine.task.inputs[rows])
    np.testing.assert_allclose(trainer.engine.evaluate("validation").outputs, outputs, rtol=1e-10)


def test_the_best_epoch_may_be_one_before_the_average():
    stop = "regularization.early_stopping={patience = 4, min_delta = 100}"  # the first one stays the best
    setting = "training.averaging={kind = 'swa', start_from_epoch = 2}"
    _, followed, keep = trained("numpy", setting, stop)
    assert keep.epoch == 1
    assert_equal(keep.weights, followed.epochs[0])


@pytest.mark.parametrize("backend", ENGINES)
def test_the_rate_is_annealed_as_by_pytorch(backend):
    setting = "training.averaging={kind = 'swa', start_from_epoch = 2, swa_lr = 0.5, anneal_epochs = 3}"
    _, followed, _ = trained(
        backend, setting, "training.epochs=7", "scheduler=ExponentialLR", "scheduler.gamma=0.5"
    )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=followed.rates[0])
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    annealing = torch.optim.swa_utils.SWALR(optimizer, 0.5, anneal_epochs=3)
    expected = []
    for epoch in range(7):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        (annealing if epoch >= 2 else schedule).step()
    np.testing.assert_allclose(followed.rates, expected, rtol=1e-12)


AVERAGES = [
    EMA,
    "training.averaging={kind = 'ema', use_buffers = false}",
    "training.averaging={kind = 'swa', start_from_epoch = 1, swa_lr = 0.01, anneal_epochs = 2}",
    "training.averaging={kind = 'swa', start_from_epoch = 2, use_buffers = true}",
]


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("setting", AVERAGES)
def test_every_average_goes_on(tmp_path, backend, setting):
    assert_goes_on(tmp_path / "last", backend, [setting, "scheduler=none", "optimizer.lr=1e-2"])


@pytest.mark.parametrize("setting", AVERAGES)
def test_both_libraries_come_to_the_same_average(tmp_path, monkeypatch, setting):
    monkeypatch.setattr("npnet.training.RunFolder.write_figure", lambda *_: None)
    recipe = load_recipe(
        "digits",
        [*SMALL, "training.batch_size=200", "training.dtype=float64", "model.dropout=0.3", setting],
    )
    found = compare_recipe(
        recipe, {"numpy": NumpyEngine, "torch": TorchEngine.replaying}, out=tmp_path / "run"
    )
    assert found["agree"], found["first"]
    assert any(tensor["tensor"] == "average of 0.weight" for tensor in found["tensors"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.averaging=polyak", "must be one of ema, swa"),
        ("training.averaging=swa", r"training\.averaging\.start_from_epoch is missing"),
        ("training.averaging={kind = 'swa', start_from_epoch = 4}", "there is nothing to average"),
        ("training.averaging={kind = 'ema', decay = 1}", r"decay must be a number, 0 or more and below 1"),
        ("training.averaging={kind = 'ema', swa_lr = 1}", r"unknown key training\.averaging\.swa_lr"),
        ("training.averaging={kind = 'swa', start_from_epoch = 1, anneal_epochs = 2}", "give it too"),
    ],
)
def test_averages_that_make_no_sense_are_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("digits", [*SMALL, setting])


def test_a_recipe_with_an_average_is_written_and_read_back(tmp_path):
    recipe = load_recipe("digits", [*SMALL, AVERAGES[2]])
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert load_recipe(tmp_path / "recipe.toml") == recipe
    assert load_recipe(recipe, ["training.averaging=none"]).training.averaging is None


def test_figures_say_that_the_average_is_looked_at(tmp_path, monkeypatch):
    notes = []
    monkeypatch.setattr("npnet.training.figures.curves_figure", lambda *given, **_: notes.append(given[3]))
    monkeypatch.setattr(RunFolder, "write_figure", lambda *_: None)
    for number, averaging in enumerate(([], [EMA])):
        recipe = load_recipe("digits", [*SMALL[:2], *averaging])
        run_recipe(recipe, out=tmp_path / str(number))
    assert "average" not in notes[0]
    assert notes[1].endswith("Validated, kept and tested: the average of the weights (ema).")

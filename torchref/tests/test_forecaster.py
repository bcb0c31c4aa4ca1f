from __future__ import annotations

import numpy as np
import pytest
import torch

import npnet.data
from npnet import manual_seed, nn
from npnet.training import NumpyEngine, compare_recipe, load_recipe, make_task, splits
from npnet.training.forecaster import Forecaster
from torchref import TorchEngine, from_torch, to_torch

KINDS = ("RNN", "LSTM", "GRU")


def model_of(kind, bptt, dropout=0.0):
    manual_seed(0)
    layer = getattr(nn, kind)(2, 3, 2, batch_first=True, dropout=dropout, dtype="float64")
    return Forecaster(layer, nn.Linear(3, 2, dtype="float64"), bptt)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bptt", [None, 1, 3, 7, 20])
def test_values_and_truncated_gradients_are_equal(kind, bptt):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(4, 7, 2)), rng.normal(size=(4, 2))
    model = model_of(kind, bptt)
    twin, leaf = to_torch(model), torch.tensor(x, requires_grad=True)
    output, by_input = model(x), model.backward(g)
    theirs = twin(leaf)
    theirs.backward(torch.from_numpy(g))
    np.testing.assert_allclose(output, theirs.detach(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(by_input, leaf.grad, rtol=0, atol=1e-14)
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, twin.get_parameter(name).grad, atol=1e-13, err_msg=name)


def test_there_and_back():
    model = model_of("LSTM", 4, dropout=0.5)
    again = from_torch(to_torch(model))
    assert isinstance(again, Forecaster)
    assert again.bptt == 4
    assert repr(again) == repr(model)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array, err_msg=name)


@pytest.fixture
def series(tmp_path):
    days = np.arange("1981-01-01", "1981-06-30", dtype="datetime64[D]")
    values = 12.0 + 5.0 * np.sin(np.arange(len(days)) / 5.0) + np.random.default_rng(0).normal(size=len(days))
    lines = [f"{day},{value:.4f}" for day, value in zip(days, values, strict=True)]
    (tmp_path / "daily-min-temperatures.csv").write_text("\n".join(["Date,Temp", *lines]), encoding="utf-8")
    return tmp_path


def recipe(*overrides):
    quick = ("training.epochs=2", "model.hidden=4", "data.features.length=12", "training.dtype=float64")
    return load_recipe("temperatures", [*quick, *overrides])


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_recipe_agrees_step_by_step_with_truncation_and_dropout(kind, series, tmp_path):
    chosen = recipe(f"model.kind={kind}", "training.bptt=5", "model.layers=2", "model.dropout=0.3")
    engines = {"numpy": NumpyEngine, "torch": TorchEngine.replaying}
    found = compare_recipe(chosen, engines, data=series, out=tmp_path / "run")
    assert found["agree"], found["first"]
    assert found["steps"] >= 4


def test_truncation_that_reaches_over_the_window_trains_the_same(series):
    states = []
    for bptt in ("none", "12"):
        chosen = recipe(f"training.bptt={bptt}")
        dataset = npnet.data.load("temperatures", data=series)
        manual_seed(0)
        task, _ = make_task(chosen, dataset, splits(chosen, dataset)[0])
        for engine in (NumpyEngine(task), TorchEngine(task)):
            for start in (0, 8, 16):
                engine.train_batch(task.rows["train"][start : start + 8])
            states.append(engine.state_dict())
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[2][name], err_msg=name)
        np.testing.assert_array_equal(states[1][name], states[3][name], err_msg=name)

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
from matplotlib import image
from typer.testing import CliRunner

import npnet.data
from npnet import manual_seed, nn
from npnet.cli import app
from npnet.errors import ArgumentError, BackwardError, RecipeError, ShapeError
from npnet.training import load_recipe, make_task, run_recipe, splits
from npnet.training.forecast import forecast_figure, reference_forecasts, score_forecasts
from npnet.training.forecaster import Forecaster
from npnet.training.model import MODELS

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@pytest.fixture
def folder(tmp_path):
    """A folder with a series of the right name: a sine of eleven years, and a little noise."""
    years = np.arange(1800, 1960)
    noise = np.random.default_rng(0).normal(size=len(years))
    values = 50.0 + 40.0 * np.sin(2.0 * np.pi * years / 11.0) + noise
    lines = [f"{year},{value:.6f}" for year, value in zip(years, values, strict=True)]
    place = tmp_path / "data"
    place.mkdir()
    (place / "sunspots_yearly.csv").write_text("\n".join(["YEAR,SUNACTIVITY", *lines]), encoding="utf-8")
    return place


def recipe(*overrides):
    quick = ("training.epochs=3", "model.hidden=4", "data.features.length=12")
    return load_recipe("sunspots", [*quick, *overrides])


# ------------------------------------------------------------------ the model


def model_of(kind, bptt, layers=2):
    manual_seed(0, like="torch")
    layer = KINDS[kind](2, 3, layers, batch_first=True, dtype="float64")
    return Forecaster(layer, nn.Linear(3, 2, dtype="float64"), bptt)


def gradients(model, x, g):
    model.zero_grad()
    value, by_input = model(x), model.backward(g)
    return value, by_input, {name: w.grad.copy() for name, w in model.named_parameters()}


X = np.random.default_rng(1).normal(size=(4, 7, 2))
G = np.random.default_rng(2).normal(size=(4, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bptt", [7, 8, 100])
def test_truncation_beyond_the_window_is_none(kind, bptt):
    whole, cut = gradients(model_of(kind, None), X, G), gradients(model_of(kind, bptt), X, G)
    np.testing.assert_array_equal(cut[0], whole[0])
    np.testing.assert_array_equal(cut[1], whole[1])
    for name, gradient in whole[2].items():
        np.testing.assert_array_equal(cut[2][name], gradient, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bptt", [1, 2, 3, 5, 6])
def test_truncation_leaves_the_values_and_cuts_the_gradient(kind, bptt):
    """The gradient is that of the last steps, from a state that is held."""
    whole, cut = gradients(model_of(kind, None), X, G), gradients(model_of(kind, bptt), X, G)
    np.testing.assert_allclose(cut[0], whole[0], rtol=0, atol=1e-14)
    assert np.all(cut[1][:, :-bptt] == 0.0)
    np.testing.assert_allclose(cut[1][:, -bptt:], whole[1][:, -bptt:], rtol=0, atol=1e-13)
    assert not np.allclose(cut[2]["recurrent.weight_ih_l0"], whole[2]["recurrent.weight_ih_l0"])
    model = model_of(kind, None)
    _, state = model.recurrent(X[:, :-bptt])

    def loss():
        output, _ = model.recurrent(X[:, -bptt:], state)
        return float(np.sum(G * model.head(output[:, -1])))

    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(cut[2][name], differences(loss, parameter.data), atol=1e-8, err_msg=name)


def differences(function, x, h=1e-5):
    """Central differences of a function by an array that it reads."""
    found = np.empty_like(x)
    for place in np.ndindex(x.shape):
        kept = x[place]
        values = []
        for x[place] in (kept + h, kept - h):
            values.append(function())
        x[place] = kept
        found[place] = (values[0] - values[1]) / (2 * h)
    return found


def test_without_input_grad_the_same_is_learned():
    for bptt in (None, 3):
        model, other = model_of("lstm", bptt), model_of("lstm", bptt)
        expected = gradients(model, X, G)[2]
        other(X)
        assert other.backward(G, input_grad=False) is None
        for name, parameter in other.named_parameters():
            np.testing.assert_array_equal(parameter.grad, expected[name], err_msg=name)


def test_a_forecaster_says_what_it_takes():
    model = model_of("gru", 3)
    with pytest.raises(ShapeError, match=r"windows of shape \(B, T, features\), got \(4, 7\)"):
        model(X[:, :, 0])
    with pytest.raises(BackwardError, match="no forward pass"):
        model.backward(G)
    assert "bptt=3" in repr(model)


# ------------------------------------------------------------------ recipes


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_names_the_recurrent_models(kind):
    chosen = recipe(f"model.kind={kind}", "model.layers=2", "model.dropout=0.25")
    model = chosen.model.build((12, 1), 1)
    assert isinstance(model.recurrent, KINDS[kind])
    assert (model.recurrent.num_layers, model.recurrent.dropout) == (2, 0.25)
    assert dataclasses.asdict(chosen) == dataclasses.asdict(load_from(chosen))
    assert kind in MODELS


def load_from(chosen):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"{chosen.name}.toml"
        path.write_text(chosen.to_toml(), encoding="utf-8")
        return load_recipe(path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.bptt=0"], "training.bptt must be a whole number, 1 or more"),
        (
            ["model={kind='mlp', hidden=[4]}", "training.bptt=3"],
            "training.bptt is for models that walk through",
        ),
        (["model.dropout=0.5"], "model.dropout=0.5 acts between layers, and model.layers is 1"),
        (["data.features=windows"], "data.features.length is missing: windows needs it"),
        (["data.features.length=0"], "length must be a whole number, 1 or more, got 0"),
        (["model.kind=lstn"], "did you mean 'lstm'"),
    ],
)
def test_what_a_recipe_cannot_mean_is_refused(overrides, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RecipeError, match=message):
            recipe(*overrides)


@pytest.mark.parametrize(
    ("name", "overrides", "error", "message"),
    [
        (
            "sunspots",
            ["data.features=table"],
            RecipeError,
            "table is not for sunspots, a series: take windows",
        ),
        ("sunspots", ["data.test=none", "data.folds=3"], RecipeError, "sunspots is a series"),
        ("sunspots", ["data.features.length=30"], ArgumentError, "the validation part has 24 of 160 rows"),
        ("sunspots", ["training.loss=CrossEntropyLoss"], RecipeError, "is for classes"),
        (
            "digits",
            ["data.features={kind='windows', length=3}"],
            RecipeError,
            "windows is not for digits, whose rows do not follow one another",
        ),
        ("digits", ["model={kind='lstm', hidden=4}"], RecipeError, r"makes rows of shape \(64,\)"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(folder, tmp_path, name, overrides, error, message):
    chosen = load_recipe(name, ["training.epochs=1", *overrides])
    with pytest.raises(error, match=message):
        run_recipe(chosen, data=folder if name == "sunspots" else None, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_of_later_parts_is_known_to_the_task(folder):
    """Scales and windows of the training part are the same whatever comes after it."""
    dataset = npnet.data.load("sunspots", data=folder)
    changed = dataset.inputs.copy()
    (split,) = splits(recipe(), dataset)
    later = split.train[-1] + 1
    changed.iloc[later:] = 1e6
    other = dataclasses.replace(dataset, inputs=changed, targets=changed.to_numpy()[:, 0])
    tasks = []
    for each in (dataset, other):
        manual_seed(0)
        tasks.append(make_task(recipe(), each, split))
    for (task, features), (twin, twin_features) in [tasks]:
        np.testing.assert_array_equal(task.inputs[split.train], twin.inputs[split.train])
        np.testing.assert_array_equal(task.targets[split.train], twin.targets[split.train])
        assert features.mean == twin_features.mean
        assert task.objective.scale == twin.objective.scale
        assert np.isfinite(task.inputs[np.concatenate(split)]).all()


def test_the_model_of_a_task_is_truncated_as_the_recipe_says(folder):
    dataset = npnet.data.load("sunspots", data=folder)
    chosen = recipe("training.bptt=5")
    task, _ = make_task(chosen, dataset, splits(chosen, dataset)[0])
    assert task.model.bptt == 5


# ------------------------------------------------------------------ a run


def test_a_run_is_compared_with_simple_forecasts(folder, tmp_path):
    out = tmp_path / "run"
    chosen = recipe("training.epochs=60", "model.hidden=8", "optimizer.lr=1e-2")
    summary = run_recipe(chosen, data=folder, out=out)
    assert json.loads((out / "summary.json").read_text())["references"] == summary["references"]
    dataset = npnet.data.load("sunspots", data=folder)
    rows = splits(recipe(), dataset)[0].test
    for name, lag in (("persistence", 1), ("seasonal", 11)):
        errors = dataset.targets[rows] - dataset.targets[rows - lag]
        assert summary["references"][name]["mae"] == pytest.approx(np.abs(errors).mean())
        assert summary["references"][name]["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert summary["test"]["mae"] < 0.5 * summary["references"]["persistence"]["mae"]
    assert image.imread(out / "forecast.png").shape[:2] == (780, 1320)


def test_the_closing_table_has_the_simple_forecasts(folder, tmp_path):
    arguments = ["train", "sunspots", "--data", str(folder), "--out", str(tmp_path / "run")]
    changes = [
        part for change in ("training.epochs=1", "data.features.length=12") for part in ("--set", change)
    ]
    result = CliRunner().invoke(app, [*arguments, *changes], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if "forecast" in line]
    assert [line.split()[1] for line in lines] == ["persistence", "seasonal"]
    assert all("mean absolute error" in line and "root mean squared error" in line for line in lines)


def test_a_forecast_that_would_look_before_the_series_is_left_out():
    series = np.arange(10.0)
    assert list(reference_forecasts(series, np.arange(3, 10), 1, season=4)) == ["persistence"]
    assert list(reference_forecasts(series, np.arange(0), 1, season=4)) == []
    found = reference_forecasts(series, np.array([9]), horizon=5, season=4)
    assert {name: values.tolist() for name, values in found.items()} == {
        "persistence": [4.0],
        "seasonal": [1.0],
    }


def test_scores_are_in_the_units_of_the_series():
    scores = score_forecasts(np.array([10.0, 20.0]), {"network": np.array([13.0, 16.0])})
    assert scores["network"]["mae"] == 3.5
    assert scores["network"]["rmse"] == pytest.approx(np.sqrt(12.5))


def test_the_figure_shows_the_last_steps_of_a_long_part_and_all_errors():
    true = np.sin(np.arange(500.0))
    forecasts = {"network": true + 0.1, "persistence": true + 0.5}
    figure = forecast_figure(np.arange(500), true, forecasts, "x", "m", "title", "note")
    above, below = figure.axes
    assert [len(line.get_xdata()) for line in above.lines] == [400, 400]
    assert "the last 400 of 500" in above.get_title(loc="left")
    assert [bar.get_width() for bar in below.patches] == pytest.approx([0.1, 0.5])
    assert above.get_ylabel() == "x (m)"

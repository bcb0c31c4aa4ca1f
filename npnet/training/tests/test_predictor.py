from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import npnet.data
from npnet.data import Dataset
from npnet.data.small_tables import MEASUREMENTS
from npnet.errors import ArgumentError, CheckpointError, DataError
from npnet.random import get_rng_state
from npnet.training import RunFolder, evaluate_run, load_predictor, load_recipe, run_recipe, splits

QUICK = ("training.epochs=2", "model.hidden=[8]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of runs: digits, folds of it, a binary one with weights, wine, numbers."""
    folder = tmp_path_factory.mktemp("runs")
    wine(folder / "wine.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "write_figure", lambda *_: None)
        summaries = {
            "digits": run_recipe(load_recipe("digits", QUICK), out=folder / "digits"),
            "folds": run_recipe(
                load_recipe("digits", [*QUICK, "data.test=none", "data.folds=2"]), out=folder / "folds"
            ),
            "binary": run_recipe(
                load_recipe("binary", [*QUICK, "regularization.class_weight=balanced"]), out=folder / "binary"
            ),
            "wine": run_recipe(load_recipe("wine", QUICK), data=folder / "wine.csv", out=folder / "wine"),
        }
        patch.setattr("npnet.data.load", lambda *_, **__: numbers())
        summaries["numbers"] = run_recipe(
            load_recipe("digits", [*QUICK, "training.loss=MSELoss", "name=numbers"]), out=folder / "numbers"
        )
    return folder, summaries


def wine(path, rows=200):
    drawn = np.random.default_rng(0).normal(size=(rows, len(MEASUREMENTS)))
    table = pd.DataFrame(drawn, columns=list(MEASUREMENTS))
    table["quality"] = np.clip(np.round(5.5 + 1.5 * table["alcohol"]), 3, 8).astype(int)
    table.to_csv(path, sep=";", index=False)
    return table


def numbers():
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(100, 2)), columns=["a", "b"])
    return Dataset(
        name="digits",
        inputs=table,
        targets=300 + 20 * table["a"].to_numpy(),
        class_names=(),
        identifiers=np.arange(100),
        target_names=("co2",),
        unit="ppm",
    )


@pytest.mark.parametrize("name", ["digits", "binary", "wine"])
def test_a_run_is_measured_as_its_summary_says(runs, name):
    folder, summaries = runs
    found = evaluate_run(folder / name)
    for measure, value in summaries[name]["test"].items():
        np.testing.assert_allclose(found[measure], value, rtol=1e-6, err_msg=measure)
    validation = evaluate_run(folder / name, part="validation")
    assert validation["accuracy"] == summaries[name]["validation"]["accuracy"]
    assert validation["rows"] == summaries[name]["rows"]["validation"]


def test_numbers_are_measured_in_their_units(runs, monkeypatch):
    folder, summaries = runs
    monkeypatch.setattr("npnet.data.load", lambda *_, **__: numbers())
    found = evaluate_run(folder / "numbers")
    for measure in ("loss", "mae", "rmse", "r2"):
        np.testing.assert_allclose(found[measure], summaries["numbers"]["test"][measure], rtol=1e-5)
    assert found["unit"] == "ppm"


def test_a_fold_is_measured_on_what_it_did_not_see(runs):
    folder, summaries = runs
    for number, fold in enumerate(summaries["folds"]["folds"], start=1):
        found = evaluate_run(folder / "folds" / f"fold-{number}")
        assert found["accuracy"] == fold["test"]["accuracy"]


def test_other_data_are_measured_whole(runs, tmp_path):
    wine(tmp_path / "other.csv", rows=50)
    assert evaluate_run(runs[0] / "wine", data=tmp_path / "other.csv")["rows"] == 50


def test_nothing_is_drawn_from_the_streams(runs):
    before = get_rng_state()
    evaluate_run(runs[0] / "digits")
    assert str(get_rng_state()) == str(before)


def test_a_part_that_is_not_there(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(RunFolder, "write_figure", lambda *_: None)
    run_recipe(load_recipe("digits", [*QUICK, "data.test=0"]), out=tmp_path / "run")
    with pytest.raises(ArgumentError, match="the run has no test part"):
        evaluate_run(tmp_path / "run")


def test_predictions_are_the_network_s(runs):
    folder, _ = runs
    digits, recipe = npnet.data.load("digits"), load_recipe("digits", QUICK)
    npnet.manual_seed(recipe.seed)
    test = splits(recipe, digits)[0].test
    table = digits.inputs.iloc[test]
    path = folder / "test.csv"
    table.to_csv(path, index=False)
    predictor = load_predictor(folder / "digits")
    said = predictor.predict(predictor.read(path))
    assert list(said)[:3] == ["line", "class", "probability_0"]
    assert said["line"].tolist() == list(range(2, len(test) + 2))
    shares = said[[f"probability_{digit}" for digit in range(10)]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (shares.argmax(axis=1).astype(str) == said["class"]).all()
    right = np.mean(said["class"].astype(int).to_numpy() == digits.targets[test])
    assert right == evaluate_run(folder / "digits")["accuracy"]


def test_one_logit_gives_two_probabilities(runs):
    predictor = load_predictor(runs[0] / "binary")
    table = npnet.data.load("breast-cancer").inputs
    table.head(20).to_csv(runs[0] / "b.csv", index=False)
    said = predictor.predict(predictor.read(runs[0] / "b.csv"))
    assert ((said["probability_malignant"] > 0.5) == (said["class"] == "malignant")).all()


def test_numbers_are_predicted_in_their_units(runs):
    predictor = load_predictor(runs[0] / "numbers")
    numbers().inputs.to_csv(runs[0] / "n.csv", index=False)
    said = predictor.predict(predictor.read(runs[0] / "n.csv"))
    assert list(said) == ["line", "co2", "problem"]
    assert 200 < said["co2"].mean() < 400


def test_predict_keeps_a_line_for_every_row(runs, tmp_path, npnet_):
    table = wine(tmp_path / "rows.csv", rows=4).drop(columns="quality").astype(object)
    table.loc[1, "pH"], table.loc[2, "alcohol"] = "sour", np.nan
    table.to_csv(tmp_path / "rows.csv", index=False)
    status, out, err = npnet_("predict", runs[0] / "wine", tmp_path / "rows.csv", "-o", tmp_path / "p.csv")
    assert (status, out) == (0, "")
    assert "rows.csv: line 3: pH: 'sour' is no number" in err
    assert "rows.csv: line 4: alcohol is missing" in err
    assert "4 rows, 2 of them without a prediction" in err
    said = pd.read_csv(tmp_path / "p.csv")
    assert said["line"].tolist() == [2, 3, 4, 5]
    assert said["class"].isna().tolist() == [False, True, True, False]
    assert said["problem"].isna().tolist() == [True, False, False, True]
    status, out, _ = npnet_("predict", runs[0] / "wine", tmp_path / "rows.csv", "-o", "-")
    assert out == (tmp_path / "p.csv").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "no column 'fixed acidity'"),
        (",".join(MEASUREMENTS) + "\n" + ",".join("x" * 11) + "\n", "none of its 1 rows can be predicted"),
    ],
)
def test_a_table_without_anything_to_predict(runs, tmp_path, npnet_, content, message):
    (tmp_path / "rows.csv").write_text(content)
    status, out, err = npnet_("predict", runs[0] / "wine", tmp_path / "rows.csv", "-o", tmp_path / "p.csv")
    assert (status, out) == (1, "")
    assert message in err
    assert not (tmp_path / "p.csv").exists()


def test_evaluate_and_runs_on_the_command_line(runs, npnet_):
    folder, summaries = runs
    status, out, _ = npnet_("evaluate", folder / "digits", "--json")
    assert (status, json.loads(out)["accuracy"]) == (0, summaries["digits"]["test"]["accuracy"])
    status, out, _ = npnet_("evaluate", folder / "digits")
    assert f"{summaries['digits']['test']['accuracy']:.2%}" in out
    status, out, _ = npnet_("runs", folder)
    assert status == 0
    for name in ("digits", "folds", "binary", "wine", "numbers"):
        assert name in out
    status, out, _ = npnet_("runs", folder, "--json")
    found = {facts["recipe"]: facts for facts in json.loads(out)}
    assert found["wine"]["test"]["accuracy"] == summaries["wine"]["test"]["accuracy"]
    assert found["numbers"]["unit"] == "ppm"
    assert "confusion" not in found["wine"]["test"]


def test_files_of_the_user_and_of_the_run_are_not_written_over(runs, tmp_path, npnet_):
    rows = tmp_path / "rows.csv"
    wine(rows, rows=4)
    (tmp_path / "link.csv").symlink_to(rows)
    before = rows.read_bytes()
    for out in (rows, tmp_path / "link.csv"):
        status, _, err = npnet_("predict", runs[0] / "wine", rows, "-o", out)
        assert (status, err.count("\n")) == (1, 1)
        assert "would be lost: name another file with -o" in err
    assert rows.read_bytes() == before
    for name in ("weights.safetensors", "last.safetensors"):
        before = (runs[0] / "wine" / name).read_bytes()
        status, _, err = npnet_("export", runs[0] / "wine", runs[0] / "wine" / name)
        assert (status, err.count("\n")) == (1, 1)
        assert "is a file of the run itself" in err
        assert (runs[0] / "wine" / name).read_bytes() == before


def test_a_schedule_is_drawn_as_png_into_a_folder_that_is_there(tmp_path, npnet_):
    for name, message in (("s.xyz", "must end in .png"), ("none/s.png", "there is no folder")):
        status, out, err = npnet_("plot", "schedule", "StepLR", "step_size=10", "--out", tmp_path / name)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert message in err
    assert npnet_("plot", "schedule", "StepLR", "step_size=10", "--out", tmp_path / "s.png")[0] == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("place", ["folds/fold-xyz", "folds/fold-3", "fold-1", "other"])
def test_a_fold_outside_its_run_is_not_measured(runs, tmp_path, place):
    shutil.copytree(runs[0] / "folds", tmp_path / "folds")
    shutil.copytree(runs[0] / "folds" / "fold-1", tmp_path / place)
    with pytest.raises(
        CheckpointError, match=r"holds weights, and neither run\.json nor|is no fold of the run"
    ):
        evaluate_run(tmp_path / place)


def test_runs_shows_what_cannot_be_read(tmp_path, npnet_):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    status, out, _ = npnet_("runs", tmp_path)
    assert status == 0
    assert "unreadable" in out
    (facts,) = json.loads(npnet_("runs", tmp_path, "--json")[1])
    assert facts["status"] == "unreadable"


def test_runs_without_any(tmp_path, npnet_):
    assert npnet_("runs", tmp_path)[1].startswith("no runs in")
    status, _, err = npnet_("runs", tmp_path / "none")
    assert status == 1
    assert "there is no folder" in err


def test_folders_that_hold_no_network(runs, tmp_path):
    folder, _ = runs
    with pytest.raises(CheckpointError, match="holds no run of npnet"):
        load_predictor(tmp_path)
    with pytest.raises(CheckpointError, match=r"a run of 2 folds, .* name one, such as .*fold-1"):
        load_predictor(folder / "folds")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("features.json", "{", "cannot read"),
        ("features.json", "[]", "it holds no object"),
        ("targets.json", '{"kind": "ranking"}', "not the state of an objective"),
        (
            "targets.json",
            '{"kind": "classification", "class_names": ["a", "b"]}',
            "cannot be made a network again",
        ),
        ("recipe.toml", "seed = ", "is not a TOML file"),
        ("weights.safetensors", "", "cannot read"),
    ],
)
def test_files_that_do_not_fit(runs, tmp_path, name, content, message):
    for file in (runs[0] / "digits").iterdir():
        if file.suffix in (".json", ".toml", ".safetensors"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load_predictor(tmp_path)


def test_pictures_are_not_a_table(runs):
    with pytest.raises(DataError, match="is a folder; the run was trained on a table"):
        load_predictor(runs[0] / "wine").read(runs[0])

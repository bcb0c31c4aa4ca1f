from __future__ import annotations

import csv
import errno
import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import npnet
from npnet.data import load
from npnet.errors import DeviceError
from npnet.training import NumpyEngine, RunFolder, load_recipe

QUICK = ("--set", "training.epochs=1", "--set", "model.hidden=[4]")


@pytest.fixture(autouse=True)
def _blank_figures(monkeypatch):
    """Drawing takes longer than the short trainings here."""
    for name in ("curves_figure", "confusion_figure"):
        monkeypatch.setattr(f"npnet.training.figures.{name}", lambda *_, **__: Figure())


@pytest.fixture
def run(monkeypatch, npnet_, tmp_path):
    """Run the command line in an empty folder; returns status, output and error stream."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPNET_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache")
    return npnet_


def one_line(run, *arguments):
    """The complaint about a user's mistake: status 1, one line, nothing on the output, no folder left."""
    status, out, err = run("train", *arguments, "--json")
    assert (status, out) == (1, "")
    assert err.startswith("npnet: ")
    assert err.count("\n") == 1
    return err


def mnist(folder, images=40, labels=None, **changes):
    """A small MNIST in the format of the real one; `changes` replaces the bytes of a file."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    for part in ("train", "t10k"):
        pixels = generator.integers(0, 256, (images, 28, 28)).astype(np.uint8)
        classes = (np.arange(images) % 10 if labels is None else labels).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", classes)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            content = changes.get(name.replace("-", "_"), header + array.tobytes())
            (folder / f"{name}.gz").write_bytes(gzip.compress(content) if content else b"")
    return folder


def table_2(folder, rows=60, **columns):
    """A small Table 2 of Galaxy Zoo 1; `columns` replaces one by values, or by None to leave it out."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    values = {"OBJID": np.arange(rows), "RA": ["00:00:00"] * rows, "DEC": ["+00:00:00"] * rows}
    values["NVOTE"] = np.full(rows, 30)
    for name in ("P_EL", "P_CW", "P_ACW", "P_EDGE", "P_DK", "P_MG", "P_CS", "P_EL_DEBIASED", "P_CS_DEBIASED"):
        values[name] = generator.uniform(0, 1, rows).round(3)
    for number, name in enumerate(("SPIRAL", "ELLIPTICAL", "UNCERTAIN")):
        values[name] = (np.arange(rows) % 3 == number).astype(int)
    values |= columns
    names = [name for name, column in values.items() if column is not None]
    with (folder / "GalaxyZoo1_DR_table2.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(names)
        writer.writerows(zip(*(values[name] for name in names), strict=True))
    return folder


# ---------------------------------------------------------------------- what works


def test_a_run_ends_with_a_table(run, tmp_path):
    status, out, err = run("train", "digits", *QUICK, "--out", tmp_path / "run")
    assert status == 0
    for word in ("test accuracy", "test macro F1", "epoch kept", "time", "run", "scikit-learn"):
        assert word in out
    assert "simulated" not in out
    assert "epoch 1/1  loss" in err
    assert "rows/s" in err
    assert (tmp_path / "run" / "summary.json").is_file()


def test_brackets_in_names_are_no_markup(run, tmp_path):
    status, out, err = run(
        "train", "digits", *QUICK, "--set", "description=a [red] one", "--out", "runs [new]"
    )
    assert status == 0
    assert "runs [new]" in out
    assert "a [red] one" in err


def test_json_is_one_object_and_nothing_else(run, tmp_path):
    status, out, err = run("train", "digits", *QUICK, "--seed", 3, "--json")
    assert (status, err) == (0, "")
    summary = json.loads(out)
    assert summary["folder"] == os.path.join("runs", "digits-numpy-1")
    assert summary["seed"] == 3
    assert load_recipe(tmp_path / summary["folder"] / "recipe.toml").seed == 3


def test_the_version(run):
    assert run("--version") == (0, f"npnet {npnet.__version__}\n", "")


def test_help_names_recipes_options_and_an_example(run):
    status, out, _ = run("train", "--help")
    assert status == 0
    for word in (
        "galaxies-sdss",
        "--backend",
        "--data",
        "--out",
        "--seed",
        "--set",
        "--json",
        "optimizer.lr",
    ):
        assert word in out


def test_help_breaks_no_paragraph_and_doubles_no_bracket(run, monkeypatch):
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("train", "compare", "evaluate", "predict", "export", "replay", "runs", "plot schedule"):
        status, out, _ = run(*command.split(), "--help")
        assert status == 0
        assert "[[" not in out
        text = out.partition("╭")[0]
        for paragraph in re.split(r"\n\s*\n", text.partition("Examples")[0]):
            lines = paragraph.strip().splitlines()
            following = [line.split()[0] for line in lines[1:] if line.strip()]
            for line, word in zip(lines, following, strict=False):
                assert len(line.rstrip()) + 1 + len(word) > 70, (command, line)
        examples = [line.strip() for line in text.partition("Examples")[2].splitlines() if line.strip()]
        assert all(line.startswith("npnet ") for line in examples), examples


def test_without_arguments_there_is_help(run):
    status, out, err = run()
    assert status == 2
    assert "train" in out + err


def test_a_table_of_ones_own_is_trained_on(run, tmp_path):
    folder = table_2(tmp_path / "data")
    status, out, _ = run("train", "galaxies", *QUICK, "--data", folder, "--json")
    assert status == 0
    assert json.loads(out)["data"]["simulated"] is False


def test_images_of_ones_own_are_trained_on(run, tmp_path):
    folder = mnist(tmp_path / "data")
    status, out, _ = run(
        "train", "mnist", *QUICK, "--set", "data.validation=0.25", "--data", folder, "--json"
    )
    assert status == 0
    assert json.loads(out)["rows"] == {"train": 30, "validation": 10, "test": 40}


def test_simulated_galaxies_are_called_so(run, monkeypatch):
    digits = load("digits")
    dataset = type(digits)(**{**vars(digits), "simulated": True, "ceiling": 0.9, "origin": "drawn by hand"})
    monkeypatch.setattr("npnet.data.load", lambda *_, **__: dataset)
    status, out, _ = run("train", "digits", *QUICK)
    assert status == 0
    assert "simulated" in out
    assert "90.00%" in out


def test_python_m_npnet_is_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "npnet", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"npnet {npnet.__version__}\n"


def test_help_loads_no_heavy_library():
    code = (
        "import sys, npnet.cli\n"
        "heavy = {'torch', 'cupy', 'pandas', 'sklearn', 'matplotlib', 'torchref'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------------- a user's mistakes


def test_an_engine_that_is_unknown_or_not_for_this_backend_is_one_line(run):
    for arguments, message in (
        (("--engine", "turbo"), "there is no engine 'turbo'; there are 'numpy', 'numba'"),
        (("--engine", "numba", "--backend", "torch"), "--engine numba is a way of npnet's"),
    ):
        status, out, err = run("train", "digits", *arguments)
        assert (status, out) == (1, "")
        assert message in err
        assert len(err.strip().splitlines()) == 1


def test_an_unknown_backend_option_or_missing_recipe_is_a_usage_error(run):
    for arguments in (("train", "digits", "--backend", "jax"), ("train",), ("train", "digits", "--sed", "1")):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert "Usage" in err


def test_unknown_recipes_keys_and_datasets(run):
    assert "did you mean 'galaxies'?" in one_line(run, "galaxie")
    assert "did you mean optimizer.lr?" in one_line(run, "digits", "--set", "optimizer.lrr=1")
    assert "did you mean 'mnist'?" in one_line(run, "digits", "--set", "data.dataset=mnst")


def test_cupy_without_a_gpu(run, monkeypatch):
    def refuse(name):
        raise DeviceError("device 'cuda' needs CuPy")

    monkeypatch.setattr("npnet.backend.check_device", refuse)
    assert "needs CuPy" in one_line(run, "digits", "--backend", "cupy")


def test_torch_that_is_not_installed(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchref", None)
    assert "pip install 'npnet[torch]'" in one_line(run, "digits", "--backend", "torch")


def test_an_output_folder_that_cannot_be_used(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    assert "is not empty" in one_line(run, "digits", "--out", tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "precious"
    assert "cannot write to the output folder" in one_line(
        run, "digits", "--out", tmp_path / "full" / "thesis.txt"
    )


def test_a_full_disk(run, monkeypatch):
    def refuse(self, name, content):
        raise OSError(errno.ENOSPC, "No space left on device", name)

    monkeypatch.setattr(RunFolder, "_write", refuse)
    assert "No space left on device: 'run.json'" in one_line(run, "digits", *QUICK)


def test_missing_data_files(run, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "train-images-idx3-ubyte.gz" in one_line(run, "mnist", "--data", tmp_path / "empty")
    assert "no file or folder" in one_line(run, "galaxies", "--data", tmp_path / "nowhere")
    assert "gz1_sdss_galaxies_5000.csv" in one_line(run, "galaxies-sdss")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty|gzip|truncated"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 28, 0, 0, 0, 28, 1]), "truncated|short|bytes"),
    ],
)
def test_empty_and_truncated_images(run, tmp_path, content, message):
    folder = mnist(tmp_path / "data", train_images_idx3_ubyte=content)
    assert re.search(message, one_line(run, "mnist", "--data", folder))


def test_labels_out_of_range_or_of_one_class(run, tmp_path):
    labels = np.arange(40) % 10
    labels[7] = 12
    folder = mnist(tmp_path / "data", labels=labels)
    assert "label 12 in row 7 lies outside 0 ... 9" in one_line(run, "mnist", "--data", folder)
    folder = mnist(tmp_path / "data", labels=np.full(40, 3))
    assert "all 40 labels are 3" in one_line(run, "mnist", "--data", folder)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"P_MG": None}, "P_MG"),
        ({"P_MG": None, "P_MERGER": [0.5] * 60}, "P_MG"),
        ({"P_EL": ["much"] + [0.5] * 59}, "P_EL.*much|much.*P_EL"),
        ({"P_EL": ["nan"] + [0.5] * 59}, "P_EL"),
        ({"P_EL": ["inf"] + [0.5] * 59}, "P_EL"),
        ({"P_EL": [1.5] + [0.5] * 59}, "P_EL"),
        ({"SPIRAL": [1] * 60, "ELLIPTICAL": [0] * 60, "UNCERTAIN": [0] * 60}, "all 60 labels are 0"),
    ],
)
def test_tables_that_cannot_be_used(run, tmp_path, columns, message):
    folder = table_2(tmp_path / "data", **columns)
    assert re.search(message, one_line(run, "galaxies", "--data", folder))


def test_an_empty_and_a_truncated_table(run, tmp_path):
    file = table_2(tmp_path / "data") / "GalaxyZoo1_DR_table2.csv"
    file.write_text(file.read_text()[:-20])
    one_line(run, "galaxies", "--data", tmp_path / "data")
    file.write_text("")
    one_line(run, "galaxies", "--data", tmp_path / "data")


def test_a_batch_of_one_row_for_batch_norm(run):
    assert "BatchNorm1d needs more than one" in one_line(run, "digits", "--set", "training.batch_size=1")


def test_a_loss_that_becomes_nan(run, tmp_path):
    settings = ("--set", "optimizer=SGD", "--set", "optimizer.lr=1e30", "--set", "scheduler=none")
    with np.errstate(all="ignore"):
        err = one_line(
            run, "digits", *QUICK, *settings, "--set", "model.batch_norm=false", "--out", tmp_path / "run"
        )
    assert "in epoch 1, at step" in err
    assert f"the initial weights are kept in {tmp_path / 'run'}" in err
    assert (tmp_path / "run" / "weights.safetensors").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_how_to_go_on(run, monkeypatch, tmp_path, number):
    train_batch = NumpyEngine.train_batch

    def interrupt(self, rows):
        signal.raise_signal(number)
        return train_batch(self, rows)

    monkeypatch.setattr(NumpyEngine, "train_batch", interrupt)
    status, out, err = run("train", "digits", *QUICK, "--json")
    assert (status, out) == (128 + number, "")
    assert err.startswith(
        "npnet: interrupted in epoch 1, after a checkpoint; go on with: npnet train --resume "
    )
    assert err.count("\n") == 1
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*shlex.split(err.partition(": npnet ")[2]), "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["status"] == "finished"


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

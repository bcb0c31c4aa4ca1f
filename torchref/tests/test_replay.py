from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from typer.testing import CliRunner

import npnet
from npnet.cli import app
from npnet.errors import ArgumentError, OutputError, ScriptError
from npnet.training import replay
from npnet.training.recording import Recorder, _sketch, record, recording_npnet
from torchref.recording import recording_torch

TORCH = """
import sys
import torch
from torch import nn, optim
torch.manual_seed(int(sys.argv[1]))
torch.set_default_dtype(torch.float64)
x, y = torch.randn(20, 4), torch.randn(20, 2)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.05)
for _ in range(6):
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
print("done", file=sys.stderr)
"""

NPNET = """
import sys
import npnet
from npnet import nn, optim
npnet.manual_seed(int(sys.argv[1]), like="torch")
npnet.set_default_dtype("float64")
generator = npnet.random.stream("init")
x, y = generator.randn(20, 4), generator.randn(20, 2)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.05)
for step in range(6):
    optimizer.zero_grad()
    criterion(model(x), y)
    model.backward(criterion.backward(), input_grad=False)
    optimizer.step()
with npnet.no_grad():
    criterion(model.eval()(x), y)
"""


@pytest.fixture(autouse=True)
def _undo(monkeypatch):
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    torch.set_default_dtype(torch.float32)
    npnet.set_default_dtype("float32")
    npnet.manual_seed(0)


@pytest.fixture
def scripts(tmp_path):
    """Write both scripts, changed as asked; returns their paths."""

    def write(torch_text=TORCH, npnet_text=NPNET):
        paths = tmp_path / "theirs.py", tmp_path / "ours.py"
        for path, text in zip(paths, (torch_text, npnet_text), strict=True):
            path.write_text(text)
        return paths

    return write


@pytest.fixture
def found(scripts, tmp_path, monkeypatch):
    """What is found of both scripts, run in this process and without drawing, which is quicker."""

    def here(library, script, arguments, target):
        record(script, arguments, {"npnet": recording_npnet, "torch": recording_torch}[library], target)
        return json.loads(target.read_text())

    monkeypatch.setattr(replay, "_recorded", here)
    monkeypatch.setattr("npnet.training.figures.comparison_figure", lambda *_: Figure())

    def run(torch_text=TORCH, npnet_text=NPNET, **options):
        return replay.replay_scripts(*scripts(torch_text, npnet_text), ["3"], out=tmp_path / "run", **options)

    return run


def changed(old, new, text=NPNET):
    assert text.count(old) == 1
    return text.replace(old, new)


def test_twins_agree(found, tmp_path):
    seen = found()
    assert (seen["agree"], seen["first"], seen["steps"]) == (True, None, 6)
    assert {tensor["kind"] for tensor in seen["tensors"]} == {"loss", "gradient", "value"}
    assert all(tensor["share"] < 1e-3 for tensor in seen["tensors"])
    steps = (tmp_path / "run" / "steps.csv").read_text().splitlines()
    assert steps[0] == "fold,epoch,step,npnet_loss,torch_loss,share,furthest"
    assert len(steps) == 7


W1, B2 = "parameter 0 of shape (8, 4)", "parameter 3 of shape (2,)"
MISTAKES = {
    "another seed": (changed("int(sys.argv[1])", "4"), f"initial values of {W1}", "at the start"),
    "npnet's own generator": (
        changed(', like="torch")\n', ")\nnpnet.random.streams._streams.update(split=0)\n")
        .replace("generator.randn(20, 4)", "generator.normal(0, 1, (20, 4), 'float64')")
        .replace("generator.randn(20, 2)", "generator.normal(0, 1, (20, 2), 'float64')")
        .replace("npnet.random.streams._streams.update(split=0)\n", ""),
        f"initial values of {W1}",
        "at the start",
    ),
    "one draw too many": (
        changed("    model.backward(", "    generator.rand(step // 3)\n    model.backward("),
        "the generator's state: not the same draws were made",
        "step 4",
    ),
    "wrong sign": (
        changed("criterion.backward(),", "criterion.backward() * (1 if step < 2 else -1),"),
        f"gradient of {B2}",
        "step 3",
    ),
    "another loss": (changed("nn.MSELoss()", "nn.SmoothL1Loss()"), "loss", "step 1"),
    "another rule": (changed("lr=0.05", "lr=0.05, eps=1e-7"), W1, "step 1"),
    "fewer steps": (changed("range(6)", "range(5)"), "steps: 5 in npnet, 6 in PyTorch", "step 5"),
    "a layer more": (
        changed("model = nn.Sequential(", "model = nn.Sequential(nn.Linear(4, 4), "),
        "parameters: 6 in npnet, 4 in PyTorch",
        "at the start",
    ),
    "no bias": (
        changed("nn.Linear(8, 2))", "nn.Linear(8, 2, bias=False))"),
        "parameters: 3 in npnet, 4 in PyTorch",
        "at the start",
    ),
}


@pytest.mark.parametrize(("npnet_text", "what", "when"), MISTAKES.values(), ids=MISTAKES)
def test_where_they_part_is_named(npnet_text, what, when, found):
    seen = found(npnet_text=npnet_text)
    assert not seen["agree"]
    first = seen["first"]
    assert (first["what"], first["when"]) == (what, when)


def test_the_losses_of_a_step_are_added_up_as_they_are_gone_back_from(found):
    torch_text = changed(
        "criterion(model(x), y).backward()", "(criterion(model(x), y) * 2).backward()", TORCH
    )
    npnet_text = changed("criterion.backward(),", "criterion.backward(2.0),")
    # The script's loss is twice what the twin's criterion says; the gradients are the same.
    seen = found(torch_text, npnet_text)
    assert seen["first"]["what"] == "loss"
    assert all(tensor["share"] < 1 for tensor in seen["tensors"] if tensor["kind"] != "loss")


def test_evaluation_is_not_part_of_a_step(found):
    evaluated = changed(
        "    optimizer.step()\n", "    optimizer.step()\n    with npnet.no_grad(): criterion(x, x)\n"
    )
    assert found(npnet_text=evaluated)["agree"]


def test_float32_has_tolerances_of_its_own(found):
    texts = [text.replace("float64", "float32") for text in (TORCH, NPNET)]
    assert found(*texts)["agree"]


@pytest.mark.parametrize("end", ["sys.exit(0)", "sys.exit()"])
def test_a_script_that_ends_by_exit_is_recorded(found, end):
    assert found(TORCH + end, NPNET + end)["steps"] == 6


def test_a_tolerance_of_one_s_own(found, tmp_path):
    with pytest.raises(ArgumentError, match="a tolerance is positive"):
        found(tolerance=-1.0)
    assert not (tmp_path / "run").exists()
    assert not found(tolerance=1e-18)["agree"]


def test_scripts_that_cannot_be_used(scripts, tmp_path):
    theirs, ours = scripts(npnet_text="import npnet\n")
    with pytest.raises(ScriptError, match=r"there is no script .*missing\.py"):
        replay.replay_scripts(tmp_path / "missing.py", ours, out=tmp_path / "run")
    with pytest.raises(ScriptError, match=r"ours\.py took no step of an optimizer of npnet's: nothing was"):
        replay.replay_scripts(theirs, ours, ["3"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    ours.write_text("raise SystemExit(3)")
    with pytest.raises(ScriptError, match=r"ours\.py ended with status 3"):
        replay.replay_scripts(theirs, ours, ["3"], out=tmp_path / "run")
    ours.write_text("import os\nos._exit(0)")
    with pytest.raises(ScriptError, match=r"ours\.py ended before what it did could be written"):
        replay.replay_scripts(theirs, ours, ["3"], out=tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").touch()
    with pytest.raises(OutputError, match="not empty"):
        replay.replay_scripts(theirs, ours, ["3"], out=tmp_path / "run")


def test_scripts_without_a_backward_pass_are_not_called_equal(scripts, tmp_path):
    theirs, ours = scripts(
        torch_text="import torch\ntorch.optim.SGD(torch.nn.Linear(1, 1).parameters()).step()\n",
        npnet_text="from npnet import nn, optim\noptim.SGD(nn.Linear(1, 1).parameters()).step()\n",
    )
    run = CliRunner().invoke(app, ["replay", str(theirs), str(ours), "--out", str(tmp_path / "run")])
    assert isinstance(run.exception, ScriptError)
    assert "without a backward pass" in str(run.exception)
    assert "nothing was compared" in str(run.exception)
    assert not (tmp_path / "run").exists()


def test_npnet_replay(scripts, tmp_path):
    theirs, ours = scripts()
    run = CliRunner().invoke(
        app, ["replay", str(theirs), str(ours), "--out", str(tmp_path / "run"), "--", "3"]
    )
    assert run.exit_code == 0, run.output
    for words in (
        "theirs.py and ours.py, 6 steps",
        "initial values, to the bit",
        "losses",
        "within tolerance",
    ):
        assert words in run.output
    assert (tmp_path / "run" / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_npnet_replay_ends_with_1_where_they_part(found, scripts, tmp_path):
    theirs, ours = scripts(npnet_text=MISTAKES["wrong sign"][0])
    run = CliRunner().invoke(
        app, ["replay", str(theirs), str(ours), "--out", str(tmp_path / "run"), "--json", "--", "3"]
    )
    assert run.exit_code == 1
    assert json.loads(run.stdout)["first"]["when"] == "step 3"
    run = CliRunner().invoke(
        app, ["replay", str(theirs), str(ours), "--out", str(tmp_path / "again"), "--", "3"]
    )
    assert run.exit_code == 1
    assert f"first to part: gradient of {B2}, step 3" in " ".join(run.stdout.split())


def test_each_step_has_the_losses_since_the_step_before():
    recorder = Recorder()
    for losses in ([1.0], [2.0, 0.5], [], [4.0]):
        for loss in losses:
            recorder.backward(loss)
        recorder.before_step([])
    assert [step["loss"] for step in recorder.steps] == [1.0, 2.5, None, 4.0]


def test_a_sketch_tells_sign_and_order():
    array = np.arange(1.0, 7.0)
    assert _sketch(array)[0] == pytest.approx(_sketch(-array)[0])
    assert _sketch(array)[1] == -_sketch(-array)[1] != pytest.approx(_sketch(array[::-1])[1])

"""Checkpoints that are cut off, of something else, from the future, or hostile: documented errors only."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from npnet.errors import (
    ArgumentError,
    CheckpointError,
    LockedError,
    NpnetError,
    OutputError,
    RecipeMismatchError,
    StateError,
)
from npnet.random import get_rng_state, manual_seed, set_rng_state
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
    load_weights,
    read_run,
    resume_recipe,
    run_recipe,
)
from npnet.training.callbacks import recipe_callbacks
from npnet.training.checkpoint import pack, save_checkpoint, unpack
from npnet.training.files import replace_file, tensor_chunks

FUZZ_BYTES = int(os.environ.get("NPNET_FUZZ_BYTES", "200000"))
"""How many drawn or mutated bytes are read; ``make fuzz`` reads ten million."""

SMALL = (
    *("model.hidden=[3]", "training.batch_size=8", "training.epochs=3", "optimizer.lr=0.01"),
    "training.averaging=ema",
)


def small_trainer(*overrides):
    recipe = load_recipe("digits", [*SMALL, "scheduler=ReduceLROnPlateau", *overrides])
    manual_seed(0)
    inputs = np.linspace(-1.0, 1.0, 80, dtype=np.float32).reshape(20, 4) ** 3
    rows = {"train": np.arange(16), "validation": np.arange(16, 20), "test": np.arange(0)}
    task = Task(recipe, recipe.model.build(4, 3), inputs, np.arange(20) % 3, rows)
    return Trainer(NumpyEngine(task), recipe_callbacks(recipe)[1])


def begun(path, *overrides):
    """Write the checkpoint of a small training in the middle of its second epoch."""
    trainer = small_trainer(*overrides)
    steps = trainer.steps()
    for _ in range(3):
        next(steps)
    facts = {"recipe": {}, "backend": "numpy", "dataset": {}, "versions": {}, "threads": {}}
    save_checkpoint(path, Checkpoint(**facts, trainer=trainer.state_dict()))
    steps.close()
    return path


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Drawing takes longer than the short trainings here."""
    for name in ("curves_figure", "confusion_figure"):
        monkeypatch.setattr(f"npnet.training.figures.{name}", lambda *_, **__: Figure())
    monkeypatch.setattr(RunFolder, "write_figure", lambda *_: None)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return begun(tmp_path_factory.mktemp("good") / "last.safetensors")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was interrupted in its first epoch."""

    class Pause(Callback):
        def on_batch_end(self, trainer, step):
            trainer.should_pause = True

    folder = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.raises(Interrupted):
        run_recipe(load_recipe("digits", SMALL), out=folder, callbacks=[Pause()])
    return folder


@pytest.fixture
def run(stopped, tmp_path):
    """The same, to be spoilt."""
    for path in stopped.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def header_of(content):
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(header, data):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


# ---------------------------------------------------------------------- the format


@pytest.mark.parametrize(
    "dtype", ["f8", ">f8", "f4", "f2", "i8", "u8", "i4", "u4", "i2", "u2", "i1", "u1", "?"]
)
def test_safetensors_itself_reads_what_is_written(dtype):
    values = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    tensors = {"a b": values, "transposed": values.T, "point": values[0, 1], "empty": values[:0]}
    found = safetensors.numpy.load(b"".join(tensor_chunks(tensors, {"k": "v"})))
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype.newbyteorder("=")


def test_arrays_are_aligned_and_not_copied():
    weights = np.arange(6.0)
    chunks = list(tensor_chunks({"small": np.ones(3, np.uint8), "weights": weights}, {}))
    assert len(chunks[0]) % 8 == 0
    assert np.shares_memory(np.frombuffer(chunks[1], np.uint8), weights)  # the larger elements come first


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=4)
)
TREES = st.recursive(
    st.one_of(SCALARS, st.builds(lambda n: np.arange(n), st.integers(0, 3))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(0, 9)), inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "a.b", "$tensor", "$items"]), inner, max_size=3),
    ),
    max_leaves=12,
)


def equal(a, b):
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and np.array_equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


@given(TREES)
def test_a_tree_comes_back_as_it_was(tree):
    tensors = {}
    text = json.dumps(pack(tree, tensors))
    assert equal(unpack(json.loads(text), tensors), tree)


def test_what_no_file_can_hold_is_not_swallowed():
    with pytest.raises(TypeError, match=r"state\.made: a checkpoint holds no set"):
        pack({"made": {1}}, {}, "state")


def test_a_checkpoint_says_what_it_is(stopped):
    checkpoint = load_checkpoint(stopped)
    assert (checkpoint.epoch, checkpoint.step) == (1, 1)
    assert checkpoint.recipe["model"]["hidden"] == [3]
    assert checkpoint.dataset["name"] == "digits"
    assert checkpoint.dataset["rows"] == 1797
    assert len(checkpoint.history) == 0
    assert checkpoint.weights.keys() == load_weights(stopped).keys()
    assert not equal(checkpoint.weights, load_weights(stopped))  # those are of the last whole epoch


# ---------------------------------------------------------------------- files that are none


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_checkpoint_that_is_cut_off(good, tmp_path, share):
    content = good.read_bytes()
    (tmp_path / "last.safetensors").write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"cannot read .*last\.safetensors"):
        load_checkpoint(tmp_path)


def test_files_that_are_no_checkpoints(good, tmp_path):
    with pytest.raises(CheckpointError, match="there is no such file"):
        load_checkpoint(tmp_path)
    (tmp_path / "last.safetensors").mkdir()
    with pytest.raises(CheckpointError, match="there is no such file"):
        load_checkpoint(tmp_path)
    replace_file(tmp_path / "weights", tensor_chunks({"w": np.ones(2)}, {"epoch": "1"}))
    with pytest.raises(CheckpointError, match="is no checkpoint of npnet"):
        load_checkpoint(tmp_path / "weights")
    header = {"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}
    (tmp_path / "other").write_bytes(with_header(header, bytes(2)))
    with pytest.raises(CheckpointError, match="'w' has the dtype BF16"):
        load_checkpoint(tmp_path / "other")


def test_a_newer_format(good, tmp_path):
    header, data = header_of(good.read_bytes())
    header["__metadata__"]["version"] = "2"
    (tmp_path / "new").write_bytes(with_header(header, data))
    with pytest.raises(
        CheckpointError, match=r"has version '2' of the format, .* reads version 1: update npnet"
    ):
        load_checkpoint(tmp_path / "new")


HUGE = 2**45


@pytest.mark.parametrize(
    "content",
    [
        (HUGE).to_bytes(8, "little") + b"{}",
        with_header({"w": {"dtype": "F64", "shape": [HUGE], "data_offsets": [0, 8 * HUGE]}}, bytes(64)),
        with_header({"w": {"dtype": "F64", "shape": [HUGE, HUGE], "data_offsets": [0, 64]}}, bytes(64)),
        with_header({"w": {"dtype": "F64", "shape": [0, 2**62], "data_offsets": [0, 0]}}, b""),
        with_header({"w": {"dtype": "F64", "shape": [-8], "data_offsets": [0, 64]}}, bytes(64)),
        with_header({"w": {"dtype": "F64", "shape": [8], "data_offsets": [64, 0]}}, bytes(64)),
        b"[" * 200_000,
        with_header([[]], b""),
        b"",
    ],
)
def test_a_header_that_claims_what_is_not_there(tmp_path, content):
    (tmp_path / "last.safetensors").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000 + 100 * len(content)


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "C:\\outside", "..", "", "a\0b"])
def test_names_that_leave_the_folder_are_only_names(good, tmp_path, name):
    header, data = header_of(good.read_bytes())
    first = next(key for key in header if key != "__metadata__")
    header[name] = header.pop(first)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.safetensors").write_bytes(with_header(header, data))
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "run")
    header["__metadata__"]["state"] = header["__metadata__"]["state"].replace(
        json.dumps(first), json.dumps(name)
    )
    (tmp_path / "run" / "last.safetensors").write_bytes(with_header(header, data))
    small_trainer().load_state_dict(load_checkpoint(tmp_path / "run").trainer)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# ---------------------------------------------------------------------- checkpoints of something else


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.hidden=[5]"],
            r"engine\.model\.0\.weight must be an array of float32 and shape \(3, 4\), got",
        ),
        (
            ["training.dtype=float64"],
            r"must be an array of float32 and shape \(3, 4\), got an array of float64",
        ),
        (["model.hidden=[3,3]"], r"engine\.model (has|lacks) "),
        (["optimizer=SGD"], r"engine\.optimizer\.param_groups\[0\] (has|lacks) "),
        (
            ["scheduler=StepLR", "scheduler.step_size=2"],
            r"param_groups\[0\] has 'initial_lr', which",
        ),
        (["scheduler=none"], r"engine\.schedule must be a table, got None"),
        (["regularization.early_stopping=none"], r"callbacks lacks 'StopEarly'"),
        (["training.averaging=none"], r"engine lacks 'averaging'"),
    ],
)
def test_a_state_of_another_training(tmp_path, overrides, message):
    state = load_checkpoint(begun(tmp_path / "last", *overrides)).trainer
    with pytest.raises(StateError, match=message):
        small_trainer().load_state_dict(state)


def test_a_step_that_there_is_not(good):
    state = load_checkpoint(good).trainer
    with pytest.raises(StateError, match="there is no step 1 of epoch 7"):
        small_trainer().load_state_dict({**state, "epoch": 7})


@pytest.mark.parametrize("epochs", [-1, 0.5, 1e300])
def test_an_average_of_no_number_of_epochs(good, epochs):
    state = load_checkpoint(good).trainer
    state["engine"]["averaging"]["epochs"] = epochs
    with pytest.raises(StateError, match="the epochs of an average are a whole number"):
        small_trainer().load_state_dict(state)


def test_what_to_do_without_a_checkpoint_is_said(run):
    (run / "summary.json").unlink()
    (run / "last.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"without last\.safetensors the run would begin anew"):
        resume_recipe(run)
    (run / "last.safetensors").unlink()
    assert resume_recipe(run)["status"] == "finished"


def test_a_checkpoint_of_another_run(run, tmp_path):
    other = load_recipe("digits", [*SMALL, "optimizer.lr=0.5"])
    recipe = run / "run.json"
    changed = json.loads(recipe.read_text()) | {"recipe": json.loads(recipe.read_text())["recipe"]}
    changed["recipe"]["optimizer"]["lr"] = 0.5
    recipe.write_text(json.dumps(changed))
    (run / "recipe.toml").write_text(other.to_toml())
    with pytest.raises(CheckpointError, match=r"is of another run: optimizer\.lr was 0\.01, is 0\.5"):
        resume_recipe(run)


def test_other_data(run, monkeypatch):
    import npnet.data

    digits = npnet.data.load("digits")
    other = digits.inputs.copy()
    other.iloc[3, 5] += 1.0
    changed = type(digits)(**{**vars(digits), "inputs": other})
    monkeypatch.setattr("npnet.data.load", lambda *_, **__: changed)
    with pytest.raises(CheckpointError, match=r"is of another run: fingerprint was '\w+', is '\w+'"):
        resume_recipe(run)


def test_other_libraries_are_told_of(run, monkeypatch):
    monkeypatch.setattr("npnet.training.resume.__version__", "9.9")
    with pytest.warns(UserWarning, match=r"npnet was '.*', is '9\.9': the last digits may not be"):
        resume_recipe(run)


# ---------------------------------------------------------------------- folders


def test_another_recipe_is_refused_with_the_difference(run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(RecipeMismatchError, match=r"optimizer\.lr was 0\.01, is 0\.1") as refused:
        resume_recipe(run, recipe=load_recipe(read_run(run).recipe, ["optimizer.lr=0.1", "scheduler=none"]))
    schedule = {"kind": "CosineAnnealingLR", "T_max": 30}
    assert refused.value.differences == {"optimizer.lr": (0.01, 0.1), "scheduler": (schedule, "not set")}
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_recipe_that_was_edited_is_refused(run):
    (run / "recipe.toml").write_text((run / "recipe.toml").read_text().replace("lr = 0.01", "lr = 0.1"))
    with pytest.raises(RecipeMismatchError, match=r"optimizer\.lr was 0\.01, is 0\.1"):
        resume_recipe(run)


def test_how_often_is_saved_may_change(run):
    recipe = load_recipe(read_run(run).recipe, ["training.checkpoint_seconds=5"])
    assert resume_recipe(run, recipe=recipe)["status"] == "finished"
    assert read_run(run).recipe.training.checkpoint_seconds == 5


def test_another_backend_is_refused(run):
    with pytest.raises(ArgumentError, match="was begun with --backend numpy"):
        resume_recipe(run, backend_name="torch")


def test_another_engine_is_refused(run):
    described = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(described | {"engine": "numba"}))
    with pytest.raises(ArgumentError, match="was begun with engine numba, and goes on with it: got numpy"):
        resume_recipe(run)


def test_folders_that_hold_no_run(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere holds no run \(run\.json is missing\)"):
        resume_recipe(tmp_path / "nowhere")
    for content, message in (
        ("", "cannot read"),
        ("[" * 100_000, "cannot read"),
        ("[]", "holds no object"),
        ('{"format": "other"}', "does not describe a run"),
        ('{"format": "npnet run", "version": 2}', "update npnet"),
        ('{"format": "npnet run", "version": 1}', "backend, engine and data"),
        ('{"format": "npnet run", "version": 1, "backend": "numpy", "recipe": 3}', "must be a table"),
    ):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(CheckpointError, match=message):
            read_run(tmp_path)
    (tmp_path / "fold-1").mkdir()
    with pytest.raises(CheckpointError, match="it is a fold of the run"):
        read_run(tmp_path / "fold-1")


def test_a_run_that_was_killed_before_it_began_training(run):
    for path in run.iterdir():
        if path.name != "run.json":
            path.unlink()
    assert resume_recipe(run)["status"] == "finished"


@pytest.mark.parametrize("content", ['{"status": "finished"}', "{}"])
def test_a_damaged_summary_is_refused_and_written_again(run, content):
    (run / "summary.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"summary\.json is damaged: delete it, and go on with npnet train"
    ):
        resume_recipe(run)
    (run / "summary.json").unlink()
    summary = resume_recipe(run)
    assert read_run(run).summary == summary


def test_a_run_is_not_begun_over_another(run):
    with pytest.raises(OutputError, match=r"holds a run: go on with npnet train --resume"):
        run_recipe(load_recipe("digits", SMALL), out=run)


def test_one_writer_at_a_time(run):
    with RunFolder.existing(run), pytest.raises(LockedError, match="another process is writing to the run"):
        resume_recipe(run)
    assert resume_recipe(run)["status"] == "finished"


def test_the_lock_dies_with_its_process(run):
    code = (
        "import sys, time\n"
        "from npnet.training import RunFolder\n"
        f"folder = RunFolder.existing({str(run)!r})\n"
        "print('locked', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(LockedError):
            RunFolder.existing(run)
        holder.kill()
    RunFolder.existing(run).close()


def test_a_full_disk_leaves_the_last_checkpoint(run, monkeypatch):
    before = (run / "last.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("npnet.training.files.os.fsync", full)
        with pytest.raises(OutputError, match=r"cannot write .*: No space left on device") as refused:
            resume_recipe(run)
    assert "\n" not in str(refused.value)
    assert (run / "last.safetensors").read_bytes() == before
    assert not list(run.glob(".*.part"))
    assert resume_recipe(run)["status"] == "finished"


# ---------------------------------------------------------------------- anything at all

NASTY = [
    *(None, True, -1, 0, 2**63, 10**400, 1e308, "NaN", "", "x" * 50, [], {}, [[]], {"$tensor": "no"}),
    *({"$items": 3}, {"$items": [[[], 1]]}, {"$tuple": None}, {"kind": "Generator"}),
]


def places(tree, path=()):
    """Every place in a tree of JSON."""
    yield path
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def put(tree, path, value):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


@st.composite
def spoilt(draw, content):
    """Bytes of a checkpoint with something wrong with them, or any bytes."""
    how = draw(st.sampled_from(["state", "state", "header", "flip", "cut", "insert", "any"]))
    if how == "any":
        return draw(st.binary(max_size=2000))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "flip":
        spoilt = bytearray(content)
        for _ in range(draw(st.integers(1, 8))):
            spoilt[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        return bytes(spoilt)
    if how == "insert":
        at = draw(st.integers(0, len(content)))
        return content[:at] + draw(st.binary(min_size=1, max_size=20)) + content[at:]
    header, data = header_of(content)
    tree = json.loads(header["__metadata__"]["state"]) if how == "state" else header
    everywhere = list(places(tree))[1:]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(everywhere))
        try:
            put(tree, place, draw(st.sampled_from(NASTY)))
        except (TypeError, KeyError, IndexError):  # an earlier change took the place away
            continue
    if how == "state":
        header["__metadata__"]["state"] = json.dumps(tree)
    return with_header(header, data)


def test_anything_is_read_or_refused(good, tmp_path):
    content, file = good.read_bytes(), tmp_path / "last.safetensors"
    streams, refused, seen = get_rng_state(), 0, 0

    @settings(max_examples=min(200, FUZZ_BYTES // len(content) + 1), deadline=None, database=None)
    @given(spoilt(content))
    def read(spoilt):
        nonlocal refused, seen
        seen += len(spoilt)
        file.write_bytes(spoilt)
        trainer = small_trainer()
        tracemalloc.start()
        try:
            trainer.load_state_dict(load_checkpoint(file).trainer)
        except NpnetError:
            refused += 1
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 1_000_000 + 100 * len(spoilt)

    while seen < FUZZ_BYTES:
        read()
    set_rng_state(streams)
    assert refused > 5

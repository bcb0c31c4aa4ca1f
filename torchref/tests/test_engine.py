from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import npnet
from npnet.cli import app
from npnet.errors import UnsupportedError
from npnet.nn import normalization
from npnet.random import RecordingGenerator, ReplayGenerator
from npnet.training import BinaryClassification, Classification, NumpyEngine, Regression, Task, load_recipe
from npnet.training.objective import LOSSES, objective_class
from torchref import TorchEngine

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = np.arange(60) % 3
ROWS = {"train": np.arange(40), "validation": np.arange(40, 50), "test": np.arange(50, 60)}


def task(*overrides, inputs=X, transform=None, class_weight=None, seed=0):
    npnet.manual_seed(seed)
    recipe = load_recipe("digits", ["model.hidden=[8]", *overrides])
    return Task(
        recipe, recipe.model.build(4, 3), inputs, Y, ROWS, transform, Classification(weight=class_weight)
    )


def trained(engine, steps=5):
    losses = [engine.train_batch(np.arange(step, step + 20)).loss for step in range(steps)]
    return losses, engine.state_dict()


def assert_same_state(ours, theirs, atol=0.0):
    assert list(ours) == list(theirs)
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=atol, strict=True, err_msg=key)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_starts_from_the_task_s_weights_and_leaves_the_task_s_model_alone(dtype):
    made = task(f"training.dtype={dtype}")
    before = {key: array.copy() for key, array in made.model.state_dict().items()}
    engine = TorchEngine(made)
    for key, array in engine.state_dict().items():
        np.testing.assert_array_equal(array, before[key].astype(array.dtype), err_msg=key)
    assert {parameter.dtype for parameter in engine.model.parameters()} == {getattr(torch, dtype)}
    trained(engine)
    for key, array in made.model.state_dict().items():
        np.testing.assert_array_equal(array, before[key], strict=True, err_msg=key)


def test_masks_of_its_own_follow_the_seed():
    first, again, other = (
        trained(TorchEngine(task("model.dropout=0.5", seed=seed)))[0] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_two_engines_of_one_seeding_draw_different_masks():
    made = task("model.dropout=0.5")
    assert trained(TorchEngine(made))[0] != trained(TorchEngine(made))[0]


@pytest.mark.parametrize(
    ("kind", "fused"), [("SGD", True), ("Adam", True), ("AdamW", True), ("RMSprop", None)]
)
def test_optimizers_are_fused_where_pytorch_can(kind, fused):
    engine = TorchEngine(task(f"optimizer={kind}"))
    assert type(engine.optimizer) is getattr(torch.optim, kind)
    assert engine.optimizer.param_groups[0].get("fused") is fused


def test_the_weights_go_out_and_come_back():
    engine = TorchEngine(task())
    initial = engine.state_dict()
    trained(engine)
    changed = engine.state_dict()
    assert not np.array_equal(changed["0.weight"], initial["0.weight"])
    assert changed["1.num_batches_tracked"] == 5
    engine.load_state_dict(initial)
    assert_same_state(engine.state_dict(), initial)
    changed["0.weight"][:] = 7.0
    assert_same_state(engine.state_dict(), initial)


def test_evaluation_changes_nothing_and_needs_no_gradient():
    engine = TorchEngine(task("model.dropout=0.5"))
    trained(engine)
    before = engine.state_dict()
    first, again = engine.evaluate("test"), engine.evaluate("test")
    assert first.loss == again.loss
    np.testing.assert_array_equal(first.outputs, again.outputs)
    assert first.outputs.shape == (10, 3)
    assert_same_state(engine.state_dict(), before)
    engine.train_batch(np.arange(20))
    assert engine.state_dict()["1.num_batches_tracked"] == 6


def test_images_are_transformed_a_batch_at_a_time():
    images = np.random.default_rng(1).integers(0, 256, (60, 2, 2)).astype(np.uint8)
    images.setflags(write=False)
    sizes = []

    def transform(batch):
        assert batch.dtype == np.uint8
        sizes.append(len(batch))
        return (batch.reshape(len(batch), -1) / np.float32(255)).astype(np.float32)

    losses, state = trained(TorchEngine(task(inputs=images, transform=transform)))
    assert sizes == [20] * 5
    plain_losses, plain_state = trained(TorchEngine(task(inputs=transform(images))))
    assert losses == plain_losses
    assert_same_state(state, plain_state)


SETTINGS = {
    "class weights": ((), np.array([1.0, 2.0, 0.5])),
    "label smoothing": (("regularization.label_smoothing=0.2",), None),
    "penalty": (("regularization.penalty={kind='L2', lamb=0.01}",), None),
    "penalty of weights": (("regularization.penalty={kind='L1', lamb=0.01, on='weights'}",), None),
    "norm": (("regularization.clip_grad_norm=0.05",), None),
    "values": (("regularization.clip_grad_value=0.01", "optimizer={kind='SGD', lr=1.0}"), None),
    "schedule": (("scheduler={kind='OneCycleLR', max_lr=0.1}", "training.epochs=3"), None),
}


@pytest.mark.parametrize(("overrides", "class_weight"), SETTINGS.values(), ids=SETTINGS)
def test_each_setting_does_what_it_does_in_npnet(overrides, class_weight):
    """And does something: the same steps without it end elsewhere."""
    float64 = ("training.dtype=float64", "training.batch_size=20")
    recorder = RecordingGenerator()
    ours = NumpyEngine(task(*float64, *overrides, class_weight=class_weight))
    ours.model[3].generator = recorder
    expected_losses, expected = trained(ours)
    made = task(*float64, *overrides, class_weight=class_weight)
    theirs = TorchEngine(made, masks=ReplayGenerator(recorder.tape))
    losses, state = trained(theirs)
    np.testing.assert_allclose(losses, expected_losses, rtol=0, atol=1e-12)
    assert_same_state(state, expected, atol=1e-12)
    assert theirs.lr == pytest.approx(ours.lr, rel=1e-14)
    assert theirs.penalty() == pytest.approx(ours.penalty(), rel=1e-12)
    assert theirs.evaluate("validation").loss == pytest.approx(ours.evaluate("validation").loss, rel=1e-11)

    plain_optimizer = [override for override in overrides if override.startswith("optimizer")]
    plain = TorchEngine(task(*float64, *plain_optimizer), masks=ReplayGenerator(recorder.tape))
    assert np.abs(trained(plain)[1]["0.weight"] - state["0.weight"]).max() > 1e-6


OBJECTIVES = {
    "classification": (Classification(("a", "b", "c"), np.array([1.0, 2.0, 0.5])), Y),
    "binary": (BinaryClassification(("a", "b"), np.array([1.0, 3.0])), (Y > 0).astype(np.int64)),
    "regression": (
        Regression(("p", "q"), "m", np.array([1.0, 0.0]), np.array([2.0, 0.5])),
        np.random.default_rng(1).normal(size=(60, 2)),
    ),
}


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss_and_its_measures_are_npnet_s(loss, dtype):
    objective, targets = OBJECTIVES[objective_class(loss).kind]
    recipe = load_recipe(
        "digits",
        ["model.hidden=[8]", "model.dropout=0", f"training.dtype={dtype}", f"training.loss={loss}"],
    )
    engines = []
    for cls in (NumpyEngine, TorchEngine):
        npnet.manual_seed(0)
        model = recipe.model.build(4, objective.outputs)
        engines.append(cls(Task(recipe, model, X, objective.encode(targets), ROWS, None, objective)))
    limits = {"rtol": 0, "atol": 1e-12 if dtype == "float64" else 1e-4}
    for start in range(10):
        ours, theirs = (engine.train_batch(np.arange(start, start + 20)) for engine in engines)
        np.testing.assert_allclose(theirs.loss, ours.loss, **limits)
        np.testing.assert_allclose(theirs.tally, ours.tally, **limits)
    seen, again = (engine.evaluate("validation") for engine in engines)
    np.testing.assert_allclose(again.loss, seen.loss, **limits)
    assert again.outputs.dtype == seen.outputs.dtype == np.dtype(dtype)
    assert seen.outputs.shape == (10, objective.outputs)


def test_npnet_train_takes_the_backend(tmp_path):
    result = CliRunner().invoke(
        app,
        [
            *("train", "digits", "--backend", "torch", "--json", "--out", str(tmp_path / "run")),
            *("--set", "training.epochs=2"),
        ],
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["backend"] == "torch"
    assert summary["device"] == "cpu"
    assert summary["epochs"] == 2
    assert summary["test"]["accuracy"] > 0.5
    assert (tmp_path / "run" / "weights.safetensors").exists()


def compare(*arguments):
    quick = ("--set", "training.epochs=1", "--set", "model.hidden=[8, 8]")
    result = CliRunner().invoke(app, ["compare", "digits", *quick, *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_npnet_compare(tmp_path):
    status, out, err = compare("--out", str(tmp_path / "run"))
    assert status == 0, err
    for words in ("digits on numpy and torch", "0.weight", "gradient", "test accuracy", "within tolerance"):
        assert words in out
    assert "epoch 1/1  loss" in err
    assert (tmp_path / "run" / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_npnet_compare_names_a_planted_mistake(tmp_path, monkeypatch):
    """The terms of BatchNorm's gradient that go through mean and variance are forgotten."""
    right = normalization.batch_norm_backward

    def wrong(g, centred, inverse_std, gamma, own_statistics):
        return right(g, centred, inverse_std, gamma, False)

    monkeypatch.setattr(normalization, "batch_norm_backward", wrong)
    status, out, err = compare("--out", str(tmp_path / "run"), "--json")
    assert (status, err) == (1, "")
    first = json.loads(out)["first"]
    # The second of two, which backward meets first, and the layer in front of it.
    assert (first["what"], first["when"]) == ("gradient of 4.weight", "epoch 1, step 1")
    status, out, _ = compare("--out", str(tmp_path / "again"))
    assert status == 1
    assert "first past its tolerance: gradient of 4.weight, in epoch 1, step 1" in " ".join(out.split())


def test_npnet_compare_does_not_compare_pytorch_with_itself(tmp_path):
    result = CliRunner().invoke(app, ["compare", "digits", "--backend", "torch"])
    assert isinstance(result.exception, UnsupportedError)

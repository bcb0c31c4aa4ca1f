"""What a run exports, read back by those that it is for."""

from __future__ import annotations

import inspect
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file

import npnet
from npnet import nn
from npnet.data import Dataset, features_from_state
from npnet.errors import UnsupportedError
from npnet.nn.activation.base import Elementwise
from npnet.training import RunFolder, load_predictor, load_recipe, objective_from_state, run_recipe
from npnet.training.model import ACTIVATIONS, CNN, MLP
from npnet.training.onnx_graph import LAYERS, OPSET, onnx_graph
from torchref import to_torch


def pictures():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (80, 9, 8, 3), dtype=np.uint8)
    return Dataset("digits", images, np.arange(80) % 3, ("a", "b", "c"), np.arange(80))


RECIPES = {
    "digits": ["model.hidden=[16, 8]", "model.dropout=0.3", "model.activation=LeakyReLU"],
    "binary": ["model.activation=Tanh"],
    "galaxy-images": ["model={kind='cnn', channels=[4, 6], hidden=[8]}", "regularization.augmentation=none"],
    "double": ["training.dtype=float64", "name=double"],
}


@pytest.fixture(scope="module", params=RECIPES)
def run(request, tmp_path_factory):
    """A run, and rows of its kind."""
    folder = tmp_path_factory.mktemp("runs") / request.param
    dataset = pictures() if request.param == "galaxy-images" else None
    recipe = load_recipe(
        "digits" if request.param == "double" else request.param,
        [*RECIPES[request.param], "training.epochs=2"],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "write_figure", lambda *_: None)
        if dataset is not None:
            patch.setattr("npnet.data.load", lambda *_, **__: dataset)
        run_recipe(recipe, out=folder)
    dataset = dataset or npnet.data.load(recipe.data.dataset)
    return folder, dataset.inputs[:50] if isinstance(dataset.inputs, np.ndarray) else dataset.inputs.iloc[:50]


def evaluated(content, x):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": np.asarray(x, np.float32)})[0]


def assert_near(theirs, ours):
    """Within 1e-6 of the largest element, or of 1."""
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-6 * max(1.0, float(np.abs(ours).max())))


def test_pytorch_reads_a_state_dict_into_the_model_that_torchref_builds(run, tmp_path, npnet_):
    folder, rows = run
    assert npnet_("export", folder, tmp_path / "model.pt")[0] == 0
    predictor = load_predictor(folder)
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert list(state) == list(predictor.model.state_dict())
    fresh = predictor.recipe.model.build(predictor.features.shape, predictor.objective.outputs)
    twin = to_torch(fresh.to(predictor.recipe.training.dtype)).eval()
    twin.load_state_dict(state)
    x = predictor.features.transform(rows).astype(predictor.recipe.training.dtype)
    with torch.inference_mode():
        said = twin(torch.from_numpy(x)).numpy()
    assert_near(said, predictor.outputs(rows))


def test_safetensors_has_the_same_names_and_values(run, tmp_path, npnet_):
    folder, _ = run
    assert npnet_("export", folder, tmp_path / "model.safetensors")[0] == 0
    ours, theirs = load_predictor(folder).model.state_dict(), load_file(tmp_path / "model.safetensors")
    assert set(ours) == set(theirs)
    for name, array in ours.items():
        np.testing.assert_array_equal(theirs[name], array, strict=True)


def test_onnx_runtime_says_what_npnet_says(run, tmp_path, npnet_):
    folder, rows = run
    assert npnet_("export", folder, tmp_path / "model.onnx")[0] == 0
    made = onnx.load(tmp_path / "model.onnx")
    assert [(each.domain, each.version) for each in made.opset_import] == [("", OPSET)]
    about = {each.key: each.value for each in made.metadata_props}
    features = features_from_state(json.loads(about["npnet.features"]))
    objective = objective_from_state(json.loads(about["npnet.targets"]))
    predictor = load_predictor(folder)
    content = (tmp_path / "model.onnx").read_bytes()
    for part in (rows, rows[:1]):  # a batch of any size
        said = evaluated(content, features.transform(part))
        assert_near(said, predictor.outputs(part))
        assert (objective.decode(said) == objective.decode(predictor.outputs(part))).all()


def drawn(model):
    """The model with drawn weights and statistics, in evaluation mode."""
    generator = np.random.default_rng(0)
    state = model.state_dict()
    for name, array in state.items():
        if array.dtype.kind == "f":
            values = generator.normal(0.1, 0.5, array.shape)
            state[name] = (np.abs(values) + 0.5 if "var" in name else values).astype(array.dtype)
    model.load_state_dict(state)
    return model.eval()


MODELS = {
    "softmax regression": (lambda: MLP(hidden=()).build((5,), 3), (5,)),
    "batch norm": (lambda: MLP((7,), batch_norm=True, dropout=0.5).build((5,), 3), (5,)),
    "flattened": (lambda: MLP((7,)).build((2, 3, 4), 3), (2, 3, 4)),
    "same": (lambda: CNN((4,), kernel_size=4, batch_norm=False).build((3, 8, 9), 2), (3, 8, 9)),
    "means": (lambda: CNN((4,), 2, pool="AvgPool2d", global_pool=True).build((3, 9, 9), 2), (3, 9, 9)),
    "dropout": (
        lambda: CNN((4,), hidden=(5,), dropout=0.3, block_dropout=0.2).build((1, 8, 8), 2),
        (1, 8, 8),
    ),
    "one activation": (lambda: nn.Sequential(nn.Identity(), nn.ELU(0.7)), (4,)),
    "nothing": (lambda: nn.Sequential(nn.Dropout(0.5)), (4,)),
    "no affine": (lambda: nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Sigmoid()), (4,)),
    "strides": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
            nn.MaxPool2d((2, 3), stride=1, padding=(1, 1)),
            nn.AvgPool2d(2, padding=1, count_include_pad=False),
        ),
        (2, 9, 10),
    ),
}


@pytest.mark.parametrize(("build", "shape"), MODELS.values(), ids=MODELS)
def test_every_layer_that_a_recipe_can_build(build, shape):
    model = drawn(build())
    x = np.random.default_rng(1).normal(size=(6, *shape)).astype(np.float32)
    assert_near(evaluated(onnx_graph(model, shape, {}), x), model(x))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    "recurrent",
    [
        lambda n: nn.LSTM(3, 5, n, batch_first=True),
        lambda n: nn.GRU(3, 5, n, batch_first=True),
        lambda n: nn.RNN(3, 5, n, batch_first=True),
        lambda n: nn.RNN(3, 5, n, nonlinearity="relu", batch_first=True),
        lambda n: nn.LSTM(3, 5, n, bias=False, batch_first=True, dropout=0.3 if n > 1 else 0.0),
    ],
    ids=["LSTM", "GRU", "RNN", "relu", "no bias"],
)
def test_forecasters(recurrent, layers):
    forecaster = pytest.importorskip("npnet.training.forecaster")
    model = drawn(forecaster.Forecaster(recurrent(layers), nn.Linear(5, 2)))
    x = np.random.default_rng(1).normal(size=(6, 11, 3)).astype(np.float32)
    assert_near(evaluated(onnx_graph(model, (11, 3), {}), x), model(x))


BENT = np.concatenate([np.linspace(-8.0, 8.0, 161), [-1e4, -30.0, 25.0, 1e4]]).astype(np.float32)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_a_recipe(name):
    """As PyTorch has it too, alone and within the networks that a recipe builds."""
    alone = nn.Sequential(getattr(nn, name)())
    assert_near(evaluated(onnx_graph(alone, (1,), {}), BENT[:, None]), alone(BENT[:, None]))
    for table, shape in (
        (MLP(hidden=(5, 4), activation=name, batch_norm=True), (3,)),
        (CNN(channels=(3,), hidden=(4,), activation=name), (2, 6, 6)),
    ):
        model = drawn(table.build(shape, 2))
        assert sum(type(layer).__name__ == name for layer in model) == 2
        x = np.random.default_rng(1).normal(size=(6, *shape)).astype(np.float32)
        assert_near(evaluated(onnx_graph(model, shape, {}), x), model(x))
        assert_near(to_torch(model)(torch.from_numpy(x)).detach().numpy(), model(x))


@pytest.mark.parametrize(
    "layer",
    [
        nn.CELU(0.5),
        nn.ELU(2.0),
        nn.GELU("tanh"),
        nn.Hardshrink(1.5),
        nn.Hardtanh(-2.0, 0.5),
        nn.LeakyReLU(0.3),
        nn.PReLU(init=-0.2),
        nn.Softplus(3.0),
        nn.Softshrink(1.5),
        nn.Threshold(0.7, -3.0),
    ],
    ids=repr,
)
def test_options_of_activations(layer):
    assert_near(evaluated(onnx_graph(layer, (1,), {}), BENT[:, None]), layer(BENT[:, None]))


def test_recipes_offer_every_elementwise_activation_that_needs_no_argument():
    made = set()
    for name in nn.__all__:
        cls = getattr(nn, name)
        if isinstance(cls, type) and issubclass(cls, (Elementwise, nn.PReLU)):
            needed = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
            made |= set() if needed else {name}
    assert set(ACTIVATIONS) == made
    assert set(ACTIVATIONS) <= set(LAYERS)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Softmax(1)), "Softmax cannot be exported to ONNX; there are AlphaDropout"),
        (nn.BatchNorm1d(3, track_running_stats=False), "without running statistics"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect'"),
        (nn.Flatten(0), "only what keeps the first axis"),
        (nn.AvgPool2d(2, divisor_override=3), "options that ONNX has not"),
        (nn.PReLU(3), "one slope for all channels can"),
        (nn.Softplus(1.0, 5.0), "its threshold is below 15"),
    ],
)
def test_what_has_no_form_is_refused(model, message):
    with pytest.raises(UnsupportedError, match=message):
        onnx_graph(model, (3,), {})


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'npnet\[export\]'"):
        onnx_graph(nn.Identity(), (3,), {})


def test_a_file_that_does_not_say_its_format(run, tmp_path, npnet_):
    status, _, err = npnet_("export", run[0], tmp_path / "model.bin")
    assert status == 1
    assert "its name must end in .pt, .safetensors, .onnx" in err
    assert list(tmp_path.iterdir()) == []

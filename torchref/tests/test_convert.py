from __future__ import annotations

import inspect
from collections import OrderedDict

import numpy as np
import pytest
import torch

import npnet
from npnet import nn
from npnet.errors import DtypeError, UnsupportedError
from npnet.random import Generator, RecordingGenerator, ReplayGenerator
from torchref import from_torch, to_torch
from torchref.convert import ARGUMENTS

WEIGHT = np.array([0.5, 1.0, 2.0])

NO_TWIN = {"DropConnect", "GaussianNoise"}
"""Layers that PyTorch does not have."""

MODULES = {
    "AlphaDropout": [lambda: nn.AlphaDropout(0.2)],
    "Dropout1d": [lambda: nn.Dropout1d(0.2)],
    "Dropout2d": [lambda: nn.Dropout2d()],
    "FeatureAlphaDropout": [lambda: nn.FeatureAlphaDropout()],
    "GLU": [lambda: nn.GLU(), lambda: nn.GLU(0)],
    "Hardshrink": [lambda: nn.Hardshrink(0.3)],
    "Hardsigmoid": [lambda: nn.Hardsigmoid()],
    "Hardswish": [lambda: nn.Hardswish()],
    "Hardtanh": [lambda: nn.Hardtanh(), lambda: nn.Hardtanh(-2.0, 0.5)],
    "HingeEmbeddingLoss": [
        lambda: nn.HingeEmbeddingLoss(),
        lambda: nn.HingeEmbeddingLoss(2.0, reduction="sum"),
    ],
    "KLDivLoss": [lambda: nn.KLDivLoss(reduction="batchmean", log_target=True)],
    "LogSoftmax": [lambda: nn.LogSoftmax(1)],
    "MultiMarginLoss": [
        lambda: nn.MultiMarginLoss(),
        lambda: nn.MultiMarginLoss(2, 0.5, WEIGHT, reduction="sum"),
    ],
    "PReLU": [lambda: nn.PReLU(), lambda: nn.PReLU(3, 0.1, dtype="float64")],
    "PoissonNLLLoss": [
        lambda: nn.PoissonNLLLoss(),
        lambda: nn.PoissonNLLLoss(False, True, eps=0.1, reduction="none"),
    ],
    "ReLU6": [lambda: nn.ReLU6()],
    "Softmax": [lambda: nn.Softmax(-1), lambda: nn.Softmax()],
    "Softshrink": [lambda: nn.Softshrink(0.3)],
    "Tanhshrink": [lambda: nn.Tanhshrink()],
    "Threshold": [lambda: nn.Threshold(0.5, 2.0)],
    "BCELoss": [lambda: nn.BCELoss(), lambda: nn.BCELoss(WEIGHT, reduction="sum")],
    "CELU": [lambda: nn.CELU(), lambda: nn.CELU(0.3)],
    "ELU": [lambda: nn.ELU(), lambda: nn.ELU(0.3)],
    "GELU": [lambda: nn.GELU(), lambda: nn.GELU("tanh")],
    "HuberLoss": [lambda: nn.HuberLoss(), lambda: nn.HuberLoss("sum", 0.3)],
    "L1Loss": [lambda: nn.L1Loss(), lambda: nn.L1Loss(reduction="none")],
    "LogSigmoid": [lambda: nn.LogSigmoid()],
    "Mish": [lambda: nn.Mish()],
    "NLLLoss": [lambda: nn.NLLLoss(), lambda: nn.NLLLoss(WEIGHT, ignore_index=1, reduction="sum")],
    "SELU": [lambda: nn.SELU()],
    "SiLU": [lambda: nn.SiLU()],
    "SmoothL1Loss": [lambda: nn.SmoothL1Loss(), lambda: nn.SmoothL1Loss(reduction="sum", beta=0.3)],
    "SoftMarginLoss": [lambda: nn.SoftMarginLoss()],
    "Softplus": [lambda: nn.Softplus(), lambda: nn.Softplus(2.0, 5.0)],
    "Softsign": [lambda: nn.Softsign()],
    "AdaptiveAvgPool1d": [lambda: nn.AdaptiveAvgPool1d(3)],
    "AdaptiveAvgPool2d": [lambda: nn.AdaptiveAvgPool2d(1), lambda: nn.AdaptiveAvgPool2d((None, 2))],
    "AvgPool1d": [lambda: nn.AvgPool1d(3), lambda: nn.AvgPool1d(3, 2, 1, True, False)],
    "AvgPool2d": [lambda: nn.AvgPool2d(2), lambda: nn.AvgPool2d((3, 2), 1, 1, True, False, 5)],
    "GroupNorm": [lambda: nn.GroupNorm(2, 4), lambda: nn.GroupNorm(1, 4, 0.1, dtype="float64", bias=False)],
    "InstanceNorm1d": [
        lambda: nn.InstanceNorm1d(3),
        lambda: nn.InstanceNorm1d(3, 0.1, 0.3, True, True, dtype="float64"),
    ],
    "InstanceNorm2d": [
        lambda: nn.InstanceNorm2d(3),
        lambda: nn.InstanceNorm2d(3, affine=True, bias=False),
        lambda: nn.InstanceNorm2d(3, track_running_stats=True),
    ],
    "LayerNorm": [
        lambda: nn.LayerNorm(3),
        lambda: nn.LayerNorm((3, 2), 0.1, bias=False, dtype="float64"),
        lambda: nn.LayerNorm(3, elementwise_affine=False),
    ],
    "RMSNorm": [lambda: nn.RMSNorm(3), lambda: nn.RMSNorm((3, 2), 0.1, dtype="float64")],
    "BCEWithLogitsLoss": [
        lambda: nn.BCEWithLogitsLoss(),
        lambda: nn.BCEWithLogitsLoss(weight=WEIGHT, pos_weight=2 * WEIGHT, reduction="none"),
    ],
    "BatchNorm1d": [
        lambda: nn.BatchNorm1d(3),
        lambda: nn.BatchNorm1d(3, eps=0.1, momentum=None, dtype="float64"),
        lambda: nn.BatchNorm1d(3, affine=False, track_running_stats=False),
        lambda: nn.BatchNorm1d(3, affine=False, dtype="float64"),
        lambda: nn.BatchNorm1d(3, bias=False),
    ],
    "BatchNorm2d": [
        lambda: nn.BatchNorm2d(3),
        lambda: nn.BatchNorm2d(3, eps=0.1, momentum=None, bias=False, dtype="float64"),
    ],
    "Conv1d": [lambda: nn.Conv1d(4, 6, 3), lambda: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False, "circular")],
    "Conv2d": [
        lambda: nn.Conv2d(4, 6, 3),
        lambda: nn.Conv2d(4, 6, (3, 1), padding="same", dilation=(1, 2), groups=2, dtype="float64"),
        lambda: nn.Conv2d(4, 6, 3, (2, 1), 1, bias=False, padding_mode="reflect"),
    ],
    "CrossEntropyLoss": [
        lambda: nn.CrossEntropyLoss(),
        lambda: nn.CrossEntropyLoss(WEIGHT, ignore_index=1, reduction="sum", label_smoothing=0.1),
    ],
    "Dropout": [lambda: nn.Dropout(), lambda: nn.Dropout(0.0), lambda: nn.Dropout(1.0)],
    "Flatten": [lambda: nn.Flatten(), lambda: nn.Flatten(0, -2)],
    "GRU": [lambda: nn.GRU(3, 2), lambda: nn.GRU(3, 2, 3, False, True, 0.5, True, dtype="float64")],
    "Identity": [lambda: nn.Identity()],
    "LSTM": [lambda: nn.LSTM(3, 2), lambda: nn.LSTM(3, 2, 3, False, True, 0.5, True, dtype="float64")],
    "LeakyReLU": [lambda: nn.LeakyReLU(), lambda: nn.LeakyReLU(0.3)],
    "Linear": [lambda: nn.Linear(3, 2), lambda: nn.Linear(3, 2, bias=False, dtype="float64")],
    "MSELoss": [lambda: nn.MSELoss(), lambda: nn.MSELoss(reduction="sum")],
    "MaxPool1d": [lambda: nn.MaxPool1d(2), lambda: nn.MaxPool1d(3, 2, 1, 2, ceil_mode=True)],
    "MaxPool2d": [lambda: nn.MaxPool2d(2), lambda: nn.MaxPool2d((3, 2), 1, (1, 0), 2, ceil_mode=True)],
    "ModuleList": [lambda: nn.ModuleList(), lambda: nn.ModuleList([nn.Linear(3, 2), nn.Tanh()])],
    "RNN": [
        lambda: nn.RNN(3, 2),
        lambda: nn.RNN(3, 2, 3, "relu", False, True, 0.5, True, dtype="float64"),
    ],
    "ReLU": [lambda: nn.ReLU()],
    "Sequential": [
        lambda: nn.Sequential(),
        lambda: nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2))),
        lambda: nn.Sequential(OrderedDict(head=nn.Linear(3, 2), tail=nn.ModuleList([nn.Linear(2, 1)]))),
    ],
    "Sigmoid": [lambda: nn.Sigmoid()],
    "CosineEmbeddingLoss": [lambda: nn.CosineEmbeddingLoss(0.3, reduction="sum")],
    "GaussianNLLLoss": [lambda: nn.GaussianNLLLoss(full=True, eps=0.1, reduction="none")],
    "MarginRankingLoss": [lambda: nn.MarginRankingLoss(0.5, reduction="sum")],
    "MultiLabelMarginLoss": [lambda: nn.MultiLabelMarginLoss(reduction="none")],
    "MultiLabelSoftMarginLoss": [lambda: nn.MultiLabelSoftMarginLoss(np.ones(3, np.float32))],
    "Softmax2d": [lambda: nn.Softmax2d()],
    "Softmin": [lambda: nn.Softmin(1)],
    "TripletMarginLoss": [lambda: nn.TripletMarginLoss(2.0, 1.0, 0.1, True, reduction="sum")],
    "Tanh": [lambda: nn.Tanh()],
}

every_module = pytest.mark.parametrize(
    "make", [make for makes in MODULES.values() for make in makes], ids=lambda make: repr(make())
)


def small_model(dtype="float64"):
    npnet.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Dropout(0.4), nn.Linear(4, 3)
    ).to(dtype=dtype)


def inputs(dtype="float64"):
    return np.random.default_rng(0).normal(size=(16, 5)).astype(dtype)


def assert_same_state(ours, theirs):
    assert list(ours) == list(theirs)
    for key, tensor in theirs.items():
        np.testing.assert_array_equal(ours[key], tensor.numpy(), strict=True, err_msg=key)


def test_every_public_module_has_an_entry_and_a_case():
    public = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name))}
    assert (
        set(ARGUMENTS)
        == set(MODULES)
        == {name for name in public if issubclass(getattr(nn, name), nn.Module) and name != "Module"}
        - NO_TWIN
    )


@pytest.mark.parametrize("name", ARGUMENTS)
def test_no_argument_of_npnet_is_forgotten(name):
    elsewhere = {"args", "modules", "bias", "device", "dtype", "inplace", "generator", "kwargs"}
    elsewhere |= {"size_average", "reduce", "min_value", "max_value"}  # PyTorch's old words
    parameters = set(inspect.signature(getattr(nn, name)).parameters)
    assert parameters - elsewhere == set(ARGUMENTS[name]) - elsewhere


@every_module
def test_there_and_back(make):
    module = make()
    for index, (_, array) in enumerate([*module.named_parameters(), *module.named_buffers()]):
        (array.data if isinstance(array, nn.Parameter) else array)[...] = index + 2
    twin = to_torch(module)
    assert type(twin) is getattr(torch.nn, type(module).__name__)
    again = from_torch(twin)
    assert_same_state(module.state_dict(), twin.state_dict())
    assert_same_state(again.state_dict(), twin.state_dict())
    assert repr(again) == repr(module)
    for argument in ARGUMENTS[type(module).__name__]:
        values = [getattr(one, argument) for one in (module, twin, again)]
        assert [type(value) is type(values[0]) for value in values[2:]] == [True]
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_outputs_and_buffers_are_equal_in_training_and_evaluation(dtype):
    model, x = small_model(dtype), inputs(dtype)
    recorder = RecordingGenerator(Generator(3))
    model[3].generator = recorder
    tolerance = 1e-13 if dtype == "float64" else 2e-6
    ours = [model(x), model(x), model.eval()(x)]
    fresh = small_model(dtype)
    twin = to_torch(fresh, masks=ReplayGenerator(recorder.tape))
    theirs = [twin(torch.from_numpy(x)), twin(torch.from_numpy(x)), twin.eval()(torch.from_numpy(x))]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=tolerance, atol=tolerance, strict=True)
    for (name, mine), (_, other) in zip(model.named_buffers(), twin.named_buffers(), strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=tolerance, atol=tolerance, err_msg=name)
    back = from_torch(to_torch(model))
    np.testing.assert_array_equal(back(x), ours[2])


def test_modes_and_frozen_parameters_are_carried_over():
    model = small_model()
    model[1].eval()
    model[0].weight.requires_grad = False
    twin = to_torch(model)
    assert [module.training for module in twin.modules()] == [True, True, False, True, True, True]
    assert [p.requires_grad for p in twin.parameters()] == [False, True, True, True, True]
    again = from_torch(twin)
    assert [module.training for module in again.modules()] == [True, True, False, True, True, True]
    assert [p.requires_grad for p in again.parameters()] == [False, True, True, True, True]


def test_twins_share_no_memory():
    model = small_model()
    twin = to_torch(model)
    again = from_torch(twin)
    before = model.state_dict()["0.weight"].copy()
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            tensor.add_(1)
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before)
    np.testing.assert_array_equal(again.state_dict()["0.weight"], before)


def test_a_module_that_occurs_twice_does_so_in_the_twin():
    layer, act = nn.Linear(3, 3), nn.Tanh()
    twin = to_torch(nn.Sequential(layer, act, layer, act))
    again = from_torch(twin)
    for model in (twin, again):
        assert len(model) == 4
        assert model[0] is model[2]
        assert model[1] is model[3]
    assert_same_state(again.state_dict(), twin.state_dict())


def test_a_parameter_of_two_layers_is_shared_in_the_twin():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    twin = to_torch(model)
    assert twin[2].weight is twin[0].weight
    again = from_torch(twin)
    assert again[2].weight is again[0].weight
    assert len(list(again.parameters())) == len(list(twin.parameters())) == 3
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(again(x), model(x))


class Linear(nn.Linear):
    """Of the same name, but somebody's own."""


class TorchLinear(torch.nn.Linear):
    pass


@pytest.mark.parametrize(
    ("convert", "module"),
    [
        (to_torch, nn.Sequential(Linear(2, 2))),
        (from_torch, TorchLinear(2, 2)),
        (from_torch, torch.nn.Sequential(torch.nn.RReLU())),
    ],
)
def test_a_class_without_a_twin_is_refused_by_name(convert, module):
    with pytest.raises(DtypeError, match=r"(Linear|TorchLinear|RReLU) has no twin in .*known are Adaptive"):
        convert(module)


def test_a_projected_lstm_is_refused_by_name():
    with pytest.raises(UnsupportedError, match="proj_size=2"):
        from_torch(torch.nn.LSTM(3, 4, proj_size=2))

"""The functions of ``nn.functional`` compute what PyTorch's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import ShapeError, UnsupportedError
from parity_tests.equal import assert_equal
from parity_tests.libraries import LIBRARIES, TORCH, arguments_for
from parity_tests.registry import MODULES
from parity_tests.registry.layers import shapes
from parity_tests.registry.specification import arrays
from parity_tests.report import Subject

alphas = st.sampled_from([0.3, 1.0, 1.7])

ELEMENTWISE: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "celu": {"alpha": alphas},
    "elu": {"alpha": alphas},
    "gelu": {"approximate": st.sampled_from(["none", "tanh"])},
    "leaky_relu": {"negative_slope": st.floats(-1, 2)},
    "logsigmoid": {},
    "mish": {},
    "relu": {},
    "selu": {},
    "sigmoid": {},
    "silu": {},
    "softplus": {"beta": st.sampled_from([0.5, 1.0, 3.0]), "threshold": st.sampled_from([20.0, 1.0])},
    "softsign": {},
    "tanh": {},
}
"""The options of each."""

LOSSES = {
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss",
    "huber_loss": "HuberLoss",
    "l1_loss": "L1Loss",
    "mse_loss": "MSELoss",
    "nll_loss": "NLLLoss",
    "smooth_l1_loss": "SmoothL1Loss",
    "soft_margin_loss": "SoftMarginLoss",
}
WINDOWS = {
    f"{name}{axes}d": f"{kind}{axes}d"
    for name, kind in (
        ("max_pool", "MaxPool"),
        ("avg_pool", "AvgPool"),
        ("adaptive_avg_pool", "AdaptiveAvgPool"),
    )
    for axes in (1, 2)
}
CONVOLUTIONS = {"conv1d": "Conv1d", "conv2d": "Conv2d"}
OTHERS = ("linear", "flatten", "dropout")

every_device = pytest.mark.parametrize("device", LIBRARIES)


def compare(name: str, device: str, inputs: tuple[Any, ...], arguments: dict[str, Any]) -> None:
    """Call both, and compare the values."""
    library = LIBRARIES[device]
    twin = getattr(torch.nn.functional, name, None) or getattr(torch, name)
    found = []
    for each, function in ((library, getattr(nn.functional, name)), (TORCH, twin)):
        each.seed(3)
        output = function(*map(each.array, inputs), **arguments_for(each, arguments))
        found.append(each.host(output))
    subject = Subject(f"functional.{name}", "float64", "forward")
    assert_equal(found[0], found[1], subject, str(arguments), least_scale=1.0)


@every_device
@pytest.mark.parametrize("name", ELEMENTWISE)
@given(data=st.data())
def test_elementwise(name: str, device: str, data: st.DataObject) -> None:
    arguments = data.draw(st.fixed_dictionaries({}, optional=ELEMENTWISE[name]))
    compare(name, device, (data.draw(shapes(least=0).flatmap(arrays)),), arguments)


@every_device
@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_losses(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[LOSSES[name]].cases)
    compare(name, device, case.batches[0], case.arguments)


@every_device
@pytest.mark.parametrize("name", ["huber_loss", "l1_loss", "mse_loss"])
@given(data=st.data())
def test_weighted_losses(name: str, device: str, data: st.DataObject) -> None:
    """The mean is over the weights or over the elements, as PyTorch has it."""
    case = data.draw(MODULES[LOSSES[name]].cases)
    weight = np.asarray(np.abs(data.draw(arrays(case.batches[0][0].shape))) + 0.1)
    compare(name, device, case.batches[0], {**case.arguments, "weight": weight})


def test_a_weight_of_another_shape_is_refused() -> None:
    for name in ("huber_loss", "l1_loss", "mse_loss"):
        with pytest.raises(ShapeError, match=r"weight has shape \(2,\), input \(3,\)"):
            getattr(nn.functional, name)(np.ones(3), np.ones(3), weight=np.ones(2))


@pytest.mark.parametrize("name", ["celu", "elu", "leaky_relu", "mish", "relu", "selu", "silu"])
def test_inplace_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{name}: inplace=True is not supported"):
        getattr(nn.functional, name)(np.ones(3), inplace=True)


@pytest.mark.parametrize("name", WINDOWS)
@given(data=st.data())
def test_windows(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[WINDOWS[name]].cases)
    compare(name, device, case.batches[0], case.arguments)


@every_device
@pytest.mark.parametrize("name", CONVOLUTIONS)
@given(data=st.data())
def test_convolutions(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[CONVOLUTIONS[name]].cases)
    assume(case.arguments["padding_mode"] == "zeros")
    layer = getattr(nn, CONVOLUTIONS[name])(**case.arguments, dtype="float64")
    operands = [*case.batches[0], *(parameter.data for parameter in layer.parameters())]
    arguments = {key: case.arguments[key] for key in ("stride", "padding", "dilation", "groups")}
    compare(name, device, tuple(operands), arguments)


@every_device
@given(data=st.data())
def test_linear(device: str, data: st.DataObject) -> None:
    leading, n_in, n_out = data.draw(shapes(least=0, most=2)), *data.draw(shapes(2, 2))
    x, weight, bias = (data.draw(arrays(shape)) for shape in ((*leading, n_in), (n_out, n_in), (n_out,)))
    compare("linear", device, (x, weight, bias)[: data.draw(st.integers(2, 3))], {})


@every_device
@given(data=st.data())
def test_flatten(device: str, data: st.DataObject) -> None:
    compare("flatten", device, (data.draw(shapes(least=1).flatmap(arrays)),), {"start_dim": 0})


@every_device
@pytest.mark.parametrize("training", [True, False])
@given(data=st.data(), p=st.sampled_from([0.0, 0.3, 1.0]))
def test_dropout(device: str, data: st.DataObject, training: bool, p: float) -> None:
    compare("dropout", device, (data.draw(shapes().flatmap(arrays)),), {"p": p, "training": training})


def test_every_function_is_tested() -> None:
    assert set(nn.functional.__all__) == {*ELEMENTWISE, *LOSSES, *WINDOWS, *CONVOLUTIONS, *OTHERS}


def test_inputs_are_not_touched() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    x.flags.writeable = False
    for name in ELEMENTWISE:
        getattr(nn.functional, name)(x)
    nn.functional.dropout(x, 0.5)

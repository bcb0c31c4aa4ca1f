"""The functions of ``nn.functional`` compute what PyTorch's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npnet import nn
from parity_tests.equal import assert_equal
from parity_tests.libraries import LIBRARIES, TORCH, arguments_for
from parity_tests.registry import MODULES
from parity_tests.registry.layers import shapes
from parity_tests.registry.specification import arrays
from parity_tests.report import Subject

ELEMENTWISE = ("relu", "leaky_relu", "sigmoid", "tanh")
LOSSES = {
    "mse_loss": "MSELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss",
}
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
    assert_equal(found[0], found[1], Subject(f"functional.{name}", "float64", "forward"), str(arguments))


@every_device
@pytest.mark.parametrize("name", ELEMENTWISE)
@given(data=st.data())
def test_elementwise(name: str, device: str, data: st.DataObject) -> None:
    arguments = {"negative_slope": data.draw(st.floats(-1, 2))} if name == "leaky_relu" else {}
    compare(name, device, (data.draw(shapes(least=0).flatmap(arrays)),), arguments)


@every_device
@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_losses(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[LOSSES[name]].cases)
    compare(name, device, case.batches[0], case.arguments)


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
    assert set(nn.functional.__all__) == {*ELEMENTWISE, *LOSSES, *OTHERS}


def test_inputs_are_not_touched() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    x.flags.writeable = False
    for name in ELEMENTWISE:
        getattr(nn.functional, name)(x)
    nn.functional.dropout(x, 0.5)

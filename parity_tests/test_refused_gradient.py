"""A gradient that is refused changes nothing: the right one may follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import BackwardError, NpnetError, ShapeError
from npnet.training.forecaster import Forecaster
from parity_tests.equal import assert_same
from parity_tests.libraries import LIBRARIES, every_device, every_library
from parity_tests.observation import build, cotangent_of, inputs_of
from parity_tests.registry import MODULES
from parity_tests.registry.recurrent import RECURRENT

OTHERS = {"Identity", *(specification.name for specification in RECURRENT)}
"""An empty chain, which hands on whatever comes; and those that the registry wraps."""


def normal(*shape: int) -> Any:
    """Float64 values."""
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OTHERS])
@every_device
@settings(max_examples=4)
@given(data=st.data())
def test_of_every_module(name: str, device: str, data: st.DataObject) -> None:
    specification, library = MODULES[name], LIBRARIES[device]
    case = data.draw(specification.cases)
    found = []
    for refuse in (False, True):
        module = build(library, specification, case, "float64")
        library.seed(case.seed)
        output = module(*inputs_of(library, case.batches[0], "float64"))
        cotangent = cotangent_of(output.shape, "float64", case.seed)
        if refuse:
            with pytest.raises(NpnetError):
                module.backward(library.array(np.ones((*output.shape, 7))))
            with pytest.raises(NpnetError):
                module.backward("a word")
            assert set(library.gradients(module).values()) <= {None}
        by_input = library.host(module.backward(library.array(cotangent)))
        found.append({"input": by_input, **library.gradients(module)})
        with pytest.raises(BackwardError):
            module.backward(library.array(cotangent))
    for key, expected in found[0].items():
        assert_same(found[1][key], expected, f"{name}, {key}")


class Residual(nn.Module):
    """A composition that keeps something of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """Add to a multiple of the input."""
        self.save(2.0)
        return 2.0 * x + self.inner(x)

    def backward(self, grad_output: Any, *, input_grad: bool = True) -> Any:
        """Of the sum."""
        (factor,) = self.saved()
        return self.inner.backward(grad_output) + factor * grad_output


COMPOSED = {
    "chain": lambda: nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.BatchNorm1d(3), nn.ReLU())),
    "residual": lambda: nn.Sequential(nn.Tanh(), Residual(nn.Sequential(nn.Linear(3, 3), nn.Tanh()))),
    "lstm": lambda: nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3)),
    "forecaster": lambda: Forecaster(nn.GRU(3, 3, batch_first=True), nn.Linear(3, 2), bptt=2),
}


@pytest.mark.parametrize("kind", COMPOSED)
def test_modules_around_are_left_as_they_were_too(kind: str) -> None:
    model = COMPOSED[kind]().double()
    x = normal(4, 5, 3) if kind == "forecaster" else normal(4, 3)
    output = model(x)
    output = output[0] if isinstance(output, tuple) else output
    g = normal(*output.shape)
    expected = model.backward(g)
    gradients = {name: parameter.grad.copy() for name, parameter in model.named_parameters()}
    model.zero_grad()
    model(x)
    for wrong in (g[:-1], g[..., :-1], g.tolist()):
        with pytest.raises(NpnetError):
            model.backward(wrong)
    assert all(parameter.grad is None for parameter in model.parameters())
    np.testing.assert_array_equal(model.backward(g), expected)
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad, gradients[name], err_msg=name)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_of_final_states(kind: str) -> None:
    layer, x, g = getattr(nn, kind)(3, 2).double(), normal(5, 4, 3), normal(5, 4, 2)
    _, state = layer(x)
    right = tuple(normal(1, 4, 2) for _ in state) if kind == "LSTM" else normal(1, 4, 2)
    wrong = (right[0], normal(2, 4, 2)) if kind == "LSTM" else normal(2, 4, 2)
    expected = layer.backward(g, right)
    layer(x)
    for grad_output, grad_state in ((g, wrong), (g[1:], right), (g, "a word"), (None, None)):
        with pytest.raises(NpnetError):
            layer.backward(grad_output, grad_state)
    np.testing.assert_array_equal(layer.backward(g, right), expected)


def test_what_was_gone_back_through_is_not_put_back() -> None:
    first, second = nn.Linear(3, 3).double(), nn.Linear(3, 3).double()
    second(first(normal(4, 3)))
    second.backward(normal(4, 3))
    with pytest.raises(ShapeError):
        first.backward(normal(4, 2))
    first.backward(normal(4, 3))
    for layer in (first, second):
        with pytest.raises(BackwardError):
            layer.backward(normal(4, 3))


# ------------------------------------------------------------------ the seed of a loss

LOSSES = {
    "CrossEntropyLoss": (normal(3), np.array(1)),
    "NLLLoss": (normal(3), np.array(1)),
    "MultiMarginLoss": (normal(3), np.array(1)),
    "MSELoss": (normal(1)[0:1].reshape(()), np.array(0.5)),
}


@pytest.mark.parametrize("name", LOSSES)
@every_library
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_a_number_or_an_array_without_axes_in_any_dtype_is_a_seed(
    name: str, library: Any, reduction: str
) -> None:
    """Of a single sample; PyTorch casts the gradient to the dtype of the loss, too."""
    x, target = LOSSES[name]
    criterion = getattr(nn, name)(reduction=reduction)
    given = library.array(x.astype(np.float32))
    target = library.array(target.astype(np.float32) if target.dtype.kind == "f" else target)
    found = []
    for seed in (2.0, 2, library.array(np.array(2.0)), library.array(np.array(2.0, np.float32))):
        criterion(given, target)
        gradient = criterion.backward(seed)
        assert gradient.dtype == np.float32
        found.append(library.host(gradient))
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])
    assert found[0].any()


@every_library
def test_a_float64_seed_an_element_leaves_float32(library: Any) -> None:
    criterion = nn.L1Loss(reduction="none")
    x = library.array(np.array([1.0, -2.0], np.float32))
    criterion(x, library.array(np.zeros(2, np.float32)))
    assert criterion.backward(library.array(np.array([1.0, 3.0]))).dtype == np.float32

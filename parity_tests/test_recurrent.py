"""What recurrent layers do beside the generic tests: chunks, states, containers, PyTorch's draws, ONNX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet import nn, no_grad
from npnet.errors import ArgumentTypeError, BackwardError, DtypeError, ShapeError
from npnet.random import RecordingGenerator, ReplayGenerator
from parity_tests.equal import assert_equal, assert_same
from parity_tests.libraries import NPNET, TORCH
from parity_tests.onnx_nodes import Node, hold
from parity_tests.registry.specification import seeds
from parity_tests.report import Subject
from torchref import to_torch

HostArray = npt.NDArray[Any]

NAMES = ("RNN", "LSTM", "GRU")
STEPS, BATCH, INPUTS, SIZE = 6, 3, 2, 4

every_class = pytest.mark.parametrize("name", NAMES)
few = settings(max_examples=max(5, settings().max_examples // 4))


def pair(name: str, **options: Any) -> tuple[Any, Any]:
    """A layer and its twin, in float64."""
    NPNET.seed(0)
    layer = getattr(nn, name)(INPUTS, SIZE, dtype="float64", **options)
    return layer, to_torch(layer)


def normal(seed: int, *shape: int) -> HostArray:
    """Standard normal numbers."""
    return np.random.default_rng(seed).normal(size=shape)


def tensors(state: Any) -> Any:
    """A state as leaves that want a gradient."""
    if isinstance(state, tuple):
        return tuple(tensors(part) for part in state)
    return torch.tensor(state, requires_grad=True)


def states(name: str, seed: int, number: int = 1) -> Any:
    """A random state of `number` layers and directions."""
    h, c = normal(seed, number, BATCH, SIZE), normal(seed + 1, number, BATCH, SIZE)
    return (h, c) if name == "LSTM" else h


def parts(state: Any) -> tuple[Any, ...]:
    """The arrays of a state."""
    return state if isinstance(state, tuple) else (state,)


def compare(found: HostArray, expected: torch.Tensor, name: str, label: str, quantity: str) -> None:
    """Within the tolerances of the design."""
    assert_equal(found, expected.detach().numpy(), Subject(name, "float64", quantity), label)


# ------------------------------------------------------------------ initial values


@every_class
@given(seed=seeds, layers=st.integers(1, 3), bias=st.booleans(), bidirectional=st.booleans())
@few
def test_a_new_layer_has_pytorch_s_names_and_values(
    name: str, seed: int, layers: int, bias: bool, bidirectional: bool
) -> None:
    found = []
    for library in (NPNET, TORCH):
        library.seed(seed)
        layer = getattr(library.nn, name)(3, 5, layers, bias=bias, bidirectional=bidirectional)
        found.append({key: library.host(value) for key, value in layer.state_dict().items()})
    assert list(found[0]) == list(found[1])
    for key, value in found[0].items():
        assert_same(value, found[1][key], key)


@every_class
def test_what_shows_is_pytorch_s(name: str) -> None:
    for options in ({}, {"num_layers": 2, "bias": False, "dropout": 0.5, "bidirectional": True}):
        layer, twin = pair(name, **options)
        assert repr(layer) == repr(twin)
        assert [[w.shape for w in each] for each in layer.all_weights] == [
            [tuple(w.shape) for w in each] for each in twin.all_weights
        ]
    assert layer.flatten_parameters() is None


@every_class
def test_dropout_with_one_layer_warns_in_both(name: str) -> None:
    for library in (NPNET, TORCH):
        with pytest.warns(UserWarning, match=r"dropout.*num_layers=1"):
            getattr(library.nn, name)(2, 3, dropout=0.5)


@every_class
def test_masks_can_be_recorded_and_replayed_in_pytorch(name: str) -> None:
    recorder = RecordingGenerator()
    layer, _ = pair(name, num_layers=3, dropout=0.4, bidirectional=True)
    layer.generator = recorder
    x = normal(1, STEPS, BATCH, INPUTS)
    output, _ = layer(x)
    assert [mask.shape for mask in recorder.tape] == [(STEPS, BATCH, 2 * SIZE)] * 2
    twin = to_torch(layer, masks=ReplayGenerator(recorder.tape))
    compare(output, twin(torch.from_numpy(x))[0], name, "with masks", "forward")


# ------------------------------------------------------------------ gradients that are left out


@every_class
@pytest.mark.parametrize("of", ["output", "state"])
@pytest.mark.parametrize("given_states", [True, False])
def test_a_loss_may_look_at_the_output_or_at_the_states_alone(name: str, of: str, given_states: bool) -> None:
    layer, twin = pair(name, num_layers=2, bidirectional=True)
    x, hx = normal(1, STEPS, BATCH, INPUTS), states(name, 2, 4) if given_states else None
    leaf, leaves = torch.tensor(x, requires_grad=True), None if hx is None else tensors(hx)
    output, _ = layer(x, hx)
    output_twin, state_twin = twin(leaf, leaves)
    if of == "output":
        g = normal(5, *output.shape)
        found = layer.backward(g)
        output_twin.backward(torch.from_numpy(g))
    else:
        g_states = states(name, 6, 4)
        found = layer.backward(None, g_states)
        torch.autograd.backward(list(parts(state_twin)), [torch.from_numpy(g) for g in parts(g_states)])
    if given_states:
        found, by_states = found
        for gradient, each in zip(parts(by_states), parts(leaves), strict=True):
            compare(gradient, each.grad, name, "initial state", "gradient")
    compare(found, leaf.grad, name, "input", "gradient")
    for key, parameter in layer.named_parameters():
        compare(parameter.grad, twin.get_parameter(key).grad, name, key, "gradient")


def test_an_lstm_s_loss_may_look_at_one_of_its_states() -> None:
    for chosen in (0, 1):
        layer, twin = pair("LSTM")
        x, g = normal(1, STEPS, BATCH, INPUTS), normal(2, 1, BATCH, SIZE)
        layer(x)
        found = layer.backward(None, (g, None) if chosen == 0 else (None, g))
        leaf = torch.tensor(x, requires_grad=True)
        twin(leaf)[1][chosen].backward(torch.from_numpy(g))
        compare(found, leaf.grad, "LSTM", "input", "gradient")


@every_class
def test_without_input_grad_initial_states_still_get_theirs(name: str) -> None:
    layer, _ = pair(name, num_layers=2)
    x, hx, g = normal(1, STEPS, BATCH, INPUTS), states(name, 2, 2), normal(3, STEPS, BATCH, SIZE)
    layer(x, hx)
    whole = layer.backward(g)
    layer(x, hx)
    nothing, by_states = layer.backward(g, input_grad=False)
    assert nothing is None
    for a, b in zip(parts(by_states), parts(whole[1]), strict=True):
        assert_same(a, b, "initial state")


# ------------------------------------------------------------------ chunks


@every_class
@pytest.mark.parametrize("cut", [1, 4])
def test_chunks_that_hand_on_the_state_are_the_whole(name: str, cut: int) -> None:
    """Values, and gradients where backward hands the states' gradient back from chunk to chunk."""
    layer, _ = pair(name, num_layers=2)
    x, g = normal(1, STEPS, BATCH, INPUTS), normal(2, STEPS, BATCH, SIZE)
    output, state = layer(x)
    grad_input = layer.backward(g)
    gradients = NPNET.gradients(layer)
    layer.zero_grad()

    class Chunks(nn.Module):
        def forward(self, x: HostArray) -> Any:
            first, between = layer(x[:cut])
            second, last = layer(x[cut:], between)
            return np.concatenate([first, second]), last

    found, last = Chunks()(x)
    assert_equal(found, output, Subject(name, "float64", "forward"), "output")
    for a, b in zip(parts(last), parts(state), strict=True):
        assert_equal(a, b, Subject(name, "float64", "forward"), "final state")
    second, between = layer.backward(g[cut:])
    first = layer.backward(g[:cut], between)
    subject = Subject(name, "float64", "gradient")
    assert_equal(np.concatenate([first, second]), grad_input, subject, "input")
    for key, gradient in NPNET.gradients(layer).items():
        assert gradient is not None
        assert_equal(gradient, gradients[key], subject, key)


@every_class
def test_a_state_that_is_handed_on_carries_no_gradient(name: str) -> None:
    """As PyTorch's does once it is detached."""
    layer, twin = pair(name)
    x, g = normal(1, STEPS, BATCH, INPUTS), normal(2, 2, BATCH, SIZE)
    _, state = layer(x[:4])
    layer(x[4:], state)
    layer.backward(g)
    _, carried = twin(torch.from_numpy(x[:4]))
    carried = tuple(part.detach() for part in carried) if name == "LSTM" else carried.detach()
    twin(torch.from_numpy(x[4:]), carried)[0].backward(torch.from_numpy(g))
    for key, parameter in layer.named_parameters():
        compare(parameter.grad, twin.get_parameter(key).grad, name, key, "gradient")


@every_class
def test_what_was_handed_out_is_not_overwritten(name: str) -> None:
    layer, _ = pair(name)
    x = normal(1, STEPS, BATCH, INPUTS)
    output, state = layer(x)
    for array in (output, *parts(state)):
        array[...] = np.nan  # the user's own now: backward must not look at it
    assert np.isfinite(layer.backward(normal(2, STEPS, BATCH, SIZE))).all()


# ------------------------------------------------------------------ containers


@every_class
def test_a_sequential_may_end_in_a_recurrent_layer(name: str) -> None:
    NPNET.seed(1)
    last = getattr(nn, name)(INPUTS, SIZE, dtype="float64")
    model = nn.Sequential(nn.Linear(3, INPUTS, dtype="float64"), nn.Tanh(), last)
    twin = to_torch(model)
    x, g, g_states = normal(1, STEPS, BATCH, 3), normal(2, STEPS, BATCH, SIZE), states(name, 3)
    output, _ = model(x)
    leaf = torch.tensor(x, requires_grad=True)
    theirs, state = twin(leaf)
    compare(output, theirs, name, "behind a Linear", "forward")
    gradients = [torch.from_numpy(each) for each in (g, *parts(g_states))]
    torch.autograd.backward([theirs, *parts(state)], gradients)
    compare(model.backward((g, g_states)), leaf.grad, name, "input of a Sequential", "gradient")
    assert model(x) is not None
    assert model.backward(g, input_grad=False) is None


def test_the_next_layer_says_what_it_was_given() -> None:
    model = nn.Sequential(nn.LSTM(INPUTS, SIZE), nn.Linear(SIZE, 1))
    with pytest.raises(DtypeError, match="Linear takes an array, got tuple"):
        model(normal(1, STEPS, BATCH, INPUTS).astype(np.float32))


# ------------------------------------------------------------------ refusals of backward


def test_backward_refuses_what_does_not_fit() -> None:
    layer, _ = pair("LSTM", num_layers=2)
    x, g, h = normal(1, STEPS, BATCH, INPUTS), normal(2, STEPS, BATCH, SIZE), normal(3, 2, BATCH, SIZE)

    def refused(error: type[Exception], message: str, *arguments: Any) -> None:
        layer(x)
        with pytest.raises(error, match=message):
            layer.backward(*arguments)

    refused(BackwardError, "got neither", None)
    refused(ShapeError, r"output of shape \(6, 3, 4\), got \(5, 3, 4\)", g[1:])
    refused(ShapeError, r"final state c_n of shape \(2, 3, 4\), got \(1, 3, 4\)", g, (h, h[:1]))
    refused(ArgumentTypeError, r"final states as \(h_n, c_n\), got tuple of 1", g, (h,))
    refused(ArgumentTypeError, r"final states as \(h_n, c_n\), got ndarray", g, h)
    refused(DtypeError, "final state h_n as an array, got list", g, (h.tolist(), h))
    with no_grad():
        layer(x)
    layer(x)
    layer.backward(g)
    with pytest.raises(BackwardError, match="no forward pass"):
        layer.backward(g)


# ------------------------------------------------------------------ ONNX


ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}
"""PyTorch's blocks, by their numbers in ONNX: i o f c there, i f c o here; z r h there, r z n here."""


def onnx_node(node: Node) -> Iterable[HostArray | None]:
    """A recurrent layer with the node's weights; ``layout`` 1 has the batch first, in states too."""
    x, w, r, b, *_, h, _ = (*node.inputs, *[None] * 7)[:7]
    assert x is not None
    assert w is not None
    assert r is not None
    layout, size = node.attributes.get("layout", 0), node.attributes["hidden_size"]
    direction = node.attributes.get("direction", "forward")
    x = np.swapaxes(x, 0, 1) if layout else x
    x = x[::-1] if direction == "reverse" else x
    options = {"bidirectional": direction == "bidirectional", "bias": b is not None}
    layer = getattr(nn, node.operator)(x.shape[-1], size, **options)
    for number, suffix in enumerate(["", "_reverse"][: len(w)]):
        given = {"weight_ih": w[number], "weight_hh": r[number]}
        if b is not None:
            given["bias_ih"], given["bias_hh"] = np.split(b[number], 2)
        for key, value in given.items():
            blocks = np.split(value, len(value) // size)
            parameter = getattr(layer, f"{key}_l0{suffix}")
            parameter.data = np.concatenate([blocks[k] for k in ORDER[node.operator]])
    assert h is None
    output, state = layer(x)
    y = output.reshape(*output.shape[:2], len(w), size)  # (T, B, directions, H)
    y = y[::-1] if direction == "reverse" else y
    yield np.swapaxes(y, 0, 1) if layout else np.swapaxes(y, 1, 2)
    for part in parts(state):
        yield np.swapaxes(part, 0, 1) if layout else part


@pytest.mark.parametrize(
    ("operator", "fewest", "passed_over"),
    [
        ("rnn", 6, {}),
        ("lstm", 5, {"test_lstm_with_peepholes": "PyTorch's LSTM has none"}),
        ("gru", 5, {"test_gru_seq_length": "resets before the product, as the paper and not as PyTorch"}),
    ],
)
def test_onnx_nodes(operator: str, fewest: int, passed_over: dict[str, str]) -> None:
    assert hold(operator, onnx_node, passed_over=passed_over) >= fewest

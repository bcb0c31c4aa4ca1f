"""Specifications of the recurrent layers: outputs, final states and initial states at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import UnsupportedError
from parity_tests.registry.specification import Case, Library, ModuleSpecification, Refusal, arrays, seeds

__all__ = ["RECURRENT"]


class Whole(nn.Module):
    """A recurrent layer with learned initial states, which shows output and final states in one flat array.

    So the generic tests see the values of all that it returns, take a random gradient by all of it, and find
    the gradients by the initial states among those of the parameters.
    """

    def __init__(self, layer: Any, shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.layer = layer
        self.names = [] if shape is None else (["h_0", "c_0"] if isinstance(layer, nn.LSTM) else ["h_0"])
        for name in self.names:
            setattr(self, name, nn.Parameter(np.zeros(shape, layer.weight_ih_l0.dtype)))

    def forward(self, input: Any, *hx: Any) -> Any:  # noqa: A002 (PyTorch's name)
        """Output and final states, end to end."""
        given = hx or tuple(getattr(self, name).data for name in self.names)
        output, state = self.layer(input, (given if len(given) > 1 else given[0]) if given else None)
        parts = [output, *(state if isinstance(state, tuple) else (state,))]
        self.save([part.shape for part in parts])
        return np.concatenate([part.reshape(-1) for part in parts])

    def backward(self, grad_output: Any, *, input_grad: bool = True) -> Any:
        """Part the gradient as the values lie."""
        (shapes,) = self.saved()
        parts, start = [], 0
        for shape in shapes:
            size = math.prod(shape)
            parts.append(grad_output[start : start + size].reshape(*shape))
            start += size
        state = tuple(parts[1:]) if len(parts) > 2 else parts[1]
        found = self.layer.backward(parts[0], state, input_grad=input_grad)
        if not self.names:
            return found
        grad_input, by_state = found
        for name, gradient in zip(self.names, by_state if len(self.names) > 1 else [by_state], strict=True):
            getattr(self, name).accumulate(np.positive, gradient)
        return grad_input


class TorchWhole(torch.nn.Module):
    """The same around PyTorch's layer."""

    def __init__(self, layer: Any, shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.layer = layer
        lstm = isinstance(layer, torch.nn.LSTM)
        self.names = [] if shape is None else (["h_0", "c_0"] if lstm else ["h_0"])
        for name in self.names:
            setattr(self, name, torch.nn.Parameter(torch.zeros(shape or ())))

    def forward(self, input: Any, *hx: Any) -> Any:  # noqa: A002 (PyTorch's name)
        """Output and final states, end to end."""
        given = hx or tuple(getattr(self, name) for name in self.names)
        output, state = self.layer(input, (given if len(given) > 1 else given[0]) if given else None)
        parts = [output, *(state if isinstance(state, tuple) else (state,))]
        return torch.cat([part.reshape(-1) for part in parts])


TorchWhole.__name__ = Whole.__name__  # trees of modules are compared by their names


def maker(name: str) -> Any:
    """How to build a class in a library; the argument ``shape`` is that of the initial states."""

    def make(library: Library, arguments: dict[str, Any]) -> Any:
        rest = {key: value for key, value in arguments.items() if key != "shape"}
        layer = getattr(library.nn, name)(**rest)
        around = TorchWhole if library.nn is torch.nn else Whole
        return around(layer, arguments.get("shape"))

    return make


@st.composite
def recurrent(draw: st.DrawFn, **options: st.SearchStrategy[Any]) -> Case:
    """Sequences, batched or not, of a few steps."""
    layers, directions = draw(st.sampled_from([1, 1, 2, 2, 3])), draw(st.sampled_from([1, 2]))
    inputs, size, batch = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    arguments = {
        "input_size": inputs,
        "hidden_size": size,
        "num_layers": layers,
        "bias": draw(st.sampled_from([True, True, False])),
        "batch_first": draw(st.booleans()),
        "dropout": draw(st.sampled_from([0.0, 0.3, 1.0])) if layers > 1 else 0.0,
        "bidirectional": directions == 2,
        **draw(st.fixed_dictionaries(options)),
    }
    batched = draw(st.sampled_from([True, True, False]))
    if draw(st.booleans()):
        number = layers * directions
        arguments["shape"] = (number, batch, size) if batched else (number, size)
    batches = []
    for _ in range(3):
        steps = draw(st.sampled_from([1, 2, 4]))
        shape = (batch, steps, inputs) if arguments["batch_first"] else (steps, batch, inputs)
        batches.append((draw(arrays(shape if batched else (steps, inputs))),))
    between = st.sampled_from(["add", "none", "zeros"])
    return Case(arguments, tuple(batches), draw(seeds), draw(between))


def large(rng: np.random.Generator) -> Case:
    """Two steps: over more, with weights as large as those drawn here, any error grows."""
    x = rng.normal(size=(2, 60, 100))
    return Case({"input_size": 100, "hidden_size": 101}, ((x,),), int(rng.integers(2**31)))


SIZES = {"input_size": 4, "hidden_size": 3}
X, H = np.ones((5, 2, 4)), np.ones((1, 2, 3))


def refusals(states: int) -> tuple[Refusal, ...]:
    """What all of them refuse; an LSTM takes two states."""

    def given(x: Any, h: Any) -> tuple[Any, ...]:
        return (x, *[h] * states)

    return (
        Refusal("no input", "input_size must be greater than zero", {**SIZES, "input_size": 0}),
        Refusal("no state", "hidden_size must be greater than zero, got -1", {**SIZES, "hidden_size": -1}),
        Refusal("no layer", "num_layers must be greater than zero", {**SIZES, "num_layers": 0}),
        Refusal("half a unit", "hidden_size must be an integer, got 2.5", {**SIZES, "hidden_size": 2.5}),
        Refusal("text for bias", "bias must be True or False, got 'no'", {**SIZES, "bias": "no"}),
        Refusal("text for batch_first", "batch_first must be", {**SIZES, "batch_first": "yes"}),
        Refusal("dropout above one", "between 0 and 1, got 1.5", {**SIZES, "num_layers": 2, "dropout": 1.5}),
        Refusal("dropout True", "between 0 and 1, got True", {**SIZES, "num_layers": 2, "dropout": True}),
        Refusal("1-d", r"2-d or 3-d input, got shape \(4,\)", SIZES, (np.ones(4),)),
        Refusal("4-d", r"2-d or 3-d input, got shape", SIZES, (np.ones((5, 2, 4, 1)),)),
        Refusal("features", r"\(\.\.\., 4\), got \(5, 2, 3\)", SIZES, (np.ones((5, 2, 3)),)),
        Refusal("no step", r"at least one step, got shape \(0, 2, 4\)", SIZES, (np.ones((0, 2, 4)),)),
        Refusal("no step, unbatched", r"at least one step.*\(0, 4\)", SIZES, (np.ones((0, 4)),)),
        Refusal(
            "no step, batch first",
            r"at least one step.*\(2, 0, 4\)",
            {**SIZES, "batch_first": True},
            (np.ones((2, 0, 4)),),
        ),
        Refusal("dtype", "float64 parameters and was given float32", SIZES, (X.astype(np.float32),)),
        Refusal("a list", "takes an array", SIZES, (X.tolist(),)),
        Refusal(
            "state of another batch",
            r"h_0 of shape \(1, 2, 3\), got \(1, 3, 3\)",
            SIZES,
            given(X, np.ones((1, 3, 3))),
        ),
        Refusal(
            "state of another size", r"\(1, 2, 3\), got \(1, 2, 4\)", SIZES, given(X, np.ones((1, 2, 4)))
        ),
        Refusal(
            "state of one layer for two",
            r"h_0 of shape \(2, 2, 3\), got \(1, 2, 3\)",
            {**SIZES, "num_layers": 2},
            given(X, H),
        ),
        Refusal("state without a batch", r"\(1, 2, 3\), got \(1, 3\)", SIZES, given(X, np.ones((1, 3)))),
        Refusal("state with a batch", r"\(1, 3\), got \(1, 2, 3\)", SIZES, given(X[:, 0], H)),
        Refusal("dtype of the state", "was given float32", SIZES, given(X, H.astype(np.float32))),
    )


ONE_STATE = Refusal(
    "one state",
    r"takes its initial states as \(h_0, c_0\), got ndarray",
    {**SIZES, "num_layers": 2},
    (X, np.ones((2, 2, 3))),
)
PROJECTION = Refusal(
    "proj_size",
    "proj_size=2 is not supported",
    {**SIZES, "proj_size": 2},
    only=UnsupportedError,
    reason="a Linear behind the layer does as much",
)

RECURRENT = (
    ModuleSpecification(
        "RNN",
        recurrent(nonlinearity=st.sampled_from(["tanh", "relu"])),
        large,
        (
            *refusals(1),
            Refusal("nonlinearity", "'tanh' or 'relu', got 'sigmoid'", {**SIZES, "nonlinearity": "sigmoid"}),
        ),
        maker("RNN"),
        smooth=False,
        least_slope=1.0,
    ),
    ModuleSpecification(
        "LSTM", recurrent(), large, (*refusals(2), ONE_STATE, PROJECTION), maker("LSTM"), least_slope=1.0
    ),
    ModuleSpecification("GRU", recurrent(), large, refusals(1), maker("GRU"), least_slope=1.0),
)

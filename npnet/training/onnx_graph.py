"""A trained network as an ONNX graph, for those who compute without npnet and without PyTorch.

The graph takes what the features give and gives what the network gives, in float32; layers that do nothing in
evaluation, such as dropout, are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet import backend, nn
from npnet._version import __version__
from npnet.backend import Array
from npnet.errors import UnsupportedError
from npnet.nn.context import no_grad
from npnet.training.onnx_activations import ACTIVATIONS

__all__ = ["INPUT", "OPSET", "OUTPUT", "onnx_graph"]

OPSET = 17
"""Version of the operators; ONNX Runtime reads it from 1.12 on."""
IR_VERSION = 8
"""Version of the format that belongs to it."""

INPUT, OUTPUT = "input", "output"


def onnx_graph(model: nn.Module, shape: tuple[int, ...], metadata: Mapping[str, str]) -> bytes:
    """Write a network as ONNX.

    Parameters
    ----------
    model : Module
        Its layers are those that a recipe can build.
    shape : tuple of int
        Of what it takes for one row.
    metadata : mapping of str to str
        Texts for the file.

    Returns
    -------
    bytes
        The file: an input ``input`` of shape ``(batch, *shape)`` and an output ``output``, the batch of any
        size.

    Raises
    ------
    UnsupportedError
        If the ``onnx`` package is not installed, or there is no ONNX form here of a layer.

    Examples
    --------
    >>> import onnx
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    >>> graph = onnx.load_from_string(onnx_graph(model, (3,), {})).graph
    >>> [node.op_type for node in graph.node], [output.name for output in graph.output]
    (['MatMul', 'Add', 'Tanh'], ['output'])
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise UnsupportedError(
            f"ONNX needs the onnx package: pip install 'npnet[export]' ({error})"
        ) from error
    graph = _Graph()
    last = graph.add(model, "", INPUT)
    if not graph.nodes:
        last = graph.node("Identity", [INPUT])
    graph.nodes[-1]["outputs"] = [OUTPUT if name == last else name for name in graph.nodes[-1]["outputs"]]
    made = helper.make_model(
        helper.make_graph(
            [helper.make_node(each.pop("op"), **each) for each in graph.nodes],
            "npnet",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *shape])],
            [
                helper.make_tensor_value_info(
                    OUTPUT, TensorProto.FLOAT, ["batch", *_output_shape(model, shape)]
                )
            ],
            [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="npnet",
        producer_version=__version__,
    )
    helper.set_model_props(made, dict(metadata))
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


def _output_shape(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of what the network gives for one row."""
    held = next(iter(model.parameters()), None)
    row = np.zeros((1, *shape), dtype="float32" if held is None else held.dtype)
    with no_grad():
        given: tuple[int, ...] = model(row).shape
    return given[1:]


class _Graph:
    """Nodes and constants, as they come."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.constants: dict[str, Array] = {}

    def add(self, module: nn.Module, name: str, x: str) -> str:
        """Add a module that takes the value `x`; returns the name of its value."""
        kind = type(module).__name__
        if kind not in LAYERS:
            raise UnsupportedError(
                f"{kind} cannot be exported to ONNX; there are {', '.join(sorted(LAYERS))}"
            )
        return LAYERS[kind](self, module, name, x)

    def node(self, op: str, inputs: list[str], outputs: list[str] | None = None, **attributes: Any) -> str:
        """Add an operator; returns the name of its value, or of the last of several."""
        outputs = outputs or [f"value_{len(self.nodes)}"]
        self.nodes.append({"op": op, "inputs": inputs, "outputs": outputs, **attributes})
        return outputs[-1]

    def constant(self, name: str, values: Any, dtype: str = "float32") -> str:
        """Add an array under the name that it has in ``state_dict``."""
        self.constants[name] = np.asarray(backend.to_host(values), dtype=dtype).copy(order="C")
        return name

    def number(self, value: float) -> str:
        """Add a number, once; returns its name."""
        return self.constant(f"number_{float(value)}", np.asarray(value))


def _join(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


def _sequential(graph: _Graph, module: Any, name: str, x: str) -> str:
    for key, child in zip(module._modules, module, strict=True):
        x = graph.add(child, _join(name, key), x)
    return x


def _linear(graph: _Graph, module: Any, name: str, x: str) -> str:
    weight = graph.constant(_join(name, "weight"), module.weight.data.T)  # ONNX multiplies from the left
    x = graph.node("MatMul", [x, weight])
    if module.bias is None:
        return x
    return graph.node("Add", [x, graph.constant(_join(name, "bias"), module.bias.data)])


def _batch_norm(graph: _Graph, module: Any, name: str, x: str) -> str:
    if module.running_mean is None:
        raise UnsupportedError(
            f"{type(module).__name__} without running statistics cannot be exported to ONNX"
        )
    size = module.num_features
    weight, bias = (
        graph.constant(_join(name, key), default(size) if held is None else held.data)
        for key, held, default in (("weight", module.weight, np.ones), ("bias", module.bias, np.zeros))
    )
    mean, variance = (
        graph.constant(_join(name, key), getattr(module, key)) for key in ("running_mean", "running_var")
    )
    return graph.node("BatchNormalization", [x, weight, bias, mean, variance], epsilon=float(module.eps))


def _conv2d(graph: _Graph, module: Any, name: str, x: str) -> str:
    if module.padding_mode != "zeros":
        raise UnsupportedError(f"Conv2d with padding_mode={module.padding_mode!r} cannot be exported to ONNX")
    if isinstance(module.padding, str):  # "same": what is odd comes after; "valid": nothing
        windows = zip(module.dilation, module.kernel_size, strict=True)
        total = [each * (size - 1) if module.padding == "same" else 0 for each, size in windows]
        pads = [*(each // 2 for each in total), *(each - each // 2 for each in total)]
    else:
        pads = _pair(module.padding) * 2
    inputs = [x, graph.constant(_join(name, "weight"), module.weight.data)]
    if module.bias is not None:
        inputs.append(graph.constant(_join(name, "bias"), module.bias.data))
    return graph.node(
        "Conv",
        inputs,
        kernel_shape=_pair(module.kernel_size),
        strides=_pair(module.stride),
        dilations=_pair(module.dilation),
        group=int(module.groups),
        pads=pads,
    )


def _pool(graph: _Graph, module: Any, name: str, x: str) -> str:
    largest = type(module).__name__ == "MaxPool2d"
    only: dict[str, Any] = (
        {"dilations": _pair(module.dilation)}
        if largest
        else {"count_include_pad": int(module.count_include_pad)}
    )
    if getattr(module, "divisor_override", None) is not None or getattr(module, "return_indices", False):
        raise UnsupportedError(f"{module!r} cannot be exported to ONNX: it has options that ONNX has not")
    return graph.node(
        "MaxPool" if largest else "AveragePool",
        [x],
        kernel_shape=_pair(module.kernel_size),
        strides=_pair(module.stride),
        pads=_pair(module.padding) * 2,
        ceil_mode=int(module.ceil_mode),
        **only,
    )


def _flatten(graph: _Graph, module: Any, name: str, x: str) -> str:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UnsupportedError(f"{module!r} cannot be exported to ONNX: only what keeps the first axis alone")
    return graph.node("Flatten", [x], axis=1)


def _nothing(graph: _Graph, module: Any, name: str, x: str) -> str:
    """Nothing is done in evaluation."""
    return x


GATES = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""PyTorch's gates in the order of ONNX: i f g o as i o f c, and r z n as z r h."""


def _forecaster(graph: _Graph, module: Any, name: str, x: str) -> str:
    """A recurrent layer over a window with the batch first, and a linear one of its last state."""
    layer, name = module.recurrent, _join(name, "recurrent")
    kind = type(layer).__name__
    if layer.bidirectional or not layer.batch_first:
        raise UnsupportedError(f"{layer!r} cannot be exported to ONNX: one direction, the batch first")
    attributes: dict[str, Any] = {"hidden_size": layer.hidden_size}
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    if kind == "RNN":
        attributes["activations"] = [layer.nonlinearity.capitalize()]
    x = graph.node("Transpose", [x], perm=[1, 0, 2])
    for number in range(layer.num_layers):
        held = {
            key: _gates(getattr(layer, f"{key}_l{number}", None), GATES[kind], layer.hidden_size)
            for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        inputs = [
            x,
            graph.constant(f"{name}.weight_ih_l{number}", held["weight_ih"][np.newaxis]),
            graph.constant(f"{name}.weight_hh_l{number}", held["weight_hh"][np.newaxis]),
        ]
        if held["bias_ih"] is not None:
            both = np.concatenate([held["bias_ih"], held["bias_hh"]])
            inputs.append(graph.constant(f"{name}.bias_l{number}", both[np.newaxis]))
        whole, last = f"states_{number}", f"last_{number}"
        graph.node(kind, inputs, [whole, last], **attributes)
        if number + 1 < layer.num_layers:
            axis = graph.constant("axis_of_directions", np.array([1]), "int64")
            x = graph.node("Squeeze", [whole, axis])
    final = graph.node("Squeeze", [last, graph.constant("axis_of_states", np.array([0]), "int64")])
    return graph.add(module.head, _join(name.removesuffix("recurrent").rstrip("."), "head"), final)


def _gates(parameter: Any, order: tuple[int, ...], size: int) -> Any:
    if parameter is None:
        return None
    values = np.asarray(backend.to_host(parameter.data))
    return np.concatenate([values[size * gate : size * (gate + 1)] for gate in order])


def _pair(value: Any) -> list[int]:
    return [int(value)] * 2 if isinstance(value, int) else [int(each) for each in value]


LAYERS: Mapping[str, Callable[[_Graph, Any, str, str], str]] = {
    "Sequential": _sequential,
    "Linear": _linear,
    "BatchNorm1d": _batch_norm,
    "BatchNorm2d": _batch_norm,
    "Conv2d": _conv2d,
    "MaxPool2d": _pool,
    "AvgPool2d": _pool,
    "Flatten": _flatten,
    "Forecaster": _forecaster,
    **ACTIVATIONS,
    **dict.fromkeys(
        (
            "Identity",
            "Dropout",
            "Dropout1d",
            "Dropout2d",
            "AlphaDropout",
            "FeatureAlphaDropout",
            "GaussianNoise",
        ),
        _nothing,
    ),
}
"""The layers that have a form here."""

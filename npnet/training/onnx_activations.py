"""The elementwise activations in ONNX's operators, which at this version lack some of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from npnet.errors import UnsupportedError

__all__ = ["ACTIVATIONS", "Graph"]


class Graph(Protocol):
    """What an activation needs of the graph that is being made."""

    def node(self, op: str, inputs: list[str], outputs: list[str] | None = None, **attributes: Any) -> str:
        """Add an operator; returns the name of its value."""

    def number(self, value: float) -> str:
        """Add a number; returns its name."""

    def constant(self, name: str, values: Any, dtype: str = "float32") -> str:
        """Add an array under a name."""


Add = Callable[[Any, Any, str, str], str]
"""``add(graph, module, name, x)`` adds what a module does with the value `x`; the name of the result."""


def _operator(op: str, **attributes: str | float) -> Add:
    """One operator, whose attributes are the module's where they are named."""

    def add(graph: Graph, module: Any, name: str, x: str) -> str:
        options: dict[str, Any] = {
            key: float(getattr(module, held) if isinstance(held, str) else held)
            for key, held in attributes.items()
        }
        return graph.node(op, [x], **options)

    return add


def _clip(low: str | float, high: str | float) -> Add:
    def add(graph: Graph, module: Any, name: str, x: str) -> str:
        bounds = [getattr(module, each) if isinstance(each, str) else each for each in (low, high)]
        return graph.node("Clip", [x, *map(graph.number, bounds)])

    return add


def _gelu(graph: Graph, module: Any, name: str, x: str) -> str:
    if module.approximate == "tanh":  # tanh(sqrt(2 / pi) (x + 0.044715 x^3))
        cube = graph.node("Mul", [x, graph.node("Mul", [x, x])])
        inner = graph.node("Add", [x, graph.node("Mul", [cube, graph.number(0.044715)])])
        bent = graph.node("Tanh", [graph.node("Mul", [inner, graph.number(math.sqrt(2.0 / math.pi))])])
    else:
        bent = graph.node("Erf", [graph.node("Mul", [x, graph.number(math.sqrt(0.5))])])
    half = graph.node("Mul", [x, graph.number(0.5)])
    return graph.node("Mul", [half, graph.node("Add", [bent, graph.number(1.0)])])


def _softplus(graph: Graph, module: Any, name: str, x: str) -> str:
    """Without the threshold, above which the two differ by 2e-9 at most with the usual one."""
    if module.threshold < 15.0:
        raise UnsupportedError(f"{module!r} cannot be exported to ONNX: its threshold is below 15")
    if module.beta == 1.0:
        return graph.node("Softplus", [x])
    beta = graph.number(module.beta)
    return graph.node("Div", [graph.node("Softplus", [graph.node("Mul", [x, beta])]), beta])


def _log_sigmoid(graph: Graph, module: Any, name: str, x: str) -> str:
    return graph.node("Neg", [graph.node("Softplus", [graph.node("Neg", [x])])])


def _mish(graph: Graph, module: Any, name: str, x: str) -> str:
    return graph.node("Mul", [x, graph.node("Tanh", [graph.node("Softplus", [x])])])


def _silu(graph: Graph, module: Any, name: str, x: str) -> str:
    return graph.node("Mul", [x, graph.node("Sigmoid", [x])])


def _tanhshrink(graph: Graph, module: Any, name: str, x: str) -> str:
    return graph.node("Sub", [x, graph.node("Tanh", [x])])


def _threshold(graph: Graph, module: Any, name: str, x: str) -> str:
    above = graph.node("Greater", [x, graph.number(module.threshold)])
    return graph.node("Where", [above, x, graph.number(module.value)])


def _prelu(graph: Graph, module: Any, name: str, x: str) -> str:
    if module.num_parameters != 1:
        raise UnsupportedError(f"{module!r} cannot be exported to ONNX: one slope for all channels can")
    slope = graph.constant(f"{name}.weight" if name else "weight", module.weight.data)
    return graph.node("PRelu", [x, slope])


ACTIVATIONS: Mapping[str, Add] = {
    "CELU": _operator("Celu", alpha="alpha"),
    "ELU": _operator("Elu", alpha="alpha"),
    "GELU": _gelu,
    "Hardshrink": _operator("Shrink", lambd="lambd", bias=0.0),
    "Hardsigmoid": _operator("HardSigmoid", alpha=1.0 / 6.0, beta=0.5),
    "Hardswish": _operator("HardSwish"),
    "Hardtanh": _clip("min_val", "max_val"),
    "LeakyReLU": _operator("LeakyRelu", alpha="negative_slope"),
    "LogSigmoid": _log_sigmoid,
    "Mish": _mish,
    "PReLU": _prelu,
    "ReLU": _operator("Relu"),
    "ReLU6": _clip(0.0, 6.0),
    "SELU": _operator("Selu"),
    "SiLU": _silu,
    "Sigmoid": _operator("Sigmoid"),
    "Softplus": _softplus,
    "Softshrink": _operator("Shrink", lambd="lambd", bias="lambd"),
    "Softsign": _operator("Softsign"),
    "Tanh": _operator("Tanh"),
    "Tanhshrink": _tanhshrink,
    "Threshold": _threshold,
}
"""By class of :mod:`npnet.nn`."""

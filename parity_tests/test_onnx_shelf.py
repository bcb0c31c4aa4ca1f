"""Activations, losses and dropout against ONNX's node tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npnet.nn import functional
from npnet.nn.activation.exponential import SELU_ALPHA, SELU_SCALE, exponential_unit
from parity_tests.onnx_nodes import Node, hold

HostArray = npt.NDArray[Any]
Formula = Callable[..., HostArray]


def named(function: Formula, **attributes: tuple[str, Any]) -> Callable[[Node], Iterable[HostArray]]:
    """A function of one input; each of its arguments by the name and the default of ONNX's attribute."""

    def compute(node: Node) -> Iterable[HostArray]:
        given = {
            argument: node.attributes.get(name, default) for argument, (name, default) in attributes.items()
        }
        yield function(node.inputs[0], **given)

    return compute


def shrink(node: Node) -> Iterable[HostArray]:
    """Hard without a bias, soft where the bias is the threshold."""
    bias, lambd = node.attributes.get("bias", 0.0), node.attributes["lambd"]
    assert bias in (0.0, lambd)
    yield (functional.softshrink if bias else functional.hardshrink)(node.inputs[0], lambd)


def selu(x: HostArray, alpha: float, gamma: float) -> HostArray:
    """ONNX lets one choose the two constants."""
    return exponential_unit(x, alpha, 1.0, gamma)


ALPHA = {"alpha": ("alpha", 1.0)}

ACTIVATIONS: dict[str, tuple[Callable[[Node], Iterable[HostArray]], int]] = {
    "celu": (named(functional.celu, **ALPHA), 1),
    "elu": (named(functional.elu, **ALPHA), 3),
    "gelu": (named(functional.gelu, approximate=("approximate", "none")), 4),
    "hardswish": (named(functional.hardswish), 1),
    "leakyrelu": (named(functional.leaky_relu, negative_slope=("alpha", 0.01)), 3),
    "logsoftmax": (named(functional.log_softmax, dim=("axis", -1)), 7),
    "mish": (named(functional.mish), 1),
    "relu": (named(functional.relu), 1),
    "selu": (named(selu, alpha=("alpha", SELU_ALPHA), gamma=("gamma", SELU_SCALE)), 3),
    "shrink": (shrink, 2),
    "sigmoid": (named(functional.sigmoid), 2),
    "softmax": (named(functional.softmax, dim=("axis", -1)), 7),
    "softplus": (named(functional.softplus), 2),
    "softsign": (named(functional.softsign), 2),
    "swish": (named(functional.silu), 1),
    "tanh": (named(functional.tanh), 2),
    "thresholdedrelu": (
        named(lambda x, alpha: functional.threshold(x, alpha, 0.0), alpha=("alpha", 1.0)),
        3,
    ),
}
"""By file: what computes its nodes, and how many there are at least.

Not here are ``hardsigmoid``, whose line is another one in ONNX, and ``prelu``, whose slopes lie along the
last axis.
"""


@pytest.mark.parametrize("file", ACTIVATIONS)
def test_activations(file: str) -> None:
    compute, fewest = ACTIVATIONS[file]
    half = {"test_celu_*float16": "npnet computes in float32 and float64"} if file == "celu" else {}
    assert hold(file, compute, passed_over=half) >= fewest


def class_loss(function: Formula) -> Callable[[Node], Iterable[HostArray]]:
    """A loss of scores and class indices; its second output, where there is one, is the log-softmax."""

    def compute(node: Node) -> Iterable[HostArray]:
        x, target, *rest = node.inputs
        assert x is not None
        weight = rest[0] if rest else None
        ignored = node.attributes.get("ignore_index", -100)
        reduction = node.attributes.get("reduction", "mean")
        yield np.asarray(function(x, target, weight, ignore_index=ignored, reduction=reduction))
        if len(node.outputs) > 1:
            yield functional.log_softmax(x, 1)

    return compute


def test_negative_log_likelihood() -> None:
    assert hold("negativeloglikelihoodloss", class_loss(functional.nll_loss)) >= 18


def test_softmax_cross_entropy() -> None:
    assert hold("softmax_cross_entropy_loss", class_loss(functional.cross_entropy)) >= 34


def dropout(node: Node) -> Iterable[HostArray]:
    """With ONNX's own mask, which some cases show and which the zeros of the others tell."""
    x, *rest = node.inputs
    assert x is not None
    p = 0.5 if not rest or rest[0] is None else float(rest[0])
    if len(rest) < 2 or not rest[1]:  # not training
        yield functional.dropout(x, p, training=False)
        return
    shown = node.outputs[1] if len(node.outputs) > 1 else None
    mask = node.outputs[0] != 0 if shown is None else shown
    yield functional.dropout(x, p, mask=np.asarray(mask, dtype=bool))


def test_dropout() -> None:
    assert hold("dropout", dropout) >= 12

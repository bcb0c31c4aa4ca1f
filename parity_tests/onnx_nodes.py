"""ONNX's node tests as an oracle: inputs, attributes and outputs of single operators, shipped in its wheel.

A test names the file that holds an operator's cases (``onnx/backend/test/case/node/conv.py`` is ``"conv"``)
and a function that computes a node with npnet; :func:`hold` runs every case and says how many there were.
Cases are made when they are asked for, since some files take seconds to compute theirs.

References
----------
ONNX's operators, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

__all__ = ["Node", "hold", "nodes"]

HostArray = npt.NDArray[Any]

TOLERANCE = 1e-5
"""Of an output, relative to the larger of 1e-3 and its largest element: ONNX's cases are in float32."""


@dataclass(frozen=True)
class Node:
    """One case of one operator.

    Attributes
    ----------
    name : str
        Of the case, ``"test_basic_conv_with_padding"``.
    operator : str
        ``"Conv"``.
    attributes : dict
        Those that the node gives, as Python numbers, lists and text; the others have ONNX's defaults.
    inputs, outputs : tuple of ndarray or None
        In the operator's order; None for an optional one that is left out.
    """

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: tuple[HostArray | None, ...]
    outputs: tuple[HostArray | None, ...]


@functools.cache
def nodes(file: str) -> tuple[Node, ...]:
    """The cases of one file that consist of a single node, not those "expanded" into simpler operators."""
    onnx = pytest.importorskip("onnx")
    package = importlib.import_module("onnx.backend.test.case.node")
    module = importlib.import_module(f"{package.__name__}.{file}")  # adds its cases to the package's list
    operators = {name for name, value in vars(module).items() if isinstance(value, type)}
    single = (case for case in package._NodeTestCases if len(case.model.graph.node) == 1)
    return tuple(
        _read(case, onnx.helper.get_attribute_value)
        for case in single
        if case.model.graph.node[0].op_type in operators
    )


def _read(case: Any, value_of: Callable[[Any], Any]) -> Node:
    (node,), (inputs, outputs) = case.model.graph.node, case.data_sets[0]
    given = dict(zip((each.name for each in case.model.graph.input), inputs, strict=True))
    made = dict(zip((each.name for each in case.model.graph.output), outputs, strict=True))
    attributes = {each.name: _plain(value_of(each)) for each in node.attribute}
    return Node(
        case.name,
        node.op_type,
        attributes,
        tuple(given.get(name) for name in node.input),
        tuple(made.get(name) for name in node.output),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if isinstance(value, Iterable) else value


def hold(
    file: str,
    compute: Callable[[Node], Iterable[HostArray | None]],
    *,
    passed_over: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
) -> int:
    """Compare what `compute` makes of every node of a file with the outputs that ONNX demands.

    Parameters
    ----------
    file : str
    compute : function of a Node
        Gives the outputs in the operator's order; None for one that npnet does not show.
    passed_over : mapping of str to str, optional
        Shell patterns of names of cases that no class of npnet maps onto, and why; each must match one.
    tolerance : float
        Of an output, relative to the larger of 1e-3 and its largest element.

    Returns
    -------
    int
        How many nodes were compared.
    """
    passed_over = passed_over or {}
    everything = nodes(file)
    for pattern, reason in passed_over.items():
        assert reason
        assert any(fnmatch(node.name, pattern) for node in everything), f"{pattern!r} passes nothing over"
    rest = [node for node in everything if not any(fnmatch(node.name, each) for each in passed_over)]
    for node in rest:
        found = list(compute(node))
        assert found, f"{node.name}: nothing was computed"
        compared = 0
        for ours, expected in zip(found, node.outputs, strict=False):
            if ours is None or expected is None:
                continue
            assert ours.shape == expected.shape, (
                f"{node.name}: shape {ours.shape}, ONNX's is {expected.shape}"
            )
            scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-3)
            np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * scale, err_msg=node.name)
            compared += 1
        assert compared, f"{node.name}: no output was compared"
    return len(rest)

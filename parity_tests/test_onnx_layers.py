"""Layers against ONNX's node tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npnet.nn import functional
from parity_tests.onnx_nodes import Node, hold

HostArray = npt.NDArray[Any]


def gemm(node: Node) -> Iterable[HostArray | None]:
    """A linear layer's formula; the transposes and factors of the operator are applied around it."""
    a, b, *rest = node.inputs
    assert a is not None
    assert b is not None
    a = a.T if node.attributes.get("transA") else a
    weight = b if node.attributes.get("transB") else b.T
    bias = None if not rest or rest[0] is None else node.attributes.get("beta", 1.0) * rest[0]
    yield functional.linear(node.attributes.get("alpha", 1.0) * a, weight, bias)


def test_gemm() -> None:
    assert hold("gemm", gemm) >= 11


# ------------------------------------------------------------------ the runner itself


def test_a_wrong_value_is_noticed() -> None:
    with pytest.raises(AssertionError, match="test_gemm_"):
        hold("gemm", lambda node: (y if y is None else y * np.float32(1.0001) for y in node.outputs))


def test_a_computation_that_shows_nothing_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no output was compared"):
        hold("gemm", lambda node: (None for _ in node.outputs))


def test_a_pattern_that_passes_nothing_over_is_noticed() -> None:
    with pytest.raises(AssertionError, match="passes nothing over"):
        hold("gemm", gemm, passed_over={"test_no_such_case": "there is none"})

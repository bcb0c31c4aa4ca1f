"""Specifications of the kinds of dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import ShapeError
from parity_tests.registry.layers import BETWEEN, INPLACE, NO_ARRAY, elementwise, large, sizes
from parity_tests.registry.specification import Case, ModuleSpecification, Refusal, arrays, seeds

__all__ = ["NOISE"]

PROBABILITIES = st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]) | st.floats(0.0, 0.99)

REFUSED = (
    Refusal("p above one", "between 0 and 1, got 1.5", {"p": 1.5}),
    Refusal("p below zero", "between 0 and 1, got -0.1", {"p": -0.1}),
    INPLACE,
    NO_ARRAY,
)


@st.composite
def channels(draw: st.DrawFn, fewest: int, most: int) -> Case:
    """Inputs with so many axes."""
    batches = []
    for _ in range(3):
        axes = draw(st.integers(fewest, most))
        batches.append((draw(arrays(tuple(draw(sizes) for _ in range(axes)))),))
    return Case({"p": draw(PROBABILITIES)}, tuple(batches), draw(seeds), draw(BETWEEN))


def axes(number: int, message: str, **options: Any) -> Refusal:
    """An input with a wrong number of axes."""
    return Refusal(f"{number} axes", message, inputs=(np.ones((2,) * number),), **options)


WARNED = {"only": ShapeError, "reason": "PyTorch warns that it will refuse it"}

NOISE = (
    ModuleSpecification(
        "Dropout1d",
        channels(2, 3),
        large({"p": 0.3}, (16, 10, 100)),
        (*REFUSED, axes(1, r"\(c, length\), got \(2,\)"), axes(4, r"\(c, length\), got \(2, 2, 2, 2\)")),
    ),
    ModuleSpecification(
        "Dropout2d",
        channels(4, 4),
        large({"p": 0.3}, (16, 10, 10, 10)),
        (*REFUSED, axes(1, r"got \(2,\)"), axes(2, r"got \(2, 2\)", **WARNED), axes(3, "height", **WARNED)),
    ),
    ModuleSpecification("AlphaDropout", elementwise(p=PROBABILITIES), large({"p": 0.3}, (128, 100)), REFUSED),
    ModuleSpecification(
        "FeatureAlphaDropout",
        channels(2, 5),
        large({"p": 0.3}, (16, 10, 100)),
        (*REFUSED, axes(1, r"\(n, c, ...\), got \(2,\)")),
    ),
)

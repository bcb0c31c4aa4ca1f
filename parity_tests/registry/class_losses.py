"""Specifications of the losses of several classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from parity_tests.registry.losses import COMMON, REDUCTIONS, sizes
from parity_tests.registry.specification import VALUES, Case, ModuleSpecification, Refusal, arrays, seeds

__all__ = ["CLASS_LOSSES"]

ALL_KINDS = tuple(VALUES)

X = np.ones((3, 4))
LABELS = np.array([0, 1, 2])
SPACE, SPACE_LABELS = np.ones((3, 4, 2)), np.zeros((3, 5), np.int64)


@st.composite
def labels(draw: st.DrawFn, classes: int, around: list[int], ignored: int) -> np.ndarray:
    """Class indices, some of them, or all, to be ignored."""
    rng = np.random.default_rng(draw(seeds))
    target = np.array(rng.integers(0, classes, around))
    return np.where(rng.random(around) < draw(st.sampled_from([0.0, 0.3, 1.0])), ignored, target)


@st.composite
def cross_entropy(draw: st.DrawFn) -> Case:
    classes = draw(st.integers(1, 5))
    by_index = draw(st.booleans())
    arguments: dict[str, Any] = {
        "reduction": draw(REDUCTIONS),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1, 0.7, 1.0])),
    }
    if by_index:
        arguments["ignore_index"] = draw(st.sampled_from([-100, -1, 0, 1, 7]))
    if draw(st.booleans()):
        arguments["weight"] = np.abs(draw(arrays((classes,), ("normal",)))) + 0.1
    batches = []
    for _ in range(2):
        around = draw(st.lists(sizes, max_size=3))
        shape = (*around[:1], classes, *around[1:])
        x = draw(arrays(shape, ALL_KINDS))
        if by_index:
            target = draw(labels(classes, around, arguments["ignore_index"]))
        else:
            rng = np.random.default_rng(draw(seeds))
            target = rng.dirichlet(np.ones(classes), around)
            target = np.moveaxis(target, -1, min(1, len(around))) * draw(st.sampled_from([1.0, 1.7]))
        batches.append((x, target))
    return Case(arguments, tuple(batches), draw(seeds))


@st.composite
def nll(draw: st.DrawFn) -> Case:
    """Inputs of any number of axes, some log-probabilities minus infinity where the sample is ignored."""
    classes = draw(st.integers(1, 5))
    arguments: dict[str, Any] = {
        "reduction": draw(REDUCTIONS),
        "ignore_index": draw(st.sampled_from([-100, -1, 0, 1, 7])),
    }
    if draw(st.booleans()):
        arguments["weight"] = np.abs(draw(arrays((classes,), ("normal",)))) + 0.1
    batches = []
    for _ in range(2):
        around = draw(st.lists(sizes, max_size=3))
        x = draw(arrays((*around[:1], classes, *around[1:]), ALL_KINDS))
        batches.append((x, draw(labels(classes, around, arguments["ignore_index"]))))
    return Case(arguments, tuple(batches), draw(seeds))


@st.composite
def multi_margin(draw: st.DrawFn) -> Case:
    """One sample, or several."""
    classes = draw(st.integers(1, 5))
    arguments: dict[str, Any] = {
        "reduction": draw(REDUCTIONS),
        "p": draw(st.sampled_from([1, 2])),
        "margin": draw(st.sampled_from([0.5, 1.0, 2.0])),
    }
    if draw(st.booleans()):
        arguments["weight"] = np.abs(draw(arrays((classes,), ("normal",)))) + 0.1
    batches = []
    for _ in range(2):
        around = draw(st.lists(sizes, max_size=1))
        x = draw(arrays((*around, classes), ALL_KINDS))
        rng = np.random.default_rng(draw(seeds))
        batches.append((x, np.array(rng.integers(0, classes, around))))
    return Case(arguments, tuple(batches), draw(seeds))


def large_classes(rng: np.random.Generator) -> Case:
    """Many samples, of ten classes."""
    x = 3.0 * rng.normal(size=(10_240, 10))
    return Case({"reduction": "none"}, ((x, rng.integers(0, 10, 10_240)),), int(rng.integers(2**31)))


CLASS_LOSSES = (
    ModuleSpecification(
        "CrossEntropyLoss",
        cross_entropy(),
        large_classes,
        (
            *COMMON,
            Refusal("reduction", "'mean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, LABELS)),
            Refusal("smoothing", "between 0 and 1, got 1.5", {"label_smoothing": 1.5}, (X, LABELS)),
            Refusal("label too large", "target 4 is out of bounds", inputs=(X, np.array([0, 4, 1]))),
            Refusal("label negative", "target -1 is out of bounds", inputs=(X, np.array([0, -1, 1]))),
            Refusal("labels of another length", r"indices of shape \(3,\)", inputs=(X, np.array([0, 1]))),
            Refusal("labels with an axis more", r"indices of shape \(3,\)", inputs=(X, LABELS[:, None])),
            Refusal("probabilities of another shape", r"\(3, 4\) and \(3, 5\)", inputs=(X, np.ones((3, 5)))),
            Refusal("ignore_index for probabilities", "ignore_index", {"ignore_index": 1}, (X, X / 4)),
            Refusal(
                "weight of another length", "does not fit 4 classes", {"weight": np.ones(3)}, (X, LABELS)
            ),
            Refusal("no class axis", "class axis", inputs=(np.array(1.0), np.array(0))),
        ),
        least_slope=1.0,
    ),
    ModuleSpecification(
        "NLLLoss",
        nll(),
        large_classes,
        (
            *COMMON,
            Refusal("reduction", "'mean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, LABELS)),
            Refusal("label too large", "target 4 is out of bounds", inputs=(X, np.array([0, 4, 1]))),
            Refusal("label negative", "target -1 is out of bounds", inputs=(X, np.array([0, -1, 1]))),
            Refusal("labels of another length", r"indices of shape \(3,\)", inputs=(X, np.array([0, 1]))),
            Refusal("labels of another place", r"indices of shape \(3, 2\)", inputs=(SPACE, SPACE_LABELS)),
            Refusal("probabilities", "integers, as target, got float64", inputs=(X, np.ones(3))),
            Refusal(
                "weight of another length", "does not fit 4 classes", {"weight": np.ones(3)}, (X, LABELS)
            ),
            Refusal("no class axis", "class axis", inputs=(np.array(1.0), np.array(0))),
        ),
    ),
    ModuleSpecification(
        "MultiMarginLoss",
        multi_margin(),
        large_classes,
        (
            *COMMON,
            Refusal("reduction", "'mean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, LABELS)),
            Refusal("power", "p must be 1 or 2, got 3", {"p": 3}),
            Refusal("label too large", "target 4 is out of bounds", inputs=(X, np.array([0, 4, 1]))),
            Refusal("label negative", "target -1 is out of bounds", inputs=(X, np.array([0, -1, 1]))),
            Refusal("labels of another length", r"indices of shape \(3,\)", inputs=(X, np.array([0, 1]))),
            Refusal("three axes", r"\(C,\) or \(n, C\)", inputs=(SPACE, LABELS)),
            Refusal("floating labels", "integers, as target, got float64", inputs=(X, np.ones(3))),
            Refusal(
                "weight of another length", "does not fit 4 classes", {"weight": np.ones(3)}, (X, LABELS)
            ),
            Refusal("weight of two axes", r"one axis, got shape \(2, 2\)", {"weight": np.ones((2, 2))}),
        ),
        smooth=False,
    ),
)

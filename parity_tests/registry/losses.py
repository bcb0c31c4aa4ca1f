"""Specifications of the losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import ShapeError, UnsupportedError
from parity_tests.registry.specification import (
    VALUES,
    Batch,
    Case,
    ModuleSpecification,
    Refusal,
    array_of,
    arrays,
    seeds,
)

__all__ = ["LOSSES"]

ALL_KINDS = tuple(VALUES)
BETWEEN = st.sampled_from(["add", "none", "zeros"])
REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
sizes = st.integers(1, 5)


def of_input_s_shape(least: int, targets: Any) -> Any:
    """Batches of an input and a target of one shape."""

    def batch(shape: list[int], kind: str, seed: int) -> Batch:
        return array_of(kind, seed, tuple(shape)), targets(np.random.default_rng(seed + 1), tuple(shape))

    shapes = st.lists(sizes, min_size=least, max_size=4)
    return st.builds(batch, shapes, st.sampled_from(ALL_KINDS), seeds)


def probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between 0 and 1, both ends included, each often."""
    return np.clip(rng.uniform(-0.5, 1.5, shape), 0.0, 1.0)


@st.composite
def mse(draw: st.DrawFn) -> Case:
    batches = of_input_s_shape(0, lambda rng, shape: rng.integers(-2, 3, shape).astype(np.float64))
    return Case({"reduction": draw(REDUCTIONS)}, tuple(draw(batches) for _ in range(2)), draw(seeds))


@st.composite
def binary_cross_entropy(draw: st.DrawFn) -> Case:
    batch = draw(of_input_s_shape(1, probabilities))
    shape = batch[0].shape
    weights = st.sampled_from([shape, shape[-1:], (1,)]).flatmap(lambda s: arrays(s, ("normal", "ties")))
    options = st.fixed_dictionaries(
        {"reduction": REDUCTIONS},
        optional={"weight": weights.map(np.abs), "pos_weight": weights.map(np.abs)},
    )
    other = (-batch[0], 1.0 - batch[1])
    return Case(draw(options), (batch, other), draw(seeds))


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
        rng = np.random.default_rng(draw(seeds))
        if by_index:
            target = np.array(rng.integers(0, classes, around))
            ignored = rng.random(around) < draw(st.sampled_from([0.0, 0.3, 1.0]))
            target = np.where(ignored, arguments["ignore_index"], target)
        else:
            target = rng.dirichlet(np.ones(classes), around)
            target = np.moveaxis(target, -1, min(1, len(around))) * draw(st.sampled_from([1.0, 1.7]))
        batches.append((x, target))
    return Case(arguments, tuple(batches), draw(seeds))


def large_pair(rng: np.random.Generator) -> Case:
    """Many elements, each with its own loss."""
    x = 3.0 * rng.normal(size=(128, 100))
    return Case({"reduction": "none"}, ((x, rng.uniform(size=x.shape)),), int(rng.integers(2**31)))


def large_classes(rng: np.random.Generator) -> Case:
    """Many samples, of ten classes."""
    x = 3.0 * rng.normal(size=(10_240, 10))
    return Case({"reduction": "none"}, ((x, rng.integers(0, 10, 10_240)),), int(rng.integers(2**31)))


X = np.ones((3, 4))
LABELS = np.array([0, 1, 2])
WEIGHT = np.ones(4)


def deprecated(name: str) -> Refusal:
    """An argument that PyTorch takes with a warning."""
    return Refusal(
        name,
        "deprecated in PyTorch; use reduction=",
        {name: True},
        only=UnsupportedError,
        reason="deprecated in PyTorch",
    )


COMMON = (
    deprecated("size_average"),
    deprecated("reduce"),
    Refusal("a list", "takes an array, got list", inputs=([1.0], [1.0])),
)
REDUCTION = Refusal("reduction", "'mean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, X))

LOSSES = (
    ModuleSpecification(
        "MSELoss",
        mse(),
        large_pair,
        (
            *COMMON,
            REDUCTION,
            Refusal("shapes", r"\(3, 4\) and \(3, 5\)", inputs=(X, np.ones((3, 5)))),
            Refusal(
                "shapes that broadcast",
                r"one shape, got \(3, 1\) and \(3,\)",
                inputs=(np.ones((3, 1)), np.ones(3)),
                only=ShapeError,
                reason="PyTorch warns and broadcasts, which is hardly ever meant",
            ),
        ),
    ),
    ModuleSpecification(
        "BCEWithLogitsLoss",
        binary_cross_entropy(),
        large_pair,
        (
            *COMMON,
            REDUCTION,
            Refusal("shapes", r"\(3, 4\) and \(3, 1\)", inputs=(X, np.ones((3, 1)))),
            Refusal("weight", "must be a floating array", {"weight": [1.0, 2.0]}, (X, X)),
        ),
        least_slope=1.0,
    ),
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
)

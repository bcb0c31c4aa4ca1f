"""Specifications of the layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import UnsupportedError
from parity_tests.registry.specification import VALUES, Case, ModuleSpecification, Refusal, arrays, seeds
from parity_tests.registry.this_torch import known_arguments

__all__ = ["LAYERS"]

ALL_KINDS = tuple(VALUES)
BETWEEN = st.sampled_from(["add", "none", "zeros"])
sizes = st.integers(1, 5)

X = np.ones((3, 4))
"""An input that is right for the layers below; refusals bend it."""


@st.composite
def shapes(draw: st.DrawFn, least: int = 1, most: int = 4) -> tuple[int, ...]:
    return tuple(draw(st.lists(sizes, min_size=least, max_size=most)))


@st.composite
def elementwise(draw: st.DrawFn, **options: st.SearchStrategy[Any]) -> Case:
    """A layer that takes any shape."""
    arguments = draw(st.fixed_dictionaries({}, optional=options))
    batches = tuple((draw(arrays(draw(shapes(least=0)), ALL_KINDS)),) for _ in range(3))
    return Case(arguments, batches, draw(seeds), draw(BETWEEN))


@st.composite
def linear(draw: st.DrawFn) -> Case:
    n_in, n_out = draw(sizes), draw(sizes)
    arguments = {"in_features": n_in, "out_features": n_out, "bias": draw(st.booleans())}
    leading = [draw(shapes(least=0, most=3)) for _ in range(3)]
    if draw(st.booleans()):  # more rows than the column sums add at once
        leading[0] = (130,)
    batches = tuple((draw(arrays((*shape, n_in), ALL_KINDS)),) for shape in leading)
    return Case(arguments, batches, draw(seeds), draw(BETWEEN))


@st.composite
def batch_norm(draw: st.DrawFn, axes: int = 1) -> Case:
    """Batches with up to so many axes of positions; of one axis it may be missing."""
    channels = draw(sizes)
    arguments = {
        "num_features": channels,
        "momentum": draw(st.sampled_from([0.1, None, 0.5, 0.0, 1.0])),
        "affine": draw(st.booleans()),
        "track_running_stats": draw(st.booleans()),
        **draw(known_arguments(f"BatchNorm{axes}d", bias=st.booleans())),
    }
    # Two values a channel are, but for eps, always normalised to -1 and 1: with a small eps the true gradient
    # vanishes and only rounding is left to compare.
    fewest = draw(st.sampled_from([2, 3, 3]))
    arguments["eps"] = draw(st.sampled_from([1e-5, 1e-3, 0.5] if fewest == 3 else [1e-3, 0.5]))
    batches = []
    for _ in range(3):
        rows = draw(st.integers(fewest, 70))
        positions = draw(shapes(0 if axes == 1 else axes, axes))
        shape = (rows, channels, *positions)
        batches.append((draw(arrays(shape, ALL_KINDS if fewest == 3 else ("normal",))),))
    return Case(arguments, tuple(batches), draw(seeds), draw(BETWEEN))


@st.composite
def flatten(draw: st.DrawFn) -> Case:
    axes = draw(st.integers(1, 4))
    start = draw(st.integers(0, axes - 1))
    end = draw(st.integers(start, axes - 1))
    arguments = {
        "start_dim": start - draw(st.sampled_from([0, axes])),
        "end_dim": end - draw(st.sampled_from([0, axes])),
    }
    batches = tuple((draw(arrays(draw(shapes(axes, axes)))),) for _ in range(3))
    return Case(arguments, batches, draw(seeds), draw(BETWEEN))


identity = st.builds(
    Case, st.just({}), st.tuples(*[st.tuples(shapes(least=0).flatmap(arrays))] * 3), seeds, BETWEEN
)


def large(arguments: dict[str, Any], shape: tuple[int, ...], shift: float = 0.0) -> Any:
    """A large case of one shape."""
    return lambda rng: Case(arguments, ((rng.normal(size=shape) + shift,),), int(rng.integers(2**31)))


NO_ARRAY = Refusal("a list", "takes an array, got list", inputs=([1.0, 2.0],))
INPLACE = Refusal(
    "inplace",
    "inplace=True is not supported",
    {"inplace": True},
    only=UnsupportedError,
    reason="a layer here never overwrites its input",
)

WIDE = {"in_features": 128, "out_features": 160}
NORM = {"num_features": 4}

LAYERS = (
    ModuleSpecification(
        "Linear",
        linear(),
        large(WIDE, (512, 128)),
        (
            Refusal("negative size", "must not be negative", {"in_features": 3, "out_features": -1}),
            Refusal(
                "last axis",
                r"in_features=4.*got.*\(3, 5\)|\(3, 5\)",
                {"in_features": 4, "out_features": 2},
                (np.ones((3, 5)),),
            ),
            Refusal(
                "dtype",
                "float64 parameters and was given float32",
                {"in_features": 4, "out_features": 2},
                (X.astype(np.float32),),
            ),
            Refusal("integers", "given int64", {"in_features": 4, "out_features": 2}, (X.astype(np.int64),)),
            Refusal("a list", "takes an array", {"in_features": 4, "out_features": 2}, (X.tolist(),)),
            Refusal("0-d", r"got \(\)", {"in_features": 4, "out_features": 2}, (np.array(1.0),)),
        ),
    ),
    ModuleSpecification(
        "BatchNorm1d",
        batch_norm(),
        large({"num_features": 10_240}, (64, 10_240), 1.0),
        (
            Refusal("negative size", "must not be negative", {"num_features": -1}),
            Refusal("channels", r"BatchNorm1d\(4\).*\(3, 5\)", NORM, (np.ones((3, 5)),)),
            Refusal("1-d", r"2-d or 3-d.*\(4,\)", NORM, (np.ones(4),)),
            Refusal("4-d", "2-d or 3-d", NORM, (np.ones((2, 4, 2, 2)),)),
            Refusal("one sample", "more than 1 value per channel", NORM, (np.ones((1, 4)),)),
            Refusal("one sample, 3-d", "more than 1 value per channel", NORM, (np.ones((1, 4, 1)),)),
            Refusal("dtype", "float32 parameters and was given float64", NORM, (X,), "float32"),
            Refusal("a list", "takes an array", NORM, (X.tolist(),)),
        ),
    ),
    ModuleSpecification(
        "Dropout",
        elementwise(p=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]) | st.floats(0.0, 1.0)),
        large({"p": 0.3}, (128, 100)),
        (
            Refusal("p above one", "between 0 and 1, got 1.5", {"p": 1.5}),
            Refusal("p below zero", "between 0 and 1, got -0.1", {"p": -0.1}),
            INPLACE,
            NO_ARRAY,
        ),
    ),
    ModuleSpecification(
        "Flatten",
        flatten(),
        refusals=(
            Refusal("out of range", "out of range", {"start_dim": 5}, (X,)),
            Refusal("wrong order", "behind the last", {"start_dim": 1, "end_dim": 0}, (X,)),
        ),
    ),
    ModuleSpecification("Identity", identity),
)

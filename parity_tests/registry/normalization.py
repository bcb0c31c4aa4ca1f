"""Specifications of the layers that normalise each sample by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import ArgumentError, DtypeError, ShapeError
from parity_tests.registry.layers import BETWEEN, X, large, shapes
from parity_tests.registry.specification import Case, ModuleSpecification, Refusal, arrays, seeds
from parity_tests.registry.this_torch import known_arguments

__all__ = ["NORMALIZATIONS"]

KINDS = ("normal", "shifted", "extreme")
few = st.integers(1, 3)


def epsilon(draw: st.DrawFn, values: int) -> tuple[float, tuple[str, ...]]:
    """Of few values the true gradient nearly vanishes with a small eps, and only rounding is left."""
    if values < 3:
        return draw(st.sampled_from([0.1, 0.5])), ("normal",)
    return draw(st.sampled_from([1e-5, 1e-3, 0.5])), KINDS


@st.composite
def rows(draw: st.DrawFn, rms: bool) -> Case:
    """LayerNorm and RMSNorm: one axis or more at the end, any before."""
    shape = (*draw(shapes(0, 1)), draw(st.integers(2, 6)))  # of one value the true gradient is zero
    leading = [draw(shapes(0, 2)) for _ in range(3)]
    if draw(st.booleans()):  # more rows than the column sums add at once
        leading[0] = (130,)
    arguments: dict[str, Any] = {"elementwise_affine": draw(st.booleans())}
    arguments["normalized_shape"] = shape[0] if len(shape) == 1 and draw(st.booleans()) else shape
    arguments["eps"], kinds = epsilon(draw, math.prod(shape))
    if rms:
        arguments["eps"] = draw(st.sampled_from([None, arguments["eps"]]))
    else:
        arguments["bias"] = draw(st.booleans())
    batches = tuple((draw(arrays((*each, *shape), kinds)),) for each in leading)
    return Case(arguments, batches, draw(seeds), draw(BETWEEN))


@st.composite
def groups(draw: st.DrawFn) -> Case:
    """Two axes or more."""
    count, within = draw(few), draw(few)
    leading = [draw(st.integers(2, 70)) for _ in range(3)]
    positions = draw(shapes(0, 2))
    within += math.prod((within, *positions)) == 1  # of one value the true gradient is zero
    arguments = {"num_groups": count, "num_channels": count * within, "affine": draw(st.booleans())}
    arguments |= draw(known_arguments("GroupNorm", bias=st.booleans()))
    arguments["eps"], kinds = epsilon(draw, within * math.prod(positions))
    batches = tuple((draw(arrays((n, count * within, *positions), kinds)),) for n in leading)
    return Case(arguments, batches, draw(seeds), draw(BETWEEN))


@st.composite
def instances(draw: st.DrawFn, axes: int) -> Case:
    """Batches, or one sample alone."""
    channels = draw(few)
    positions = (draw(st.integers(2, 5)), *[draw(few) for _ in range(axes - 1)])
    arguments = {
        "num_features": channels,
        "momentum": draw(st.sampled_from([0.1, None, 0.5, 1.0])),
        "affine": draw(st.booleans()),
        "track_running_stats": draw(st.booleans()),
        **draw(known_arguments(f"InstanceNorm{axes}d", bias=st.booleans())),
    }
    arguments["eps"], kinds = epsilon(draw, math.prod(positions))
    leading = [() if draw(st.integers(0, 3)) == 0 else (draw(few),) for _ in range(3)]
    batches = tuple((draw(arrays((*n, channels, *positions), kinds)),) for n in leading)
    return Case(arguments, batches, draw(seeds), draw(BETWEEN))


def row_refusals(name: str) -> tuple[Refusal, ...]:
    """What LayerNorm and RMSNorm must refuse."""
    return (
        Refusal(
            "shape", rf"{name}\(\(5,\)\) takes.*\(\.\.\., 5\), got \(3, 4\)", {"normalized_shape": 5}, (X,)
        ),
        Refusal("more axes", r"got \(3, 4\)", {"normalized_shape": (2, 3, 4)}, (X,)),
        Refusal("no axis", "must name an axis", {"normalized_shape": ()}, (X,)),
        Refusal("negative", "must name an axis", {"normalized_shape": -1}),
        Refusal("a fraction", "one or more integers, got 2.5", {"normalized_shape": 2.5}),
        Refusal(
            "dtype",
            "float32 parameters and was given float64",
            {"normalized_shape": 4},
            (X,),
            "float32",
            only=DtypeError if name == "RMSNorm" else None,
            reason="parameters and input have one dtype, in this layer as in the others",
        ),
        Refusal("a list", "takes an array", {"normalized_shape": 4}, (X.tolist(),)),
    )


def instance_refusals(name: str, x: Any) -> tuple[Refusal, ...]:
    """What instance normalisation must refuse."""
    one = x[..., :1].reshape(2, 4, *[1] * (x.ndim - 2), -1)[..., :1].reshape(2, 4, *[1] * (x.ndim - 2))
    return (
        Refusal("channels", rf"{name}\(3\).*\(2, 4, 5", {"num_features": 3, "affine": True}, (x,)),
        Refusal(
            "channels, not affine",
            rf"{name}\(3\).*\(2, 4, 5",
            {"num_features": 3},
            (x,),
            only=ShapeError,
            reason="num_features says how many channels there are, with parameters or without",
        ),
        Refusal("too few axes", r"got \(4,\)", {"num_features": 4}, (np.ones(4),)),
        Refusal("too many axes", r"got \(1, 2, 4", {"num_features": 4}, (x[None],)),
        Refusal("one position", "more than 1 position", {"num_features": 4}, (one,)),
        Refusal("a list", "takes an array", {"num_features": 4}, (x.tolist(),)),
    )


GROUPS = {"num_groups": 2, "num_channels": 4}

NORMALIZATIONS: tuple[ModuleSpecification, ...] = (
    ModuleSpecification(
        "LayerNorm",
        rows(False),
        large({"normalized_shape": 10_240}, (3, 10_240), 1.0),
        row_refusals("LayerNorm"),
    ),
    ModuleSpecification(
        "RMSNorm", rows(True), large({"normalized_shape": 10_240}, (3, 10_240), 1.0), row_refusals("RMSNorm")
    ),
    ModuleSpecification(
        "GroupNorm",
        groups(),
        large({"num_groups": 4, "num_channels": 16}, (8, 16, 10, 12), 1.0),
        (
            Refusal(
                "no divisor", "num_channels=4 must be a multiple of num_groups=3", {**GROUPS, "num_groups": 3}
            ),
            Refusal(
                "negative",
                "at least 1",
                {**GROUPS, "num_groups": -2},
                only=ArgumentError,
                reason="PyTorch notices at the call",
            ),
            Refusal("channels", r"4 channels on axis 1, got shape \(3, 6\)", GROUPS, (np.ones((3, 6)),)),
            Refusal("1-d", r"got \(4,\)", GROUPS, (np.ones(4),)),
            Refusal(
                "one value", "more than 1 value per group", {"num_groups": 4, "num_channels": 4}, (X[:1],)
            ),
            Refusal("dtype", "float32 parameters and was given float64", GROUPS, (X,), "float32"),
            Refusal("a list", "takes an array", GROUPS, (X.tolist(),)),
        ),
    ),
    ModuleSpecification(
        "InstanceNorm1d",
        instances(1),
        large({"num_features": 16, "affine": True}, (8, 16, 100), 1.0),
        instance_refusals("InstanceNorm1d", np.ones((2, 4, 5))),
    ),
    ModuleSpecification(
        "InstanceNorm2d",
        instances(2),
        large({"num_features": 16, "affine": True}, (8, 16, 10, 10), 1.0),
        instance_refusals("InstanceNorm2d", np.ones((2, 4, 5, 5))),
    ),
)

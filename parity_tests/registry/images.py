"""Specifications of the layers of images and sequences: convolution, pooling, normalisation by channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import ArgumentError, UnsupportedError
from parity_tests.registry.layers import ALL_KINDS, BETWEEN, batch_norm, large
from parity_tests.registry.specification import Case, ModuleSpecification, Refusal, arrays, seeds

__all__ = ["IMAGES"]

few = st.integers(1, 3)


def per_axis(draw: st.DrawFn, values: st.SearchStrategy[int], axes: int) -> tuple[Any, tuple[int, ...]]:
    """An argument that is one number or one an axis, and what it means."""
    drawn = tuple(draw(values) for _ in range(axes))
    if draw(st.booleans()):
        return drawn[0], (drawn[0],) * axes
    return drawn, drawn


def samples(draw: st.DrawFn, channels: int, positions: tuple[int, ...], kinds: tuple[str, ...]) -> Any:
    """Inputs of three calls: batches, or one sample alone."""
    leading = [() if draw(st.integers(0, 4)) == 0 else (draw(few),) for _ in range(3)]
    return tuple((draw(arrays((*n, channels, *positions), kinds)),) for n in leading)


@st.composite
def convolution(draw: st.DrawFn, axes: int) -> Case:
    """All options; inputs just large enough, or larger."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c_in, c_out = groups * draw(few), groups * draw(few)
    kernel_size, kernel = per_axis(draw, few, axes)
    dilation, apart = per_axis(draw, st.sampled_from([1, 1, 2]), axes)
    stride, _ = per_axis(draw, few, axes)
    padding: Any
    padding, widths = per_axis(draw, st.integers(0, 2), axes)
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, apart, strict=True))
    if draw(st.integers(0, 2)) == 0:
        padding = draw(st.sampled_from(["same", "same", "valid"]))
        widths = span if padding == "same" else (0,) * axes
        stride = 1 if padding == "same" else stride
    least = [
        max(s - 2 * w, 1) if mode == "zeros" else max(s, w + 1) for s, w in zip(span, widths, strict=True)
    ]
    positions = tuple(n + draw(st.integers(0, 4)) for n in least)
    arguments = {
        "in_channels": c_in,
        "out_channels": c_out,
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": draw(st.booleans()),
        "padding_mode": mode,
    }
    return Case(arguments, samples(draw, c_in, positions, ALL_KINDS), draw(seeds), draw(BETWEEN))


@st.composite
def pooling(draw: st.DrawFn, axes: int, kind: str) -> Case:
    """Windows that overlap, leave gaps, or reach beyond the border."""
    kernel_size, kernel = per_axis(draw, few, axes)
    arguments: dict[str, Any] = {"kernel_size": kernel_size, "ceil_mode": draw(st.integers(0, 2)) > 0}
    apart = (1,) * axes
    if kind == "max":
        arguments["dilation"], apart = per_axis(draw, st.sampled_from([1, 1, 2]), axes)
    span = tuple(d * (k - 1) + 1 for k, d in zip(kernel, apart, strict=True))
    if draw(st.booleans()):
        arguments["stride"], _ = per_axis(draw, few, axes)
    half = min(kernel) // 2
    arguments["padding"], widths = per_axis(draw, st.sampled_from([half, half, 0]), axes)
    if kind == "average":
        arguments["count_include_pad"] = draw(st.booleans())
        if axes == 2:
            arguments["divisor_override"] = draw(st.sampled_from([None, None, None, 1, 3, -2]))
    # A window that lies in the padding with all its places makes PyTorch write out of bounds.
    positions = tuple((s if max(apart) > 1 else max(s - 2 * w, 1)) for s, w in zip(span, widths, strict=True))
    positions = tuple(n + draw(st.integers(0, 5)) for n in positions)
    kinds = ("normal", "ties") if kind == "max" else ALL_KINDS
    return Case(arguments, samples(draw, draw(few), positions, kinds), draw(seeds), draw(BETWEEN))


@st.composite
def adaptive(draw: st.DrawFn, axes: int) -> Case:
    """Fewer stretches than positions, as many, or more."""
    sizes = tuple(
        draw(st.integers(1, 4) | (st.none() if axes == 2 else st.integers(1, 7))) for _ in range(axes)
    )
    size = sizes if draw(st.booleans()) or sizes[0] is None else sizes[0]
    positions = tuple(draw(st.integers(1, 7)) for _ in range(axes))
    return Case(
        {"output_size": size}, samples(draw, draw(few), positions, ALL_KINDS), draw(seeds), draw(BETWEEN)
    )


IMAGE, SEQUENCE = np.ones((2, 4, 5, 5)), np.ones((2, 4, 5))
NORM = {"num_features": 4}
CONV = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}


def convolution_refusals(name: str, x: Any) -> tuple[Refusal, ...]:
    """What a convolution must refuse; `x` is an input that is right for `CONV`."""
    return (
        Refusal("groups and inputs", "groups=3 must divide in_channels=4", {**CONV, "groups": 3}),
        Refusal("groups and outputs", "groups=4 must divide", {**CONV, "groups": 4}),
        Refusal("no groups", "must be at least 1", {**CONV, "groups": 0}),
        Refusal("negative channels", "must be at least 1", {**CONV, "in_channels": -4}),
        Refusal("same with stride", "takes stride 1, got stride", {**CONV, "padding": "same", "stride": 2}),
        Refusal("padding in words", "'same' or 'valid', got 'full'", {**CONV, "padding": "full"}),
        Refusal("padding mode", "one of zeros, reflect.*got 'edge'", {**CONV, "padding_mode": "edge"}),
        Refusal("size in words", "must be an integer.*got '3'", {**CONV, "kernel_size": "3"}),
        Refusal("size a fraction", "must be an integer.*got 2.5", {**CONV, "kernel_size": 2.5}),
        Refusal("too many sizes", r"must be an integer", {**CONV, "kernel_size": (3, 3, 3)}, (x,)),
        Refusal("no stride", "stride must be at least 1, got 0", {**CONV, "stride": 0}, (x,)),
        Refusal("no dilation", "dilation must be at least 1", {**CONV, "dilation": 0}, (x,)),
        Refusal("negative padding", "padding must be at least 0", {**CONV, "padding": -1}, (x,)),
        Refusal("empty kernel", "kernel_size must be at least 1", {**CONV, "kernel_size": 0}, (x,)),
        Refusal(
            "large kernel", r"kernel \(7,.* does not fit.*\(2, 4, 5.*\(5,", {**CONV, "kernel_size": 7}, (x,)
        ),
        Refusal("wide kernel", "does not fit", {**CONV, "dilation": 3, "padding": 0}, (x,)),
        Refusal("channels", r"\(6, 3, 3.*3 channels, got shape \(2, 4, 5", {**CONV, "in_channels": 3}, (x,)),
        Refusal(
            "too few axes", rf"{name} takes input of shape .*got \(5,\)", CONV, (x[0, 0].reshape(-1)[:5],)
        ),
        Refusal("too many axes", "takes input of shape", CONV, (x[None],)),
        Refusal(
            "much to reflect", "takes at most 4 of 5", {**CONV, "padding": 5, "padding_mode": "reflect"}, (x,)
        ),
        Refusal(
            "much to wrap", "takes at most 5 of 5", {**CONV, "padding": 6, "padding_mode": "circular"}, (x,)
        ),
        Refusal("dtype", "float32 parameters and was given float64", CONV, (x,), "float32"),
        Refusal("a list", "takes an array", CONV, (x.tolist(),)),
    )


def pooling_refusals(x: Any) -> tuple[Refusal, ...]:
    """What every pooling of windows must refuse."""
    return (
        Refusal("padding", "at most half.*padding=2", {"kernel_size": 3, "padding": 2}, (x,)),
        Refusal("large kernel", r"do not fit into input of shape \(2, 4, 5", {"kernel_size": 7}, (x,)),
        Refusal("empty kernel", "kernel_size must be at least 1", {"kernel_size": 0}, (x,)),
        Refusal("no stride", "stride must be at least 1, got 0", {"kernel_size": 2, "stride": 0}, (x,)),
        Refusal("negative padding", "padding must be at least 0", {"kernel_size": 2, "padding": -1}, (x,)),
        Refusal("too many sizes", "must be an integer", {"kernel_size": (2, 2, 2)}, (x,)),
        Refusal("too few axes", r"takes input of shape .*got \(5,\)", {"kernel_size": 2}, (np.ones(5),)),
        Refusal("a list", "takes an array", {"kernel_size": 2}, (x.tolist(),)),
    )


MAX_REFUSALS = (
    Refusal(
        "indices",
        "return_indices=True is not supported",
        {"kernel_size": 2, "return_indices": True},
        only=UnsupportedError,
        reason="no layer here takes the indices",
    ),
)


def adaptive_refusals(x: Any) -> tuple[Refusal, ...]:
    """What adaptive pooling must refuse."""
    return (
        Refusal("negative size", "output_size must be at least 1, got", {"output_size": -1}, (x,)),
        Refusal(
            "no size",
            "output_size must be at least 1, got",
            {"output_size": 0},
            (x,),
            only=ArgumentError,
            reason="an empty output is a mistake",
        ),
        Refusal("too many sizes", "must be an integer", {"output_size": (2, 2, 2)}, (x,)),
        Refusal("too few axes", "takes input of shape", {"output_size": 2}, (np.ones(5),)),
    )


WIDE: dict[str, Any] = {"in_channels": 64, "out_channels": 64, "kernel_size": 3, "padding": 1}

IMAGES: tuple[ModuleSpecification, ...] = (
    ModuleSpecification(
        "Conv1d", convolution(1), large(WIDE, (8, 64, 24)), convolution_refusals("Conv1d", SEQUENCE)
    ),
    ModuleSpecification(
        "Conv2d", convolution(2), large(WIDE, (8, 64, 6, 6)), convolution_refusals("Conv2d", IMAGE)
    ),
    ModuleSpecification(
        "MaxPool1d", pooling(1, "max"), None, (*pooling_refusals(SEQUENCE), *MAX_REFUSALS), smooth=False
    ),
    ModuleSpecification(
        "MaxPool2d", pooling(2, "max"), None, (*pooling_refusals(IMAGE), *MAX_REFUSALS), smooth=False
    ),
    ModuleSpecification(
        "AvgPool1d",
        pooling(1, "average"),
        large({"kernel_size": 3, "stride": 1}, (16, 16, 64)),
        pooling_refusals(SEQUENCE),
    ),
    ModuleSpecification(
        "AvgPool2d",
        pooling(2, "average"),
        large({"kernel_size": 3, "stride": 1}, (8, 16, 16, 16)),
        (
            *pooling_refusals(IMAGE),
            Refusal("no divisor", "must not be 0", {"kernel_size": 2, "divisor_override": 0}, (IMAGE,)),
        ),
    ),
    ModuleSpecification(
        "AdaptiveAvgPool1d",
        adaptive(1),
        large({"output_size": 20}, (32, 32, 50)),
        adaptive_refusals(SEQUENCE),
    ),
    ModuleSpecification(
        "AdaptiveAvgPool2d",
        adaptive(2),
        large({"output_size": 7}, (32, 16, 10, 10)),
        (
            *adaptive_refusals(IMAGE),
            Refusal(
                "one size in a tuple", r"an integer or 2 of them, got \(3,\)", {"output_size": (3,)}, (IMAGE,)
            ),
        ),
    ),
    ModuleSpecification(
        "BatchNorm2d",
        batch_norm(axes=2),
        large({"num_features": 64}, (8, 64, 5, 8), 1.0),
        (
            Refusal("negative size", "must not be negative", {"num_features": -1}),
            Refusal(
                "channels",
                r"BatchNorm2d\(4\).*\(n, 4, h, w\).*\(3, 5, 2, 2\)",
                NORM,
                (np.ones((3, 5, 2, 2)),),
            ),
            Refusal("3-d", r"4-d input.*\(3, 4, 5\)", NORM, (np.ones((3, 4, 5)),)),
            Refusal("one value", "more than 1 value per channel", NORM, (np.ones((1, 4, 1, 1)),)),
            Refusal("dtype", "float32 parameters and was given float64", NORM, (IMAGE,), "float32"),
        ),
    ),
)

"""Specifications of the activations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import ArgumentError, UnsupportedError
from parity_tests.registry.layers import BETWEEN, INPLACE, NO_ARRAY, elementwise, large, sizes
from parity_tests.registry.specification import Case, ModuleSpecification, Refusal, arrays, seeds

__all__ = ["ACTIVATIONS"]


def specified(
    name: str,
    *refusals: Refusal,
    inplace: bool = True,
    least_slope: float = 0.0,
    least_value: float = 0.0,
    slope_tolerance: float | None = None,
    smooth: bool = False,
    **options: st.SearchStrategy[Any],
) -> ModuleSpecification:
    """An elementwise class with these options."""
    return ModuleSpecification(
        name,
        elementwise(**options),
        large({}, (128, 100)),
        (*([INPLACE] if inplace else []), NO_ARRAY, *refusals),
        smooth=smooth,
        least_slope=least_slope,
        least_value=least_value,
        slope_tolerance=slope_tolerance,
    )


alphas = st.sampled_from([0.3, 1.0, 1.7])

X = np.ones((3, 4))

AXIS = (
    NO_ARRAY,
    Refusal("axis out of range", r"dim 2 is out of range for input of shape \(3, 4\)", {"dim": 2}, (X,)),
    Refusal("axis before the first", r"dim -3 is out of range", {"dim": -3}, (X,)),
)


@st.composite
def thresholds(draw: st.DrawFn) -> Case:
    """Both arguments are needed."""
    case = draw(elementwise())
    arguments = {"threshold": draw(st.sampled_from([-0.5, 0.0, 1.0])), "value": draw(st.floats(-2, 2))}
    return replace(case, arguments=arguments)


@st.composite
def prelu(draw: st.DrawFn) -> Case:
    """One slope, or one a channel."""
    channels = draw(sizes)
    shape = (
        st.lists(sizes, max_size=4)
        if channels == 1
        else st.builds(lambda n, rest: [n, channels, *rest], sizes, st.lists(sizes, max_size=2))
    )
    batches = tuple((draw(arrays(tuple(draw(shape)))),) for _ in range(3))
    return Case({"num_parameters": channels, "init": 0.3}, batches, draw(seeds), draw(BETWEEN))


@st.composite
def along_axis(draw: st.DrawFn, multiple: int = 1) -> Case:
    """Inputs of one number of axes, one of them chosen, whose size is a multiple of a number."""
    axes = draw(st.integers(1, 4))
    dim = draw(st.integers(-axes, axes - 1))
    batches = []
    for _ in range(3):
        shape = draw(st.lists(sizes, min_size=axes, max_size=axes))
        shape[dim] *= multiple
        batches.append((draw(arrays(tuple(shape))),))
    return Case({"dim": dim}, tuple(batches), draw(seeds), draw(BETWEEN))


@st.composite
def pictures(draw: st.DrawFn) -> Case:
    """One picture or several."""
    shape = st.lists(sizes, min_size=3, max_size=4)
    batches = tuple((draw(arrays(tuple(draw(shape)))),) for _ in range(3))
    return Case({}, batches, draw(seeds), draw(BETWEEN))


ACTIVATIONS = (
    specified("ReLU"),
    specified("LeakyReLU", negative_slope=st.sampled_from([0.0, 0.01, 0.3, -0.5, 1.5])),
    specified("Sigmoid", inplace=False, smooth=True, least_slope=1.0),
    specified("Tanh", inplace=False, smooth=True, least_slope=1.0),
    specified("ELU", alpha=st.just(-0.4) | alphas),
    specified(
        "CELU",
        Refusal("alpha of zero", "must not be 0", {"alpha": 0.0}, (np.ones(2),)),
        alpha=st.sampled_from([0.25, 1.0, 2.0]),  # PyTorch's derivative rounds 1 / alpha to float32
    ),
    specified("SELU"),
    # PyTorch's 1 + erf(x) and 1 + tanh(u) have absolute errors, which below -4 are all that is left.
    specified(
        "GELU",
        Refusal("approximation", "'none' or 'tanh', got 'erf'", {"approximate": "erf"}, (np.ones(2),)),
        inplace=False,
        smooth=True,
        least_slope=1.0,
        least_value=1.0,
        approximate=st.sampled_from(["none", "tanh"]),
    ),
    specified("SiLU", smooth=True, least_slope=1.0),
    specified("Mish", smooth=True, least_slope=1.0),
    specified("LogSigmoid", inplace=False, smooth=True),
    specified(
        "Softplus",
        Refusal(
            "beta of zero",
            "must not be 0",
            {"beta": 0.0},
            only=ArgumentError,
            reason="PyTorch divides by it and gives infinities",
        ),
        inplace=False,
        beta=st.sampled_from([0.5, 1.0, 3.0, -1.0]),
        threshold=st.sampled_from([20.0, 1.0, -0.5]),
    ),
    specified("Softsign", inplace=False),
    specified(
        "Hardtanh",
        Refusal("bounds in the wrong order", "above min_val, got 1 and 2", {"min_val": 2, "max_val": 1}),
        Refusal("equal bounds", "above min_val, got 1 and 1", {"min_val": 1, "max_val": 1}),
        Refusal(
            "an old name",
            "use min_val, max_val",
            {"min_value": -2.0},
            only=UnsupportedError,
            reason="deprecated in PyTorch",
        ),
        min_val=st.sampled_from([-2.0, -1.0, 0.0]),
        max_val=st.sampled_from([0.5, 1.0, 2.0]),
    ),
    specified("ReLU6"),
    specified("Hardsigmoid", slope_tolerance=1e-7),  # PyTorch's sixth is one in float32
    specified("Hardswish"),
    specified("Hardshrink", inplace=False, lambd=st.sampled_from([0.0, 0.5, 1.0])),
    specified(
        "Softshrink",
        Refusal("negative lambd", "must not be negative, got -1.0", {"lambd": -1.0}, (np.ones(2),)),
        inplace=False,
        lambd=st.sampled_from([0.0, 0.5, 1.0]),
    ),
    specified("Tanhshrink", inplace=False, smooth=True, least_slope=1.0, least_value=1.0),
    ModuleSpecification(
        "Threshold",
        thresholds(),
        large({"threshold": 0.5, "value": 2.0}, (128, 100)),
        (
            Refusal(**{**vars(INPLACE), "arguments": {"threshold": 1.0, "value": 2.0, "inplace": True}}),
            Refusal(**{**vars(NO_ARRAY), "arguments": {"threshold": 1.0, "value": 2.0}}),
        ),
        smooth=False,
    ),
    ModuleSpecification(
        "PReLU",
        prelu(),
        large({"num_parameters": 100}, (128, 100)),
        (
            Refusal("no slope", "must be positive, got 0", {"num_parameters": 0}, (X,)),
            Refusal("channels", r"of 3 slopes .*\(3, 4\)", {"num_parameters": 3}, (X,)),
            Refusal("1-d", r"of 3 slopes .*\(3,\)", {"num_parameters": 3}, (np.ones(3),)),
            Refusal("dtype", "float64 parameters and was given float32", {}, (X.astype(np.float32),)),
            NO_ARRAY,
        ),
        smooth=False,
    ),
    ModuleSpecification("Softmax", along_axis(), large({"dim": 1}, (1024, 10)), AXIS, least_slope=1.0),
    ModuleSpecification("Softmin", along_axis(), large({"dim": 1}, (1024, 10)), AXIS, least_slope=1.0),
    ModuleSpecification(
        "Softmax2d",
        pictures(),
        large({}, (10, 16, 8, 8)),
        (NO_ARRAY, Refusal("a table", r"3-d or 4-d input, got shape \(3, 4\)", inputs=(X,))),
        least_slope=1.0,
    ),
    ModuleSpecification("LogSoftmax", along_axis(), large({"dim": 1}, (1024, 10)), AXIS, least_slope=1.0),
    ModuleSpecification(
        "GLU",
        along_axis(2),
        large({}, (128, 200)),
        (
            *AXIS,
            Refusal("odd", r"must be even; got input of shape \(3, 5\)", inputs=(np.ones((3, 5)),)),
            Refusal("0-d", "got a single number", inputs=(np.array(1.0),)),
        ),
        least_slope=1.0,
        least_value=1.0,
    ),
)

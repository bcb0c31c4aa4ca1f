"""Specifications of the activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import ArgumentError
from parity_tests.registry.layers import INPLACE, NO_ARRAY, elementwise, large
from parity_tests.registry.specification import ModuleSpecification, Refusal

__all__ = ["ACTIVATIONS"]


def specified(
    name: str,
    *refusals: Refusal,
    inplace: bool = True,
    least_slope: float = 0.0,
    least_value: float = 0.0,
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
    )


alphas = st.sampled_from([0.3, 1.0, 1.7])
halves = st.sampled_from([0.25, 1.0, 2.0])
"""Exact in float32: PyTorch's derivative of CELU rounds 1 / alpha to it, whatever the input's dtype."""

ACTIVATIONS = (
    specified("ReLU"),
    specified("LeakyReLU", negative_slope=st.sampled_from([0.0, 0.01, 0.3, -0.5, 1.5])),
    specified("Sigmoid", inplace=False, smooth=True, least_slope=1.0),
    specified("Tanh", inplace=False, smooth=True, least_slope=1.0),
    specified("ELU", alpha=st.just(-0.4) | alphas),
    specified("CELU", Refusal("alpha of zero", "must not be 0", {"alpha": 0.0}, (np.ones(2),)), alpha=halves),
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
)

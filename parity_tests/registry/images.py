"""Specifications of the layers of images and sequences: convolution, pooling, normalisation by channel."""

from __future__ import annotations

import numpy as np

from parity_tests.registry.layers import batch_norm, large
from parity_tests.registry.specification import ModuleSpecification, Refusal

__all__ = ["IMAGES"]

IMAGE = np.ones((2, 4, 5, 5))
NORM = {"num_features": 4}

IMAGES: tuple[ModuleSpecification, ...] = (
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

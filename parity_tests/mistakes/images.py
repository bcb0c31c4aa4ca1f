"""Planted mistakes in the layers of images."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import NORMALIZATION, difference, parity

__all__ = ["MISTAKES"]

MISTAKES: list[Mistake] = [
    # BatchNorm2d
    Mistake(
        "Bessel's correction counts images, not values",
        NORMALIZATION,
        "self._track(mean, variance, x.size // x.shape[1])",
        "self._track(mean, variance, x.shape[0])",
        parity("BatchNorm2d"),
    ),
    Mistake(
        "each position of a channel has statistics of its own",
        NORMALIZATION,
        "return column_sums(x if x.ndim == 2 else np.sum(x, axis=-1))",
        "return column_sums(x if x.ndim == 2 else x[..., 0] * x.shape[-1])",
        difference("BatchNorm2d"),
    ),
]

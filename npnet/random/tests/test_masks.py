"""Masks: 16 bits an element, and 53 more where these decide nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from npnet.errors import ArgumentError
from npnet.random import Generator

Shapes = list[tuple[int, ...]]


def one_after_another(seed: int, p: float, shapes: Shapes) -> tuple[list[Any], float]:
    """The masks, and what NumPy draws next, from NumPy's own generator."""
    bits = np.random.SFC64(0)
    bits.state = Generator(seed)._bits.state
    draw, masks = np.random.Generator(bits), []
    for shape in shapes:
        size = math.prod(shape)
        units = bits.random_raw(size // 4 + 1).view(np.uint16)[:size].astype(float)
        whole, rest = divmod(p * 65536, 1.0)
        mask = units < whole
        if rest:
            for i in np.flatnonzero(units == whole):
                mask[i] = draw.random() < rest
        masks.append(mask.reshape(shape))
    return masks, draw.random()


@pytest.mark.parametrize("p", [0.0, 2.0**-20, 0.3, 0.5, 0.7, 1 - 2.0**-17])
@pytest.mark.parametrize(
    "shapes",
    [
        *([(3,)], [(32, 64), (32, 32)], [(5,), (), (0,), (7, 1)], [(0, 3)], [(300, 300), (11,), (200, 999)]),
        [(70_000,), (70_001,), (2,), (90_000,)],  # with ties in the first ones
    ],
)
def test_masks_are_numpys_draws(p: float, shapes: Shapes) -> None:
    theirs, following = one_after_another(3, p, shapes)
    together, apart = Generator(3), Generator(3)
    for ours in (together.bernoullis(p, shapes), [apart.bernoulli(p, shape) for shape in shapes]):
        for mask, other in zip(ours, theirs, strict=True):
            assert mask.dtype == bool
            np.testing.assert_array_equal(mask, other)
    assert together._numpy.random() == apart._numpy.random() == following


def test_ties_happen_in_that_test() -> None:
    theirs, _ = one_after_another(3, 0.3, [(70_000,)])
    coarse, _ = one_after_another(3, math.floor(0.3 * 65536) / 65536, [(70_000,)])
    assert (theirs[0] != coarse[0]).any()


def test_certainty_draws_nothing_else_than_chance() -> None:
    ours, other = Generator(0), Generator(0)
    assert all(mask.all() for mask in ours.bernoullis(1.0, [(5,), (2, 2)]))
    other.bernoullis(0.5, [(5,), (2, 2)])
    assert ours.random_() == other.random_()


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        Generator(0).bernoullis(p, [(2,)])

r"""What PyTorch makes of uniform draws: a permutation, and normals in blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.random.arithmetic import elementwise, fma, log_float32, sincos_float32

__all__ = ["BLOCK", "box_muller", "swapped"]

BLOCK = 16
"""Normals come in blocks of eight pairs, if there are at least so many."""


def swapped(step: Array, partner: Array) -> Array:
    r"""``0 ... n - 1`` after swapping places :math:`i` and :math:`p_i \ge i` for all :math:`i` in turn.

    Step :math:`i` decides place :math:`i`: it takes what lies at :math:`p_i`.  That is :math:`p_i` itself,
    unless an earlier step had the same partner; the latest such step :math:`k` left there what it found at
    its own place, :math:`w_k`.  In turn :math:`w_k = w_m` for the latest step :math:`m < k` whose partner was
    :math:`k`, and :math:`w_k = k` if there is none.  Both are found for all steps at once, the chains
    of :math:`w` by pointer doubling, where a loop over a list would take several times as long.
    """
    origin = step.copy()
    origin[partner] = step  # of equal indices the last one counts; a step that swaps nothing is never asked
    while not np.array_equal(further := origin[origin], origin):
        origin = further
    order = np.sort((partner << 32) | step)
    ordered_step, ordered_partner = order & (2**32 - 1), order >> 32
    again = np.flatnonzero(ordered_partner[1:] == ordered_partner[:-1])
    values: Array = partner.copy()
    values[ordered_step[again + 1]] = origin[ordered_step[again]]
    return values


def box_muller(uniforms: Array, mean: Any, std: Any) -> Array:
    """Blocks of 16 normals from as many uniforms: eight radii, eight angles."""
    first, second = np.moveaxis(uniforms.reshape(-1, 2, BLOCK // 2), 1, 0)
    one, full_turn = uniforms.dtype.type(1.0), uniforms.dtype.type(2.0 * math.pi)
    if uniforms.dtype == np.float32:
        logarithm = log_float32(one - first)
        sine, cosine = sincos_float32(full_turn * second)
    else:
        logarithm = elementwise(math.log, one - first)
        angle = full_turn * second
        sine, cosine = elementwise(math.sin, angle), elementwise(math.cos, angle)
    radius = np.sqrt(uniforms.dtype.type(-2.0) * logarithm)
    pairs = np.stack([radius * cosine, radius * sine], axis=1)
    return fma(pairs, std, mean).reshape(-1)

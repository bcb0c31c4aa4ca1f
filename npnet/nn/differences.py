r"""Derivatives by differences, to check backward passes without another library.

:func:`central_differences` works for any function and notices kinks; :func:`complex_step` is exact to the
last digits, :math:`f'(x) = \mathrm{Im} f(x + ih) / h` with a tiny :math:`h`, where every operation of the
function is analytic.

References
----------
Squire, Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npnet.backend import Array

__all__ = ["STEP", "Differences", "central_differences", "complex_step"]

STEP = 1e-4
"""Of the differences, relative to the larger of 1 and the element; the error is of fourth order in it."""

TINY = 1e-100
"""Of the complex step: nothing is subtracted, so nothing cancels."""


class Differences(NamedTuple):
    """What :func:`central_differences` found."""

    gradient: Array
    """In the shape of the array that was varied."""
    kinks: Array
    """True where there is no derivative, or one that jumps within the step; ignore the gradient there."""
    below: Array
    """The slope of the left side."""
    above: Array
    """The slope of the right side."""


def central_differences(function: Callable[[], float], x: Array, step: float = STEP) -> Differences:
    r"""Differentiate a function by an array that it reads, element by element.

    With :math:`D_h = (f(x + h) - f(x - h)) / 2h` the estimate is :math:`(4 D_{h/2} - D_h) / 3`.  The two
    one-sided slopes of a smooth function differ by :math:`h f''`, half as much for half the step; at a kink
    their difference stays, or vanishes where the kink lies between the steps.  A kink between them can
    look like half as much by chance, but not for a quarter of the step as well.

    Parameters
    ----------
    function : callable
        Takes nothing, returns a number; reads `x` anew at every call.
    x : ndarray of float64
        Changed in place, and restored.
    step : float
        The first :math:`h`, relative to the larger of 1 and the element.

    Examples
    --------
    >>> x = np.array([-1.0, 0.0, 2.0])
    >>> found = central_differences(lambda: float(np.sum(np.abs(x))), x)
    >>> found.gradient[[0, 2]].round(6)
    array([-1.,  1.])
    >>> found.kinks
    array([False,  True, False])
    """
    gradient, left, right = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    kinks = np.zeros(x.shape, dtype=bool)
    middle = function()
    for place in np.ndindex(x.shape):
        kept = float(x[place])
        h = step * max(1.0, abs(kept))

        def both_sides(h: float, place: tuple[int, ...] = place, kept: float = kept) -> tuple[float, float]:
            try:
                x[place] = kept + h
                above = function()
                x[place] = kept - h
                return above, function()
            finally:
                x[place] = kept

        above, below = both_sides(h)
        half_above, half_below = both_sides(h / 2)
        whole, half = (above - below) / (2 * h), (half_above - half_below) / h
        gradient[place] = (4 * half - whole) / 3
        left[place], right[place] = (middle - below) / h, (above - middle) / h
        gap = abs(above + below - 2 * middle) / h
        half_gap = abs(half_above + half_below - 2 * middle) / (h / 2)
        if gap > 1e-3 * max(abs(whole), 1e-3):  # so steep a bend is seldom smooth
            quarter_gap = abs(sum(both_sides(h / 4)) - 2 * middle) / (h / 4)
            kinks[place] = not (_about_half(half_gap, gap) and _about_half(quarter_gap, half_gap))
    return Differences(gradient, kinks, left, right)


def _about_half(smaller: float, larger: float) -> bool:
    return 0.3 * larger < smaller < 0.7 * larger


def complex_step(function: Callable[[Array], Any], x: Array) -> Array:
    """Differentiate an analytic function of one array, element by element.

    Parameters
    ----------
    function : callable
        Takes a complex array in the shape of `x`, returns a complex number.
    x : ndarray of float64

    Examples
    --------
    >>> complex_step(lambda z: np.sum(np.exp(z)), np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        shifted = x.astype(np.complex128)
        shifted[place] += TINY * 1j
        gradient[place] = np.imag(function(shifted)) / TINY
    return gradient

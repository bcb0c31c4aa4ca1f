"""Windows that slide over the positions of sequences and images: sizes, padding, and the way back.

An array of shape ``(n, c, *positions)`` has one axis of positions (a sequence) or two (an image); nothing
here depends on how many.  A window has, along each axis, ``kernel`` places that lie ``dilation`` apart, and
moves by ``stride``; it covers ``span = dilation * (kernel - 1) + 1`` positions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, ArgumentTypeError, AxisError, ShapeError

__all__ = [
    "PADDING_MODES",
    "Pairs",
    "Sizes",
    "add_patches",
    "as_batch",
    "check_padding",
    "each_axis",
    "output_sizes",
    "pad",
    "pad_backward",
    "patches",
    "places",
    "spans",
]

Sizes = tuple[int, ...]
"""One number an axis of positions."""

Pairs = tuple[tuple[int, int], ...]
"""Widths before and after, an axis of positions."""

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's names of the ways to pad, and NumPy's."""


def each_axis(owner: str, name: str, value: Any, axes: int, least: int) -> Sizes:
    """Read an argument that is one whole number, or one an axis.

    Raises
    ------
    ArgumentTypeError
        If it is neither.
    ArgumentError
        If there are more or fewer than `axes`, or one is below `least`.
    """
    numbers = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if not all(isinstance(each, (int, np.integer)) and not isinstance(each, bool) for each in numbers):
        raise ArgumentTypeError(f"{owner}: {name} must be an integer or {axes} of them, got {value!r}")
    if len(numbers) == 1:
        numbers *= axes
    if len(numbers) != axes:
        raise ArgumentError(f"{owner}: {name} must be an integer or {axes} of them, got {value!r}")
    if min(numbers) < least:
        raise ArgumentError(f"{owner}: {name} must be at least {least}, got {value!r}")
    return tuple(int(each) for each in numbers)


def as_batch(owner: str, x: Array, axes: int) -> Array:
    """Give an input without an axis of samples, ``(c, *positions)``, one of length 1.

    Raises
    ------
    AxisError
        If the number of axes fits neither.
    """
    if x.ndim == axes + 2:
        return x
    if x.ndim == axes + 1:
        return x[np.newaxis]
    positions = ("(n, c, length)", "(n, c, h, w)")[axes - 1]
    raise AxisError(
        f"{owner} takes input of shape {positions}, or {positions.replace('n, ', '')} for one sample, "
        f"got {x.shape}"
    )


def spans(kernel: Sizes, dilation: Sizes) -> Sizes:
    """How many positions a window covers."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def output_sizes(padded: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """How many windows fit, an axis; not positive where none does."""
    covered = zip(padded, spans(kernel, dilation), stride, strict=True)
    return tuple((n - span) // s + 1 for n, span, s in covered)


# ------------------------------------------------------------------ padding


def pad(x: Array, widths: Pairs, mode: str = "zeros", value: float = 0.0) -> Array:
    """Widen the axes of positions; the array itself where there is nothing to add.

    Parameters
    ----------
    x : ndarray, shape ``(n, c, *positions)``
    widths : tuple of pair of int
        Before and after, an axis of positions.
    mode : {"zeros", "reflect", "replicate", "circular"}
    value : float
        In place of zeros.

    Examples
    --------
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> [pad(x, ((1, 2),), mode)[0, 0].tolist() for mode in ("zeros", "reflect", "replicate")]
    [[0.0, 1.0, 2.0, 3.0, 0.0, 0.0], [2.0, 1.0, 2.0, 3.0, 2.0, 1.0], [1.0, 1.0, 2.0, 3.0, 3.0, 3.0]]
    """
    if not any(map(any, widths)):
        return x
    if mode != "zeros":
        return np.pad(x, ((0, 0), (0, 0), *widths), PADDING_MODES[mode])  # type: ignore[call-overload]
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape[2:], widths, strict=True))
    wide = np.zeros((*x.shape[:2], *shape), x.dtype, like=x)
    if value != 0.0:
        wide.fill(value)
    wide[inner(x.shape[2:], widths)] = x
    return wide


def inner(positions: Sizes, widths: Pairs) -> tuple[Any, ...]:
    """The index of what was padded within the result."""
    along = (slice(before, before + n) for n, (before, _) in zip(positions, widths, strict=True))
    return (..., *along)


def pad_backward(g: Array, widths: Pairs, mode: str = "zeros") -> Array:
    """Go back through :func:`pad`: what was copied into the border is added where it came from.

    Examples
    --------
    >>> g = np.array([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]])
    >>> pad_backward(g, ((1, 2),), "reflect")
    array([[[8., 9., 4.]]])
    """
    if not any(map(any, widths)):
        return g
    positions = tuple(n - sum(pair) for n, pair in zip(g.shape[2:], widths, strict=True))
    if mode == "zeros":
        return g[inner(positions, widths)]
    for axis in range(len(widths), 0, -1):  # pad goes from the first axis to the last
        g = np.moveaxis(_fold(np.moveaxis(g, axis + 1, 0), *widths[axis - 1], mode), 0, axis + 1)
    return g


def _fold(g: Array, before: int, after: int, mode: str) -> Array:
    """Along the first axis."""
    n = len(g) - before - after
    head, core, tail = g[:before], g[before : before + n].copy(), g[before + n :]
    if mode == "replicate":
        core[0] += np.sum(head, axis=0)
        core[-1] += np.sum(tail, axis=0)
    elif mode == "reflect":
        core[1 : 1 + before] += np.flip(head, axis=0)
        core[n - 1 - after : n - 1] += np.flip(tail, axis=0)
    else:
        core[n - before :] += head
        core[:after] += tail
    return core


def check_padding(owner: str, positions: Sizes, widths: Pairs, mode: str) -> None:
    """Refuse to reflect or to wrap around more than there is.

    Raises
    ------
    ShapeError
    """
    slack = {"reflect": 1, "circular": 0}.get(mode)
    if slack is None:
        return
    for n, pair in zip(positions, widths, strict=True):
        if max(pair) > n - slack:
            raise ShapeError(
                f"{owner}: padding_mode={mode!r} takes at most {n - slack} of {n} positions, but padding is "
                f"{tuple(widths)} for input with positions {tuple(positions)}"
            )


# ------------------------------------------------------------------ windows


def places(kernel: Sizes, stride: Sizes, dilation: Sizes, outputs: Sizes) -> Iterator[tuple[Sizes, Any]]:
    """Walk a window's places in the order of rows: each with the index of what all windows have there."""
    for place in itertools.product(*map(range, kernel)):
        starts = (p * d for p, d in zip(place, dilation, strict=True))
        along = (slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, stride, outputs, strict=True))
        yield place, (..., *along)


def patches(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """Write all windows out, place by place.

    (CuPy's ``sliding_window_view`` would spare the loop, but waits for the device.)

    Returns
    -------
    ndarray, shape ``(n, c, *kernel, *outputs)``

    Examples
    --------
    >>> patches(np.arange(5.0).reshape(1, 1, 5), (2,), (2,), (1,))
    array([[[[0., 2.],
             [1., 3.]]]])
    """
    outputs = output_sizes(x.shape[2:], kernel, stride, dilation)
    windows = np.empty((*x.shape[:2], *kernel, *outputs), x.dtype, like=x)
    for place, index in places(kernel, stride, dilation, outputs):
        there: Any = (slice(None), slice(None), *place)
        windows[there] = x[index]
    return windows


def add_patches(x: Array, g: Array, stride: Sizes, dilation: Sizes) -> None:
    """Go back through :func:`patches`: add to each position what windows have there.

    Parameters
    ----------
    x : ndarray, shape ``(n, c, *positions)``
        Changed in place.
    g : ndarray, shape ``(n, c, *kernel, *outputs)``
    stride, dilation : tuple of int
    """
    axes = len(stride)
    kernel, outputs = g.shape[2 : 2 + axes], g.shape[2 + axes :]
    for place, index in places(kernel, stride, dilation, outputs):
        there: Any = (slice(None), slice(None), *place)
        x[index] += g[there]

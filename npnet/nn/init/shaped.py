r"""Values with a structure: cut off, orthogonal, sparse."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from npnet import random as streams
from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.init.filled import Tensor, fill, values_of

__all__ = ["orthogonal_", "sparse_", "trunc_normal_"]


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    r"""Fill from :math:`N(\mathrm{mean}, \mathrm{std}^2)`, cut to :math:`[a, b]`; the bounds are values.

    By rejection, as PyTorch 2.13 does it: where more than 30 % of the normal lie within the bounds
    normals are drawn until all do, else uniforms on :math:`[a, b]`, each taken with the probability that its
    density bears to the largest one.  Every round draws the whole tensor anew and takes what is missing.

    Warns
    -----
    UserWarning
        If the mean lies more than two standard deviations outside of the bounds.

    Raises
    ------
    ArgumentError
        If `std` is not positive or the bounds are in the wrong order.

    Examples
    --------
    >>> values = trunc_normal_(np.empty(1000), std=2.0, a=-1.0, b=3.0)
    >>> bool(values.min() >= -1.0 and values.max() <= 3.0)
    True

    References
    ----------
    Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995).
    """
    if not (std > 0.0 and a < b):
        raise ArgumentError(f"trunc_normal_ takes std > 0 and a < b, got std={std}, a={a} and b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean {mean} is more than 2 std from [{a}, {b}], few normals lie there",
            UserWarning,
            stacklevel=2,
        )
    place, source = values_of(tensor), streams.resolve(generator, "init")
    share = 0.5 * (
        math.erf((b - mean) / (std * math.sqrt(2.0))) - math.erf((a - mean) / (std * math.sqrt(2.0)))
    )
    draw = _near_normals if share > 0.3 else _far_normals
    return fill(tensor, draw(source, mean, std, place.dtype.type(a), place.dtype.type(b), place.shape))


def _near_normals(source: Any, mean: float, std: float, a: Any, b: Any, shape: tuple[int, ...]) -> Array:
    """Normals, drawn anew until all lie within the bounds."""
    values = source.normal(mean, std, shape, a.dtype)
    while (outside := (values < a) | (values > b)).any():
        values = np.where(outside, source.normal(mean, std, shape, a.dtype), values)
    return values


def _far_normals(source: Any, mean: float, std: float, a: Any, b: Any, shape: tuple[int, ...]) -> Array:
    """Uniforms, each taken with the probability of its density over the largest within the bounds."""
    mode = max(float(a), min(mean, float(b)))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    values, pending = np.zeros(shape, a.dtype), np.ones(shape, dtype=bool)
    while pending.any():
        candidates = source.uniform(float(a), float(b), shape, a.dtype)
        values = np.where(pending, candidates, values)
        log_density = -0.5 * np.square((candidates - mean) / std) - log_peak
        with np.errstate(divide="ignore"):
            pending &= np.log(source.uniform(0.0, 1.0, shape, a.dtype)) > log_density
    return values


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    r"""Fill with ``gain`` times a random matrix of orthonormal rows or columns, whichever are fewer.

    The first axis are the rows, all others together the columns.  A matrix of standard normals is split into
    :math:`QR`; with the signs of the diagonal of :math:`R` moved into :math:`Q` that one is uniformly
    distributed over the orthogonal matrices.

    Raises
    ------
    ShapeError
        If there are fewer than two axes.

    Examples
    --------
    >>> w = orthogonal_(np.empty((2, 3)))
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True

    References
    ----------
    Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014.
    Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54
    (2007), for the signs.
    """
    place = values_of(tensor)
    if place.ndim < 2:
        raise ShapeError(f"orthogonal_ needs two axes or more, got shape {place.shape}")
    if place.size == 0:
        return tensor
    rows, columns = place.shape[0], place.size // place.shape[0]
    normals = streams.resolve(generator, "init").normal(0.0, 1.0, (rows, columns), place.dtype)
    q, r = np.linalg.qr(normals.T if rows < columns else normals)
    q = q * np.sign(np.diagonal(r))
    return fill(tensor, place.dtype.type(gain) * (q.T if rows < columns else q).reshape(place.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    r"""Fill a matrix from :math:`N(0, \mathrm{std}^2)`, and set a share of each column to zero.

    :math:`\lceil \mathrm{sparsity} \cdot \mathrm{rows} \rceil` elements a column, chosen at random.  PyTorch
    chooses them from its default generator even where another one is given; here `generator` draws both.

    Raises
    ------
    ArgumentError
        If `sparsity` is not between 0 and 1.
    ShapeError
        If it is no matrix.

    Examples
    --------
    >>> int((sparse_(np.empty((4, 3)), 0.5) == 0).sum())
    6

    References
    ----------
    Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5.
    """
    place = values_of(tensor)
    if place.ndim != 2:
        raise ShapeError(f"sparse_ fills matrices, got shape {place.shape}")
    if not 0.0 <= sparsity <= 1.0:
        raise ArgumentError(f"sparsity must lie between 0 and 1, got {sparsity}")
    source = streams.resolve(generator, "init")
    rows, columns = place.shape
    values = source.normal(0.0, std, place.shape, place.dtype)
    zeros = math.ceil(sparsity * rows)
    for column in range(columns):
        values[source.randperm(rows)[:zeros], column] = 0
    return fill(tensor, values)

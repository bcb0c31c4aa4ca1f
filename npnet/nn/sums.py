"""Sums over the rows of a matrix, fast and exact."""

from __future__ import annotations

import numpy as np

from npnet.backend import Array
from npnet.nn.constants import ones

__all__ = ["column_sums"]

BLOCK = 64


def column_sums(x: Array, out: Array | None = None) -> Array:
    r"""Sum the rows of a matrix: :math:`s_j = \sum_i x_{ij}`.

    A matrix product with ones is the fastest way to add rows, but one long one in float32 loses digits:
    its error grows with the number of rows.  More than 128 rows are therefore taken as 64 pieces of equally
    many rows; the first rows of all pieces are added, the second rows, and so on, in one product with a wide
    matrix.  The sums are added in the same way.  So the error grows with the logarithm of the number of rows,
    and whoever computes in parallel has many columns to share out.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    out : ndarray, shape (d,), optional
        Where to put the sums.

    Examples
    --------
    >>> column_sums(np.ones((130, 2)))
    array([130., 130.])
    """
    n, d = x.shape
    if not x.flags.c_contiguous:  # a transposed matrix: its rows lie as columns, summed pairwise
        return np.sum(x, axis=0, out=out)
    if n <= 2 * BLOCK:
        return np.dot(ones(n, x), x, out=out)
    whole = n - n % BLOCK
    rows = whole // BLOCK
    partial = np.dot(ones(BLOCK, x), x[:whole].reshape(BLOCK, rows * d))
    sums = column_sums(partial.reshape(rows, d), out=out)
    if whole < n:
        sums += column_sums(x[whole:])
    return sums

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
    its error grows with the number of rows.  More than 128 rows are therefore added in blocks of 64, and the
    blocks' sums in the same way; the error then grows with the logarithm of the number of rows.  A GPU adds
    in many partial sums at once, whatever the number of rows.

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
    if type(x) is not np.ndarray:
        return np.dot(ones(n, x), x, out=out)
    if not x.flags.c_contiguous:  # a transposed matrix: its rows lie as columns, summed pairwise
        return np.sum(x, axis=0, out=out)
    if n <= 2 * BLOCK:
        return np.dot(ones(n, x), x, out=out)
    whole = n - n % BLOCK
    partial = np.matmul(ones(BLOCK, x), x[:whole].reshape(-1, BLOCK, d))
    sums = column_sums(partial, out=out)
    if whole < n:
        sums += column_sums(x[whole:])
    return sums

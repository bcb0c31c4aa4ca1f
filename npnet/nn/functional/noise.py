"""Dropout as a function."""

from __future__ import annotations

from typing import Any

from npnet.backend import Array
from npnet.nn.dropout import Dropout

__all__ = ["dropout"]


def dropout(
    input: Array,  # noqa: A002 (PyTorch's name)
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Any = None,
    mask: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> dropout(np.ones(2), 0.5, mask=np.array([True, False]))
    array([2., 0.])
    """
    return Dropout(p, inplace, generator=generator).train(training).forward(input, mask=mask)

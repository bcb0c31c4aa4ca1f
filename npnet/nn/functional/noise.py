"""The kinds of dropout as functions."""

from __future__ import annotations

from typing import Any

from npnet.backend import Array
from npnet.nn.alpha_dropout import AlphaDropout, FeatureAlphaDropout
from npnet.nn.dropout import Dropout
from npnet.nn.feature_dropout import Dropout1d, Dropout2d

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "feature_alpha_dropout",
]


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


def dropout1d(
    input: Array,  # noqa: A002 (PyTorch's name)
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Any = None,
    mask: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.Dropout1d`.

    Examples
    --------
    >>> import numpy as np
    >>> dropout1d(np.ones((1, 2)), 0.5, mask=np.array([[True]]))
    array([[2., 2.]])
    """
    return Dropout1d(p, inplace, generator=generator).train(training).forward(input, mask=mask)


def dropout2d(
    input: Array,  # noqa: A002 (PyTorch's name)
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: Any = None,
    mask: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.Dropout2d`.

    Examples
    --------
    >>> import numpy as np
    >>> dropout2d(np.ones((1, 1, 1, 2)), 0.5, mask=np.array([[[[True]]]]))
    array([[[[2., 2.]]]])
    """
    return Dropout2d(p, inplace, generator=generator).train(training).forward(input, mask=mask)


def alpha_dropout(
    input: Array,  # noqa: A002 (PyTorch's name)
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Any = None,
    mask: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.AlphaDropout`.

    Examples
    --------
    >>> import numpy as np
    >>> alpha_dropout(np.ones(2), 0.5, True, mask=np.array([True, False])).round(4)
    array([ 1.6656, -0.7792])
    """
    return AlphaDropout(p, inplace, generator=generator).train(training).forward(input, mask=mask)


def feature_alpha_dropout(
    input: Array,  # noqa: A002 (PyTorch's name)
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: Any = None,
    mask: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.FeatureAlphaDropout`.

    Examples
    --------
    >>> import numpy as np
    >>> feature_alpha_dropout(np.ones((1, 1, 2)), 0.5, True, mask=np.array([[[True]]])).round(4)
    array([[[1.6656, 1.6656]]])
    """
    return FeatureAlphaDropout(p, inplace, generator=generator).train(training).forward(input, mask=mask)

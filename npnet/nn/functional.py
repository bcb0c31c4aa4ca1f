"""The forward formulas under PyTorch's names: pure functions of arrays."""

from __future__ import annotations

from typing import Any

from npnet.backend import Array
from npnet.nn import loss as _loss
from npnet.nn.activation import leaky_relu, relu, sigmoid, tanh
from npnet.nn.cross_entropy import CrossEntropyLoss
from npnet.nn.dropout import Dropout
from npnet.nn.flatten import flatten
from npnet.nn.linear import linear

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "flatten",
    "leaky_relu",
    "linear",
    "mse_loss",
    "relu",
    "sigmoid",
    "tanh",
]


def mse_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.MSELoss`.

    Examples
    --------
    >>> import numpy as np
    >>> mse_loss(np.array([1.0, 3.0]), np.array([0.0, 0.0])).item()
    5.0
    """
    return _loss.MSELoss(size_average, reduce, reduction).forward(input, target)


def binary_cross_entropy_with_logits(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.BCEWithLogitsLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> round(binary_cross_entropy_with_logits(np.zeros(2), np.ones(2)).item(), 4)
    0.6931
    """
    return _loss.BCEWithLogitsLoss(weight, size_average, reduce, reduction, pos_weight).forward(input, target)


def cross_entropy(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """Compute :class:`npnet.nn.CrossEntropyLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> round(cross_entropy(np.zeros((1, 2)), np.array([1])).item(), 4)
    0.6931
    """
    criterion = CrossEntropyLoss(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
    return criterion.forward(input, target)


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

"""Losses of several inputs, and of several labels, as functions: a class made and called at once."""

from __future__ import annotations

from typing import Any

from npnet.backend import Array
from npnet.nn.loss import (
    CosineEmbeddingLoss,
    GaussianNLLLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    TripletMarginLoss,
)

__all__ = [
    "cosine_embedding_loss",
    "gaussian_nll_loss",
    "margin_ranking_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "triplet_margin_loss",
]


def gaussian_nll_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.GaussianNLLLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> gaussian_nll_loss(np.array([1.0]), np.array([0.0]), np.array([1.0])).item()
    0.5
    """
    return GaussianNLLLoss(full=full, eps=eps, reduction=reduction).forward(input, target, var)


def margin_ranking_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.MarginRankingLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> margin_ranking_loss(np.array([0.5]), np.array([1.0]), np.array([1.0])).item()
    0.5
    """
    return MarginRankingLoss(margin, size_average, reduce, reduction).forward(input1, input2, target)


def cosine_embedding_loss(
    input1: Array,
    input2: Array,
    target: Array,
    margin: float = 0.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.CosineEmbeddingLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> cosine_embedding_loss(np.array([1.0, 0.0]), np.array([0.0, 2.0]), np.array(1.0)).item()
    1.0
    """
    return CosineEmbeddingLoss(margin, size_average, reduce, reduction).forward(input1, input2, target)


def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.TripletMarginLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> triplet_margin_loss(np.array([0.0]), np.array([1.0]), np.array([3.0])).item()
    0.0
    """
    criterion = TripletMarginLoss(margin, p, eps, swap, size_average, reduce, reduction)
    return criterion.forward(anchor, positive, negative)


def multilabel_margin_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.MultiLabelMarginLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> multilabel_margin_loss(np.array([0.5, 2.0]), np.array([1, -1])).item()
    0.0
    """
    return MultiLabelMarginLoss(size_average, reduce, reduction).forward(input, target)


def multilabel_soft_margin_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.MultiLabelSoftMarginLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> multilabel_soft_margin_loss(np.zeros(2), np.array([1.0, 0.0])).item().__round__(6)
    0.693147
    """
    return MultiLabelSoftMarginLoss(weight, size_average, reduce, reduction).forward(input, target)

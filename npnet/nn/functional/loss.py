"""The losses as functions: a class of :mod:`npnet.nn` made and called at once."""

from __future__ import annotations

import numpy as np

from npnet.backend import Array
from npnet.errors import ShapeError
from npnet.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    Loss,
    MSELoss,
    MultiMarginLoss,
    NLLLoss,
    PoissonNLLLoss,
    SmoothL1Loss,
    SoftMarginLoss,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "multi_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


def mse_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.MSELoss`; with `weight` the mean is the weighted one.

    Examples
    --------
    >>> import numpy as np
    >>> mse_loss(np.array([1.0, 3.0]), np.array([0.0, 0.0])).item()
    5.0
    """
    if weight is None:
        return MSELoss(size_average, reduce, reduction).forward(input, target)
    losses = MSELoss(size_average, reduce, "none").forward(input, target)
    return _weighted(losses, weight, reduction, by_weight=True)


def l1_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.L1Loss`; with `weight` the mean is the weighted one.

    Examples
    --------
    >>> import numpy as np
    >>> l1_loss(np.array([1.0, 3.0]), np.array([0.0, 0.0])).item()
    2.0
    """
    if weight is None:
        return L1Loss(size_average, reduce, reduction).forward(input, target)
    losses = L1Loss(size_average, reduce, "none").forward(input, target)
    return _weighted(losses, weight, reduction, by_weight=True)


def smooth_l1_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Array:
    """Compute :class:`npnet.nn.SmoothL1Loss`.

    Examples
    --------
    >>> import numpy as np
    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])
    """
    return SmoothL1Loss(size_average, reduce, reduction, beta).forward(input, target)


def huber_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Array | None = None,
) -> Array:
    """Compute :class:`npnet.nn.HuberLoss`; with `weight` the mean still divides by the number of elements.

    Examples
    --------
    >>> import numpy as np
    >>> huber_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none", delta=2.0)
    array([0.125, 4.   ])
    """
    if weight is None:
        return HuberLoss(reduction, delta).forward(input, target)
    losses = HuberLoss("none", delta).forward(input, target)
    return _weighted(losses, weight, reduction, by_weight=False)


def _weighted(losses: Array, weight: Array, reduction: str, *, by_weight: bool) -> Array:
    """Reduce losses times `weight`; a mean divides by the weights' sum, or by the number of losses."""
    if weight.shape != losses.shape:
        raise ShapeError(f"weight has shape {weight.shape}, input {losses.shape}; they must be the same")
    reducer = Loss(reduction=reduction)
    return reducer._reduced(losses * weight, np.sum(weight) if by_weight else losses.size)


def binary_cross_entropy(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.BCELoss`.

    Examples
    --------
    >>> import numpy as np
    >>> binary_cross_entropy(np.array([0.5, 0.0]), np.ones(2), reduction="none")
    array([  0.69314718, 100.        ])
    """
    return BCELoss(weight, size_average, reduce, reduction).forward(input, target)


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
    return BCEWithLogitsLoss(weight, size_average, reduce, reduction, pos_weight).forward(input, target)


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


def soft_margin_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.SoftMarginLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> round(soft_margin_loss(np.zeros(2), np.ones(2)).item(), 4)
    0.6931
    """
    return SoftMarginLoss(size_average, reduce, reduction).forward(input, target)


def nll_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    weight: Array | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.NLLLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> nll_loss(np.array([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """
    return NLLLoss(weight, size_average, ignore_index, reduce, reduction).forward(input, target)


def kl_div(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Array:
    """Compute :class:`npnet.nn.KLDivLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> kl_div(np.array([-2.0, -1.0]), np.array([1.0, 0.0]), reduction="sum").item()
    2.0
    """
    return KLDivLoss(size_average, reduce, reduction, log_target).forward(input, target)


def poisson_nll_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    log_input: bool = True,
    full: bool = False,
    size_average: None = None,
    eps: float = 1e-8,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.PoissonNLLLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> poisson_nll_loss(np.zeros(2), np.array([0.0, 3.0])).item()
    1.0
    """
    return PoissonNLLLoss(log_input, full, size_average, eps, reduce, reduction).forward(input, target)


def hinge_embedding_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    margin: float = 1.0,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.HingeEmbeddingLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1.0, -1.0])).item()
    0.5
    """
    return HingeEmbeddingLoss(margin, size_average, reduce, reduction).forward(input, target)


def multi_margin_loss(
    input: Array,  # noqa: A002 (PyTorch's name)
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
) -> Array:
    """Compute :class:`npnet.nn.MultiMarginLoss`.

    Examples
    --------
    >>> import numpy as np
    >>> multi_margin_loss(np.array([2.0, 1.5, 0.0, 0.0]), np.array(0)).item()
    0.125
    """
    return MultiMarginLoss(p, margin, weight, size_average, reduce, reduction).forward(input, target)

r"""Losses: what is made small.

A loss is a module of two inputs: ``criterion(input, target)`` is its value, ``criterion.backward()`` the
gradient by ``input``; one that compares several inputs gives a gradient for each of them.
With :math:`\ell_i` the loss of one element, ``reduction`` is ``"none"``
(:math:`\ell`), ``"sum"`` (:math:`\sum_i \ell_i`) or ``"mean"`` (the average; each loss says over what).
"""

from __future__ import annotations

from npnet.nn.loss.base import ElementwiseLoss, Loss
from npnet.nn.loss.binary import BCELoss, BCEWithLogitsLoss, SoftMarginLoss
from npnet.nn.loss.cross_entropy import CrossEntropyLoss
from npnet.nn.loss.distance import HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from npnet.nn.loss.gaussian import GaussianNLLLoss
from npnet.nn.loss.likelihood import KLDivLoss, PoissonNLLLoss
from npnet.nn.loss.margin import HingeEmbeddingLoss, MultiMarginLoss
from npnet.nn.loss.multilabel import MultiLabelMarginLoss, MultiLabelSoftMarginLoss
from npnet.nn.loss.nll import NLLLoss
from npnet.nn.loss.ranking import CosineEmbeddingLoss, MarginRankingLoss, TripletMarginLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "ElementwiseLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
]

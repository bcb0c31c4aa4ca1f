r"""Losses: what is made small.

A loss is a module of two inputs: ``criterion(input, target)`` is its value, ``criterion.backward()`` the
gradient by ``input``.  With :math:`\ell_i` the loss of one element, ``reduction`` is ``"none"``
(:math:`\ell`), ``"sum"`` (:math:`\sum_i \ell_i`) or ``"mean"`` (the average; each loss says over what).
"""

from __future__ import annotations

from npnet.nn.loss.base import ElementwiseLoss, Loss
from npnet.nn.loss.binary import BCELoss, BCEWithLogitsLoss, SoftMarginLoss
from npnet.nn.loss.cross_entropy import CrossEntropyLoss
from npnet.nn.loss.distance import HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from npnet.nn.loss.likelihood import KLDivLoss, PoissonNLLLoss
from npnet.nn.loss.margin import HingeEmbeddingLoss, MultiMarginLoss
from npnet.nn.loss.nll import NLLLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "ElementwiseLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
]

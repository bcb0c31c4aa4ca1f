"""Regularization: what keeps a network from learning its training data by heart."""

from __future__ import annotations

from npnet.regularization.affine import RandomAffine, RandomRotation
from npnet.regularization.augmentation import (
    Augmentation,
    Compose,
    RandomHorizontalFlip,
    RandomQuarterTurn,
    RandomShift,
    RandomVerticalFlip,
)
from npnet.regularization.constraints import MaxNorm
from npnet.regularization.early_stopping import EarlyStopping
from npnet.regularization.functional import l1_regularization, l2_regularization
from npnet.regularization.group_lasso import GroupLasso, L2Norm
from npnet.regularization.penalties import L1, L2, ElasticNet
from npnet.regularization.penalty import Penalty

__all__ = [
    "L1",
    "L2",
    "Augmentation",
    "Compose",
    "EarlyStopping",
    "ElasticNet",
    "GroupLasso",
    "L2Norm",
    "MaxNorm",
    "Penalty",
    "RandomAffine",
    "RandomHorizontalFlip",
    "RandomQuarterTurn",
    "RandomRotation",
    "RandomShift",
    "RandomVerticalFlip",
    "l1_regularization",
    "l2_regularization",
]

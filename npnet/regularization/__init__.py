"""Regularization: what keeps a network from learning its training data by heart."""

from __future__ import annotations

from npnet.regularization.constraints import MaxNorm
from npnet.regularization.early_stopping import EarlyStopping
from npnet.regularization.functional import l1_regularization, l2_regularization
from npnet.regularization.group_lasso import GroupLasso, L2Norm
from npnet.regularization.penalties import L1, L2, ElasticNet
from npnet.regularization.penalty import Penalty

__all__ = [
    "L1",
    "L2",
    "EarlyStopping",
    "ElasticNet",
    "GroupLasso",
    "L2Norm",
    "MaxNorm",
    "Penalty",
    "l1_regularization",
    "l2_regularization",
]

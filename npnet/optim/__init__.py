"""Optimizers and learning-rate schedules, named as in ``torch.optim``."""

from __future__ import annotations

from npnet.optim import lr_scheduler, swa_utils
from npnet.optim.adadelta import Adadelta
from npnet.optim.adagrad import Adagrad
from npnet.optim.adam import Adam
from npnet.optim.adamax import Adamax
from npnet.optim.adamw import AdamW
from npnet.optim.asgd import ASGD
from npnet.optim.full_batch import minimize
from npnet.optim.nadam import NAdam
from npnet.optim.optimizer import Optimizer
from npnet.optim.radam import RAdam
from npnet.optim.rmsprop import RMSprop
from npnet.optim.rprop import Rprop
from npnet.optim.sgd import SGD

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "minimize",
    "swa_utils",
]

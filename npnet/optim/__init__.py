"""Optimizers and learning-rate schedules, named as in ``torch.optim``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from npnet.optim.adadelta import Adadelta
from npnet.optim.adagrad import Adagrad
from npnet.optim.adam import Adam
from npnet.optim.adamax import Adamax
from npnet.optim.adamw import AdamW
from npnet.optim.asgd import ASGD
from npnet.optim.nadam import NAdam
from npnet.optim.optimizer import Optimizer
from npnet.optim.radam import RAdam
from npnet.optim.rmsprop import RMSprop
from npnet.optim.rprop import Rprop
from npnet.optim.sgd import SGD

if TYPE_CHECKING:
    from npnet.optim import lr_scheduler, swa_utils
    from npnet.optim.full_batch import minimize

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


def __getattr__(name: str) -> Any:
    """Load on first use what a script may not need, so that ``import npnet`` stays quick."""
    if name in ("lr_scheduler", "swa_utils"):
        return importlib.import_module(f"npnet.optim.{name}")
    if name == "minimize":
        return importlib.import_module("npnet.optim.full_batch").minimize
    raise AttributeError(f"module 'npnet.optim' has no attribute {name!r}")

"""Optimizers and learning-rate schedules, named as in ``torch.optim``."""

from __future__ import annotations

from npnet.optim import lr_scheduler
from npnet.optim.adam import Adam, AdamW
from npnet.optim.optimizer import Optimizer
from npnet.optim.rmsprop import RMSprop
from npnet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]

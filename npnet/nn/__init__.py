"""Layers, losses and containers, named as in ``torch.nn``, with an explicit backward pass."""

from __future__ import annotations

from npnet.nn import functional, init, utils
from npnet.nn.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from npnet.nn.container import ModuleList, Sequential
from npnet.nn.cross_entropy import CrossEntropyLoss
from npnet.nn.dropout import Dropout
from npnet.nn.flatten import Flatten
from npnet.nn.linear import Identity, Linear
from npnet.nn.loss import BCEWithLogitsLoss, MSELoss
from npnet.nn.module import Module
from npnet.nn.normalization import BatchNorm1d, BatchNorm2d
from npnet.nn.parameter import Parameter

__all__ = [
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "functional",
    "init",
    "utils",
]

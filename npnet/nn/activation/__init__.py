r"""Nonlinearities: each a pure function and its derivative's, side by side, and a class that keeps the books.

At a kink the derivative is PyTorch's, which each class states.
"""

from __future__ import annotations

from npnet.nn.activation.base import refuse_inplace
from npnet.nn.activation.exponential import CELU, ELU, SELU, celu, elu, selu
from npnet.nn.activation.gated import GELU, Mish, SiLU, gelu, mish, silu
from npnet.nn.activation.rectifiers import LeakyReLU, ReLU, leaky_relu, relu
from npnet.nn.activation.sigmoids import (
    LogSigmoid,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    log_sigmoid,
    sigmoid,
    softplus,
    softsign,
    tanh,
)

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "celu",
    "elu",
    "gelu",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "refuse_inplace",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
]

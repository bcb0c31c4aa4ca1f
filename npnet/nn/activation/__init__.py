r"""Nonlinearities: each a pure function and its derivative's, side by side, and a class that keeps the books.

At a kink the derivative is PyTorch's, which each class states.
"""

from __future__ import annotations

from npnet.nn.activation.base import refuse_inplace
from npnet.nn.activation.exponential import CELU, ELU, SELU, celu, elu, selu
from npnet.nn.activation.gated import GELU, Mish, SiLU, gelu, mish, silu
from npnet.nn.activation.glu import GLU, glu
from npnet.nn.activation.piecewise import (
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    ReLU6,
    hardsigmoid,
    hardswish,
    hardtanh,
)
from npnet.nn.activation.prelu import PReLU, prelu
from npnet.nn.activation.rectifiers import LeakyReLU, ReLU, leaky_relu, relu
from npnet.nn.activation.shrinkage import (
    Hardshrink,
    Softshrink,
    Tanhshrink,
    Threshold,
    hardshrink,
    softshrink,
    tanhshrink,
    threshold,
)
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
from npnet.nn.activation.softmax import LogSoftmax, Softmax, Softmax2d, Softmin, log_softmax, softmax

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "refuse_inplace",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]

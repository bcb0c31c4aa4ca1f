"""The forward formulas under PyTorch's names: pure functions of arrays."""

from __future__ import annotations

from npnet.nn.activation import gelu, sigmoid, softplus, softsign, tanh
from npnet.nn.activation import log_sigmoid as logsigmoid
from npnet.nn.flatten import flatten
from npnet.nn.functional.activation import celu, elu, leaky_relu, mish, relu, selu, silu
from npnet.nn.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
)
from npnet.nn.functional.noise import dropout
from npnet.nn.functional.windows import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv2d,
    max_pool1d,
    max_pool2d,
)
from npnet.nn.linear import linear

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "huber_loss",
    "l1_loss",
    "leaky_relu",
    "linear",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softplus",
    "softsign",
    "tanh",
]

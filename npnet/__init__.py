"""npnet: training and regularizing neural networks in plain NumPy, held equal to PyTorch."""

from __future__ import annotations

from npnet import backend, nn, optim, random
from npnet._version import __version__
from npnet.backend import set_default_dtype
from npnet.nn.context import is_grad_enabled, no_grad
from npnet.random import manual_seed

__all__ = [
    "__version__",
    "backend",
    "is_grad_enabled",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "random",
    "set_default_dtype",
]

"""npnet: training and regularizing neural networks in plain NumPy, held equal to PyTorch.

``npnet.nn``, ``npnet.optim`` and ``npnet.regularization`` need NumPy alone and are here at once;
``npnet.data`` and ``npnet.training`` bring pandas and scikit-learn and are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from npnet import backend, nn, optim, random, regularization
from npnet._version import __version__
from npnet.backend import set_default_dtype
from npnet.nn.context import is_grad_enabled, no_grad
from npnet.nn.summary import summary
from npnet.random import manual_seed

__all__ = [
    "__version__",
    "backend",
    "data",
    "is_grad_enabled",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "random",
    "regularization",
    "set_default_dtype",
    "summary",
    "training",
]

_LAZY = ("data", "training")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"npnet.{name}")
    raise AttributeError(f"module 'npnet' has no attribute {name!r}")

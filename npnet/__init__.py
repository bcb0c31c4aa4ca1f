"""npnet: training and regularizing neural networks in plain NumPy, held equal to PyTorch.

``npnet.nn`` and ``npnet.optim`` are here at once; ``npnet.regularization``, ``npnet.data`` and
``npnet.training`` (the last two bring pandas and scikit-learn) are loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from npnet import backend, nn, optim, random
from npnet._version import __version__
from npnet.backend import set_default_dtype
from npnet.nn.context import is_grad_enabled, no_grad
from npnet.random import manual_seed

if TYPE_CHECKING:
    from npnet import data, regularization, training
    from npnet.nn.gradcheck import gradcheck
    from npnet.nn.summary import summary

__all__ = [
    "__version__",
    "backend",
    "data",
    "gradcheck",
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


def __getattr__(name: str) -> Any:
    """Load on first use what is not needed at once, so that ``import npnet`` stays quick."""
    if name in ("data", "regularization", "training"):
        return importlib.import_module(f"npnet.{name}")
    if name in ("gradcheck", "summary"):
        return getattr(importlib.import_module(f"npnet.nn.{name}"), name)
    raise AttributeError(f"module 'npnet' has no attribute {name!r}")

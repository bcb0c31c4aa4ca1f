"""npnet: training and regularizing neural networks in plain NumPy, held equal to PyTorch."""

from __future__ import annotations

from npnet import backend, random
from npnet._version import __version__
from npnet.backend import set_default_dtype
from npnet.random import manual_seed

__all__ = ["__version__", "backend", "manual_seed", "random", "set_default_dtype"]

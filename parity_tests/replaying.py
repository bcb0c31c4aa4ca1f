"""Both libraries drawing from one seed, and what is promised of that where."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import npnet

__all__ = ["assert_same_streams", "seed_both", "where_promised", "with_default_dtype"]

where_promised = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="the promise is for PyTorch's x86 kernels with AVX2",
)


def seed_both(seed: int) -> None:
    """Seed npnet's streams as PyTorch's generator, and that."""
    npnet.manual_seed(seed, like="torch")
    torch.manual_seed(seed)


def assert_same_streams() -> None:
    """Equally many draws were made."""
    np.testing.assert_array_equal(npnet.random.stream("init").get_state(), torch.get_rng_state().numpy())


def with_default_dtype(dtype: str) -> Iterator[str]:
    """Both libraries set to one default dtype, and put back, npnet's streams too."""
    torch.set_default_dtype(getattr(torch, dtype))
    npnet.set_default_dtype(dtype)
    yield dtype
    torch.set_default_dtype(torch.float32)
    npnet.set_default_dtype("float32")
    npnet.manual_seed(0)

"""What it costs to draw as PyTorch does, against NumPy's own MT19937 and PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.random import TorchGenerator

__all__ = ["report"]

MILLION = 1_000_000
PERMUTED = 60_000


def _contenders() -> dict[str, dict[str, Callable[[], Any]]]:
    """By draw, what each library calls; PyTorch where it is installed."""
    ours, numpy = TorchGenerator(0), np.random.Generator(np.random.MT19937(0))
    draws: dict[str, dict[str, Callable[[], Any]]] = {
        f"{MILLION:,} uniforms, {dtype}": {
            "npnet": lambda dtype=dtype: ours.rand(MILLION, dtype=dtype),
            "numpy": lambda dtype=dtype: numpy.random(MILLION, dtype=dtype),
        }
        for dtype in ("float32", "float64")
    }
    draws[f"permutation of {PERMUTED:,}"] = {
        "npnet": lambda: ours.randperm(PERMUTED),
        "numpy": lambda: numpy.permutation(PERMUTED),
    }
    draws["mask of 128 by 256"] = {
        "npnet": lambda: ours.bernoulli(0.7, (128, 256)),
        "numpy": lambda: numpy.random((128, 256)) < 0.7,
    }
    draws[f"{MILLION // 10:,} normals, float32"] = {
        "npnet": lambda: ours.randn(MILLION // 10, dtype="float32"),
        "numpy": lambda: numpy.standard_normal(MILLION // 10, dtype=np.float32),
    }
    try:
        import torch
    except ImportError:
        return draws
    torch.set_num_threads(1)
    theirs = torch.Generator().manual_seed(0)
    for name, draw in zip(
        draws,
        (
            lambda: torch.rand(MILLION, generator=theirs),
            lambda: torch.rand(MILLION, generator=theirs, dtype=torch.float64),
            lambda: torch.randperm(PERMUTED, generator=theirs),
            lambda: torch.empty(128, 256).bernoulli_(0.7, generator=theirs),
            lambda: torch.randn(MILLION // 10, generator=theirs),
        ),
        strict=True,
    ):
        draws[name]["torch"] = draw
    return draws


def _least(contenders: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least processor time of each, in milliseconds, over rounds in which each has its turn."""
    least = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, draw in contenders.items():
            began = time.process_time()
            draw()
            least[name] = min(least[name], 1e3 * (time.process_time() - began))
    return least


def report(rounds: int) -> str:
    """A row a draw: milliseconds of processor time, the least of the rounds, and npnet's by NumPy's."""
    lines = ["| draw | npnet | NumPy | PyTorch | npnet / NumPy |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, contenders in _contenders().items():
        least = _least(contenders, rounds)
        torch = f"{least['torch']:.2f}" if "torch" in least else ""
        lines.append(
            f"| {name} | {least['npnet']:.2f} | {least['numpy']:.2f} | {torch} "
            f"| {least['npnet'] / least['numpy']:.2f} |"
        )
    return "\n".join(lines)

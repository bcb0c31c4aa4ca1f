"""The machine: what it is, and whether it has time for us."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

__all__ = ["busy", "describe"]

LIBRARIES = ("numpy", "scipy", "numba", "torch", "jax", "optax", "scikit-learn")
QUIET = 5.0
"""Percent of the processors' time that others may use before the machine counts as busy."""


def busy(seconds: float = 2.0) -> str:
    """Empty, or who else is at work: what share of the processors is used while we do nothing."""
    try:
        import psutil
    except ImportError as error:
        raise ImportError("the benchmarks need more packages: pip install -e '.[bench]'") from error
    share = psutil.cpu_percent(interval=seconds)
    if share <= QUIET:
        return ""
    return f"{share:.0f} % of {os.cpu_count()} processors are at work already"


def describe(device: str) -> dict[str, str]:
    """Processor, system and versions, for the report."""
    found = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
    if device == "cuda":
        found["GPU"] = _gpu()
    for library in (*LIBRARIES, *_distributions_of("cupy")):
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _distributions_of(module: str) -> list[str]:
    """Who brings a module: CuPy comes as one of ``cupy-cuda12x``, ``cupy-cuda13x`` and others."""
    return sorted(set(importlib.metadata.packages_distributions().get(module, ())))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> str:
    try:
        import torch

        return str(torch.cuda.get_device_name())
    except (ImportError, RuntimeError, AssertionError):
        return "unknown"

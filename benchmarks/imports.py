"""What ``import npnet`` costs, over ``import numpy``."""

from __future__ import annotations

import statistics
import subprocess
import sys

__all__ = ["import_seconds", "report"]

MEASURE = """
import time, numpy
began = time.perf_counter(), time.process_time()
import {module}
print(time.perf_counter() - began[0], time.process_time() - began[1])
"""


def import_seconds(module: str, rounds: int) -> tuple[float, float]:
    """Median seconds, on the clock and of the processor, that a module's import takes once NumPy is there."""
    turns = []
    for _ in range(rounds):
        command = [sys.executable, "-c", MEASURE.format(module=module)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        turns.append(tuple(float(word) for word in output.split()))
    wall, cpu = zip(*turns, strict=True)
    return statistics.median(wall), statistics.median(cpu)


def report(rounds: int = 7) -> str:
    """Times of npnet and its peers, as far as they are installed."""
    lines = ["| import, after numpy | ms on the clock | ms of the processor |", "| --- | ---: | ---: |"]
    for module in ("npnet", "torch", "jax", "sklearn.neural_network"):
        try:
            wall, cpu = import_seconds(module, rounds)
        except subprocess.CalledProcessError:
            lines.append(f"| {module} | not installed | |")
            continue
        lines.append(f"| {module} | {wall * 1e3:.0f} | {cpu * 1e3:.0f} |")
    return "\n".join([*lines, "", "To reach for npnet: 80 ms."])

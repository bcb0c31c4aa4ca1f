"""How cost grows with size: it must grow in proportion to rows and to parameters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.peers import PEERS
from benchmarks.workloads import GALAXIES, Workload

__all__ = ["exponent", "report"]

BATCH = 500
BYTES_A_ROW = 4 * GALAXIES[0] + 8
BYTES_A_PARAMETER = 6 * 4  # values, gradient, two moments, and what the benchmark draws them from


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log seconds against log size by least squares: 1 is proportional growth.

    Examples
    --------
    >>> exponent([1, 10, 100], [2.0, 20.0, 200.0])
    1.0
    """
    x, y = [math.log(size) for size in sizes], [math.log(second) for second in seconds]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
    return round(slope, 3)


def _epoch(workload: Workload, peer: str) -> float:
    """The least of three epochs, in seconds."""
    run, seconds = PEERS[peer].load()(workload, "cpu"), []
    run()
    for _ in range(3):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def report(peer: str, largest_rows: int, largest_parameters: int, say: Callable[[str], None]) -> str:
    """Epochs over 10^4 rows and more; updates of 10^3 parameters and more, as far as there is memory."""
    import psutil

    rows = Workload("rows", sizes=GALAXIES, batch=BATCH)
    update = Workload("parameters", kind="update", optimizer="Adam")
    lines: list[str] = []
    for what, first, last, size_of, workload_of in (
        ("rows", 10**4, largest_rows, BYTES_A_ROW, lambda n: replace(rows, steps=n // BATCH)),
        ("parameters", 10**3, largest_parameters, BYTES_A_PARAMETER, lambda n: replace(update, parameters=n)),
    ):
        lines += [f"| {what} | seconds | nanoseconds each |", "| ---: | ---: | ---: |"]
        sizes, seconds = [], []
        size = first
        while size <= last:
            if size * size_of > 0.8 * psutil.virtual_memory().available:
                say(f"{what}: {size:.0e} does not fit into the memory that is free")
                break
            sizes.append(size)
            seconds.append(_epoch(workload_of(size), peer))
            lines.append(f"| {size:.0e} | {seconds[-1]:.3g} | {seconds[-1] / size * 1e9:.3g} |")
            say(f"{what} {size:.0e}: {seconds[-1]:.3g} s")
            size *= 10
        large = [(n, s) for n, s in zip(sizes, seconds, strict=True) if s > 1e-4]  # below, calls cost most
        if len(large) > 1:
            lines += ["", f"{what}: time grows with size to the power {exponent(*zip(*large, strict=True))}."]
        lines.append("")
    return "\n".join(lines)

"""Peak resident memory of a script that trains, against its PyTorch twin's."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

__all__ = ["peak_memory", "report"]

SCRIPTS = Path(__file__).parent / "scripts"
STEPS = (200, 4000)
"""A short and a long run: what grows with the number of steps shows as a difference."""


def peak_memory(command: list[str]) -> int:
    """Run a command and watch it: the largest number of bytes that it had in memory at once.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    import psutil

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            try:
                info = watched.memory_info()
            except psutil.Error:  # it ended between two looks
                break
            peak = max(peak, getattr(info, "peak_wset", info.rss))
            time.sleep(0.005)
        _, error = process.communicate()
    if process.returncode:
        raise RuntimeError(error.strip().splitlines()[-1] if error else f"exit status {process.returncode}")
    return peak


def report() -> str:
    """Both libraries, a short and a long run, in MiB; and NumPy alone, which is below both."""
    python = sys.executable
    bare = peak_memory([python, "-c", "import numpy, time; time.sleep(0.1)"])
    lines = [f"| script | {STEPS[0]} steps, MiB | {STEPS[1]} steps, MiB |", "| --- | ---: | ---: |"]
    lines.append(f"| import numpy, nothing else | {bare / 2**20:.0f} | |")
    peaks = {}
    for name in ("npnet", "torch"):
        peaks[name] = [
            peak_memory([python, str(SCRIPTS / f"train_{name}.py"), str(steps)]) for steps in STEPS
        ]
        lines.append(f"| train_{name}.py | " + " | ".join(f"{p / 2**20:.0f}" for p in peaks[name]) + " |")
    ratio = peaks["npnet"][1] / peaks["torch"][1]
    lines += ["", f"npnet / PyTorch: {ratio:.2f} (to reach: 0.33)"]
    return "\n".join(lines)

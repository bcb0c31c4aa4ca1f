"""What to say when a step does not fit into memory."""

from __future__ import annotations

import re

from npnet import backend
from npnet.errors import DeviceMemoryError

__all__ = ["out_of_memory"]

UNITS = {"bytes": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
ASKED = re.compile(r"([\d.,]+) (bytes|B|KiB|MiB|GiB|TiB)")


def out_of_memory(
    error: MemoryError, device: str, before: tuple[int, int], batch_size: int | None
) -> DeviceMemoryError:
    """The error to raise: what was asked for, what is free, and which batch size would fit.

    A step takes memory in proportion to its rows, so what it had taken when it failed, and was asking for,
    tells how many rows there is room for; a tenth is left free.

    Parameters
    ----------
    error : MemoryError
        NumPy's or CuPy's, whose text says how much was asked for.
    device : str
    before : tuple of int
        :func:`npnet.backend.memory_info` before the first step.
    batch_size : int or None
        Rows of the step; None where there was no step yet.

    Examples
    --------
    >>> error = MemoryError("Out of memory allocating 2,147,483,648 bytes (allocated so far: 0 bytes).")
    >>> "2,048 MiB were asked for" in str(out_of_memory(error, "cpu", (0, 0), 4096))
    True
    """
    used, free = backend.memory_info(device)
    found = ASKED.search(str(error))
    asked = int(float(found[1].replace(",", "")) * UNITS[found[2]]) if found else 0
    size = f"{asked / 2**20:,.0f} MiB were asked for" if asked else "more was asked for"
    size = f"out of memory on {device!r}: {size} where {free / 2**20:,.0f} MiB are free"
    if batch_size is None:
        return DeviceMemoryError(f"{size}, for the network alone; take a smaller one")
    wanted = max(used - before[0], 0) + asked
    room = before[1] or free
    fitting = batch_size // 2
    if 0 < room < wanted:
        fitting = min(fitting, int(0.9 * batch_size * room / wanted))
    advice = (
        f"training.batch_size={fitting} would fit"
        if fitting
        else "not even a batch of one row fits; take a smaller network"
    )
    return DeviceMemoryError(f"{size}, in a step of {batch_size} rows; {advice}")

"""Where the data of a training lie: on the device as a whole, or on the host and sent a batch at a time."""

from __future__ import annotations

import contextlib

import numpy as np

from npnet import backend
from npnet.backend import Array

__all__ = ["Placement", "place"]

SHARE = 0.5
"""How much of a device's free memory the data may take; the rest is for the network and its batches."""


class Placement:
    """Inputs and targets, and how a batch of them comes to the device.

    Parameters
    ----------
    inputs, targets : ndarray
        On the host, all rows.
    device : str
    resident : bool
        Whether both lie on the device as a whole.

    Attributes
    ----------
    about : str
        For people; empty on the host, where there is nothing to choose.

    Examples
    --------
    >>> data = Placement(np.eye(3), np.arange(3), "cpu", resident=True)
    >>> data.batch(np.array([2, 0]))[1]
    array([2, 0])
    """

    def __init__(self, inputs: Array, targets: Array, device: str, *, resident: bool) -> None:
        self.device, self.resident = device, resident
        size = f"{(inputs.nbytes + targets.nbytes) / 2**20:,.0f} MiB"
        if device == "cpu":
            self.about = ""
        elif resident:
            self.about = f"data: {size}, resident on the device"
        else:
            self.about = f"data: {size}, sent to the device a batch at a time through pinned memory"
        self._arrays: tuple[Array, ...] = (inputs, targets)
        if resident:
            self._arrays = tuple(backend.to_device(array, device) for array in (inputs, targets))
        self._send = tuple(backend.sender(device) for _ in self._arrays)

    def batch(self, rows: Array) -> tuple[Array, Array]:
        """Inputs and targets of some rows, on the device; good until the batch after the next."""
        if self.resident:
            places = backend.to_device(rows, self.device)
            x, target = (np.take(array, places, axis=0) for array in self._arrays)
            return x, target
        x, target = (
            send(np.take(array, rows, axis=0)) for send, array in zip(self._send, self._arrays, strict=True)
        )
        return x, target


def place(inputs: Array, targets: Array, device: str) -> Placement:
    """Put the data on the device where they fit into half of its free memory; else leave them on the host."""
    free = backend.memory_info(device)[1]
    if device == "cpu" or free == 0 or inputs.nbytes + targets.nbytes <= SHARE * free:
        with contextlib.suppress(MemoryError):  # somebody else was faster
            return Placement(inputs, targets, device, resident=True)
    return Placement(inputs, targets, device, resident=False)

"""Batches from the host to a GPU while the GPU computes.

A copy from ordinary memory makes the host wait; from page-locked ("pinned") memory it is queued on a stream
of its own, and goes on while kernels of the last batch run.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from npnet.backend import Array

__all__ = ["PinnedSender"]


class _Slot:
    """A buffer on either side, and the event that tells that the copy between them is done."""

    def __init__(self, cupy: ModuleType, size: int) -> None:
        self.size = size
        self.host = np.frombuffer(cupy.cuda.alloc_pinned_memory(size), np.uint8, size)
        self.device = cupy.empty(size, np.uint8)
        self.copied = cupy.cuda.Event(disable_timing=True)


class PinnedSender:
    """Sends arrays of one kind, by turns through two pairs of buffers.

    What is returned is overwritten two calls later: it is for the batch of a step, which nobody keeps.
    Before that, the copy waits, on the device, until everything that was queued for the older batch is done;
    the host waits only if it is two batches ahead.

    Parameters
    ----------
    cupy : module
    """

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy = cupy
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._slots: list[_Slot | None] = [None, None]
        self._turn = 0
        self._mark: Any = None  # behind all work that was queued before the last call

    def __call__(self, array: Array) -> Array:
        """Queue the copy of a host array; what is queued afterwards on the current stream waits for it."""
        cupy, stream = self._cupy, self._stream
        compute = cupy.cuda.get_current_stream()
        slot = self._slots[self._turn]
        if slot is None or slot.size < array.nbytes:
            compute.synchronize()
            stream.synchronize()
            slot = self._slots[self._turn] = _Slot(cupy, max(array.nbytes, 1))
        self._turn = 1 - self._turn
        slot.copied.synchronize()  # the older batch has left the pinned buffer
        staged = slot.host[: array.nbytes].view(array.dtype).reshape(array.shape)
        staged[...] = array
        received = slot.device[: array.nbytes].view(array.dtype).reshape(array.shape)
        if self._mark is not None:
            stream.wait_event(self._mark)
        self._mark = cupy.cuda.Event(disable_timing=True)
        self._mark.record(compute)
        if math.prod(array.shape):
            received.set(staged, stream=stream)
        slot.copied.record(stream)
        compute.wait_event(slot.copied)
        result: Array = received
        return result

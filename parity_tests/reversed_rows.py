"""A PyTorch script whose batches come with their rows in reverse, each row with the mask it would have had.

Its sums over a batch are then taken in another order: how far it drifts from itself is how far rounding alone
carries a run.  ``python -m parity_tests.reversed_rows TARGET SCRIPT [ARGUMENTS]`` records such a run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data._utils.fetch import _MapDatasetFetcher

from npnet.training.recording import record
from torchref.recording import recording_torch

__all__ = ["main"]


class _ReversedMasks(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch gives it no hints
    """Masks are drawn as ever, and turned over along the batch."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.bernoulli_.float:
            rows = 1 if args[0].ndim == 3 else 0  # between recurrent layers time comes first
            result.copy_(args[0].flip(rows))
        return result


def main() -> None:
    """Record the script that the command line names: target, script, its arguments."""
    target, script, *arguments = sys.argv[1:]
    fetch = _MapDatasetFetcher.fetch

    def reversed_fetch(self: Any, indices: Any) -> Any:
        return [tensor.flip(0) for tensor in fetch(self, indices)]  # type: ignore[no-untyped-call]

    with mock.patch.object(_MapDatasetFetcher, "fetch", reversed_fetch), _ReversedMasks():
        record(script, arguments, recording_torch, target)


if __name__ == "__main__":
    main()

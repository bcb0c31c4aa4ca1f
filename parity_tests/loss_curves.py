"""Losses of a script, step by step; PyTorch's as often as asked for, with batches in another order each time.

``python -m parity_tests.loss_curves TARGET LIBRARY ORDERS STEPS SCRIPT [ARGUMENTS]`` runs the script ORDERS
times, stops it after STEPS steps, and writes a list of losses for each time.  The first run is left as it is.
In the others the rows of every batch come in another order, each row with the mask that it would have had:
reversed in the second, drawn in the others.  Sums over a batch are then taken in another order, and nothing
else changes: how far these runs part is how far rounding alone carries PyTorch from itself.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data._utils.fetch import _MapDatasetFetcher

from npnet.training.recording import Recorder, recording_npnet, watch
from torchref.recording import recording_torch

__all__ = ["main"]

RECORDING = {"npnet": recording_npnet, "torch": recording_torch}


class _Losses(Recorder):
    """Takes down losses alone, and ends the script after so many steps."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def before_step(self, weights: Sequence[Any]) -> None:
        super().before_step(weights[:0])

    def after_step(self, weights: Sequence[Any], state: bytes | None) -> None:
        super().after_step(weights[:0], state)
        if len(self.steps) == self.most:
            raise SystemExit


@functools.cache
def _order(number: int, rows: int) -> torch.Tensor:
    if number == 1:
        return torch.arange(rows).flip(0)
    return torch.from_numpy(np.random.default_rng([number, rows]).permutation(rows))


class _MovedMasks(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch gives it no hints
    """Masks are drawn as ever, and put in order along the batch."""

    def __init__(self, number: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.number = number

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.bernoulli_.float:
            rows = 1 if args[0].ndim == 3 else 0  # between recurrent layers time comes first
            result.copy_(args[0].index_select(rows, _order(self.number, args[0].shape[rows])))
        return result


@contextmanager
def _rows_in_order(number: int) -> Iterator[None]:
    fetch = _MapDatasetFetcher.fetch

    def moved(self: Any, indices: Any) -> Any:
        return [tensor[_order(number, len(tensor))] for tensor in fetch(self, indices)]  # type: ignore[no-untyped-call]

    with mock.patch.object(_MapDatasetFetcher, "fetch", moved), _MovedMasks(number):
        yield


def main() -> None:
    """Run the script that the command line names."""
    target, library, orders, steps, script, *arguments = sys.argv[1:]
    curves = []
    for number in range(int(orders)):
        recorder = _Losses(int(steps))
        with _rows_in_order(number) if number else nullcontext():
            watch(script, arguments, RECORDING[library], recorder)
        curves.append([step["loss"] for step in recorder.steps])
    Path(target).write_text(json.dumps(curves), encoding="utf-8")


if __name__ == "__main__":
    main()

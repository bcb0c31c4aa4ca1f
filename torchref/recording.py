"""What a training script in PyTorch does, taken down from outside while it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from npnet.training.recording import Recorder, record

__all__ = ["main", "recording_torch"]


@contextmanager
def recording_torch(recorder: Recorder) -> Iterator[None]:
    """A context in which PyTorch's losses and optimizers report to `recorder`."""
    backward: Any = torch.Tensor.backward

    def seen_backward(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        recorder.backward(float(self.detach().sum()))
        return backward(self, *args, **kwargs)

    def before(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        recorder.before_step(
            [
                (p, p.detach().numpy(), None if p.grad is None else p.grad.numpy())
                for group in optimizer.param_groups
                for p in group["params"]
            ]
        )

    def after(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        held = [p.detach().numpy() for group in optimizer.param_groups for p in group["params"]]
        recorder.after_step(held, torch.get_rng_state().numpy().tobytes())

    hooks = (register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after))
    try:
        with mock.patch.object(torch.Tensor, "backward", seen_backward):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def main() -> None:
    """Record the script that the command line names: target, script, its arguments."""
    target, script, *arguments = sys.argv[1:]
    record(script, arguments, recording_torch, target)


if __name__ == "__main__":
    main()

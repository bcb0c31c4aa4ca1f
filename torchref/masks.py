"""Masks from outside, so that both libraries can drop the same elements.

PyTorch makes the mask of every kind of dropout, those inside its recurrent layers included, by one operation,
``Tensor.bernoulli_``.  That one is replaced while a layer runs, and nothing else: what PyTorch does with the
mask is still its own arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["GivenMasks", "give_masks"]


class GivenMasks(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch gives it no hints
    """A context in which ``bernoulli_`` of one probability takes its values from a generator of npnet's.

    Parameters
    ----------
    generator : object
        With ``bernoulli(p, shape)``, such as a :class:`~npnet.random.ReplayGenerator` with the tape of a
        model in npnet, or a :class:`~npnet.random.Generator` in the state that npnet's model found.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.random import ReplayGenerator
    >>> with GivenMasks(ReplayGenerator([np.array([True, False])])):
    ...     nn.functional.dropout(torch.tensor([1.0, 2.0]), 0.5)
    tensor([2., 0.])
    """

    def __init__(self, generator: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator = generator

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run one of PyTorch's operations, or take its place."""
        if func is not torch.ops.aten.bernoulli_.float:
            return func(*args, **(kwargs or {}))
        noise: Tensor = args[0]
        p = args[1] if len(args) > 1 else 0.5
        return noise.copy_(torch.from_numpy(self.generator.bernoulli(p, tuple(noise.shape))))


def give_masks(model: nn.Module, generator: Any) -> None:
    """Let every layer of `model` that drops take its masks from `generator`, in the order of its calls.

    Parameters
    ----------
    model : torch.nn.Module
        Its dropout and recurrent layers are given hooks; its classes, keys and weights stay as they are.
    generator : object
        As for :class:`GivenMasks`; all layers share it.
    """
    for module in model.modules():
        if isinstance(module, (_DropoutNd, nn.RNNBase)):
            _wrap(module, GivenMasks(generator))


def _wrap(module: nn.Module, context: Any) -> None:
    """Enter the context before the module's forward pass and leave it afterwards, also after an error."""

    def before(*_: Any) -> None:
        context.__enter__()

    def after(*_: Any) -> None:
        context.__exit__(None, None, None)

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after, always_call=True)

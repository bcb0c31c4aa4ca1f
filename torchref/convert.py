"""Models from npnet to PyTorch and back, with weights, buffers and modes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn as tnn

from npnet import nn
from npnet.errors import DtypeError
from npnet.random import ReplayGenerator
from torchref.dropout import ReplayedDropout
from torchref.state import to_arrays, to_tensors

__all__ = ["from_torch", "to_torch"]

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "BCEWithLogitsLoss": ("weight", "reduction", "pos_weight"),
    "BatchNorm1d": ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    "CrossEntropyLoss": ("weight", "ignore_index", "reduction", "label_smoothing"),
    "Dropout": ("p",),
    "Flatten": ("start_dim", "end_dim"),
    "Identity": (),
    "LeakyReLU": ("negative_slope",),
    "Linear": ("in_features", "out_features"),
    "MSELoss": ("reduction",),
    "ModuleList": (),
    "ReLU": (),
    "Sequential": (),
    "Sigmoid": (),
    "Tanh": (),
}
"""The classes that both libraries have, and those of their arguments that are kept as attributes."""

HAS_BIAS = ("BatchNorm1d", "Linear")
"""Classes of which ``bias=`` is an argument and, in another sense, an attribute."""


def to_torch(model: nn.Module, *, masks: ReplayGenerator | None = None) -> Any:
    """Build the PyTorch twin of a model or loss, on the CPU.

    Parameters
    ----------
    model : npnet.nn.Module
    masks : npnet.random.ReplayGenerator, keyword-only, optional
        Dropout layers take their masks from this tape rather than from PyTorch's generator.

    Returns
    -------
    torch.nn.Module
        With equal weights, buffers, dtypes, modes and ``requires_grad``; sharing no memory.

    Raises
    ------
    DtypeError
        If the model holds a class that PyTorch has no twin of, such as one of your own.
    """
    twin = _Conversion(nn, tnn, to_tensors, masks).convert(model)
    twin.load_state_dict(to_tensors(model.state_dict()))
    _copy_modes(model, twin)
    return twin


def from_torch(module: Any) -> nn.Module:
    """Build the npnet twin of a PyTorch model or loss, on the CPU.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    npnet.nn.Module
        With equal weights, buffers, dtypes, modes and ``requires_grad``; sharing no memory.

    Raises
    ------
    DtypeError
        If the model holds a class that npnet has no twin of.
    """
    twin: nn.Module = _Conversion(tnn, nn, to_arrays, None).convert(module)
    twin.load_state_dict(to_arrays(module.state_dict()))
    _copy_modes(module, twin)
    return twin


def _copy_modes(source: Any, twin: Any) -> None:
    for mine, other in zip(source.modules(), twin.modules(), strict=True):
        other.training = mine.training
    for mine, other in zip(source.parameters(), twin.parameters(), strict=True):
        other.requires_grad = mine.requires_grad


class _Conversion:
    """One walk through a model; a module that occurs twice becomes one twin that occurs twice."""

    def __init__(
        self, source: Any, target: Any, values: Callable[[Any], Any], masks: ReplayGenerator | None
    ) -> None:
        self.source, self.target, self.values, self.masks = source, target, values, masks
        self.done: dict[Any, Any] = {}

    def convert(self, module: Any) -> Any:
        if module not in self.done:
            self.done[module] = self._twin(module)
        return self.done[module]

    def _twin(self, module: Any) -> Any:
        name = type(module).__name__
        if name not in ARGUMENTS or type(module) is not getattr(self.source, name, None):
            raise DtypeError(
                f"{name} has no twin in {self.target.__name__}; known are {', '.join(sorted(ARGUMENTS))}. "
                "Write the twin by hand and carry the weights over with its state_dict"
            )
        if name == "Dropout" and self.masks is not None:
            return ReplayedDropout(module.p, self.masks)
        if name == "Sequential":
            children = {key: self.convert(child) for key, child in module.named_children()}
            return self.target.Sequential(OrderedDict(children))
        if name == "ModuleList":
            return self.target.ModuleList([self.convert(child) for child in module])
        arguments = {argument: self.values(getattr(module, argument)) for argument in ARGUMENTS[name]}
        if name in HAS_BIAS:
            arguments["bias"] = module.bias is not None
            held = next(iter((*module.parameters(), *module.buffers())), None)
            if held is not None:
                arguments["dtype"] = _dtype(held, self.target)
        return getattr(self.target, name)(**arguments)


def _dtype(held: Any, target: Any) -> Any:
    name = str(held.dtype).removeprefix("torch.")
    return getattr(torch, name) if target is tnn else name

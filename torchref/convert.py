"""Models from npnet to PyTorch and back, with weights, buffers and modes."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn as tnn

from npnet import nn
from npnet.errors import DtypeError
from npnet.training.forecaster import Forecaster
from torchref import forecaster
from torchref.masks import give_masks
from torchref.state import to_arrays, to_tensors

__all__ = ["from_torch", "to_torch"]

RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_WINDOWS = ("kernel_size", "stride", "padding")
_CONVOLUTION = ("in_channels", "out_channels", *_WINDOWS, "dilation", "groups", "padding_mode")

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "BCELoss": ("weight", "reduction"),
    "AdaptiveAvgPool1d": ("output_size",),
    "AdaptiveAvgPool2d": ("output_size",),
    "AvgPool1d": (*_WINDOWS, "ceil_mode", "count_include_pad"),
    "AvgPool2d": (*_WINDOWS, "ceil_mode", "count_include_pad", "divisor_override"),
    "BCEWithLogitsLoss": ("weight", "reduction", "pos_weight"),
    **dict.fromkeys(
        ("BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d"),
        ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    ),
    "CELU": ("alpha",),
    "Conv1d": _CONVOLUTION,
    "Conv2d": _CONVOLUTION,
    "CrossEntropyLoss": ("weight", "ignore_index", "reduction", "label_smoothing"),
    **dict.fromkeys(("AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "FeatureAlphaDropout"), ("p",)),
    "ELU": ("alpha",),
    "Flatten": ("start_dim", "end_dim"),
    "CosineEmbeddingLoss": ("margin", "reduction"),
    "GaussianNLLLoss": ("full", "eps", "reduction"),
    "GELU": ("approximate",),
    "GLU": ("dim",),
    "Hardshrink": ("lambd",),
    "Hardsigmoid": (),
    "Hardswish": (),
    "Hardtanh": ("min_val", "max_val"),
    "HingeEmbeddingLoss": ("margin", "reduction"),
    "GroupNorm": ("num_groups", "num_channels", "eps", "affine"),
    "HuberLoss": ("reduction", "delta"),
    "Identity": (),
    "KLDivLoss": ("reduction", "log_target"),
    "L1Loss": ("reduction",),
    "GRU": RECURRENT,
    "LSTM": (*RECURRENT, "proj_size"),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"),
    "LeakyReLU": ("negative_slope",),
    "Linear": ("in_features", "out_features"),
    "LogSigmoid": (),
    "LogSoftmax": ("dim",),
    "MSELoss": ("reduction",),
    "Mish": (),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d"), (*_WINDOWS, "dilation", "return_indices", "ceil_mode")),
    "MarginRankingLoss": ("margin", "reduction"),
    "ModuleList": (),
    "MultiLabelMarginLoss": ("reduction",),
    "MultiLabelSoftMarginLoss": ("weight", "reduction"),
    "MultiMarginLoss": ("p", "margin", "weight", "reduction"),
    "NLLLoss": ("weight", "ignore_index", "reduction"),
    "RNN": (*RECURRENT, "nonlinearity"),
    "PReLU": ("num_parameters", "init"),
    "PoissonNLLLoss": ("log_input", "full", "eps", "reduction"),
    "RMSNorm": ("normalized_shape", "eps", "elementwise_affine"),
    "ReLU": (),
    "ReLU6": (),
    "SELU": (),
    "Sequential": (),
    "SiLU": (),
    "Sigmoid": (),
    "SmoothL1Loss": ("reduction", "beta"),
    "SoftMarginLoss": ("reduction",),
    "Softmax": ("dim",),
    "Softmax2d": (),
    "Softmin": ("dim",),
    "Softplus": ("beta", "threshold"),
    "Softshrink": ("lambd",),
    "Softsign": (),
    "Tanh": (),
    "Tanhshrink": (),
    "Threshold": ("threshold", "value"),
    "TripletMarginLoss": ("margin", "p", "eps", "swap", "reduction"),
}
"""The classes that both libraries have, and those of their arguments that are kept as attributes."""

FORECASTERS: tuple[Any, Any] = (Forecaster, forecaster.Forecaster)
"""The class of npnet, and its twin."""

HAS_BIAS = (
    *("BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "GroupNorm"),
    *("InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "Linear"),
)
"""Classes of which ``bias=`` is an argument and, in another sense, an attribute."""


def to_torch(model: nn.Module, *, masks: Any = None) -> tnn.Module:
    """Build the PyTorch twin of a model or loss, on the CPU.

    Parameters
    ----------
    model : npnet.nn.Module
    masks : npnet.random.ReplayGenerator or Generator, keyword-only, optional
        Layers that drop take their masks from it rather than from PyTorch's generator, as
        :func:`~torchref.masks.give_masks` says.

    Returns
    -------
    torch.nn.Module
        With equal weights, buffers, dtypes, modes and ``requires_grad``, and the same modules and
        parameters shared; sharing no memory with `model`.

    Raises
    ------
    DtypeError
        If the model holds a class that PyTorch has no twin of, such as one of your own.
    """
    twin: tnn.Module = _Conversion(nn, tnn, to_tensors).convert(model)
    if masks is not None:
        give_masks(twin, masks)
    return twin


def from_torch(module: tnn.Module) -> nn.Module:
    """Build the npnet twin of a PyTorch model or loss, on the CPU.

    Parameters
    ----------
    module : torch.nn.Module
        Its layers' ``inplace`` saves memory and changes no result, so it is not carried over.

    Returns
    -------
    npnet.nn.Module
        With equal weights, buffers, dtypes, modes and ``requires_grad``, and the same modules and
        parameters shared; sharing no memory with `module`.

    Raises
    ------
    DtypeError
        If the model holds a class that npnet has no twin of.
    """
    twin: nn.Module = _Conversion(tnn, nn, to_arrays).convert(module)
    return twin


class _Conversion:
    """One walk through a model; what occurs twice becomes one twin that occurs twice."""

    def __init__(self, source: Any, target: Any, values: Callable[[Any], Any]) -> None:
        self.source, self.target, self.values = source, target, values
        self.twins: dict[Any, Any] = {}

    def convert(self, model: Any) -> Any:
        """The twin of a whole model."""
        twin = self._twin(model)
        self._share_and_freeze()
        twin.load_state_dict(self.values(model.state_dict()))
        return twin

    def _twin(self, module: Any) -> Any:
        if module not in self.twins:
            twin = self.twins[module] = self._made(module)
            twin.training = module.training
        return self.twins[module]

    def _share_and_freeze(self) -> None:
        first: dict[Any, Any] = {}
        for module, twin in self.twins.items():
            for name, parameter in module.named_parameters(recurse=False):
                copy = first.setdefault(parameter, getattr(twin, name))
                copy.requires_grad = parameter.requires_grad
                setattr(twin, name, copy)

    def _made(self, module: Any) -> Any:
        name = type(module).__name__
        if type(module) in FORECASTERS:
            made = FORECASTERS[self.target is tnn]
            return made(self._twin(module.recurrent), self._twin(module.head), module.bptt)
        if name not in ARGUMENTS or type(module) is not getattr(self.source, name, None):
            raise DtypeError(
                f"{name} has no twin in {self.target.__name__}; known are {', '.join(sorted(ARGUMENTS))}. "
                "Write the twin by hand and carry the weights over with its state_dict"
            )
        if name == "Sequential":
            # Iteration gives a module as often as it occurs; PyTorch's named_children gives it once.
            children = zip(module._modules, module, strict=True)
            return self.target.Sequential(OrderedDict((key, self._twin(child)) for key, child in children))
        if name == "ModuleList":
            return self.target.ModuleList([self._twin(child) for child in module])
        arguments = {argument: self.values(getattr(module, argument)) for argument in ARGUMENTS[name]}
        if name in HAS_BIAS:
            if "bias" in inspect.signature(getattr(self.target, name)).parameters:
                arguments["bias"] = module.bias is not None
            elif module.bias is None and module.weight is not None:  # an older PyTorch
                raise DtypeError(
                    f"{name} has a weight and no bias; this {self.target.__name__} knows no such"
                )
        held = next(iter((*module.parameters(), *module.buffers())), None)
        if held is not None and "dtype" in inspect.signature(getattr(nn, name)).parameters:
            arguments["dtype"] = _dtype(held, self.target)
        return getattr(self.target, name)(**arguments)


def _dtype(held: Any, target: Any) -> Any:
    name = str(held.dtype).removeprefix("torch.")
    return getattr(torch, name) if target is tnn else name

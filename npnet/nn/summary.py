"""What a model consists of: shapes, parameters, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet import backend
from npnet.nn.context import no_grad
from npnet.nn.module import Module

__all__ = ["LayerSummary", "Summary", "summary"]


@dataclass(frozen=True)
class LayerSummary:
    """One module of a :class:`Summary`.

    Attributes
    ----------
    name, kind : str
        Dotted name and class; the model itself has the name ``""``.
    output_shape : tuple of int or None
        Shape of its last output; None where it was not called, or gave something else than one array.
    parameters : int
        Learned numbers of its own, without those of its children.
    leaf : bool
        Whether it has no children.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    leaf: bool


@dataclass(frozen=True)
class Summary:
    """A model's shapes and sizes; ``print`` shows them as a table.

    Attributes
    ----------
    layers : tuple of LayerSummary
        Every module, in the order of assignment.
    parameters, trainable : int
        Learned numbers, each counted once; and those of them that require a gradient.
    parameter_bytes, buffer_bytes : int
        Memory of the parameters' values (gradients take as much again, Adam's state twice as much) and of
        the buffers.
    activation_bytes : int
        Memory of the outputs of all layers for the given input: about what a forward pass keeps.
    """

    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable: int
    parameter_bytes: int
    buffer_bytes: int
    activation_bytes: int

    def __str__(self) -> str:
        rows = [("layer", "output", "parameters")]
        for layer in self.layers:
            depth = layer.name.count(".") + bool(layer.name)
            label = f"{'  ' * depth}{layer.kind}" + (f" ({layer.name})" if layer.name else "")
            shape = "" if layer.output_shape is None else str(layer.output_shape)
            rows.append((label, shape, f"{layer.parameters:,}" if layer.parameters else ""))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        table = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
        line = "-" * max(len(row) for row in table)
        frozen = self.parameters - self.trainable
        totals = [
            f"parameters   {self.parameters:,}" + (f", of which {frozen:,} frozen" if frozen else ""),
            f"memory       {_size(self.parameter_bytes)} parameters, {_size(self.buffer_bytes)} buffers, "
            f"{_size(self.activation_bytes)} activations",
        ]
        return "\n".join([table[0], line, *table[1:], line, *totals])


def summary(model: Module, input_size: tuple[int, ...] | None = None) -> Summary:
    """List a model's modules with output shapes, parameters and memory.

    Parameters
    ----------
    model : Module
    input_size : tuple of int, optional
        Shape of an input, batch included; zeros of this shape are passed through the model in evaluation
        mode.  Without it the shapes stay unknown.

    Returns
    -------
    Summary

    Examples
    --------
    >>> from npnet import nn, summary
    >>> print(summary(nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3)), (32, 20)))
    layer         output    parameters
    ----------------------------------
    Sequential    (32, 3)
      Linear (0)  (32, 64)       1,344
      ReLU (1)    (32, 64)
      Linear (2)  (32, 3)          195
    ----------------------------------
    parameters   1,539
    memory       6.0 KiB parameters, 0 B buffers, 16.4 KiB activations
    """
    outputs: dict[Module, Any] = {} if input_size is None else _outputs(model, input_size)
    layers = []
    for name, module in model.named_modules():
        output = outputs.get(module)
        layers.append(
            LayerSummary(
                name,
                type(module).__name__,
                getattr(output, "shape", None),
                sum(parameter.size for parameter in module.parameters(recurse=False)),
                next(module.children(), None) is None,
            )
        )
    parameters = list(model.parameters())
    return Summary(
        tuple(layers),
        sum(parameter.size for parameter in parameters),
        sum(parameter.size for parameter in parameters if parameter.requires_grad),
        sum(parameter.data.nbytes for parameter in parameters),
        sum(buffer.nbytes for buffer in model.buffers()),
        sum(
            output.nbytes
            for module, output in outputs.items()
            if next(module.children(), None) is None and backend.is_array(output)
        ),
    )


def _outputs(model: Module, input_size: tuple[int, ...]) -> dict[Module, Any]:
    """Pass zeros through the model and note every module's last output."""
    outputs: dict[Module, Any] = {}

    def noting(module: Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any, **kwargs: Any) -> Any:
            outputs[module] = forward(*args, **kwargs)
            return outputs[module]

        return note

    modules = list(model.modules())
    modes = [module.training for module in modules]
    first = next(model.parameters(), None)
    dtype = backend.default_dtype() if first is None else first.dtype
    zeros = backend.to_device(np.zeros(input_size, dtype), None if first is None else first.device)
    try:
        for module in modules:
            module.forward = noting(module, module.forward)  # type: ignore[method-assign]
        with no_grad():
            model.eval()(zeros)
    finally:
        for module, mode in zip(modules, modes, strict=True):
            del module.forward
            module.training = mode
    return outputs


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"

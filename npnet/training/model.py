"""The models that a recipe can ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from npnet import nn
from npnet.training.schema import flag, number, one_of, setting, several, whole

__all__ = ["MLP", "MODELS"]

ACTIVATIONS = ("ReLU", "LeakyReLU", "Sigmoid", "Tanh")


@dataclass(frozen=True)
class MLP:
    r"""A fully connected network.

    Each hidden layer is ``Linear``, ``BatchNorm1d`` if `batch_norm`, the activation, and ``Dropout`` if
    `dropout` is positive; the last layer is ``Linear`` and gives what the loss takes: a logit a class, one
    logit, or numbers.  Inputs of several axes, such as images, are flattened first.

    Parameters
    ----------
    hidden : tuple of int
        Sizes of the hidden layers; empty for softmax regression.
    activation : {"ReLU", "LeakyReLU", "Sigmoid", "Tanh"}
        A class of :mod:`npnet.nn`.
    batch_norm : bool
        Whether every hidden layer is normalised before its activation.
    dropout : float
        Probability of zero behind each hidden layer, from 0 up to but not including 1.

    Examples
    --------
    >>> MLP(hidden=(8,), dropout=0.5).build(inputs=4, outputs=3)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Dropout(p=0.5)
      (3): Linear(in_features=8, out_features=3, bias=True)
    )
    """

    kind: ClassVar[str] = "mlp"

    hidden: tuple[int, ...] = setting(several(whole(1)))
    activation: str = setting(one_of(*ACTIVATIONS), "ReLU")
    batch_norm: bool = setting(flag, False)
    dropout: float = setting(number(0.0, below=1.0), 0.0)

    def build(self, inputs: int | tuple[int, ...], outputs: int) -> nn.Sequential:
        """Make the network; weights are drawn from the stream ``init``.

        `inputs` is the shape of one row, ``(d,)`` or the number d for a table, ``(C, H, W)`` for images.

        A ``Linear`` before ``BatchNorm1d`` has no bias: the mean takes any constant away, so the true
        gradient of such a bias is zero, and what Adam divides by its own size is rounding noise.  Two
        libraries would then drift apart by weights that do nothing.
        """
        shape = shape_of(inputs)
        layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        size = math.prod(shape)
        for width in self.hidden:
            layers.append(nn.Linear(size, width, bias=not self.batch_norm))
            if self.batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(getattr(nn, self.activation)())
            if self.dropout > 0.0:
                layers.append(nn.Dropout(self.dropout))
            size = width
        return nn.Sequential(*layers, nn.Linear(size, outputs))


def shape_of(inputs: int | tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one row; a number alone is the length of a row of a table, as in NumPy."""
    return (inputs,) if isinstance(inputs, int) else inputs


MODELS: dict[str, Any] = {cls.kind: cls for cls in (MLP,)}
"""The tables that ``[model]`` can be, by ``kind``; each has ``build(shape of a row, outputs)``."""

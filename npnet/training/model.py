"""The models that a recipe can ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from npnet import nn
from npnet.errors import RecipeError
from npnet.training.forecaster import Forecaster
from npnet.training.schema import flag, number, one_of, setting, several, whole

__all__ = ["CNN", "MLP", "MODELS", "Model", "Recurrent"]

ACTIVATIONS = (
    *("ReLU", "LeakyReLU", "PReLU", "ReLU6", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish"),
    *("Sigmoid", "LogSigmoid", "Tanh", "Softplus", "Softsign", "Hardsigmoid", "Hardswish", "Hardtanh"),
    *("Hardshrink", "Softshrink", "Tanhshrink"),
)
"""The elementwise classes of :mod:`npnet.nn` that need no argument; each is made with its defaults."""


class Model(Protocol):
    """A table that ``[model]`` can be."""

    kind: ClassVar[str]
    """What recipes call it."""

    def build(self, inputs: int | tuple[int, ...], outputs: int) -> nn.Module:
        """Make the network, with weights drawn from the stream ``init``.

        Parameters
        ----------
        inputs : int or tuple of int
            The shape of one row: ``(d,)`` or the number d for a table, ``(C, H, W)`` for pictures, ``(T, d)``
            for windows.
        outputs : int
            How many numbers it gives for a row.
        """


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
    activation : str
        One of :data:`ACTIVATIONS`, a class of :mod:`npnet.nn`.
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


@dataclass(frozen=True)
class Recurrent:
    """A recurrent network that reads a window step by step; its last state makes the forecast.

    Parameters
    ----------
    hidden : int
        Size of the state.
    layers : int
        Each one runs over the states of the one below.
    dropout : float
        Probability of zero between layers, from 0 up to but not including 1.

    Raises
    ------
    RecipeError
        If there is dropout, and only one layer.

    Examples
    --------
    >>> GRU(hidden=8).build(inputs=(22, 1), outputs=1)
    Forecaster(
      (recurrent): GRU(1, 8, batch_first=True)
      (head): Linear(in_features=8, out_features=1, bias=True)
    )
    """

    kind: ClassVar[str]
    known: ClassVar[str] = "lstm, gru, rnn"

    hidden: int = setting(whole(1))
    layers: int = setting(whole(1), 1)
    dropout: float = setting(number(0.0, below=1.0), 0.0)

    def __post_init__(self) -> None:
        if self.dropout > 0.0 and self.layers == 1:
            raise RecipeError(
                f"model.dropout={self.dropout} acts between layers, and model.layers is 1: leave it out, or "
                "take more layers"
            )

    def build(self, inputs: int | tuple[int, ...], outputs: int) -> Forecaster:
        """Make the network for windows of shape ``(steps, features)``; weights from the stream ``init``.

        Raises
        ------
        RecipeError
            If a row of the inputs is no window.
        """
        shape = shape_of(inputs)
        if len(shape) != 2:
            raise RecipeError(
                f"model.kind={self.kind} reads windows of shape (steps, features), and data.features makes "
                f"rows of shape {shape}: take data.features.kind=windows, or model.kind=mlp"
            )
        layer = getattr(nn, self.kind.upper())
        recurrent = layer(shape[1], self.hidden, self.layers, batch_first=True, dropout=self.dropout)
        return Forecaster(recurrent, nn.Linear(self.hidden, outputs))


class LSTM(Recurrent):
    """Of :class:`npnet.nn.LSTM`."""

    kind: ClassVar[str] = "lstm"


class GRU(Recurrent):
    """Of :class:`npnet.nn.GRU`."""

    kind: ClassVar[str] = "gru"


class RNN(Recurrent):
    """Of :class:`npnet.nn.RNN`, with tanh."""

    kind: ClassVar[str] = "rnn"


def shape_of(inputs: int | tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one row; a number alone is the length of a row of a table, as in NumPy."""
    return (inputs,) if isinstance(inputs, int) else inputs


@dataclass(frozen=True)
class CNN:
    r"""A convolutional network: blocks that see ever larger parts of a picture, then a fully connected head.

    A block is `convolutions` times ``Conv2d``, which keeps height and width, ``BatchNorm2d`` if `batch_norm`
    and the activation; then pooling, and ``Dropout`` if `block_dropout` is positive.  The head averages each
    channel over the picture if `global_pool`, flattens, and goes through `hidden` linear layers as an
    :class:`MLP` does, with ``Dropout`` in front of every linear layer if `dropout` is positive.

    Parameters
    ----------
    channels : tuple of int
        Of each block.
    convolutions : int
        In each block.
    kernel_size : int
        Height and width of the windows.
    pool : {"MaxPool2d", "AvgPool2d"}
        A class of :mod:`npnet.nn`.
    pool_size : int
        Each block makes height and width smaller by this factor; what is left over at the border is not seen.
    global_pool : bool
        Whether the head sees the mean of each channel only, wherever in the picture something is.
    hidden : tuple of int
        Sizes of the head's hidden layers.
    activation : str
        One of :data:`ACTIVATIONS`, a class of :mod:`npnet.nn`.
    batch_norm : bool
        Whether every layer but the last is normalised before its activation; it then has no bias, see
        :meth:`MLP.build`.
    dropout, block_dropout : float
        Probabilities of zero, from 0 up to but not including 1.

    Examples
    --------
    >>> CNN(channels=(8, 16), hidden=(32,), dropout=0.5).build((1, 28, 28), outputs=10)
    Sequential(
      (0): Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1), padding='same', bias=False)
      (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
      (2): ReLU()
      (3): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
      (4): Conv2d(8, 16, kernel_size=(3, 3), stride=(1, 1), padding='same', bias=False)
      (5): BatchNorm2d(16, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
      (6): ReLU()
      (7): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
      (8): Flatten(start_dim=1, end_dim=-1)
      (9): Dropout(p=0.5)
      (10): Linear(in_features=784, out_features=32, bias=False)
      (11): BatchNorm1d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
      (12): ReLU()
      (13): Dropout(p=0.5)
      (14): Linear(in_features=32, out_features=10, bias=True)
    )
    """

    kind: ClassVar[str] = "cnn"

    channels: tuple[int, ...] = setting(several(whole(1)))
    convolutions: int = setting(whole(1), 1)
    kernel_size: int = setting(whole(1), 3)
    pool: str = setting(one_of("MaxPool2d", "AvgPool2d"), "MaxPool2d")
    pool_size: int = setting(whole(1), 2)
    global_pool: bool = setting(flag, False)
    hidden: tuple[int, ...] = setting(several(whole(1)), ())
    activation: str = setting(one_of(*ACTIVATIONS), "ReLU")
    batch_norm: bool = setting(flag, True)
    dropout: float = setting(number(0.0, below=1.0), 0.0)
    block_dropout: float = setting(number(0.0, below=1.0), 0.0)

    def build(self, inputs: int | tuple[int, ...], outputs: int) -> nn.Sequential:
        """Make the network for pictures of the shape ``(C, H, W)``; weights are drawn from ``init``.

        Raises
        ------
        RecipeError
            If rows are no pictures, or nothing of a picture is left after the last block.
        """
        shape = shape_of(inputs)
        if len(shape) != 3:
            raise RecipeError(
                f"model.kind='cnn' takes pictures, a row of the shape (C, H, W), got {shape}: take 'mlp'"
            )
        size, height, width = shape
        layers: list[nn.Module] = []
        for wide in self.channels:
            for _ in range(self.convolutions):
                layers.append(
                    nn.Conv2d(size, wide, self.kernel_size, padding="same", bias=not self.batch_norm)
                )
                if self.batch_norm:
                    layers.append(nn.BatchNorm2d(wide))
                layers.append(getattr(nn, self.activation)())
                size = wide
            height, width = height // self.pool_size, width // self.pool_size
            layers.append(getattr(nn, self.pool)(self.pool_size))
            if self.block_dropout > 0.0:
                layers.append(nn.Dropout(self.block_dropout))
        if min(height, width) < 1:
            raise RecipeError(
                f"model.channels: {len(self.channels)} blocks that make pictures {self.pool_size} times "
                f"smaller leave nothing of {shape[1]} by {shape[2]} pixels; take fewer"
            )
        if self.global_pool:
            layers.append(nn.AvgPool2d((height, width)))
            height = width = 1
        layers.append(nn.Flatten())
        size *= height * width
        for wide in self.hidden:
            if self.dropout > 0.0:
                layers.append(nn.Dropout(self.dropout))
            layers.append(nn.Linear(size, wide, bias=not self.batch_norm))
            if self.batch_norm:
                layers.append(nn.BatchNorm1d(wide))
            layers.append(getattr(nn, self.activation)())
            size = wide
        if self.dropout > 0.0:
            layers.append(nn.Dropout(self.dropout))
        return nn.Sequential(*layers, nn.Linear(size, outputs))


MODELS: dict[str, type[Model]] = {cls.kind: cls for cls in (MLP, CNN, LSTM, GRU, RNN)}
"""The tables that ``[model]`` can be, by ``kind``."""

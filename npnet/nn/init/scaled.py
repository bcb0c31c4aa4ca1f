r"""Values whose scale keeps the variance from layer to layer."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from npnet.errors import ArgumentError, ShapeError
from npnet.nn.init.filled import Tensor, normal_, uniform_, values_of

__all__ = [
    "calculate_gain",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "xavier_normal_",
    "xavier_uniform_",
]

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    r"""The factor by which a nonlinearity shrinks the standard deviation, inverted.

    1 for linear and sigmoid, 5/3 for tanh, :math:`\sqrt 2` for ReLU, :math:`\sqrt{2 / (1 + a^2)}` for
    leaky ReLU of slope :math:`a` = ``param`` (0.01 where None), 3/4 for SELU.

    Raises
    ------
    ArgumentError
        If the nonlinearity is not known, or the slope is no number.

    Examples
    --------
    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not (param is None or isinstance(param, Real)):
            raise ArgumentError(f"negative_slope {param!r} is not a valid number")
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join(sorted([*_GAINS, "leaky_relu"]))
        raise ArgumentError(f"unsupported nonlinearity {nonlinearity!r}; known are {known}")
    return _GAINS[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Fill from :math:`U(-a, a)`, :math:`a = \mathrm{gain} \sqrt{6 / (\text{fan-in} + \text{fan-out})}`.

    References
    ----------
    Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010, equation 16.
    """
    fan_in, fan_out = _fans(values_of(tensor).shape)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / (fan_in + fan_out)))  # rounded as PyTorch rounds it
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Fill from :math:`N(0, 2 \, \mathrm{gain}^2 / (\text{fan-in} + \text{fan-out}))`.

    References
    ----------
    Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010, equation 12.
    """
    fan_in, fan_out = _fans(values_of(tensor).shape)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    r"""Fill from :math:`U(-b, b)`, :math:`b = \mathrm{gain} \sqrt{3 / \mathrm{fan}}`.

    Parameters
    ----------
    tensor : Parameter or ndarray
    a : float
        Slope of the leaky ReLU that follows.
    mode : {"fan_in", "fan_out"}
        Keep the variance of the activations, or of the gradients.
    nonlinearity : str
        What follows; see :func:`calculate_gain`.
    generator : npnet.random.Generator, optional

    References
    ----------
    He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    r"""Fill from :math:`N(0, \sigma^2)`, :math:`\sigma = \mathrm{gain} / \sqrt{\mathrm{fan}}`.

    Parameters and source as for :func:`kaiming_uniform_`.
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def lecun_uniform_(tensor: Tensor, generator: Any = None) -> Tensor:
    r"""Fill from :math:`U(-b, b)`, :math:`b = \sqrt{3 / \text{fan-in}}`; not in PyTorch.

    References
    ----------
    LeCun, Bottou, Orr, Müller, "Efficient BackProp", in *Neural Networks: Tricks of the Trade* (1998),
    section 4.6.
    """
    return kaiming_uniform_(tensor, nonlinearity="linear", generator=generator)


def lecun_normal_(tensor: Tensor, generator: Any = None) -> Tensor:
    r"""Fill from :math:`N(0, 1 / \text{fan-in})`; not in PyTorch.

    The normal is not truncated, where Keras and Flax cut it at two standard deviations.

    References
    ----------
    LeCun, Bottou, Orr, Müller, "Efficient BackProp", in *Neural Networks: Tricks of the Trade* (1998),
    section 4.6.
    """
    return kaiming_normal_(tensor, nonlinearity="linear", generator=generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    shape = values_of(tensor).shape
    if 0 in shape:  # nothing to fill, as in PyTorch
        return 0.0
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(shape)[("fan_in", "fan_out").index(mode)]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ShapeError(f"fan-in and fan-out need two axes or more, got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field

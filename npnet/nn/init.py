r"""How parameters start.

Every function fills a parameter (or an array) in place and returns it.  Values are drawn on the host
from ``generator=``, else from the ``init`` stream, so that they are the same on every device.  For a
weight of shape ``(out, in, ...)``, with :math:`r` the product of the axes after the second, fan-in is
:math:`\mathrm{in} \cdot r` and fan-out is :math:`\mathrm{out} \cdot r`.
"""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from npnet import backend
from npnet import random as streams
from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn.parameter import Parameter

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Tensor = TypeVar("Tensor", Parameter, Array)

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


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from U(a, b).

    Raises
    ------
    ArgumentError
        If `b` is below `a`.
    """
    if not a <= b:
        raise ArgumentError(f"uniform_: b must not be below a, got a={a} and b={b}")
    place = _place(tensor)
    return _fill(tensor, streams.resolve(generator, "init").uniform(a, b, place.shape, place.dtype))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill from N(mean, std²).

    Raises
    ------
    ArgumentError
        If `std` is negative.
    """
    if not std >= 0:
        raise ArgumentError(f"normal_: std must not be negative, got {std}")
    place = _place(tensor)
    return _fill(tensor, streams.resolve(generator, "init").normal(mean, std, place.shape, place.dtype))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with a number."""
    _place(tensor).fill(val)
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity.

    Raises
    ------
    ShapeError
        If it is no matrix.
    """
    place = _place(tensor)
    if place.ndim != 2:
        raise ShapeError(f"eye_ fills matrices, got shape {place.shape}")
    return _fill(tensor, np.eye(*place.shape, dtype=place.dtype))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Fill from :math:`U(-a, a)`, :math:`a = \mathrm{gain} \sqrt{6 / (\text{fan-in} + \text{fan-out})}`.

    References
    ----------
    Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010, equation 16.
    """
    fan_in, fan_out = _fans(_place(tensor).shape)
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / (fan_in + fan_out)))  # rounded as PyTorch rounds it
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    r"""Fill from :math:`N(0, 2 \, \mathrm{gain}^2 / (\text{fan-in} + \text{fan-out}))`.

    References
    ----------
    Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010, equation 12.
    """
    fan_in, fan_out = _fans(_place(tensor).shape)
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


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    r"""Fill from :math:`N(\mathrm{mean}, \mathrm{std}^2)`, cut to :math:`[a, b]`; the bounds are values.

    By rejection, as PyTorch 2.13 does it: where more than 30 % of the normal lie within the bounds
    normals are drawn until all do, else uniforms on :math:`[a, b]`, each taken with the probability that its
    density bears to the largest one.  Every round draws the whole tensor anew and takes what is missing.

    Warns
    -----
    UserWarning
        If the mean lies more than two standard deviations outside of the bounds.

    Raises
    ------
    ArgumentError
        If `std` is not positive or the bounds are in the wrong order.

    Examples
    --------
    >>> values = trunc_normal_(np.empty(1000), std=2.0, a=-1.0, b=3.0)
    >>> bool(values.min() >= -1.0 and values.max() <= 3.0)
    True

    References
    ----------
    Robert, "Simulation of truncated normal variables", Statistics and Computing 5 (1995).
    """
    if not (std > 0.0 and a < b):
        raise ArgumentError(f"trunc_normal_ takes std > 0 and a < b, got std={std}, a={a} and b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean {mean} is more than 2 std from [{a}, {b}], few normals lie there",
            UserWarning,
            stacklevel=2,
        )
    place, source = _place(tensor), streams.resolve(generator, "init")
    share = 0.5 * (
        math.erf((b - mean) / (std * math.sqrt(2.0))) - math.erf((a - mean) / (std * math.sqrt(2.0)))
    )
    draw = _near_normals if share > 0.3 else _far_normals
    return _fill(tensor, draw(source, mean, std, place.dtype.type(a), place.dtype.type(b), place.shape))


def _near_normals(source: Any, mean: float, std: float, a: Any, b: Any, shape: tuple[int, ...]) -> Array:
    """Normals, drawn anew until all lie within the bounds."""
    values = source.normal(mean, std, shape, a.dtype)
    while (outside := (values < a) | (values > b)).any():
        values = np.where(outside, source.normal(mean, std, shape, a.dtype), values)
    return values


def _far_normals(source: Any, mean: float, std: float, a: Any, b: Any, shape: tuple[int, ...]) -> Array:
    """Uniforms, each taken with the probability of its density over the largest within the bounds."""
    mode = max(float(a), min(mean, float(b)))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    values, pending = np.zeros(shape, a.dtype), np.ones(shape, dtype=bool)
    while pending.any():
        candidates = source.uniform(float(a), float(b), shape, a.dtype)
        values = np.where(pending, candidates, values)
        log_density = -0.5 * np.square((candidates - mean) / std) - log_peak
        with np.errstate(divide="ignore"):
            pending &= np.log(source.uniform(0.0, 1.0, shape, a.dtype)) > log_density
    return values


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    r"""Fill with ``gain`` times a random matrix of orthonormal rows or columns, whichever are fewer.

    The first axis are the rows, all others together the columns.  A matrix of standard normals is split into
    :math:`QR`; with the signs of the diagonal of :math:`R` moved into :math:`Q` that one is uniformly
    distributed over the orthogonal matrices.

    Raises
    ------
    ShapeError
        If there are fewer than two axes.

    Examples
    --------
    >>> w = orthogonal_(np.empty((2, 3)))
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True

    References
    ----------
    Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014.
    Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the AMS 54
    (2007), for the signs.
    """
    place = _place(tensor)
    if place.ndim < 2:
        raise ShapeError(f"orthogonal_ needs two axes or more, got shape {place.shape}")
    if place.size == 0:
        return tensor
    rows, columns = place.shape[0], place.size // place.shape[0]
    normals = streams.resolve(generator, "init").normal(0.0, 1.0, (rows, columns), place.dtype)
    q, r = np.linalg.qr(normals.T if rows < columns else normals)
    q = q * np.sign(np.diagonal(r))
    return _fill(tensor, place.dtype.type(gain) * (q.T if rows < columns else q).reshape(place.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    r"""Fill the weight of a convolution so that it hands its input channels on, as far as there are any.

    Raises
    ------
    ShapeError
        If it has not three to five axes, or the first is not divisible by `groups`.

    Examples
    --------
    >>> dirac_(np.empty((2, 1, 3)))
    array([[[0., 1., 0.]],
    <BLANKLINE>
           [[0., 0., 0.]]])
    """
    place = _place(tensor)
    if place.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_ fills weights of three to five axes, got shape {place.shape}")
    if place.shape[0] % groups:
        raise ShapeError(f"dirac_: the first axis, {place.shape[0]}, is not divisible by groups={groups}")
    values = np.zeros(place.shape, place.dtype)
    centre: tuple[int, ...] = tuple(size // 2 for size in place.shape[2:])
    outputs = place.shape[0] // groups
    for group in range(groups):
        for channel in range(min(outputs, place.shape[1])):
            values[(group * outputs + channel, channel, *centre)] = 1
    return _fill(tensor, values)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    r"""Fill a matrix from :math:`N(0, \mathrm{std}^2)`, and set a share of each column to zero.

    :math:`\lceil \mathrm{sparsity} \cdot \mathrm{rows} \rceil` elements a column, chosen at random.  PyTorch
    chooses them from its default generator even where another one is given; here `generator` draws both.

    Raises
    ------
    ArgumentError
        If `sparsity` is not between 0 and 1.
    ShapeError
        If it is no matrix.

    Examples
    --------
    >>> int((sparse_(np.empty((4, 3)), 0.5) == 0).sum())
    6

    References
    ----------
    Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5.
    """
    place = _place(tensor)
    if place.ndim != 2:
        raise ShapeError(f"sparse_ fills matrices, got shape {place.shape}")
    if not 0.0 <= sparsity <= 1.0:
        raise ArgumentError(f"sparsity must lie between 0 and 1, got {sparsity}")
    source = streams.resolve(generator, "init")
    rows, columns = place.shape
    values = source.normal(0.0, std, place.shape, place.dtype)
    zeros = math.ceil(sparsity * rows)
    for column in range(columns):
        values[source.randperm(rows)[:zeros], column] = 0
    return _fill(tensor, values)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    shape = _place(tensor).shape
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


def _place(tensor: Any) -> Array:
    return tensor.data if isinstance(tensor, Parameter) else tensor


def _fill(tensor: Tensor, values: Array) -> Tensor:
    place = _place(tensor)
    place[...] = backend.to_device(values, backend.device_of(place))
    return tensor

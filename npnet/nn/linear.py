"""The affine map, and the identity."""

from __future__ import annotations

import math

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.engine import elementwise, whole
from npnet.errors import ArgumentError, ShapeError
from npnet.nn import init
from npnet.nn.formula_layer import FormulaLayer, plain, steady
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.nn.sums import column_sums

__all__ = ["Identity", "Linear", "linear", "linear_backward", "rows_of"]


def rows_of(x: Array) -> Array:
    """All axes but the last as one: a matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


@whole
def linear(input: Array, weight: Array, bias: Array | None = None) -> Array:  # noqa: A002 (PyTorch's name)
    r"""Apply :math:`y = x W^\top + b` to the last axis.

    Examples
    --------
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([5.0]))
    array([[16.]])
    """
    y = np.dot(rows_of(input), weight.T)  # x W^T
    if input.ndim != 2:
        y = y.reshape(input.shape[:-1] + y.shape[1:])
    return y if bias is None else shifted(y, bias)  # + b


@whole
def linear_backward(
    g: Array,
    x: Array,
    weight: Array,
    bias: Array | None,
    into_weight: Array | None,
    into_bias: Array | None,
    wanted: bool | None,
) -> Array | None:
    """Go back through :func:`linear`: write the gradients by weight and bias into their places.

    Returns
    -------
    ndarray or None
        The gradient by the input, None unless it is wanted.
    """
    rows = rows_of(g)
    if into_weight is not None:
        np.dot(rows.T, rows_of(x), out=into_weight)  # dL/dW = g^T x
    if into_bias is not None:
        column_sums(rows, out=into_bias)  # dL/db = sum_i g_i
    if wanted is None:
        return None
    return np.dot(rows, weight).reshape(x.shape)  # dL/dx = g W


@elementwise
def shifted(y: Array, bias: Array) -> Array:
    """Add a row to every row."""
    return y + bias


class Linear(FormulaLayer):
    r"""Affine map :math:`y = x W^\top + b`.

    Backward, for an upstream gradient :math:`g = \partial L / \partial y`:

    .. math::
        \partial L / \partial W = g^\top x, \qquad
        \partial L / \partial b = \textstyle\sum_i g_i, \qquad
        \partial L / \partial x = g W

    where :math:`i` runs over all axes but the last.  Weight and bias start from
    :math:`U(-1/\sqrt{n}, 1/\sqrt{n})`, :math:`n` = ``in_features``, as in PyTorch.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of the input and of the output.
    bias : bool, default True
        Learn the additive term ``b``.
    device, dtype : optional
        Where and as what the parameters are made.
    generator : npnet.random.Generator, keyword-only, optional
        Draws the initial values; the ``init`` stream where it is None.

    Shape
    -----
    Input ``(..., in_features)``, output ``(..., out_features)``; ``weight`` is
    ``(out_features, in_features)``, as in PyTorch.

    Raises
    ------
    ArgumentError
        If a size is negative.
    ShapeError
        If the last axis of the input is not ``in_features``.

    Examples
    --------
    >>> from npnet import nn
    >>> layer = nn.Linear(3, 2)
    >>> layer(np.ones((5, 3), dtype=np.float32)).shape
    (5, 2)
    >>> layer.backward(np.ones((5, 2), dtype=np.float32)).shape
    (5, 3)
    >>> layer.bias.grad
    array([5., 5.], dtype=float32)

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning* (2016), section 6.5.6.
    """

    bias: Parameter | None

    formula, derivative = staticmethod(linear), staticmethod(linear_backward)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        generator: object = None,
    ) -> None:
        super().__init__()
        if in_features < 0 or out_features < 0:
            raise ArgumentError(
                f"Linear: sizes must not be negative, got in_features={in_features}, "
                f"out_features={out_features}"
            )
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.empty((out_features, in_features), backend.floating_dtype(dtype)))
        self.bias = Parameter(np.empty(out_features, self.weight.dtype)) if bias else None
        self.reset_parameters(generator=generator)
        self.to(device)

    def reset_parameters(self, *, generator: object = None) -> None:
        """Draw weight, then bias, anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0.0
            init.uniform_(self.bias, -bound, bound, generator=generator)

    @plain
    def check(self, x: Array) -> None:
        """Refuse an input whose last axis is not ``in_features``."""
        self.check_input(x, like=self.weight.data)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ShapeError(
                f"{type(self).__name__} takes input of shape (..., {self.in_features}), got {x.shape}"
            )

    @steady
    def operands(self, x: Array) -> tuple[Array, Array | None]:
        """Values of weight and bias."""
        return self.weight.data, None if self.bias is None else self.bias.data

    def learned(self) -> tuple[Parameter, Parameter | None]:
        """Weight and bias."""
        return self.weight, self.bias

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """Give back what comes in; any arguments are accepted, as in PyTorch.

    Examples
    --------
    >>> from npnet import nn
    >>> nn.Identity(54, unused=True)(np.ones(2))
    array([1., 1.])
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Return the input itself: an empty chain of children, so backward is the identity too."""
        return input

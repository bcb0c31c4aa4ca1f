r"""The arithmetic of PyTorch's random kernels, repeated operation by operation.

Bit-equal numbers need more than the same formula.  On an x86 processor with AVX2 PyTorch's default build

- contracts ``a * b + c`` into a fused multiply-add, rounded once: :func:`fma`;
- evaluates float64 logarithms, sines and cosines with the C library, which is not what NumPy's own
  vector code does in the last bit, but is what Python's ``math`` calls: :func:`elementwise`;
- evaluates those of float32 normals with the polynomials of Cephes in eight lanes, every multiplication
  whose only use is a sum contracted: :func:`log_float32`, :func:`sincos_float32`.

References
----------
S. Moshier, *Cephes Mathematical Library*, ``logf`` and ``sinf`` (polynomials and reduction).
T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18, 1971.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from npnet.backend import Array

__all__ = ["elementwise", "fma", "log_float32", "sincos_float32"]

_F32 = np.float32

_LOG_POLYNOMIAL = tuple(
    map(
        _F32,
        (
            *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
            *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
        ),
    )
)
_LOG_2_LOW, _LOG_2_HIGH = _F32(-2.12194440e-4), _F32(0.693359375)
_SQRT_HALF = _F32(math.sqrt(0.5))
_FOUR_OVER_PI = _F32(4.0 / math.pi)
_QUARTER_PI = tuple(map(_F32, (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)))
_SIN_POLYNOMIAL = tuple(map(_F32, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)))
_COS_POLYNOMIAL = tuple(map(_F32, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)))


def elementwise(function: Callable[[float], float], values: Array) -> Array:
    """A function of Python's ``math``, hence of the C library, of every element of a float64 array."""
    return np.array(list(map(function, values.ravel().tolist())), dtype=np.float64).reshape(values.shape)


def fma(x: Array, y: Any, z: Any) -> Array:
    r"""``x * y + z``, rounded once, for operands of one dtype, float32 or float64.

    In float32 the product is exact in double precision, and only a double sum that falls midway between
    two float32 numbers could round to the wrong one.  In float64 the errors of product and sum are carried
    in a second number (Dekker), which leaves ties at :math:`2^{-106}` as the only doubt.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0 + 2.0**-30])
    >>> float(fma(x, x, -x)[0]) == 2.0**-30 + 2.0**-60, float((x * x - x)[0]) == 2.0**-30
    (True, True)
    """
    return _fma_float32(x, y, z) if x.dtype == np.float32 else _fma_float64(x, y, z)


def _fma_float32(x: Array, y: Any, z: Any) -> Array:
    product = np.atleast_1d(np.multiply(x, y, dtype=np.float64))
    total = product + z
    # Bits 0 to 28 of a double are those below the last bit of a float.
    midway = np.flatnonzero((total.view(np.uint64) & np.uint64(0x1FFFFFFF)) == 0x10000000)
    if midway.size:
        term = np.broadcast_to(np.asarray(z, dtype=np.float64), total.shape).ravel()[midway]
        rounded = total.ravel()[midway]
        error = _sum_error(product.ravel()[midway], term, rounded)
        nudged = np.nextafter(rounded, np.copysign(np.inf, error))
        total.ravel()[midway] = np.where(error == 0.0, rounded, nudged)
    return total.astype(np.float32).reshape(np.shape(x))


def _fma_float64(x: Array, y: Any, z: Any) -> Array:
    y = np.asarray(y, dtype=np.float64)
    product = x * y
    x_high, y_high = _leading_bits(x), _leading_bits(y)
    x_low, y_low = x - x_high, y - y_high
    product_error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    total = product + z
    return cast(Array, total + (_sum_error(product, z, total) + product_error))


def _leading_bits(x: Array) -> Array:
    """`x` with the lower half of its significand cleared."""
    bits: Array = x.view(np.uint64) & np.uint64(0xFFFFFFFFF8000000)
    return bits.view(np.float64)


def _sum_error(a: Any, b: Any, total: Array) -> Array:
    """What rounding took from ``a + b`` (Knuth's two-sum)."""
    b_part = total - a
    return cast(Array, (a - (total - b_part)) + (b - b_part))


def log_float32(x: Array) -> Array:
    r"""Natural logarithm of normal float32 numbers as Cephes takes it.

    With :math:`x = 2^e (1 + t)`, :math:`\sqrt{1/2} \le 1 + t < \sqrt 2`:
    :math:`\log x = t - t^2 / 2 + t^3 P(t) + e \log 2`, the last constant in two parts.
    """
    t, exponent = np.frexp(x)
    below = t < _SQRT_HALF
    e = (exponent - below).astype(np.float32)
    t = np.where(below, t + t, t) - _F32(1.0)
    square = t * t
    y: Any = _LOG_POLYNOMIAL[0]
    for coefficient in _LOG_POLYNOMIAL[1:]:
        y = fma(t, y, coefficient)
    y = fma(y * t, square, e * _LOG_2_LOW) - square * _F32(0.5)
    return fma(e, _LOG_2_HIGH, t + y)


def sincos_float32(angle: Array) -> tuple[Array, Array]:
    r"""Sine and cosine of float32 numbers in :math:`[0, 8192)` as Cephes takes them.

    The angle is reduced by the nearest even multiple :math:`j` of :math:`\pi / 4`, taken off in three
    parts; whether :math:`j / 2` is odd decides which polynomial is the sine's.
    """
    j = (angle * _FOUR_OVER_PI).astype(np.int32)
    j = (j + 1) & ~1
    multiple, x = j.astype(np.float32), angle
    for part in _QUARTER_PI:
        x = fma(multiple, -part, x)
    z = x * x
    a0, a1, a2 = _COS_POLYNOMIAL
    even = fma(fma(fma(z, a0, a1), z, a2) * z, z, z * _F32(-0.5)) + _F32(1.0)
    b0, b1, b2 = _SIN_POLYNOMIAL
    odd = fma(fma(fma(z, b0, b1), z, b2) * z, x, x)
    swapped = (j & 2) != 0
    sine = np.where(swapped, even, odd)
    cosine = np.where(swapped, odd, even)
    sine = np.where((j & 4) != 0, -sine, sine)
    return sine, np.where(((j - 2) & 4) != 0, cosine, -cosine)

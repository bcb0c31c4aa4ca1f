"""The fused product against exact rational arithmetic, and Cephes against the C library."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.random.arithmetic import elementwise, fma, log_float32, sincos_float32

EXPONENTS = st.integers(-20, 20)


def rounded(value: Fraction, dtype: type[np.floating]) -> float:
    """The nearest number of that dtype, ties to even, found among three candidates."""
    near = dtype(float(value))
    candidates = [np.nextafter(near, dtype(-np.inf)), near, np.nextafter(near, dtype(np.inf))]
    even = {float(number): int(number.view(f"u{number.itemsize}")) & 1 for number in candidates}
    return min(even, key=lambda number: (abs(Fraction(number) - value), even[number]))


@given(
    dtype=st.sampled_from([np.float32, np.float64]),
    factors=st.tuples(st.integers(-(2**53), 2**53), EXPONENTS, st.integers(-(2**53), 2**53), EXPONENTS),
    term=st.tuples(st.integers(-(2**53), 2**53), EXPONENTS),
)
def test_fma_rounds_once(
    dtype: type[np.floating], factors: tuple[int, int, int, int], term: tuple[int, int]
) -> None:
    x, y = (dtype(np.ldexp(float(m), e - 53)) for m, e in (factors[:2], factors[2:]))
    z = dtype(np.ldexp(float(term[0]), term[1] - 53))
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    assert fma(np.array([x]), y, z)[0] == rounded(exact, dtype)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_fma_decides_what_a_double_sum_leaves_midway(sign: float) -> None:
    # 1 + 2**-23 + 2**-24 lies midway between two floats; the product misses 2**-24 by 2**-70.
    small = np.float32(2.0**-12)
    x = np.array([[sign * small * np.float32(1 + 2.0**-23)]], dtype=np.float32)
    y, z = small * np.float32(1 - 2.0**-23), np.float32(sign * (1 + 2.0**-23))
    assert np.float32(np.float64(x[0, 0]) * np.float64(y) + np.float64(z)) == sign * (1 + 2.0**-22)
    assert fma(x, y, z) == z
    assert fma(x, y, z).shape == (1, 1)


def test_cephes_agrees_with_the_c_library() -> None:
    x = np.linspace(2.0**-24, 1.0, 100_000, dtype=np.float32)
    np.testing.assert_allclose(log_float32(x), np.log(x.astype(np.float64)), rtol=2e-7, atol=1e-7)
    sine, cosine = sincos_float32(x * np.float32(2 * np.pi))
    angle = (x * np.float32(2 * np.pi)).astype(np.float64)
    np.testing.assert_allclose(sine, np.sin(angle), atol=1e-7)
    np.testing.assert_allclose(cosine, np.cos(angle), atol=1e-7)


def test_elementwise_keeps_the_shape() -> None:
    values = elementwise(lambda x: 2.0 * x, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(values, [[0, 2, 4], [6, 8, 10]], strict=False)

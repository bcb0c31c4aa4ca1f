"""Matrix products in compiled texts."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="the engine needs Numba: pip install 'npnet[fast]'")
blas: Any = importlib.import_module("npnet.engine.numba_blas")
overloads: Any = importlib.import_module("npnet.engine.numba_overloads")

product = overloads.WORDS["product"]


@numba.njit  # type: ignore[untyped-decorator]
def multiplied(a: Any, b: Any) -> Any:
    return product(a, b)


@numba.njit  # type: ignore[untyped-decorator]
def multiplied_into(a: Any, b: Any, out: Any) -> Any:
    return product(a, b, out)


SHAPES = [
    (1, 1, 1),
    (3, 4, 5),
    (32, 20, 64),
    (64, 784, 256),
    (0, 3, 2),
    (3, 0, 2),
    (3, 2, 0),
    (5, 1, 7),
    (1, 9, 1),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_numpys_to_the_last_bit(shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            expected, place = np.dot(left, right), np.full((m, n), np.nan, dtype)
            for ours in (multiplied(left, right), multiplied_into(left, right, place), place):
                assert ours.dtype == dtype
                if blas.FUNCTIONS and min(shape) > 1:  # NumPy takes another function for vectors
                    np.testing.assert_array_equal(ours, expected)
                np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_shapes_that_do_not_fit_are_refused() -> None:
    a, b = np.ones((2, 3)), np.ones((4, 2))
    with pytest.raises(overloads.ShapeMismatch):
        multiplied(a, b)
    with pytest.raises(overloads.ShapeMismatch):
        multiplied_into(a, np.ones((3, 2)), np.ones((2, 3)))


def test_without_numpys_library_the_product_is_numbas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "FUNCTIONS", {})
    again = numba.njit(lambda a, b: product(a, b))
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(again(a, b), a @ b)


def test_numpys_own_library_is_found_in_its_wheel() -> None:
    if "scipy-openblas" not in np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]:  # type: ignore[call-overload,index]
        pytest.skip("this NumPy was built with another BLAS")
    assert set(map(str, blas.FUNCTIONS)) == {"float32", "float64"}

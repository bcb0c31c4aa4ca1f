"""Matrix products in compiled texts, by the BLAS that NumPy itself calls.

Numba takes SciPy's BLAS, often an older one than NumPy's, and a tenth to a fifth slower.  NumPy's wheels
bring an OpenBLAS with 64-bit integers, whose functions are called here by name, so that machine code that was
kept finds them in another process.  With another build of NumPy, Numba's own product is taken.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]  # it has no hints
import numba
import numpy as np
from numba import types
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it has no hints

__all__ = ["FUNCTIONS", "product_of"]

ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112
"""The C interface's words for the order of a matrix and for its transpose."""


def _numpys_library() -> Any:
    """The OpenBLAS that NumPy has loaded; None if it is another BLAS, or one of the system's."""
    for library in threadpool_info():
        path = Path(library["filepath"])
        if library["internal_api"] == "openblas" and path.parent.name in ("numpy.libs", ".dylibs"):
            return ctypes.CDLL(str(path))
    return None


def _functions() -> dict[types.Float, Any]:
    """What multiplies matrices of a dtype; empty where it is not found."""
    library, found = _numpys_library(), {}
    for letter, kind in (("s", types.float32), ("d", types.float64)):
        function = getattr(library, f"scipy_cblas_{letter}gemm64_", None)
        if function is not None:
            name = f"npnet_{letter}gemm"
            llvmlite.binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
            word, size, place = types.int32, types.int64, types.uintp
            matrix = place, size
            signature = types.void(
                *(word, word, word, size, size, size, kind, *matrix, *matrix, kind, *matrix)
            )
            found[kind] = types.ExternalFunction(name, signature)
    return found


FUNCTIONS = _functions()


def product_of(a: Any, b: Any, mismatch: type[Exception]) -> Any:
    """What computes ``product(a, b, out)`` for matrices of these types, called from compiled texts.

    Where the shapes do not fit, it raises `mismatch`.
    """
    gemm = FUNCTIONS.get(a.dtype)
    if gemm is None:
        return numba.njit(error_model="numpy", nogil=True)(lambda a, b, out: np.dot(a, b, out))
    order_a, order_b = (AS_IT_IS if each.layout == "C" else TRANSPOSED for each in (a, b))
    one, zero = (np.dtype(str(a.dtype)).type(each) for each in (1, 0))

    @numba.njit(error_model="numpy", nogil=True)
    def product(a: Any, b: Any, out: Any) -> Any:
        (m, k), n = a.shape, b.shape[1]
        if b.shape[0] != k or out.shape != (m, n):
            raise mismatch
        if m == 0 or n == 0 or k == 0:
            out[:] = 0
            return out
        lead_a = k if order_a == AS_IT_IS else m
        lead_b = n if order_b == AS_IT_IS else k
        at_a, at_b, at_out = a.ctypes.data, b.ctypes.data, out.ctypes.data
        gemm(ROW_MAJOR, order_a, order_b, m, n, k, one, at_a, lead_a, at_b, lead_b, zero, at_out, n)
        return out

    return product

"""Matrix products that can be recorded in a CUDA graph.

CuPy refuses to call cuBLAS while a stream is being recorded.  cuBLAS itself does not mind, given a workspace
that nobody else writes to; so it is called here past CuPy, with a handle of our own.

References
----------
NVIDIA, "cuBLAS", section "CUDA Graphs Support": which calls may be captured, and the workspace.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["Products"]

NORMAL, TRANSPOSED = 0, 1
"""cuBLAS's names for a matrix that is taken as it lies, by columns, and for one that lies by rows."""

WORKSPACE, HOPPERS_WORKSPACE = 4 << 20, 32 << 20
"""Bytes that cuBLAS asks for; on devices of compute capability 9 and later."""


class Products:
    """Matrix products with one CuPy.

    Parameters
    ----------
    cupy : module
    """

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy: Any = cupy
        self._library: Any = None
        self._handle: Any = None
        self._workspaces: dict[Any, Any] = {}  # by the stream that recordings are launched on
        self._recording: int | None = None  # the thread that records

    @contextlib.contextmanager
    def recorded(self, stream: Any, where: Any) -> Iterator[None]:
        """Within it :meth:`dot` launches on a stream that is recorded, to be launched on another one.

        What is launched on one stream shares a workspace.
        """
        if self._library is None:
            self._load()
        if where not in self._workspaces:
            major = int(self._cupy.cuda.Device().compute_capability[:-1])
            size = HOPPERS_WORKSPACE if major >= 9 else WORKSPACE
            self._workspaces[where] = self._cupy.empty(size, np.uint8)
        workspace = self._workspaces[where]
        self._call("cublasSetStream_v2", ctypes.c_void_p(stream.ptr))
        self._call(
            *("cublasSetWorkspace_v2", ctypes.c_void_p(workspace.data.ptr), ctypes.c_size_t(workspace.nbytes))
        )
        self._recording = threading.get_ident()
        try:
            yield
        finally:
            self._recording = None

    def dot(self, a: Any, b: Any, out: Any = None) -> Any:
        """As ``numpy.dot``; in a recording, of a vector or a matrix, and a matrix."""
        if self._recording is None or self._recording != threading.get_ident():
            return np.dot(a, b, out=out)
        cupy = self._cupy
        kinds = {array.dtype for array in (a, b, out) if array is not None}
        if b.ndim != 2 or a.ndim not in (1, 2) or len(kinds) > 1 or a.dtype.char not in "fd":
            raise NotImplementedError(f"no recorded product of {a.ndim}-d and {b.ndim}-d arrays of {kinds}")
        rows = a if a.ndim == 2 else a[None, :]
        (m, k), n = rows.shape, b.shape[1]
        result = cupy.empty((*a.shape[:-1], n), a.dtype) if out is None else out
        if k != b.shape[0] or result.shape != (*a.shape[:-1], n) or not result.flags.c_contiguous:
            raise NotImplementedError(f"no recorded product of {a.shape} and {b.shape} into {result.shape}")
        if 0 in (m, k, n):
            result.fill(0)
            return result
        # By columns, as cuBLAS reads, everything here is its own transpose: (a b)^T = b^T a^T.
        left, left_kind, left_lead = _as_it_lies(cupy, b)
        right, right_kind, right_lead = _as_it_lies(cupy, rows)
        number = ctypes.c_float if a.dtype.char == "f" else ctypes.c_double
        one, zero = number(1), number(0)
        self._call(
            "cublasSgemm_v2" if a.dtype.char == "f" else "cublasDgemm_v2",
            *(left_kind, right_kind, n, m, k, ctypes.byref(one)),
            *(ctypes.c_void_p(left.data.ptr), left_lead, ctypes.c_void_p(right.data.ptr), right_lead),
            *(ctypes.byref(zero), ctypes.c_void_p(result.data.ptr), n),
        )
        return result

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(self._handle, *arguments)
        if status:
            raise NotImplementedError(f"{name} answered {status}")

    def _load(self) -> None:
        """Open the cuBLAS that CuPy has loaded, and make a handle."""
        from cupy.cuda import cublas, device

        version = cublas.getVersion(device.get_cublas_handle())
        major = version // 10_000
        name = f"cublas64_{major}.dll" if sys.platform == "win32" else f"libcublas.so.{major}"
        library, handle = ctypes.CDLL(name), ctypes.c_void_p()
        if library.cublasCreate_v2(ctypes.byref(handle)):
            raise NotImplementedError("cuBLAS gave no handle")
        self._library, self._handle = library, handle


def _as_it_lies(cupy: Any, matrix: Any) -> tuple[Any, int, int]:
    """A matrix, how cuBLAS is to take it, and the distance of its rows (or columns) in memory."""
    if matrix.flags.c_contiguous:
        return matrix, NORMAL, matrix.shape[1]
    if matrix.flags.f_contiguous:
        return matrix, TRANSPOSED, matrix.shape[0]
    matrix = cupy.ascontiguousarray(matrix)
    return matrix, NORMAL, matrix.shape[1]

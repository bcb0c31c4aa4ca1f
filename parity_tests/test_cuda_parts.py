"""What stands between us and CUDA, held against a stand-in for CuPy and cuBLAS in host memory."""

from __future__ import annotations

import ctypes
import gc
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npnet.engine import elementwise, graph
from npnet.engine.cublas import HOPPERS_WORKSPACE, WORKSPACE, Products
from npnet.engine.fusion import with_module
from npnet.engine.graph import Recorder
from npnet.nn.linear import linear_backward
from npnet.nn.normalization import tracked_batch_norm
from npnet.nn.sums import column_sums


class OnDevice(np.ndarray):
    """An array that says where it lies, as CuPy's do."""

    @property
    def data(self) -> Any:
        """Its address, under the name that CuPy gives it."""
        return SimpleNamespace(ptr=self.ctypes.data)


def device_array(values: Any) -> Any:
    return np.asarray(values).view(OnDevice)


class CuBLAS:
    """cuBLAS's two products, by columns, in host memory."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:  # noqa: N802
        """Note the stream."""
        self.calls.append(f"stream {stream.value}")
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, address: Any, size: Any) -> int:  # noqa: N802
        """Note its size in MiB."""
        self.calls.append(f"workspace {size.value >> 20}")
        return 0

    def cublasSgemm_v2(self, *args: Any) -> int:  # noqa: N802
        """In single precision."""
        return self.product(ctypes.c_float, *args)

    def cublasDgemm_v2(self, *args: Any) -> int:  # noqa: N802
        """In double precision."""
        return self.product(ctypes.c_double, *args)

    def product(
        self, kind: Any, handle: Any, op_a: int, op_b: int, m: int, n: int, k: int, alpha: Any, *rest: Any
    ) -> int:
        """Compute it where the addresses point."""
        a, lead_a, b, lead_b, beta, c, lead_c = rest
        self.calls.append(kind.__name__)

        def by_columns(address: Any, rows: int, columns: int, lead: int) -> Any:
            assert lead >= max(rows, 1)
            size = lead * (columns - 1) + rows
            flat = np.ctypeslib.as_array((kind * size).from_address(address.value))
            step = flat.itemsize
            return np.lib.stride_tricks.as_strided(flat, (rows, columns), (step, lead * step))

        left = by_columns(a, m, k, lead_a) if op_a == 0 else by_columns(a, k, m, lead_a).T
        right = by_columns(b, k, n, lead_b) if op_b == 0 else by_columns(b, n, k, lead_b).T
        result = by_columns(c, m, n, lead_c)
        result[...] = alpha._obj.value * (left @ right) + beta._obj.value * np.nan_to_num(result)
        return 0


def products(capability: str = "80") -> Any:
    cupy: Any = SimpleNamespace(
        empty=lambda shape, dtype: device_array(np.full(shape, 7, dtype)),
        ascontiguousarray=lambda array: device_array(np.ascontiguousarray(array)),
        cuda=SimpleNamespace(Device=lambda: SimpleNamespace(compute_capability=capability)),
    )
    found: Any = Products(cupy)
    found._library, found._handle = CuBLAS(), ctypes.c_void_p(1)
    return found


STREAM: Any = SimpleNamespace(ptr=5)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("left", ["rows", "columns", "strided"])
@pytest.mark.parametrize("right", ["rows", "columns", "strided"])
@pytest.mark.parametrize("shape", [(2, 3, 4), (4, 1, 3), (1, 3, 2), (3, 2, 1), (5, 5, 5)])
def test_recorded_products(dtype: str, left: str, right: str, shape: tuple[int, int, int]) -> None:
    def matrix(layout: str, rows: int, columns: int) -> Any:
        if layout == "columns":
            return device_array(RNG.standard_normal((columns, rows)).astype(dtype)).T
        if layout == "strided":
            return device_array(RNG.standard_normal((rows, 2 * columns)).astype(dtype))[:, ::2]
        return device_array(RNG.standard_normal((rows, columns)).astype(dtype))

    m, k, n = shape
    a, b = matrix(left, m, k), matrix(right, k, n)
    found = products()
    with found.recorded(STREAM, 7):
        np.testing.assert_allclose(found.dot(a, b), np.asarray(a) @ np.asarray(b), rtol=1e-5)
        out = device_array(np.full((m, n), np.nan, dtype))
        assert found.dot(a, b, out=out) is out
        np.testing.assert_allclose(out, np.asarray(a) @ np.asarray(b), rtol=1e-5)
        row = found.dot(a[0], b)
        assert row.shape == (n,)
        np.testing.assert_allclose(row, np.asarray(a[0]) @ np.asarray(b), rtol=1e-5)
    kind = "c_float" if dtype == "float32" else "c_double"
    assert found._library.calls == ["stream 5", "workspace 4", *3 * [kind]]


def test_products_of_nothing() -> None:
    found = products()
    with found.recorded(STREAM, 7):
        np.testing.assert_array_equal(
            found.dot(device_array(np.ones((2, 0))), device_array(np.ones((0, 3)))), np.zeros((2, 3))
        )
        assert found.dot(device_array(np.ones((0, 2))), device_array(np.ones((2, 3)))).shape == (0, 3)


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        (np.ones((2, 3)), np.ones((3, 2), np.float32), None),
        (np.ones((2, 3), int), np.ones((3, 2), int), None),
        (np.ones((2, 3, 4)), np.ones((4, 2)), None),
        (np.ones(3), np.ones(3), None),
        (np.ones((2, 3)), np.ones((2, 3)), None),
        (np.ones((2, 3)), np.ones((3, 2)), np.ones((3, 2))),
        (np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 4))[:, ::2]),
        (np.ones((2, 3)), np.ones((3, 2)), np.ones((2, 2), np.float32)),
    ],
)
def test_products_that_are_not_recorded(a: Any, b: Any, out: Any) -> None:
    found = products()
    with found.recorded(STREAM, 7), pytest.raises(NotImplementedError, match="no recorded product"):
        found.dot(device_array(a), device_array(b), None if out is None else device_array(out))


def test_outside_a_recording_the_product_is_numpys() -> None:
    assert products().dot(np.arange(3), np.arange(3)) == 5


def test_another_thread_s_product_is_numpys_meanwhile() -> None:
    found, results = products(), []
    with found.recorded(STREAM, 7):
        other = threading.Thread(target=lambda: results.append(found.dot(np.arange(3), np.arange(3))))
        other.start()
        other.join()
    assert results == [5]


@pytest.mark.parametrize(("capability", "size"), [("75", WORKSPACE), ("90", HOPPERS_WORKSPACE)])
def test_the_workspace_is_as_large_as_the_device_likes_it(capability: str, size: int) -> None:
    found = products(capability)
    with found.recorded(STREAM, 7):
        pass
    assert found._library.calls == ["stream 5", f"workspace {size >> 20}"]


def test_what_is_launched_on_one_stream_shares_a_workspace() -> None:
    found, addresses = products(), []
    found._library.cublasSetWorkspace_v2 = lambda handle, address, size: addresses.append(address.value)
    for where in (7, 7, 8):
        with found.recorded(STREAM, where):
            pass
    assert addresses[0] == addresses[1] != addresses[2]


def test_a_status_that_is_not_zero_is_a_refusal() -> None:
    found = products()
    found._library.cublasDgemm_v2 = lambda *args: 13
    with found.recorded(STREAM, 7), pytest.raises(NotImplementedError, match="cublasDgemm_v2 answered 13"):
        found.dot(device_array(np.ones((2, 2))), device_array(np.ones((2, 2))))


# ---------------------------------------------------------------------- the recorder


class CuPy:
    """What a recorder uses of CuPy; it notes in which order."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        error = type("CUDARuntimeError", (RuntimeError,), {})
        notes, graphs = self.notes, SimpleNamespace(launch=lambda: self.notes.append("launch"))

        class Stream:
            ptr = 5

            def __init__(self, non_blocking: bool) -> None:
                assert non_blocking

            def __enter__(self) -> Stream:
                notes.append("on the stream")
                return self

            def __exit__(self, *_: object) -> None:
                notes.append("off the stream")

            def begin_capture(self) -> None:
                notes.append("begin")

            def end_capture(self) -> Any:
                notes.append("end")
                return graphs

        self.ndarray = OnDevice
        self.get_default_memory_pool = lambda: SimpleNamespace(
            free_all_blocks=lambda: notes.append("free memory")
        )
        self.cuda = SimpleNamespace(
            Stream=Stream,
            get_current_stream=lambda: SimpleNamespace(ptr=7),
            MemoryPool=lambda: SimpleNamespace(malloc=None, total_bytes=lambda: 512),
            using_allocator=lambda malloc: nullcontext(),
            runtime=SimpleNamespace(CUDARuntimeError=error),
            driver=SimpleNamespace(CUDADriverError=error),
        )


def recorder_of(cupy: CuPy) -> Any:
    made: Any = Recorder(cupy)  # type: ignore[arg-type]
    made._products = products()
    return made


def test_a_function_is_recorded_on_a_stream_and_launched_where_one_is() -> None:
    cupy = CuPy()
    recorder = recorder_of(cupy)
    launch, result = recorder.record(lambda: cupy.notes.append("work") or "result")
    assert result == "result"
    launch()
    expected = ["on the stream", "begin", "work", "end", "off the stream", "launch"]
    assert cupy.notes == expected
    assert recorder.used_bytes() == 512
    del launch
    gc.collect()
    assert recorder.used_bytes() == 0


def test_a_recording_that_fails_is_ended() -> None:
    cupy = CuPy()

    def fail() -> None:
        raise NotImplementedError("no recorded product")

    with pytest.raises(NotImplementedError, match="no recorded product"):
        recorder_of(cupy).record(fail)
    assert cupy.notes == ["on the stream", "begin", "end", "off the stream"]


def test_memory_that_cupy_keeps_is_freed_for_a_recording() -> None:
    cupy = CuPy()
    attempts = [MemoryError("Out of memory"), None]

    def work() -> str:
        if failure := attempts.pop(0):
            raise failure
        return "result"

    assert recorder_of(cupy).record(work)[1] == "result"
    once = ["on the stream", "begin", "end", "off the stream"]
    assert cupy.notes == [*once, "free memory", *once]


def test_no_garbage_is_collected_in_a_recording() -> None:
    enabled = []
    recorder_of(CuPy()).record(lambda: enabled.append(gc.isenabled()))
    assert enabled == [False]
    assert gc.isenabled()


def test_the_text_of_formulas_is_recorded_with_other_products() -> None:
    made: list[Any] = []
    recorder = recorder_of(CuPy())
    recorder._numpy.dot = lambda a, b, out=None: made.append(1) or np.dot(a, b, out=out)
    into_weight, into_bias = np.empty((2, 3)), np.empty(2)
    g, x, weight = RNG.standard_normal((4, 2)), RNG.standard_normal((4, 3)), RNG.standard_normal((2, 3))
    text = recorder.text(linear_backward)
    found = text(g, x, weight, None, into_weight, into_bias, True)
    assert len(made) == 3  # one of them in the sum over rows, which another module has
    np.testing.assert_allclose(found, g @ weight)
    np.testing.assert_allclose(into_weight, g.T @ x)
    np.testing.assert_allclose(into_bias, g.sum(axis=0))
    assert linear_backward.formula.function.__globals__["np"] is np  # type: ignore[attr-defined]


def test_a_text_that_calls_itself_or_another_formula() -> None:
    made: list[Any] = []
    module: Any = graph._NumPy(lambda a, b, out=None: made.append(1) or np.dot(a, b, out=out))
    x = RNG.standard_normal((300, 3))
    np.testing.assert_allclose(with_module(column_sums, module)(x), x.sum(axis=0))
    assert len(made) == 3  # of the pieces, of their sums, and of the rows that are left
    made.clear()
    options = (None, None, 0.1, None, None, None, None, None, 0.1)
    y, *_ = with_module(tracked_batch_norm, module)(x[:9], *options)
    np.testing.assert_allclose(y, (x[:9] - x[:9].mean(0)) / np.sqrt(x[:9].var(0) + 0.1))
    assert len(made) == 2


@elementwise
def doubled(x: Any) -> Any:
    """An elementwise formula."""
    return np.add(x, x)


def both(x: Any) -> Any:
    """Called by one, with one inside."""
    return np.negative(doubled(x)) + sum(np.negative(1) for _ in range(1))


def test_elementwise_formulas_stay_kernels_of_their_own() -> None:
    module: Any = SimpleNamespace(negative=lambda x: x + 1, add=lambda x, y: -100.0)
    assert with_module(both, module)(3.0) == 9.0

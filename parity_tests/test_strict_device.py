"""The strict device refuses what a GPU would refuse, counts what would wait for it, and computes as NumPy."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npnet import backend
from parity_tests import allowed_functions as allowed
from parity_tests.allowed_calls import CALLS
from parity_tests.strict_device import (
    RefusedError,
    StrictArray,
    SynchronisationError,
    count_synchronisations,
    forbid_synchronisation,
)

pytestmark = pytest.mark.stand_in

HOST = np.arange(12.0, dtype=np.float32).reshape(3, 4)


def device(array: Any) -> Any:
    return backend.to_device(np.asarray(array), "strict")


def host(array: Any) -> Any:
    assert type(array) is StrictArray
    return backend.to_host(array)  # type: ignore[arg-type]


@pytest.fixture
def x() -> Any:
    return device(HOST)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "np.asarray": np.asarray,
    "np.array": np.array,
    "np.ascontiguousarray": np.ascontiguousarray,
    "np.frombuffer": np.frombuffer,
    "host array on the right": lambda x: x + HOST,
    "host array on the left": lambda x: HOST + x,
    "0-d host array": lambda x: x + np.array(1.0),
    "host array changed in place": lambda x: np.add(h := HOST.copy(), x, out=h),
    "device array changed in place": lambda x: np.add(x, HOST, out=x),
    "host array in matmul": lambda x: x @ HOST.T,
    "host array as out": lambda x: np.exp(x, out=np.empty_like(HOST)),
    "host array in a function": lambda x: np.where(x > 1, x, HOST),
    "host array in a list": lambda x: np.concatenate([x, HOST]),
    "host array in a method": lambda x: x.dot(HOST.T),
    "host array assigned": lambda x: operator.setitem(x, slice(None), HOST),
    "list as an operand": lambda x: np.add(x, [1.0, 2.0, 3.0, 4.0]),
    "list assigned": lambda x: operator.setitem(x, 0, [1.0, 2.0, 3.0, 4.0]),
    "bool as an index": lambda x: x[True],
    "array as an index of a list": lambda x: operator.getitem([1, 2], device(1)),
    "array as a bound": lambda x: range(device(3)),
    "take(mode=)": lambda x: np.take(x, device([0]), mode="clip"),
    "sum(where=)": lambda x: np.sum(x, where=x > 1),
    "sum(initial=)": lambda x: np.sum(x, initial=1.0),
    "max(initial=)": lambda x: np.max(x, initial=0.0),
    "max(where=) as a method": lambda x: x.max(where=x > 1, initial=0.0),
    "var(mean=)": lambda x: np.var(x, mean=x),
    "var(correction=)": lambda x: np.var(x, correction=1),
    "einsum(out=)": lambda x: np.einsum("ij->i", x, out=device(np.zeros(3, np.float32))),
    "argmax(out) by position": lambda x: np.argmax(x, 0, device(np.zeros(4, np.int64))),
    "as_strided": lambda x: np.lib.stride_tricks.as_strided(x, (2,), (4,)),
    "where with one argument": np.where,
    "median": np.median,
    "ones(like=)": lambda x: np.ones(3, like=x),
    "full(like=)": lambda x: np.full(3, 1.0, like=x),
    "nonzero": np.nonzero,
    "ufunc.reduce": np.add.reduce,
    "ufunc.at": lambda x: np.add.at(x, device([0]), 1.0),
    "ufunc.outer": lambda x: np.multiply.outer(x, x),
    "ufunc(order=)": lambda x: np.add(x, x, order="C"),
    "ufunc with two results": np.modf,
    "ufunc off the list": np.spacing,
    "special function off the list": scipy.special.j0,
    "repeated indices": lambda x: operator.setitem(x, device([0, 0]), x[:2]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str, x: Any) -> None:
    with pytest.raises(TypeError):
        REFUSED[case](x)
    np.testing.assert_array_equal(host(x), HOST)  # and harms nothing


@pytest.mark.parametrize("name", ["tobytes", "data", "ctypes", "nonzero", "__array_interface__", "sort"])
def test_offers_no_other_attribute(name: str, x: Any) -> None:
    with pytest.raises(AttributeError):
        getattr(x, name)


def test_refuses_what_is_in_place_on_numpy_alone(x: Any) -> None:
    with pytest.raises(RefusedError, match="out of place on CuPy"):
        x @= x.T


def test_a_refusal_says_what_to_do_instead(x: Any) -> None:
    with pytest.raises(RefusedError, match=r"npnet\.backend.to_host"):
        np.asarray(x)
    with pytest.raises(RefusedError, match=r"npnet\.backend.to_device"):
        x + HOST
    with pytest.raises(RefusedError, match=r"np\.median is not on the list"):
        np.median(x)
    with pytest.raises(RefusedError, match=r"np\.sum: .* keyword argument 'where' \(allowed: .*"):
        np.sum(x, where=x > 0)


WAITS: dict[str, Callable[[Any], Any]] = {
    "float()": lambda x: float(x[1, 1]),
    "int()": lambda x: int(x[1, 1]),
    "complex()": lambda x: complex(x[1, 1]),
    "bool()": lambda x: bool(x[1, 1]),
    ".item()": lambda x: x[1, 1].item(),
    ".tolist()": lambda x: x.tolist(),
    "repr()": repr,
    "str()": str,
    "format()": lambda x: f"{x[1, 1]:.1f}",
    "pickling": pickle.dumps,
    "backend.to_host": backend.to_host,
    "a boolean mask as an index": lambda x: x[x > 1],
    "an upload of a host index array": lambda x: x[[0, 2]],
    "an upload by np.asarray(like=)": lambda x: np.asarray([1.0], like=x),
}


@pytest.mark.parametrize("reason", WAITS)
def test_counts_and_forbids_what_waits(reason: str, x: Any) -> None:
    with count_synchronisations() as waits:
        WAITS[reason](x)
    assert [wait.reason for wait in waits] == [reason]
    assert waits[0].place.split(":")[0].endswith(".py")
    assert "strict_device.py" not in waits[0].place.replace("test_strict_device.py", "")
    with forbid_synchronisation(), pytest.raises(SynchronisationError, match="waits for the device"):
        WAITS[reason](x)
    with count_synchronisations() as waits:
        pass
    assert waits == []


@pytest.mark.parametrize(
    ("case", "count"),
    [
        (lambda x: operator.setitem(x, x > 1, 0.0), 1),
        (lambda x: operator.setitem(x, np.array([0, 1]), 0.0), 1),
        (lambda x: np.take(x, [0, 1], axis=0), 1),
        (lambda x: np.take(x, device([0, 1]), axis=0), 0),
        (lambda x: x[device([0, 1]), device([1, 0])], 0),
        (lambda x: np.add(x, 1.0, out=x), 0),
        (lambda x: [row.sum() for row in x], 0),
        (lambda x: (len(x), x.shape, np.shape(x), np.ndim(x), np.size(x), x.nbytes, x.flags.c_contiguous), 0),
        (lambda x: np.zeros(x.shape, x.dtype, like=x), 0),
        (lambda x: 2.0 in x, 3),
    ],
)
def test_counts_each_wait(case: Callable[[Any], Any], count: int, x: Any) -> None:
    with count_synchronisations() as waits:
        case(x[0] if count == 3 else x)
    assert len(waits) == count


def test_slices_and_reshapes_share_memory(x: Any) -> None:
    flat = x.reshape(-1)
    flat[4:8] += 100
    x[0, 0][...] = -1  # a 0-d result is a view too, as on CuPy
    x.T[3, 2] = 7
    np.reshape(x, (2, 6))[1, 0] = 50
    next(iter(x))[1] = -2
    expected = np.array([[-1, -2, 2, 3], [104, 105, 50, 107], [8, 9, 10, 7]], np.float32)
    np.testing.assert_array_equal(host(x), expected)
    assert np.may_share_memory(x, flat)
    assert not np.may_share_memory(x, x.copy())


def test_out_is_written_in_place_and_returned(x: Any) -> None:
    arena = device(np.zeros(12, np.float32))
    place = arena[3:6]
    assert np.sum(x, axis=1, out=place) is place
    assert np.add(place, 1.0, out=place) is place
    assert x.sum(axis=1, out=place) is place
    np.testing.assert_array_equal(host(arena)[3:6], HOST.sum(axis=1))
    before = place
    place *= 2
    assert place is before
    np.testing.assert_array_equal(host(arena)[3:6], 2 * HOST.sum(axis=1))


def test_copies_share_nothing(x: Any) -> None:
    for twin in (
        copy.copy(x),
        copy.deepcopy(x),
        x.copy(),
        np.array(x, like=x),
        pickle.loads(pickle.dumps(x)),
    ):
        twin += 1
        np.testing.assert_array_equal(host(twin), HOST + 1)
    fetched = host(x)
    fetched += 1
    np.testing.assert_array_equal(host(x), HOST)
    source = HOST.copy()
    moved = device(source)
    source += 1
    np.testing.assert_array_equal(host(moved), HOST)


def test_results_are_0d_arrays_not_scalars(x: Any) -> None:
    for result in (
        x.sum(),
        np.max(x),
        x[0, 0],
        np.vdot(x, x),
        np.argmax(x),
        np.count_nonzero(x),
        x[0] @ x[0],
    ):
        assert type(result) is StrictArray
        assert result.shape == ()


def test_python_scalars_are_weak_and_numpy_scalars_are_not(x: Any) -> None:
    assert (2.0 * x).dtype == (x + 1).dtype == (x * np.float32(2)).dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64
    assert (np.float64(2) * x).dtype == np.float64
    assert np.result_type(x, 1.0) == np.float32


def test_indices_out_of_range_wrap(x: Any) -> None:
    np.testing.assert_array_equal(host(x[device([4, -4])]), HOST[[1, 2]])
    np.testing.assert_array_equal(host(x[:, device([5])]), HOST[:, [1]])
    np.testing.assert_array_equal(host(x[..., device([5])]), HOST[:, [1]])
    np.testing.assert_array_equal(host(x[None, device([3]), 2:]), HOST[None, [0], 2:])
    np.testing.assert_array_equal(host(np.take(x, device([4, -1]), axis=1)), HOST[:, [0, 3]])
    np.testing.assert_array_equal(host(x.take(device(13))), HOST[0, 1])
    np.testing.assert_array_equal(host(np.take(x, 13)), HOST[0, 1])
    cube = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(
        host(device(cube)[device(cube[..., 0] > 3), device([6])]), [6, 10, 14, 18, 22]
    )
    columns = device([[4], [5], [-1]])
    np.testing.assert_array_equal(
        host(np.take_along_axis(x, columns, 1)), np.take_along_axis(HOST, np.array([[0], [1], [3]]), 1)
    )
    x[device([3])] = 9
    assert (host(x)[0] == 9).all()
    with pytest.raises(IndexError):
        x[3]


def test_repeated_indices_take_one_value_for_all(x: Any) -> None:
    x[device([0, 0])] = 5.0
    assert (host(x)[0] == 5).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda x: np.zeros((2, 3), np.float32, like=x),
        lambda x: np.empty(shape=(2, 3), dtype=np.float32, like=x),
        lambda x: np.ones_like(x, shape=(2, 3)),
        lambda x: np.full_like(x, 7.0, shape=(2, 3)),
        lambda x: np.arange(6, dtype=np.float32, like=x).reshape(2, 3),
        lambda x: np.asarray(HOST[:2, :3], like=x),
        lambda x: np.zeros_like(x, shape=(2, 3)),
    ],
)
def test_like_makes_device_arrays(make: Callable[[Any], Any], x: Any) -> None:
    made = make(x)
    assert backend.device_of(made) == "strict"
    assert made.shape == (2, 3)
    assert made.dtype == np.float32


def test_is_a_device_of_npnet(x: Any) -> None:
    assert "strict" in backend.available_devices()
    assert backend.to_device(x, "strict") is x
    np.testing.assert_array_equal(backend.to_device(x, "cpu"), HOST)
    np.testing.assert_array_equal(host(backend.special(x).expit(x)), scipy.special.expit(HOST))
    assert backend.memory_info("strict")[0] == pytest.approx(backend.memory_info("cpu")[0], rel=0.5)
    drawn = backend.uniform_source("strict", 3)((4, 5))
    np.testing.assert_array_equal(host(drawn), backend.uniform_source("cpu", 3)((4, 5)))


matrices = hnp.arrays(np.float64, (3, 4), elements=st.floats(0.125, 8.0, width=32))


def test_every_allowed_function_is_tried() -> None:
    assert CALLS.keys() == allowed.FUNCTIONS.keys()


def assert_same(given: Any, expected: Any) -> None:
    if isinstance(given, StrictArray):
        assert given.dtype == expected.dtype
        np.testing.assert_array_equal(host(given), expected, strict=not np.isscalar(expected))
    else:
        assert given == expected


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=10)
@given(values=matrices, indices=hnp.arrays(np.int64, 2, elements=st.integers(0, 2)))
def test_functions_compute_as_numpy(name: str, values: Any, indices: Any) -> None:
    operands = (values, indices, values > 1)  # some calls write into them, alike on both sides
    with forbid_synchronisation():
        result = CALLS[name](*map(device, operands))
    assert_same(result, CALLS[name](*operands))


BITWISE = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}


@pytest.mark.parametrize("name", sorted(allowed.UFUNCS | allowed.SPECIAL))
@settings(max_examples=10)
@given(values=matrices)
def test_ufuncs_compute_as_numpy(name: str, values: Any) -> None:
    ufunc = getattr(np, name) if name in allowed.UFUNCS else getattr(scipy.special, name)
    values = values > 1 if name in BITWISE else values / 16  # within the domain of them all
    operands = [values, values.T if name == "matmul" else values][: ufunc.nin]
    with forbid_synchronisation():
        result = ufunc(*map(device, operands))
    assert_same(result, ufunc(*operands))


METHOD_CALLS: dict[str, tuple[Any, ...]] = {
    "astype": (np.float32,),
    "clip": (1.0, 2.0),
    "fill": (3.0,),
    "reshape": (2, -1),
    "swapaxes": (0, 1),
    "view": (np.int64,),
}


@pytest.mark.parametrize("name", sorted(allowed.METHODS))
@settings(max_examples=10)
@given(values=matrices)
def test_methods_compute_as_numpy(name: str, values: Any) -> None:
    args = METHOD_CALLS.get(name, ())
    if name in ("dot", "take"):
        other = values.T if name == "dot" else np.array([1, 0])
        assert_same(getattr(device(values), name)(device(other)), getattr(values, name)(other))
        return
    x = device(values)
    with forbid_synchronisation():
        result = getattr(x, name)(*args)
    expected = getattr(values, name)(*args)
    if name == "fill":
        result, expected = x, values
    assert_same(result, expected)

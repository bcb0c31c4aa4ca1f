"""The list of allowed functions, held against CuPy itself.

Needs CuPy, but no GPU: without one the arrays have no memory behind them, and a call counts as taken when it
gets as far as the driver or a library of CUDA, which are the first to miss the GPU.  With one, results are
compared with NumPy's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parity_tests import allowed_functions as allowed
from parity_tests.allowed_calls import CALLS
from parity_tests.strict_device import StrictArray

cupy: Any = pytest.importorskip("cupy", reason="CuPy is not installed: pip install 'npnet[cupy]'")
cupy_special: Any = pytest.importorskip("cupyx.scipy.special")

pytestmark = pytest.mark.device

Parameter = inspect.Parameter
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

HOST = (
    np.arange(12.0, dtype=np.float32).reshape(3, 4),
    np.array([2, 0]),
    np.arange(12).reshape(3, 4) % 3 == 0,
)


def has_gpu() -> bool:
    try:
        return bool(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def on_cupy(array: Any) -> Any:
    if has_gpu():
        return cupy.asarray(array)
    nowhere = cupy.cuda.UnownedMemory(1 << 20, 1 << 20, None, 0)  # an address that nothing ever follows
    return cupy.ndarray(array.shape, array.dtype, cupy.cuda.MemoryPointer(nowhere, 0))


def resolve(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


def names(signature: inspect.Signature, kinds: tuple[Any, ...]) -> list[str]:
    return [name for name, parameter in signature.parameters.items() if parameter.kind in kinds]


@pytest.mark.parametrize(
    "name", sorted(allowed.FUNCTIONS.keys() - {"size"})
)  # `size` is compiled, and tells none
def test_functions_have_the_allowed_parameters(name: str) -> None:
    ours, theirs = allowed.FUNCTIONS[name], inspect.signature(resolve(cupy, name))
    kinds = {parameter.kind for parameter in theirs.parameters.values()}
    first = {"object"} if name == "array" else set()  # cupy.array names it obj; NumPy hands it on by position
    if Parameter.VAR_KEYWORD not in kinds:
        missing = set(names(ours, BY_NAME)) - set(names(theirs, BY_NAME)) - first
        assert not missing, f"cupy.{name}{theirs} has no {missing}"
    if Parameter.VAR_POSITIONAL not in kinds:
        places = names(theirs, BY_POSITION)
        for place, mine in enumerate(names(ours, BY_POSITION)):
            is_operand = ours.parameters[mine].kind is Parameter.POSITIONAL_ONLY or mine in first
            assert is_operand or places[place] == mine, f"cupy.{name}{theirs} has another order"


@pytest.mark.parametrize("name", allowed.FUNCTIONS)
def test_functions_go_by_their_own_name(name: str) -> None:
    assert allowed.name_of(resolve(np, name)) == name


def run_on_cupy(call: Callable[..., Any]) -> Any:
    """What a call gives on a GPU; without one None, if CuPy took its arguments."""
    try:
        return call(*map(on_cupy, HOST))
    except (cupy.cuda.runtime.CUDARuntimeError, ImportError):
        if has_gpu():
            raise
        return None


@pytest.mark.parametrize("name", CALLS)
def test_functions_reach_cupy_through_the_protocol(name: str) -> None:
    result = run_on_cupy(CALLS[name])
    if has_gpu():
        expected = CALLS[name](*(array.copy() for array in HOST))
        if isinstance(result, cupy.ndarray):
            np.testing.assert_allclose(cupy.asnumpy(result), expected, rtol=1e-6)
        else:
            assert result == expected


@pytest.mark.parametrize("name", sorted(allowed.UFUNCS))
def test_ufuncs_reach_cupy_through_the_protocol(name: str) -> None:
    ufunc = getattr(np, name)

    def call(x: Any, i: Any, m: Any) -> Any:
        operand = m if name.startswith("bitwise") or name == "invert" else x
        if name == "matmul":
            square = x[:, :3]
            return ufunc(square, square.T, out=square)
        return ufunc(*[operand, operand][: ufunc.nin], out=operand)

    run_on_cupy(call)


def test_ufuncs_take_a_dtype() -> None:
    run_on_cupy(lambda x, i, m: np.add(x, x, dtype=np.float64))


@pytest.mark.parametrize("name", sorted(allowed.SPECIAL))
def test_special_functions_exist(name: str) -> None:
    assert callable(getattr(cupy_special, name))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, i, m: np.asarray(x),
        lambda x, i, m: np.ascontiguousarray(x),
        lambda x, i, m: np.take(x, i, mode="clip"),
        lambda x, i, m: np.sum(x, where=m),
        lambda x, i, m: np.max(x, initial=0.0),
        lambda x, i, m: np.var(x, correction=1),
        lambda x, i, m: np.clip(x, min=0),
        lambda x, i, m: np.reshape(x, shape=(4, 3)),
        lambda x, i, m: np.lib.stride_tricks.as_strided(x, (2,), (4,)),
        lambda x, i, m: np.ones(3, like=x),
        lambda x, i, m: np.full(3, 1.0, like=x),
        lambda x, i, m: x @ np.ones((4, 2), np.float32),
        lambda x, i, m: range(i),
    ],
)
def test_what_the_list_leaves_out_is_refused_by_cupy(call: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        call(*map(on_cupy, HOST))


@pytest.mark.parametrize("name", allowed.METHODS)
def test_methods_have_the_allowed_parameters(name: str) -> None:
    theirs = method_parameters(name)
    ours = allowed.METHODS[name]
    missing = set(names(ours, BY_NAME)) - set(theirs)
    assert not missing, f"cupy.ndarray.{name}({', '.join(theirs)}) has no {missing}"
    for place, mine in enumerate(names(ours, BY_POSITION)):
        assert ours.parameters[mine].kind is Parameter.POSITIONAL_ONLY or theirs[place] == mine


def method_parameters(name: str) -> list[str]:
    """Names of a method's parameters; compiled ones tell them in the first line of the docstring."""
    method = getattr(cupy.ndarray, name)
    try:
        return list(inspect.signature(method).parameters)[1:]
    except ValueError:
        line = re.match(r"\w+\.\w+\(self(?:, )?(.*?)\)", method.__doc__.splitlines()[0])
        assert line is not None, f"cupy.ndarray.{name} does not tell its signature"
        return [parameter.split("=")[0].split()[-1] for parameter in line[1].split(", ") if parameter]


def test_the_strict_array_offers_nothing_that_a_cupy_array_lacks() -> None:
    refusing = {"__getattr__", "__imatmul__"}  # the first holds the list, the second only explains itself
    own = {name for name in dir(StrictArray) if re.match(r"_[a-z]", name)}
    assert set(dir(StrictArray)) - set(dir(cupy.ndarray)) - refusing - own == set()

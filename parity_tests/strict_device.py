"""A stand-in for a GPU: arrays in host memory that behave as strictly as CuPy's, and stricter.

A layer that runs on a :class:`StrictArray` will run on a GPU without copying behind anybody's back,
because the class refuses (:class:`RefusedError`) what CuPy refuses or gets silently wrong:

- every implicit copy to the host, ``np.asarray(x)`` and whatever calls it;
- every mixture with a host array; Python and NumPy scalars are taken, as CuPy takes them;
- every function, keyword and method that :mod:`parity_tests.allowed_functions` does not list;
- an assignment through repeated indices, where CuPy stores any one of the values.

Out of range, index arrays wrap as CuPy's do.  Reductions give 0-d arrays; slices, and reshapes of what is
contiguous, share memory.  Whatever makes the host wait for the device is counted
(:func:`count_synchronisations`) or refused (:func:`forbid_synchronisation`).

Importing this module registers the device under the name ``"strict"``.  With ``pytest --device cuda`` it is
CuPy's, and the waits are those that CuPy tells of.

Examples
--------
>>> import numpy as np
>>> from npnet import backend
>>> x = backend.to_device(np.arange(6.0), "strict").reshape(2, 3)
>>> with count_synchronisations() as waits:
...     total = np.sum(np.maximum(x - 1.0, 0.0))
>>> waits
[]
>>> with count_synchronisations() as waits:
...     float(total)
10.0
>>> [wait.reason for wait in waits]
['float()']

References
----------
CuPy's user guide, "Differences between CuPy and NumPy" (indices that wrap, repeated indices, 0-d results);
NEP 13 and NEP 18 for the two protocols.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import numbers
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.special
from numpy.lib.mixins import NDArrayOperatorsMixin

from npnet import backend
from parity_tests import allowed_functions as allowed

__all__ = [
    "ON_GPU",
    "RefusedError",
    "StrictArray",
    "Synchronisation",
    "SynchronisationError",
    "count_synchronisations",
    "forbid_synchronisation",
]

HostArray = npt.NDArray[Any]

ON_GPU = os.environ.get("NPNET_PARITY_DEVICE") == "cuda"
"""Whether a GPU stands in for the stand-in."""

uploads = 0
"""How many arrays were brought here; what tells a test that runs on the device from others."""


class RefusedError(TypeError):
    """CuPy would refuse this, or do something else than NumPy in silence."""


class SynchronisationError(RuntimeError):
    """The host waited for the device where that was forbidden."""


@dataclass(frozen=True)
class Synchronisation:
    """One wait of the host for the device: what caused it, and the line of code that did."""

    reason: str
    place: str


_observers: list[Callable[[Synchronisation], None]] = []


def _synchronise(reason: str) -> None:
    if not _observers:
        return
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    place = "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
    for observer in _observers:
        observer(Synchronisation(reason, place))


@contextmanager
def _observing(observer: Callable[[Synchronisation], None]) -> Iterator[None]:
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


@contextmanager
def count_synchronisations() -> Iterator[list[Synchronisation]]:
    """Collect every wait for the device that happens inside the block."""
    waits: list[Synchronisation] = []
    with _observing(waits.append):
        yield waits


@contextmanager
def forbid_synchronisation() -> Iterator[None]:
    """Raise :class:`SynchronisationError` at the first wait for the device inside the block."""

    def refuse(wait: Synchronisation) -> None:
        raise SynchronisationError(f"{wait.reason} at {wait.place} waits for the device")

    with _observing(refuse):
        yield


def _metadata(name: str) -> Any:
    return property(operator.attrgetter(f"_memory.{name}"))


class StrictArray(NDArrayOperatorsMixin):
    """An array of the strict device; made by ``backend.to_device(array, "strict")``.

    Parameters
    ----------
    memory : ndarray
        What the device holds; shared, not copied.
    """

    __slots__ = ("_memory",)
    __array_priority__ = 100

    def __init__(self, memory: HostArray) -> None:
        self._memory = memory

    # What is known without waiting for the device.
    shape = _metadata("shape")
    dtype = _metadata("dtype")
    ndim = _metadata("ndim")
    size = _metadata("size")
    nbytes = _metadata("nbytes")
    itemsize = _metadata("itemsize")
    strides = _metadata("strides")
    flags = _metadata("flags")

    @property
    def T(self) -> StrictArray:  # noqa: N802
        """The axes in reverse order, a view."""
        return StrictArray(self._memory.T)

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Iterator[StrictArray]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))  # views: as on CuPy, nothing waits yet

    # Functions, ufuncs and methods.

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        name = allowed.name_of(function)
        if name not in allowed.FUNCTIONS:
            raise RefusedError(allowed.refusal(name))
        bound = _bind(f"np.{name}", allowed.FUNCTIONS[name], args, kwargs)
        if name in ("array", "asarray"):
            if not isinstance(args[0], StrictArray):
                _synchronise(f"an upload by np.{name}(like=)")
                bound.arguments[next(iter(bound.arguments))] = _upload(args[0])
        elif name == "take":
            array, axis = bound.arguments["a"], bound.arguments.get("axis")
            length = array.size if axis is None else array.shape[axis]
            bound.arguments["indices"] = _wrapped(bound.arguments["indices"], length)
        elif name == "take_along_axis":
            length = bound.arguments["arr"].shape[bound.arguments["axis"]]
            bound.arguments["indices"] = _wrapped(bound.arguments["indices"], length)
        result = function(*_host(bound.args), **_host(bound.kwargs))
        if name in allowed.METADATA:
            return result
        out = bound.arguments.get("out")
        return _device(result) if out is None else out

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__":
            raise RefusedError(f"np.{name}.{method}: CuPy answers no method of a ufunc")
        if name not in allowed.UFUNCS | allowed.SPECIAL:
            raise RefusedError(allowed.refusal(name))
        if unknown := kwargs.keys() - allowed.UFUNC_KEYWORDS:
            raise RefusedError(f"np.{name}: keyword {sorted(unknown)} is not on the list")
        for operand in inputs:
            if not isinstance(operand, (StrictArray, np.ndarray, np.generic, numbers.Number)):
                raise RefusedError(f"np.{name}: a {type(operand).__name__} is no operand on a device")
        result = ufunc(*_host(inputs), **_host(kwargs))
        return kwargs["out"][0] if "out" in kwargs else _device(result)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in allowed.METHODS:
            raise AttributeError(f"'{name}' is not on the list of what an array offers on a device")
        return functools.partial(self._method, name)

    def _method(self, name: str, *args: Any, **kwargs: Any) -> Any:
        bound = _bind(f".{name}()", allowed.METHODS[name], args, kwargs)
        if name == "take":
            return np.take(self, *args, **kwargs)
        result = getattr(self._memory, name)(*_host(bound.args), **_host(bound.kwargs))
        out = bound.arguments.get("out")
        return (None if result is None else _device(result)) if out is None else out

    def __imatmul__(self, other: Any) -> StrictArray:
        raise RefusedError("x @= y is out of place on CuPy and in place on NumPy: use np.matmul(..., out=)")

    # Indexing.

    def __getitem__(self, key: Any) -> StrictArray:
        return StrictArray(self._memory[self._host_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        host_key = self._host_key(key)
        source = _host(value)
        if isinstance(source, (list, tuple)):
            raise RefusedError("a list cannot be assigned into a device array")
        if np.size(source) > 1 and any(isinstance(part, np.ndarray) for part in host_key):
            targets = np.arange(self.size).reshape(self.shape)[host_key]
            if np.unique(targets).size < targets.size:
                raise RefusedError("assignment through repeated indices: a GPU stores any one of the values")
        self._memory[host_key] = source

    def _host_key(self, key: Any) -> tuple[Any, ...]:
        """The key with index arrays wrapped into range, and an ellipsis so that a 0-d result stays a view."""
        parts = list(key) if isinstance(key, tuple) else [key]
        parts = [_index_array(part) if isinstance(part, (list, np.ndarray)) else part for part in parts]
        if not any(part is Ellipsis for part in parts):
            parts.append(Ellipsis)
        consumed = sum(_axes_consumed(part) for part in parts)
        axis, result = 0, []
        for part in parts:
            if isinstance(part, bool):
                raise RefusedError("a Python bool is no index on a device")
            if isinstance(part, StrictArray):
                if part.dtype == np.bool_:
                    _synchronise("a boolean mask as an index")
                    result.append(part._memory)
                else:
                    result.append(_wrapped(part, self.shape[axis])._memory)
            else:
                result.append(part)
            axis += self.ndim - consumed if part is Ellipsis else _axes_consumed(part)
        return tuple(result)

    # Copies; those that leave the device wait for it.

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> HostArray:
        raise RefusedError("implicit copy of a device array to the host: use npnet.backend.to_host")

    def __copy__(self) -> StrictArray:
        return StrictArray(self._memory.copy())

    def __deepcopy__(self, memo: dict[int, Any]) -> StrictArray:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _upload, (self._fetch("pickling"),)

    def _fetch(self, reason: str) -> HostArray:
        _synchronise(reason)
        return self._memory.copy()

    def item(self) -> Any:
        """The one element as a Python scalar; waits."""
        return self._fetch(".item()").item()

    def tolist(self) -> Any:
        """The elements as nested lists; waits."""
        return self._fetch(".tolist()").tolist()

    def __float__(self) -> float:
        return float(self._fetch("float()"))

    def __int__(self) -> int:
        return int(self._fetch("int()"))

    def __complex__(self) -> complex:
        return complex(self._fetch("complex()"))

    def __bool__(self) -> bool:
        return bool(self._fetch("bool()"))

    def __repr__(self) -> str:
        return repr(self._fetch("repr()"))

    def __str__(self) -> str:
        return str(self._fetch("str()"))

    def __format__(self, specification: str) -> str:
        return format(self._fetch("format()"), specification)


def _bind(
    caller: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments by name, or a refusal that names the one which is not on the list."""
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        raise RefusedError(f"{caller}: {error} (allowed: {signature})") from error


def _host(value: Any) -> Any:
    """What the device does its work on: the memory of its arrays, in whatever containers they came."""
    if isinstance(value, StrictArray):
        return value._memory
    if isinstance(value, np.ndarray):
        raise RefusedError(
            f"a host array of shape {value.shape} met a device array: "
            "bring it there with npnet.backend.to_device"
        )
    if isinstance(value, (list, tuple)):
        return type(value)(_host(element) for element in value)
    if isinstance(value, dict):
        return {name: _host(element) for name, element in value.items()}
    return value


def _device(result: Any) -> Any:
    """A result as the device gives it: arrays always, 0-d ones too."""
    if isinstance(result, (list, tuple)):
        return type(result)(_device(element) for element in result)
    return StrictArray(np.asarray(result))


def _index_array(indices: Any) -> StrictArray:
    """An index array on the device; a host one is uploaded, as CuPy does in silence."""
    if isinstance(indices, StrictArray):
        return indices
    _synchronise("an upload of a host index array")
    return StrictArray(np.asarray(indices))


def _wrapped(indices: Any, length: int) -> Any:
    """Integer indices modulo the length of their axis, which is what CuPy makes of those out of range."""
    if isinstance(indices, numbers.Integral):
        return int(indices) % length
    memory = _index_array(indices)._memory
    return StrictArray(np.asarray(memory % length if length else memory))


def _axes_consumed(part: Any) -> int:
    """How many axes of the indexed array one part of a key uses up."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, StrictArray) and part.dtype == np.bool_ else 1


def _upload(array: npt.ArrayLike) -> StrictArray:
    global uploads
    uploads += 1
    return StrictArray(np.array(array))


def _uniform_source(seed: int) -> Callable[[tuple[int, ...]], Any]:
    draw = backend.uniform_source("cpu", seed)
    return lambda shape: StrictArray(draw(shape))


class _NdImage:
    """What is used of ``cupyx.scipy.ndimage``: picture and matrix both lie on the device."""

    @staticmethod
    def affine_transform(
        input: StrictArray,  # noqa: A002 (CuPy's name)
        matrix: StrictArray,
        *,
        order: int,
        mode: str,
        cval: float,
        prefilter: bool,
    ) -> StrictArray:
        if not (isinstance(input, StrictArray) and isinstance(matrix, StrictArray)):
            raise RefusedError("affine_transform: picture and matrix must both lie on the device")
        options = {"order": order, "mode": mode, "cval": cval, "prefilter": prefilter}
        return StrictArray(scipy.ndimage.affine_transform(input._memory, matrix._memory, **options))


def _on_gpu() -> backend.Device:
    """CuPy's own entry under the stand-in's name: ``pytest --device cuda``.

    CuPy declares its waits to the module that ``cupyx.allow_synchronize`` consults.  That function is
    deprecated, warns, and can only refuse; so the declaration itself is replaced.  A CuPy that has it no more
    tells nothing, and the test of this (``test_a_wait_is_noticed``) fails.
    """
    entry = backend._device("cuda")
    backend._DEVICES.pop("cuda")  # it comes back behind this one when somebody asks for it
    with suppress(ImportError):
        declarations: Any = importlib.import_module("cupy._core.syncdetect")
        declarations._declare_synchronize = lambda: _synchronise("a copy to the host")
    return dataclasses.replace(entry, name="strict")


backend.register_device(
    _on_gpu()
    if ON_GPU
    else backend.Device(
        name="strict",
        array_type=StrictArray,
        to_device=_upload,  # type: ignore[arg-type]
        to_host=lambda array: array._fetch("backend.to_host"),  # type: ignore[attr-defined]
        ndimage=lambda: _NdImage,  # type: ignore[arg-type, return-value]
        special=lambda: scipy.special,  # its ufuncs come back to __array_ufunc__, which holds the list
        memory=lambda: backend.memory_info("cpu"),
        uniform_source=_uniform_source,
    )
)

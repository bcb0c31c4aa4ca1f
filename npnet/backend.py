"""Where arrays live: device names, copies between host and device, and what the protocols leave out.

Layers call NumPy functions and nothing else; CuPy arrays answer them through NEP 13 and NEP 18.  What
those protocols do not cover stands here and nowhere else:

- a table of devices.  ``"cpu"`` is NumPy, ``"cuda"`` is CuPy; a test may :func:`register_device` a third;
- copies: :func:`to_device`, :func:`to_host`;
- special functions, :func:`special`, and the resampling of images, :func:`ndimage` (SciPy's on the host,
  CuPy's on a GPU);
- memory figures, :func:`memory_info`.

Examples
--------
>>> import numpy as np
>>> from npnet import backend
>>> x = np.ones(3)
>>> backend.device_of(x)
'cpu'
>>> backend.to_host(x) is x
True
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.engine.choice import ENGINES, engine, fuse_for, recorded_bytes, set_engine
from npnet.errors import DeviceError, DtypeError
from npnet.malloc import keep_memory

__all__ = [
    "ENGINES",
    "Array",
    "DTypeLike",
    "Device",
    "available_devices",
    "block_bytes",
    "check_device",
    "default_dtype",
    "device_of",
    "engine",
    "floating_dtype",
    "is_array",
    "is_plain",
    "keep_memory",
    "memory_info",
    "ndimage",
    "register_device",
    "sender",
    "set_default_dtype",
    "set_engine",
    "special",
    "to_device",
    "to_host",
    "uniform_source",
]

Array: TypeAlias = npt.NDArray[Any]
"""An array of any dtype on any registered device; written as NumPy's so that type checkers follow."""

DTypeLike: TypeAlias = npt.DTypeLike


@dataclass(frozen=True)
class Device:
    """One entry of the table of devices.

    Parameters
    ----------
    name : str
        What users write, ``"cpu"`` or ``"cuda"``.
    array_type : type
        The class whose instances live there.
    to_device : callable
        Host array to device array.  Always a copy, except on the host.
    to_host : callable
        Device array to host array.
    special : callable
        Returns the module of special functions (``erf`` and so on) for arrays of this device.
    ndimage : callable
        Returns the module of image transforms (``affine_transform``) for arrays of this device.
    memory : callable
        Returns ``(bytes in use by npnet, bytes free on the device)``.
    uniform_source : callable
        From a seed, a function that draws float32 uniforms on [0, 1) of a given shape on the device.
    sender : callable, optional
        Makes a function that sends a host array while the device computes; without it, `to_device` does.
    """

    name: str
    array_type: type
    to_device: Callable[[Array], Array]
    to_host: Callable[[Array], Array]
    special: Callable[[], ModuleType]
    ndimage: Callable[[], ModuleType]
    memory: Callable[[], tuple[int, int]]
    uniform_source: Callable[[int], Callable[[tuple[int, ...]], Array]]
    sender: Callable[[], Callable[[Array], Array]] | None = None


def _host_memory() -> tuple[int, int]:
    """Resident and available bytes, from the operating system where it tells."""
    try:
        with open("/proc/self/statm", encoding="ascii") as handle:
            pages = int(handle.read().split()[1])
        with open("/proc/meminfo", encoding="ascii") as handle:
            free = next(int(line.split()[1]) * 1024 for line in handle if line.startswith("MemAvailable"))
        import resource

        return pages * resource.getpagesize(), free
    except (OSError, StopIteration, ImportError):  # not Linux
        return 0, 0


def _identity(array: Array) -> Array:
    return array


def _host_uniform(seed: int) -> Callable[[tuple[int, ...]], Array]:
    generator = np.random.Generator(np.random.SFC64(seed))
    return lambda shape: generator.random(shape, dtype=np.float32)


_DEVICES: dict[str, Device] = {
    "cpu": Device(
        "cpu",
        np.ndarray,
        _identity,
        _identity,
        lambda: importlib.import_module("scipy.special"),
        lambda: importlib.import_module("scipy.ndimage"),
        _host_memory,
        _host_uniform,
    )
}


def register_device(device: Device) -> None:
    """Add a device to the table, or replace the one of the same name.

    The strict stand-in of the parity tests enters here; so does CuPy, on first use.
    """
    _DEVICES[device.name] = device


def _last_line(error: ImportError) -> str:
    """What CuPy's long message about a failed import comes to: the loader's own words, which it ends with."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =-")]
    return lines[-1] if lines else type(error).__name__


def _load_cupy() -> Device:
    try:
        cupy: Any = importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        raise DeviceError(
            "device 'cuda' needs CuPy, which is not installed: pip install 'npnet[cupy]', "
            "or pick the cupy-cuda* package of your driver (see the README)"
        ) from error
    except ImportError as error:
        raise DeviceError(
            "device 'cuda': the CuPy that is installed cannot be loaded, probably built for another version "
            f"of CUDA; install the cupy-cuda* package of your driver (see the README): {_last_line(error)}"
        ) from error
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if "insufficient" in str(error):
            raise DeviceError(
                "device 'cuda': CuPy is built for a newer CUDA than the driver knows; update the driver, or "
                f"install the cupy-cuda* package of your driver (see the README): CuPy says {error}"
            ) from error
        raise DeviceError(f"device 'cuda' needs an NVIDIA GPU and its driver: CuPy says {error}") from error
    if count == 0:
        raise DeviceError("device 'cuda' was asked for, but CuPy sees no GPU; use 'cpu'")

    def memory() -> tuple[int, int]:
        pool = cupy.get_default_memory_pool()
        used, free = int(pool.used_bytes()), int(cupy.cuda.runtime.memGetInfo()[0])
        free += int(pool.free_bytes())  # kept by CuPy for the next array
        if limit := int(pool.get_limit()):
            free = min(free, limit - used)
        return used + recorded_bytes(), free

    def uniform_source(seed: int) -> Callable[[tuple[int, ...]], Array]:
        generator = cupy.random.default_rng(seed)
        return lambda shape: generator.random(shape, dtype=np.float32)

    device = Device(
        "cuda",
        cupy.ndarray,
        cupy.asarray,
        cupy.asnumpy,
        lambda: importlib.import_module("cupyx.scipy.special"),
        lambda: importlib.import_module("cupyx.scipy.ndimage"),
        memory,
        uniform_source,
        lambda: importlib.import_module("npnet.pinned").PinnedSender(cupy),
    )
    register_device(device)
    fuse_for(cupy)
    return device


def check_device(name: str | None) -> str:
    """Return the device's name if arrays can be put there; None means the host.

    Raises
    ------
    DeviceError
        If the name is not known, or the device is not to be had on this machine.
    """
    return "cpu" if name is None else _device(name).name


def _device(name: str) -> Device:
    """The entry of the table, CuPy loaded on first use; ``"cuda:0"`` is accepted for ``"cuda"``."""
    name = "cuda" if name == "cuda:0" else name
    if name in _DEVICES:
        return _DEVICES[name]
    if name == "cuda":
        return _load_cupy()
    known = ", ".join(repr(known) for known in sorted({*_DEVICES, "cuda"}))
    raise DeviceError(f"unknown device {name!r}; known devices are {known}")


def available_devices() -> tuple[str, ...]:
    """Names of the devices that can be used now, the host first."""
    with contextlib.suppress(DeviceError):
        _device("cuda")
    return tuple(_DEVICES)


def is_array(value: object) -> bool:
    """Whether `value` is an array of some registered device (NumPy scalars count)."""
    if isinstance(value, (np.ndarray, np.generic)):
        return True
    return any(isinstance(value, device.array_type) for device in _foreign_devices())


def is_plain(value: object) -> bool:
    """Whether `value` is an array of some registered device, and none of a subclass's.

    Examples
    --------
    >>> is_plain(np.ones(2)), is_plain(np.ma.ones(2)), is_plain([1.0, 1.0])
    (True, False, False)
    """
    return type(value) is np.ndarray or any(type(value) is device.array_type for device in _foreign_devices())


def _foreign_devices() -> list[Device]:
    if "cuda" not in _DEVICES and "cupy" in sys.modules:  # somebody made CuPy arrays before asking us
        with contextlib.suppress(DeviceError):
            _load_cupy()
    return [device for device in _DEVICES.values() if device.name != "cpu"]


def _entry_of(array: object) -> Device:
    if isinstance(array, (np.ndarray, np.generic)):
        return _DEVICES["cpu"]
    for device in _foreign_devices():
        if isinstance(array, device.array_type):
            return device
    raise DtypeError(f"expected an array, got {type(array).__name__}; convert it with numpy.asarray first")


def device_of(array: object) -> str:
    """Name of the device on which an array lives.

    Raises
    ------
    DtypeError
        If `array` is no array.
    """
    return _entry_of(array).name


def to_host(array: Array) -> Array:
    """The array as NumPy's; itself when it is one already, else a copy (waits for the device)."""
    return _entry_of(array).to_host(array)


def to_device(array: Array, device: str | None) -> Array:
    """The array on a device; itself when it already lies there, else a copy.

    Raises
    ------
    DeviceError
        If the device is unknown or not to be had.
    """
    source = _entry_of(array)
    target = _DEVICES["cpu"] if device is None else _device(device)
    if source is target:
        return array
    return target.to_device(source.to_host(array))


def sender(device: str) -> Callable[[Array], Array]:
    """A function that brings host arrays to a device batch after batch, while the device computes.

    What it returns may be overwritten two calls later.
    """
    target = _device(device)
    return target.to_device if target.sender is None else target.sender()


def block_bytes(array: Array) -> int:
    """How large temporaries should be at most: what a cache holds on the host, a share of a GPU's memory."""
    return 1 << 20 if isinstance(array, (np.ndarray, np.generic)) else 1 << 28


def special(array: Array) -> Any:
    """The module of special functions (``erf``, ``expit`` ...) that takes this array."""
    return _entry_of(array).special()


def ndimage(array: Array) -> Any:
    """The module of image transforms (``affine_transform``) that takes this array."""
    return _entry_of(array).ndimage()


def memory_info(device: str | None = None) -> tuple[int, int]:
    """Bytes that this process uses on a device, and bytes free there; ``(0, 0)`` where nobody tells."""
    return _device("cpu" if device is None else device).memory()


def uniform_source(device: str, seed: int) -> Callable[[tuple[int, ...]], Array]:
    """A function that draws float32 uniforms on [0, 1) on a device, seeded."""
    return _device(device).uniform_source(seed)


_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def default_dtype() -> np.dtype[Any]:
    """The dtype of parameters that are made without ``dtype=``; float32 unless told otherwise."""
    return _default_dtype


def set_default_dtype(dtype: DTypeLike) -> None:
    """Set the dtype of parameters that are made without ``dtype=``, as ``torch.set_default_dtype`` does.

    Raises
    ------
    DtypeError
        If it is neither float32 nor float64.
    """
    global _default_dtype
    _default_dtype = floating_dtype(dtype)


def floating_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    """Check a ``dtype=`` argument; None means the default.

    Raises
    ------
    DtypeError
        If it is neither float32 nor float64.
    """
    if dtype is None:
        return _default_dtype
    try:
        result = np.dtype(dtype)
    except TypeError as error:
        raise DtypeError(f"dtype must be float32 or float64, got {dtype!r}") from error
    if result not in (np.float32, np.float64):
        raise DtypeError(f"dtype must be float32 or float64, got {result}")
    return result

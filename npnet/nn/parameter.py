r"""Parameters and the arenas in which they lie.

A parameter's values and its gradient are views into two flat arrays, its :class:`Arena`.  A fresh
parameter has an arena of its own; an optimizer :func:`house`\ s its parameters together, end to end.
Whatever walks over many parameters (update rules, penalties, clipping, norms) then walks
:func:`runs`, the maximal stretches that lie end to end, and does its arithmetic once a run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import DeviceError, DtypeError, ShapeError

__all__ = ["Arena", "Parameter", "Run", "house", "runs"]


class Arena:
    """One flat array of values, and one of gradients that is made when it is first needed.

    Parameters
    ----------
    values : ndarray
        One-dimensional and contiguous; used as it is, not copied.
    shared : bool
        Whether several parameters were housed here by :func:`house`.
    """

    __slots__ = ("_gradients", "shared", "values")

    moves: ClassVar[int] = 0
    """How often any parameter was given a place; who caches runs compares it."""

    def __init__(self, values: Array, *, shared: bool = False) -> None:
        self.values = values
        self.shared = shared
        self._gradients: Array | None = None

    @property
    def gradients(self) -> Array:
        """The flat array of gradients; what is in it counts only where a parameter has a gradient."""
        if self._gradients is None:
            self._gradients = np.zeros_like(self.values)
        return self._gradients


class Parameter:
    """An array that is learned, and its gradient.

    Parameters
    ----------
    data : array_like
        Initial values, float32 or float64, on any device; copied.
    requires_grad : bool, default True
        If False, backward passes leave the parameter without a gradient, and no optimizer moves it.

    Attributes
    ----------
    data : ndarray
        The values, a view.  Assigning an array of the same shape copies into place.  An optimizer that
        is made later moves the values once: read ``parameter.data`` again rather than keep the view.
    grad : ndarray or None
        The gradient, a view whose storage is used again: keep a copy, not a reference.  Assigning None
        or an array of the same shape is legal.
    has_grad : bool
        Whether there is a gradient.
    arena, offset : Arena, int
        The place of the values and of the gradient.

    Raises
    ------
    DtypeError
        If the values are neither float32 nor float64.

    Examples
    --------
    >>> import numpy as np
    >>> w = Parameter(np.zeros((2, 3)))
    >>> w.grad is None
    True
    >>> w.accumulate(np.add, np.ones((2, 3)), 1.0)
    >>> w.accumulate(np.add, np.ones((2, 3)), 1.0)
    >>> w.grad
    array([[4., 4., 4.],
           [4., 4., 4.]])
    """

    __slots__ = ("__weakref__", "_data", "_gradient", "arena", "has_grad", "offset", "requires_grad")

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        if not backend.is_array(data):
            data = np.asarray(data)
        backend.floating_dtype(data.dtype)
        self.requires_grad = requires_grad
        self.has_grad = False
        self._own(data)

    def _own(self, data: Array) -> None:
        """Copy `data` into an arena of its own."""
        self._place(Arena(np.array(data, order="C", like=data).reshape(-1)), 0, data.shape)

    def _place(self, arena: Arena, offset: int, shape: tuple[int, ...]) -> None:
        """Take a place whose values are already there."""
        size = int(np.prod(shape, dtype=np.int64))
        self.arena = arena
        self.offset = offset
        self._data: Array = arena.values[offset : offset + size].reshape(shape)
        self._gradient: Array | None = None
        Arena.moves += 1

    @property
    def data(self) -> Array:
        """The values."""
        return self._data

    @data.setter
    def data(self, values: Array) -> None:
        self._copy(values, self._data, "data")

    @property
    def grad(self) -> Array | None:
        """The gradient, None where there is none."""
        return self.storage() if self.has_grad else None

    @grad.setter
    def grad(self, values: Array | None) -> None:
        if values is not None:
            self._copy(values, self.storage(), "grad")
        self.has_grad = values is not None

    def _copy(self, values: Array, place: Array, what: str) -> None:
        if not backend.is_array(values):
            raise DtypeError(f"{what} of a parameter takes an array, got {type(values).__name__}")
        if values.shape != self.shape:
            raise ShapeError(f"{what} of this parameter has shape {self.shape}, got {values.shape}")
        if backend.device_of(values) != self.device:
            raise DeviceError(
                f"this parameter lies on {self.device!r}, the new {what} on {backend.device_of(values)!r}"
            )
        np.copyto(place, values, casting="same_kind")

    def storage(self) -> Array:
        """Where the gradient is, or will be."""
        if self._gradient is None:
            flat = self.arena.gradients[self.offset : self.offset + self.size]
            self._gradient = flat.reshape(self.shape)
        return self._gradient

    def accumulate(self, function: Callable[..., Array], *operands: Any) -> None:
        """Add ``function(*operands)`` to the gradient.

        Where there is no gradient yet, the function writes straight into place through its ``out=``;
        a parameter that requires no gradient is left alone, and the function is not called.
        """
        if not self.requires_grad:
            return
        storage = self.storage()
        kinds = [getattr(operand, "dtype", storage.dtype) for operand in operands]
        if self.has_grad or any(kind != storage.dtype for kind in kinds):  # which not every out= takes
            self.settle(function(*operands))
        else:
            function(*operands, out=storage)
            self.has_grad = True

    def place(self, dtype: np.dtype[Any]) -> Array | None:
        """Where to write a gradient of a dtype: into place, or into an array that :meth:`settle` will add.

        None for a parameter that requires no gradient.  Nothing has changed until :meth:`settle` is called.
        """
        if not self.requires_grad:
            return None
        storage = self.storage() if self._gradient is None else self._gradient
        if self.has_grad or storage.dtype != dtype:
            return np.empty_like(storage, dtype=dtype)
        return storage

    def settle(self, place: Array) -> None:
        """Take an array for the gradient, or add it to the one that is there; it may be :meth:`place`."""
        if self.has_grad:
            storage = self.storage()
            np.add(storage, place, out=storage)
        elif place is not self._gradient:
            np.copyto(self.storage(), place, casting="same_kind")
        self.has_grad = True

    def clear_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradient, or set one that is there to zero."""
        if set_to_none:
            self.has_grad = False
        elif self.has_grad:
            self.storage().fill(0)

    def to(self, device: str | None = None, dtype: DTypeLike | None = None) -> Parameter:
        """Move the values and the gradient to a device and a dtype, in an arena of their own."""
        device = self.device if device is None else backend.check_device(device)
        dtype = self.dtype if dtype is None else backend.floating_dtype(dtype)
        if device != self.device or dtype != self.dtype:
            gradient = self.grad
            self._own(backend.to_device(self._data, device).astype(dtype, copy=False))
            if gradient is not None:
                self.grad = backend.to_device(gradient, device).astype(dtype, copy=False)
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of values (NumPy's ``size``)."""
        return self._data.size

    def numel(self) -> int:
        """Number of values (PyTorch's name)."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the values and of the gradient."""
        return self._data.dtype

    @property
    def device(self) -> str:
        """Name of the device on which the values lie."""
        return backend.device_of(self._data)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        twin = Parameter(self._data, self.requires_grad)
        twin.grad = self.grad
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return (Parameter, (np.array(backend.to_host(self._data)), self.requires_grad))

    def __repr__(self) -> str:
        frozen = "" if self.requires_grad else ", requires_grad=False"
        return f"Parameter(shape={self.shape}, dtype={self.dtype}, device={self.device!r}{frozen})"


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one arena: parameters that lie end to end.

    Attributes
    ----------
    arena : Arena
    start, stop : int
        The stretch, in elements.
    members : tuple of int
        Positions of its parameters in the list that was walked.
    """

    arena: Arena
    start: int
    stop: int
    members: tuple[int, ...]

    @property
    def values(self) -> Array:
        """The values of the whole stretch, a flat view."""
        return self.arena.values[self.start : self.stop]

    @property
    def gradients(self) -> Array:
        """The gradients of the whole stretch, a flat view."""
        return self.arena.gradients[self.start : self.stop]


def runs(parameters: Sequence[Parameter], keys: Sequence[Hashable] | None = None) -> list[Run]:
    """Maximal stretches of neighbours that lie end to end in one arena and share a key.

    Parameters
    ----------
    parameters : sequence of Parameter
        Walked in this order.
    keys : sequence of hashable, optional
        One for each parameter; where it changes, a new run begins.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = Parameter(np.zeros(2)), Parameter(np.zeros(3))
    >>> [run.members for run in runs([a, b])]
    [(0,), (1,)]
    >>> house([a, b])
    >>> [run.members for run in runs([a, b])]
    [(0, 1)]
    """
    found: list[Run] = []
    members: list[int] = []
    arena, start, stop, key = None, 0, 0, None
    for position, parameter in enumerate(parameters):
        own_key = None if keys is None else keys[position]
        if members and parameter.arena is arena and parameter.offset == stop and own_key == key:
            members.append(position)
        else:
            if arena is not None:
                found.append(Run(arena, start, stop, tuple(members)))
            members, arena, start, key = [position], parameter.arena, parameter.offset, own_key
        stop = parameter.offset + parameter.size
    if arena is not None:
        found.append(Run(arena, start, stop, tuple(members)))
    return found


def house(parameters: Iterable[Parameter]) -> None:
    """Lay the parameters that have no shared place yet end to end, one arena a dtype and device.

    Values and gradients keep their numbers and change their place.
    """
    homeless: dict[tuple[Any, str], list[Parameter]] = {}
    for parameter in parameters:
        if not parameter.arena.shared:
            homeless.setdefault((parameter.dtype, parameter.device), []).append(parameter)
    for group in homeless.values():
        arena = Arena(np.concatenate([parameter.data.reshape(-1) for parameter in group]), shared=True)
        offset = 0
        for parameter in group:
            gradient = parameter.grad
            parameter._place(arena, offset, parameter.shape)
            if gradient is not None:
                parameter.grad = gradient
            offset += parameter.size

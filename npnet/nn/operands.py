"""The check of the arrays that a function is given beside its input."""

from __future__ import annotations

from typing import Any

from npnet import backend
from npnet.errors import DeviceError, DtypeError, DtypeMismatchError, ShapeError

__all__ = ["check_operands"]


def check_operands(owner: str, x: Any, **operands: tuple[Any, tuple[int, ...] | None]) -> None:
    """Refuse arrays that do not fit the input of a function: nothing is cast, nothing broadcast.

    Parameters
    ----------
    owner : str
        Name of the function.
    x : object
        What the user passed as input.
    operands : pair of object and shape
        What else was passed, None being always right, and its shape; None accepts any.

    Raises
    ------
    DtypeError, DeviceError, ShapeError

    Examples
    --------
    >>> import numpy as np
    >>> check_operands("conv1d", np.ones((1, 2, 4)), bias=(np.ones(2), (4,)))
    Traceback (most recent call last):
    ...
    npnet.errors.ShapeError: conv1d takes bias of shape (4,), got (2,)
    """
    if not backend.is_array(x):
        raise DtypeError(f"{owner} takes an array, got {type(x).__name__}; convert it with numpy.asarray")
    if x.dtype.kind != "f":
        raise DtypeError(f"{owner} takes float32 or float64, got {x.dtype}; convert with x.astype")
    for name, (value, shape) in operands.items():
        if value is None:
            continue
        if not backend.is_array(value):
            raise DtypeError(f"{owner} takes an array as {name}, got {type(value).__name__}")
        if value.dtype != x.dtype:
            raise DtypeMismatchError(
                f"{owner} was given {x.dtype} input and {value.dtype} {name}; convert one with astype"
            )
        if type(value) is not type(x) and backend.device_of(value) != backend.device_of(x):
            raise DeviceError(
                f"{owner} was given input on {backend.device_of(x)!r} and {name} on "
                f"{backend.device_of(value)!r}; move one with npnet.backend.to_device"
            )
        if shape is not None and value.shape != shape:
            raise ShapeError(f"{owner} takes {name} of shape {shape}, got {value.shape}")

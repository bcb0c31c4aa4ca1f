"""Whether a state that was read from a file is made like one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npnet import backend
from npnet.errors import StateError

__all__ = ["refuse_unlike"]


def refuse_unlike(own: Any, given: Any, where: str = "state") -> None:
    """Refuse a tree of state whose names, kinds, lengths, shapes or dtypes are not those of one's own.

    What is empty or None in one's own is not known yet: anything may be there.

    Parameters
    ----------
    own, given : object
        Numbers, texts, lists, tuples, dicts and arrays.
    where : str
        What it is called in the message.

    Raises
    ------
    StateError
        Says the first place that differs.

    Examples
    --------
    >>> refuse_unlike({"lr": 0.1, "momentum": None}, {"lr": 1, "momentum": 0.9})
    >>> refuse_unlike({"lr": 0.1}, {"lr": "fast"}, "optimizer")
    Traceback (most recent call last):
    ...
    npnet.errors.StateError: optimizer.lr must be a number, got 'fast'
    """
    if own is None:
        return
    if backend.is_array(own):
        if not backend.is_array(given) or (given.shape, given.dtype) != (own.shape, own.dtype):
            raise StateError(f"{where} must be {_described(own)}, got {_described(given)}")
    elif isinstance(own, Mapping):
        _refuse_unlike_mapping(own, given, where)
    elif isinstance(own, (list, tuple)):
        if not isinstance(given, (list, tuple)) or (own and len(given) != len(own)):
            raise StateError(f"{where} must be a list of {len(own)}, got {_described(given)}")
        for position, (mine, its) in enumerate(zip(own, given, strict=False)):
            refuse_unlike(mine, its, f"{where}[{position}]")
    elif isinstance(own, str):
        if not isinstance(given, str):
            raise StateError(f"{where} must be a text, got {_described(given)}")
    elif not isinstance(given, (int, float)):
        raise StateError(f"{where} must be a number, got {_described(given)}")


def _refuse_unlike_mapping(own: Mapping[Any, Any], given: Any, where: str) -> None:
    if not isinstance(given, Mapping):
        raise StateError(f"{where} must be a table, got {_described(given)}")
    if not own:
        return
    for key in own:
        if key not in given:
            raise StateError(f"{where} lacks {key!r}")
    for key in given:
        if key not in own:
            raise StateError(f"{where} has {key!r:.80}, which is not known here")
    for key in own:
        refuse_unlike(own[key], given[key], f"{where}.{key}")


def _described(value: Any) -> str:
    """A value for a message, of any size."""
    if backend.is_array(value):
        return f"an array of {value.dtype} and shape {value.shape}"
    return f"{value!r:.40}" if isinstance(value, (int, float, str, type(None))) else type(value).__name__

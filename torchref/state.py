"""Arrays and tensors: a ``state_dict`` of one library as the other takes it."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from npnet import backend

__all__ = ["state_dict_bytes", "to_arrays", "to_tensors", "to_views"]


def to_tensors(state: Any) -> Any:
    """Copy every array within dicts, lists and tuples into a tensor; the rest stays as it is.

    Parameters
    ----------
    state : object
        An npnet ``state_dict``, of a module or of an optimizer, or a single array.

    Examples
    --------
    >>> to_tensors({"w": np.ones(2), "lr": 0.1})
    {'w': tensor([1., 1.], dtype=torch.float64), 'lr': 0.1}
    """
    if backend.is_array(state):
        return torch.from_numpy(np.array(backend.to_host(state)))
    return _rebuilt(state, to_tensors)


def to_arrays(state: Any) -> Any:
    """Copy every tensor within dicts, lists and tuples into a NumPy array; the rest stays as it is.

    Parameters
    ----------
    state : object
        A PyTorch ``state_dict``, of a module or of an optimizer, or a single tensor.

    Examples
    --------
    >>> to_arrays([torch.ones(2), "text"])
    [array([1., 1.], dtype=float32), 'text']
    """
    if isinstance(state, torch.Tensor):
        return to_views(state).copy()
    return _rebuilt(state, to_arrays)


def to_views(state: Any) -> Any:
    """See every tensor within dicts, lists and tuples as a NumPy array over the same memory, on a CPU.

    Parameters
    ----------
    state : object
        A PyTorch ``state_dict``, of a module or of an optimizer, or a single tensor.

    Examples
    --------
    >>> weight = torch.ones(2)
    >>> view = to_views(weight)
    >>> weight += 1
    >>> view
    array([2., 2.], dtype=float32)
    """
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().numpy()
    return _rebuilt(state, to_views)


def _rebuilt(state: Any, convert: Any) -> Any:
    if isinstance(state, Mapping):
        return {key: convert(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(convert(value) for value in state)
    return state


def state_dict_bytes(state_dict: Mapping[str, Any]) -> bytes:
    """The file that ``torch.load(..., weights_only=True)`` reads as this ``state_dict`` of tensors.

    Parameters
    ----------
    state_dict : mapping of str to ndarray
        Of an npnet module.

    Examples
    --------
    >>> torch.load(io.BytesIO(state_dict_bytes({"w": np.ones(2)})), weights_only=True)["w"]
    tensor([1., 1.], dtype=torch.float64)
    """
    buffer = io.BytesIO()
    torch.save(OrderedDict(to_tensors(dict(state_dict))), buffer)
    return buffer.getvalue()

"""Whether two datasets are the same, by a short text."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from npnet.data.dataset import Dataset

__all__ = ["fingerprint"]


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of everything in a dataset that a training can depend on, in hexadecimal.

    Examples
    --------
    >>> import npnet.data
    >>> a, b = npnet.data.load("digits"), npnet.data.load("digits")
    >>> fingerprint(a) == fingerprint(b)
    True
    """
    digest = hashlib.sha256()
    if isinstance(dataset.inputs, np.ndarray):
        _add(digest, "inputs", dataset.inputs)
    else:
        for name in dataset.inputs.columns:
            _add(digest, f"inputs.{name}", dataset.inputs[name].to_numpy())
    for part in ("targets", "groups", "held_out"):
        if (values := getattr(dataset, part)) is not None:
            _add(digest, part, np.asarray(values))
    return digest.hexdigest()


def _add(digest: Any, name: str, values: np.ndarray[Any, Any]) -> None:
    """Take in one array, with its name, dtype and shape, so that nothing can stand for something else."""
    if values.dtype.hasobject:
        values = np.array([str(value) for value in values.ravel()], dtype=np.str_)
    digest.update(f"{name} {values.dtype.str} {values.shape} ".encode())
    digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

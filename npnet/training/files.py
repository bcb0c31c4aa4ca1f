"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.errors import CheckpointError, OutputError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["read_tensors", "replace_file", "tensor_chunks"]

PART = ".part"
"""How the names of files end that are being written."""

KINDS = {
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "float32": "F32",
    "int32": "I32",
    "uint32": "U32",
    "float16": "F16",
    "int16": "I16",
    "uint16": "U16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""dtypes as safetensors calls them."""


def replace_file(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file aside, sync it, and give it its name: whatever happens, the old or the new one is there.

    The new name itself is not waited for: after a power cut it may be the old file, as whole as it was.

    Parameters
    ----------
    path : Path
        The file.
    chunks : iterable of bytes or memoryview
        What it holds; written one after the other, without a copy.

    Raises
    ------
    OutputError
        If it cannot be written; an older file of that name is then as it was.
    """
    aside = path.with_name(f".{path.name}{PART}")
    try:
        with aside.open("wb") as handle:
            for chunk in chunks:
                handle.write(chunk)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def tensor_chunks(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file: a header, then the memory of the arrays as it is.

    safetensors itself names its file before it can be synced, and leaves one of another name behind when it
    is killed; the format is a header in JSON and the arrays end to end.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        On the host.  Larger elements come first, so that all of them are aligned.
    metadata : mapping of str to str
        Texts for the header.

    Examples
    --------
    >>> import safetensors.numpy
    >>> content = b"".join(tensor_chunks({"w": np.arange(3.0)}, {"epoch": "2"}))
    >>> safetensors.numpy.load(content)
    {'w': array([0., 1., 2.])}
    """
    import json

    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    arrays = [_plain(tensors[name]) for name in order]
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, array in zip(order, arrays, strict=True):
        end = start + array.nbytes
        header[name] = {
            "dtype": KINDS[array.dtype.name],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays:
        yield array.view(np.uint8).data


def _plain(array: Array) -> Array:
    """The same numbers as a vector in the order and the bytes of the format; itself where it has them."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).reshape(-1)


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read a safetensors file that may be anybody's: its header is checked against its length first.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tensors : dict of str to ndarray
        What it holds; never more bytes than the file has.
    metadata : dict of str to str
        The texts of its header.

    Raises
    ------
    CheckpointError
        If it is not there, or is not such a file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"cannot read {path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            for name in names:
                kind = file.get_slice(name).get_dtype()
                if kind not in KINDS.values():
                    raise CheckpointError(f"cannot read {path}: {name!r} has the dtype {kind}")
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in names}, metadata
    except (OSError, SafetensorError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"cannot read {path}: {error}") from error

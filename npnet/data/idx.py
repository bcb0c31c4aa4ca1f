"""The IDX format of MNIST: a big-endian header, then the bytes of one array.

The header is two zero bytes, one byte for the type (``0x08`` is uint8), one for the number of axes, and a
32-bit length for each axis; the values follow in row-major order.

References
----------
LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "The IDX file format".
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.errors import DataError, DataMissingError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["idx_shape", "read_idx"]

UNSIGNED_BYTE = 0x08
GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 1 << 20
MOST_DEFLATED = 1032
"""Bytes that one byte of deflate can stand for: 258 in a match of two bits."""


def read_idx(*paths: str | Path, ndim: int) -> Array:
    """Read a uint8 array from IDX files, gzipped or not, joined along the first axis.

    The values go straight into the array that is returned: there is never a second copy, and nothing is
    allocated before the shape in each header was found to fit the size of its file.

    Parameters
    ----------
    *paths : str or Path
        The files; whether one is gzipped is told by its first bytes, not by its name.
    ndim : int
        How many axes each should have: 3 for images, 1 for labels.

    Returns
    -------
    ndarray of uint8
        The array, of the shape that the headers name.

    Raises
    ------
    DataMissingError
        If there is no such file.
    DataError
        If one is empty, truncated, longer than announced, damaged, or no IDX file of unsigned bytes with
        that many axes, or if they do not fit together.  A gzip file of several members, or of more than
        4 GB unzipped, is refused as one of the wrong size: gzip keeps sizes modulo :math:`2^{32}` a member.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as handle:
    ...         _ = handle.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path, ndim=1)
    array([7, 2, 1], dtype=uint8)
    """
    files = [Path(path) for path in paths]
    shapes = []
    for path in files:
        shapes.append(idx_shape(path, ndim=ndim))
        if shapes[-1][1:] != shapes[0][1:]:
            raise DataError(
                f"{path}: entries of shape {shapes[-1][1:]}, while those of {files[0]} are {shapes[0][1:]}"
            )
    array = np.empty((sum(shape[0] for shape in shapes), *shapes[0][1:]), dtype=np.uint8)
    start = 0
    for path, shape in zip(files, shapes, strict=True):
        with _opened(path) as (stream, _):
            stream.read(_header_size(ndim))
            _fill(array[start : start + shape[0]].reshape(-1), stream)
        start += shape[0]
    return array


def idx_shape(path: str | Path, *, ndim: int) -> tuple[int, ...]:
    """The shape of the array in an IDX file, its size checked; it raises what :func:`read_idx` does."""
    path = Path(path)
    with _opened(path) as (stream, held):
        return _checked_shape(stream, path, ndim, held)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[io.BufferedIOBase, int]]:
    """The unzipped content of a file and its size in bytes; what can go wrong in it as npnet's errors."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            size = raw.seek(0, os.SEEK_END)
            if zipped:  # the last four bytes are the size of the content (RFC 1952, ISIZE)
                most = MOST_DEFLATED * size
                raw.seek(-min(4, size), os.SEEK_END)
                size = int.from_bytes(raw.read(4), "little")
                if size > most:
                    raise zlib.error(f"it announces {size} bytes, which so short a file cannot hold")
            raw.seek(0)
            yield (gzip.GzipFile(fileobj=raw) if zipped else raw), size
    except FileNotFoundError as error:
        raise DataMissingError(f"{path}: no such file") from error
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: damaged or unreadable ({error}); fetch the file again") from error


def _header_size(ndim: int) -> int:
    return 4 + 4 * ndim


def _checked_shape(stream: io.BufferedIOBase, path: Path, ndim: int, held: int) -> tuple[int, ...]:
    """The shape in the header, once it is known to fit a file that holds `held` bytes."""
    magic = stream.read(4)
    if not magic:
        raise DataError(f"{path}: the file is empty")
    wanted = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if magic != wanted:
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes with {ndim} axes: "
            f"it starts with {magic.hex(' ')}, expected {wanted.hex(' ')}"
        )
    lengths = stream.read(4 * ndim)
    if len(lengths) < 4 * ndim:
        raise DataError(f"{path}: truncated within its header of {_header_size(ndim)} bytes")
    shape = struct.unpack(f">{ndim}I", lengths)
    announced = _header_size(ndim) + math.prod(shape)
    if announced != held:
        word = "truncated" if announced > held else "too long"
        raise DataError(
            f"{path}: {word}: its header announces an array of shape {shape}, {announced} bytes in all, "
            f"and the file holds {held}; fetch it again"
        )
    if 0 in shape:
        raise DataError(f"{path}: an array of shape {shape} holds nothing")
    return shape


def _fill(values: Array, stream: io.BufferedIOBase) -> None:
    view, filled = values.data, 0
    while filled < len(view):
        count = stream.readinto(view[filled : filled + BLOCK])
        if not count:
            raise EOFError(f"it ends after {filled} of {len(view)} values")
        filled += count
    if stream.read(1):  # reading to the very end also verifies gzip's checksum
        raise EOFError(f"it goes on after the {len(view)} values that its header announces")

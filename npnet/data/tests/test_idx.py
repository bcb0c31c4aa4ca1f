from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.data.idx import idx_shape, read_idx
from npnet.errors import DataError, DataMissingError


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def zipped(content):
    """The same bytes at any time of day: pytest makes names of tests of them."""
    return gzip.compress(content, mtime=0)


def images(count=5):
    return np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3)


@pytest.fixture
def write(tmp_path):
    def write(content, name="images-idx3-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("pack", [bytes, zipped])
def test_reads_back_what_was_written_zipped_or_not(write, pack):
    path = write(pack(idx_bytes(images())))
    assert idx_shape(path, ndim=3) == (5, 2, 3)
    np.testing.assert_array_equal(read_idx(path, ndim=3), images())


def test_several_files_are_joined_in_order(write):
    first, second = write(idx_bytes(images(2)), "a"), write(zipped(idx_bytes(images(3))), "b")
    joined = read_idx(first, second, ndim=3)
    np.testing.assert_array_equal(joined, np.concatenate([images(2), images(3)]))
    assert joined.flags.owndata or joined.base.nbytes == joined.nbytes


def test_files_with_entries_of_different_shapes_are_refused(write):
    first, second = write(idx_bytes(images()), "a"), write(idx_bytes(images().reshape(5, 3, 2)), "b")
    with pytest.raises(DataError, match=r"entries of shape \(3, 2\), while .* are \(2, 3\)"):
        read_idx(first, second, ndim=3)


GOOD = idx_bytes(images())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (zipped(b""), "is empty"),
        (GOOD[:9], "truncated within its header of 16 bytes"),
        (GOOD[:-1], "truncated: its header announces .* 46 bytes in all, and the file holds 45"),
        (GOOD + b"\0", "too long: .* and the file holds 47"),
        (zipped(GOOD)[:-9], "truncated|too long|damaged"),
        (zipped(GOOD)[:3], "damaged"),
        (zipped(GOOD[:-1]), "truncated"),
        (zipped(GOOD) + zipped(GOOD), "damaged or unreadable .*goes on"),
        (idx_bytes(images().ravel()), "not an IDX file of unsigned bytes with 3 axes"),
        (b"\0\0\x0d" + GOOD[3:], "starts with 00 00 0d 03, expected 00 00 08 03"),
        (b"P5 28 28", "not an IDX file"),
        (idx_bytes(images(0)), "holds nothing"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "truncated"),
    ],
)
def test_a_file_that_is_not_right_says_why(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, ndim=3)
    assert str(path) in str(caught.value)


def test_a_flipped_bit_in_a_zipped_file_is_caught_by_its_checksum(write):
    zipped = bytearray(gzip.compress(GOOD, compresslevel=0, mtime=0))
    zipped[-20] ^= 1
    with pytest.raises(DataError, match="damaged or unreadable"):
        read_idx(write(bytes(zipped)), ndim=3)


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(DataMissingError, match="no such file"):
        read_idx(tmp_path / "absent", ndim=3)
    with pytest.raises(DataError):
        read_idx(tmp_path, ndim=3)


@settings(max_examples=150, deadline=None)
@given(
    packed=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 80),
    ndim=st.integers(1, 3),
)
def test_mutated_bytes_give_the_array_or_a_data_error(tmp_path_factory, packed, changes, cut, ndim):
    content = bytearray(zipped(GOOD) if packed else GOOD)
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(content[: max(0, len(content) - cut)])
    with contextlib.suppress(DataError):
        array = read_idx(path, ndim=ndim)
        assert array.dtype == np.uint8
        assert array.ndim == ndim
        assert 0 < array.nbytes < 10 * len(content)


def test_the_real_files_hold_the_published_pixels():
    folder = Path(os.environ.get("NPNET_DATA", "")) / "mnist"
    if not (folder / "t10k-images-idx3-ubyte.gz").is_file():
        pytest.skip("no MNIST under NPNET_DATA")
    pixels = read_idx(folder / "t10k-images-idx3-ubyte.gz", ndim=3)
    assert pixels.shape == (10_000, 28, 28)
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as handle:
        assert hashlib.sha256(handle.read()[16:]).digest() == hashlib.sha256(pixels.tobytes()).digest()

"""What reads files of others: any bytes are read, or refused with an error that is documented."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.data.idx import read_idx
from npnet.data.rows import TableFormat, read_rows
from npnet.data.tables import read_csv, to_numbers
from npnet.errors import DataError, RecipeError
from npnet.training import load_recipe

FUZZ_BYTES = int(os.environ.get("NPNET_FUZZ_BYTES", "20000"))
"""How many drawn or mutated bytes each reader is given; ``make fuzz`` gives ten million."""

IDX = bytes([0, 0, 8, 3]) + struct.pack(">3I", 20, 8, 10) + bytes(range(200)) * 8
TABLE = b"id,a,b\n" + b"".join(b"%d,%d.5,-%de-3\n" % (row, row, row) for row in range(40))
COLUMNS = ["a", "b"]
RECIPE = resources.files("npnet").joinpath("recipes", "galaxies.toml").read_bytes()

PIECES = [
    b"",
    b"\x00",
    b"\xff\xff\xff\xff",
    b'"',
    b"\n",
    b"\r",
    b";",
    b",,,",
    b"[" * 3000,
    b"9" * 5000,
    b"1e999",
    b"nan",
    b"-inf",
    b"{kind = 1}",
    b"[[data]]",
    b"1979-05-27",
    b"'''",
    b"true",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08",
]


def idx(path):
    read_idx(path, ndim=3)


def csv(path):
    to_numbers(read_csv(path, COLUMNS), "table")


def rows(path):
    read_rows(path, COLUMNS, TableFormat("id"))


def recipe(path):
    load_recipe(path)


READERS = {
    "idx": (idx, IDX, DataError),
    "gzipped-idx": (idx, gzip.compress(IDX, mtime=0), DataError),
    "csv": (csv, TABLE, DataError),
    "gzipped-csv": (csv, gzip.compress(TABLE, mtime=0), DataError),
    "rows": (rows, TABLE, DataError),
    "toml": (recipe, RECIPE, RecipeError),
}


@st.composite
def spoilt(draw, content):
    """The file cut, with bytes changed and pieces put in; or any bytes; or a value of a recipe replaced."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(found)))
        how = draw(st.sampled_from(["byte", "piece", "cut", "value", "double"]))
        if how == "byte" and place < len(found):
            found[place] = draw(st.integers(0, 255))
        elif how == "piece":
            length = draw(st.integers(0, 8))
            found[place : place + length] = draw(st.sampled_from(PIECES))
        elif how == "cut":
            del found[place:]
        elif how == "value":
            equals = found.find(b"=", place)
            end = found.find(b"\n", equals)
            if 0 <= equals < end:
                found[equals + 1 : end] = draw(st.sampled_from(PIECES))
        else:
            found[place:place] = found[: draw(st.integers(0, len(found)))]
    return bytes(found)


@pytest.mark.parametrize("name", READERS)
def test_anything_is_read_or_refused(tmp_path, name):
    reader, content, error = READERS[name]
    path, seen, refused = tmp_path / "file.toml", 0, 0
    path.write_bytes(content)
    reader(path)  # and import what it imports, which is not counted below

    @settings(max_examples=40 if FUZZ_BYTES < 1_000_000 else 500, deadline=None, database=None)
    @given(spoilt(content))
    def read(spoilt):
        nonlocal seen, refused
        seen += max(len(spoilt), 1)
        path.write_bytes(spoilt)
        tracemalloc.start()
        try:
            reader(path)
        except error:
            refused += 1
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        # Deflate shrinks to a thousandth at best; a number takes up to thirty times its digits.
        assert peak < 3_000_000 + (40_000 if spoilt[:2] == b"\x1f\x8b" else 300) * len(spoilt)

    while seen < FUZZ_BYTES or refused < 5:
        read()


def test_a_small_file_that_announces_much_is_refused_before_anything_is_allocated(tmp_path):
    """Header and gzip's own size agree on 4 GB: no file of 60 bytes unpacks to that."""
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 1 << 16, 1 << 8, 255)
    size = len(header) + (1 << 24) * 255
    content = gzip.compress(header, mtime=0)[:-4] + struct.pack("<I", size)
    (tmp_path / "file").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match="damaged"):
        idx(tmp_path / "file")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "seed = " + "9" * 5000, "a = 1\n[a.b]\n"])
def test_toml_that_its_reader_chokes_on(tmp_path, text):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(RecipeError, match="is not a TOML file"):
        load_recipe(tmp_path / "recipe.toml")


@pytest.mark.parametrize("setting", ["model.dropout=", "training.checkpoint_seconds="])
def test_whole_numbers_beyond_floating_point_are_refused(setting):
    with pytest.raises(RecipeError):
        load_recipe("galaxies", [setting + "1" + "0" * 400])


def test_an_idx_of_many_zeros_is_read(tmp_path):
    zeros = bytes([0, 0, 8, 3]) + struct.pack(">3I", 100, 100, 100) + bytes(1_000_000)
    (tmp_path / "file").write_bytes(gzip.compress(zeros))
    assert not np.any(read_idx(tmp_path / "file", ndim=3))

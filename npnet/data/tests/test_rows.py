from __future__ import annotations

import gzip

import numpy as np
import pytest
from PIL import Image

from npnet.data.pictures import read_pictures
from npnet.data.rows import TableFormat, read_rows
from npnet.errors import DataError, DataMissingError

FORMAT = TableFormat("id", missing=-9999.0, zero_is_missing=("m",), limits={"p": (0.0, 1.0)})
GREY = np.arange(40, dtype=np.uint8).reshape(2, 4, 5)


def write(folder, text, name="rows.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_rows_that_cannot_be_used_are_set_apart_with_their_line(tmp_path):
    lines = [
        "id,P,m,more",
        "7,0.5,1,x",
        "8,1.5,1,x",
        "9,,1,x",
        "10,inf,1,x",
        "11,0.1,1",
        "",
        "12,0.2,0,x",
        '13,"0.3",-9999,"a\nb"',
        "14,1e-3,2,x",
    ]
    rows = read_rows(write(tmp_path, "\n".join(lines)), ["p", "m"], FORMAT)
    assert dict(zip(rows.places, rows.problems, strict=True)) == {
        2: "",
        3: "p: 1.5 lies outside 0 ... 1",
        4: "p is missing",
        5: "p: 'inf' is infinite",
        6: "3 cells where the header has 4",
        8: "m is missing",
        10: "m is missing",  # a cell with a line break: the row ends on this line
        11: "",
    }
    assert rows.usable.tolist() == [True] + [False] * 6 + [True]
    assert rows.inputs.to_numpy().tolist() == [[0.5, 1.0], [0.001, 2.0]]
    assert rows.identifiers == ["7", "8", "9", "10", "11", "12", "13", "14"]


def test_what_is_missing_may_be_taken(tmp_path):
    rows = read_rows(write(tmp_path, "id,p,m\n1,0.5,0\n2,-9999,3\n"), ["p", "m"], FORMAT, takes_missing=True)
    assert rows.problems == ["", ""]
    np.testing.assert_array_equal(rows.inputs.to_numpy(), [[0.5, np.nan], [np.nan, 3.0]])


@pytest.mark.parametrize("prepare", [str.encode, lambda text: gzip.compress(text.encode())])
def test_semicolons_and_gzip_are_told_by_the_file(tmp_path, prepare):
    path = tmp_path / "rows.csv"
    path.write_bytes(prepare('"a,b";"c";d\n1;2;3\n'))
    assert read_rows(path, ["c", "a,b"]).inputs.to_numpy().tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"a,b\n", "a header and no rows"),
        (b"a,c\n1,2\n", "no column 'b'; the columns present are a, c"),
        (b"a,b\n1,\xff\n", "not a table in UTF-8"),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-20], "truncated or damaged"),
        (b'a,b\n1,"2\n', "cannot be read as a table"),
        (b"a,b\n1," + b"9" * 200_000, "cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_used_as_a_whole(tmp_path, content, message):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_rows(path, ["a", "b"])


def test_no_file(tmp_path):
    with pytest.raises(DataMissingError, match="no such file"):
        read_rows(tmp_path / "none.csv", ["a"])
    with pytest.raises(DataMissingError, match="no such file or folder"):
        read_pictures(tmp_path / "none", (4, 5))


def test_pictures_of_an_archive_and_of_idx(tmp_path):
    np.savez(tmp_path / "a.npz", images=GREY, objid=np.array([5, 6]))
    rows = read_pictures(tmp_path / "a.npz", (4, 5))
    np.testing.assert_array_equal(rows.inputs, GREY)
    assert (rows.identifier, rows.identifiers) == ("objid", ["5", "6"])
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5])
    (tmp_path / "idx").write_bytes(header + GREY.tobytes())
    np.testing.assert_array_equal(read_pictures(tmp_path / "idx", (4, 5)).inputs, GREY)
    for name in ("a.npz", "idx"):
        with pytest.raises(DataError, match=r"pictures of shape \(4, 5\); those trained on were \(4, 4\)"):
            read_pictures(tmp_path / name, (4, 4))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": GREY}, "no array 'images'"),
        ({"images": GREY.astype(float)}, "images is to be uint8"),
        ({"images": GREY, "objid": np.arange(3)}, "objid is to be a vector of 2"),
    ],
)
def test_archives_that_cannot_be_used(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_pictures(tmp_path / "a.npz", (4, 5))


def test_a_folder_of_png_files(tmp_path):
    Image.fromarray(GREY[1]).save(tmp_path / "b.png")
    Image.fromarray(GREY[0]).save(tmp_path / "a.PNG", format="PNG")
    Image.fromarray(np.zeros((5, 4), np.uint8)).save(tmp_path / "c.png")
    Image.fromarray(np.zeros((4, 5, 4), np.uint8)).save(tmp_path / "d.png")
    (tmp_path / "e.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    (tmp_path / "f.txt").write_text("notes")
    (tmp_path / "labels.csv").write_text("file,class\\nb,spiral\\n")
    Image.fromarray(np.full((4, 5, 3), 9, np.uint8)).save(tmp_path / "g.png")
    whole = (tmp_path / "a.PNG").read_bytes()
    (tmp_path / "h.png").write_bytes(whole[: len(whole) // 2])
    rows = read_pictures(tmp_path, (4, 5))
    problems = dict(zip(rows.places, rows.problems, strict=True))
    assert problems["c.png"] == "4 x 5 pixels; 5 x 4 are needed"
    assert problems["d.png"].startswith("a PNG of the kind RGBA")
    assert problems["e.png"].startswith("not a readable PNG file")
    assert problems["f.txt"] == "no PNG or JPEG file"
    assert problems["h.png"].startswith("not a readable PNG file")
    assert [name for name in rows.places if not problems[name]] == ["a.PNG", "b.png", "g.png"]
    np.testing.assert_array_equal(rows.inputs[:2], GREY)
    assert (rows.inputs[2] == 9).all()


def test_a_folder_of_colour(tmp_path):
    colour = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    Image.fromarray(colour).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_pictures(tmp_path, (4, 5, 3)).inputs[0], colour)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(DataError, match="a folder without PNG or JPEG files"):
        read_pictures(tmp_path, (4, 5))

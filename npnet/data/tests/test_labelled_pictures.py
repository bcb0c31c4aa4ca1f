from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import npnet.data
from npnet.errors import DataError, TargetError

COLOUR = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)


def write(folder, table, pictures=COLOUR, ending="png"):
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"00{number}.{ending}")
    (folder / "labels.csv").write_text(table)
    return folder


TABLE = "mass,ID, Class\n9,001,spiral\n8,003.png,edge-on\n7,000,spiral\n6,001,spiral\n"


@pytest.mark.parametrize("name", ["galaxy-images", "mnist", "fashion-mnist"])
def test_rows_of_the_table_become_pictures_with_classes(tmp_path, name):
    dataset = npnet.data.load(name, data=write(tmp_path, TABLE))
    assert dataset.name == name
    np.testing.assert_array_equal(dataset.inputs, COLOUR[[1, 3, 0, 1]])
    assert dataset.class_names == ("edge-on", "spiral")
    assert dataset.targets.tolist() == [1, 0, 1, 1]
    assert dataset.identifiers.tolist() == ["001", "003.png", "000", "001"]
    assert dataset.groups[0] == dataset.groups[3] != dataset.groups[1]
    assert dataset.held_out is None
    assert "labels.csv of your own" in dataset.origin


def test_grey_pictures_stay_grey_and_numbers_are_in_their_order(tmp_path):
    grey = COLOUR[..., 0]
    dataset = npnet.data.load("mnist", data=write(tmp_path, "file,label\n000,10\n001,9\n002,NA\n", grey))
    np.testing.assert_array_equal(dataset.inputs, grey[:3])
    assert dataset.class_names == ("NA", "9", "10")


def test_jpeg_files(tmp_path):
    smooth = np.broadcast_to(np.arange(0, 200, 10, dtype=np.uint8)[:, None], (2, 20, 16))
    dataset = npnet.data.load(
        "galaxy-images", data=write(tmp_path, "file,class\n000,a\n001.jpg,b\n", smooth, "jpg")
    )
    assert dataset.inputs.shape == (2, 20, 16)
    assert np.abs(dataset.inputs.astype(int) - smooth).max() < 8


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,class\n000,a\n", "no column 'file' or 'filename' .*; it has 'name', 'class'"),
        ("file,kind\n000,a\n", "no column 'class' or 'label'; it has 'file', 'kind'"),
        ("file,class\n000,a\n999,b\n", "row 2 below the header, '999': there is no such picture"),
        ("file,class\n000,a\n001,\n", "row 2 .*is an empty cell"),
        ("file,class\n", "no rows"),
        ("file,class\n000,a\n001,a\n", "all 2 labels are 0"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, table, message):
    with pytest.raises((DataError, TargetError), match=message):
        npnet.data.load("galaxy-images", data=write(tmp_path, table))


def test_pictures_that_cannot_be_used(tmp_path):
    table = "file,class\n000,a\n001,b\n"
    write(tmp_path, table)
    Image.fromarray(COLOUR[0, :5]).save(tmp_path / "001.png")
    with pytest.raises(DataError, match=r"001.png: 5 x 5 pixels; 5 x 6 are needed"):
        npnet.data.load("galaxy-images", data=tmp_path)
    (tmp_path / "001.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"001.png: not a readable PNG file"):
        npnet.data.load("galaxy-images", data=tmp_path)
    (tmp_path / "000.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"000.png: not a readable PNG file"):
        npnet.data.load("galaxy-images", data=tmp_path)
    Image.fromarray(COLOUR[0]).save(tmp_path / "000.png")
    Image.fromarray(COLOUR[0]).save(tmp_path / "000.jpg")
    with pytest.raises(DataError, match=r"'000': 000.jpg, 000.png are all that"):
        npnet.data.load("galaxy-images", data=tmp_path)

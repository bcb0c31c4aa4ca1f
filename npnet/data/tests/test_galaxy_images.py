from __future__ import annotations

import zipfile

import numpy as np
import pytest

import npnet.data
from npnet.data.registry import entry, locate
from npnet.errors import DataError, DataMissingError, TargetError


def arrays(**changes):
    """What such an archive holds, for twelve galaxies."""
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    whole = {
        "images": images,
        "labels": np.arange(12, dtype=np.uint8) % 3,
        "objid": 587722 + np.arange(12),
        "class_names": np.array(["elliptical", "spiral", "edge_on"]),
    }
    return {name: array for name, array in (whole | changes).items() if array is not None}


def test_the_real_pictures_are_read_and_stay_bytes():
    try:
        locate(entry("galaxy-images"))
    except DataMissingError as error:
        pytest.skip(str(error))
    dataset = npnet.data.load("galaxy-images")
    assert dataset.inputs.shape == (1200, 64, 64, 3)
    assert dataset.inputs.dtype == np.uint8
    assert np.bincount(dataset.targets).tolist() == [400, 400, 400]
    assert dataset.class_names == ("elliptical", "spiral", "edge_on")
    assert len(np.unique(dataset.groups)) == 1200
    assert dataset.origin.endswith("(the known checksum)")
    centre = dataset.inputs[:, 24:40, 24:40].mean()
    assert centre > 3 * dataset.inputs[:, :8].mean()  # a galaxy is in the middle


@pytest.mark.parametrize("named", ["file", "folder", "galaxy_images"])
def test_an_archive_of_one_s_own_is_found_and_taken(tmp_path, named):
    folder = tmp_path / "galaxy_images" if named == "galaxy_images" else tmp_path
    folder.mkdir(exist_ok=True)
    path = folder / "gz1_images_64px_1200.npz"
    np.savez_compressed(path, **arrays())
    dataset = npnet.data.load("galaxy-images", data=path if named == "file" else tmp_path)
    np.testing.assert_array_equal(dataset.inputs, arrays()["images"])
    assert dataset.targets.dtype == np.int64
    np.testing.assert_array_equal(dataset.identifiers, arrays()["objid"])
    assert dataset.origin == f"{path} (not the known checksum)"


def test_pictures_of_one_galaxy_share_a_group(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays(objid=np.arange(12) // 2))
    groups = npnet.data.load("galaxy-images", data=tmp_path / "a.npz").groups
    np.testing.assert_array_equal(groups, np.arange(12) // 2)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": None}, DataError, "no array 'images'; it holds labels, objid, class_names"),
        ({"images": np.zeros((12, 8, 8, 3))}, DataError, "images is to be uint8 .*, got float64"),
        ({"images": np.zeros((12, 8, 8), np.uint8)}, DataError, r"\(N, H, W, 3\), got uint8 \(12, 8, 8\)"),
        ({"labels": np.zeros(12)}, DataError, "labels is to be integers"),
        ({"labels": np.arange(11) % 3}, DataError, "12 images for 11 labels"),
        ({"objid": np.arange(13)}, DataError, "12 images for 13 objid"),
        ({"labels": np.arange(12) % 4}, TargetError, "label 3 in row 3 lies outside 0 ... 2"),
        ({"labels": np.ones(12, int)}, TargetError, "all 12 labels are 1"),
        ({"class_names": np.arange(3)}, DataError, "class_names is to be text"),
        ({"class_names": np.array(["a", None], object)}, DataError, "or damaged"),  # would need unpickling
    ],
)
def test_an_archive_with_other_arrays_is_refused(tmp_path, changes, error, message):
    path = tmp_path / "galaxies.npz"
    np.savez(path, **arrays(**changes))
    with pytest.raises(error, match=message) as raised:
        npnet.data.load("galaxy-images", data=path)
    assert str(path) in str(raised.value)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-500])


def flipped(path):
    """A bit of the pictures' compressed bytes changed."""
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("images.npy").header_offset + 200
    content = bytearray(path.read_bytes())
    content[start] ^= 0xFF
    path.write_bytes(content)


def lone_array(path):
    with path.open("wb") as handle:
        np.save(handle, np.zeros(3))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "not an archive of arrays"),
        (flipped, "damaged"),
        (lambda path: path.write_bytes(b""), "not an archive of arrays"),
        (lambda path: path.write_text("id,label\n1,2\n"), "not an archive of arrays"),
        (lone_array, r"one array, not an archive \(.npz\) of images, labels"),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path, damage, message):
    path = tmp_path / "galaxies.npz"
    np.savez_compressed(path, **arrays())
    damage(path)
    with pytest.raises(DataError, match=message) as raised:
        npnet.data.load("galaxy-images", data=path)
    assert str(path) in str(raised.value)


def test_a_missing_archive_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(DataMissingError, match=r"gz1_images_64px_1200.npz not found in .*galaxy_images/"):
        npnet.data.load("galaxy-images", data=tmp_path)

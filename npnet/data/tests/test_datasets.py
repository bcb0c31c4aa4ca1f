from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import npnet.data
from npnet.data.dataset import Dataset
from npnet.data.galaxies import CLASS_NAMES, TABLE_2, VOTE_FRACTIONS, same_object
from npnet.data.registry import entry, locate, names, search_folders
from npnet.data.small_tables import MEASUREMENTS
from npnet.errors import ArgumentError, DataError, DataMissingError, ShapeError, TargetError


def real(name):
    """The dataset from the shared files, or a skip."""
    try:
        locate(entry(name))
    except DataMissingError as error:
        pytest.skip(str(error))
    return npnet.data.load(name)


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data on this machine."""
    monkeypatch.setenv("NPNET_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr("npnet.data.registry.search_folders", lambda: (tmp_path / "nothing",))


def write_idx(path, array):
    array = np.asarray(array, dtype=np.uint8)
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def own_images(tmp_path):
    """A folder of four IDX files: 30 images to train on, 20 to test on."""
    for part, count in (("train", 30), ("t10k", 20)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.full((count, 4, 5), count))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return tmp_path


def table_2(rows=6):
    """A table in the format of Table 2."""
    table = pd.DataFrame(0.0, index=range(rows), columns=list(TABLE_2))
    table["OBJID"] = 587727178986356823 + np.arange(rows)
    table["RA"], table["DEC"] = "00:00:00.41", "-10:22:25.7"
    table["NVOTE"] = 30
    table["P_EL"] = np.linspace(0, 1, rows)
    for row in range(rows):
        table.loc[row, CLASS_NAMES[row % 3]] = 1
    return table


@pytest.mark.parametrize(("name", "mean"), [("mnist", 0.1307), ("fashion-mnist", 0.2860)])
def test_the_real_images_are_read_whole_and_stay_bytes(name, mean):
    dataset = real(name)
    assert dataset.inputs.shape == (70_000, 28, 28)
    assert dataset.inputs.dtype == np.uint8
    assert dataset.inputs[:60_000].mean() / 255 == pytest.approx(mean, abs=5e-5)
    np.testing.assert_array_equal(np.flatnonzero(dataset.held_out), np.arange(60_000, 70_000))
    assert np.bincount(dataset.targets[dataset.held_out]).sum() == 10_000
    assert dataset.targets[:5].tolist() == {"mnist": [5, 0, 4, 1, 9], "fashion-mnist": [9, 0, 0, 3, 0]}[name]
    assert "as published" in dataset.origin


def test_the_real_photometric_table_is_read_as_it_is():
    dataset = real("galaxies-sdss")
    assert np.bincount(dataset.targets).tolist() == [1362, 444, 3194]
    assert dataset.class_names == CLASS_NAMES
    assert dataset.inputs.isna().sum().to_dict() == {
        "redshift": 2,
        "mag_u": 2 + 6 + 11,
        "mag_g": 1 + 6 + 11,
        "mag_r": 6 + 11,
        "mag_i": 4 + 7 + 11,
        "mag_z": 3 + 7 + 11,
        "deVRad_r": 1 + 9,
        "deVAB_r": 9,
        "expRad_r": 9,
        "expAB_r": 9,
        "stellar_mass": 1,
        "votes": 0,
        "p_el_debiased": 0,
        "p_cs_debiased": 0,
    }
    assert len(np.unique(dataset.identifiers)) == 2461
    assert len(np.unique(dataset.groups)) == 5000  # no two of its rows are nearer than 3.6 seconds of arc


def test_a_galaxy_that_occurs_twice_is_recognised_by_position(tmp_path):
    columns = npnet.data.galaxies.SDSS_COLUMNS
    table = pd.DataFrame(0.5, index=range(6), columns=list(columns))
    table["ra"] = [150.0, 10.0, 150.0 + 1e-4, 10.0, 359.99999, 0.00001]
    table["dec"] = [1.0, 1.0, 1.0, np.nan, 0.0, 0.0]
    table["id"] = 588848899361341000
    table[["spiral", "elliptical", "uncertain"]] = np.eye(3)[[0, 1, 0, 2, 1, 1]]
    table.to_csv(tmp_path / "sdss.csv", index=False)
    groups = npnet.data.load("galaxies-sdss", data=tmp_path / "sdss.csv").groups
    assert groups[0] == groups[2]
    assert groups[4] == groups[5]
    assert len(np.unique(groups)) == 4


def test_rows_without_any_position_are_objects_of_their_own():
    unknown = np.full(3, np.nan)
    assert len(np.unique(same_object(unknown, unknown))) == 3


@pytest.mark.parametrize("name", ["t2.csv", "t2.csv.gz", "galaxy_zoo/GalaxyZoo1_DR_table2.csv"])
def test_table_2_is_found_as_a_file_or_in_a_folder(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    table_2().to_csv(path, index=False)
    dataset = npnet.data.load("galaxies", data=tmp_path if "/" in name else path)
    assert list(dataset.inputs.columns) == ["NVOTE", *VOTE_FRACTIONS, "P_EL_DEBIASED", "P_CS_DEBIASED"]
    np.testing.assert_array_equal(dataset.targets, [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(dataset.identifiers, 587727178986356823 + np.arange(6))
    assert not dataset.simulated
    assert dataset.ceiling is None
    assert dataset.origin == str(path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.drop(columns="P_MG"), DataError, "no column 'P_MG'"),
        (lambda t: t.rename(columns={"P_EL": "P_ELLIPTICAL"}), DataError, "nearest one .* 'P_ELLIPTICAL'"),
        (lambda t: t.assign(P_CW=["0.1", "x", *["0"] * 4]), DataError, "row 2 .* 'P_CW': 'x' is no number"),
        (lambda t: t.assign(P_DK=[0, 0, np.nan, 0, 0, 0]), DataError, "row 3 .* 'P_DK'"),
        (lambda t: t.assign(P_DK=[0, np.inf, 0, 0, 0, 0]), DataError, "row 2 .* 'P_DK': 'inf' is infinite"),
        (lambda t: t.assign(P_EDGE=7), DataError, "lies outside 0 ... 1"),
        (lambda t: t.assign(OBJID=[None, 1, 2, 3, 4, 5]), DataError, "row 1 .* 'OBJID'"),
        (lambda t: t.assign(SPIRAL=1), TargetError, "row 2 below the header has the flags SPIRAL = 1"),
        (lambda t: t.iloc[::3], TargetError, "all 2 labels are 0"),
    ],
)
def test_a_broken_table_2_is_refused(tmp_path, change, error, message):
    change(table_2()).to_csv(tmp_path / "t2.csv", index=False)
    with pytest.raises(error, match=message) as caught:
        npnet.data.load("galaxies", data=tmp_path / "t2.csv")
    assert str(tmp_path / "t2.csv") in str(caught.value)


@pytest.mark.usefixtures("nowhere")
def test_galaxies_found_nowhere_are_simulated_and_say_so():
    dataset = npnet.data.load("galaxies", seed=1)
    assert len(dataset) == 20_000
    assert dataset.simulated
    assert dataset.origin.startswith("simulated")
    assert "seed 1" in dataset.origin
    assert 0.639 < dataset.ceiling < 1.0
    again, other = npnet.data.load("galaxies", seed=1), npnet.data.load("galaxies", seed=2)
    pd.testing.assert_frame_equal(dataset.inputs, again.inputs)
    assert not dataset.inputs.equals(other.inputs)


@pytest.mark.usefixtures("nowhere")
def test_a_named_place_without_the_table_is_no_reason_to_simulate(tmp_path):
    with pytest.raises(DataMissingError, match=r"GalaxyZoo1_DR_table2\.csv\.gz not found"):
        npnet.data.load("galaxies", data=tmp_path)
    with pytest.raises(DataMissingError, match="there is no file or folder"):
        npnet.data.load("galaxies", data=tmp_path / "absent.csv")


@pytest.mark.usefixtures("nowhere")
def test_what_is_not_found_is_named_with_places_addresses_and_remedy(own_images):
    (own_images / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataMissingError) as caught:
        npnet.data.load("mnist", data=own_images)
    message = str(caught.value)
    assert "train-labels-idx1-ubyte.gz not found in" in message
    assert "train-images-idx3-ubyte.gz" not in message
    assert str(own_images) in message
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz" in message
    assert "NPNET_DATA" in message
    assert "--data" in message
    with pytest.raises(DataMissingError, match="No public address"):
        npnet.data.load("galaxies-sdss")


def test_the_places_are_searched_in_order(monkeypatch, tmp_path):
    monkeypatch.setenv("NPNET_DATA", str(tmp_path))
    assert search_folders()[0] == tmp_path
    assert "npnet" in search_folders()[-1].name.lower()
    monkeypatch.delenv("NPNET_DATA")
    assert tmp_path not in search_folders()


def test_own_idx_files_are_taken_and_said_to_be_others(own_images):
    dataset = npnet.data.load("mnist", data=own_images)
    assert dataset.inputs.shape == (50, 4, 5)
    assert dataset.held_out.tolist() == [False] * 30 + [True] * 20
    assert "not those published" in dataset.origin


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.arange(30) % 11, TargetError, "label 10 in row 10 lies outside 0 ... 9 \\(2 such labels\\)"),
        (np.arange(29) % 10, DataError, "30 images for 29 labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(own_images, labels, error, message):
    write_idx(own_images / "train-labels-idx1-ubyte.gz", labels)
    with pytest.raises(error, match=message):
        npnet.data.load("mnist", data=own_images)


def test_labels_of_one_class_only_are_refused(own_images):
    write_idx(own_images / "train-labels-idx1-ubyte.gz", np.full(30, 4))
    with pytest.raises(TargetError, match=r"train-labels-idx1-ubyte\.gz: all 30 labels are 4"):
        npnet.data.load("mnist", data=own_images)


def test_a_single_file_is_not_enough_for_images(own_images):
    with pytest.raises(DataError, match="is one file; name the folder"):
        npnet.data.load("mnist", data=own_images / "train-labels-idx1-ubyte.gz")


def test_files_of_another_dataset_under_the_same_names_are_refused():
    real("mnist")
    folder = locate(entry("mnist"))["train_images"].parent
    with pytest.raises(DataError, match="is a file of mnist"):
        npnet.data.load("fashion-mnist", data=folder)


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(ArgumentError, match="did you mean 'galaxies'"):
        npnet.data.load("galaxy")


def test_the_real_wines_are_read_as_they_are():
    wine = real("wine")
    assert np.bincount(wine.targets).tolist() == [10, 53, 681, 638, 199, 18]
    assert wine.inputs.shape == (1599, 11)
    assert len(np.unique(wine.groups)) == 1599 - 240
    first = wine.inputs.iloc[0]
    assert (first["fixed acidity"], first["alcohol"], wine.class_names[wine.targets[0]]) == (7.4, 9.4, "5")
    assert wine.groups[0] == wine.groups[4]  # the fifth row repeats the first


def wines(folder, mark=5, separator=";"):
    header = separator.join(f'"{name}"' for name in (*MEASUREMENTS, "quality"))
    rows = [separator.join(["1.5"] * 11 + [str(value)]) for value in (3, mark, 6)]
    path = folder / "winequality-red.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def test_wines_of_ones_own(tmp_path):
    wine = npnet.data.load("wine", data=wines(tmp_path))
    assert wine.targets.tolist() == [0, 2, 3]
    assert len(np.unique(wine.groups)) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mark": 9}, TargetError, "row 2 below the header has the mark 9; the classes are 3, 4"),
        ({"mark": 5.5}, TargetError, "has the mark 5.5"),
        ({"mark": "good"}, DataError, "'quality': 'good' is no number"),
        ({"separator": ","}, DataError, "no column 'fixed acidity'"),
    ],
)
def test_wines_that_cannot_be_used(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        npnet.data.load("wine", data=wines(tmp_path, **options))


def test_a_logit_above_0_says_malignant():
    biopsies = npnet.data.load("breast-cancer")
    assert biopsies.class_names == ("benign", "malignant")
    assert np.bincount(biopsies.targets).tolist() == [357, 212]
    radius = biopsies.inputs["mean radius"]
    assert radius[biopsies.targets == 1].mean() > radius[biopsies.targets == 0].mean()


def test_parts_of_a_dataset_must_fit_together():
    arguments = {"name": "x", "inputs": np.zeros((2, 1, 1), np.uint8), "class_names": ("a", "b")}
    Dataset(**arguments, targets=np.array([0, 1]), identifiers=np.arange(2))
    with pytest.raises(ShapeError, match="3 rows of identifiers for 2 targets"):
        Dataset(**arguments, targets=np.array([0, 1]), identifiers=np.arange(3))


def test_every_dataset_has_a_card():
    cards = Path(npnet.__file__).parents[1] / "data" / "cards"
    if not cards.is_dir():
        pytest.skip("installed without the dataset cards")
    assert {card.stem for card in cards.glob("*.md")} == set(names())


def test_files_are_refused_for_a_dataset_without_any(tmp_path):
    with pytest.raises(ArgumentError, match="digits comes with scikit-learn"):
        npnet.data.load("digits", data=tmp_path)

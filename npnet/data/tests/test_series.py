from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import npnet.data
from npnet.data import chronological_split, features_from_state, make_features
from npnet.data.registry import entry, locate
from npnet.errors import ArgumentError, DataError, DataMissingError, StateError

SERIES = ("sunspots", "temperatures")


def written(folder, name, lines):
    (folder / entry(name).files["series"].name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "rows", "ends", "first"),
    [("sunspots", 309, ("1700", "2008"), 5.0), ("temperatures", 3650, ("1981-01-01", "1990-12-31"), 20.7)],
)
def test_the_published_series_are_read(name, rows, ends, first):
    try:
        locate(entry(name))
    except DataMissingError as error:
        pytest.skip(str(error))
    series = npnet.data.load(name)
    assert len(series) == rows
    assert tuple(map(str, series.identifiers[[0, -1]])) == ends
    assert series.targets[0] == first
    np.testing.assert_array_equal(series.inputs.to_numpy()[:, 0], series.targets)
    assert "checksum as published" in series.origin
    assert ("2 gaps in time" in series.origin) == (name == "temperatures")  # the last days of leap years


def test_days_may_be_written_as_iso_does(tmp_path):
    american = ["Date,Temp", "12/31/99,1.5", "1/1/00,2.5"]
    iso = ["Date,Temp", "1999-12-31,1.5", "2000-01-01,2.5"]
    for lines in (american, iso):
        series = npnet.data.load("temperatures", data=written(tmp_path, "temperatures", lines))
        assert series.identifiers.astype(str).tolist() == ["1999-12-31", "2000-01-01"]
        assert series.targets.tolist() == [1.5, 2.5]
        assert series.origin.endswith("(not the published file)")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["YEAR,SUNACTIVITY", "1700,5", "1699,6"],
            "row 2 below the header, YEAR 1699 does not come after 1700",
        ),
        (["YEAR,SUNACTIVITY", "1700,5", "1700,6"], "follow one another in time"),
        (["YEAR,SUNACTIVITY", "1700,5", "1701,?0.2"], "'\\?0.2' is no number"),
        (["YEAR,SUNACTIVITY", "1700,5", "1701,"], "is an empty cell"),
        (["YEAR,SUNACTIVITY", "long ago,5"], "holds no years"),
        (["YEAR,ACTIVITY", "1700,5"], "no column 'SUNACTIVITY'; the nearest one present is 'ACTIVITY'"),
    ],
)
def test_what_is_no_series_is_refused(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        npnet.data.load("sunspots", data=written(tmp_path, "sunspots", lines))


def test_days_that_are_none_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds no days"):
        npnet.data.load("temperatures", data=written(tmp_path, "temperatures", ["Date,Temp", "13/40/81,3"]))


# ------------------------------------------------------------------ windows


@pytest.mark.parametrize(("length", "horizon"), [(1, 1), (3, 1), (4, 3)])
def test_a_window_holds_the_steps_before_its_row_and_no_later_one(length, horizon):
    table = pd.DataFrame({"x": np.arange(12.0) ** 2, "y": -np.arange(12.0)})
    features = make_features("windows", length=length, horizon=horizon).fit(table, np.zeros(12))
    found = features.transform(table)
    assert found.shape == (12, *features.shape) == (12, length, 2)
    assert len(features.feature_names) == 2 * length
    scaled = ((table - table.mean()) / table.std(ddof=0)).to_numpy().astype(np.float32)
    for row in range(12):
        first = row - horizon - length + 1
        if first < 0:
            assert np.isnan(found[row]).all()
        else:
            np.testing.assert_allclose(found[row], scaled[first : row - horizon + 1], rtol=1e-6)


def test_windows_learn_their_scale_from_the_rows_they_are_fitted_on_alone():
    table = pd.DataFrame({"x": [0.0, 2.0, 1000.0, -1000.0]})
    features = make_features("windows", length=1).fit(table.iloc[:2], np.zeros(2))
    assert (features.mean[0], features.scale[0]) == (1.0, 1.0)


def test_windows_come_back_from_their_state():
    table = pd.DataFrame({"x": np.arange(9.0)})
    fitted = make_features("windows", length=3, horizon=2).fit(table, np.zeros(9))
    again = features_from_state(fitted.state())
    np.testing.assert_array_equal(again.transform(table), fitted.transform(table))
    assert (again.reach, again.horizon, again.feature_names) == (4, 2, fitted.feature_names)
    with pytest.raises(StateError, match="not the state of 'windows'"):
        features_from_state({"kind": "windows", "length": 3})


def test_a_table_shorter_than_a_window_has_none():
    table = pd.DataFrame({"x": np.arange(3.0)})
    assert np.isnan(make_features("windows", length=5).fit(table, np.zeros(3)).transform(table)).all()


@pytest.mark.parametrize("options", [{"length": 0}, {"length": 2.0}, {"length": 2, "horizon": 0}])
def test_windows_of_no_length_are_refused(options):
    with pytest.raises(ArgumentError, match="must be a whole number, 1 or more"):
        make_features("windows", **options)


# ------------------------------------------------------------------ split


@pytest.mark.parametrize(("n", "validation", "test", "reach"), [(100, 0.2, 0.3, 7), (309, 0.15, 0.25, 22)])
def test_the_parts_follow_one_another_and_no_row_looks_into_another(n, validation, test, reach):
    split = chronological_split(n, validation, test, reach=reach)
    seen = [set(np.concatenate([np.arange(row - reach, row + 1) for row in part])) for part in split]
    assert max(seen[0]) < min(seen[1])
    assert max(seen[1]) < min(seen[2])
    assert set().union(*seen) == set(range(n))  # nothing is wasted
    assert len(split.test) == round(test * n) - reach


def test_parts_may_be_left_out():
    split = chronological_split(10, 0.0, None, reach=2)
    assert [len(part) for part in split] == [8, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 0.3, 0.3, 3), "the validation part has 3 of 10 rows, and a row looks back over 3"),
        ((10, 0.3, 0.3, 4), "the train part has 4 of 10 rows"),
        ((10, 1.0, 0.0, 0), "validation is a share"),
        ((10, 0.0, -0.1, 0), "test is a share"),
        ((10, 0.5, 0.5, 0), "take all 10 rows, and leave none to train on"),
    ],
)
def test_parts_without_a_row_are_refused(arguments, message):
    n, validation, test, reach = arguments
    with pytest.raises(ArgumentError, match=message):
        chronological_split(n, validation, test, reach=reach)

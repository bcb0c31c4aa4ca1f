from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from npnet.data.tables import class_of_flags, read_csv, to_numbers
from npnet.errors import DataError, DataMissingError, TargetError

GOOD = "OBJID,P_EL,P_CS\n1,0.25,0.5\n2,0.75,0.125\n"


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "votes.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        gzip.compress(GOOD.encode(), mtime=0),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("OBJID,P_EL,P_CS", "objid, p_el ,p_cs"),
        "more,P_CS,P_EL,OBJID\nx,0.5,0.25,1\ny,0.125,0.75,2\n",
    ],
)
def test_header_case_order_and_packing_do_not_matter(write, content):
    table = read_csv(write(content), ["OBJID", "P_EL", "P_CS"])
    pd.testing.assert_frame_equal(
        table, pd.DataFrame({"OBJID": [1, 2], "P_EL": [0.25, 0.75], "P_CS": [0.5, 0.125]})
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        (b"\n\n", "the file is empty"),
        ("OBJID,P_EL,P_CS\n", "a header and no rows"),
        (GOOD.replace("P_EL", "P_ELL"), "no column 'P_EL'; the nearest one present is 'P_ELL'"),
        ("OBJID\n1\n", "no column 'P_EL' \\(2 missing: P_EL, P_CS\\)"),
        (GOOD + "3,0.5,0.5,0.5\n", "rows differ in length"),
        (GOOD.replace("\n1,", "\n1,9,"), "rows differ in length"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-10], "truncated or damaged"),
        (b"\x1f\x8b" + GOOD.encode(), "truncated or damaged"),
        (b"OBJID,P_EL,P_CS\n\xff\xfe\x00,1,2\n", "cannot be read as a table"),
    ],
)
def test_a_file_that_is_no_such_table_says_why(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=message) as caught:
        read_csv(path, ["OBJID", "P_EL", "P_CS"])
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file") as caught:
        read_csv(tmp_path / "absent.csv", ["a"])
    assert isinstance(caught.value, DataMissingError)
    with pytest.raises(DataError):
        read_csv(tmp_path, ["a"])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("many", "'many' is no number"),
        ("", "is an empty cell or NaN"),
        ("NaN", "is an empty cell or NaN"),
        ("inf", "'inf' is infinite"),
        ("-1e999", "is infinite"),
        ("1.5", "'1.5' lies outside 0 ... 1"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(write, cell, message):
    table = read_csv(write(GOOD.replace("0.75", cell)), ["OBJID", "P_EL", "P_CS"])
    with pytest.raises(DataError, match=f"votes.csv: row 2 below the header, column 'P_EL': .*{message}"):
        to_numbers(table, "votes.csv", limits={"P_EL": (0, 1)})


def test_missing_values_become_nan_only_where_the_table_has_a_number_for_them():
    table = pd.DataFrame({"z": [0.5, -9999.0, np.nan]})
    np.testing.assert_array_equal(to_numbers(table, "t", missing=-9999.0)["z"], [0.5, np.nan, np.nan])
    with pytest.raises(DataError, match="row 3"):
        to_numbers(table, "t")
    with pytest.raises(DataError, match="no number"):
        to_numbers(pd.DataFrame({"z": ["0.5", "lots"]}), "t", missing=-9999.0)


@pytest.mark.parametrize("row", [(0, 0, 0), (1, 1, 0), (2, -1, 0), (0.5, 0.5, 0), (2, 0, 0)])
def test_flags_that_name_no_class_are_refused_with_their_row(row):
    flags = pd.DataFrame([(0, 1, 0), row], columns=["SPIRAL", "ELLIPTICAL", "UNCERTAIN"], dtype=float)
    with pytest.raises(TargetError, match="row 2 below the header"):
        class_of_flags(flags, "votes.csv")
    np.testing.assert_array_equal(class_of_flags(flags[:1], "votes.csv"), [1])

"""Rows to predict: what can be used of a table or of pictures, and what is wrong with each of the rest.

Training refuses a file with a single bad cell; here a bad row is set apart, with the line that it is on, and
the others go on.  What is wrong with the file as a whole is an error in both.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.data.tables import check_columns
from npnet.errors import DataError, DataMissingError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["Rows", "TableFormat", "read_rows"]

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class TableFormat:
    """What the cells of a dataset's tables mean.

    Parameters
    ----------
    identifier : str
        The column that names a row; empty where there is none.
    missing : float, optional
        The number that stands for a missing value.
    zero_is_missing : tuple of str
        Columns in which 0 stands for one too.
    limits : mapping of str to (float, float)
        The range of a column, both ends included.
    """

    identifier: str = ""
    missing: float | None = None
    zero_is_missing: tuple[str, ...] = ()
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """What was read.

    Parameters
    ----------
    place : str
        What numbers the rows, ``"line"`` of a table, ``"image"`` of an array, or ``"file"``.
    places : list
        That of every row, in order, those that are refused too.
    inputs : pandas.DataFrame or ndarray
        The rows that can be predicted.
    usable : ndarray of bool
        Which of all rows these are.
    problems : list of str
        By row, what is wrong with it; empty where nothing is.
    identifier : str
        What the source calls :attr:`identifiers`; empty where there are none.
    identifiers : list of str
        By row.
    """

    place: str
    places: Sequence[int | str]
    inputs: pd.DataFrame | Array
    usable: Array
    problems: Sequence[str]
    identifier: str = ""
    identifiers: Sequence[str] = ()


def read_rows(
    path: str | Path,
    columns: Sequence[str],
    table_format: TableFormat | None = None,
    *,
    takes_missing: bool = False,
) -> Rows:
    r"""Read the rows of a CSV file that have a number in each of some columns.

    Parameters
    ----------
    path : str or Path
        The file, gzipped or not, with commas or semicolons, and its header in either case.
    columns : sequence of str
        The columns that a prediction needs; the table may have others.
    table_format : TableFormat, optional
        What the cells mean.
    takes_missing : bool, keyword-only
        Whether a missing value is NaN, or makes the row unusable.

    Raises
    ------
    DataMissingError
        If there is no such file.
    DataError
        If it is empty, damaged or no text, has no rows, or lacks a column; the message names the nearest
        column that is there.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "votes.csv")
    ...     with open(path, "w") as handle:
    ...         _ = handle.write("id,p_el\n1,0.5\n2,many\n3\n")
    ...     rows = read_rows(path, ["p_el"], TableFormat(identifier="id"))
    >>> rows.inputs["p_el"].tolist(), rows.places, rows.identifiers
    ([0.5], [2, 3, 4], ['1', '2', '3'])
    >>> rows.problems
    ['', "p_el: 'many' is no number", '1 cell where the header has 2']
    """
    import pandas as pd

    path, form = Path(path), table_format or TableFormat()
    cells = _cells(path)
    header = [name.strip() for name in next(cells)[1]]
    position = _positions(header, [*columns, *([form.identifier] if form.identifier else [])])
    check_columns(columns, [*position, *header], str(path))
    places: list[int] = []
    identifiers: list[str] = []
    problems: list[str] = []
    values: list[list[float]] = []
    for line, row in cells:
        found, problem = _numbers(row, header, columns, position, form, takes_missing)
        places.append(line)
        problems.append(problem)
        at = position.get(form.identifier, len(row))
        identifiers.append(row[at].strip() if at < len(row) else "")
        if not problem:
            values.append(found)
    if not places:
        raise DataError(f"{path}: the table has a header and no rows")
    return Rows(
        place="line",
        places=places,
        inputs=pd.DataFrame(np.array(values).reshape(-1, len(columns)), columns=list(columns)),
        usable=np.array([not problem for problem in problems]),
        problems=problems,
        identifier=form.identifier if form.identifier in position else "",
        identifiers=identifiers,
    )


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and cells of every row, the header first; empty lines are left out."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            stream = gzip.GzipFile(fileobj=raw) if zipped else raw
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            beginning = text.readline(1 << 16)
            if not beginning.strip():
                raise DataError(f"{path}: the file is empty, or its first line is")
            separator = ";" if beginning.count(";") > beginning.count(",") else ","
            text.seek(0)
            reader = csv.reader(text, delimiter=separator, skipinitialspace=True, strict=True)
            for row in reader:
                if row:
                    yield reader.line_num, row
    except FileNotFoundError as error:
        raise DataMissingError(f"{path}: no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip stream is truncated or damaged ({error})") from error
    except UnicodeError as error:
        raise DataError(f"{path}: not a table in UTF-8 ({error})") from error
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _positions(header: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    """Where the wanted columns are, told apart without regard to case where the exact name is not there."""
    folded = {name.casefold(): number for number, name in reversed(list(enumerate(header)))}
    exact = {name: number for number, name in reversed(list(enumerate(header)))}
    found = {name: exact.get(name, folded.get(name.casefold())) for name in wanted}
    return {name: number for name, number in found.items() if number is not None}


def _numbers(
    row: Sequence[str],
    header: Sequence[str],
    columns: Sequence[str],
    position: Mapping[str, int],
    form: TableFormat,
    takes_missing: bool,
) -> tuple[list[float], str]:
    """The numbers of a row, and what is wrong with the first of them that cannot be used."""
    if len(row) != len(header):
        cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
        return [], f"{cells} where the header has {len(header)}"
    values = []
    for name in columns:
        written = row[position[name]].strip()
        try:
            value = float(written) if written else math.nan
        except ValueError:
            return [], f"{name}: {written[:40]!r} is no number"
        if value == form.missing or (value == 0.0 and name in form.zero_is_missing):
            value = math.nan
        if math.isinf(value):
            return [], f"{name}: {written!r} is infinite"
        if math.isnan(value) and not takes_missing:
            return [], f"{name} is missing"
        low, high = form.limits.get(name, (-math.inf, math.inf))
        if value < low or value > high:
            return [], f"{name}: {written} lies outside {low:g} ... {high:g}"
        values.append(value)
    return values, ""

"""Tables from CSV files: what is not right is refused with its row and column."""

from __future__ import annotations

import difflib
import gzip
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.errors import DataError, DataMissingError, TargetError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["check_columns", "class_of_flags", "filled", "read_csv", "to_numbers"]


SHOWN = 8
"""So many columns are named where none is near the one that is wanted."""


def read_csv(
    path: str | Path, columns: Sequence[str] | None, *, separator: str = ",", as_text: bool = False
) -> pd.DataFrame:
    r"""Read the named columns of a CSV file, gzipped or not, with its header in either case.

    Parameters
    ----------
    path : str or Path
        The file; whether it is gzipped is told by its first bytes.
    columns : sequence of str, optional
        The columns that it must have; others are left out.  None takes all, in the file's order.
    separator : str, keyword-only, default ","
        What stands between two cells.
    as_text : bool, keyword-only, default False
        Leave cells as they are written, so that "007" stays that; only empty ones are missing.

    Returns
    -------
    pandas.DataFrame
        The columns in the order asked for, cells as pandas understood them.

    Raises
    ------
    DataMissingError
        If there is no such file.
    DataError
        If it is empty, truncated or no table, if a column is missing (the message names one like it, or
        those that are there), or if it holds no rows.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "votes.csv")
    ...     with open(path, "w") as handle:
    ...         _ = handle.write("id,p_el,more\n1,0.5,x\n")
    ...     read_csv(path, ["P_EL"])
       P_EL
    0   0.5
    """
    import pandas as pd

    path = Path(path)
    try:
        with path.open("rb") as handle:
            zipped = handle.read(2) == b"\x1f\x8b"
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas cuts rows that are too long
            table = pd.read_csv(
                path,
                sep=separator,
                compression="gzip" if zipped else None,
                encoding="utf-8-sig",
                index_col=False,
                low_memory=False,
                skipinitialspace=True,
                dtype=str if as_text else None,
                keep_default_na=not as_text,  # else a class that is called NA would be missing
                na_values=[""],
            )
    except FileNotFoundError as error:
        raise DataMissingError(f"{path}: no such file") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: the file is empty") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path}: the rows differ in length ({' '.join(str(error).split())})") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip stream is truncated or damaged ({error}); fetch it again"
        ) from error
    except (UnicodeError, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    if table.empty:
        raise DataError(f"{path}: the table has a header and no rows")
    if columns is None:
        table.columns = [str(name).strip() for name in table.columns]
        return table
    canonical = {name.casefold(): name for name in columns}
    present = [str(name).strip() for name in table.columns]
    table.columns = [canonical.get(name.casefold(), name) for name in present]
    check_columns(columns, list(table.columns), str(path))
    return table.loc[:, ~table.columns.duplicated()][list(columns)]


def check_columns(wanted: Sequence[str], present: Sequence[str], source: str) -> None:
    """Refuse a table without all the wanted columns, naming one present that is like it, or those present.

    Raises
    ------
    DataError
        If one is missing.

    Examples
    --------
    >>> check_columns(["p_el"], ["p_e1", "p_cs"], "votes.csv")
    Traceback (most recent call last):
    npnet.errors.DataError: votes.csv: no column 'p_el'; the nearest one present is 'p_e1'
    """
    missing = [name for name in wanted if name not in present]
    if missing:
        others = [name for name in present if name not in wanted]
        near = difflib.get_close_matches(missing[0].casefold(), [name.casefold() for name in others], 1, 0.5)
        hint = (
            f"; the nearest one present is {_spelled(near[0], others)!r}"
            if near
            else _listed(list(dict.fromkeys(present)))
        )
        more = f" ({len(missing)} missing: {', '.join(missing)})" if len(missing) > 1 else ""
        raise DataError(f"{source}: no column {missing[0]!r}{more}{hint}")


def _spelled(name: str, names: Sequence[str]) -> str:
    """One of the names that is the given one but for its case."""
    return next(each for each in names if each.casefold() == name)


def _listed(present: Sequence[str]) -> str:
    """What is there, where nothing is near; some of it, where it is much."""
    more = f" and {len(present) - SHOWN} more" if len(present) > SHOWN else ""
    return f"; the columns present are {', '.join(present[:SHOWN])}{more}" if present else ""


def to_numbers(
    table: pd.DataFrame,
    source: str,
    *,
    missing: float | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
) -> pd.DataFrame:
    """The table as float64, every cell of it checked.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_csv`.
    source : str
        Where it comes from, for messages.
    missing : float, optional
        The number that stands for a missing value in this table.  Where it is given, such cells and empty
        ones become NaN; otherwise an empty cell is refused.
    limits : mapping of str to (float, float), optional
        The range of a column, both ends included.

    Returns
    -------
    pandas.DataFrame
        Of float64.

    Raises
    ------
    DataError
        At the first text, empty cell, NaN, infinity or value out of range: the message says row and column.

    Examples
    --------
    >>> import pandas as pd
    >>> to_numbers(pd.DataFrame({"z": ["0.1", "-9999"]}), "sdss.csv", missing=-9999)
         z
    0  0.1
    1  NaN
    """
    import pandas as pd

    columns = {}
    for name in table.columns:
        given = table[name]
        numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        empty = given.isna().to_numpy()
        _refuse(np.isnan(numbers) & ~empty, given, source, "is no number")
        _refuse(np.isinf(numbers), given, source, "is infinite")
        if missing is None:
            _refuse(empty, given, source, "is an empty cell or NaN")
        else:
            numbers = np.where(numbers == missing, np.nan, numbers)
        low, high = (limits or {}).get(name, (-np.inf, np.inf))
        _refuse((numbers < low) | (numbers > high), given, source, f"lies outside {low:g} ... {high:g}")
        columns[name] = numbers
    return pd.DataFrame(columns)


def filled(column: pd.Series, source: str) -> Array:
    """The cells of a column of names or numbers.

    Raises
    ------
    DataError
        If one is empty: the message says the row.

    Examples
    --------
    >>> import pandas as pd
    >>> filled(pd.Series([587727178986356823], name="OBJID"), "votes.csv")
    array([587727178986356823])
    """
    _refuse(column.isna().to_numpy(), column, source, "is an empty cell or NaN")
    return column.to_numpy()


def class_of_flags(flags: pd.DataFrame, source: str) -> Array:
    """The class of each row from one 0/1 column a class.

    Returns
    -------
    ndarray of int64
        The position of the column that holds the 1.

    Raises
    ------
    TargetError
        If a cell is neither 0 nor 1, or a row has no flag or several: the message says the row.

    Examples
    --------
    >>> import pandas as pd
    >>> class_of_flags(pd.DataFrame({"SPIRAL": [0, 1], "ELLIPTICAL": [1, 0]}), "votes.csv")
    array([1, 0])
    """
    cells = flags.to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~np.isin(cells, (0, 1)).all(axis=1) | (cells.sum(axis=1) != 1))
    if wrong.size:
        row = int(wrong[0])
        shown = ", ".join(
            f"{name} = {value:g}" for name, value in zip(flags.columns, cells[row], strict=True)
        )
        raise TargetError(
            f"{source}: row {row + 1} below the header has the flags {shown}; exactly one must be 1 "
            f"({wrong.size} such row{'s' if wrong.size > 1 else ''})"
        )
    return cells.argmax(axis=1)


def _refuse(wrong: Array, given: pd.Series, source: str, why: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        row = int(rows[0])
        raise DataError(
            f"{source}: row {row + 1} below the header, column {given.name!r}: {str(given.iloc[row])!r} {why}"
            f" ({rows.size} such cell{'s' if rows.size > 1 else ''} in that column)"
        )

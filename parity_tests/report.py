"""The table of largest errors: what every comparison found, by class, dtype and quantity.

Comparisons call :func:`record`; ``conftest.py`` gathers the rows of all workers and writes them to
``parity_tests/report/parity.csv``, or where the environment variable ``PARITY_REPORT`` says.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["QUANTITIES", "Row", "Subject", "merge", "record", "rows", "write"]

QUANTITIES = ("forward", "gradient", "buffers", "trajectory")
"""What is compared, in the order of the table; rates of schedules are trajectories."""


class Subject(NamedTuple):
    """What a comparison is about: one group of rows."""

    name: str
    """The class or function."""
    dtype: str
    quantity: str
    """One of :data:`QUANTITIES`."""


class Row(NamedTuple):
    """One line of the table."""

    name: str
    dtype: str
    quantity: str
    largest_error: float
    share_of_tolerance: float
    cases: int


_rows: dict[Subject, Row] = {}


def merge(new: Iterable[tuple[str, str, str, float, float, int]]) -> None:
    """Take rows into the table: the larger error, the larger share, the sum of the cases."""
    for row in map(Row._make, new):
        subject = Subject(row.name, row.dtype, row.quantity)
        old = _rows.get(subject, Row(*subject, 0.0, 0.0, 0))
        _rows[subject] = Row(
            *subject,
            max(old.largest_error, row.largest_error),
            max(old.share_of_tolerance, row.share_of_tolerance),
            old.cases + row.cases,
        )


def record(subject: Subject, error: float, tolerance: float) -> None:
    """Note the error of one comparison."""
    if subject.quantity not in QUANTITIES:
        raise ValueError(f"quantity is one of {QUANTITIES}, got {subject.quantity!r}")
    merge([(*subject, error, error / tolerance, 1)])


def rows() -> list[Row]:
    """The table so far, by class, dtype and quantity."""
    return sorted(_rows.values(), key=lambda row: (row.name, row.dtype, QUANTITIES.index(row.quantity)))


def write(path: Path) -> None:
    """Write the table as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("class", *Row._fields[1:]))
        for row in rows():
            writer.writerow(
                (*row[:3], f"{row.largest_error:.3g}", f"{row.share_of_tolerance:.3g}", row.cases)
            )

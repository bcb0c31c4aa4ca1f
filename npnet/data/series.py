"""Series: a number a year of sunspots, a number a day of temperature.

Every row is one step in time; what a network is to say of it is its number, from those before.

References
----------
Sunspots: US National Geophysical Data Center (NOAA).  Temperatures: Australian Bureau of Meteorology.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.data.dataset import Dataset
from npnet.data.registry import entry, locate
from npnet.data.tables import filled, read_csv, to_numbers
from npnet.errors import DataError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["load_series"]


@dataclass(frozen=True)
class _Facts:
    """What a series is called in its file, and for people."""

    time: str
    value: str
    name: str
    unit: str
    season: int
    step: str


SERIES = {
    # The cycle of the sun takes 9 to 14 years; 11 is its mean.
    "sunspots": _Facts("YEAR", "SUNACTIVITY", "sunspot number", "", 11, "year"),
    "temperatures": _Facts("Date", "Temp", "daily minimum", "°C", 365, "day"),
}


def load_series(name: str, data: str | Path | None) -> Dataset:
    """Read a series.

    Parameters
    ----------
    name : {"sunspots", "temperatures"}
        Which one.
    data : str, Path or None
        Its file or folder.

    Raises
    ------
    DataMissingError
        If the file is not found.
    DataError
        If it cannot be used, or its rows do not follow one another in time.
    """
    facts, known = SERIES[name], entry(name)
    path = locate(known, data)["series"]
    table = read_csv(path, [facts.time, facts.value])
    values = to_numbers(table[[facts.value]], str(path))
    times = _times(filled(table[facts.time], str(path)), facts, str(path))
    backwards = np.flatnonzero(np.diff(times).astype(np.int64) <= 0)
    if backwards.size:
        row = int(backwards[0]) + 1
        raise DataError(
            f"{path}: row {row + 1} below the header, {facts.time} {times[row]} does not come after "
            f"{times[row - 1]}; the rows of a series follow one another in time"
        )
    gaps = int(np.sum(np.diff(times).astype(np.int64) > 1))
    published = known.files["series"].matches(path)
    notes = ["checksum as published" if published else "not the published file"]
    notes += [f"{gaps} gap{'s' if gaps > 1 else ''} in time"] if gaps else []
    return Dataset(
        name=name,
        inputs=values,
        targets=values[facts.value].to_numpy(),
        class_names=(),
        identifiers=times,
        origin=f"{path} ({', '.join(notes)})",
        target_names=(facts.name,),
        unit=facts.unit,
        season=facts.season,
    )


def _times(cells: Array, facts: _Facts, source: str) -> Array:
    """The years as int64, or the days as datetime64; M/D/YY, as in the file at hand, or ISO."""
    import pandas as pd

    try:
        if facts.step == "year":
            return cells.astype(np.int64)
        american = "/" in str(cells[0])
        stamps = pd.to_datetime(pd.Series(cells), format="%m/%d/%y" if american else "ISO8601")
    except (ValueError, TypeError) as error:
        raise DataError(f"{source}: column {facts.time!r} holds no {facts.step}s: {error}") from error
    days: Array = stamps.to_numpy().astype("datetime64[D]")
    return days

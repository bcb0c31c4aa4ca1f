"""Datasets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from npnet.data import digits, galaxies, galaxy_images, series, small_tables
from npnet.data.dataset import Dataset
from npnet.data.labelled_pictures import holds_labelled_pictures, load_labelled_pictures
from npnet.data.registry import entry
from npnet.data.rows import TableFormat
from npnet.errors import ArgumentError, UnsupportedError

__all__ = ["FORMATS", "load", "names"]

Place = str | Path | None

WITH_FILES: Mapping[str, Callable[[Place, int], Dataset]] = {
    "galaxies": galaxies.load_galaxies,
    "galaxies-sdss": lambda data, seed: galaxies.load_galaxies_sdss(data),
    "galaxy-images": lambda data, seed: galaxy_images.load_galaxy_images(data),
    "mnist": lambda data, seed: digits.load_mnist("mnist", data),
    "fashion-mnist": lambda data, seed: digits.load_mnist("fashion-mnist", data),
    "wine": lambda data, seed: small_tables.load_wine(data),
    "sunspots": lambda data, seed: series.load_series("sunspots", data),
    "temperatures": lambda data, seed: series.load_series("temperatures", data),
}
"""How a dataset is read of files in some place; `seed` is that of a simulator."""

BUILT_IN: Mapping[str, Callable[[], Dataset]] = {
    "digits": digits.load_digits,
    "breast-cancer": small_tables.load_breast_cancer,
}
"""Those that come with scikit-learn."""


PICTURES = ("galaxy-images", "mnist", "fashion-mnist")
"""Those in whose place a folder of pictures with their classes is taken."""

FORMATS: Mapping[str, TableFormat] = {
    "galaxies": galaxies.TABLE_2_FORMAT,
    "galaxies-sdss": galaxies.SDSS_FORMAT,
}
"""What the cells of a table mean, where it is not just numbers."""


def names() -> tuple[str, ...]:
    """The datasets that :func:`load` knows.

    Examples
    --------
    >>> "mnist" in names()
    True
    """
    return (*WITH_FILES, *BUILT_IN)


def load(name: str, *, data: str | Path | None = None, seed: int = 0) -> Dataset:
    """Read a dataset.

    Parameters
    ----------
    name : str
        One of :func:`npnet.data.names`.
    data : str or Path, optional
        The folder of its files, or its file.  Without it they are looked for in the folder that
        ``NPNET_DATA`` names, in ``data/`` of a checkout and in the user's cache; ``galaxies`` that is found
        nowhere is simulated.  In place of pictures, a folder of files and ``labels.csv`` is taken too.
    seed : int, default 0
        Of the simulator.

    Returns
    -------
    Dataset

    Raises
    ------
    ArgumentError
        If there is no such dataset, or `data` is given for one that has no files.
    DataMissingError
        If its files are not found: the message says where they were looked for and what to do.
    DataError, TargetError
        If they hold something that cannot be trained on.

    Examples
    --------
    >>> load("digits").origin
    'scikit-learn'
    """
    known = entry(name).name
    if known in PICTURES and data is not None and holds_labelled_pictures(data):
        return load_labelled_pictures(known, data)
    if known in WITH_FILES:
        return WITH_FILES[known](data, seed)
    if known not in BUILT_IN:
        raise UnsupportedError(f"{known}: npnet can fetch it, but has no reader of it yet")
    if data is not None:
        raise ArgumentError(f"{known} comes with scikit-learn and has no files: leave {data} out")
    return BUILT_IN[known]()

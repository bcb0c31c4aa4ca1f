"""Datasets by name."""

from __future__ import annotations

from pathlib import Path

from npnet.data import digits, galaxies, galaxy_images
from npnet.data.dataset import Dataset
from npnet.data.registry import entry
from npnet.errors import ArgumentError

__all__ = ["load"]


def load(name: str, *, data: str | Path | None = None, seed: int = 0) -> Dataset:
    """Read a dataset.

    Parameters
    ----------
    name : str
        One of :func:`npnet.data.names`.
    data : str or Path, optional
        The folder of its files, or its file.  Without it they are looked for in the folder that
        ``NPNET_DATA`` names, in ``data/`` of a checkout and in the user's cache; ``galaxies`` that is found
        nowhere is simulated.
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
    if known == "galaxies":
        return galaxies.load_galaxies(data, seed)
    if known == "galaxies-sdss":
        return galaxies.load_galaxies_sdss(data)
    if known == "galaxy-images":
        return galaxy_images.load_galaxy_images(data)
    if known == "digits":
        if data is not None:
            raise ArgumentError(f"digits comes with scikit-learn and has no files: leave {data} out")
        return digits.load_digits()
    return digits.load_mnist(known, data)

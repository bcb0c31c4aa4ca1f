"""Colour pictures of galaxies from SDSS, with their classes in Galaxy Zoo 1.

References
----------
Lintott et al. 2008, MNRAS 389, 1179; Lintott et al. 2011, MNRAS 410, 166.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.data.dataset import Dataset, check_targets
from npnet.data.registry import entry, locate
from npnet.errors import DataError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["load_galaxy_images", "read_npz"]

ARRAYS: Mapping[str, tuple[str, Callable[[Array], bool]]] = {
    "images": ("uint8 of shape (N, H, W, 3)", lambda a: a.dtype == np.uint8 and a.shape[3:] == (3,)),
    "labels": ("integers of shape (N,)", lambda a: a.dtype.kind in "iu" and a.ndim == 1),
    "objid": ("integers of shape (N,)", lambda a: a.dtype.kind in "iu" and a.ndim == 1),
    "class_names": ("text of shape (C,)", lambda a: a.dtype.kind == "U" and a.ndim == 1),
}
"""What the file holds: names, and what each array has to be."""


def load_galaxy_images(data: str | Path | None) -> Dataset:
    """1,200 galaxies in 64 by 64 pixels and three colours: elliptical, spiral, edge-on.

    Any other archive of the same arrays is taken too; ``origin`` says whether it is the one that is known.

    Parameters
    ----------
    data : str, Path or None
        The archive or its folder.

    Raises
    ------
    DataMissingError
        If it is not found.
    DataError
        If it cannot be used.
    TargetError
        If a label is none of its classes, or all are the same.
    """
    dataset = entry("galaxy-images")
    path = locate(dataset, data)["pictures"]
    arrays = read_npz(path, ARRAYS)
    images, targets = arrays["images"], arrays["labels"].astype(np.int64)
    class_names = tuple(map(str, arrays["class_names"]))
    for name in ("labels", "objid"):
        if len(arrays[name]) != len(images):
            raise DataError(
                f"{path}: {len(images)} images for {len(arrays[name])} {name}; each image needs one"
            )
    check_targets(targets, len(class_names), str(path))
    known = dataset.files["pictures"].matches(path)
    return Dataset(
        name="galaxy-images",
        inputs=images,
        targets=targets,
        class_names=class_names,
        identifiers=arrays["objid"],
        groups=np.unique(arrays["objid"], return_inverse=True)[1],
        origin=f"{path} ({'the' if known else 'not the'} known checksum)",
    )


def read_npz(path: Path, wanted: Mapping[str, tuple[str, Callable[[Array], bool]]]) -> dict[str, Any]:
    """Read some arrays of an ``.npz`` archive; nothing in it is unpickled.

    Parameters
    ----------
    path : Path
        The file.
    wanted : mapping
        By name: what the array has to be, for people and as a test.

    Raises
    ------
    DataError
        If the file is no such archive or damaged, or an array is missing or something else.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "a.npz", x=np.arange(3))
    ...     read_npz(Path(folder) / "a.npz", {"x": ("a vector", lambda a: a.ndim == 1)})
    {'x': array([0, 1, 2])}
    """
    arrays = {}
    try:
        with path.open("rb") as handle:  # which NumPy would leave open where the archive is damaged
            archive = np.load(handle, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: one array, not an archive (.npz) of {', '.join(wanted)}")
            for name, (kind, fits) in wanted.items():
                if name not in archive.files:
                    raise DataError(f"{path}: no array {name!r}; it holds {', '.join(archive.files)}")
                arrays[name] = array = archive[name]
                if not fits(array):
                    raise DataError(f"{path}: {name} is to be {kind}, got {array.dtype} {array.shape}")
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not an archive of arrays (.npz), or damaged ({error})") from error
    return arrays

"""Pictures to predict: an IDX file, an archive of arrays, or a folder of PNG and JPEG files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.data.galaxy_images import read_npz
from npnet.data.idx import read_idx
from npnet.data.rows import Rows
from npnet.errors import DataError, DataMissingError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["FORMATS", "LABELS", "facts_of", "read_picture", "read_pictures"]

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""By the ending of a file's name, in either case."""

NAMES = ("objid", "identifiers")
"""Arrays of an archive that name its pictures."""

MODES = {2: "L", 3: "RGB"}
"""Pillow's word for grey and for colour, by the axes of a picture."""

LABELS = "labels.csv"
"""Beside pictures, the table of their classes; nothing to predict."""

GREY = ("1", "L")

TAKEN = ("1", "L", "P", "RGB")
"""Kinds of picture that become grey or colour without a decision: no transparency, no 16 bits."""


def read_pictures(path: str | Path, shape: tuple[int, ...]) -> Rows:
    """Read pictures of one shape.

    Parameters
    ----------
    path : str or Path
        An IDX file, gzipped or not; an ``.npz`` archive with an array ``images``; or a folder of PNG or JPEG
        files, taken in the order of their names.
    shape : tuple of int
        ``(H, W)``, or ``(H, W, 3)``: that of the pictures that were trained on.

    Returns
    -------
    Rows
        With ``inputs`` as uint8; of a folder, files that are no such picture are set apart.

    Raises
    ------
    DataMissingError
        If there is no such file or folder.
    DataError
        If it is neither of these, is damaged, or its pictures have another shape.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path, shape)
    if not path.is_file():
        raise DataMissingError(f"{path}: there is no such file or folder of pictures")
    names: dict[str, Array] = {}
    if zipfile.is_zipfile(path):
        images = read_npz(path, {"images": ("uint8", lambda array: array.dtype == np.uint8)})["images"]
        names = _names(path, len(images))
    else:
        images = read_idx(path, ndim=len(shape) + 1)
    if images.shape[1:] != shape:
        raise DataError(f"{path}: pictures of shape {images.shape[1:]}; those trained on were {shape}")
    name = next(iter(names), "")
    return Rows(
        place="image",
        places=list(range(len(images))),
        inputs=images,
        usable=np.ones(len(images), dtype=bool),
        problems=[""] * len(images),
        identifier=name,
        identifiers=[str(each) for each in names[name]] if name else [],
    )


def _names(path: Path, count: int) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as archive:
        held = [name for name in NAMES if name in archive.files]
    fits = {name: (f"a vector of {count}", lambda array: array.shape == (count,)) for name in held}
    return read_npz(path, fits)


def _folder(path: Path, shape: tuple[int, ...]) -> Rows:
    files = sorted(
        file
        for file in path.iterdir()
        if file.is_file() and not file.name.startswith(".") and file.name != LABELS
    )
    if not any(file.suffix.lower() in FORMATS for file in files):
        raise DataError(f"{path}: a folder without PNG or JPEG files")
    pictures, problems = [], []
    for file in files:
        picture, problem = read_picture(file, shape)
        problems.append(problem)
        if picture is not None:
            pictures.append(picture)
    return Rows(
        place="file",
        places=[file.name for file in files],
        inputs=np.array(pictures, dtype=np.uint8).reshape(-1, *shape),
        usable=np.array([not problem for problem in problems]),
        problems=problems,
    )


def read_picture(file: Path, shape: tuple[int, ...]) -> tuple[Any, str]:
    """One picture as uint8, or what is wrong with it; its size is looked at before it is unpacked.

    Parameters
    ----------
    file : Path
        A PNG or JPEG file.
    shape : tuple of int
        ``(H, W)`` for grey, ``(H, W, 3)`` for colour.
    """
    from PIL import Image

    if file.suffix.lower() not in FORMATS:
        return None, "no PNG or JPEG file"
    height, width = shape[:2]
    try:
        with Image.open(file, formats=[FORMATS[file.suffix.lower()]]) as image:
            if image.size != (width, height):
                return None, f"{image.size[0]} x {image.size[1]} pixels; {width} x {height} are needed"
            if image.mode not in TAKEN or "transparency" in image.info:
                return (
                    None,
                    f"a {image.format} of the kind {image.mode}, transparent or of more than 8 bits; grey or "
                    "colour",
                )
            return np.asarray(image.convert(MODES[len(shape)])), ""
    except Exception as error:
        return None, f"not a readable {FORMATS[file.suffix.lower()]} file ({error})"


def facts_of(file: Path) -> tuple[tuple[int, int], bool]:
    """Height and width of a picture, and whether it is in colour.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=[FORMATS[file.suffix.lower()]]) as image:
            return (image.height, image.width), image.mode not in GREY
    except Exception as error:
        raise DataError(f"{file}: not a readable {FORMATS[file.suffix.lower()]} file ({error})") from error

"""A folder of pictures and a table of their classes, in place of a published archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.data.dataset import Dataset, check_targets
from npnet.data.pictures import FORMATS, LABELS, facts_of, read_picture
from npnet.data.tables import filled, read_csv
from npnet.errors import DataError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["holds_labelled_pictures", "load_labelled_pictures"]

IDENTIFIERS = ("file", "filename", "identifier", "id", "objid")
CLASSES = ("class", "label")
"""What the columns may be called, in either case; the first of them that is there counts."""


def holds_labelled_pictures(data: str | Path | None) -> bool:
    """Whether that place is a folder with a table of classes."""
    return data is not None and (Path(data).expanduser() / LABELS).is_file()


def load_labelled_pictures(name: str, folder: str | Path) -> Dataset:
    r"""Read the pictures that ``labels.csv`` of a folder names, grey or colour, all of one size.

    The table has a column ``file`` (or ``filename``, ``identifier``, ``id``, ``objid``), the name of a file
    with or without its ending, and a column ``class`` (or ``label``), any words.  Pictures that are not in
    the table are left alone.  Rows of the same identifier stay on one side of a split.

    Parameters
    ----------
    name : str
        Of the dataset that a recipe asks for.
    folder : str or Path
        With ``labels.csv`` and PNG or JPEG files.

    Returns
    -------
    Dataset
        Without a test part of its own; the classes are in the order of their names, numbers by size.

    Raises
    ------
    DataMissingError
        If there is no such table.
    DataError
        If a column is missing, a cell empty, a picture missing, ambiguous, damaged, or of another size than
        the first.
    TargetError
        If all are of one class.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in "ab":
    ...         Image.new("RGB", (4, 3)).save(Path(folder) / f"{name}.png")
    ...     _ = (Path(folder) / "labels.csv").write_text("id,class\na,spiral\nb,elliptical\n")
    ...     dataset = load_labelled_pictures("galaxy-images", folder)
    >>> dataset.class_names, dataset.targets.tolist(), dataset.inputs.shape
    (('elliptical', 'spiral'), [1, 0], (2, 3, 4, 3))
    """
    place = Path(folder).expanduser()
    table = read_csv(place / LABELS, None, as_text=True)
    columns = {str(column).casefold(): column for column in table.columns}
    cells = []
    for wanted in (IDENTIFIERS, CLASSES):
        found = next((columns[each] for each in wanted if each in columns), None)
        if found is None:
            raise DataError(
                f"{place / LABELS}: no column {' or '.join(map(repr, wanted))}; it has "
                f"{', '.join(map(repr, table.columns))}"
            )
        cells.append(filled(table[found], str(place / LABELS)))
    identifiers, classes = (column.astype(str) for column in cells)
    files = _files(place, identifiers.tolist())
    class_names = sorted(set(classes.tolist()), key=_by_number)
    targets = np.array([class_names.index(each) for each in classes], dtype=np.int64)
    check_targets(targets, len(class_names), str(place / LABELS))
    return Dataset(
        name=name,
        inputs=_pictures(files),
        targets=targets,
        class_names=tuple(class_names),
        identifiers=identifiers,
        groups=np.unique(identifiers, return_inverse=True)[1],
        origin=f"{place} (pictures and {LABELS} of your own)",
    )


def _by_number(word: str) -> tuple[int, str]:
    """So that class 10 comes behind class 9."""
    return (int(word), word) if word.isdecimal() else (-1, word)


def _files(place: Path, identifiers: list[str]) -> list[Path]:
    """The picture of each row."""
    by_name: dict[str, list[Path]] = {}
    for path in sorted(place.iterdir()):
        if path.suffix.lower() in FORMATS and path.is_file():
            for key in (path.name, path.stem):
                by_name.setdefault(key, []).append(path)
    files = []
    for row, identifier in enumerate(identifiers):
        found = by_name.get(identifier, [])
        if len(found) != 1:
            why = (
                f"{', '.join(path.name for path in found)} are all that"
                if found
                else "there is no such picture"
            )
            raise DataError(
                f"{place / LABELS}: row {row + 1} below the header, {identifier!r}: {why} "
                f"(files end in {', '.join(FORMATS)})"
            )
        files.append(found[0])
    return files


def _pictures(files: list[Path]) -> Array:
    """All of them in one array; in colour as soon as one file is."""
    facts = [facts_of(file) for file in files]
    size, colour = facts[0][0], any(each for _, each in facts)
    pictures = []
    for file in files:
        picture, problem = read_picture(file, (*size, 3) if colour else size)
        if picture is None:
            raise DataError(f"{file}: {problem}")
        pictures.append(picture)
    return np.stack(pictures)

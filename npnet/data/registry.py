"""Which datasets there are, and where on this machine their files lie.

The facts stand in ``registry.toml``, which travels with the package: names, sizes and checksums of the
files, the addresses they come from, licence and citation.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import platformdirs

from npnet.errors import ArgumentError, DataError, DataMissingError

__all__ = ["Entry", "Source", "entry", "locate", "names", "search_folders", "where"]

ENVIRONMENT_VARIABLE = "NPNET_DATA"


@dataclass(frozen=True)
class Source:
    """One file of a dataset, as published.

    Parameters
    ----------
    name : str
        Its name.
    size : int
        In bytes.
    checksum : str
        ``"sha256:..."`` or ``"md5:..."``.
    """

    name: str
    size: int
    checksum: str

    def matches(self, path: Path) -> bool:
        """Whether the file at `path` is this one, byte for byte."""
        if path.stat().st_size != self.size:
            return False
        algorithm, _, expected = self.checksum.partition(":")
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, algorithm).hexdigest() == expected


@dataclass(frozen=True)
class Entry:
    """What the registry says of a dataset.

    Parameters
    ----------
    name, title, licence, citation : str
        For people; `name` is also what :func:`npnet.data.load` takes.
    folders : tuple of str
        Where its files lie inside a data folder, besides in it directly.
    sources : tuple of str
        Addresses, the first choice first: of a folder, which ends in ``/`` and to which the name of a file is
        appended, or of the file itself.
    obtain : str
        Where there is no address, how to come by the files.
    files : mapping of str to Source
        Its files by role; none for a dataset that comes with a library.
    """

    name: str
    title: str
    licence: str
    citation: str
    folders: tuple[str, ...]
    sources: tuple[str, ...]
    obtain: str
    files: Mapping[str, Source]

    def addresses(self, source: Source) -> tuple[str, ...]:
        """Where a file can be fetched from, the first choice first."""
        return tuple(base + source.name if base.endswith("/") else base for base in self.sources)


@functools.cache
def _registry() -> dict[str, Entry]:
    text = resources.files("npnet.data").joinpath("registry.toml").read_text(encoding="utf-8")
    return {
        name: Entry(
            name=name,
            title=facts["title"],
            licence=facts["licence"],
            citation=facts["citation"],
            folders=tuple(facts["folders"]),
            sources=tuple(facts["sources"]),
            obtain=facts.get("obtain", ""),
            files={role: Source(**file) for role, file in facts["files"].items()},
        )
        for name, facts in tomllib.loads(text).items()
    }


def names() -> tuple[str, ...]:
    """The datasets that the registry knows.

    Examples
    --------
    >>> {"galaxies", "mnist", "wine"} <= set(names())
    True
    """
    return tuple(_registry())


def entry(name: str) -> Entry:
    """What the registry says of a dataset.

    Raises
    ------
    ArgumentError
        If there is no dataset of that name; the message names the nearest one.

    Examples
    --------
    >>> entry("mnist").licence
    'none stated; usually given as CC BY-SA 3.0'
    """
    if name not in _registry():
        near = difflib.get_close_matches(str(name).lower(), names(), n=1)
        hint = f", did you mean {near[0]!r}?" if near else ";"
        raise ArgumentError(f"unknown dataset {name!r}{hint} the datasets are {', '.join(names())}")
    return _registry()[name]


def search_folders() -> tuple[Path, ...]:
    """Where files are looked for unless a place is named, in that order.

    The folder that the environment variable ``NPNET_DATA`` names, ``data/`` of a checkout, and the user's
    cache.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    root = Path(__file__).resolve().parents[2]
    return (
        *([Path(named).expanduser()] if named else []),
        *([root / "data"] if (root / "pyproject.toml").is_file() else []),
        platformdirs.user_cache_path("npnet"),
    )


def locate(dataset: Entry, data: str | Path | None = None) -> dict[str, Path]:
    """Find the files of a dataset on this machine.

    Parameters
    ----------
    dataset : Entry
        From :func:`entry`.
    data : str, Path or None
        A folder, or the file itself for a dataset of one file.  A place that is named is the only one
        looked at: data from elsewhere would be a surprise.  None means :func:`search_folders`.

    Returns
    -------
    dict of str to Path
        A path for every role, all of them from one folder.

    Raises
    ------
    DataMissingError
        If they are not there; the message says where they were looked for, where they can be had and what
        to do.
    DataError
        If a single file was named for a dataset of several, or what was found belongs to another dataset.
    """
    if data is None:
        places = search_folders()
    else:
        named = Path(data).expanduser()
        if named.is_file():
            return {_only_role(dataset, named): named}
        if not named.exists():
            raise DataMissingError(f"{dataset.name}: there is no file or folder {named}")
        places = (named,)
    folders = [folder for place in places for folder in (*map(place.joinpath, dataset.folders), place)]
    absent = list(dataset.files.values())
    for folder in folders:
        found = {role: _in_folder(folder, source) for role, source in dataset.files.items()}
        paths = {role: path for role, path in found.items() if path is not None}
        if len(paths) == len(found):
            _refuse_files_of_others(dataset, paths)
            return paths
        absent = min(absent, [dataset.files[role] for role in found if role not in paths], key=len)
    raise DataMissingError(_missing(dataset, absent, places))


def where(dataset: Entry) -> dict[str, Path]:
    """The files of a dataset where :func:`locate` finds them on its own; empty where it does not.

    Examples
    --------
    >>> where(entry("digits"))
    {}
    """
    try:
        return locate(dataset) if dataset.files else {}
    except DataError:
        return {}


def _only_role(dataset: Entry, path: Path) -> str:
    if len(dataset.files) != 1:
        wanted = ", ".join(source.name for source in dataset.files.values())
        raise DataError(f"{dataset.name}: {path} is one file; name the folder that holds {wanted}")
    return next(iter(dataset.files))


def _in_folder(folder: Path, source: Source) -> Path | None:
    """The file as published, or unzipped."""
    for name in (source.name, source.name.removesuffix(".gz")):
        if (folder / name).is_file():
            return folder / name
    return None


def _refuse_files_of_others(dataset: Entry, paths: Mapping[str, Path]) -> None:
    """Catch the files of one dataset lying where another's were looked for, under the same names."""
    for other, source in _files_of_others(dataset):
        for path in paths.values():
            if path.name == source.name and source.matches(path):
                raise DataError(f"{dataset.name}: {path} is a file of {other.name}; name another folder")


def _files_of_others(dataset: Entry) -> Iterator[tuple[Entry, Source]]:
    for other in _registry().values():
        if other.name != dataset.name:
            for source in other.files.values():
                yield other, source


def _missing(dataset: Entry, absent: Sequence[Source], places: Sequence[Path]) -> str:
    inside = ", ".join(f"{folder}/" for folder in dataset.folders)
    addresses = "; ".join(" or ".join(dataset.addresses(source)) for source in absent if dataset.sources)
    return (
        f"{dataset.name}: {', '.join(source.name for source in absent)} not found in "
        f"{', '.join(map(str, places))} (nor in {inside} there). "
        f"{f'To be had from {addresses}.' if addresses else 'No public address of it is known.'} "
        f"{f'Fetch it with: npnet data fetch {dataset.name}; or put' if addresses else 'Put'} it there, set "
        f"{ENVIRONMENT_VARIABLE} to the folder that holds it, or name it with --data"
    )

"""Fetch the files of a dataset: mirrors in turn, every byte checked before a file has its name.

pooch does the transfer.  A file is written aside, compared with the registry's checksum, and only then
renamed: what a transfer that was cut off leaves behind is never read, and is removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from npnet._version import __version__
from npnet.data.registry import Entry, Source, entry, search_folders
from npnet.errors import DataMissingError, FetchError, OutputError
from npnet.folders import make_folder, remove_empty

__all__ = ["fetch"]

TIMEOUT = 30.0
"""Seconds without a byte after which a server has stalled."""

Progress = Callable[[Source, int], None]
"""Told of a file and of how many of its bytes have come so far."""


def fetch(
    name: str,
    folder: str | Path | None = None,
    *,
    timeout: float = TIMEOUT,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Fetch the files of a dataset that are not there yet.

    Parameters
    ----------
    name : str
        A dataset of :func:`npnet.data.registry.names`.
    folder : str or Path, optional
        The data folder; the files go into the dataset's own folder inside it.  None takes the first place
        that :func:`npnet.data.load` looks at: the folder that ``NPNET_DATA`` names, else ``data/`` of a
        checkout, else the user's cache.
    timeout : float, keyword-only
        Seconds without a byte after which the next mirror is tried.
    progress : callable, keyword-only, optional
        ``progress(source, done)`` is called as bytes come in.

    Returns
    -------
    dict of str to Path
        The files by role; none for a dataset that comes with a library.

    Raises
    ------
    ArgumentError
        If there is no such dataset.
    DataMissingError
        If no public address of its files is known; the message says how to come by them, and where to.
    FetchError
        If no mirror gave a file: the message says what each did.  Files that were fetched before it stay.
    OutputError
        If the folder cannot be written to, or holds another file of that name; it is left as it is.
    """
    dataset = entry(name)
    if not dataset.files:
        return {}
    place = Path(folder).expanduser() if folder is not None else search_folders()[0]
    inside = place / dataset.folders[0]
    return {role: _have(dataset, file, inside, timeout, progress) for role, file in dataset.files.items()}


def _have(dataset: Entry, source: Source, folder: Path, timeout: float, progress: Progress | None) -> Path:
    """The path of a file, fetched unless it is there."""
    path = folder / source.name
    if path.exists():
        if source.matches(path):
            return path
        raise OutputError(
            f"{path} is not the published file ({path.stat().st_size} bytes, published are {source.size}): "
            "it is left as it is; move it away, or fetch into another folder"
        )
    if not dataset.sources:
        raise DataMissingError(
            f"{dataset.name}: no public address of {source.name} is known. {dataset.obtain} "
            f"Put it into {folder}"
        )
    try:
        made = make_folder(folder)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    failures = []
    try:
        for address in dataset.addresses(source):
            failure = _transfer(address, source, path, timeout, progress)
            if failure is None:
                return path
            failures.append(f"{urlsplit(address).netloc}: {failure}")
    finally:
        remove_empty(made)  # where no file came to lie in it
    raise FetchError(
        f"{dataset.name}: {source.name} could not be fetched ({'; '.join(failures)}); "
        f"try again later, or put the file into {folder} yourself"
    )


def _transfer(
    address: str, source: Source, path: Path, timeout: float, progress: Progress | None
) -> str | None:
    """Fetch from one address; returns what went wrong, None if nothing did."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")  # it would tell people of every file
    counted = _Counted(source, progress)
    headers = {"User-Agent": f"npnet/{__version__}", "Accept-Encoding": "identity"}
    transfer = pooch.HTTPDownloader(timeout=timeout, chunk_size=1 << 16, headers=headers)

    def download(url: str, aside: str, _: Any) -> None:
        with open(aside, "wb") as counted.file:
            transfer(url, counted, None)
        if counted.done != source.size:
            raise ValueError

    try:
        pooch.retrieve(address, source.checksum, path.name, path.parent, downloader=download)
    except requests.exceptions.RequestException as error:
        return _reason(error, counted, timeout)
    except ValueError:  # pooch's, of a wrong checksum; ours, of a wrong size
        return counted.what_else()
    except OSError as error:
        raise OutputError(f"cannot write to {path.parent}: {error.strerror or error}") from error
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # a file written aside is its owner's alone
    return None


class _Counted:
    """A file that takes no more bytes than were published, and remembers how it began."""

    file: BinaryIO

    def __init__(self, source: Source, progress: Progress | None) -> None:
        self.source = source
        self.progress = progress
        self.done = 0
        self.beginning = b""

    def write(self, chunk: bytes) -> None:
        self.beginning = self.beginning or chunk[:256]
        self.done += len(chunk)
        if self.done > self.source.size:
            raise ValueError
        self.file.write(chunk)
        if self.progress is not None:
            self.progress(self.source, self.done)

    def flush(self) -> None:
        self.file.flush()

    def what_else(self) -> str:
        """What came in place of the file."""
        if self.beginning.lstrip().lower().startswith((b"<!doctype html", b"<html")):
            return "a web page in place of the file"
        if self.done > self.source.size:
            return f"another file, of more than the published {self.source.size} bytes"
        if self.done < self.source.size:
            return f"another file, of {self.done} bytes where {self.source.size} are published"
        return "another file of the same size, its checksum is not the published one"


def _reason(error: Exception, counted: _Counted, timeout: float) -> str:
    """What went wrong in a transfer, for people."""
    import requests

    if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return f"no answer for {timeout:g} s, after {counted.done} of {counted.source.size} bytes"
    if counted.done:
        return f"the transfer was cut off after {counted.done} of {counted.source.size} bytes"
    return "no connection"

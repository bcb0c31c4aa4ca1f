"""Folders that are made for what is to be written, and taken away again where nothing was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["make_folder", "remove_empty"]


def make_folder(path: Path) -> tuple[Path, ...]:
    """Make a folder and those above it, as far as they are not there.

    Returns
    -------
    tuple of Path
        Those that were made, the innermost first.

    Raises
    ------
    OSError
        If it cannot be made; none is left behind then.
    """
    missing = tuple(each for each in (path, *path.parents) if not each.exists())
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty(each for each in missing if each.is_dir())
        raise
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Take folders away, the innermost first, up to the first one that something lies in."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return

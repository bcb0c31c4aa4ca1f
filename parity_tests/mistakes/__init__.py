"""Planted mistakes: each is applied alone, in a copy of the tree, and a test must notice it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Mistake"]


class Mistake(NamedTuple):
    """One wrong edit, and the test that must fail under it."""

    name: str
    """What is wrong, in a few words."""
    file: str
    """The file, from the root of the repository."""
    old: str
    """Text that stands in the file exactly once."""
    new: str
    """What it is replaced by."""
    test: str
    """Path or node id that pytest must see fail."""

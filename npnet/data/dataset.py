"""What every dataset of npnet looks like once it is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from npnet.errors import ShapeError, TargetError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["Dataset", "check_targets"]


@dataclass(frozen=True)
class Dataset:
    """Labelled rows, as they were read: features and splits are made from it, never stored in it.

    Parameters
    ----------
    name : str
        What :func:`npnet.data.load` calls it.
    inputs : pandas.DataFrame or ndarray
        A table of numbers, or images as uint8 of shape ``(N, H, W)`` or ``(N, H, W, C)``.
    targets : ndarray
        Classes ``0 ... C - 1``, int64 of shape ``(N,)``; or numbers, floating, of shape ``(N,)`` or
        ``(N, k)``.
    class_names : tuple of str
        What the classes mean, in that order; empty where the targets are numbers.
    identifiers : ndarray
        A name for each row, as the source has it; not always unique.
    groups : ndarray or None
        Rows of one group describe one object: a split keeps them on one side.
    held_out : ndarray or None
        True where the source itself set the row aside for testing.
    simulated : bool
        Whether the rows were drawn by a simulator and not observed.
    origin : str
        Where the rows come from, in one line for people.
    ceiling : float or None
        For simulated rows, the best accuracy that the generating model allows.
    target_names : tuple of str
        What the `k` numbers a row are; empty for classes.
    unit : str
        Of the numbers, for people; empty where they have none.
    season : int or None
        For a series, whose rows follow one another in time: how many steps a period has.

    Raises
    ------
    ShapeError
        If the parts have different numbers of rows, or there is not one target name for each number a row.
    TargetError
        If a target is no class, or all of them are the same; or if a number is not finite.

    Examples
    --------
    >>> import npnet.data
    >>> digits = npnet.data.load("digits")
    >>> len(digits), digits.inputs.shape, digits.class_names[:3]
    (1797, (1797, 64), ('0', '1', '2'))
    """

    name: str
    inputs: pd.DataFrame | Array
    targets: Array
    class_names: tuple[str, ...]
    identifiers: Array
    groups: Array | None = None
    held_out: Array | None = None
    simulated: bool = False
    origin: str = ""
    ceiling: float | None = None
    target_names: tuple[str, ...] = ()
    unit: str = ""
    season: int | None = None

    def __post_init__(self) -> None:
        for part in ("inputs", "identifiers", "groups", "held_out"):
            rows = getattr(self, part)
            if rows is not None and len(rows) != len(self.targets):
                raise ShapeError(
                    f"dataset {self.name!r}: {len(rows)} rows of {part} for {len(self.targets)} targets; "
                    "each row needs one of each"
                )
        if self.class_names:
            check_targets(self.targets, len(self.class_names), self.origin or self.name)
        else:
            self._check_numbers()

    def _check_numbers(self) -> None:
        columns = self.targets.shape[1:] or (1,)
        if self.targets.dtype.kind != "f" or columns != (len(self.target_names),):
            raise ShapeError(
                f"dataset {self.name!r}: targets {self.targets.dtype} of shape {self.targets.shape} with "
                f"{len(self.target_names)} target names and no class names; numbers are floating, one a name"
            )
        wrong = np.flatnonzero(~np.isfinite(self.targets.reshape(len(self), -1)).all(axis=1))
        if wrong.size or not len(self):
            what = f"the target in row {wrong[0]} is not finite" if wrong.size else "no targets at all"
            raise TargetError(f"{self.origin or self.name}: {what}")

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def strata(self) -> Array:
        """What a split keeps in equal shares: the classes; numbers are all of one kind."""
        return self.targets if self.class_names else np.zeros(len(self), dtype=np.int64)


def check_targets(targets: Array, n_classes: int, source: str) -> None:
    """Refuse labels that no classifier can be trained on.

    Parameters
    ----------
    targets : ndarray of int, shape (N,)
        The labels.
    n_classes : int
        They should lie in ``0 ... n_classes - 1``.
    source : str
        Where they come from, for the message.

    Raises
    ------
    TargetError
        If there are none, one lies outside that range, or all are the same.

    Examples
    --------
    >>> check_targets(np.array([0, 2, 1]), 3, "labels.csv")
    """
    if targets.size == 0:
        raise TargetError(f"{source}: no labels at all")
    wrong = np.flatnonzero((targets < 0) | (targets >= n_classes))
    if wrong.size:
        first = int(wrong[0])
        raise TargetError(
            f"{source}: label {int(targets[first])} in row {first} lies outside 0 ... {n_classes - 1}"
            f" ({wrong.size} such label{'s' if wrong.size > 1 else ''})"
        )
    if np.all(targets == targets.flat[0]):
        raise TargetError(
            f"{source}: all {targets.size} labels are {int(targets.flat[0])}; "
            "a classifier needs at least two classes"
        )

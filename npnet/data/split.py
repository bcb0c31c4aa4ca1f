"""Which rows train, which choose the epoch, which are the test: stratified, seeded, without leaks.

scikit-learn's splitters do the work.  They are seeded with integers drawn from npnet's ``split`` stream,
on the host, so a split is the same on every backend.  A group of rows that describe one object is one unit
of the split: it goes to one side whole, and counts once, with the class that most of its rows have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npnet.errors import ArgumentError, ShapeError
from npnet.random import resolve

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["Split", "chronological_split", "stratified_folds", "stratified_split"]


class Split(NamedTuple):
    """Row numbers of the three parts, each in ascending order."""

    train: Array
    validation: Array
    test: Array


def stratified_split(
    targets: Array,
    validation: float,
    test: float | None = None,
    *,
    groups: Array | None = None,
    held_out: Array | None = None,
    generator: Any = None,
) -> Split:
    """Split rows into training, validation and test part, each with the classes in equal shares.

    Parameters
    ----------
    targets : ndarray of int, shape (N,)
        The classes.
    validation : float
        Share of the rows for validation, of all but the held-out ones; 0 for none.
    test : float, optional
        Share of the rows for the test; 0 for none.  None means the `held_out` rows.
    groups : ndarray, shape (N,), optional
        Rows with the same entry stay on one side; the shares are then shares of the groups.
    held_out : ndarray of bool, shape (N,), optional
        Rows that the source itself set aside for testing.
    generator : npnet.random.Generator, optional
        None takes the ``split`` stream.

    Returns
    -------
    Split
        Row numbers ``train``, ``validation``, ``test``.

    Raises
    ------
    ArgumentError
        If a share is not in :math:`[0, 1)` or nothing is left to train on, if both `test` and `held_out` are
        given or neither, if a class has fewer members than there are parts, if a part would be smaller than
        the number of classes, or if a group lies on both sides of `held_out`.
    ShapeError
        If `groups` or `held_out` do not fit `targets`.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> split = stratified_split(np.repeat([0, 1], [60, 40]), 0.2, 0.2, generator=Generator(0))
    >>> [len(part) for part in split], np.bincount(np.repeat([0, 1], [60, 40])[split.test]).tolist()
    ([60, 20, 20], [12, 8])
    """
    _check_share("validation", validation)
    if test is not None:
        _check_share("test", test)
    if (test is None) == (held_out is None):
        raise ArgumentError(
            "the dataset has no test part of its own: give the share of rows to test on, such as test = 0.2"
            if test is None
            else f"the dataset brings its own test part: leave test = {test:g} out (--set data.test=none)"
        )
    units = _Units(targets, groups)
    rest = np.arange(len(units.classes))
    if held_out is not None:
        tested = units.mask(held_out)
        rest, chosen = rest[~tested], rest[tested]
        counts = {"validation": round(validation * len(rest))}
    else:
        counts = {"test": round((test or 0.0) * len(rest)), "validation": round(validation * len(rest))}
    _check_counts(units.classes[rest], counts)
    generator = resolve(generator, "split")
    if held_out is None:
        rest, chosen = _cut(units.classes, rest, counts["test"], generator)
    rest, validating = _cut(units.classes, rest, counts["validation"], generator)
    return Split(units.rows(rest), units.rows(validating), units.rows(chosen))


def stratified_folds(
    targets: Array, n_splits: int = 5, *, groups: Array | None = None, generator: Any = None
) -> list[tuple[Array, Array]]:
    """Cut rows into `n_splits` folds with the classes in equal shares.

    Parameters
    ----------
    targets : ndarray of int, shape (N,)
        The classes.
    n_splits : int, default 5
        Number of folds, at least 2.
    groups : ndarray, shape (N,), optional
        Rows with the same entry stay in one fold.
    generator : npnet.random.Generator, optional
        None takes the ``split`` stream.

    Returns
    -------
    list of (ndarray, ndarray)
        Row numbers to train on and to test on, one pair a fold; every row is tested on once.

    Raises
    ------
    ArgumentError
        If there are fewer than two folds, or a class has fewer members than there are folds.
    ShapeError
        If `groups` does not fit `targets`.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> folds = stratified_folds(np.repeat([0, 1], [6, 3]), 3, generator=Generator(0))
    >>> [(len(train), len(test)) for train, test in folds]
    [(6, 3), (6, 3), (6, 3)]
    """
    from sklearn.model_selection import StratifiedKFold

    if n_splits < 2:
        raise ArgumentError(f"cross-validation needs at least 2 folds, got {n_splits}")
    units = _Units(targets, groups)
    _check_members(units.classes, n_splits, "folds")
    splitter = StratifiedKFold(n_splits, shuffle=True, random_state=_seed(resolve(generator, "split")))
    folds = splitter.split(units.classes, units.classes)
    return [(units.rows(train), units.rows(test)) for train, test in folds]


def chronological_split(n: int, validation: float, test: float | None = None, *, reach: int = 0) -> Split:
    """Cut a series in time: the earliest rows train, later ones choose the epoch, the last ones are the test.

    Parameters
    ----------
    n : int
        Number of rows, which follow one another in time.
    validation, test : float
        Shares of the rows; 0 (for `test` also None) for none.
    reach : int, default 0
        How many rows before its own a row looks at.  The first `reach` rows of each part are left out, so
        that no row looks into another part.

    Raises
    ------
    ArgumentError
        If a share is not in :math:`[0, 1)`, or a part has no row left.

    Examples
    --------
    >>> [part.tolist() for part in chronological_split(10, 0.3, 0.3, reach=2)]
    [[2, 3], [6], [9]]
    """
    _check_share("validation", validation)
    _check_share("test", test or 0.0)
    counts = [round(validation * n), round((test or 0.0) * n)]
    ends = np.cumsum([n - sum(counts), *counts])
    parts = []
    for name, size, end in zip(Split._fields, (n - sum(counts), *counts), ends, strict=True):
        if name == "train":
            _check_room(size, n)
        if name == "train" or size:
            if size <= reach:
                raise ArgumentError(
                    f"the {name} part has {size} of {n} rows, and a row looks back over {reach}: "
                    "take shorter windows, or another share"
                )
            parts.append(np.arange(end - size + reach, end))
        else:
            parts.append(np.arange(0))
    return Split(*parts)


class _Units:
    """What is dealt out: the groups, or the rows where there are none.

    ``classes`` holds the class of each unit, ``number`` the unit of each row.
    """

    def __init__(self, targets: Array, groups: Array | None) -> None:
        targets = np.asarray(targets)
        if groups is None:
            self.number, self.classes = np.arange(len(targets)), targets
            return
        _check_length("groups", groups, targets)
        names, self.number = np.unique(groups, return_inverse=True)
        members = np.zeros((len(names), int(targets.max(initial=0)) + 1), dtype=np.int64)
        np.add.at(members, (self.number, targets), 1)
        self.classes = members.argmax(axis=1)

    def rows(self, chosen: Array) -> Array:
        """The rows of the chosen units, in ascending order."""
        return np.flatnonzero(np.isin(self.number, chosen))

    def mask(self, rows: Array) -> Array:
        """A mask of rows as a mask of units."""
        _check_length("held_out", rows, self.number)
        among = np.bincount(self.number, weights=rows, minlength=len(self.classes))
        size = np.bincount(self.number, minlength=len(self.classes))
        if np.any((among > 0) & (among < size)):
            raise ArgumentError("a group has rows both inside and outside of the held-out test part")
        return among > 0


def _cut(classes: Array, units: Array, count: int, generator: Any) -> tuple[Array, Array]:
    """Take `count` of the units away, stratified; returns those left and those taken."""
    from sklearn.model_selection import StratifiedShuffleSplit

    if count == 0:
        return units, units[:0]
    splitter = StratifiedShuffleSplit(1, test_size=count, random_state=_seed(generator))
    left, taken = next(splitter.split(units, classes[units]))
    return units[left], units[taken]


def _seed(generator: Any) -> int:
    """A seed as scikit-learn takes it: 32 bits."""
    return int(generator.random_()) % 2**32


def _check_share(name: str, share: float) -> None:
    if not 0.0 <= share < 1.0:
        raise ArgumentError(f"{name} is a share of the rows, from 0 up to but not including 1, got {share}")


def _check_length(name: str, values: Array, rows: Array) -> None:
    if np.shape(values) != (len(rows),):
        raise ShapeError(
            f"{name} has shape {np.shape(values)} for {len(rows)} rows; it needs one entry a row"
        )


def _check_room(train: int, n: int) -> None:
    """Refuse shares that leave nothing to train on."""
    if train <= 0:
        raise ArgumentError(
            f"the shares for validation and test take all {n} rows, and leave none to train on: "
            "take smaller ones (data.validation, data.test)"
        )


def _check_counts(classes: Array, counts: dict[str, int]) -> None:
    """Refuse parts that cannot hold one member of every class."""
    n, n_classes = len(classes), len(np.unique(classes))
    sizes = {"training": n - sum(counts.values()), **{part: size for part, size in counts.items() if size}}
    _check_room(sizes["training"], n)
    smallest = min(sizes, key=sizes.__getitem__)
    if sizes[smallest] < n_classes:
        raise ArgumentError(
            f"these shares give the {smallest} part {sizes[smallest]} of {n} rows; "
            f"each part needs at least one row for each of {n_classes} classes: take other shares "
            "(data.validation, data.test)"
        )
    _check_members(classes, len(sizes), "parts")


def _check_members(classes: Array, parts: int, word: str) -> None:
    values, members = np.unique(classes, return_counts=True)
    rare = int(members.argmin())
    if members[rare] < parts:
        raise ArgumentError(
            f"class {values[rare]} has {members[rare]} members for {parts} {word}; it needs one for each"
        )

"""From what a dataset holds to what a network takes: float32, fitted on the training part alone.

Every class here has ``fit``, ``transform``, ``state``, ``from_state`` and the attribute ``feature_names``.
What fitting learned is names and arrays; they are all that ``transform`` uses, so features that come back
from a file give the very same numbers.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from npnet.data.tables import check_columns
from npnet.errors import ArgumentError, DataError, StateError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = [
    "Features",
    "Standardized",
    "StandardizedTable",
    "features_class",
    "features_from_state",
    "finite_columns",
    "make_features",
]


class Features(ABC):
    """What turns the inputs of a dataset into float32: a row ``(d,)``, a picture or a window for each."""

    kind: ClassVar[str]
    """What recipes and :meth:`state` call it."""

    feature_names: tuple[str, ...] = ()
    """What the numbers of one row are; empty before :meth:`fit`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what :meth:`transform` makes of one row."""
        return (len(self.feature_names),)

    @property
    def reach(self) -> int:
        """How many rows before its own a row looks at; 0 where rows do not follow one another."""
        return 0

    @property
    def horizon(self) -> int:
        """How many steps before its own the latest row is that a row looks at; 0 for its own."""
        return 0

    @abstractmethod
    def fit(self, inputs: Any, targets: Array) -> Self:
        """Learn from the training part; returns the features themselves."""

    @abstractmethod
    def transform(self, inputs: Any) -> Array:
        """What the network takes, float32 of shape ``(n, *shape)``."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What :meth:`fit` learned: strings, numbers, lists of them, and arrays."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make the features again from what :meth:`state` returned."""

    @property
    def input_columns(self) -> tuple[str, ...]:
        """The columns of a table that :meth:`transform` looks at; none where inputs are no table."""
        return ()

    takes_missing: ClassVar[bool] = False
    """Whether NaN in a table stands for a missing value."""

    def _check_fitted(self) -> None:
        if not self.feature_names:
            raise StateError(f"{type(self).__name__} is not fitted: call fit with the training part first")


class Standardized(Features):
    r"""Columns of a table, each shifted and scaled: :math:`y_j = (x_j - \mu_j) / \sigma_j`.

    A subclass says what the columns :math:`x` are, by name, and how they are learned; the mean
    :math:`\mu` and the standard deviation :math:`\sigma` over the training part are kept in float64.
    """

    def __init__(self) -> None:
        self.mean: Array = np.empty(0)
        self.scale: Array = np.empty(0)

    @abstractmethod
    def _columns(self, inputs: Any) -> Array:
        """The columns :attr:`feature_names` before they are standardised, float64."""

    def transform(self, inputs: Any) -> Array:
        """The standardised columns, float32 of shape ``(n, d)``.

        Raises
        ------
        StateError
            If the features are not fitted.
        DataError
            If a column is missing, or a value is not finite.
        """
        self._check_fitted()
        columns: Array = (self._columns(inputs) - self.mean) / self.scale
        return columns.astype(np.float32)

    def state(self) -> dict[str, Any]:
        """Kind, names, means and scales."""
        self._check_fitted()
        return {
            "kind": self.kind,
            "feature_names": list(self.feature_names),
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make the features again from what :meth:`state` returned.

        Raises
        ------
        StateError
            If it is not the state of such features.
        """
        try:
            features = cls._blank(state)
            features._load(state)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"not the state of {cls.kind!r} features: {error!r}") from error
        return features

    @classmethod
    def _blank(cls, state: Mapping[str, Any]) -> Self:
        """Such features before they have learned anything."""
        return cls()

    def _load(self, state: Mapping[str, Any]) -> None:
        if state["kind"] != self.kind:
            raise ValueError(f"its kind is {state['kind']!r}")
        names = tuple(map(str, state["feature_names"]))
        self.mean, self.scale = (np.asarray(state[key], np.float64) for key in ("mean", "scale"))
        if not names or not self.mean.shape == self.scale.shape == (len(names),):
            raise ValueError(f"{len(names)} names, means {self.mean.shape}, scales {self.scale.shape}")
        self.feature_names = names


class StandardizedTable(Standardized):
    """The columns of a table as they are, standardised by scikit-learn's ``StandardScaler``.

    A column that is constant over the training part is shifted only.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"a": [1.0, 3.0], "b": [5.0, 5.0]})
    >>> features = StandardizedTable().fit(table, np.array([0, 1]))
    >>> features.transform(table)
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    """

    kind = "table"

    def fit(self, inputs: pd.DataFrame, targets: Array) -> Self:
        """Learn mean and scale of every column; `targets` plays no part.

        Raises
        ------
        DataError
            If a value is not finite.
        """
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(finite_columns(inputs, list(inputs.columns)))
        self.mean, self.scale = scaler.mean_, scaler.scale_
        self.feature_names = tuple(map(str, inputs.columns))
        return self

    @property
    def input_columns(self) -> tuple[str, ...]:
        """The features themselves."""
        return self.feature_names

    def _columns(self, inputs: pd.DataFrame) -> Array:
        return finite_columns(inputs, self.feature_names)


def finite_columns(table: pd.DataFrame, names: Any, *, missing: bool = False) -> Array:
    """Some columns of a table as float64, refused unless finite; `missing` lets NaN pass.

    Raises
    ------
    DataError
        If one is not there, or a value is not finite.
    """
    check_columns(names, [str(name) for name in table.columns], "features")
    columns = table[list(names)].to_numpy(dtype=np.float64)
    wrong = np.argwhere(np.isinf(columns) if missing else ~np.isfinite(columns))
    if len(wrong):
        row, column = map(int, wrong[0])
        raise DataError(f"features: row {row}, column {names[column]!r} is {columns[row, column]}")
    return columns


_HOMES = {
    "table": ("npnet.data.features", "StandardizedTable"),
    "images": ("npnet.data.standardized_images", "StandardizedImages"),
    "votes": ("npnet.data.votes", "VoteProducts"),
    "photometry": ("npnet.data.photometry", "Photometry"),
    "windows": ("npnet.data.windows", "Windows"),
}
"""Module and class by kind; imported on use, since scikit-learn is heavy and images do without."""


def _class_of(kind: str) -> type[Features]:
    module, name = _HOMES[kind]
    cls: type[Features] = getattr(importlib.import_module(module), name)
    return cls


def features_class(kind: str) -> type[Features]:
    """The class of a kind of features.

    Raises
    ------
    ArgumentError
        If there are none of that name.

    Examples
    --------
    >>> features_class("table").__name__
    'StandardizedTable'
    """
    if kind not in _HOMES:
        raise ArgumentError(f"unknown features {kind!r}; there are {', '.join(map(repr, _HOMES))}")
    return _class_of(kind)


def make_features(kind: str, **options: Any) -> Features:
    """Features by the name that recipes use.

    Parameters
    ----------
    kind : {"table", "images", "votes", "photometry", "windows"}
        Which ones.
    **options
        Passed on to the class.

    Raises
    ------
    ArgumentError
        If there are none of that name, or they do not take these options.

    Examples
    --------
    >>> make_features("images").kind
    'images'
    """
    cls = features_class(kind)
    try:
        return cls(**options)
    except TypeError as error:
        raise ArgumentError(f"features {kind!r}: {error}") from error


def features_from_state(state: Mapping[str, Any]) -> Features:
    """Make features again from what their ``state()`` returned.

    Raises
    ------
    StateError
        If it is the state of none.

    Examples
    --------
    >>> images = np.array([[[0, 2]], [[4, 2]]], dtype=np.uint8)
    >>> fitted = make_features("images").fit(images, np.array([0, 1]))
    >>> bool((features_from_state(fitted.state()).transform(images) == fitted.transform(images)).all())
    True
    """
    kind = state.get("kind")
    if kind not in _HOMES:
        known = ", ".join(map(repr, _HOMES))
        raise StateError(f"not the state of features: its kind is {kind!r}; there are {known}")
    return _class_of(str(kind)).from_state(state)

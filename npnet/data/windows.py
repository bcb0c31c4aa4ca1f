"""Windows of a series: what a forecast of one step may look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from npnet.data.features import Standardized, StandardizedTable
from npnet.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["Windows"]


class Windows(Standardized):
    r"""The numbers up to `horizon` steps before each row, standardised, the latest one last.

    Row :math:`t` becomes :math:`x_{t-h-l+1}, \dots, x_{t-h}`, of shape ``(l, columns)``, for length
    :math:`l` and horizon :math:`h`.  It reaches back over :math:`l + h - 1` rows; the first rows of a table,
    which have no such past, are NaN, and a split by time leaves them out.  Mean and scale are those of the
    rows that :meth:`fit` sees.

    Parameters
    ----------
    length : int
        Steps in a window.
    horizon : int, default 1
        How many steps ahead the forecast is.

    Raises
    ------
    ArgumentError
        If one of them is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"x": [1.0, 3.0, 1.0, 3.0]})
    >>> features = Windows(length=2).fit(table, np.zeros(4))
    >>> features.transform(table)[:, :, 0]
    array([[nan, nan],
           [nan, nan],
           [-1.,  1.],
           [ 1., -1.]], dtype=float32)
    >>> features.reach
    2
    """

    kind = "windows"

    def __init__(self, length: int, horizon: int = 1) -> None:
        super().__init__()
        for name, value in (("length", length), ("horizon", horizon)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ArgumentError(f"windows: {name} must be a whole number, 1 or more, got {value!r}")
        self.length, self._horizon = length, horizon
        self._series = StandardizedTable()

    @property
    def horizon(self) -> int:
        """How many steps ahead the forecast is."""
        return self._horizon

    @property
    def reach(self) -> int:
        """How many rows before its own a row looks at."""
        return self.length + self.horizon - 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Steps and columns."""
        return (self.length, len(self._series.feature_names))

    def fit(self, inputs: pd.DataFrame, targets: Array) -> Self:
        """Learn mean and scale of every column; `targets` plays no part.

        Raises
        ------
        DataError
            If a value is not finite.
        """
        self._take(self._series.fit(inputs, targets))
        return self

    def _take(self, series: StandardizedTable) -> None:
        self._series, self.mean, self.scale = series, series.mean, series.scale
        lags = range(self.reach, self.horizon - 1, -1)
        self.feature_names = tuple(f"{name}, {lag} before" for lag in lags for name in series.feature_names)

    def _columns(self, inputs: Any) -> Array:
        return self._series._columns(inputs)

    def transform(self, inputs: pd.DataFrame) -> Array:
        """The windows, float32 of shape ``(n, length, columns)``.

        Parameters
        ----------
        inputs : DataFrame
            Rows that follow one another in time.

        Raises
        ------
        StateError
            If the features are not fitted.
        DataError
            If a column is missing, or a value is not finite.
        """
        values = super().transform(inputs)
        windows = np.full((len(values), *self.shape), np.nan, np.float32)
        if len(values) > self.reach:
            past = values[: len(values) - self.horizon]
            slid = np.lib.stride_tricks.sliding_window_view(past, self.length, axis=0)
            windows[self.reach :] = np.moveaxis(slid, -1, 1)
        return windows

    def state(self) -> dict[str, Any]:
        """Kind, names of the columns, means and scales, length and horizon."""
        return {**self._series.state(), "kind": self.kind, "length": self.length, "horizon": self.horizon}

    @classmethod
    def _blank(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["length"], state["horizon"])

    def _load(self, state: Mapping[str, Any]) -> None:
        if state["kind"] != self.kind:
            raise ValueError(f"its kind is {state['kind']!r}")
        series = StandardizedTable()
        series._load({**state, "kind": series.kind})
        self._take(series)

"""What a forecast of a series is compared with, and the picture of it.

============ ==================================================
name         what it says of step :math:`t`, :math:`h` ahead
============ ==================================================
persistence  :math:`x_{t-h}`: nothing changes
seasonal     :math:`x_{t-s}`: as one season (or more) ago
============ ==================================================

Both know only what the network may know.  A network that is not better than them has learned nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.training.figures import caption, new_figure
from npnet.training.metrics import MAE, Measure, score_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from npnet.backend import Array

__all__ = ["forecast_figure", "reference_forecasts", "score_forecasts"]

SHOWN = 400
"""So many steps at the end are drawn at most; more would be a black band."""

COLOURS = {"network": "#1f6fb4", "persistence": "#d1602b", "seasonal": "#4a8f3c"}


def reference_forecasts(series: Array, rows: Array, horizon: int, season: int) -> dict[str, Array]:
    """What the simple forecasts say of some rows.

    Parameters
    ----------
    series : ndarray, shape (N,)
        All of it.
    rows : ndarray of int
        Those that are forecast.
    horizon : int
        How many steps ahead.
    season : int
        Steps in a period; the seasonal forecast looks back over the fewest whole ones that reach `horizon`.

    Returns
    -------
    dict of str to ndarray
        ``persistence`` and ``seasonal``; one that would look back beyond the first row is left out.

    Examples
    --------
    >>> reference_forecasts(np.array([3.0, 1.0, 4.0, 1.0, 5.0]), np.array([3, 4]), horizon=1, season=2)
    {'persistence': array([4., 1.]), 'seasonal': array([1., 4.])}
    """
    lags = {"persistence": horizon, "seasonal": season * math.ceil(horizon / season)}
    return {name: series[rows - lag] for name, lag in lags.items() if len(rows) and rows.min() >= lag}


def score_forecasts(true: Array, forecasts: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """The measures of each forecast, in the data's own units.

    Examples
    --------
    >>> scores = score_forecasts(np.array([1.0, 5.0]), {"persistence": np.array([4.0, 1.0])})
    >>> scores["persistence"]["mae"]
    3.5
    """
    return {name: score_values(true[:, None], said[:, None]) for name, said in forecasts.items()}


def forecast_figure(
    times: Array,
    true: Array,
    forecasts: Mapping[str, Array],
    name: str,
    unit: str,
    title: str,
    note: str,
    *,
    measure: Measure = MAE,
) -> Figure:
    """The series and what the network says of it, and under it the errors of all forecasts side by side.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Years or days.
    true : ndarray, shape (n,)
    forecasts : mapping of str to ndarray
        The network's first.
    name, unit : str
        Of the numbers.
    title, note : str
        Over and under the panels.
    measure : Measure, keyword-only
        Which error is compared.
    """
    figure = new_figure(11.0, 6.5)
    above, below = figure.subplots(2, 1, gridspec_kw={"height_ratios": [3.2, 1.0]})
    shown = slice(-SHOWN, None)
    above.plot(times[shown], true[shown], color="black", linewidth=1.2, label="observed")
    first = next(iter(forecasts))
    said = forecasts[first][shown]
    above.plot(times[shown], said, color=COLOURS[first], linewidth=1.4, label=f"{first}, from the past alone")
    above.set_ylabel(f"{name} ({unit})" if unit else name)
    above.grid(alpha=0.3)
    above.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=9)
    if len(true) > SHOWN:
        above.set_title(f"the last {SHOWN} of {len(true)} steps of the test part", fontsize=10, loc="left")
    scores = score_forecasts(true, forecasts)
    values = [scores[each][measure.name] for each in forecasts]
    places = np.arange(len(values))[::-1]
    bars = below.barh(places, values, color=[COLOURS[each] for each in forecasts])
    below.bar_label(bars, [measure.written(value, unit) for value in values], padding=4)
    below.set_yticks(places, list(forecasts))
    below.set_xlim(0.0, 1.15 * max(values))
    below.set_xlabel(f"{measure.title} of the test part" + (f" ({unit})" if unit else ""))
    caption(figure, title, note)
    return figure

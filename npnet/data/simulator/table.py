"""Drawing the rows, in the format of Table 2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.special import expit

from npnet.data.simulator.inference import posterior
from npnet.data.simulator.model import (
    NVOTE_COUNTS,
    NVOTE_EDGES,
    GalaxyModel,
    flag_threshold,
    redshift_quantile,
)
from npnet.errors import ArgumentError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["SimulatedTable", "simulate_table2"]

VOTES = ("P_EL", "P_CW", "P_ACW", "P_EDGE", "P_DK", "P_MG")
FLAGS = ("SPIRAL", "ELLIPTICAL", "UNCERTAIN")


@dataclass(frozen=True)
class SimulatedTable:
    """Simulated rows, and the model that drew them.

    Parameters
    ----------
    table : pandas.DataFrame
        The 16 columns of Table 2.
    redshift : ndarray
        Of each galaxy; not a column of Table 2.
    model : GalaxyModel
        Where they come from.
    """

    table: pd.DataFrame
    redshift: Array
    model: GalaxyModel

    @cached_property
    def ceiling(self) -> float:
        r"""The best accuracy that a classifier of the seven raw fractions can expect on these rows.

        The mean over the rows of :math:`\max_c P(c \mid \text{votes})`, from :func:`posterior`.  That one
        counts votes, so it knows NVOTE too; the fractions give NVOTE away up to a common divisor, so the
        bound is not loose.
        """
        votes = self.table[list(VOTES)].to_numpy() * self.table[["NVOTE"]].to_numpy()
        return float(posterior(np.rint(votes), self.model).max(axis=1).mean())


def simulate_table2(
    n_rows: int = 20_000, seed: int = 0, *, model: GalaxyModel | None = None
) -> SimulatedTable:
    """Draw a table in the format of Galaxy Zoo 1 Table 2.

    Parameters
    ----------
    n_rows : int, default 20000
        How many galaxies.
    seed : int, default 0
        The same seed gives the same table.
    model : GalaxyModel, optional
        Other constants than the fitted ones.

    Returns
    -------
    SimulatedTable
        The table, the redshifts, and (when asked for) the best accuracy that the model allows.

    Raises
    ------
    ArgumentError
        If ``n_rows`` or ``seed`` is out of range.

    Examples
    --------
    >>> drawn = simulate_table2(1000, seed=0)
    >>> drawn.table.shape
    (1000, 16)
    >>> 0.8 < drawn.ceiling < 0.95
    True
    """
    if n_rows < 1 or seed < 0:
        raise ArgumentError(f"n_rows must be at least 1 and seed at least 0; got {n_rows} and {seed}")
    model = GalaxyModel() if model is None else model
    rng = np.random.default_rng(seed)
    redshift = redshift_quantile(rng.random(n_rows))
    votes = _draw_votes(rng, redshift, model)
    columns = {
        **_draw_positions(rng, n_rows),
        "NVOTE": votes.sum(axis=1),
        **_fractions(votes, model.blurring(redshift)),
        **_draw_flags(rng, votes, redshift, model),
    }
    return SimulatedTable(pd.DataFrame(columns), redshift, model)


def _draw_votes(rng: np.random.Generator, redshift: Array, model: GalaxyModel) -> Array:
    """Send every galaxy's volunteers down the tree: counts ``(n, 6)`` in the order of the columns."""
    n_rows = len(redshift)
    kind = rng.choice(len(model.types), n_rows, p=model.shares)

    def ask(question: str, asked: Array, fading: Array | float = 0.0) -> Array:
        mean, std = np.array([getattr(galaxy, question) for galaxy in model.types])[kind].T
        return rng.binomial(asked, expit(rng.normal(mean - fading, std)))

    nvote = _draw_nvote(rng, n_rows)
    recognised = ask("recognised", nvote)
    spiral = ask("spiral", recognised, model.blurring(redshift))
    edge_on = ask("edge_on", spiral)
    clockwise = ask("clockwise", spiral - edge_on)
    merger = ask("merger", nvote - recognised)
    anticlockwise = spiral - edge_on - clockwise
    unknown = nvote - recognised - merger
    return np.stack([recognised - spiral, clockwise, anticlockwise, edge_on, unknown, merger], axis=1)


def _draw_nvote(rng: np.random.Generator, n_rows: int) -> Array:
    """Numbers of votes, from a smooth curve through the cumulated histogram."""
    counts = np.concatenate([[0], np.cumsum(NVOTE_COUNTS)])
    values = np.arange(NVOTE_EDGES[0], NVOTE_EDGES[-1] + 1)
    cumulated = PchipInterpolator(NVOTE_EDGES, counts / counts[-1])(values)
    return values[np.searchsorted(cumulated, rng.random(n_rows), side="right") - 1]


def _fractions(votes: Array, fading: Array) -> dict[str, Array]:
    """The raw fractions and the debiased ones, to three decimals."""
    elliptical, spiral = votes[:, 0], votes[:, 1:4].sum(axis=1)
    nvote = votes.sum(axis=1)
    raw = dict(zip(VOTES, np.round(votes / nvote[:, None], 3).T, strict=True))
    raw["P_CS"] = np.round(spiral / nvote, 3)
    # In whole thousandths, so that the two never sum to more than 1.
    either = np.rint(1000 * (elliptical + spiral) / nvote)
    odds = spiral * np.exp(fading)
    debiased_spiral = np.rint(either * odds / np.maximum(odds + elliptical, 1.0))
    raw["P_EL_DEBIASED"] = (either - debiased_spiral) / 1000
    raw["P_CS_DEBIASED"] = debiased_spiral / 1000
    return raw


def _draw_flags(
    rng: np.random.Generator, votes: Array, redshift: Array, model: GalaxyModel
) -> dict[str, Array]:
    elliptical, spiral = votes[:, 0], votes[:, 1:4].sum(axis=1)
    log_odds = model.flag_log_odds(elliptical, spiral, redshift)  # L
    log_odds = log_odds + model.flag_error * rng.standard_normal(len(votes))
    threshold = flag_threshold((elliptical + spiral) / votes.sum(axis=1))
    is_spiral, is_elliptical = log_odds > threshold, -log_odds > threshold
    flags = (is_spiral, is_elliptical, ~(is_spiral | is_elliptical))
    return {name: flag.astype(np.int64) for name, flag in zip(FLAGS, flags, strict=True)}


def _draw_positions(rng: np.random.Generator, n_rows: int) -> dict[str, Array | list[str]]:
    """Distinct ids in SDSS's manner, and places spread evenly over its part of the sky, sorted by RA."""
    hours = np.sort(rng.integers(0, 24 * 360_000, n_rows))  # in hundredths of a second
    sine = rng.uniform(np.sin(np.radians(-11)), np.sin(np.radians(70)), n_rows)
    degrees = np.rint(np.degrees(np.arcsin(sine)) * 36_000).astype(np.int64)  # in tenths of an arcsecond
    return {
        "OBJID": 587_722_952_230_174_000 + rng.permutation(np.cumsum(rng.integers(1, 10**9, n_rows))),
        "RA": [_sexagesimal(value, 100) for value in hours.tolist()],
        "DEC": [("-" if value < 0 else "+") + _sexagesimal(abs(value), 10) for value in degrees.tolist()],
    }


def _sexagesimal(value: int, parts: int) -> str:
    """``hh:mm:ss.s`` of a number of parts of a second."""
    minutes, rest = divmod(value, 60 * parts)
    seconds, fraction = divmod(rest, parts)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{fraction:0{len(str(parts)) - 1}d}"

"""Galaxy Zoo 1: the published table, and the 5,000 galaxies that also have photometry.

References
----------
Lintott et al. 2008, MNRAS 389, 1179; Lintott et al. 2011, MNRAS 410, 166.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npnet.data.dataset import Dataset
from npnet.data.registry import entry, locate
from npnet.data.rows import TableFormat
from npnet.data.tables import class_of_flags, filled, read_csv, to_numbers
from npnet.errors import DataMissingError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = [
    "CLASS_NAMES",
    "DEBIASED_FRACTIONS",
    "PHOTOMETRY",
    "VOTE_FRACTIONS",
    "load_galaxies",
    "load_galaxies_sdss",
    "same_object",
]

CLASS_NAMES = ("SPIRAL", "ELLIPTICAL", "UNCERTAIN")
VOTE_FRACTIONS = ("P_EL", "P_CW", "P_ACW", "P_EDGE", "P_DK", "P_MG", "P_CS")
DEBIASED_FRACTIONS = ("P_EL_DEBIASED", "P_CS_DEBIASED")
TABLE_2 = ("OBJID", "RA", "DEC", "NVOTE", *VOTE_FRACTIONS, *DEBIASED_FRACTIONS, *CLASS_NAMES)

MAGNITUDES = ("mag_u", "mag_g", "mag_r", "mag_i", "mag_z")
SHAPES = ("deVRad_r", "deVAB_r", "expRad_r", "expAB_r")
PHOTOMETRY = ("redshift", *MAGNITUDES, *SHAPES, "stellar_mass")
SDSS_VOTES = ("votes", "p_el_debiased", "p_cs_debiased")
SDSS_FLAGS = ("spiral", "elliptical", "uncertain")
SDSS_COLUMNS = ("id", "ra", "dec", *PHOTOMETRY, *SDSS_VOTES, *SDSS_FLAGS)

MISSING = -9999.0
SAME_OBJECT_ARCSEC = 1.0
"""Rows closer than this on the sky are one galaxy: below the seeing of SDSS, above its astrometric error."""

UNIT = (0.0, 1.0)

TABLE_2_FORMAT = TableFormat("OBJID", limits=dict.fromkeys((*VOTE_FRACTIONS, *DEBIASED_FRACTIONS), UNIT))
SDSS_FORMAT = TableFormat("id", missing=MISSING, zero_is_missing=MAGNITUDES)
"""A magnitude of exactly 0, which no galaxy has, is missing too."""


def load_galaxies(data: str | Path | None, seed: int) -> Dataset:
    """Table 2 of Galaxy Zoo 1 where it is found, else a simulated one.

    Parameters
    ----------
    data : str, Path or None
        The table or its folder; where it is named, nothing is simulated.
    seed : int
        Of the simulator.

    Raises
    ------
    DataMissingError
        If a place is named and the table is not there.
    DataError
        If the table cannot be used.
    """
    try:
        path = locate(entry("galaxies"), data)["table"]
    except DataMissingError:
        if data is not None:
            raise
        from npnet.data.simulator import simulate_table2

        drawn = simulate_table2(seed=seed)
        origin = f"simulated Galaxy Zoo 1 table 2, {len(drawn.table):,} rows, seed {seed}"
        return _from_table_2(drawn.table, origin, simulated=True, ceiling=drawn.ceiling)
    return _from_table_2(read_csv(path, TABLE_2), str(path))


def _from_table_2(
    table: pd.DataFrame, origin: str, *, simulated: bool = False, ceiling: float | None = None
) -> Dataset:
    fractions = (*VOTE_FRACTIONS, *DEBIASED_FRACTIONS)
    limits = TABLE_2_FORMAT.limits
    identifiers = filled(table["OBJID"], origin)
    return Dataset(
        name="galaxies",
        inputs=to_numbers(table[["NVOTE", *fractions]], origin, limits=limits),
        targets=class_of_flags(to_numbers(table[list(CLASS_NAMES)], origin), origin),
        class_names=CLASS_NAMES,
        identifiers=identifiers,
        groups=np.unique(identifiers, return_inverse=True)[1],
        simulated=simulated,
        origin=origin,
        ceiling=ceiling,
    )


def load_galaxies_sdss(data: str | Path | None) -> Dataset:
    """The 5,000 galaxies with photometry, as their table is.

    Empty cells and -9999 become NaN; so does a magnitude of exactly 0, which no galaxy has.  The ids of the
    published copy have lost their last digits, so a galaxy that occurs twice is recognised by its position.

    Raises
    ------
    DataMissingError
        If the table is not found.
    DataError
        If it cannot be used.
    """
    path = locate(entry("galaxies-sdss"), data)["table"]
    table, origin = read_csv(path, SDSS_COLUMNS), str(path)
    inputs = to_numbers(table[[*PHOTOMETRY, *SDSS_VOTES]], origin, missing=MISSING)
    magnitudes = inputs[list(MAGNITUDES)]
    inputs[list(MAGNITUDES)] = magnitudes.mask(magnitudes == 0.0)
    position = to_numbers(table[["ra", "dec"]], origin, missing=MISSING).to_numpy()
    return Dataset(
        name="galaxies-sdss",
        inputs=inputs,
        targets=class_of_flags(to_numbers(table[list(SDSS_FLAGS)], origin), origin),
        class_names=CLASS_NAMES,
        identifiers=filled(table["id"], origin),
        groups=same_object(position[:, 0], position[:, 1]),
        origin=origin,
    )


def same_object(ra: Array, dec: Array, within: float = SAME_OBJECT_ARCSEC) -> Array:
    r"""Number the objects on the sky: rows nearer to each other than `within` share a number.

    Positions are compared as points :math:`(\cos\delta\cos\alpha, \cos\delta\sin\alpha, \sin\delta)` of the
    unit sphere, where an angle :math:`\theta` is a chord of :math:`2\sin(\theta/2)`; chains of near rows are
    one object.  A row without a position is an object of its own.

    Parameters
    ----------
    ra, dec : ndarray, shape (N,)
        Right ascension :math:`\alpha` and declination :math:`\delta` in degrees.
    within : float
        In seconds of arc.

    Returns
    -------
    ndarray of int, shape (N,)

    Examples
    --------
    >>> same_object(np.array([150.0, 10.0, 150.0001]), np.array([1.0, 1.0, 1.0]))
    array([0, 1, 0], dtype=int32)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    alpha, delta = np.radians(ra[known]), np.radians(dec[known])
    points = np.stack([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1)
    chord = 2.0 * np.sin(np.radians(within / 3600.0) / 2.0)
    pairs = known[KDTree(points).query_pairs(chord, output_type="ndarray")]
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(ra), len(ra)))
    numbers: Array = connected_components(links, directed=False)[1]
    return numbers

r"""The features of galaxies with photometry: votes, and the physics that their bias depends on.

Distant, faint and small galaxies look more like ellipticals than they are.  Galaxy Zoo corrected its votes
for that as a function of redshift, absolute magnitude and physical size (Bamford et al. 2009); the flags
SPIRAL, ELLIPTICAL, UNCERTAIN rest on such a correction too, and the same three quantities, beside the
debiased votes, let a network recover them.

References
----------
Bamford et al. 2009, MNRAS 393, 1324, section 3 and appendix A; Lintott et al. 2011, MNRAS 410, 166.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from npnet.data.features import Standardized, finite_columns
from npnet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from npnet.backend import Array

__all__ = ["Photometry", "galaxy_physics"]

COLUMNS = ("p_el_debiased", "p_cs_debiased", "votes", "redshift", "mag_r", "expRad_r", "deVRad_r")

HUBBLE_DISTANCE = 299_792.458 / 70.0
"""c / H0 in Mpc, for 70 km/s/Mpc."""
DECELERATION = -0.55
"""q0 of a flat universe with a matter density of 0.3: 0.15 - 0.7."""
LEAST_REDSHIFT = 1e-3
"""A redshift below it is motion, not distance."""
SMOOTHING = 0.02
"""About one vote of forty: it keeps the logarithms of fractions 0 and 1 finite."""
ARCSEC_PER_RADIAN = 206_264.806


def galaxy_physics(table: pd.DataFrame) -> pd.DataFrame:
    r"""Fractions, their odds, distance, luminosity and size of galaxies.

    With :math:`\epsilon = 0.02`, redshift :math:`z`, apparent magnitude :math:`r` and angular radius
    :math:`\theta`:

    .. math::
        \mathrm{log\ odds} = \log\frac{p + \epsilon}{1 - p + \epsilon}, \qquad
        \mathrm{log\ ratio} = \log\frac{p_\mathrm{el} + \epsilon}{p_\mathrm{cs} + \epsilon}

    .. math::
        D_C = \frac{c}{H_0} z \left(1 - \frac{1 + q_0}{2} z\right), \qquad
        M_r = r - 5 \log_{10} \frac{(1 + z) D_C}{10\ \mathrm{pc}}, \qquad
        R = \theta \frac{D_C}{1 + z}

    The distance is the expansion to second order, better than 1 % at the redshifts of these galaxies;
    :math:`M_r` has no correction for the shift of the band.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns p_el_debiased, p_cs_debiased, votes, redshift, mag_r (magnitudes), expRad_r and deVRad_r
        (seconds of arc); NaN where missing, and a radius that is not positive counts as missing.

    Returns
    -------
    pandas.DataFrame
        One row a galaxy; NaN where what it is computed from is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> row = [0.2, 0.7, 30.0, 0.1, 17.0, 2.0, 3.0]
    >>> physics = galaxy_physics(pd.DataFrame([row], columns=COLUMNS))
    >>> physics["M_r"].round(2).tolist(), (10 ** physics["log R_exp"]).round(2).tolist()
    ([-21.32], [3.69])
    """
    import pandas as pd

    el, cs = table["p_el_debiased"], table["p_cs_debiased"]
    z = table["redshift"].clip(lower=LEAST_REDSHIFT)
    distance = HUBBLE_DISTANCE * z * (1.0 - (1.0 + DECELERATION) / 2.0 * z)
    kpc_per_arcsec = 1e3 * distance / (1.0 + z) / ARCSEC_PER_RADIAN
    exponential, de_vaucouleurs = (table[name].where(table[name] > 0.0) for name in ("expRad_r", "deVRad_r"))
    return pd.DataFrame(
        {
            "p_el": el,
            "p_cs": cs,
            "p_other": 1.0 - el - cs,
            "log odds el": np.log((el + SMOOTHING) / (1.0 - el + SMOOTHING)),
            "log odds cs": np.log((cs + SMOOTHING) / (1.0 - cs + SMOOTHING)),
            "log ratio": np.log((el + SMOOTHING) / (cs + SMOOTHING)),
            "votes": table["votes"],
            "z": table["redshift"],
            "log z": np.log10(z),
            "M_r": table["mag_r"] - 5.0 * np.log10((1.0 + z) * distance) - 25.0,
            "log R_exp": np.log10(kpc_per_arcsec * exponential),
            "log R_deV": np.log10(kpc_per_arcsec * de_vaucouleurs),
        }
    )


class Photometry(Standardized):
    """The columns of :func:`galaxy_physics`; what is missing gets the median; standardised.

    Built from scikit-learn's ``SimpleImputer`` and ``StandardScaler``.  What fitting leaves are the names,
    the medians, the means and the scales.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [[0.2, 0.7, 30.0, 0.1, 17.0, 2.0, 3.0], [0.9, 0.1, 40.0, 0.2, np.nan, 1.0, 1.5]]
    >>> table = pd.DataFrame(rows, columns=COLUMNS)
    >>> features = Photometry().fit(table, np.array([0, 1]))
    >>> features.transform(table)[:, :2]
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """

    kind = "photometry"
    takes_missing = True

    def __init__(self) -> None:
        super().__init__()
        self.median: Array = np.empty(0)

    def fit(self, inputs: pd.DataFrame, targets: Array) -> Self:
        """Learn medians, means and scales by the training part; `targets` plays no part.

        Raises
        ------
        DataError
            If a column is not there or holds no value at all, or a value is infinite.
        """
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        physics = self._physics(inputs)
        names = tuple(physics.columns)
        if physics.isna().all().any():
            nothing = names[int(physics.isna().all().to_numpy().argmax())]
            raise DataError(f"features: {nothing!r} is missing in all of {len(inputs)} rows")
        steps = [("missing", SimpleImputer(strategy="median")), ("scale", StandardScaler())]
        pipeline = Pipeline(steps).fit(physics.to_numpy())
        self.median = pipeline["missing"].statistics_
        self.mean, self.scale = pipeline["scale"].mean_, pipeline["scale"].scale_
        self.feature_names = names
        return self

    def state(self) -> dict[str, Any]:
        """Kind, names, medians, means and scales."""
        return {**super().state(), "median": self.median}

    def _load(self, state: Mapping[str, Any]) -> None:
        super()._load(state)
        self.median = np.asarray(state["median"], dtype=np.float64)
        if self.median.shape != self.mean.shape:
            raise ValueError(f"{len(self.mean)} means, medians {self.median.shape}")

    @property
    def input_columns(self) -> tuple[str, ...]:
        """What the physics is computed from."""
        return COLUMNS

    def _columns(self, inputs: pd.DataFrame) -> Array:
        columns = self._physics(inputs)[list(self.feature_names)].to_numpy()
        return np.where(np.isnan(columns), self.median, columns)

    def _physics(self, inputs: pd.DataFrame) -> pd.DataFrame:
        finite_columns(inputs, COLUMNS, missing=True)
        return galaxy_physics(inputs)

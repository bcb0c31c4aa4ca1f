"""The features of Galaxy Zoo votes: products, exponentials and logarithms, sifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectKBest, SelectorMixin, VarianceThreshold, f_classif
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

from npnet.data.features import Standardized, finite_columns
from npnet.data.galaxies import VOTE_FRACTIONS
from npnet.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from npnet.backend import Array

__all__ = ["UncorrelatedColumns", "VoteProducts"]


class UncorrelatedColumns(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    r"""Keep a column unless it is nearly a multiple of one already kept.

    Going from the first column to the last, column :math:`j` is dropped if :math:`|\rho_{jk}| >
    \mathrm{threshold}` for some kept :math:`k < j`, with :math:`\rho` Pearson's correlation.  No column may
    be constant.

    Examples
    --------
    >>> x = np.array([[1.0, -2.0, 0.0], [2.0, -4.0, 1.0], [3.0, -6.1, 0.0]])
    >>> UncorrelatedColumns(0.95).fit(x).get_support()
    array([ True, False,  True])
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def fit(self, X: Array, y: Array | None = None) -> Self:  # noqa: N803  (scikit-learn's names)
        """Learn which columns to keep."""
        correlation = np.abs(np.atleast_2d(np.corrcoef(X, rowvar=False)))
        kept: list[int] = []
        for column in range(X.shape[1]):
            if not np.any(correlation[column, kept] > self.threshold):
                kept.append(column)
        self.n_features_in_ = X.shape[1]
        self.support_ = np.isin(np.arange(X.shape[1]), kept)
        return self

    def _get_support_mask(self) -> Array:
        return self.support_


class VoteProducts(Standardized):
    r"""Products and curves of vote fractions, the 20 that tell the classes apart best.

    From the columns :math:`x_1 \ldots x_7` come, in this order, the columns themselves; all products
    :math:`x_i x_j`, :math:`i \le j`; :math:`e^{x_i}` for each of the columns; :math:`\log(1 + x_i)` for each
    of the columns: 49 in all.  Then constant ones are dropped; going through the others in that order, one is
    dropped whose absolute Pearson correlation with one already kept exceeds 0.95; of those left the 20 with
    the largest ANOVA F against the class stay; they are standardised.

    Built from scikit-learn's transformers.  What fitting leaves are the names of the chosen columns, such as
    ``"P_EL P_CW"``, ``"P_EL^2"`` or ``"log1p(P_DK)"``, their means and their scales.

    Parameters
    ----------
    columns : sequence of str
        The columns to start from.  The default, the seven raw vote fractions, leaves the debiased ones out:
        they nearly decide the class.
    keep : int, default 20
        How many features to keep at most.
    max_correlation : float, default 0.95
        Above it a column is dropped.

    Raises
    ------
    ArgumentError
        If there is no column, `keep` is not positive, or `max_correlation` is not between 0 and 1.

    Examples
    --------
    >>> import pandas as pd
    >>> fractions = np.random.default_rng(0).uniform(size=(200, 2))
    >>> table = pd.DataFrame(fractions, columns=["P_EL", "P_CW"])
    >>> classes = (fractions[:, 0] > fractions[:, 1]).astype(int)
    >>> features = VoteProducts(["P_EL", "P_CW"]).fit(table, classes)
    >>> features.feature_names
    ('P_EL', 'P_CW', 'P_EL P_CW')
    >>> features.transform(table).shape
    (200, 3)
    """

    kind = "votes"

    def __init__(
        self, columns: Sequence[str] = VOTE_FRACTIONS, keep: int = 20, max_correlation: float = 0.95
    ) -> None:
        super().__init__()
        if not columns or keep < 1 or not 0.0 < max_correlation <= 1.0:
            raise ArgumentError(
                "features 'votes' take at least one column, a positive keep and a max_correlation in (0, 1]; "
                f"got {list(columns)}, {keep} and {max_correlation}"
            )
        self.columns = tuple(columns)
        self.keep = keep
        self.max_correlation = max_correlation

    def fit(self, inputs: pd.DataFrame, targets: Array) -> Self:
        """Choose and standardise columns by the training part.

        Raises
        ------
        DataError
            If a column is missing or constant over all rows together with all others, or not finite.
        """
        expanded, names = self._expand(inputs)
        if not np.ptp(expanded, axis=0).any():
            raise DataError(
                f"features: all of {', '.join(self.columns)} are constant over {len(inputs)} rows"
            )
        sift = Pipeline(
            [
                ("constant", VarianceThreshold()),
                ("correlated", UncorrelatedColumns(self.max_correlation)),
            ]
        )
        left = sift.fit_transform(expanded)
        finish = Pipeline(
            [
                ("best", SelectKBest(f_classif, k=min(self.keep, left.shape[1]))),
                ("scale", StandardScaler()),
            ]
        ).fit(left, targets)
        self.feature_names = tuple(finish["best"].get_feature_names_out(sift.get_feature_names_out(names)))
        self.mean, self.scale = finish["scale"].mean_, finish["scale"].scale_
        return self

    def state(self) -> dict[str, Any]:
        """Kind, the columns to start from, names, means and scales."""
        return {**super().state(), "columns": list(self.columns)}

    def _load(self, state: Mapping[str, Any]) -> None:
        super()._load(state)
        self.columns = tuple(map(str, state["columns"]))
        _, names = self._expand_array(np.zeros((1, len(self.columns))))
        unknown = set(self.feature_names) - set(names)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are not made of {', '.join(self.columns)}")

    @property
    def input_columns(self) -> tuple[str, ...]:
        """What products and transforms start from."""
        return self.columns

    def _columns(self, inputs: pd.DataFrame) -> Array:
        expanded, names = self._expand(inputs)
        position = {name: number for number, name in enumerate(names)}
        return expanded[:, [position[name] for name in self.feature_names]]

    def _expand(self, inputs: pd.DataFrame) -> tuple[Array, list[str]]:
        return self._expand_array(finite_columns(inputs, self.columns))

    def _expand_array(self, fractions: Array) -> tuple[Array, list[str]]:
        """All columns and their names; the transformers learn nothing but how many columns there are."""
        expansion = FeatureUnion(
            [
                ("products", PolynomialFeatures(degree=2, include_bias=False)),
                ("exp", FunctionTransformer(np.exp, feature_names_out=_named("exp"))),
                ("log1p", FunctionTransformer(np.log1p, feature_names_out=_named("log1p"))),
            ],
            verbose_feature_names_out=False,
        )
        expanded: Array = expansion.fit_transform(fractions)
        return expanded, [str(name) for name in expansion.get_feature_names_out(self.columns)]


def _named(function: str) -> Any:
    return lambda transformer, names: [f"{function}({name})" for name in names]

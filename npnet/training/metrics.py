"""How good a network is: the measures, by scikit-learn, and how people are told them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from npnet.errors import RecipeError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = [
    "ACCURACY",
    "MACRO_F1",
    "MAE",
    "R2",
    "RMSE",
    "ROC_AUC",
    "Measure",
    "class_weights",
    "score_classes",
    "score_values",
]


@dataclass(frozen=True)
class Measure:
    """A figure that a network is judged by.

    Parameters
    ----------
    name : str
        Its key in a summary, and the end of its columns in a history.
    title : str
        What people call it.
    better : {"max", "min"}
        Whether it is better when larger or when smaller.
    percent : bool
        Whether it is a share.
    in_units : bool
        Whether it is in the units of the target.

    Examples
    --------
    >>> ACCURACY.written(0.98765), MAE.written(0.123456, "ppm"), R2.written(None)
    ('98.77%', '0.1235 ppm', 'not defined')
    """

    name: str
    title: str
    better: Literal["max", "min"]
    percent: bool = False
    in_units: bool = False

    def written(self, value: float | None, unit: str = "") -> str:
        """The value for people; None is what is not defined, such as R2 of a single row."""
        if value is None:
            return "not defined"
        figure = f"{value:.2%}" if self.percent else f"{value:.4g}"
        return f"{figure} {unit}".rstrip() if self.in_units else figure


ACCURACY = Measure("accuracy", "accuracy", "max", percent=True)
MACRO_F1 = Measure("macro_f1", "macro F1", "max")
ROC_AUC = Measure("roc_auc", "ROC AUC", "max")
MAE = Measure("mae", "mean absolute error", "min", in_units=True)
RMSE = Measure("rmse", "root mean squared error", "min", in_units=True)
R2 = Measure("r2", "R2", "max")


def score_classes(targets: Array, said: Array, n_classes: int) -> dict[str, Any]:
    """Compare classes with those that a network says.

    Parameters
    ----------
    targets, said : ndarray of int, shape (n,)
        The classes, and what the network takes them for.
    n_classes : int
        How many there are, whether or not they occur.

    Returns
    -------
    dict
        ``accuracy``, the share of rows that were given their class; ``macro_f1``, the F1 of each class
        averaged with equal weight, so that rare classes count as much as common ones (a class that is
        neither among the rows nor said of any has no F1 and is left out, as in scikit-learn);
        ``confusion``, a list of rows: how many of class ``i`` were called ``j``.

    Examples
    --------
    >>> scores = score_classes(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    >>> round(scores["accuracy"], 3), round(scores["macro_f1"], 3), scores["confusion"]
    (0.667, 0.667, [[1, 1], [0, 1]])
    >>> score_classes(np.array([1, 1]), np.array([1, 1]), 3)["macro_f1"]
    1.0
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    return {
        "accuracy": float(accuracy_score(targets, said)),
        "macro_f1": float(f1_score(targets, said, average="macro", zero_division=0.0)),
        "confusion": confusion_matrix(targets, said, labels=np.arange(n_classes)).tolist(),
    }


def score_ranking(targets: Array, logits: Array) -> float | None:
    """Area under the ROC curve; None where only one of the classes occurs.

    Examples
    --------
    >>> score_ranking(np.array([0, 1, 1]), np.array([0.1, 0.3, 0.2])), score_ranking(np.ones(2), np.ones(2))
    (1.0, None)
    """
    from sklearn.metrics import roc_auc_score

    return None if np.all(targets == targets[0]) else float(roc_auc_score(targets, logits))


def score_values(targets: Array, said: Array) -> dict[str, Any]:
    """Compare numbers with those that a network says, both in the data's own units.

    Parameters
    ----------
    targets, said : ndarray, shape (n, k)
        The numbers, and what the network takes them for; measures are means over the `k` columns.

    Returns
    -------
    dict
        ``mae``, ``rmse`` and ``r2``, the share of the variance that is explained (None for a single row).

    Examples
    --------
    >>> scores = score_values(np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]]))
    >>> scores["mae"], round(scores["rmse"], 4), scores["r2"]
    (0.5, 0.7071, 0.5)
    """
    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # R2 of a single row, which is NaN
        explained = float(r2_score(targets, said))
    return {
        "mae": float(mean_absolute_error(targets, said)),
        "rmse": float(root_mean_squared_error(targets, said)),
        "r2": None if math.isnan(explained) else explained,
    }


def class_weights(setting: str | tuple[float, ...] | None, targets: Array, n_classes: int) -> Array | None:
    r"""Weights of the classes in the loss.

    Balanced ones are :math:`n / (C n_c)` for :math:`n_c` of :math:`n` rows in class :math:`c`.

    Parameters
    ----------
    setting : "balanced", tuple of float or None
        ``regularization.class_weight`` of a recipe.
    targets : ndarray of int, shape (n,)
        Classes of the training part.
    n_classes : int
        :math:`C`.

    Raises
    ------
    RecipeError
        If there is not one weight for each class.

    Examples
    --------
    >>> class_weights("balanced", np.array([0, 0, 0, 1]), 2).round(3).tolist()
    [0.667, 2.0]
    """
    if setting is None:
        return None
    if setting == "balanced":
        from sklearn.utils.class_weight import compute_class_weight

        weights: Array = compute_class_weight("balanced", classes=np.arange(n_classes), y=targets)
        return weights
    if len(setting) != n_classes:
        raise RecipeError(
            f"regularization.class_weight has {len(setting)} weights for {n_classes} classes; "
            "give one for each, or 'balanced'"
        )
    return np.asarray(setting, dtype=np.float64)

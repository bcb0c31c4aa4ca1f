"""How good a classifier is, by scikit-learn's metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.errors import RecipeError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["Scores", "class_weights", "score"]


@dataclass(frozen=True)
class Scores:
    """Figures of one part of the data.

    Parameters
    ----------
    accuracy : float
        Share of rows that were given their class.
    macro_f1 : float
        F1 of each class, averaged with equal weight: rare classes count as much as common ones.
    confusion : ndarray of int, shape (C, C)
        Rows of class ``i`` that were called ``j``.
    """

    accuracy: float
    macro_f1: float
    confusion: Array

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers and lists."""
        return {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "confusion": self.confusion.tolist(),
        }


def score(targets: Array, logits: Array) -> Scores:
    """Compare classes with logits.

    Parameters
    ----------
    targets : ndarray of int, shape (n,)
        The classes.
    logits : ndarray, shape (n, C)
        The largest of a row is what the network says.

    Examples
    --------
    >>> scores = score(np.array([0, 0, 1]), np.array([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]]))
    >>> round(scores.accuracy, 3), round(scores.macro_f1, 3), scores.confusion.tolist()
    (0.667, 0.667, [[1, 1], [0, 1]])
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    said = logits.argmax(axis=1)
    classes = np.arange(logits.shape[1])
    return Scores(
        accuracy=float(accuracy_score(targets, said)),
        # A class without rows and without mistakes has no F1; it counts as 0.
        macro_f1=float(f1_score(targets, said, labels=classes, average="macro", zero_division=0.0)),
        confusion=confusion_matrix(targets, said, labels=classes),
    )


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

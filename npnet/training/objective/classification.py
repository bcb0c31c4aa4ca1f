"""One of several classes, or of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from npnet import nn
from npnet.errors import RecipeError
from npnet.training.metrics import (
    ACCURACY,
    MACRO_F1,
    ROC_AUC,
    Measure,
    class_weights,
    score_classes,
    score_ranking,
)
from npnet.training.objective.base import Objective, make_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.data import Dataset
    from npnet.training.recipe import Recipe

__all__ = ["BinaryClassification", "Classification"]


@dataclass(frozen=True)
class Classification(Objective):
    """One of several classes: a logit for each.

    Parameters
    ----------
    class_names : tuple of str
        In the order of the logits.
    weight : ndarray of float64, shape (C,), optional
        Weights of the classes in the loss.

    Examples
    --------
    >>> objective = Classification(("cat", "dog"))
    >>> logits = np.array([[2.0, 1.0], [0.0, 1.0]])
    >>> objective.decode(logits), int(objective.tally(logits, np.array([0, 0])))
    (array([0, 1]), 1)
    """

    class_names: tuple[str, ...] = ()
    weight: Array | None = None

    kind: ClassVar[str] = "classification"
    losses: ClassVar[tuple[str, ...]] = ("CrossEntropyLoss",)
    settings: ClassVar[tuple[str, ...]] = ("label_smoothing", "class_weight")
    measures: ClassVar[tuple[Measure, ...]] = (ACCURACY, MACRO_F1)
    figure_name: ClassVar[str] = "confusion.png"
    loss_title: ClassVar[str] = "cross-entropy (nats)"

    @classmethod
    def fit(cls, recipe: Recipe, dataset: Dataset, targets: Array) -> Self:
        """Learn the weights of the classes, where they are to be balanced."""
        _refuse_numbers(recipe, dataset)
        names = dataset.class_names
        return cls(names, class_weights(recipe.regularization.class_weight, targets, len(names)))

    @property
    def outputs(self) -> int:
        """A logit for each class."""
        return len(self.class_names)

    def criterion(self, recipe: Recipe) -> nn.Module:
        """Cross-entropy, with the recipe's smoothing and the weights of the classes."""
        return make_loss(recipe, weight=self.weight, label_smoothing=recipe.regularization.label_smoothing)

    def encode(self, targets: Array) -> Array:
        """The classes as they are."""
        return targets

    def tally(self, outputs: Any, targets: Any) -> Any:
        """How many rows are given their class."""
        return np.count_nonzero(np.argmax(outputs, axis=1) == targets)

    def measured(self, tally: Any, rows: int) -> float:
        """Share of rows that are given their class."""
        return int(tally) / rows

    def decode(self, outputs: Array) -> Array:
        """The class with the largest logit."""
        said: Array = outputs.argmax(axis=1)
        return said

    def probabilities(self, outputs: Array) -> Array:
        """Probabilities of the classes, shape ``(n, C)``."""
        from scipy.special import softmax

        shares: Array = softmax(outputs, axis=1)
        return shares

    def score(self, targets: Array, outputs: Array) -> dict[str, Any]:
        """Accuracy, macro F1 and the confusion matrix."""
        return score_classes(targets, self.decode(outputs), len(self.class_names))

    def draw(self, targets: Array, outputs: Array, title: str, note: str) -> Figure:
        """The confusion matrix."""
        from npnet.training.figures import confusion_figure

        confusion = np.asarray(self.score(targets, outputs)["confusion"])
        return confusion_figure(confusion, self.class_names, title, note)

    def state(self) -> dict[str, Any]:
        """The names of the classes, and their weights in the loss."""
        return {"kind": self.kind, "class_names": list(self.class_names), "weight": self.weight}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        names, weight = tuple(map(str, state["class_names"])), state.get("weight")
        weights = None if weight is None else np.asarray(weight, np.float64)
        if weights is not None and weights.shape != (len(names),):
            raise ValueError(f"{len(names)} classes, weights {weights.shape}")
        return cls(names, weights)


@dataclass(frozen=True)
class BinaryClassification(Classification):
    """One of two classes: a single logit, positive for the second one.

    The weight of the second class, relative to that of the first, is the loss's ``pos_weight``.

    Examples
    --------
    >>> objective = BinaryClassification(("benign", "malignant"))
    >>> objective.encode(np.array([0, 1])).tolist(), objective.decode(np.array([[0.2], [-3.0]])).tolist()
    ([[0.0], [1.0]], [1, 0])
    >>> objective.probabilities(np.array([[0.0]])).tolist()
    [[0.5, 0.5]]
    """

    kind: ClassVar[str] = "binary"
    losses: ClassVar[tuple[str, ...]] = ("BCEWithLogitsLoss",)
    settings: ClassVar[tuple[str, ...]] = ("class_weight",)
    measures: ClassVar[tuple[Measure, ...]] = (ACCURACY, MACRO_F1, ROC_AUC)
    loss_title: ClassVar[str] = "binary cross-entropy (nats)"

    @classmethod
    def fit(cls, recipe: Recipe, dataset: Dataset, targets: Array) -> Self:
        """Learn the weights of the classes, where they are to be balanced."""
        if len(dataset.class_names) not in (0, 2):
            raise RecipeError(
                f"training.loss={recipe.training.loss.kind} is for two classes, and {dataset.name} has "
                f"{len(dataset.class_names)}; take CrossEntropyLoss"
            )
        objective = super().fit(recipe, dataset, targets)
        if objective.weight is not None and objective.weight[0] == 0.0:
            raise RecipeError("regularization.class_weight: the first of two weights must be above 0")
        return objective

    @property
    def outputs(self) -> int:
        """One logit."""
        return 1

    def criterion(self, recipe: Recipe) -> nn.Module:
        """Binary cross-entropy of logits."""
        ratio = None if self.weight is None else self.weight[1:] / self.weight[:1]
        return make_loss(recipe, pos_weight=ratio)

    def encode(self, targets: Array) -> Array:
        """0 and 1 as numbers, shape ``(n, 1)``."""
        return targets[:, np.newaxis].astype(np.float64)

    def tally(self, outputs: Any, targets: Any) -> Any:
        """How many rows are given their class."""
        return np.count_nonzero((outputs > 0) == (targets > 0))

    def decode(self, outputs: Array) -> Array:
        """The second class where the logit is positive."""
        return (outputs[:, 0] > 0).astype(np.int64)

    def probabilities(self, outputs: Array) -> Array:
        """Probabilities of both classes, shape ``(n, 2)``."""
        from scipy.special import expit

        return np.concatenate([expit(-outputs), expit(outputs)], axis=1)

    def score(self, targets: Array, outputs: Array) -> dict[str, Any]:
        """Accuracy, macro F1, area under the ROC curve and the confusion matrix."""
        return {**super().score(targets, outputs), "roc_auc": score_ranking(targets, outputs[:, 0])}


def _refuse_numbers(recipe: Recipe, dataset: Dataset) -> None:
    if not dataset.class_names:
        raise RecipeError(
            f"training.loss={recipe.training.loss.kind} is for classes, and the targets of {dataset.name} "
            "are numbers; take MSELoss, L1Loss, HuberLoss or SmoothL1Loss"
        )

"""What a recipe asks a network to do, which follows from its loss.

============== =========================================== ========================= =======================
kind           losses                                      target of a row           output of the network
============== =========================================== ========================= =======================
classification CrossEntropyLoss                            its class                 a logit for each class
binary         BCEWithLogitsLoss                           0 or 1, the second class  one logit
regression     MSELoss, L1Loss, HuberLoss, SmoothL1Loss    numbers                   the numbers, scaled
============== =========================================== ========================= =======================

Everything else that depends on the kind stands in its class here: how targets are given to the loss, what
is measured, how outputs are read, what is drawn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from npnet import backend, nn
from npnet.errors import RecipeError, StateError
from npnet.training.metrics import (
    ACCURACY,
    MACRO_F1,
    MAE,
    R2,
    RMSE,
    ROC_AUC,
    Measure,
    class_weights,
    score_classes,
    score_ranking,
    score_values,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.data import Dataset
    from npnet.training.recipe import Recipe

__all__ = [
    "LOSSES",
    "BinaryClassification",
    "Classification",
    "Objective",
    "Regression",
    "objective_class",
    "objective_from_state",
    "objective_of_kind",
]


class Objective(ABC):
    """Base of the kinds.

    The rows that :meth:`fit` learns from are those of the training part alone.
    """

    kind: ClassVar[str]
    """What summaries call it."""

    losses: ClassVar[tuple[str, ...]]
    """Classes of :mod:`npnet.nn` that ask for it."""

    settings: ClassVar[tuple[str, ...]] = ()
    """Those keys of ``[regularization]`` that not every kind takes, and this one does."""

    measures: ClassVar[tuple[Measure, ...]]
    """What is told of a part; the first is followed epoch by epoch."""

    figure_name: ClassVar[str]
    """The file that :meth:`draw` is for."""

    loss_title: ClassVar[str]
    """What the loss is, with its unit."""

    unit: str = ""
    """Of the target."""

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Columns of the history that early stopping and ReduceLROnPlateau can watch."""
        measure = cls.measures[0].name
        return ("validation_loss", f"validation_{measure}", "train_loss", f"train_{measure}")

    @classmethod
    def mode(cls, column: str) -> Literal["min", "max"]:
        """Whether such a column is better when smaller, ``"min"``, or when larger, ``"max"``."""
        return "min" if column.endswith("_loss") else cls.measures[0].better

    @classmethod
    @abstractmethod
    def fit(cls, recipe: Recipe, dataset: Dataset, targets: Array) -> Self:
        """Make the objective of a recipe and its data.

        Parameters
        ----------
        recipe : Recipe
            Its loss is one of :attr:`losses`.
        dataset : Dataset
            Says what its targets mean.
        targets : ndarray
            Those of the training part.

        Raises
        ------
        RecipeError
            If the loss is not for such targets.
        """

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the network gives for a row."""

    @abstractmethod
    def criterion(self, recipe: Recipe) -> nn.Module:
        """The loss, on the host."""

    @abstractmethod
    def encode(self, targets: Array) -> Array:
        """The targets as the loss takes them."""

    @abstractmethod
    def tally(self, outputs: Any, targets: Any) -> Any:
        """What the first measure is made of, summed over some rows; on a device, it stays there.

        Parameters
        ----------
        outputs, targets : array
            Of the network, and from :meth:`encode`.
        """

    @abstractmethod
    def measured(self, tally: Any, rows: int) -> float:
        """The first measure, of what was tallied over so many rows."""

    @abstractmethod
    def decode(self, outputs: Array) -> Array:
        """What the network says of each row: its class, or numbers in the data's own units."""

    def recode(self, outputs: Array, other: Objective) -> Array:
        """Outputs of a network that was trained for another objective of this kind, as outputs for this one.

        The folds of a cross-validation differ by the scale of their training parts.
        """
        return outputs

    @abstractmethod
    def score(self, targets: Array, outputs: Array) -> dict[str, Any]:
        """All measures of some rows, as plain numbers and lists.

        Parameters
        ----------
        targets : ndarray
            As the dataset has them.
        outputs : ndarray
            Of the network.
        """

    @abstractmethod
    def draw(self, targets: Array, outputs: Array, title: str, note: str) -> Figure:
        """A picture of what the network says of the test part."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What it takes to read the network's outputs: names, numbers and arrays."""

    @classmethod
    @abstractmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make it again from :meth:`state`."""


def _loss(recipe: Recipe, **arguments: Any) -> nn.Module:
    """The loss that a recipe names, with its options and what follows from the rest of the recipe."""
    chosen = recipe.training.loss
    criterion: nn.Module = getattr(nn, chosen.kind)(**chosen.options, **arguments)
    return criterion


def _refuse_numbers(recipe: Recipe, dataset: Dataset) -> None:
    if not dataset.class_names:
        raise RecipeError(
            f"training.loss={recipe.training.loss.kind} is for classes, and the targets of {dataset.name} "
            f"are numbers; losses for those are {', '.join(Regression.losses)}"
        )


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
        return _loss(recipe, weight=self.weight, label_smoothing=recipe.regularization.label_smoothing)

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
        """The names of the classes."""
        return {"kind": self.kind, "class_names": list(self.class_names)}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(tuple(map(str, state["class_names"])))


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
        return _loss(recipe, pos_weight=ratio)

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


@dataclass(frozen=True)
class Regression(Objective):
    r"""Numbers: the network gives :math:`(t - \mu) / \sigma`.

    :math:`\mu` and :math:`\sigma` are mean and standard deviation of the training part's targets, a column
    each.  The loss is that of the scaled numbers; measures are in the data's own units.

    Parameters
    ----------
    target_names : tuple of str
        What the k numbers are.
    unit : str
        Of all of them; empty where they have none.
    mean, scale : ndarray of float64, shape (k,)
        :math:`\mu` and :math:`\sigma`.

    Examples
    --------
    >>> objective = Regression(("co2",), "ppm", np.array([350.0]), np.array([10.0]))
    >>> objective.encode(np.array([360.0, 340.0])).tolist()
    [[1.0], [-1.0]]
    >>> objective.decode(np.array([[1.0], [-1.0]])).tolist()
    [[360.0], [340.0]]
    """

    target_names: tuple[str, ...] = ("target",)
    unit: str = ""
    mean: Array = field(default_factory=lambda: np.zeros(1))
    scale: Array = field(default_factory=lambda: np.ones(1))

    kind: ClassVar[str] = "regression"
    losses: ClassVar[tuple[str, ...]] = ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss")
    measures: ClassVar[tuple[Measure, ...]] = (MAE, RMSE, R2)
    figure_name: ClassVar[str] = "predictions.png"
    loss_title: ClassVar[str] = "loss (of the scaled target)"

    @classmethod
    def fit(cls, recipe: Recipe, dataset: Dataset, targets: Array) -> Self:
        """Learn mean and scale of the targets; one that is constant is shifted only."""
        if dataset.class_names:
            raise RecipeError(
                f"training.loss={recipe.training.loss.kind} is for numbers, and the targets of "
                f"{dataset.name} are classes; take CrossEntropyLoss or, for two classes, BCEWithLogitsLoss"
            )
        columns = _columns(targets).astype(np.float64)
        deviation = columns.std(axis=0)
        scale = np.where(deviation > 0.0, deviation, 1.0)
        return cls(dataset.target_names, dataset.unit, columns.mean(axis=0), scale)

    @property
    def outputs(self) -> int:
        """As many as there are numbers."""
        return len(self.target_names)

    def criterion(self, recipe: Recipe) -> nn.Module:
        """The loss of the scaled numbers."""
        return _loss(recipe)

    def encode(self, targets: Array) -> Array:
        """The scaled numbers, shape ``(n, k)``."""
        return (_columns(targets) - self.mean) / self.scale

    def tally(self, outputs: Any, targets: Any) -> Any:
        """Absolute errors of the scaled numbers, summed by column."""
        return np.sum(np.abs(outputs - targets), axis=0)

    def measured(self, tally: Any, rows: int) -> float:
        """Mean absolute error in the data's own units."""
        return float(np.mean(backend.to_host(tally) * self.scale)) / rows

    def decode(self, outputs: Array) -> Array:
        """Numbers in the data's own units, float64 of shape ``(n, k)``."""
        return outputs * self.scale + self.mean

    def recode(self, outputs: Array, other: Objective) -> Array:
        """The same numbers in this objective's scale."""
        return self.encode(other.decode(outputs))

    def score(self, targets: Array, outputs: Array) -> dict[str, Any]:
        """Mean absolute error, root mean squared error and R2."""
        return score_values(_columns(targets), self.decode(outputs))

    def draw(self, targets: Array, outputs: Array, title: str, note: str) -> Figure:
        """What the network says against what is true."""
        from npnet.training.figures import predictions_figure

        return predictions_figure(
            _columns(targets), self.decode(outputs), self.target_names, self.unit, title, note
        )

    def state(self) -> dict[str, Any]:
        """Names, unit, means and scales."""
        return {
            "kind": self.kind,
            "target_names": list(self.target_names),
            "unit": self.unit,
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        names = tuple(map(str, state["target_names"]))
        mean, scale = (np.asarray(state[key], np.float64) for key in ("mean", "scale"))
        if not mean.shape == scale.shape == (len(names),):
            raise ValueError(f"{len(names)} names, means {mean.shape}, scales {scale.shape}")
        return cls(names, str(state["unit"]), mean, scale)


def _columns(targets: Array) -> Array:
    """Numbers a row as a matrix, also where there is one a row."""
    return targets.reshape(len(targets), -1)


_KINDS: tuple[type[Objective], ...] = (Classification, BinaryClassification, Regression)

LOSSES: Mapping[str, type[Any]] = {
    name: getattr(nn, name) for cls in _KINDS for name in cls.losses if hasattr(nn, name)
}
"""The losses that a recipe can name."""


def objective_class(loss: str) -> type[Objective]:
    """The kind that a loss asks for.

    Examples
    --------
    >>> objective_class("MSELoss").kind
    'regression'
    """
    return next(cls for cls in _KINDS if loss in cls.losses)


def objective_of_kind(kind: str) -> type[Objective]:
    """The kind by the word that summaries have.

    Examples
    --------
    >>> objective_of_kind("binary").columns()[1]
    'validation_accuracy'
    """
    return next(cls for cls in _KINDS if cls.kind == kind)


def objective_from_state(state: Mapping[str, Any]) -> Objective:
    """Make an objective again from what its ``state()`` returned.

    Raises
    ------
    StateError
        If it is the state of none.

    Examples
    --------
    >>> objective_from_state(Classification(("cat", "dog")).state()).outputs
    2
    """
    try:
        return objective_of_kind(state["kind"])._from_state(state)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise StateError(f"not the state of an objective: {error!r}") from error

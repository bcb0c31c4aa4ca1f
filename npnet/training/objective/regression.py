"""Numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from npnet import backend, nn
from npnet.errors import RecipeError
from npnet.training.metrics import MAE, R2, RMSE, Measure, score_values
from npnet.training.objective.base import Objective, make_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.data import Dataset
    from npnet.training.recipe import Recipe

__all__ = ["Regression"]


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
        return make_loss(recipe)

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

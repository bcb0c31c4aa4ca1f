"""What every kind of task answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from npnet import nn
from npnet.training.metrics import Measure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.data import Dataset
    from npnet.training.recipe import Recipe

__all__ = ["Objective", "make_loss"]


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


def make_loss(recipe: Recipe, **arguments: Any) -> nn.Module:
    """The loss that a recipe names, with its options and what follows from the rest of the recipe."""
    chosen = recipe.training.loss
    criterion: nn.Module = getattr(nn, chosen.kind)(**chosen.options, **arguments)
    return criterion

"""From a recipe and its data to what is trained: parts, features, initial weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet import nn, regularization
from npnet.backend import Array
from npnet.data import (
    DataLoader,
    Dataset,
    Features,
    Split,
    TensorDataset,
    chronological_split,
    make_features,
    stratified_folds,
    stratified_split,
)
from npnet.errors import RecipeError, ShapeError
from npnet.random import Generator
from npnet.regularization import Augmentation, Compose
from npnet.training.forecaster import Forecaster
from npnet.training.objective import Classification, Objective, objective_class
from npnet.training.recipe import Recipe

__all__ = ["Task", "make_task", "splits"]


@dataclass(frozen=True)
class Task:
    """What every engine is given.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    model : Module
        On the host, with its initial weights; an engine moves or converts it.
    inputs : ndarray, shape (N, ...)
        All rows, on the host: float32 features, or images as uint8.
    targets : ndarray, shape (N,) or (N, k)
        As the objective encodes them: classes as int64, numbers as float64.
    rows : mapping of str to ndarray
        Row numbers of ``"train"``, ``"validation"`` and ``"test"``; a part may be empty.
    transform : callable, optional
        Makes float32 of some rows of `inputs`, a batch at a time, as the model takes them; None where
        `inputs` have that form already.
    objective : Objective
        What the network is to do.
    augment : Augmentation, optional
        Moves the pictures that are trained on.

    Raises
    ------
    RecipeError
        If the recipe's loss asks for another kind of objective, or no batch is full and those are dropped.
    ShapeError
        If the last batch of an epoch would be a single row, and the model has BatchNorm.
    """

    recipe: Recipe
    model: nn.Module
    inputs: Array
    targets: Array
    rows: Mapping[str, Array]
    transform: Callable[[Array], Array] | None = None
    objective: Objective = field(default_factory=Classification)
    augment: Augmentation | None = None

    def __post_init__(self) -> None:
        if (loss := self.recipe.training.loss.kind) not in self.objective.losses:
            raise RecipeError(f"training.loss={loss} is not for a task of the kind {self.objective.kind!r}")
        count = len(self.rows["train"])
        if self.recipe.training.drop_last and 0 < count < self.batch_size:
            raise RecipeError(
                f"the training part has {count} rows, fewer than training.batch_size {self.batch_size}, and "
                "training.drop_last drops them all: set training.drop_last=false, or a smaller batch"
            )
        left = count % self.batch_size
        alone = self.batch_size == 1 or (left == 1 and not self.recipe.training.drop_last)
        if alone and any(isinstance(module, nn.BatchNorm1d) for module in self.model.modules()):
            raise ShapeError(
                f"{count} training rows in batches of {self.batch_size} leave one row "
                "alone, and BatchNorm1d needs more than one in training: set training.drop_last=true, or "
                "another training.batch_size"
            )

    @property
    def batch_size(self) -> int:
        """Rows in a batch."""
        size = self.recipe.training.batch_size
        return len(self.rows["train"]) if size == "full" else int(size)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self.rows["train"]), self.batch_size)
        return whole if self.recipe.training.drop_last or rest == 0 else whole + 1

    def prepare(self, inputs: Array, *, training: bool) -> Array:
        """Some rows of the inputs, on any device, as the model takes them.

        Pictures that are trained on are moved first.  The moves are drawn from the stream ``augment`` on the
        host, so every engine sees the same pictures.
        """
        if training and self.augment is not None:
            inputs = self.augment(inputs, channels_last=True)
        return inputs if self.transform is None else self.transform(inputs)

    def targets_as(self, dtype: str) -> Array:
        """The targets, numbers in the dtype of the model."""
        return self.targets.astype(dtype, copy=False) if self.targets.dtype.kind == "f" else self.targets

    def batches(self) -> Iterator[Array]:
        """Row numbers of one pass over the training part, a batch at a time, in a new order.

        The order is drawn from the stream ``shuffle`` on the host, so it is the same for every engine.
        """
        loader = DataLoader(
            TensorDataset(self.rows["train"]),
            batch_size=self.batch_size,
            shuffle=True,
            drop_last=self.recipe.training.drop_last,
        )
        return (rows for (rows,) in loader)

    def statistics_batches(self) -> Iterator[Array]:
        """One pass in an order that is always the same and draws from no stream, to measure statistics on.

        Batches are as many and as large as in training.
        """
        train, size = self.rows["train"], self.batch_size
        order = Generator(self.recipe.seed).randperm(len(train))
        return (train[order[start : start + size]] for start in range(0, self.steps_per_epoch * size, size))


def splits(recipe: Recipe, dataset: Dataset) -> list[Split]:
    """The parts of a dataset that a recipe asks for: one split, or one a fold.

    Parameters
    ----------
    recipe : Recipe
        Its ``data`` table says how.
    dataset : Dataset
        Rows of one group stay in one part.

    Raises
    ------
    RecipeError
        If folds are asked for, and the dataset brings its own test part or is a series; if a series is not
        read by windows.
    ArgumentError
        If the rows cannot be cut in that way.
    """
    settings, groups = recipe.data, dataset.groups
    reach = make_features(settings.features.kind, **settings.features.options).reach
    if (dataset.season is None) != (reach == 0):
        raise RecipeError(
            f"data.features.kind={settings.features.kind} is not for {dataset.name}, "
            + ("whose rows do not follow one another" if reach else "a series: take windows")
        )
    if dataset.season is not None:
        if settings.folds is not None:
            raise RecipeError(f"data.folds: {dataset.name} is a series, which is split in time: leave it out")
        return [chronological_split(len(dataset), settings.validation, settings.test, reach=reach)]
    if settings.folds is None:
        return [
            stratified_split(
                dataset.strata, settings.validation, settings.test, groups=groups, held_out=dataset.held_out
            )
        ]
    if dataset.held_out is not None:
        raise RecipeError(f"data.folds: {dataset.name} brings its own test part; leave data.folds out")
    parts = []
    for rest, test in stratified_folds(dataset.strata, settings.folds, groups=groups):
        inner = stratified_split(
            dataset.strata[rest], settings.validation, 0.0, groups=None if groups is None else groups[rest]
        )
        parts.append(Split(rest[inner.train], rest[inner.validation], test))
    return parts


def make_task(recipe: Recipe, dataset: Dataset, split: Split) -> tuple[Task, Features]:
    """What an engine needs, and the features, fitted for it on the training part alone.

    The objective is fitted on that part too.  Tables become features at once.  Images stay bytes;
    the task's ``transform`` makes floats of a batch.

    Raises
    ------
    DataError, DtypeError
        If the features are not for such inputs.
    RecipeError
        If the loss is not for such targets, there is not one class weight for each class, or rows that are
        no pictures are to be augmented.
    ShapeError
        If the augmentation cannot move pictures of that size.
    """
    features = make_features(recipe.data.features.kind, **recipe.data.features.options)
    targets = dataset.targets[split.train]
    objective = objective_class(recipe.training.loss.kind).fit(recipe, dataset, targets)
    images = dataset.inputs if isinstance(dataset.inputs, np.ndarray) else None
    table: Any = dataset.inputs
    features.fit(table.iloc[split.train] if images is None else images[split.train], targets)
    model = recipe.model.build(features.shape, objective.outputs)
    if isinstance(model, Forecaster):
        model.bptt = recipe.training.bptt
    task = Task(
        recipe=recipe,
        model=model,
        inputs=features.transform(table) if images is None else images,
        targets=objective.encode(dataset.targets),
        rows=split._asdict(),
        transform=None if images is None else features.transform,
        objective=objective,
        augment=_augmentation(recipe, dataset),
    )
    return task, features


def _augmentation(recipe: Recipe, dataset: Dataset) -> Augmentation | None:
    """What moves the pictures of a recipe; refused where it cannot."""
    chosen = recipe.regularization.augmentation
    if chosen is None:
        return None
    if not isinstance(dataset.inputs, np.ndarray):
        raise RecipeError(
            f"regularization.augmentation moves pictures, and {dataset.name} is a table: leave it out"
        )
    augment = Compose([getattr(regularization, each.kind)(**each.options) for each in chosen])
    augment.check_size(*dataset.inputs.shape[1:3])
    return augment

"""Recipes: an experiment as data.

A recipe has the tables ``data``, ``model``, ``optimizer``, ``scheduler``, ``regularization`` and
``training``; as a TOML file it is read by :mod:`npnet.training.recipe_files`.
"""

# ruff: noqa: RUF009  (setting() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from npnet import data, optim, regularization
from npnet.errors import ArgumentError, RecipeError
from npnet.nn.parameter import Parameter
from npnet.training.averaging import AVERAGES, Average
from npnet.training.model import MODELS, Model, Recurrent
from npnet.training.objective import LOSSES, Classification, Objective, objective_class
from npnet.training.schema import (
    Choice,
    choice,
    either,
    flag,
    identifier,
    named,
    number,
    one_of,
    optional,
    setting,
    several,
    table,
    text,
    variant,
    whole,
    write,
)

__all__ = [
    "DataSettings",
    "EarlyStoppingSettings",
    "Recipe",
    "RegularizationSettings",
    "TrainingSettings",
]

OPTIMIZERS = {
    name: cls
    for name, cls in vars(optim).items()
    if isinstance(cls, type) and issubclass(cls, optim.Optimizer) and cls is not optim.Optimizer
}
PENALTIES = {
    name: cls
    for name, cls in vars(regularization).items()
    if isinstance(cls, type) and issubclass(cls, regularization.Penalty) and cls is not regularization.Penalty
}
AUGMENTATIONS = {
    name: cls
    for name, cls in vars(regularization).items()
    if isinstance(cls, type)
    and issubclass(cls, regularization.Augmentation)
    and cls not in (regularization.Augmentation, regularization.Compose)
}
SCHEDULES = {
    name: getattr(optim.lr_scheduler, name)
    for name in optim.lr_scheduler.__all__
    # The others take functions or schedules, which no recipe can hold.
    if name not in ("LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")
}


GIVEN_TO_SCHEDULES = ("optimizer", "last_epoch", "total_steps", "epochs", "steps_per_epoch", "mode")
"""Arguments that follow from the rest of the recipe."""

GIVEN_TO_LOSSES = (
    "size_average",
    "reduce",
    "reduction",
    "weight",
    "pos_weight",
    "ignore_index",
    "label_smoothing",
)
"""Arguments that follow from the rest of the recipe, or that mean nothing in training by rows."""


def _optimizer(cls: Any, options: dict[str, Any]) -> Any:
    return cls([Parameter([0.0])], **options)


def _schedule(cls: Any, options: dict[str, Any]) -> Any:
    length = {"total_steps": 10_000} if cls is optim.lr_scheduler.OneCycleLR else {}
    return cls(optim.SGD([Parameter([0.0])], lr=1.0, momentum=0.9), **options, **length)


def _make(cls: Any, options: dict[str, Any]) -> Any:
    return cls(**options)


SCHEDULE = choice(named(SCHEDULES), _schedule, given=GIVEN_TO_SCHEDULES)
"""How a schedule is read."""


def _find_features(path: str, kind: Any) -> Any:
    try:
        return data.features_class(kind)
    except ArgumentError as error:
        raise RecipeError(f"{path}: {error}") from error


@dataclass(frozen=True)
class DataSettings:
    """``[data]``: which rows, which features, which parts.

    Parameters
    ----------
    dataset : str
        A name of :func:`npnet.data.names`.
    features : Choice
        A name of :func:`npnet.data.make_features` and its options.
    validation : float
        Share of the rows that choose the epoch; 0 for none.
    test : float, optional
        Share of the rows for the test; left out where the dataset brings its own test part.
    folds : int, optional
        Cross-validation instead: every row is tested once, by a network that never saw it.
    simulator_seed : int
        Of the dataset itself, where it is simulated; the recipe's ``seed`` leaves it as it is.
    """

    dataset: str = setting(one_of(*data.names()))
    features: Choice = setting(choice(_find_features, _make))
    validation: float = setting(number(0.0, below=1.0))
    test: float | None = setting(optional(number(0.0, below=1.0)), None)
    folds: int | None = setting(optional(whole(2)), None)
    simulator_seed: int = setting(whole(), 0)

    def __post_init__(self) -> None:
        if self.folds is not None and self.test is not None:
            raise RecipeError(
                "data.folds tests on every row once: leave data.test out (--set data.test=none)"
            )


@dataclass(frozen=True)
class EarlyStoppingSettings:
    """``[regularization.early_stopping]``: see :class:`npnet.regularization.EarlyStopping`.

    Parameters
    ----------
    patience, min_delta, start_from_epoch
        As in :class:`~npnet.regularization.EarlyStopping`.
    restore_best : bool
        Whether the weights of the best epoch are kept, or those of the last one.
    """

    patience: int = setting(whole(1), 10)
    min_delta: float = setting(number(0.0), 0.0)
    start_from_epoch: int = setting(whole(0), 0)
    restore_best: bool = setting(flag, True)


@dataclass(frozen=True)
class RegularizationSettings:
    """``[regularization]``: all but weight decay, which belongs to the optimizer, and dropout, to the model.

    Parameters
    ----------
    penalty : Choice, optional
        A class of :mod:`npnet.regularization`, such as ``L1``.
    clip_grad_norm, clip_grad_value : float, optional
        Bounds of the gradient's norm and of its elements.
    label_smoothing : float
        As in :class:`npnet.nn.CrossEntropyLoss`, which alone takes it.
    class_weight : "balanced" or tuple of float, optional
        Weights of the classes in the loss; balanced ones are inverse to the number of training rows.  Of two
        classes, with :class:`npnet.nn.BCEWithLogitsLoss`, the second weight over the first is ``pos_weight``.
    early_stopping : EarlyStoppingSettings, optional
        When to end before the last epoch.
    augmentation : tuple of Choice, optional
        Classes of :mod:`npnet.regularization.augmentation`, which move the pictures of the training part at
        random, one after another.
    """

    penalty: Choice | None = setting(optional(choice(named(PENALTIES), _make)), None)
    clip_grad_norm: float | None = setting(optional(number(0.0, above=True)), None)
    clip_grad_value: float | None = setting(optional(number(0.0, above=True)), None)
    label_smoothing: float = setting(number(0.0, below=1.0), 0.0)
    class_weight: str | tuple[float, ...] | None = setting(
        optional(either(several(number(0.0)), "a list of weights, one a class", "balanced")), None
    )
    early_stopping: EarlyStoppingSettings | None = setting(optional(table(EarlyStoppingSettings)), None)
    augmentation: tuple[Choice, ...] | None = setting(
        optional(several(choice(named(AUGMENTATIONS), _make, given=("generator",)))), None
    )


@dataclass(frozen=True)
class TrainingSettings:
    """``[training]``: how long, and in which steps.

    Parameters
    ----------
    epochs : int
        Passes over the training part, at most.
    batch_size : int or "full"
        1 is stochastic, "full" is full-batch training.
    drop_last : bool
        Leave out a last batch that is not full.
    dtype : {"float32", "float64"}
        Of weights and activations.
    loss : Choice
        A class of :mod:`npnet.nn` and its options; the kind of task follows from it, see
        :mod:`npnet.training.objective`.
    monitor : str
        What early stopping and ReduceLROnPlateau watch, a column of the history.
    bptt : int, optional
        Truncated back-propagation through time: how many steps of a window the gradient goes back through.
        Of recurrent models; left out, all of them.
    threads : int, optional
        Of the matrix library; left out, it takes what the machine has.  Small matrices are multiplied as fast
        by one thread, which then does not wait for others on a busy machine; and rounding, hence the exact
        weights, may depend on their number.
    checkpoint_seconds : float
        Within an epoch there is a checkpoint after so many seconds; 0 writes one after every step.
    averaging : EMA or SWA, optional
        Averages of the weights along the training, see :mod:`npnet.training.averaging`.
    """

    epochs: int = setting(whole(1))
    batch_size: int | str = setting(either(whole(1), "a whole number, 1 or more", "full"), 128)
    drop_last: bool = setting(flag, False)
    dtype: str = setting(one_of("float32", "float64"), "float32")
    loss: Choice = setting(
        choice(named(LOSSES), _make, given=GIVEN_TO_LOSSES), Choice(Classification.losses[0])
    )
    monitor: str = setting(text, "validation_loss")
    bptt: int | None = setting(optional(whole(1)), None)
    threads: int | None = setting(optional(whole(1)), None)
    checkpoint_seconds: float = setting(number(0.0), 60.0)
    averaging: Average | None = setting(optional(variant(AVERAGES)), None)

    def __post_init__(self) -> None:
        if self.averaging is not None and self.averaging.start_from_epoch >= self.epochs:
            raise RecipeError(
                f"training.averaging starts after epoch {self.averaging.start_from_epoch} of {self.epochs}: "
                "there is nothing to average; take a smaller training.averaging.start_from_epoch"
            )
        one_of(*self.objective.columns())("training.monitor", self.monitor)

    @property
    def objective(self) -> type[Objective]:
        """The kind of task."""
        return objective_class(self.loss.kind)

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether what is watched is better when smaller, ``"min"``, or when larger, ``"max"``."""
        return self.objective.mode(self.monitor)


@dataclass(frozen=True)
class Recipe:
    """An experiment.

    Parameters
    ----------
    name : str
        Names the run's folder.
    description : str
        One line for people.
    seed : int
        Of initial weights, split, order of the data and dropout.
    data, model, optimizer, scheduler, regularization, training
        The tables.

    Raises
    ------
    RecipeError
        If something is watched that the run does not have.

    Examples
    --------
    >>> from npnet.training import load_recipe
    >>> recipe = load_recipe("digits", overrides=["training.epochs=2", "optimizer.lr=3e-4"])
    >>> recipe.training.epochs, recipe.optimizer.options["lr"]
    (2, 0.0003)
    """

    name: str = setting(identifier)
    data: DataSettings = setting(table(DataSettings))
    model: Model = setting(variant(MODELS))
    optimizer: Choice = setting(choice(named(OPTIMIZERS), _optimizer, given=("params",)))
    training: TrainingSettings = setting(table(TrainingSettings))
    description: str = setting(text, "")
    seed: int = setting(whole(), 0)
    scheduler: Choice | None = setting(optional(SCHEDULE), None)
    regularization: RegularizationSettings = setting(table(RegularizationSettings), RegularizationSettings())

    def __post_init__(self) -> None:
        self._refuse_settings_of_other_losses()
        if self.training.bptt is not None and not isinstance(self.model, Recurrent):
            raise RecipeError(
                f"training.bptt is for models that walk through time ({Recurrent.known}), and model.kind is "
                f"{self.model.kind!r}: leave it out"
            )
        watching = {
            "regularization.early_stopping": self.regularization.early_stopping is not None,
            "scheduler ReduceLROnPlateau": self.scheduler and self.scheduler.kind == "ReduceLROnPlateau",
        }
        for what, watches in watching.items():
            if watches and self.training.monitor.startswith("validation") and self.data.validation == 0.0:
                raise RecipeError(
                    f"{what} watches {self.training.monitor}, and there is no validation part: set "
                    "data.validation to a share of the rows, or training.monitor to train_loss"
                )

    def _refuse_settings_of_other_losses(self) -> None:
        taken = self.training.objective.settings
        for key in ("label_smoothing", "class_weight"):
            value = getattr(self.regularization, key)
            if key not in taken and value != getattr(RegularizationSettings, key):
                raise RecipeError(
                    f"regularization.{key} = {value!r} is not for training.loss={self.training.loss.kind}: "
                    "leave it out"
                )

    def to_toml(self) -> str:
        """The recipe as a TOML file, which :func:`~npnet.training.load_recipe` reads back."""
        import tomli_w

        return tomli_w.dumps(write(self))

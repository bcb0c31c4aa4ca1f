"""What watches a training: stop early, stop at NaN, keep the right weights.

A callback is told of five moments and may set ``trainer.should_stop``.  At the end of an epoch it is given
the epoch's row of the history before the history has it, so that a row that a callback refuses is not kept;
then the schedule steps, and the epoch is closed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.errors import NonFiniteError
from npnet.regularization import EarlyStopping
from npnet.training.likeness import refuse_unlike

if TYPE_CHECKING:
    from npnet.backend import Array
    from npnet.training.engine import Step
    from npnet.training.recipe import Recipe
    from npnet.training.trainer import Trainer

__all__ = ["Callback", "KeepWeights", "StopAtNaN", "StopEarly", "recipe_callbacks"]

STEPS_BETWEEN_LOOKS = 50
"""On a device that works behind the program's back the loss is read so often, since reading waits."""

ADVICE = "a smaller learning rate or regularization.clip_grad_norm=1 may help"


class Callback:
    """Base of the callbacks: hears everything, does nothing."""

    def on_train_start(self, trainer: Trainer) -> None:
        """Before the first step."""

    def on_batch_end(self, trainer: Trainer, step: Step) -> None:
        """After every step."""

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """After every epoch, with its row of the history."""

    def on_epoch_closed(self, trainer: Trainer) -> None:
        """After the history has the epoch and the schedule has stepped: nothing is left to do for it."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last step, also when an error ends the training."""

    def state_dict(self) -> dict[str, Any]:
        """What it must remember through a break, as numbers, texts, lists, dicts and arrays on the host."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""


class StopAtNaN(Callback):
    """Stop when a loss or a weight becomes NaN or infinite, and say where.

    Raises
    ------
    NonFiniteError
        From the step or the epoch in question; with :class:`KeepWeights` after it among the callbacks the
        model is then given the last good weights back.
    """

    def on_batch_end(self, trainer: Trainer, step: Step) -> None:
        """Look at the loss of a step, on a GPU now and then at that of the epoch so far."""
        if isinstance(step.loss, float):
            self._look(trainer, step.loss, "")
        elif trainer.running.steps % STEPS_BETWEEN_LOOKS == 0:
            self._look(trainer, trainer.running.loss, " or up to 49 steps before")

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """Look at the losses of the epoch, and at the weights that it ended with."""
        self._look(trainer, measured["train_loss"], " or before")
        self._look(trainer, measured.get("validation_loss", 0.0), ", on the validation part")
        for name, values in trainer.engine.state_dict().items():  # no loss has seen the last step's weights
            if not np.isfinite(values).all():
                raise NonFiniteError(
                    f"{name} became NaN or infinite in epoch {trainer.epoch}, at its last step or before "
                    f"(learning rate {trainer.engine.lr:.3g}): {ADVICE}"
                )

    @staticmethod
    def _look(trainer: Trainer, loss: float, where: str) -> None:
        if not math.isfinite(loss):
            step = f"step {trainer.running.steps} of {trainer.engine.task.steps_per_epoch}{where}"
            raise NonFiniteError(
                f"the loss became {loss} in epoch {trainer.epoch}, at {step} "
                f"(learning rate {trainer.engine.lr:.3g}): {ADVICE}"
            )


class StopEarly(Callback):
    """Stop when what is watched has ceased to improve.

    Parameters
    ----------
    stopping : EarlyStopping
        Decides.
    monitor : str
        The column of the history that it is shown.
    """

    def __init__(self, stopping: EarlyStopping, monitor: str) -> None:
        self.stopping = stopping
        self.monitor = monitor

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """Show the epoch to the rule."""
        trainer.should_stop = self.stopping.step(measured[self.monitor])

    def state_dict(self) -> dict[str, Any]:
        """The numbers of the rule."""
        return self.stopping.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on counting."""
        self.stopping.load_state_dict(state_dict)


class KeepWeights(Callback):
    """Keep the weights of the best epoch, or of the last one, and put them back at the end.

    Where weights are averaged, these are the averages.  An epoch that did not end (an error, Ctrl-C) is not
    kept.

    Parameters
    ----------
    best_of : EarlyStopping or None
        The rule that says which epoch is best, shown the epoch before this callback is; None keeps the last.

    Attributes
    ----------
    weights : dict of str to ndarray
        Copies, on the host.
    epoch : int
        The epoch that they come from; 0 means the initial weights.
    """

    def __init__(self, best_of: EarlyStopping | None = None) -> None:
        self.best_of = best_of
        self.weights: dict[str, Array] = {}
        self.epoch = 0

    def on_train_start(self, trainer: Trainer) -> None:
        """Keep the initial weights, unless it remembers better ones."""
        if self.weights:
            refuse_unlike(trainer.engine.state_dict(), self.weights, "the weights that are kept")
        else:
            self._keep(trainer)

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """Keep the weights if this epoch is the best so far; until there is a best one, the newest."""
        if self.best_of is None or self.best_of.best_epoch in (None, trainer.epoch - 1):
            self._keep(trainer)

    def on_train_end(self, trainer: Trainer) -> None:
        """Put them back."""
        trainer.engine.load_state_dict(self.weights)

    def _keep(self, trainer: Trainer) -> None:
        self.weights, self.epoch = trainer.engine.state_dict(judged=True), trainer.epoch

    def state_dict(self) -> dict[str, Any]:
        """The weights that are kept, and their epoch."""
        return {"epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Keep these."""
        self.epoch, self.weights = state_dict["epoch"], dict(state_dict["weights"])


def recipe_callbacks(recipe: Recipe) -> tuple[KeepWeights, list[Callback]]:
    """What a recipe asks for, in the order in which it must be asked, and which of them keeps the weights.

    Parameters
    ----------
    recipe : Recipe
        Its early stopping says when to stop and which epoch is the best.
    """
    settings, training = recipe.regularization.early_stopping, recipe.training
    watching: list[Callback] = [StopAtNaN()]
    best_of = None
    if settings is not None:
        stopping = EarlyStopping(
            settings.patience,
            settings.min_delta,
            training.mode,
            start_from_epoch=settings.start_from_epoch,
        )
        watching.append(StopEarly(stopping, training.monitor))
        best_of = stopping if settings.restore_best else None
    keep = KeepWeights(best_of)
    return keep, [*watching, keep]

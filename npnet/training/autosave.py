"""When checkpoints are written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from npnet.training.callbacks import Callback, KeepWeights
from npnet.training.checkpoint import Checkpoint
from npnet.training.run import RunFolder

if TYPE_CHECKING:
    from npnet.training.engine import Step
    from npnet.training.trainer import Trainer

__all__ = ["Autosave"]

SHARE = 0.05
"""Saving at the end of short epochs takes no more than this part of the time."""


class Autosave(Callback):
    """Write a checkpoint at the start, at the end of epochs, within long ones, and when the training pauses.

    It must come after the callbacks whose state it saves.  At the end of an epoch nothing is written if that
    would bring the time for saving above a twentieth; a kill then costs at most twenty times as long as a
    checkpoint takes.  When the weights that are kept have changed, ``weights.safetensors`` is written too.

    Parameters
    ----------
    folder : RunFolder
        Where to.
    keep : KeepWeights
        Knows which weights are kept.
    facts : mapping
        The parts of a :class:`~npnet.training.Checkpoint` besides the trainer.
    seconds : float
        After so long within an epoch there is a checkpoint; 0 writes one after every step and every epoch.
    """

    def __init__(
        self, folder: RunFolder, keep: KeepWeights, facts: Mapping[str, Any], seconds: float
    ) -> None:
        self.folder = folder
        self.keep = keep
        self.facts = facts
        self.seconds = seconds
        self._weights_of: int | None = None
        self._saved = self._took = 0.0
        self._failed = False

    def on_train_start(self, trainer: Trainer) -> None:
        """Write the first one, so that a disk that does not take it is noticed now."""
        self._save(trainer)

    def on_batch_end(self, trainer: Trainer, step: Step) -> None:
        """Write one if the last is old enough."""
        if trainer.should_pause or self._since() >= self.seconds:
            self._save(trainer)

    def on_epoch_closed(self, trainer: Trainer) -> None:
        """Write one, unless the last one has just been written."""
        cheap = self._took <= SHARE * self._since()
        if cheap or self.seconds == 0.0 or trainer.should_pause or trainer.finished:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer) -> None:
        """Write the weights that are kept in the end."""
        if not self._failed:
            self._save_weights()

    def _since(self) -> float:
        return time.perf_counter() - self._saved

    def _save(self, trainer: Trainer) -> None:
        began = time.perf_counter()
        self._failed = True
        self.folder.write_checkpoint(Checkpoint(**self.facts, trainer=trainer.state_dict()))
        self._save_weights()
        self._failed = False
        self._saved = time.perf_counter()
        self._took = self._saved - began

    def _save_weights(self) -> None:
        if self._weights_of != self.keep.epoch:
            self.folder.write_weights(self.keep.weights, self.keep.epoch)
            self._weights_of = self.keep.epoch

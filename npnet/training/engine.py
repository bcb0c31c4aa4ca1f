"""What a training library does for the trainer.

The trainer knows epochs, metrics and when to stop; an *engine* knows arrays.  There is one for NumPy and
CuPy in :mod:`npnet.training.numpy_engine`; ``torchref`` has one for PyTorch.  All of them start from the same
:class:`~npnet.training.task.Task` and walk its batches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

from npnet.backend import Array
from npnet.training.task import Task

__all__ = ["Engine", "Evaluation", "Step"]

EVERY_BATCH = ("OneCycleLR", "CyclicLR")
"""Schedules that take a step after every batch; the others after every epoch."""


class Step(NamedTuple):
    """What one training step gives.

    Parameters
    ----------
    loss : float or 0-d array
        Mean over the batch before the update, without the penalty.  On a device that works behind the
        program's back it is the device's own scalar, so that nothing waits for it; else a Python float.
    tally : number or array
        What :meth:`~npnet.training.objective.Objective.tally` counts of the batch.
    """

    loss: Any
    tally: Any


class Evaluation(NamedTuple):
    """A part of the data, seen by the network as it is now.

    Parameters
    ----------
    loss : float
        Mean over the part, without the penalty.
    outputs : ndarray, shape (n, outputs)
        On the host, in the order of the part's rows.
    """

    loss: float
    outputs: Array


class Engine(ABC):
    """Base of the engines.

    A subclass makes model, loss, penalty, optimizer and schedule of the task, and writes what is abstract.
    It may hold the data as it likes.

    Parameters
    ----------
    task : Task
        What to train, on what.

    Attributes
    ----------
    optimizer : object
        With ``param_groups`` as PyTorch has them.
    schedule : object or None
        Made by :meth:`make_schedule`.
    device : str
        Where it computes, for people.
    """

    name: ClassVar[str]
    """What ``--backend`` calls it."""

    optimizer: Any
    schedule: Any
    device: str
    about_data: str = ""
    """Where the data lie, for people, where there was something to choose."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def train_batch(self, rows: Array) -> Step:
        """Take one step on these rows of the task: forward, backward, penalty, clipping, update.

        A subclass ends it with :meth:`after_batch`.
        """

    @abstractmethod
    def evaluate(self, part: str) -> Evaluation:
        """Look at a part in evaluation mode, with nothing kept for a backward pass."""

    @abstractmethod
    def penalty(self) -> float:
        """The value of the penalty now; 0 without one."""

    @abstractmethod
    def gradients(self) -> dict[str, Array | None]:
        """What the last step went by, penalty and clipping included, as copies on the host.

        None where a parameter has no gradient.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Array]:
        """Weights and buffers under PyTorch's keys, as copies on the host."""

    @abstractmethod
    def load_state_dict(self, state_dict: Mapping[str, Array]) -> None:
        """Put weights and buffers back, in place."""

    @abstractmethod
    def training_state(self) -> dict[str, Any]:
        """Everything of the engine that the next step depends on: ``model``, ``optimizer``, ``schedule``.

        Numbers, texts, lists, dicts, and arrays on the host, which are views where they can be.
        """

    @abstractmethod
    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`training_state` returned."""

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def make_schedule(self, schedules: ModuleType) -> Any:
        """The recipe's schedule over :attr:`optimizer`; None without one.

        Parameters
        ----------
        schedules : module
            :mod:`npnet.optim.lr_scheduler`, or the module of the same names in another library.
        """
        chosen = self.task.recipe.scheduler
        if chosen is None:
            return None
        follows: dict[str, Any] = {}
        if chosen.kind == "OneCycleLR":
            follows = {"total_steps": self.task.recipe.training.epochs * self.task.steps_per_epoch}
        if chosen.kind == "ReduceLROnPlateau":
            follows = {"mode": self.task.recipe.training.mode}
        return getattr(schedules, chosen.kind)(self.optimizer, **chosen.options, **follows)

    def after_batch(self) -> None:
        """Step a schedule that goes by batches."""
        chosen = self.task.recipe.scheduler
        if chosen is not None and chosen.kind in EVERY_BATCH:
            self.schedule.step()

    def after_epoch(self, metrics: Mapping[str, float]) -> None:
        """Step a schedule that goes by epochs."""
        chosen = self.task.recipe.scheduler
        if chosen is None or chosen.kind in EVERY_BATCH:
            return
        if chosen.kind == "ReduceLROnPlateau":
            self.schedule.step(metrics[self.task.recipe.training.monitor])
        else:
            self.schedule.step()

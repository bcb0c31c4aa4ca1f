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
from npnet.training.averaging import Averaging
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
    model : object
        What is trained.
    optimizer : object
        With ``param_groups`` as PyTorch has them.
    schedule : object or None
        Made by :meth:`make_schedule`.
    averaging : Averaging or None
        Made by :meth:`make_averaging`.
    device : str
        Where it computes, for people.
    """

    name: ClassVar[str]
    """What ``--backend`` calls it."""

    model: Any
    optimizer: Any
    schedule: Any
    averaging: Averaging | None
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
        """Look at a part with the network :attr:`judged`, in evaluation mode.

        Nothing is kept for a backward pass.
        """

    @abstractmethod
    def inputs(self, rows: Array) -> Any:
        """Some rows as the network takes them, not augmented."""

    @abstractmethod
    def penalty(self) -> float:
        """The value of the penalty now; 0 without one."""

    @abstractmethod
    def gradients(self) -> dict[str, Array | None]:
        """What the last step went by, penalty and clipping included, as copies on the host.

        None where a parameter has no gradient.
        """

    @abstractmethod
    def state_dict(self, *, judged: bool = False) -> dict[str, Array]:
        """Weights and buffers under PyTorch's keys, as copies on the host.

        Those of the network that is trained; or, if asked for, of the one that is :attr:`judged`.
        """

    @abstractmethod
    def load_state_dict(self, state_dict: Mapping[str, Array]) -> None:
        """Put weights and buffers back, in place: into the network that is trained, and the one judged."""

    @abstractmethod
    def training_state(self) -> dict[str, Any]:
        """Everything of the engine that the next step depends on: ``model``, ``optimizer``, ``schedule``.

        With averaging also ``averaging``, the average.  Numbers, texts, lists, dicts, and arrays on the host,
        which are views where they can be.
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

    def make_averaging(self, swa_utils: ModuleType) -> Averaging | None:
        """The recipe's average of :attr:`model`; None without one.

        Parameters
        ----------
        swa_utils : module
            :mod:`npnet.optim.swa_utils`, or the module of the same names in another library.
        """
        chosen = self.task.recipe.training.averaging
        return None if chosen is None else Averaging(chosen, self.model, self.optimizer, swa_utils)

    @property
    def judged(self) -> Any:
        """The network that is evaluated, kept and tested: the average, once there is one."""
        return self.averaging.model.module if self.averaging and self.averaging.begun else self.model

    def averages(self) -> dict[str, Array]:
        """The averaged weights and buffers, as copies on the host; none as long as there is no average."""
        if self.judged is self.model:
            return {}
        return {f"average of {name}": array for name, array in self.state_dict(judged=True).items()}

    def after_batch(self) -> None:
        """Step a schedule that goes by batches, and average what goes by batches."""
        chosen, averaging = self.task.recipe.scheduler, self.averaging
        if chosen is not None and chosen.kind in EVERY_BATCH and not (averaging and averaging.anneals):
            self.schedule.step()
        if averaging is not None:
            averaging.after_batch(self.model)

    def end_epoch(self) -> None:
        """The last step of an epoch is taken, and nothing of it evaluated: average what goes by epochs."""
        if self.averaging is not None:
            self.averaging.end_epoch(self.model, map(self.inputs, self.task.statistics_batches()))

    def after_epoch(self, metrics: Mapping[str, float]) -> None:
        """Step a schedule that goes by epochs."""
        if self.averaging is not None and self.averaging.after_epoch():
            return
        chosen = self.task.recipe.scheduler
        if chosen is None or chosen.kind in EVERY_BATCH:
            return
        if chosen.kind == "ReduceLROnPlateau":
            self.schedule.step(metrics[self.task.recipe.training.monitor])
        else:
            self.schedule.step()

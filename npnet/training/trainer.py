"""The training loop: epochs, metrics, and who is told of them."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from npnet.errors import ArgumentError
from npnet.training.engine import Engine, Step

if TYPE_CHECKING:
    import pandas as pd

    from npnet.training.callbacks import Callback
    from npnet.training.objective import Objective

__all__ = ["History", "RunningMean", "Trainer"]


class History:
    """What was measured, one row an epoch.

    Attributes
    ----------
    rows : list of dict
        The epochs; every dict has the same keys.

    Examples
    --------
    >>> history = History()
    >>> history.rows.append({"epoch": 1, "train_loss": 0.5})
    >>> history.frame
           train_loss
    epoch
    1             0.5
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a table with the epochs, from 1, as its index."""
        import pandas as pd

        columns = None if self.rows else ["epoch"]
        return pd.DataFrame(self.rows, columns=columns).set_index("epoch")


class RunningMean:
    """Loss and measure of the epoch so far, weighted by rows.

    On a device that works behind the program's back the sums stay there; reading :attr:`loss` or
    :attr:`measure` waits for it.

    Parameters
    ----------
    objective : Objective
        Says what is measured.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.steps = 0
        self.rows = 0
        self._loss: Any = 0.0
        self._tally: Any = 0

    def add(self, step: Step, rows: int) -> None:
        """Take in one batch."""
        self.steps += 1
        self.rows += rows
        self._loss = self._loss + step.loss * rows
        self._tally = self._tally + step.tally

    @property
    def loss(self) -> float:
        """Mean loss, NaN if one of them was."""
        return float(self._loss) / self.rows

    @property
    def measure(self) -> float:
        """The first measure of the objective: accuracy, or mean absolute error."""
        return self.objective.measured(self._tally, self.rows)


class Trainer:
    """Train with an engine, epoch after epoch.

    Parameters
    ----------
    engine : Engine
        What computes; it holds the task, and with it the recipe.
    callbacks : sequence of Callback
        Who is told of steps and epochs, in this order.
    name : str, keyword-only
        Which of several trainings this is, for people.

    Attributes
    ----------
    history : History
        The epochs so far: loss and first measure (accuracy, or mean absolute error) of the training part (in
        training mode, while the weights moved) and of the validation part (after the epoch), the penalty, the
        learning rate at the epoch's first step, seconds, and training rows a second.
    epoch : int
        The epoch that is running, from 1; 0 before the first.
    running : RunningMean
        What the running epoch has measured so far.
    should_stop : bool
        A callback sets it to end the training after this epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.training import NumpyEngine, Task, Trainer, load_recipe
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 1])
    >>> rows = {"train": np.arange(4), "validation": np.arange(4), "test": np.arange(0)}
    >>> recipe = load_recipe("digits", ["training.epochs=2"])
    >>> trainer = Trainer(NumpyEngine(Task(recipe, recipe.model.build(4, 3), x, y, rows)))
    >>> trainer.fit().frame.columns.tolist()[:4]
    ['train_loss', 'train_accuracy', 'validation_loss', 'validation_accuracy']
    """

    def __init__(self, engine: Engine, callbacks: Sequence[Callback] = (), *, name: str = "") -> None:
        self.engine = engine
        self.name = name
        self.callbacks = tuple(callbacks)
        self.history = History()
        self.epoch = 0
        self.running = RunningMean(engine.task.objective)
        self.should_stop = False

    @property
    def epochs(self) -> int:
        """How many epochs there are at most."""
        return self.engine.task.recipe.training.epochs

    def fit(self) -> History:
        """Train until the last epoch, or until a callback stops.

        Raises
        ------
        NonFiniteError
            If the loss becomes NaN or infinite, and :class:`~npnet.training.callbacks.StopAtNaN` is there.
        """
        for _ in self.steps():
            pass
        return self.history

    def steps(self) -> Generator[Step]:
        """The same training, a step at a time, for whoever has something to do between two steps."""
        if not len(self.engine.task.rows["train"]):
            raise ArgumentError("there are no training rows")
        for callback in self.callbacks:
            callback.on_train_start(self)
        try:
            while self.epoch < self.epochs and not self.should_stop:
                self.epoch += 1
                yield from self._run_epoch()
        finally:
            for callback in self.callbacks:
                callback.on_train_end(self)

    def _run_epoch(self) -> Iterator[Step]:
        engine, task, began = self.engine, self.engine.task, time.perf_counter()
        self.running = running = RunningMean(task.objective)
        lr = engine.lr
        for rows in task.batches():
            step = engine.train_batch(rows)
            running.add(step, len(rows))
            for callback in self.callbacks:
                callback.on_batch_end(self, step)
            yield step
        measured = {"epoch": self.epoch, "train_loss": running.loss}
        measured[f"train_{task.objective.measures[0].name}"] = running.measure
        seconds = time.perf_counter() - began
        measured |= self._validate()
        measured |= {"penalty": engine.penalty(), "lr": lr, "seconds": seconds}
        measured["rows_per_second"] = running.rows / seconds
        for callback in self.callbacks:
            callback.on_epoch_end(self, measured)
        self.history.rows.append(measured)
        engine.after_epoch(measured)

    def _validate(self) -> dict[str, float]:
        task = self.engine.task
        rows, objective = task.rows["validation"], task.objective
        if not len(rows):
            return {}
        loss, outputs = self.engine.evaluate("validation")
        measure = objective.measured(objective.tally(outputs, task.targets[rows]), len(rows))
        return {"validation_loss": loss, f"validation_{objective.measures[0].name}": measure}

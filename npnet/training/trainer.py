"""The training loop: epochs, metrics, who is told of them, and how it goes on after a break."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from npnet import backend
from npnet.errors import ArgumentError, NpnetError, StateError
from npnet.random import get_rng_state, set_rng_state, stream
from npnet.training.engine import Engine, Step
from npnet.training.likeness import refuse_unlike

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array
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

    Attributes
    ----------
    steps, rows : int
        How many there were.
    seconds : float
        How long they took.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.steps = 0
        self.rows = 0
        self.seconds = 0.0
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

    def state_dict(self) -> dict[str, Any]:
        """The counts and sums, as numbers and arrays on the host."""
        return {
            name: backend.to_host(value) if backend.is_array(value) else value
            for name, value in vars(self).items()
            if name != "objective"
        }

    def load_state_dict(self, state_dict: Mapping[str, Any], device: str = "cpu") -> None:
        """Go on counting from what :meth:`state_dict` returned, on the engine's device.

        Raises
        ------
        StateError
            If it is not such a state.
        """
        names = vars(self).keys() - {"objective"}
        if state_dict.keys() != names:
            raise StateError(f"the state of an epoch has {sorted(names)}, got {sorted(state_dict)}")
        for name, value in state_dict.items():
            if not isinstance(value, (int, float)) and not backend.is_array(value):
                raise StateError(f"{name} of an epoch is a number, got {type(value).__name__}")
            setattr(self, name, backend.to_device(value, device) if backend.is_array(value) else value)


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
    should_pause : bool
        A callback sets it to leave :meth:`fit` after this step; :meth:`state_dict` is what to go on from.

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
        self.should_pause = False
        self._spent = 0.0
        self._began: float | None = None
        self._lr = engine.lr
        self._order: Any = None

    @property
    def epochs(self) -> int:
        """How many epochs there are at most."""
        return self.engine.task.recipe.training.epochs

    @property
    def finished(self) -> bool:
        """Whether the last epoch has ended."""
        return self.running.steps == 0 and (self.should_stop or self.epoch >= self.epochs)

    @property
    def seconds(self) -> float:
        """How long the training has taken so far, breaks left out."""
        return self._spent + (0.0 if self._began is None else time.perf_counter() - self._began)

    def fit(self) -> History:
        """Train until the last epoch, or until a callback stops or pauses.

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
        self._began = time.perf_counter()
        for callback in self.callbacks:
            callback.on_train_start(self)
        try:
            while not self.finished and not self.should_pause:
                yield from self._run_epoch()
        finally:
            self._spent, self._began = self.seconds, None
            with contextlib.ExitStack() as ends:  # tells each of them, whatever another one raises
                for callback in reversed(self.callbacks):
                    ends.callback(callback.on_train_end, self)

    def _run_epoch(self) -> Iterator[Step]:
        engine, task, running = self.engine, self.engine.task, self.running
        batches = self._begun_batches() if running.steps else self._new_batches()
        began = time.perf_counter() - running.seconds
        for rows in batches:
            step = engine.train_batch(rows)
            running.add(step, len(rows))
            running.seconds = time.perf_counter() - began
            for callback in self.callbacks:
                callback.on_batch_end(self, step)
            yield step
            if self.should_pause:
                return
        engine.end_epoch()
        measured = {"epoch": self.epoch, "train_loss": running.loss}
        measured[f"train_{task.objective.measures[0].name}"] = running.measure
        measured |= self._validate()
        measured |= {"penalty": engine.penalty(), "lr": self._lr, "seconds": running.seconds}
        measured["rows_per_second"] = running.rows / running.seconds
        for callback in self.callbacks:
            callback.on_epoch_end(self, measured)
        self.history.rows.append(measured)
        engine.after_epoch(measured)
        self.running = RunningMean(task.objective)
        for callback in self.callbacks:
            callback.on_epoch_closed(self)

    def _new_batches(self) -> Iterator[Array]:
        """The batches of the next epoch."""
        self.epoch += 1
        self._lr = self.engine.lr
        self._order = stream("shuffle").get_state()
        return self.engine.task.batches()

    def _begun_batches(self) -> Iterator[Array]:
        """The batches that are left of an epoch: its order is drawn again, and the streams put back."""
        now = get_rng_state()
        stream("shuffle").set_state(self._order)
        batches = self.engine.task.batches()
        for _ in range(self.running.steps):
            next(batches)
        set_rng_state(now)
        return batches

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, between two steps or two epochs.

        Numbers, texts, lists, dicts, and arrays on the host, which are views where they can be.
        """
        states = {name: callback.state_dict() for name, callback in self._named_callbacks()}
        return {
            "epoch": self.epoch,
            "running": self.running.state_dict(),
            "should_stop": self.should_stop,
            "seconds": self.seconds,
            "lr": self._lr,
            "order": self._order,
            "history": self.history.rows,
            "streams": get_rng_state(),
            "engine": self.engine.training_state(),
            "callbacks": {name: state for name, state in states.items() if state},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let :meth:`fit` go on from what :meth:`state_dict` returned, with an engine of the same task.

        Raises
        ------
        StateError
            If it is not such a state, or that of another training.
        """
        state, own = state_dict, {**self.state_dict(), "running": None, "order": None}
        try:
            refuse_unlike(own, state)
            self.running.load_state_dict(state["running"], self.engine.device)
            self.epoch, self.should_stop, self._lr = state["epoch"], state["should_stop"], state["lr"]
            self._order, self._spent = state["order"], float(state["seconds"])
            self.history.rows[:] = map(_checked_row, state["history"])
            steps, most = self.running.steps, self.engine.task.steps_per_epoch
            if not (0 <= self.epoch <= self.epochs and 0 <= steps <= most):
                raise StateError(f"there is no step {steps} of epoch {self.epoch} in this training")
            for name, callback in self._named_callbacks():
                if name in state["callbacks"]:
                    callback.load_state_dict(state["callbacks"][name])
            self.engine.load_training_state(state["engine"])
            set_rng_state(state["streams"])
        except NpnetError:
            raise
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise StateError(f"this is not the state of such a training: {error!r}") from error

    def _named_callbacks(self) -> Iterator[tuple[str, Callback]]:
        """Callbacks by their class and, where there are several of one, their number."""
        seen: list[str] = []
        for callback in self.callbacks:
            name = type(callback).__name__
            seen.append(name)
            yield f"{name}-{seen.count(name)}" if seen.count(name) > 1 else name, callback

    def _validate(self) -> dict[str, float]:
        task = self.engine.task
        rows, objective = task.rows["validation"], task.objective
        if not len(rows):
            return {}
        loss, outputs = self.engine.evaluate("validation")
        measure = objective.measured(objective.tally(outputs, task.targets[rows]), len(rows))
        return {"validation_loss": loss, f"validation_{objective.measures[0].name}": measure}


def _checked_row(row: Any) -> dict[str, float]:
    """A row of a history that was read from a file."""
    if not isinstance(row, dict) or not all(isinstance(value, (int, float)) for value in row.values()):
        raise StateError("the history has a row that is no table of numbers")
    return row

"""Progress for people, drawn with Rich on the error stream."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from npnet import backend
from npnet.training.callbacks import Callback

if TYPE_CHECKING:
    from npnet.training.engine import Step
    from npnet.training.trainer import Trainer

__all__ = ["ProgressBar"]

LINES = 20
"""About so many epochs of a training are told one by one."""

REDRAW_SECONDS = 0.5
"""Drawing takes milliseconds, as long as many steps."""


class ProgressBar(Callback):
    """Loss, measure, rows a second and time left as a bar, on a terminal; and a line for some of the epochs.

    Parameters
    ----------
    console : Console
        Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measured]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            auto_refresh=False,
        )
        self._drawn = 0.0

    def on_train_start(self, trainer: Trainer) -> None:
        """Show an empty bar of all steps."""
        self._began = time.perf_counter()
        self._rows = -trainer.running.rows  # those of an epoch that goes on took their time before
        steps = trainer.epochs * trainer.engine.task.steps_per_epoch
        self._bar_task = self._bar.add_task("", total=steps, epoch="", measured="")
        self._shown = 0
        where = _place(trainer) if trainer.epoch else ""
        if trainer.name or where:
            self._console.print(", ".join(filter(None, (trainer.name, where))), highlight=False)
        if trainer.engine.about_data:
            self._console.print(trainer.engine.about_data, highlight=False)
        if self._console.is_terminal:
            self._bar.start()

    def on_batch_end(self, trainer: Trainer, step: Step) -> None:
        """Redraw, twice a second at most."""
        now = time.perf_counter()
        if self._console.is_terminal and now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            running, task = trainer.running, trainer.engine.task
            steps = (trainer.epoch - 1) * task.steps_per_epoch + running.steps
            speed = (self._rows + running.rows) / (now - self._began)
            self._bar.update(
                self._bar_task,
                completed=steps,
                epoch=f"{trainer.epoch}/{trainer.epochs}",
                measured=f"loss {running.loss:.4f}  {_measure(trainer, running.measure)} {speed:,.0f} rows/s",
                refresh=True,
            )

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """Say what the epoch came to, unless there are many."""
        self._rows += trainer.running.rows
        if trainer.epoch == 1 or trainer.epoch % math.ceil(trainer.epochs / LINES) == 0:
            self._say(trainer, measured)

    def on_train_end(self, trainer: Trainer) -> None:
        """Say what the last epoch came to, and take the bar away."""
        if trainer.history.rows and self._shown < len(trainer.history):
            self._say(trainer, trainer.history.rows[-1])
        if self._console.is_terminal:
            self._bar.stop()
        self._bar.remove_task(self._bar_task)

    def _say(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        self._shown = int(measured["epoch"])
        name = trainer.engine.task.objective.measures[0].name
        figures = [
            f"{part and part + ' '}loss {measured[f'{column}_loss']:.4f}  "
            f"{_measure(trainer, measured[f'{column}_{name}'])}"
            for part, column in (("", "train"), ("validation", "validation"))
            if f"{column}_loss" in measured
        ]
        figures.append(f"lr {measured['lr']:.2e}  {measured['rows_per_second']:,.0f} rows/s")
        if trainer.engine.device != "cpu":
            figures.append(f"{backend.memory_info(trainer.engine.device)[0] / 2**20:,.0f} MiB in use")
        epoch = f"epoch {self._shown:>{len(str(trainer.epochs))}}/{trainer.epochs}"
        self._console.print(f"{epoch}  {'   '.join(figures)}", highlight=False, soft_wrap=True)


def _measure(trainer: Trainer, value: float) -> str:
    """The first measure of the objective, by name."""
    objective = trainer.engine.task.objective
    measure = objective.measures[0]
    return f"{measure.title} {measure.written(value, objective.unit)}"


def _place(trainer: Trainer) -> str:
    """Where a training goes on."""
    if trainer.running.steps:
        steps = f"step {trainer.running.steps} of {trainer.engine.task.steps_per_epoch}"
        return f"going on in epoch {trainer.epoch}, after {steps}"
    return f"going on after epoch {trainer.epoch}"

"""One recipe on two libraries at once, a step of one and a step of the other, compared after each.

Both start from the same weights and walk the same batches.  Each side has random streams of its own in the
same state, so dropout masks and augmentation come out the same, and decides on its own when to lower the
rate, when to stop and which epoch to keep.
"""

from __future__ import annotations

import copy
import dataclasses
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import npnet.data
from npnet._version import __version__
from npnet.backend import Array
from npnet.data import Dataset, Split
from npnet.errors import ArgumentError, NonFiniteError
from npnet.random import STREAMS, copy_streams, manual_seed, stream, using_streams
from npnet.training import figures
from npnet.training.agreement import Agreement, Moment
from npnet.training.callbacks import Callback, recipe_callbacks
from npnet.training.engine import Engine
from npnet.training.experiment import limited_threads
from npnet.training.interruption import Interrupted
from npnet.training.recipe import Recipe
from npnet.training.run import RunFolder
from npnet.training.seen import Seen
from npnet.training.task import Task, make_task, splits
from npnet.training.trainer import Trainer

__all__ = ["compare_recipe"]

MakeEngine = Callable[[Task], Engine]


def compare_recipe(
    recipe: Recipe,
    engines: Mapping[str, MakeEngine],
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    tolerance: float | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Run a recipe on two engines in step with one another, and keep what was found in a folder.

    ================= ===================================================================================
    file              content
    ================= ===================================================================================
    ``recipe.toml``   the resolved recipe
    ``compare.csv``   a row a tensor: its largest difference, when, and its share of the tolerance
    ``steps.csv``     a row a step: both losses, and what used most of its tolerance
    ``losses.png``    both losses, and that share, against steps
    ``compare.json``  everything that the closing table says
    ================= ===================================================================================

    The first engine's run is the one that :func:`~npnet.training.run_recipe` makes of the recipe.  Masks are
    drawn on the host.  Training times are those of the engines alone, the comparing left out.

    Parameters
    ----------
    recipe : Recipe
        The experiment; ``training.dtype`` chooses the tolerances.
    engines : mapping of str to callable
        Two names, and what makes an engine of a task.  An engine is made within streams of its own, and
        takes masks from the stream ``dropout``.
    data, out : str or Path, optional
        As for :func:`~npnet.training.run_recipe`; by default the first free
        ``runs/<recipe>-compare-<number>``.
    tolerance : float, optional
        In place of those of :data:`~npnet.training.agreement.TOLERANCES`.
    callbacks : sequence of Callback
        Told of the steps and epochs of the first run.

    Returns
    -------
    dict
        The content of ``compare.json``; ``agree`` says whether all was within tolerance, ``first`` what
        was not.

    Raises
    ------
    OutputError, DataError, TargetError, ArgumentError, RecipeError
        As :func:`~npnet.training.run_recipe` does.
    Interrupted
        At Ctrl-C; the folder has what was compared until then.

    Examples
    --------
    >>> import tempfile
    >>> from npnet.training import NumpyEngine, load_recipe
    >>> recipe = load_recipe("digits", ["training.epochs=1", "training.dtype=float64"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = compare_recipe(recipe, {"one": NumpyEngine, "other": NumpyEngine}, out=f"{folder}/run")
    >>> found["agree"], max(tensor["largest_difference"] for tensor in found["tensors"])
    (True, 0.0)
    """
    if len(engines) != 2:
        raise ArgumentError(f"two engines are compared, got {len(engines)}: {', '.join(engines)}")
    folder = RunFolder.numbered(f"{recipe.name}-compare") if out is None else RunFolder(out)
    with folder:
        try:
            dataset = npnet.data.load(recipe.data.dataset, data=data, seed=recipe.data.simulator_seed)
            manual_seed(recipe.seed)
            comparison = _Comparison(
                recipe, dataset, engines, tuple(callbacks), Agreement(recipe.training.dtype, tolerance)
            )
            parts = splits(recipe, dataset)
            interrupted: BaseException | None = None
            with limited_threads(recipe.training.threads):
                try:
                    for number, split in enumerate(parts, start=1):
                        comparison.run(split, number if len(parts) > 1 else 0, len(parts))
                except KeyboardInterrupt as error:
                    interrupted = error
            summary = comparison.write(folder)
            if interrupted is not None:
                raise Interrupted(f"interrupted; what was compared lies in {folder.path}") from interrupted
            return summary
        finally:
            folder.discard_if_unused()


class _Side:
    """One engine on its way through the recipe."""

    def __init__(
        self,
        make_engine: MakeEngine,
        task: Task,
        streams: Mapping[str, Any],
        callbacks: Sequence[Callback],
        name: str,
    ) -> None:
        self.streams = streams
        with using_streams(streams):
            self.engine = make_engine(dataclasses.replace(task, model=copy.deepcopy(task.model)))
        self.keep, watching = recipe_callbacks(task.recipe)
        self.trainer = Trainer(self.engine, [*watching, *callbacks], name=name)
        self.steps = self.trainer.steps()
        self.seconds = 0.0
        self.failure = ""

    def advance(self) -> float | None:
        """Take one step; returns its loss, or None if there is no further one."""
        began = time.perf_counter()
        loss = None
        try:
            with using_streams(self.streams):
                step = next(self.steps, None)
                loss = None if step is None else float(step.loss)
        except NonFiniteError as error:
            self.failure = str(error)
        self.seconds += time.perf_counter() - began
        return loss

    def summary(self, dataset: Dataset) -> dict[str, Any]:
        """What came of it."""
        scores = {
            part: Seen.of(dataset, self.engine, part).scores()
            for part in ("validation", "test")
            if len(self.engine.task.rows[part])
        }
        return {
            "device": self.engine.device,
            "epochs": len(self.trainer.history),
            "kept_epoch": self.keep.epoch,
            "failure": self.failure or None,
            "seconds": self.seconds,
            **scores,
        }


class _Comparison:
    """Both sides, fold after fold, and what was found."""

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        engines: Mapping[str, MakeEngine],
        callbacks: tuple[Callback, ...],
        agreement: Agreement,
    ) -> None:
        self.recipe, self.dataset, self.engines = recipe, dataset, engines
        self.callbacks, self.agreement = callbacks, agreement
        self.steps: list[dict[str, Any]] = []
        self.runs: dict[str, list[dict[str, Any]]] = {name: [] for name in engines}

    def run(self, split: Split, fold: int, folds: int) -> None:
        """Train both on one split."""
        task, _ = make_task(self.recipe, self.dataset, split)
        stream("dropout").host_only = True  # masks that a GPU draws are not those of a CPU
        # The first side moves the streams themselves: the next fold starts as where that side runs alone.
        streams = copy_streams(), {name: stream(name) for name in STREAMS}
        first, second = self.engines.values()
        name = f"fold {fold} of {folds}" if fold else ""
        theirs = _Side(second, task, streams[0], (), name)
        ours = _Side(first, task, streams[1], self.callbacks, name)
        try:
            self._walk(ours, theirs, fold)
        finally:
            for side in (ours, theirs):
                side.steps.close()
        for side, runs in zip((ours, theirs), self.runs.values(), strict=True):
            runs.append(side.summary(self.dataset))

    def _walk(self, ours: _Side, theirs: _Side, fold: int) -> None:
        step, epochs, moment = 0, 0, Moment(fold, 0, 0)
        agreement, (a, b) = self.agreement, self.engines
        while True:
            losses = ours.advance(), theirs.advance()
            epochs = self._compare_epochs(ours, theirs, epochs, moment)
            if losses[0] is None or losses[1] is None:
                break
            step += 1
            moment = Moment(fold, ours.trainer.epoch, step)
            engines = ours.engine, theirs.engine
            furthest = agreement.compare_step(
                (losses[0], losses[1]),
                (engines[0].gradients(), engines[1].gradients()),
                (_weights(engines[0]), _weights(engines[1])),
                moment,
                (engines[0].lr, engines[1].lr),
            )
            self.steps.append(
                {
                    **moment._asdict(),
                    f"{a}_loss": losses[0],
                    f"{b}_loss": losses[1],
                    "share": furthest.share,
                    "furthest": furthest.title,
                }
            )
        for side, loss in zip((ours, theirs), losses, strict=True):
            while loss is not None:  # it goes on alone
                loss = side.advance()
        self._compare_ends(ours, theirs, moment)

    def _compare_epochs(self, ours: _Side, theirs: _Side, seen: int, moment: Moment) -> int:
        """Compare what both have measured of the epochs that ended meanwhile; returns how many there are."""
        rows = ours.trainer.history.rows, theirs.trainer.history.rows
        for a, b in zip(rows[0][seen:], rows[1][seen:], strict=False):
            for column in ("train_loss", "validation_loss", "penalty"):
                if column in a:
                    self.agreement.compare("loss", column.replace("_", " "), a[column], b[column], moment)
        return min(len(rows[0]), len(rows[1]))

    def _compare_ends(self, ours: _Side, theirs: _Side, moment: Moment) -> None:
        a, b = self.engines
        demand = self.agreement.demand
        for what, one, other in (
            ("epochs", len(ours.trainer.history), len(theirs.trainer.history)),
            ("epoch kept", ours.keep.epoch, theirs.keep.epoch),
        ):
            demand(one == other, f"{what}: {one} on {a}, {other} on {b}", moment)
        for name in STREAMS:
            states = [side.streams[name].get_state() for side in (ours, theirs)]
            equal = states[0] == states[1] if isinstance(states[0], dict) else np.array_equal(*states)
            demand(equal, f"draws from the stream {name}: not as many on {a} as on {b}", moment)
        part = "test" if len(ours.engine.task.rows["test"]) else "validation"
        if len(ours.engine.task.rows[part]) and not (ours.failure or theirs.failure):
            said = [side.engine.evaluate(part)[1] for side in (ours, theirs)]
            self.agreement.compare("output", f"outputs of the {part} part", said[0], said[1], moment)

    def write(self, folder: RunFolder) -> dict[str, Any]:
        """Fill the folder; returns the summary."""
        import pandas as pd

        agreement = self.agreement
        steps = pd.DataFrame(self.steps)
        folder.write_recipe(self.recipe)
        folder.write_table("compare.csv", agreement.frame)
        folder.write_table("steps.csv", steps)
        summary = {
            "recipe": self.recipe.name,
            "seed": self.recipe.seed,
            "dtype": self.recipe.training.dtype,
            "data": {
                "dataset": self.dataset.name,
                "origin": self.dataset.origin,
                "simulated": self.dataset.simulated,
            },
            "versions": {"npnet": __version__, "numpy": np.__version__, "python": platform.python_version()},
            "folder": str(folder.path),
            "steps": len(steps),
            **agreement.to_dict(),
            "runs": {name: _joined(runs) for name, runs in self.runs.items()},
        }
        if len(steps):
            title = (
                f"{self.recipe.name}{' (simulated data)' if self.dataset.simulated else ''} on "
                + " and ".join(self.engines)
            )
            folder.write_figure(
                "losses.png", figures.comparison_figure(steps, tuple(self.engines), title, _note(summary))
            )
        folder.write_json("compare.json", summary)
        return summary


def _weights(engine: Engine) -> dict[str, Array]:
    """Weights and buffers, and their averages."""
    return engine.state_dict() | engine.averages()


def _note(summary: Mapping[str, Any]) -> str:
    first = summary["first"]
    verdict = (
        "No tensor passed its tolerance."
        if first is None
        else f"First past its tolerance: {first['what']}, in {first['when']}."
    )
    return f"{verdict} {summary['dtype']}. Data: {summary['data']['origin']}. Seed: {summary['seed']}."


def _joined(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One run as it is; of several folds the sums of times and epochs, and the means of the figures."""
    if len(runs) == 1:
        return dict(runs[0])
    joined: dict[str, Any] = {"folds": list(runs), "seconds": sum(run["seconds"] for run in runs)}
    if runs and all("test" in run for run in runs):
        joined["test"] = {
            key: float(np.mean([run["test"][key] for run in runs]))
            for key, value in runs[0]["test"].items()
            if isinstance(value, float)
        }
    return joined

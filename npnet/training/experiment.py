"""A recipe's run, from the data to the folder that keeps it all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import npnet.data
from npnet import backend
from npnet.data import Dataset, Split
from npnet.errors import ArgumentError, NonFiniteError, OutputError
from npnet.random import manual_seed
from npnet.training.autosave import Autosave
from npnet.training.callbacks import Callback, recipe_callbacks
from npnet.training.engine import Engine
from npnet.training.interruption import Interrupted, PauseOnSignal
from npnet.training.numpy_engine import NumpyEngine
from npnet.training.recipe import Recipe
from npnet.training.recipe_files import load_recipe
from npnet.training.record import Run, read_run, resume_command
from npnet.training.resume import facts_of, go_on, versions_of
from npnet.training.run import RECIPE, RunFolder
from npnet.training.run_figures import RunFigures, computed_by
from npnet.training.seen import Seen, over_folds
from npnet.training.task import Task, make_task, splits
from npnet.training.trainer import Trainer

__all__ = ["limited_threads", "resume_recipe", "run_recipe"]


def run_recipe(
    recipe: Recipe,
    *,
    make_engine: Callable[[Task], Engine] = NumpyEngine,
    backend_name: str = "numpy",
    data: str | Path | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Do what a recipe says and keep it in a folder.

    Every random stream is seeded with the recipe's seed first: split, initial weights and order of the data
    are the same whatever computes.

    Parameters
    ----------
    recipe : Recipe
        The experiment.
    make_engine : callable
        Makes the engine of a task.
    backend_name : str
        What the run is called by, beside the recipe's name.
    data : str or Path, optional
        Where the files are, as for :func:`npnet.data.load`.
    out : str or Path, optional
        The folder; by default the first free ``runs/<recipe>-<backend>-<number>``.
    callbacks : sequence of Callback
        Told of every step and epoch besides those that the recipe asks for.

    Returns
    -------
    dict
        The content of ``summary.json``.

    Raises
    ------
    OutputError
        If the folder cannot be used; nothing was read or trained then.
    DataError, TargetError, ArgumentError, RecipeError
        If the data cannot be had, or do not fit the recipe.
    NonFiniteError
        If the loss becomes NaN; the folder has metrics, curves and weights up to the last good epoch.
    Interrupted
        At Ctrl-C or SIGTERM, after the step and a checkpoint; :func:`resume_recipe` goes on.
    """
    folder = RunFolder.numbered(f"{recipe.name}-{backend_name}") if out is None else RunFolder(out)
    with folder:
        run = Run(folder.path, recipe, backend_name, _absolute(data), _engine(backend_name))
        try:
            folder.write_run(run)
            return _go(run, folder, make_engine, tuple(callbacks))
        finally:
            folder.discard_if_unused()


def resume_recipe(
    path: str | Path,
    *,
    recipe: Recipe | None = None,
    make_engine: Callable[[Task], Engine] = NumpyEngine,
    backend_name: str = "numpy",
    data: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Go on with a run that was interrupted or killed.

    On a CPU, with the same libraries and as many threads, it ends with the very weights, ``metrics.csv`` and
    figures that it would have had: it starts from the last checkpoint, or anew where there is none yet.  A
    run that has finished is left as it is.

    Parameters
    ----------
    path : str or Path
        The run's folder.
    recipe : Recipe, optional
        What is believed to be the run's recipe; refused if it would train something else.
    make_engine, backend_name, callbacks
        As for :func:`run_recipe`.
    data : str or Path, optional
        Where the files are now, if not where they were.

    Returns
    -------
    dict
        The content of ``summary.json``.

    Raises
    ------
    CheckpointError
        If the folder holds no run, its checkpoint cannot be read, or the data are others.
    RecipeMismatchError
        If the recipe is another one.
    ArgumentError
        If the backend is another one.
    LockedError
        If another process is at it.
    OutputError, DataError, NonFiniteError, Interrupted
        As for :func:`run_recipe`.

    Warns
    -----
    UserWarning
        If libraries or the number of threads are others, so that the last digits may be.

    Examples
    --------
    >>> import tempfile
    >>> from npnet.training import load_recipe, run_recipe
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recipe = load_recipe("digits", ["training.epochs=2", "model.hidden=[8]"])
    ...     summary = run_recipe(recipe, out=folder)
    ...     resume_recipe(folder) == summary
    True
    """
    run = read_run(path)
    if (written := run.path / RECIPE).is_file():
        run.refuse_other(load_recipe(written))  # somebody may have changed it
    if recipe is not None:
        run.refuse_other(recipe)
        run = replace(run, recipe=recipe)
    if backend_name != run.backend:
        raise ArgumentError(
            f"{run.path} was begun with --backend {run.backend}, and goes on with it: got {backend_name}"
        )
    if _engine(run.backend) != run.engine:
        raise ArgumentError(
            f"{run.path} was begun with engine {run.engine}, and goes on with it: got {_engine(run.backend)}"
        )
    if run.finished and run.summary is not None:
        return run.summary
    with RunFolder.existing(run.path) as folder:
        if data is not None:
            run = replace(run, data=_absolute(data))
        folder.write_run(run)
        return _go(run, folder, make_engine, tuple(callbacks))


def _engine(backend_name: str) -> str:
    """What runs the formulas, where they are npnet's."""
    return "numpy" if backend_name == "torch" else backend.engine()


def _absolute(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()


def _go(
    run: Run, folder: RunFolder, make_engine: Callable[[Task], Engine], callbacks: tuple[Callback, ...]
) -> dict[str, Any]:
    """Train what is left to train."""
    began, recipe = time.perf_counter(), run.recipe
    dataset = npnet.data.load(recipe.data.dataset, data=run.data, seed=recipe.data.simulator_seed)
    manual_seed(recipe.seed)
    parts = splits(recipe, dataset)
    with limited_threads(recipe.training.threads), PauseOnSignal() as pause:
        experiment = _Experiment(run, dataset, make_engine, callbacks, pause)
        advice = f"go on with: {resume_command(run.path)}"
        try:
            if recipe.data.folds is None:
                return experiment.run(parts[0], folder, began)
            return experiment.run_folds(parts, folder, began)
        except Interrupted as error:
            raise Interrupted(f"{error}, after a checkpoint; {advice}", error.signal) from error
        except KeyboardInterrupt as error:
            raise Interrupted(f"stopped at once; {advice}") from error
        except OutputError as error:
            raise OutputError(f"{error}; what was saved is whole: when that is mended, {advice}") from error


@dataclass(frozen=True)
class _Experiment:
    """A recipe and its data, ready to be trained on one split or several."""

    origin: Run
    dataset: Dataset
    make_engine: Callable[[Task], Engine]
    callbacks: tuple[Callback, ...]
    pause: PauseOnSignal

    @property
    def recipe(self) -> Recipe:
        """What to do."""
        return self.origin.recipe

    @property
    def figures(self) -> RunFigures:
        """What draws them."""
        return RunFigures(self.recipe, self.dataset, computed_by(self.origin.backend, self.origin.engine))

    def run_folds(self, parts: Sequence[Split], folder: RunFolder, began: float) -> dict[str, Any]:
        """Train once a fold, each in a folder of its own, and put the tests together."""
        folder.write_recipe(self.recipe)
        ready = time.perf_counter()
        tests: list[Seen] = []
        folds = [
            self.run(split, folder.fold(number), time.perf_counter(), f"fold {number} of {len(parts)}", tests)
            for number, split in enumerate(parts, start=1)
        ]
        test = over_folds([fold["test"] for fold in folds])
        seconds = {
            "total": ready - began + sum(f["seconds"]["total"] for f in folds),
            "training": sum(f["seconds"]["training"] for f in folds),
        }
        summary = {
            **self._facts(),
            "folder": str(folder.path),
            "status": "finished",
            "device": folds[0]["device"],
            "parameters": folds[0]["parameters"],
            "folds": [
                {key: fold[key] for key in ("folder", "rows", "epochs", "kept_epoch", "test")}
                for fold in folds
            ],
            "test": test,
            "seconds": seconds,
        }
        self.figures.test(folder, Seen.together(tests), f"{len(folds)} folds", test)
        folder.write_summary(summary)
        return summary

    def run(
        self,
        split: Split,
        folder: RunFolder,
        began: float,
        which: str = "",
        tests: list[Seen] | None = None,
    ) -> dict[str, Any]:
        """Train on one split, test, and write the folder; what the test saw is added to `tests`."""
        task, features = make_task(self.recipe, self.dataset, split)
        engine = self.make_engine(task)
        folder.write_recipe(self.recipe)
        folder.write_features(features.state())
        folder.write_targets(task.objective.state())
        keep, watching = recipe_callbacks(self.recipe)
        facts = facts_of(self.origin, self.dataset, which)
        save = Autosave(folder, keep, facts, self.recipe.training.checkpoint_seconds)
        trainer = Trainer(engine, [*watching, folder, *self.callbacks, self.pause, save], name=which)
        go_on(trainer, folder, facts)
        earlier, ready = trainer.seconds, time.perf_counter()
        failure: NonFiniteError | None = None
        try:
            trainer.fit()
        except NonFiniteError as error:
            failure = error
        paused = trainer.should_pause and not trainer.finished
        summary = {
            **self._facts(),
            "folder": str(folder.path),
            "status": "diverged" if failure else "interrupted" if paused else "finished",
            "device": engine.device,
            "parameters": sum(parameter.size for parameter in task.model.parameters()),
            "features": len(features.feature_names),
            "rows": {part: len(rows) for part, rows in task.rows.items()},
            "epochs": len(trainer.history),
            "kept_epoch": keep.epoch,
        }
        seen = {} if paused else self._look(engine)
        summary |= {part: each.scores() for part, each in seen.items()}
        if "test" in seen and tests is not None:
            tests.append(seen["test"])
        summary["seconds"] = {
            "data": ready - began,
            "training": trainer.seconds,
            "total": time.perf_counter() - began + earlier,
        }
        if not paused:  # whoever presses Ctrl-C does not wait for pictures
            self.figures.curves(folder, trainer, keep.epoch, which)
        if "test" in seen:
            self.figures.test(folder, seen["test"], which, summary["test"])
            if self.dataset.season is not None:
                summary["references"] = self.figures.forecasts(folder, seen["test"], features.horizon, which)
        folder.write_summary(summary)
        if failure is not None:
            kept = f"weights of epoch {keep.epoch}" if keep.epoch else "initial weights"
            raise NonFiniteError(f"{failure}; the {kept} are kept in {folder.path}") from failure
        if paused:
            raise Interrupted(f"interrupted in epoch {trainer.epoch}", self.pause.received)
        return summary

    def _look(self, engine: Engine) -> dict[str, Seen]:
        """The parts besides the training part, as far as there are any."""
        parts = [part for part in ("validation", "test") if len(engine.task.rows[part])]
        return {part: Seen.of(self.dataset, engine, part) for part in parts}

    def _facts(self) -> dict[str, Any]:
        """What is so before anything is trained."""
        return {
            "recipe": self.recipe.name,
            "seed": self.recipe.seed,
            "backend": self.origin.backend,
            "engine": self.origin.engine,
            "task": self.recipe.training.objective.kind,
            "data": {
                "dataset": self.dataset.name,
                "origin": self.dataset.origin,
                "simulated": self.dataset.simulated,
                "ceiling": self.dataset.ceiling,
                "classes": list(self.dataset.class_names),
                "targets": list(self.dataset.target_names),
                "unit": self.dataset.unit,
            },
            "versions": versions_of(self.origin.backend),
        }


def limited_threads(limit: int | None) -> AbstractContextManager[Any]:
    """At most so many threads in the numerical libraries that are loaded by now."""
    if limit is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no hints

    limits: AbstractContextManager[Any] = threadpool_limits(limit)
    return limits

"""A trained network as its run left it: what it takes, what it says, and how good it is on some rows."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import npnet.data
from npnet import nn
from npnet.data import Dataset, Features, features_from_state
from npnet.data.catalogue import FORMATS
from npnet.data.pictures import read_pictures
from npnet.data.rows import Rows, TableFormat, read_rows
from npnet.errors import ArgumentError, CheckpointError, DataError, NpnetError
from npnet.nn.context import no_grad
from npnet.random import get_rng_state, manual_seed, set_rng_state
from npnet.training.files import read_tensors
from npnet.training.numpy_engine import EVALUATION_ROWS
from npnet.training.objective import Classification, Objective, Regression, objective_from_state
from npnet.training.recipe import Recipe
from npnet.training.recipe_files import load_recipe
from npnet.training.record import RUN, SUMMARY, Run, read_object, read_run, read_summary, resume_command
from npnet.training.run import FEATURES, RECIPE, TARGETS, WEIGHTS
from npnet.training.stage import stage_of
from npnet.training.task import splits

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["Predictor", "evaluate_run", "load_predictor"]


@dataclass(frozen=True)
class Predictor:
    """What a run learned.

    Parameters
    ----------
    path : Path
        The run's folder, or that of one of its folds.
    recipe : Recipe
        What was done.
    model : Module
        The network with the weights that were kept, in evaluation mode, on the host.
    features : Features
        As they were fitted on the training part.
    objective : Objective
        What the outputs mean.
    epoch : int
        The epoch that the weights were kept after.

    Examples
    --------
    >>> import tempfile
    >>> from npnet.training import load_recipe, run_recipe
    >>> digits = npnet.data.load("digits")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_recipe(load_recipe("digits", ["training.epochs=2"]), out=folder)
    ...     predictor = load_predictor(folder)
    >>> predictor.outputs(digits.inputs.iloc[:5]).shape
    (5, 10)
    """

    path: Path
    recipe: Recipe
    model: nn.Module
    features: Features
    objective: Objective
    epoch: int

    def outputs(self, inputs: pd.DataFrame | Array, rows: Array | None = None) -> Array:
        """What the network gives for some rows of a table, or for some images.

        Parameters
        ----------
        inputs : pandas.DataFrame or ndarray
            As a dataset has them, before any preprocessing.
        rows : ndarray of int, optional
            Which of them, in that order; None takes all.  Features of a series look at the rows before.

        Raises
        ------
        DataError, DtypeError, ShapeError
            If they are not what the run was trained on.
        """
        images = isinstance(inputs, np.ndarray)
        source: Any = inputs if images else self.features.transform(inputs)
        places = np.arange(len(inputs)) if rows is None else rows
        blocks = [np.empty((0, self.objective.outputs), self.recipe.training.dtype)]
        with no_grad():
            for start in range(0, len(places), EVALUATION_ROWS):
                x = source[places[start : start + EVALUATION_ROWS]]
                x = self.features.transform(x) if images else x
                blocks.append(self.model(x.astype(self.recipe.training.dtype, copy=False)))
        return np.concatenate(blocks)

    def read(self, path: str | Path) -> Rows:
        """Read rows to predict: a table, or pictures, as the run was trained on.

        Raises
        ------
        DataMissingError, DataError
            If the file cannot be used as a whole; see :func:`npnet.data.rows.read_rows` and
            :func:`npnet.data.pictures.read_pictures`.
        """
        shape = getattr(self.features, "image_shape", None)
        if shape is not None:
            return read_pictures(path, shape)
        if not self.features.input_columns:
            raise DataError(f"a run on {self.features.kind!r} features cannot predict the rows of a table")
        if Path(path).is_dir():
            raise DataError(f"{path} is a folder; the run was trained on a table: name a CSV file")
        form = FORMATS.get(self.recipe.data.dataset, TableFormat())
        return read_rows(path, self.features.input_columns, form, takes_missing=self.features.takes_missing)

    def predict(self, rows: Rows) -> pd.DataFrame:
        """A table of what the network says, with a line for every row that was read.

        Columns are the place of the row (``line``, ``image`` or ``file``), its identifier where there is one,
        ``class`` and ``probability_CLASS`` for every class, or the numbers by their names, and ``problem``:
        what is wrong with a row that cannot be predicted; its other cells are empty.
        """
        import pandas as pd

        table: dict[str, Any] = {rows.place: list(rows.places)}
        if rows.identifier:
            table[rows.identifier] = list(rows.identifiers)
        outputs = self.outputs(rows.inputs)
        said: dict[str, Any] = {}
        if isinstance(self.objective, Classification):
            names = self.objective.class_names
            said["class"] = np.array(names, dtype=object)[self.objective.decode(outputs)]
            for name, column in zip(names, self.objective.probabilities(outputs).T, strict=True):
                said[f"probability_{name}"] = column
        elif isinstance(self.objective, Regression):
            said |= zip(self.objective.target_names, self.objective.decode(outputs).T, strict=True)
        usable = np.flatnonzero(rows.usable)
        for name, values in said.items():
            table[name] = pd.Series(values, index=usable).reindex(range(len(rows.places)))
        table["problem"] = list(rows.problems)
        return pd.DataFrame(table)


def load_predictor(path: str | Path) -> Predictor:
    """Make the network of a run again.

    Parameters
    ----------
    path : str or Path
        The run's folder, or that of one of its folds.

    Raises
    ------
    CheckpointError
        If it holds no run, a run of several folds, files that do not fit together, or a run of which no epoch
        is complete: its weights are the initial ones.

    Warns
    -----
    UserWarning
        If the run is not finished.
    """
    path = Path(path).expanduser()
    if not (path / WEIGHTS).is_file():
        folds = sorted(fold.name for fold in path.glob("fold-*"))
        if folds:
            raise CheckpointError(
                f"{path} is a run of {len(folds)} folds, each with weights of its own: name one, such as "
                f"{path / folds[0]}"
            )
        if not (path / RUN).is_file():
            raise CheckpointError(f"{path} holds no run of npnet")
        raise CheckpointError(f"{path} has no {WEIGHTS} yet: the run was ended before its first epoch")
    weights, epoch = _weights(path)
    if epoch == 0:
        raise CheckpointError(
            f"{path} has its initial weights alone, no epoch of it is complete{_left_to_do(path)}"
        )
    try:
        recipe = load_recipe(path / RECIPE)
        features = features_from_state(read_object(path / FEATURES))
        objective = objective_from_state(read_object(path / TARGETS))
        streams = get_rng_state()
        model = recipe.model.build(features.shape, objective.outputs)
        set_rng_state(streams)  # the initial weights were drawn for nothing
        model.to(recipe.training.dtype).load_state_dict(weights)
    except CheckpointError:
        raise
    except NpnetError as error:
        raise CheckpointError(f"{path} cannot be made a network again: {error}") from error
    if left := _left_to_do(path):
        warnings.warn(f"{path} has the weights after epoch {epoch}{left}", stacklevel=2)
    return Predictor(path, recipe, model.eval(), features, objective, epoch)


def _weights(path: Path) -> tuple[dict[str, Array], int]:
    """The weights that a run has kept, and the epoch that they were kept after."""
    weights, metadata = read_tensors(path / WEIGHTS)
    if not re.fullmatch(r"[0-9]{1,9}", epoch := metadata.get("epoch", "")):
        raise CheckpointError(f"{path / WEIGHTS} does not say which epoch it is of: it is damaged")
    return weights, int(epoch)


def _left_to_do(path: Path) -> str:
    """How far an unfinished run has come, and how to go on; empty where it or its fold is finished."""
    own = read_summary(path)["status"] if (path / SUMMARY).is_file() else ""
    if own == "finished" or not any((each / RUN).is_file() for each in (path, path.resolve().parent)):
        return ""
    run, _ = _run_of(path)
    stage = stage_of(run)
    if stage.status in ("running", "diverged"):
        return f"; the run {'is ' if stage.status == 'running' else ''}{stage}"
    return f"; the run was {stage}: go on with {resume_command(run.path)}"


def evaluate_run(
    path: str | Path, *, data: str | Path | None = None, part: str | None = None
) -> dict[str, Any]:
    """Measure the network of a run.

    Parameters
    ----------
    path : str or Path
        The run's folder, or that of one of its folds.
    data : str or Path, optional
        Other data of the same kind, as for :func:`npnet.data.load`; None takes those of the run.
    part : {"train", "validation", "test", "all"}, optional
        Which rows: None takes the run's test part, and all rows of other data.  The parts are drawn again
        from the recipe's seed, so of other data, other than a copy, only ``"all"`` says something.

    Returns
    -------
    dict
        Measures, loss, number of rows, and what was measured.

    Raises
    ------
    CheckpointError
        If there is no such run.
    DataError, RecipeError, ArgumentError
        If the data cannot be had, do not fit the run, or have no such part.

    Warns
    -----
    UserWarning
        If the run is not finished.
    """
    predictor = load_predictor(path)
    recipe, run, fold = predictor.recipe, *_run_of(predictor.path)
    part = part or ("test" if data is None else "all")
    dataset = npnet.data.load(
        recipe.data.dataset, data=run.data if data is None else data, seed=recipe.data.simulator_seed
    )
    if dataset.class_names != getattr(predictor.objective, "class_names", ()):
        raise DataError(f"{dataset.origin}: its classes are not those that {predictor.path} was trained on")
    rows = np.arange(len(dataset)) if part == "all" else _part(recipe, dataset, part, fold)
    outputs = predictor.outputs(dataset.inputs, rows)
    if not np.isfinite(outputs).all():
        raise DataError(
            f"{dataset.origin}: some of these rows have no features, such as the first of a series"
        )
    objective, targets = predictor.objective, dataset.targets[rows]
    with no_grad():
        encoded = objective.encode(targets)
        encoded = encoded if encoded.dtype.kind in "iu" else encoded.astype(outputs.dtype)
        loss = objective.criterion(recipe).to(recipe.training.dtype)(outputs, encoded)
    return {
        "run": str(predictor.path),
        "recipe": recipe.name,
        "task": objective.kind,
        "data": dataset.origin,
        "simulated": dataset.simulated,
        "unit": objective.unit,
        "part": part,
        "epoch": predictor.epoch,
        "rows": len(rows),
        "loss": float(loss),
        **objective.score(targets, outputs),
    }


def _part(recipe: Recipe, dataset: Dataset, part: str, fold: int) -> Array:
    """The rows of a part, drawn as they were for the training."""
    streams = get_rng_state()
    manual_seed(recipe.seed)
    rows: Array = splits(recipe, dataset)[fold]._asdict()[part]
    set_rng_state(streams)
    if not len(rows):
        raise ArgumentError(f"the run has no {part} part: choose another one, or name other data")
    return rows


def _run_of(path: Path) -> tuple[Run, int]:
    """The run that a folder belongs to, and which of its folds it is."""
    if (path / RUN).is_file():
        return read_run(path), 0
    folder = path.resolve()
    if (
        not (number := re.fullmatch(r"fold-([1-9][0-9]*)", folder.name))
        or not (folder.parent / RUN).is_file()
    ):
        raise CheckpointError(
            f"{path} holds weights, and neither {RUN} nor a place as fold-NUMBER in the folder of its run"
        )
    run = read_run(folder.parent)
    if int(number[1]) > (run.recipe.data.folds or 0):
        raise CheckpointError(
            f"{path} is no fold of the run {folder.parent}, which has {run.recipe.data.folds or 0}"
        )
    return run, int(number[1]) - 1

"""The folder of a run: what is written, by one process at a time, so that nothing written is lost."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from npnet.errors import LockedError, OutputError
from npnet.folders import make_folder, remove_empty
from npnet.training.callbacks import Callback
from npnet.training.checkpoint import LAST, Checkpoint, load_checkpoint, save_checkpoint
from npnet.training.files import PART, read_tensors, replace_file, tensor_chunks
from npnet.training.record import RUN, SUMMARY, Run, resume_command

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.training.recipe import Recipe
    from npnet.training.trainer import Trainer

__all__ = ["RunFolder", "is_locked", "load_weights", "plain"]

DEFAULT_PARENT = Path("runs")
LOCK, RECIPE, WEIGHTS = ".lock", "recipe.toml", "weights.safetensors"
FEATURES, TARGETS = "features.json", "targets.json"
METRICS, TIMES = "metrics.csv", "times.csv"

LOOK_SECONDS = 0.5
"""So long a lock is tried for: whoever asks whether a folder is locked holds it for a moment."""

TIMED = ("seconds", "rows_per_second")
"""Columns of the history that no two runs have alike; they have a file of their own."""


class RunFolder(Callback):
    """Where a run is kept; as a callback, it writes the metrics down as training goes.

    ======================= =============================================================================
    file                    content
    ======================= =============================================================================
    ``run.json``            what the run was begun with: recipe, backend, where the data are
    ``recipe.toml``         the resolved recipe: every setting, overrides applied
    ``features.json``       what the features learned from the training part
    ``targets.json``        what the outputs mean: classes, or names, unit and scale of the numbers
    ``metrics.csv``         a row an epoch, appended when the epoch ends: the same in every run of a recipe
    ``times.csv``           seconds of each epoch, and rows a second
    ``last.safetensors``    the last checkpoint: everything that is needed to go on
    ``weights.safetensors`` the weights that are kept, and under ``epoch`` of its metadata which they are
    ``curves.png``          losses, accuracies and learning rate
    ``confusion.png``       which classes are taken for which, on the test part
    ``predictions.png``     in its place where the targets are numbers: what was said against what is true
    ``mistakes.png``        the pictures of the test part that are most wrong, where rows are pictures
    ``forecast.png``        of a series: what was said and what came, and the errors of simple forecasts
    ``summary.json``        everything that the closing table says; the last file to be written
    ======================= =============================================================================

    All but the two tables are written aside, synced and renamed, so that a file is there whole or not at all.
    The tables are written anew from the checkpoint when the run goes on.

    The folder is locked until :meth:`close` or the end of the ``with`` block; the lock dies with its process.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.

    Raises
    ------
    OutputError
        If it is not empty, is no folder, or cannot be written to.
    LockedError
        If another process writes to it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self._made: tuple[Path, ...] = ()
        with self._refusing():
            self._made = make_folder(self.path)
            self._refuse_used()
            self._lock()
            self._refuse_used()  # what another process wrote before it was locked

    @classmethod
    def existing(cls, path: str | Path) -> RunFolder:
        """The folder of a run that goes on."""
        folder = cls.__new__(cls)
        folder.path, folder._made = Path(path).expanduser(), ()
        with folder._refusing():
            folder._lock()
        return folder

    @classmethod
    def numbered(cls, name: str, parent: Path = DEFAULT_PARENT) -> RunFolder:
        """The first free one of ``parent/name-1``, ``parent/name-2``, ..."""
        number = 1
        made: tuple[Path, ...] = ()
        while True:
            path = parent / f"{name}-{number}"
            try:
                made = made or make_folder(parent)
                path.mkdir()
            except FileExistsError:
                number += 1
            except OSError as error:
                remove_empty(made)
                raise OutputError(f"cannot make the output folder {path}: {error.strerror}") from error
            else:
                folder = cls(path)
                folder._made = path, *made
                return folder

    def fold(self, number: int) -> RunFolder:
        """The folder of one fold, inside this one and under its lock."""
        fold = type(self).__new__(type(self))
        fold.path = self.path / f"fold-{number}"
        with fold._refusing():
            fold.path.mkdir(exist_ok=True)
        return fold

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Say of what goes wrong in the block that the folder cannot be used."""
        try:
            yield
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write to the output folder {self.path}: {error.strerror}") from error

    def _lock(self) -> None:
        from filelock import FileLock, Timeout

        self._held = FileLock(self.path / LOCK)
        try:
            self._held.acquire(timeout=LOOK_SECONDS, poll_interval=LOOK_SECONDS / 10)
        except Timeout:
            raise LockedError(
                f"another process is writing to the run {self.path}: wait for it, or stop it"
            ) from None

    def _others(self) -> Iterator[Path]:
        """What lies here besides what a run that wrote nothing leaves."""
        for path in self.path.iterdir():
            if path.name != LOCK and not (path.name.startswith(".") and path.name.endswith(PART)):
                yield path

    def _refuse_used(self) -> None:
        names = {path.name for path in self._others()}
        if RUN in names:
            raise OutputError(
                f"the output folder {self.path} holds a run: go on with {resume_command(self.path)}, or name "
                "another folder with --out; nothing was written"
            )
        if names:
            raise OutputError(
                f"the output folder {self.path} is not empty (it holds {min(names)}): name another with "
                "--out, or empty it; nothing was written"
            )

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others write."""
        self._held.release()

    def discard_if_unused(self) -> None:
        """Take away what was made where nothing came to be written but what the run was begun with."""
        with contextlib.suppress(OSError):
            if all(path.name == RUN for path in self._others()):
                for path in self.path.iterdir():
                    path.unlink()
                remove_empty(self._made)

    # ------------------------------------------------------------------ what is written

    def write_run(self, run: Run) -> None:
        """Write ``run.json``, which :func:`read_run` reads back: from now on the run can be resumed."""
        self.write_json(RUN, run.to_dict())

    def write_recipe(self, recipe: Recipe) -> None:
        """Write ``recipe.toml``."""
        self._write(RECIPE, [recipe.to_toml().encode()])

    def write_features(self, state: Mapping[str, Any]) -> None:
        """Write ``features.json``, which :func:`npnet.data.features_from_state` takes back."""
        self.write_json(FEATURES, state)

    def write_targets(self, state: Mapping[str, Any]) -> None:
        """Write ``targets.json``, which :func:`npnet.training.objective_from_state` takes back."""
        self.write_json(TARGETS, state)

    def write_weights(self, weights: Mapping[str, Array], epoch: int) -> None:
        """Write ``weights.safetensors``."""
        self._write(WEIGHTS, tensor_chunks(weights, {"epoch": str(epoch)}))

    @property
    def checkpoint_path(self) -> Path:
        """``last.safetensors``."""
        return self.path / LAST

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write ``last.safetensors``."""
        save_checkpoint(self.checkpoint_path, checkpoint)

    def read_checkpoint(self) -> Checkpoint | None:
        """The checkpoint, if there is one."""
        return load_checkpoint(self.checkpoint_path) if self.checkpoint_path.exists() else None

    def write_figure(self, name: str, figure: Figure) -> None:
        """Write a figure as PNG."""
        with tempfile.SpooledTemporaryFile() as buffer:
            figure.savefig(buffer, format="png", dpi=120)
            buffer.seek(0)
            self._write(name, [buffer.read()])

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``."""
        self.write_json(SUMMARY, summary)

    def on_train_start(self, trainer: Trainer) -> None:
        """Write the tables as the history has them; what a killed process added is taken back."""
        (self.path / SUMMARY).unlink(missing_ok=True)
        for name in (METRICS, TIMES):
            if trainer.history.rows:
                content = io.StringIO()
                for row in trainer.history.rows:
                    _add_row(content, _columns(name, row))
                self._write(name, [content.getvalue().encode()])
            else:
                (self.path / name).unlink(missing_ok=True)

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """Add a row to ``metrics.csv`` and to ``times.csv``; the first one brings the header."""
        for name in (METRICS, TIMES):
            try:
                with (self.path / name).open("a", newline="", encoding="utf-8") as handle:
                    _add_row(handle, _columns(name, measured))
            except OSError as error:
                raise OutputError(f"cannot write {self.path / name}: {error.strerror}") from error

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table as CSV."""
        self._write(name, [frame.to_csv(index=False, lineterminator="\n").encode()])

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file of JSON."""
        self._write(name, [(json.dumps(content, indent=2, default=plain) + "\n").encode()])

    def _write(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        replace_file(self.path / name, chunks)


def _columns(name: str, row: Mapping[str, float]) -> dict[str, float]:
    """The part of a row of the history that one of the tables shows."""
    if name == TIMES:
        return {key: row[key] for key in ("epoch", *TIMED)}
    return {key: value for key, value in row.items() if key not in TIMED}


def _add_row(handle: TextIO, row: Mapping[str, float]) -> None:
    writer = csv.DictWriter(handle, list(row), lineterminator="\n")
    if handle.tell() == 0:
        writer.writeheader()
    writer.writerow(row)


def is_locked(path: Path) -> bool:
    """Whether a process writes to the folder of a run now."""
    from filelock import FileLock, Timeout

    if not (path / LOCK).is_file():
        return False
    try:
        with FileLock(path / LOCK, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # who may not write here cannot ask
        return False


def load_weights(path: str | Path) -> dict[str, Array]:
    """Read the weights of a run.

    Parameters
    ----------
    path : str or Path
        A run's folder, or the file itself.

    Returns
    -------
    dict of str to ndarray
        For ``model.load_state_dict``.

    Raises
    ------
    CheckpointError
        If there is no such file, or it is none of safetensors.
    """
    path = Path(path)
    weights, _ = read_tensors(path / WEIGHTS if path.is_dir() else path)
    return weights


def plain(value: Any) -> Any:
    """What JSON does not know, as what it knows; a double survives exactly."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")

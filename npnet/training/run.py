"""The folder of a run: what is written, and how nothing that was written is lost."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.errors import OutputError, StateError
from npnet.training.callbacks import Callback

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.training.recipe import Recipe
    from npnet.training.trainer import Trainer

__all__ = ["RunFolder", "load_weights"]

DEFAULT_PARENT = Path("runs")


class RunFolder(Callback):
    """Where a run is kept; as a callback, it writes the metrics down as training goes.

    ======================= =============================================================================
    file                    content
    ======================= =============================================================================
    ``recipe.toml``         the resolved recipe: every setting, overrides applied
    ``features.json``       what the features learned from the training part
    ``targets.json``        what the outputs mean: classes, or names, unit and scale of the numbers
    ``metrics.csv``         a row an epoch, appended when the epoch ends
    ``weights.safetensors`` the weights that are kept, and under ``epoch`` of its metadata which they are
    ``curves.png``          losses, accuracies and learning rate
    ``confusion.png``       which classes are taken for which, on the test part
    ``predictions.png``     in its place where the targets are numbers: what was said against what is true
    ``mistakes.png``        the pictures of the test part that are most wrong, where rows are pictures
    ``summary.json``        everything that the closing table says
    ======================= =============================================================================

    All but the metrics are written aside, synced and renamed, so that a file is there whole or not at all.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.

    Raises
    ------
    OutputError
        If it is not empty, is no folder, or cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            used = next(self.path.iterdir(), None)
            if used is None:
                tempfile.TemporaryFile(dir=self.path).close()
        except OSError as error:
            raise OutputError(f"cannot write to the output folder {self.path}: {error.strerror}") from error
        if used is not None:
            raise OutputError(
                f"the output folder {self.path} is not empty (it holds {used.name}): name another with "
                "--out, or empty it; nothing was written"
            )

    @classmethod
    def numbered(cls, name: str, parent: Path = DEFAULT_PARENT) -> RunFolder:
        """The first free one of ``parent/name-1``, ``parent/name-2``, ..."""
        number = 1
        while True:
            path = parent / f"{name}-{number}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
            except OSError as error:
                raise OutputError(f"cannot make the output folder {path}: {error.strerror}") from error
            else:
                return cls(path)

    def fold(self, number: int) -> RunFolder:
        """The folder of one fold, inside this one."""
        return RunFolder(self.path / f"fold-{number}")

    def discard_if_empty(self) -> None:
        """Take the folder away where nothing came to be written."""
        with contextlib.suppress(OSError):  # it holds something
            self.path.rmdir()

    def write_recipe(self, recipe: Recipe) -> None:
        """Write ``recipe.toml``."""
        self._write("recipe.toml", recipe.to_toml().encode())

    def write_features(self, state: Mapping[str, Any]) -> None:
        """Write ``features.json``, which :func:`npnet.data.features_from_state` takes back."""
        self.write_json("features.json", state)

    def write_targets(self, state: Mapping[str, Any]) -> None:
        """Write ``targets.json``, which :func:`npnet.training.objective_from_state` takes back."""
        self.write_json("targets.json", state)

    def write_weights(self, weights: Mapping[str, Array], epoch: int) -> None:
        """Write ``weights.safetensors``."""
        from safetensors.numpy import save

        self._write("weights.safetensors", save(dict(weights), {"epoch": str(epoch)}))

    def write_figure(self, name: str, figure: Figure) -> None:
        """Write a figure as PNG."""
        with tempfile.SpooledTemporaryFile() as buffer:
            figure.savefig(buffer, format="png", dpi=120)
            buffer.seek(0)
            self._write(name, buffer.read())

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``."""
        self.write_json("summary.json", summary)

    def on_epoch_end(self, trainer: Trainer, measured: Mapping[str, float]) -> None:
        """Add a row to ``metrics.csv``; the first one brings the header."""
        path = self.path / "metrics.csv"
        with path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(measured), lineterminator="\n")
            if handle.tell() == 0:
                writer.writeheader()
            writer.writerow(measured)

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table as CSV."""
        self._write(name, frame.to_csv(index=False, lineterminator="\n").encode())

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file of JSON."""
        self._write(name, (json.dumps(content, indent=2, default=_plain) + "\n").encode())

    def _write(self, name: str, content: bytes) -> None:
        aside = self.path / f".{name}.part"
        with aside.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(self.path / name)


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
    StateError
        If there is no such file, or it is none of safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = Path(path)
    file = path / "weights.safetensors" if path.is_dir() else path
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise StateError(f"cannot read weights from {file}: {error}") from error


def _plain(value: Any) -> Any:
    """What JSON does not know, as what it knows; a double survives exactly."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")

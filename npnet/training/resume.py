"""What a checkpoint is of, and letting a training go on from one that is of the same."""

from __future__ import annotations

import platform
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet._version import __version__
from npnet.data.fingerprint import fingerprint
from npnet.errors import CheckpointError, NpnetError
from npnet.training.record import differences
from npnet.training.schema import write

if TYPE_CHECKING:
    from npnet.data import Dataset
    from npnet.training.record import Run
    from npnet.training.run import RunFolder
    from npnet.training.trainer import Trainer

__all__ = ["facts_of", "go_on", "versions_of"]


def versions_of(backend: str) -> dict[str, str]:
    """The libraries that the numbers of a run depend on."""
    versions = {"npnet": __version__, "numpy": np.__version__, "python": platform.python_version()}
    library = sys.modules.get(backend)
    return versions if library is None else versions | {backend: library.__version__}


def facts_of(run: Run, dataset: Dataset, part: str) -> dict[str, Any]:
    """What a training is of: the parts of its checkpoints besides the state of the trainer.

    Parameters
    ----------
    run : Run
        Its recipe and backend.
    dataset : Dataset
        The data.
    part : str
        Which of several trainings it is, such as ``"fold 2 of 5"``; else empty.
    """
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it has no hints

    return {
        "recipe": write(run.recipe),
        "backend": run.backend,
        "dataset": {
            "name": dataset.name,
            "rows": len(dataset),
            "part": part,
            "fingerprint": fingerprint(dataset),
        },
        "versions": versions_of(run.backend),
        "threads": {pool["user_api"]: pool["num_threads"] for pool in threadpool_info()},
    }


def go_on(trainer: Trainer, folder: RunFolder, facts: dict[str, Any]) -> None:
    """Let a trainer go on from the checkpoint of its folder, if there is one.

    Raises
    ------
    CheckpointError
        If it cannot be read, or is of other data, another recipe or another model.

    Warns
    -----
    UserWarning
        If libraries or the number of threads are others.
    """
    file = folder.checkpoint_path
    try:
        checkpoint = folder.read_checkpoint()
    except CheckpointError as error:
        raise CheckpointError(f"{error}; without {file.name} the run would begin anew") from error
    if checkpoint is None:
        return
    for what in ("backend", "recipe", "dataset"):
        if other := _listed(what, getattr(checkpoint, what), facts[what]):
            raise CheckpointError(f"{file} is of another run: {other}")
    for what in ("versions", "threads"):
        if other := _listed(what, getattr(checkpoint, what), facts[what]):
            warnings.warn(f"{other}: the last digits may not be what they would have been", stacklevel=2)
    try:
        trainer.load_state_dict(checkpoint.trainer)
    except NpnetError as error:
        raise CheckpointError(f"{file} does not fit this run: {error}") from error


def _listed(what: str, was: Any, now: Any) -> str:
    """What differs, as text; empty where nothing does."""
    found = differences(was, now) if isinstance(was, dict) else differences({what: was}, {what: now})
    return "; ".join(f"{name} was {old!r}, is {new!r}" for name, (old, new) in found.items())

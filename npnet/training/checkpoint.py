"""Checkpoints: everything that the next step of a training depends on, in one file.

The file is one of safetensors: its arrays are those of the state, its header holds the rest of the state as
JSON.  One file is written and renamed at once, so there are no two that might not belong together.  Reading
it makes numbers, texts, lists, dicts and arrays, nothing else; no name in it is ever a path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.errors import CheckpointError
from npnet.training.files import read_tensors, replace_file, tensor_chunks

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["Checkpoint", "load_checkpoint", "pack", "save_checkpoint", "unpack"]

LAST = "last.safetensors"
"""Name of the checkpoint in the folder of a run."""

FORMAT, VERSION = "npnet checkpoint", 1
"""What the header says; the version grows when an older npnet could not read the file."""

PARTS = {"recipe": dict, "backend": str, "dataset": dict, "versions": dict, "threads": dict, "trainer": dict}
"""What a checkpoint consists of."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run was in the middle of.

    Attributes
    ----------
    recipe : dict
        The resolved recipe, as its TOML file has it.
    backend : str
        What computed: ``"numpy"``, ``"cupy"`` or ``"torch"``.
    dataset : dict
        Name, number of rows and fingerprint of the data.
    versions, threads : dict
        Of the libraries that computed; other ones may round differently.
    trainer : dict
        :meth:`npnet.training.Trainer.state_dict`: epoch, position in the epoch, history, random streams,
        weights, optimizer, schedule, and what the callbacks remember.
    """

    recipe: dict[str, Any]
    backend: str
    dataset: dict[str, Any]
    versions: dict[str, str]
    threads: dict[str, int]
    trainer: dict[str, Any]

    @property
    def epoch(self) -> int:
        """The epoch that was running, or the last one that had ended."""
        return int(self.trainer["epoch"])

    @property
    def step(self) -> int:
        """How many steps of that epoch had been taken; 0 if it had ended."""
        return int(self.trainer["running"]["steps"])

    @property
    def weights(self) -> dict[str, Array]:
        """Weights and buffers at that moment, for ``model.load_state_dict``."""
        return dict(self.trainer["engine"]["model"])

    @property
    def history(self) -> pd.DataFrame:
        """The epochs that had ended."""
        from npnet.training.trainer import History

        history = History()
        history.rows.extend(self.trainer["history"])
        return history.frame


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the arrays are written as they lie in memory, without a copy.

    Raises
    ------
    OutputError
        If it cannot be written; the checkpoint that was there is as it was.
    """
    tensors: dict[str, Array] = {}
    tree = pack(vars(checkpoint), tensors)
    metadata = {"format": FORMAT, "version": str(VERSION), "state": json.dumps(tree)}
    replace_file(path, tensor_chunks(tensors, metadata))


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read the checkpoint of a run, of which nothing is trusted.

    Parameters
    ----------
    path : str or Path
        A run's folder (with folds, that of a fold), or the file itself.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        If there is none, it is cut off or no checkpoint, or a newer npnet wrote it.

    Examples
    --------
    >>> import tempfile
    >>> from npnet.training import load_recipe, run_recipe
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recipe = load_recipe("digits", ["training.epochs=2", "model.hidden=[8]"])
    ...     summary = run_recipe(recipe, out=folder)
    ...     checkpoint = load_checkpoint(folder)
    >>> checkpoint.epoch, checkpoint.recipe["optimizer"]["kind"], checkpoint.weights["0.weight"].shape
    (2, 'Adam', (8, 64))
    """
    path = Path(path).expanduser()
    file = path / LAST if path.is_dir() else path
    tensors, metadata = read_tensors(file)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{file} is no checkpoint of npnet (weights alone cannot be resumed)")
    version = metadata.get("version", "")
    if version != str(VERSION):
        raise CheckpointError(
            f"{file} has version {version[:20]!r} of the format, and this npnet reads version {VERSION}: "
            "update npnet"
        )
    try:
        tree = unpack(json.loads(metadata.get("state", "")), tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file}: the state in its header cannot be read: {error}") from error
    if not isinstance(tree, dict) or tree.keys() != PARTS.keys():
        raise CheckpointError(f"{file}: the state has not the parts {', '.join(PARTS)}")
    for name, kind in PARTS.items():
        if not isinstance(tree[name], kind):
            raise CheckpointError(f"{file}: {name} is no {kind.__name__}")
    checkpoint = Checkpoint(**tree)
    try:
        _ = checkpoint.epoch, checkpoint.step, checkpoint.weights
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{file}: the state of the trainer lacks {error}") from error
    return checkpoint


# ---------------------------------------------------------------------- trees of state as JSON and arrays

TENSOR, TUPLE, ITEMS = "$tensor", "$tuple", "$items"
"""Marks of what JSON has not: an array by its name, a tuple, a dict whose keys are not all texts."""


def pack(value: Any, tensors: dict[str, Array], path: str = "") -> Any:
    """What JSON can say of a tree of plain values; its arrays go to `tensors`, named by their places in it.

    Examples
    --------
    >>> tensors = {}
    >>> pack({"lr": 0.1, "betas": (0.9, 0.99), "state": {0: np.ones(2)}}, tensors)
    {'lr': 0.1, 'betas': {'$tuple': [0.9, 0.99]}, 'state': {'$items': [[0, {'$tensor': 'state.0'}]]}}
    >>> tensors
    {'state.0': array([1., 1.])}
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        while path in tensors:  # {"a": {"b": x}, "a.b": y} has two arrays at a.b
            path += "'"
        tensors[path] = value
        return {TENSOR: path}
    inner = f"{path}." if path else ""
    if isinstance(value, Mapping):
        packed = {key: pack(entry, tensors, f"{inner}{key}") for key, entry in value.items()}
        plain = all(isinstance(key, str) and not key.startswith("$") for key in packed)
        return packed if plain else {ITEMS: [[key, entry] for key, entry in packed.items()]}
    if isinstance(value, (list, tuple)):
        entries = [pack(entry, tensors, f"{inner}{position}") for position, entry in enumerate(value)]
        return entries if isinstance(value, list) else {TUPLE: entries}
    raise TypeError(f"{path}: a checkpoint holds no {type(value).__name__}")


def unpack(value: Any, tensors: Mapping[str, Array]) -> Any:
    """The tree that :func:`pack` was given.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is none that :func:`pack` makes, or an array is not there.
    """
    if isinstance(value, list):
        return [unpack(entry, tensors) for entry in value]
    if not isinstance(value, dict):
        return value
    if TENSOR in value:
        return tensors[value[TENSOR]]
    if TUPLE in value:
        return tuple(unpack(value[TUPLE], tensors))
    if ITEMS in value:
        return {key: unpack(entry, tensors) for key, entry in value[ITEMS]}
    return {key: unpack(entry, tensors) for key, entry in value.items()}

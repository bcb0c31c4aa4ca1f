"""What a run was begun with, and whether it may go on with what is asked for now."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npnet._version import __version__
from npnet.errors import CheckpointError, RecipeError, RecipeMismatchError
from npnet.training.recipe import Recipe
from npnet.training.schema import read, write

__all__ = ["Run", "differences", "read_run", "resume_command"]

RUN, SUMMARY = "run.json", "summary.json"
FORMAT, VERSION = "npnet run", 1

HELD = {"data": {"origin", "simulated", "unit", "ceiling"}, "seconds": {"total", "training"}}
"""The tables of every summary, and what they have at least."""

FREE = ("name", "description", "training.checkpoint_seconds")
"""Settings that may change while a run goes on: they change no number of it."""

ABSENT = "not set"


@dataclass(frozen=True)
class Run:
    """What a run was begun with, and what came of it.

    Attributes
    ----------
    path : Path
        Its folder.
    recipe : Recipe
        Resolved, overrides applied.
    backend : str
        What computes.
    data : Path or None
        Where the files are, where that was said.
    engine : str
        What runs npnet's formulas; see :func:`npnet.backend.set_engine`.
    summary : dict or None
        What ``summary.json`` holds, once there is one.
    """

    path: Path
    recipe: Recipe
    backend: str
    data: Path | None
    engine: str = "numpy"
    summary: dict[str, Any] | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.summary is not None and self.summary.get("status") == "finished"

    def to_dict(self) -> dict[str, Any]:
        """What ``run.json`` holds."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "npnet": __version__,
            "backend": self.backend,
            "engine": self.engine,
            "data": None if self.data is None else str(self.data),
            "recipe": write(self.recipe),
        }

    def refuse_other(self, recipe: Recipe) -> None:
        """Refuse to go on with a recipe that would train something else.

        Raises
        ------
        RecipeMismatchError
            Says each setting that differs.
        """
        found = differences(write(self.recipe), write(recipe))
        if found:
            raise RecipeMismatchError(str(self.path), found)


def read_run(path: str | Path) -> Run:
    """Say what lies in the folder of a run.

    Raises
    ------
    CheckpointError
        If it holds no run, one of a newer npnet, or a damaged file.
    """
    path = Path(path).expanduser()
    if not (path / RUN).is_file():
        fold = f": it is a fold of the run {path.parent}" if (path.parent / RUN).is_file() else ""
        raise CheckpointError(f"{path} holds no run ({RUN} is missing){fold}")
    content = _read_json(path / RUN)
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{path / RUN} does not describe a run of npnet")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path / RUN} has version {content.get('version')!r} of the format, and this npnet reads "
            f"version {VERSION}: update npnet"
        )
    data, backend, engine = content.get("data"), content.get("backend"), content.get("engine", "numpy")
    if not (isinstance(backend, str) and isinstance(engine, str) and isinstance(data, (str, type(None)))):
        raise CheckpointError(f"{path / RUN} does not say backend, engine and data as texts")
    try:
        recipe = read(Recipe, "", content.get("recipe"))
    except RecipeError as error:
        raise CheckpointError(f"{path / RUN}: {error}") from error
    summary = _read_summary(path) if (path / SUMMARY).is_file() else None
    return Run(path, recipe, backend, None if data is None else Path(data), engine, summary)


def _read_summary(path: Path) -> dict[str, Any]:
    """What came of a run, with all that is shown of it."""
    summary = _read_json(path / SUMMARY)
    texts = all(
        isinstance(summary.get(key), str) for key in ("status", "recipe", "backend", "task", "folder")
    )
    tables = all(
        isinstance(table := summary.get(key), dict) and inner <= table.keys() for key, inner in HELD.items()
    )
    if not (texts and tables):
        raise CheckpointError(
            f"{path / SUMMARY} is damaged: delete it, and go on with {resume_command(path)}"
        )
    return summary


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"cannot read {path}: it holds no object")
    return content


def resume_command(path: Path) -> str:
    """What goes on with a run, in a shell."""
    return f"npnet train --resume {shlex.quote(str(path))}"


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that make two recipes, as mappings, train differently: by name, with both values.

    Examples
    --------
    >>> differences({"optimizer": {"kind": "SGD", "lr": 0.1}}, {"optimizer": {"kind": "SGD", "lr": 0.2}})
    {'optimizer.lr': (0.1, 0.2)}
    >>> differences({"optimizer": {"kind": "SGD", "lr": 0.1}}, {"optimizer": {"kind": "Adam"}, "seed": 1})
    {'optimizer': ({'kind': 'SGD', 'lr': 0.1}, {'kind': 'Adam'}), 'seed': ('not set', 1)}
    """
    return dict(_differences("", was, now))


def _differences(
    path: str, was: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in dict.fromkeys([*was, *now]):
        name = f"{path}.{key}" if path else key
        old, new = was.get(key, ABSENT), now.get(key, ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old.get("kind") == new.get("kind"):
            yield from _differences(name, old, new)
        elif old != new and name not in FREE:
            yield name, (old, new)

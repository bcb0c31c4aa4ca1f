"""What a run was begun with, and whether it may go on with what is asked for now."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from npnet._version import __version__
from npnet.errors import CheckpointError, RecipeError, RecipeMismatchError
from npnet.training.objective import objective_of_kind
from npnet.training.recipe import Recipe
from npnet.training.schema import read, write

__all__ = ["Run", "differences", "read_object", "read_run", "read_summary", "resume_command"]

RUN, SUMMARY = "run.json", "summary.json"
FORMAT, VERSION = "npnet run", 1

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
    begun : datetime
        When it was begun.
    summary : dict or None
        What ``summary.json`` holds, once there is one.
    """

    path: Path
    recipe: Recipe
    backend: str
    data: Path | None
    engine: str = "numpy"
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
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
            "begun": self.begun.isoformat(),
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
    content = read_object(path / RUN)
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
    summary = read_summary(path) if (path / SUMMARY).is_file() else None
    begun = _begun(path / RUN, content)
    return Run(path, recipe, backend, None if data is None else Path(data), engine, begun, summary)


def _begun(file: Path, content: dict[str, Any]) -> datetime:
    """When a run was begun; of a file that does not say it, when it was written."""
    try:
        if "begun" not in content:
            return datetime.fromtimestamp(file.stat().st_mtime, UTC)
        return datetime.fromisoformat(content["begun"]).astimezone(UTC)
    except (OSError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{file} does not say when the run was begun: {error}") from error


def read_summary(path: Path) -> dict[str, Any]:
    """What came of a run, with all that is shown of it."""
    summary = read_object(path / SUMMARY)
    try:
        _check_summary(summary)
    except (TypeError, ValueError, LookupError, AttributeError, StopIteration) as error:
        raise CheckpointError(
            f"{path / SUMMARY} is damaged: delete it, and go on with {resume_command(path)}"
        ) from error
    return summary


def _check_summary(summary: dict[str, Any]) -> None:
    """Look at all that is shown of a summary, which fails where it is not what it should be."""
    for key in ("status", "recipe", "backend", "task", "folder"):
        _demand(summary[key], str)
    data, measures = summary["data"], objective_of_kind(summary["task"]).measures
    for key in ("origin", "unit"):
        _demand(data[key], str)
    _demand(data["simulated"], bool)
    for key in ("total", "training"):
        _demand(summary["seconds"][key], int, float)
    for key in ("epochs", "kept_epoch") if {"epochs", "kept_epoch"} & summary.keys() else ():
        _demand(summary[key], int)
    names = {measure.name for measure in measures}
    figures = [data["ceiling"]]
    if "test" in summary:
        figures += [summary["test"][name] for name in names]
    if "folds" in summary:
        figures += [summary["test"][f"{name}_std"] for name in names]
    for reference in summary.get("references", {}).values():
        figures += [reference[measure.name] for measure in measures if measure.in_units]
    for figure in figures:
        _demand(figure, int, float, type(None))


def _demand(value: Any, *kinds: type) -> None:
    if not isinstance(value, kinds):
        raise TypeError


def read_object(path: Path) -> dict[str, Any]:
    """What a JSON file of a run holds; CheckpointError if it cannot be read or holds no object."""
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

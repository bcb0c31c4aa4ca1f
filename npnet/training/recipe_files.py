"""Recipes as they are named: the files that npnet brings, those of others, and settings that are changed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from npnet.errors import RecipeError
from npnet.training.recipe import SCHEDULE, Recipe
from npnet.training.schema import Choice, read, write

__all__ = ["load_recipe", "read_schedule", "recipe_names"]


def recipe_names() -> tuple[str, ...]:
    """The recipes that npnet brings.

    Examples
    --------
    >>> "galaxies" in recipe_names()
    True
    """
    files = resources.files("npnet").joinpath("recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_recipe(source: str | Path | Recipe, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name or from a file, and change some of its settings.

    Parameters
    ----------
    source : str, Path or Recipe
        A name of :func:`recipe_names`, the path of a TOML file, or a recipe that was read before.
    overrides : iterable of str
        Each ``"table.key=value"`` with a value as TOML writes it; a bare word is text, and ``none`` takes an
        optional setting away.  A table with a ``kind`` may be replaced by the word alone,
        ``"optimizer=SGD"``, which starts from that class's defaults.

    Raises
    ------
    RecipeError
        If there is no such recipe, it is no TOML, or a key or value is not accepted.

    Examples
    --------
    >>> load_recipe("digits", ["optimizer=SGD", "optimizer.lr=0.1"]).optimizer
    Choice(kind='SGD', options={'lr': 0.1})
    """
    values = write(source) if isinstance(source, Recipe) else _values(source)
    for override in overrides:
        _override(values, override)
    return read(Recipe, "", values)


def read_schedule(name: str, settings: Iterable[str] = ()) -> Choice:
    """Check a schedule's name and written settings, each ``"key=value"``, as a recipe's are checked.

    Raises
    ------
    RecipeError
        If the schedule or an argument is not known, or not accepted.

    Examples
    --------
    >>> read_schedule("StepLR", ["step_size=10"])
    Choice(kind='StepLR', options={'step_size': 10})
    """
    values: dict[str, Any] = {"kind": name}
    for setting_ in settings:
        if not setting_.partition("=")[0].strip().isidentifier() or "=" not in setting_:
            raise RecipeError(f"{name} takes arguments as key=value, such as gamma=0.5; got {setting_!r}")
        _override(values, setting_)
    chosen: Choice = SCHEDULE("scheduler", values)
    return chosen


def _values(source: str | Path) -> dict[str, Any]:
    """The mapping that a recipe's file holds."""
    content, name = _content(source)
    try:
        return {"name": name, **tomllib.loads(content)}
    except (ValueError, RecursionError) as error:  # of numbers or nesting beyond what Python takes, too
        raise RecipeError(f"{source} is not a TOML file: {error}") from error


def _content(source: str | Path) -> tuple[str, str]:
    """The text of a recipe, and the name that it has unless it says another."""
    if str(source) in recipe_names():
        file = resources.files("npnet").joinpath("recipes", f"{source}.toml")
        return file.read_text(encoding="utf-8"), str(source)
    path = Path(source).expanduser()
    if path.suffix != ".toml":
        near = difflib.get_close_matches(str(source), recipe_names(), n=1)
        hint = f", did you mean {near[0]!r}?" if near else ";"
        known = ", ".join(recipe_names())
        raise RecipeError(f"unknown recipe {str(source)!r}{hint} there are {known}, or give a .toml file")
    try:
        return path.read_text(encoding="utf-8"), path.stem
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the recipe {path}: {error}") from error


def _override(values: dict[str, Any], override: str) -> None:
    """Apply one ``table.key=value`` to the mapping of a recipe, in place."""
    path, equals, written = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set takes table.key=value, such as optimizer.lr=3e-4; got {override!r}")
    place = values
    for key in keys[:-1]:
        inner = place.get(key, {})
        if isinstance(inner, str):
            inner = {"kind": inner}
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {override}: {key} is no table")
        place[key] = inner
        place = inner
    place[keys[-1]] = _value(written.strip())


def _value(written: str) -> Any:
    """A value as TOML writes it; what TOML does not read is text."""
    try:
        values = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    return values["value"] if list(values) == ["value"] else written

"""Tables of settings, declared field by field: what is accepted, and what to say of anything else.

A table is a frozen dataclass whose fields are made by :func:`setting`; each carries a *check*, a function
``check(path, value)`` that returns the value as it is kept or raises :class:`~npnet.errors.RecipeError`.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from npnet.errors import NpnetError, RecipeError

__all__ = [
    "Choice",
    "choice",
    "either",
    "flag",
    "identifier",
    "named",
    "number",
    "one_of",
    "optional",
    "read",
    "setting",
    "several",
    "table",
    "text",
    "variant",
    "whole",
    "write",
]

Check = Callable[[str, Any], Any]
T = TypeVar("T")

ABSENT = "none"
"""What ``--set scheduler=none`` says: TOML has no null."""


def setting(check: Check, default: Any = dataclasses.MISSING) -> Any:
    """A field of a table: its check, and its default where it has one."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={"check": check})
    return dataclasses.field(default=default, metadata={"check": check})


def read(cls: type[T], path: str, values: Any) -> T:
    """Make a table of a mapping, every value checked.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are settings.
    path : str
        Where the table stands in the recipe, such as ``"training"``; empty for the recipe itself.
    values : mapping
        What was written.

    Raises
    ------
    RecipeError
        If it is no mapping, a key is unknown or missing, or a value is not accepted.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Training:
    ...     epochs: int = setting(whole(1))
    >>> read(Training, "training", {"epochs": 3})
    Training(epochs=3)
    >>> read(Training, "training", {"epoch": 3})
    Traceback (most recent call last):
    ...
    npnet.errors.RecipeError: unknown key training.epoch, did you mean training.epochs? ...
    """
    if not isinstance(values, Mapping):
        raise _refused(path, "a table", values)
    settings = dataclasses.fields(cls)  # type: ignore[arg-type]  # T is a dataclass
    refuse_unknown(path, values, [field.name for field in settings])
    missing = [
        field.name for field in settings if field.default is dataclasses.MISSING and field.name not in values
    ]
    if missing:
        raise RecipeError(f"{_join(path, missing[0])} is missing")
    return cls(
        **{
            field.name: field.metadata["check"](_join(path, field.name), values[field.name])
            for field in settings
            if field.name in values
        }
    )


def write(settings: Any) -> dict[str, Any]:
    """The mapping that :func:`read` makes the same table of; what is None is left out."""
    written: dict[str, Any] = {"kind": settings.kind} if hasattr(settings, "kind") else {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Choice):
            written[field.name] = _written_choice(value)
        elif isinstance(value, tuple) and any(isinstance(entry, Choice) for entry in value):
            written[field.name] = [_written_choice(entry) for entry in value]
        elif dataclasses.is_dataclass(value):
            written[field.name] = write(value)
        elif value is not None:
            written[field.name] = _listed(value)
    return written


def _written_choice(chosen: Choice) -> dict[str, Any]:
    options = {key: _listed(entry) for key, entry in chosen.options.items()}
    return {"kind": chosen.kind, **options}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def refuse_unknown(path: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a key that is not among the known ones, and name the nearest of these."""
    known = list(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f", did you mean {_join(path, near[0])}?" if near else ";"
            keys = ", ".join(known)
            raise RecipeError(
                f"unknown key {_join(path, key)}{hint} {path or 'a recipe'} has the keys {keys}"
            )


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else str(key)


def _refused(path: str, accepted: str, value: Any) -> RecipeError:
    return RecipeError(f"{path} must be {accepted}, got {value!r}")


# ---------------------------------------------------------------------- checks


def whole(least: int | None = None) -> Check:
    """A whole number, at least `least`."""
    accepted = "a whole number" + ("" if least is None else f", {least} or more")

    def check(path: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
            raise _refused(path, accepted, value)
        return value

    return check


def number(least: float, below: float = math.inf, *, above: bool = False) -> Check:
    """A number from `least` (or `above` it) up to, but not including, `below`."""
    accepted = f"a number above {least:g}" if above else f"a number, {least:g} or more"
    if below < math.inf:
        accepted += f" and below {below:g}"

    def check(path: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _refused(path, accepted, value)
        if not (least <= value < below) or (above and value == least):
            raise _refused(path, accepted, value)
        try:
            return float(value)
        except OverflowError as error:  # of a whole number beyond what floating point has
            raise _refused(path, accepted, value) from error

    return check


def flag(path: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _refused(path, "true or false", value)
    return value


def text(path: str, value: Any) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise _refused(path, "text", value)
    return value


def identifier(path: str, value: Any) -> str:
    """A name that can be part of a folder's name."""
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value):
        raise _refused(path, "a name of letters, digits, '-', '_' and '.'", value)
    return value


def one_of(*words: str) -> Check:
    """One of some words; another is answered with the nearest of them."""

    def check(path: str, value: Any) -> str:
        if value not in words:
            near = difflib.get_close_matches(str(value), words, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise RecipeError(f"{_refused(path, 'one of ' + ', '.join(words), value)}{hint}")
        return str(value)

    return check


def several(check: Check) -> Check:
    """A list, each element of which is accepted."""

    def check_all(path: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise _refused(path, "a list", value)
        return tuple(check(f"{path}[{position}]", element) for position, element in enumerate(value))

    return check_all


def optional(check: Check) -> Check:
    """What is accepted, or the word ``"none"``."""
    return lambda path, value: None if value == ABSENT else check(path, value)


def either(first: Check, accepted: str, word: str) -> Check:
    """A certain word, or what another check accepts, which is `accepted`."""

    def check(path: str, value: Any) -> Any:
        if value == word:
            return value
        if isinstance(value, str):
            raise _refused(path, f"{accepted}, or {word!r}", value)
        return first(path, value)

    return check


def table(cls: type[Any]) -> Check:
    """A table within the table."""
    return lambda path, value: read(cls, path, value)


# ---------------------------------------------------------------------- one of several classes


@dataclass(frozen=True)
class Choice:
    """A class by name, and the keyword arguments to make it with.

    Parameters
    ----------
    kind : str
        The name, as ``kind`` in the recipe.
    options : mapping
        The arguments, the other keys of the table.
    """

    kind: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


Find = Callable[[str, Any], Any]
"""From path and word to the class that the word names."""


def named(classes: Mapping[str, type[Any]]) -> Find:
    """Find a class by its name; another name is answered with the nearest one."""
    known = one_of(*classes)
    return lambda path, word: classes[known(path, word)]


def choice(
    find: Find,
    make: Callable[[Callable[..., Any], dict[str, Any]], Any],
    *,
    given: tuple[str, ...] = (),
) -> Check:
    """A table that names a class under ``kind`` and holds its keyword arguments; or the name alone.

    Names of arguments are checked against the signature.  Values are checked by the class itself: it is
    made once, on trial.

    Parameters
    ----------
    find : callable
        Gives the class of a ``kind``.
    make : callable
        ``make(cls, options)`` makes one on trial.
    given : tuple of str
        Arguments that the trainer gives, hence no keys.
    """

    def check(path: str, value: Any) -> Choice:
        written, cls = _kind(path, value, find)
        arguments = {
            name: argument
            for name, argument in inspect.signature(cls).parameters.items()
            if name not in given
        }
        options = {key: entry for key, entry in written.items() if key != "kind"}
        refuse_unknown(path, options, arguments)
        for name, argument in arguments.items():
            if argument.default is argument.empty and name not in options:
                raise RecipeError(f"{_join(path, name)} is missing: {written['kind']} needs it")
        options = {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in options.items()}
        try:
            make(cls, options)
        except (NpnetError, TypeError) as error:  # TypeError: of a value that the class did not expect
            raise RecipeError(f"{path}: {error}") from error
        return Choice(written["kind"], options)

    return check


def variant(classes: Mapping[str, type[Any]]) -> Check:
    """A table whose ``kind`` says which of several tables it is."""

    def check(path: str, value: Any) -> Any:
        written, cls = _kind(path, value, named(classes))
        return read(cls, path, {key: entry for key, entry in written.items() if key != "kind"})

    return check


def _kind(path: str, value: Any, find: Find) -> tuple[Mapping[str, Any], Any]:
    """A table with a ``kind``, and the class that it names; a word alone is such a table."""
    written = {"kind": value} if isinstance(value, str) else value
    if not isinstance(written, Mapping) or "kind" not in written:
        raise _refused(path, "a table with the key kind, or a word that says which kind", value)
    return written, find(_join(path, "kind"), written["kind"])

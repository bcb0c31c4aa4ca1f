"""Formulas and update rules on NumPy that make many short calls: written down, and then those calls alone.

See :mod:`npnet.engine.trace`.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.engine.formula import is_own
from npnet.engine.trace import Tape, Untraceable, unheard

__all__ = ["formula_runner", "refusal", "rule_runner"]

logger = logging.getLogger("npnet")

KINDS = 64
"""For how many kinds of arguments a formula is written down."""

NO_NUMBER = math.nan, None
"""Equal to none."""


def refusal(what: str, reason: Untraceable) -> bool:
    """Say in the log why something is not written down."""
    logger.debug("npnet: %s is not written down: %s", what, reason)
    return True


def _kind(array: Any) -> Any:
    return array.shape, array.strides, array.dtype


def _note(entries: dict[Any, Any], kind: Any) -> None:
    """Keep in mind that a kind was met, and forget the one that was met first if they are many."""
    if len(entries) >= KINDS:
        entries.pop(next(iter(entries), None), None)
    entries[kind] = None


def formula_runner(function: Callable[..., Any]) -> Callable[..., Any]:
    """What to call instead of a formula that makes many short calls: from the second call on, those alone.

    Examples
    --------
    >>> def squares(x):
    ...     return (x * x).sum()
    >>> run = formula_runner(squares)
    >>> [run(np.array([1.0, number])).item() for number in range(3)]
    [1.0, 2.0, 5.0]
    """
    entries: dict[Any, Callable[..., Any] | None] = {}  # None: called once

    def run(*args: Any, **kwargs: Any) -> Any:
        if kwargs or type(args[0]) is not np.ndarray:
            return function(*args, **kwargs)
        kind = tuple([_kind(each) if type(each) is np.ndarray else each for each in args])
        try:
            entry = entries.get(kind)
        except TypeError:  # an array of some other kind
            return function(*args)
        if entry is not None:
            return entry(*args)
        if kind in entries:
            try:
                entries[kind] = written(args)
            except Untraceable as reason:
                entries[kind] = function
                refusal(function.__name__, reason)
        else:
            _note(entries, kind)
        return function(*args)

    def written(args: tuple[Any, ...]) -> Callable[..., Any]:
        names = [f"a{i}" for i in range(len(args))]
        with unheard():
            tape = Tape()
            own = [
                tape.argument(each, name) if type(each) is np.ndarray else each
                for each, name in zip(args, names, strict=True)
            ]
            return tape.function([f"def entry({', '.join(names)}):"], function(*own))

    return run


@functools.lru_cache(maxsize=256)
def rule_runner(kernel: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """What to call instead of ``kernel(p, g, shrink, *state, *constants)``, which changes p and the state.

    Examples
    --------
    >>> def descend(p, g, shrink, rate):
    ...     p -= rate * g
    >>> descend.__module__ = "npnet"
    >>> run, p = rule_runner(descend, descend), np.ones(2)
    >>> for rate in (0.5, 0.25, 0.125):
    ...     run(p, np.ones(2), 1.0, rate)
    >>> p
    array([0.125, 0.125])
    """
    if not is_own(rule):
        return kernel
    entries: dict[Any, tuple[Callable[..., Any], list[int]] | None] = {}  # None: called once
    held: dict[Any, tuple[float, Any]] = {}  # numbers of the last step, as arrays that nobody changes
    refused = False

    def run(p: Any, g: Any, *others: Any) -> None:
        nonlocal refused
        dtype = p.dtype
        kind = p.size, dtype
        found = None if refused else entries.get(kind)
        if found is not None:
            entry, numbers = found
            given = list(others)
            for i in numbers:
                each = others[i]
                if type(each) is not float and type(each) is not int:  # NumPy may compute in its dtype
                    kernel(p, g, *others)
                    return
                number, array = held.get((i, dtype), NO_NUMBER)
                if number != each:
                    array = np.array(each, dtype)
                    held[i, dtype] = each, array
                given[i] = array
            entry(p, g, *given)
            return
        if kind in entries and not refused:
            try:
                entries[kind] = written(p, g, others)
            except Untraceable as reason:
                refused = refusal(rule.__name__, reason)
        else:
            _note(entries, kind)
        kernel(p, g, *others)

    def written(p: Any, g: Any, others: tuple[Any, ...]) -> tuple[Callable[..., Any], list[int]]:
        tape, names = Tape(), [f"a{i}" for i in range(len(others))]
        own = [
            tape.place(each, name) if isinstance(each, np.ndarray) else tape.number(each, p.dtype, name)
            for each, name in zip(others, names, strict=True)
        ]
        kernel(tape.place(p, "p"), tape.argument(g, "g"), *own)
        numbers = [i for i, each in enumerate(others) if not isinstance(each, np.ndarray)]
        return tape.function([f"def entry(p, g, {', '.join(names)}):"], None), numbers

    return run

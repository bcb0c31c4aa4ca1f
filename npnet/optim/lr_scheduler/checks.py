"""Checks of a schedule's arguments: each gives the value as a plain Python number or says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

from npnet.errors import ArgumentError, ArgumentTypeError
from npnet.optim.optimizer import Optimizer

__all__ = ["a_group", "check_optimizer", "choice", "functions", "integer", "number", "whole"]


def check_optimizer(optimizer: object) -> Optimizer:
    """The optimizer, or an error where something else was given."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(
            f"optimizer must be an npnet.optim.Optimizer, got {type(optimizer).__name__}: {optimizer!r:.80}"
        )
    return optimizer


def number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
) -> float:
    """A finite real number with ``above < value < below`` and ``least <= value <= most``, as int or float."""
    bounds = {">": above, ">=": least, "<=": most, "<": below}
    accepted = " and ".join([f"{sign} {bound:g}" for sign, bound in bounds.items() if math.isfinite(bound)])
    wanted = f"{name} must be a finite number {accepted}".rstrip()
    if not isinstance(value, Real):
        raise ArgumentTypeError(f"{wanted}, got {value!r} of type {type(value).__name__}")
    plain = int(value) if isinstance(value, Integral) else float(value)
    if not (math.isfinite(plain) and above < plain < below and least <= plain <= most):
        raise ArgumentError(f"{wanted}, got {value!r}")
    return plain


def integer(name: str, value: Any, *, least: int) -> int:
    """An integer of at least ``least``."""
    if not isinstance(value, Integral):
        raise ArgumentTypeError(
            f"{name} must be an integer >= {least}, got {value!r} of type {type(value).__name__}"
        )
    if value < least:
        raise ArgumentError(f"{name} must be an integer >= {least}, got {value!r}")
    return int(value)


def whole(name: str, value: Any, *, least: int) -> int:
    """As :func:`integer`, where PyTorch takes a float without a fraction too."""
    return integer(
        name, int(value) if isinstance(value, float) and value.is_integer() else value, least=least
    )


def choice(name: str, value: Any, accepted: Sequence[str]) -> str:
    """One of the accepted words."""
    if value not in accepted:
        raise ArgumentError(f"{name} must be one of {', '.join(map(repr, accepted))}, got {value!r}")
    return str(value)


def a_group(name: str, value: Any, optimizer: Optimizer, **bounds: float) -> list[float]:
    """One number a parameter group: a list or tuple has one for each, a scalar serves all."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [number(name, value, **bounds)] * groups
    if len(value) != groups:
        raise ArgumentError(
            f"{name} has {len(value)} values for {groups} parameter groups: give one a group, or a scalar"
        )
    return [number(f"{name}[{i}]", v, **bounds) for i, v in enumerate(value)]


def functions(name: str, value: Any, optimizer: Optimizer) -> list[Callable[[Any], float]]:
    """One function a parameter group: a list or tuple has one for each, a single function serves all."""
    groups = len(optimizer.param_groups)
    given = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(given) != groups:
        raise ArgumentError(
            f"{name} has {len(given)} functions for {groups} groups: give one a group, or one for all"
        )
    for function in given:
        if not callable(function):
            raise ArgumentTypeError(f"{name} must be a function of the epoch, got {function!r}")
    return given

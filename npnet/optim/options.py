"""What is asked of the options of an optimizer: plain numbers, within their ranges."""

from __future__ import annotations

from math import inf
from numbers import Real
from typing import Any

import numpy as np

from npnet import backend
from npnet.errors import ArgumentError, ArgumentLengthError, ArgumentTypeError, UnsupportedError

__all__ = [
    "IMPLEMENTATION_OPTIONS",
    "check_betas",
    "check_pair",
    "check_range",
    "plain",
    "refuse_implementation",
]

IMPLEMENTATION_OPTIONS = ("foreach", "fused", "capturable", "differentiable")
"""Arguments with which PyTorch chooses among implementations of the same rule."""


def plain(value: Any) -> Any:
    """An option as plain Python numbers: a NumPy float64 would turn float32 arrays into float64."""
    if isinstance(value, (tuple, list)):
        return tuple(plain(item) for item in value)
    if isinstance(value, np.generic) or (backend.is_array(value) and value.ndim == 0):
        return value.item()
    return value


def check_range(
    owner: object, name: str, value: Any, low: float = -inf, high: float = inf, *, below: bool = False
) -> None:
    """Refuse an option that is no number within `low` and `high` (with ``below``, less than `high`)."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and low <= value <= high and not (below and value == high):
        return
    lower = "" if low == -inf else f", at least {low}"
    upper = "" if high == inf else f" and {'below' if below else 'at most'} {high}"
    error = ArgumentError if is_number else ArgumentTypeError
    raise error(f"{type(owner).__name__}: {name} must be a number{lower}{upper}, got {value!r}")


def check_pair(
    owner: object, name: str, value: Any, low: float = -inf, high: float = inf, *, below: bool = False
) -> None:
    """Refuse what is no pair of numbers, each within `low` and `high`."""
    if not isinstance(value, tuple) or len(value) != 2:
        error = ArgumentLengthError if isinstance(value, tuple) else ArgumentTypeError
        raise error(f"{type(owner).__name__}: {name} must be two numbers, got {value!r}")
    for i, number in enumerate(value):
        check_range(owner, f"{name}[{i}]", number, low, high, below=below)


def check_betas(owner: object, betas: Any, *, floats: bool = False) -> None:
    """Refuse what is no pair of numbers from 0 to below 1; with `floats` 0 for 0.0 too (Adam)."""
    check_pair(owner, "betas", betas, 0.0, 1.0, below=True)
    if floats and not all(isinstance(beta, float) for beta in betas):
        raise ArgumentError(
            f"{type(owner).__name__}: betas must both be floats, got {betas!r}; write 0.0 for 0"
        )


def refuse_implementation(owner: object, **options: Any) -> None:
    """Refuse the arguments that choose an implementation in PyTorch."""
    for name, value in options.items():
        if value:
            raise UnsupportedError(
                f"{type(owner).__name__}: {name}= only chooses an implementation in PyTorch; "
                "here there is one, so leave it out"
            )

"""What the registry says of a class: how to draw a case, what its twin is, what must be refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from parity_tests.libraries import Npnet, Torch, arguments_for

__all__ = [
    "VALUES",
    "Case",
    "ModuleSpecification",
    "OptimizerSpecification",
    "Refusal",
    "Values",
    "array_of",
    "arrays",
    "seeds",
]

HostArray = npt.NDArray[Any]
Arguments = dict[str, Any]
Library = Npnet | Torch
Batch = tuple[HostArray, ...]

seeds = st.integers(0, 2**32 - 1)

Values = Callable[[np.random.Generator, tuple[int, ...]], HostArray]

VALUES: dict[str, Values] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape).astype(np.float64),  # equal values, and kinks at 0
    "shifted": lambda rng, shape: rng.normal(size=shape) + 10.0,
    "extreme": lambda rng, shape: 1e4 * rng.normal(size=shape),
}
"""Kinds of inputs; each is drawn from NumPy's generator, Hypothesis choosing kind, shape and seed."""


def array_of(kind: str, seed: int, shape: tuple[int, ...]) -> HostArray:
    """Values of one kind."""
    return VALUES[kind](np.random.default_rng(seed), shape)


def arrays(shape: tuple[int, ...], kinds: tuple[str, ...] = tuple(VALUES)) -> st.SearchStrategy[HostArray]:
    """Arrays of one shape, of one of these kinds of values."""
    return st.builds(array_of, st.sampled_from(kinds), seeds, st.just(shape))


@dataclass(frozen=True)
class Case:
    """One drawn example.

    Attributes
    ----------
    arguments : dict
        Of the constructor; host arrays become each library's.
    batches : tuple of tuple of ndarray
        The inputs of successive calls, floating ones in float64.
    seed : int
        For the state, the cotangents and the draws of the module itself.
    between : {"add", "none", "zeros"}
        What becomes of gradients between two calls: kept, dropped, or set to zero.
    """

    arguments: Arguments
    batches: tuple[Batch, ...]
    seed: int = 0
    between: str = "add"


@dataclass(frozen=True)
class Refusal:
    """Arguments or inputs that must be refused, in both libraries by errors that one clause catches.

    Attributes
    ----------
    name : str
    message : str
        Regular expression that npnet's message must match.
    arguments : dict
        Of the constructor.
    inputs : tuple
        Of the call; None where the constructor refuses.
    dtype : str
        Given to the module before the call.
    only : type of exception, optional
        What npnet raises where PyTorch accepts; with `reason`, which says why.
    """

    name: str
    message: str
    arguments: Arguments = field(default_factory=dict)
    inputs: tuple[Any, ...] | None = None
    dtype: str = "float64"
    only: type[Exception] | None = None
    reason: str = ""


Make = Callable[[Library, Arguments], Any]


@dataclass(frozen=True)
class ModuleSpecification:
    """One class of ``npnet.nn`` and its twin in ``torch.nn``.

    Attributes
    ----------
    name : str
        Of the class, in both.
    cases : strategy of Case
    large : function of a seeded generator
        A case of ten thousand or more elements, for questions of precision; None where nothing is rounded.
    refusals : tuple of Refusal
    make : function of a library and arguments
        Builds the module.
    smooth : bool
        Whether the derivative exists everywhere.
    least_slope : float
        Differences of gradients are relative to the larger of this and the largest element.  1 where a slope
        that vanishes is a difference of nearly equal numbers, as 1 - tanh(x)**2 for large x.
    least_value : float
        The same for values.
    slope_tolerance : float, optional
        Of gradients in float64, where PyTorch's own are less exact than the usual tolerance.
    domain : (float, float)
        Between which the first input must lie.
    """

    name: str
    cases: st.SearchStrategy[Case]
    large: Callable[[np.random.Generator], Case] | None = None
    refusals: tuple[Refusal, ...] = ()
    make: Make | None = None
    smooth: bool = True
    least_slope: float = 0.0
    least_value: float = 0.0
    slope_tolerance: float | None = None
    domain: tuple[float, float] = (-math.inf, math.inf)

    def inside(self, x: HostArray) -> HostArray:
        """Any numbers, brought smoothly between the bounds of the domain."""
        low, high = self.domain
        return x if math.isinf(low) else low + (high - low) / (1 + np.exp(-x))

    def build(self, library: Library, arguments: Arguments, dtype: str) -> Any:
        """Make the module in a library, and give it a dtype."""
        given = arguments_for(library if isinstance(library, Torch) else HOST, arguments)
        make = self.make
        module = getattr(library.nn, self.name)(**given) if make is None else make(library, given)
        return library.place(module, dtype)


HOST = Npnet("cpu")


@dataclass(frozen=True)
class OptimizerSpecification:
    """One class of ``npnet.optim`` and its twin in ``torch.optim``.

    Attributes
    ----------
    name : str
    options : strategy of dict
        All options of one group.
    refusals : tuple of Refusal
        Options that must be refused.
    """

    name: str
    options: st.SearchStrategy[Arguments]
    refusals: tuple[Refusal, ...] = ()

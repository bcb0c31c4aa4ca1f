"""Drawn lives of an optimizer: groups, gradients that come and go, rates that change, groups added later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from parity_tests.libraries import Npnet, Torch
from parity_tests.registry import OPTIMIZERS
from parity_tests.registry.specification import seeds
from parity_tests.registry.this_torch import takes_late_groups

__all__ = ["Group", "Scenario", "Step", "make", "scenarios", "seen", "set_gradients", "walk"]

HostArray = npt.NDArray[Any]
Library = Npnet | Torch

GRADIENTS = ("normal", "normal", "ties", "zero", "none")
"""Kinds of gradients; an absent one must leave a parameter, its state and its step count alone."""


@dataclass(frozen=True)
class Group:
    """One group of parameters."""

    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step: what gradients there are, by parameter, and the factor of every rate before it."""

    gradients: tuple[str, ...]
    rate_factor: float


@dataclass(frozen=True)
class Scenario:
    """The life of one optimizer; the last group is added in the middle if `late` says so."""

    name: str
    groups: tuple[Group, ...]
    steps: tuple[Step, ...]
    seed: int
    dtypes: tuple[str, ...]
    late: bool

    def shapes(self) -> list[tuple[int, ...]]:
        """Of all parameters."""
        return [shape for group in self.groups for shape in group.shapes]


@st.composite
def scenarios(draw: st.DrawFn, name: str, dtypes: tuple[str, ...] = ("float64",)) -> Scenario:
    """Draw a scenario of one class."""
    shapes = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)
    groups = draw(
        st.lists(st.builds(Group, shapes, OPTIMIZERS[name].options), min_size=1, max_size=3).map(tuple)
    )
    count = sum(len(group.shapes) for group in groups)
    kinds = st.tuples(*[st.sampled_from(GRADIENTS)] * count)
    steps = st.builds(Step, kinds, st.sampled_from([1.0, 1.0, 0.5]))
    return Scenario(
        name,
        groups,
        tuple(draw(st.lists(steps, min_size=5, max_size=8))),
        draw(seeds),
        tuple(draw(st.sampled_from(dtypes)) for _ in range(count)),
        len(groups) > 1 and takes_late_groups(name) and draw(st.booleans()),
    )


def make(library: Library, scenario: Scenario) -> tuple[Any, list[Any]]:
    """The optimizer and all parameters; a late group is not in it yet."""
    rng = np.random.default_rng([scenario.seed, 0])
    parameters = [
        library.parameter(rng.normal(size=shape).astype(dtype))
        for shape, dtype in zip(scenario.shapes(), scenario.dtypes, strict=True)
    ]
    groups = grouped(scenario, parameters)
    first = groups[:-1] if scenario.late else groups
    return getattr(library.optim, scenario.name)(first), parameters


def grouped(scenario: Scenario, parameters: list[Any]) -> list[dict[str, Any]]:
    """The groups as constructors take them."""
    rest = iter(parameters)
    return [{"params": [next(rest) for _ in group.shapes], **group.options} for group in scenario.groups]


def gradient_of(kind: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> HostArray | None:
    """A gradient of one kind."""
    values = {
        "normal": rng.normal(size=shape),
        "ties": rng.integers(-1, 2, shape).astype(np.float64),
        "zero": np.zeros(shape),
    }
    return np.asarray(values[kind], dtype) if kind in values else None


def set_gradients(library: Library, scenario: Scenario, parameters: list[Any], number: int) -> None:
    """Give every parameter the gradient of one step."""
    rng = np.random.default_rng([scenario.seed, 1 + number])
    step = scenario.steps[number % len(scenario.steps)]
    for parameter, kind, dtype in zip(parameters, step.gradients, scenario.dtypes, strict=True):
        gradient = gradient_of(kind, tuple(parameter.shape), dtype, rng)
        parameter.grad = None if gradient is None else library.array(gradient)


def take(library: Library, scenario: Scenario, optimizer: Any, parameters: list[Any], number: int) -> None:
    """One step."""
    if scenario.late and number == len(scenario.steps) // 2:
        optimizer.add_param_group(grouped(scenario, parameters)[-1])
    for group in optimizer.param_groups:
        group["lr"] *= scenario.steps[number % len(scenario.steps)].rate_factor
    set_gradients(library, scenario, parameters, number)
    optimizer.step()


def seen(library: Library, optimizer: Any, parameters: list[Any]) -> dict[str, HostArray]:
    """Copies of parameters and state, by name."""
    found = {f"parameter {i}": library.host(getattr(p, "data", p)) for i, p in enumerate(parameters)}
    for number, entry in optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            if value is not None:
                host = np.array(float(value)) if name == "step" else library.host(value)
                found[f"{name} of parameter {number}"] = host
    return found


def walk(library: Library, scenario: Scenario) -> dict[tuple[str, str], HostArray | None]:
    """All steps; parameters and state after each."""
    optimizer, parameters = make(library, scenario)
    observed: dict[tuple[str, str], HostArray | None] = {}
    for number in range(len(scenario.steps)):
        take(library, scenario, optimizer, parameters, number)
        for label, value in sorted(seen(library, optimizer, parameters).items()):
            observed["trajectory", f"step {number}, {label}"] = value
    return observed

"""In float32, which library is nearer to the truth: root-mean-square errors over ten thousand elements."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npnet.nn.sums import column_sums
from parity_tests import report
from parity_tests.libraries import NPNET, TORCH, Npnet, Torch
from parity_tests.observation import build, take_step
from parity_tests.registry import MODULES, OPTIMIZERS
from parity_tests.registry.specification import Case
from parity_tests.report import Subject

HostArray = npt.NDArray[Any]

ENOUGH = 10_000
ALLOWED = 1.5
"""npnet's error over PyTorch's."""

LARGE = {name: specification for name, specification in MODULES.items() if specification.large is not None}


def rms(x: HostArray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def assert_as_near(
    truth: HostArray, ours: HostArray, theirs: HostArray, subject: Subject, label: str
) -> None:
    """Demand an error not above PyTorch's by more than half; one unit in the last place is free."""
    unit = float(np.finfo(np.float32).eps) * rms(truth)
    limit = max(ALLOWED * rms(theirs - truth), unit)
    error = rms(ours - truth)
    report.record(subject, error / max(rms(truth), 1e-300), limit / max(rms(truth), 1e-300))
    assert error <= limit, (
        f"{subject.name}, {label}: RMS error {error:.3g}, PyTorch's {rms(theirs - truth):.3g}, "
        f"one unit {unit:.3g}"
    )


def step_of(library: Npnet | Torch, name: str, case: Case, dtype: str) -> Any:
    """One step of a module with float32 numbers, in a dtype."""
    batch = tuple(part.astype(np.float32) if part.dtype.kind == "f" else part for part in case.batches[0])
    module = build(library, MODULES[name], case, "float32")
    library.place(module, dtype)
    library.seed(case.seed)
    return take_step(library, module, batch, dtype, case.seed)


@pytest.mark.parametrize("name", LARGE)
def test_float32_is_as_near_to_the_truth_as_pytorch(name: str) -> None:
    large = LARGE[name].large
    assert large is not None
    case = large(np.random.default_rng(20))
    truth = step_of(TORCH, name, case, "float64")
    ours, theirs = (step_of(library, name, case, "float32") for library in (NPNET, TORCH))
    compared = set()
    for (quantity, label), value in truth.items():
        if value is not None and value.size >= ENOUGH and value.dtype == np.float64:
            arrays = value, ours[quantity, label], theirs[quantity, label]
            assert_as_near(*arrays, Subject(name, "float32", quantity), label)
            compared.add(quantity)
    assert {"forward", "gradient"} <= compared


@pytest.mark.parametrize("rows", [60, 1000])
def test_column_sums_are_as_exact_as_pytorch_s(rows: int) -> None:
    """They are gradients of biases; a plain product with ones loses digits over many rows."""
    x = np.random.default_rng(0).normal(1.0, 1.0, (rows, 10_240)).astype(np.float32)
    truth = x.sum(axis=0, dtype=np.float64)
    theirs = TORCH.host(TORCH.array(x).sum(0))
    assert_as_near(truth, column_sums(x), theirs, Subject("Linear", "float32", "gradient"), "column sums")


STEPS_OF_A_RULE = 500
"""So many that what the constant 0.999 loses in float32, where it multiplies, has added up."""


@functools.cache
def gradients_of_many_sizes() -> list[HostArray]:
    """In float32; they come round again and again."""
    rng = np.random.default_rng(20)
    sizes = 10.0 ** rng.normal(size=ENOUGH)
    return [(sizes * rng.normal(size=ENOUGH)).astype(np.float32) for _ in range(20)]


def state_of_rule(library: Npnet | Torch, name: str, dtype: str) -> dict[str, HostArray]:
    """What an optimizer remembers of every element after many steps."""
    parameter = library.parameter(np.ones(ENOUGH, dtype))
    optimizer = getattr(library.optim, name)([parameter], lr=1e-3)
    for gradient in itertools.islice(itertools.cycle(gradients_of_many_sizes()), STEPS_OF_A_RULE):
        parameter.grad = library.array(gradient.astype(dtype))
        optimizer.step()
    (entry,) = optimizer.state_dict()["state"].values()
    held = {key: library.host(value) for key, value in entry.items() if value is not None}
    return {key: value for key, value in held.items() if value.size == ENOUGH}


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "SGD"])  # which remembers nothing
def test_what_a_rule_remembers_is_as_near_to_the_truth_as_in_pytorch(name: str) -> None:
    truth = state_of_rule(TORCH, name, "float64")
    ours, theirs = (state_of_rule(library, name, "float32") for library in (NPNET, TORCH))
    assert truth
    for key, value in truth.items():
        assert_as_near(value, ours[key], theirs[key], Subject(name, "float32", "trajectory"), key)

"""Every optimizer of the registry walks as PyTorch's does, and refuses what it refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import nn, optim
from npnet.errors import NpnetError
from parity_tests.equal import assert_equal, assert_same_observations
from parity_tests.libraries import LIBRARIES, NPNET, STRICT, TORCH, Npnet, Torch
from parity_tests.registry import OPTIMIZERS
from parity_tests.registry.specification import Refusal
from parity_tests.report import Subject
from parity_tests.scenario import make, scenarios, set_gradients, walk
from parity_tests.strict_device import forbid_synchronisation

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


@every_optimizer
@pytest.mark.parametrize("device", LIBRARIES)
@given(data=st.data())
def test_trajectories(name: str, device: str, data: st.DataObject) -> None:
    """Groups of different options, gradients that are absent now and then, rates that change."""
    scenario = data.draw(scenarios(name))
    assert_same_observations(walk(LIBRARIES[device], scenario), walk(TORCH, scenario), name, "float64")


@every_optimizer
@given(data=st.data())
def test_mixed_dtypes(name: str, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(name, ("float32", "float64")))
    assert_same_observations(walk(NPNET, scenario), walk(TORCH, scenario), name, "float32")


@every_optimizer
@given(data=st.data())
def test_a_step_on_a_device_never_waits(name: str, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(name))
    optimizer, parameters = make(STRICT, scenario)
    for number in range(len(scenario.steps)):
        set_gradients(STRICT, scenario, parameters, number)
        with forbid_synchronisation():
            optimizer.step()
            optimizer.zero_grad()


LONG_WALKS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"lr": 0.05}) for name in OPTIMIZERS),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.01}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "betas": (0.5, 0.9), "weight_decay": 0.5}),
    ("RMSprop", {"lr": 0.05, "centered": True, "momentum": 0.5, "eps": 1e-3, "weight_decay": 0.01}),
]


@pytest.mark.parametrize(("name", "options"), LONG_WALKS)
def test_a_thousand_steps(name: str, options: dict[str, Any]) -> None:
    """Descend a quadratic bowl whose gradient depends on where one is, so that errors could grow."""
    rng = np.random.default_rng(0)
    start, centre = rng.normal(size=(2, 40))
    noise = rng.normal(size=(1000, 40))
    final = {}
    for library in (NPNET, TORCH):
        p = library.parameter(start)
        optimizer = getattr(library.optim, name)([p], **options)
        for step in range(1000):
            where = library.host(p.data)
            p.grad = library.array(where - centre + 0.3 * noise[step])
            optimizer.step()
        final[library] = library.host(p.data)
    subject = Subject(name, "float64", "trajectory")
    assert_equal(final[NPNET], final[TORCH], subject, "after a thousand steps", least_scale=1.0)


# ------------------------------------------------------------------ refusals

REFUSALS = [(name, refusal) for name, each in OPTIMIZERS.items() for refusal in each.refusals]


def error_of(library: Npnet | Torch, name: str, refusal: Refusal) -> Exception | None:
    """What the constructor raises."""
    try:
        getattr(library.optim, name)([library.parameter(np.zeros(2))], **refusal.arguments)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(
    ("name", "refusal"), REFUSALS, ids=[f"{name}-{refusal.name}" for name, refusal in REFUSALS]
)
def test_refused_options(name: str, refusal: Refusal) -> None:
    ours, theirs = error_of(NPNET, name, refusal), error_of(TORCH, name, refusal)
    assert isinstance(ours, NpnetError), f"npnet raised {ours!r}"
    assert re.search(refusal.message, str(ours)), str(ours)
    if refusal.only is None:
        assert theirs is not None, "PyTorch accepts this: say why npnet does not"
        assert isinstance(ours, type(theirs)), f"PyTorch raised {theirs!r}"
    else:
        assert isinstance(ours, refusal.only)
        assert refusal.reason


MISTAKEN_PARAMETERS: dict[str, Callable[[Npnet | Torch], Any]] = {
    "none": lambda library: [],
    "one that is not in a list": lambda library: library.parameter(np.zeros(2)),
    "one in two groups": lambda library: [{"params": p} for p in [library.parameter(np.zeros(2))] * 2],
    "no parameters": lambda library: [1.0, 2.0],
}


@every_optimizer
@pytest.mark.parametrize("case", MISTAKEN_PARAMETERS)
def test_refused_parameters(name: str, case: str) -> None:
    raised = []
    for library in (NPNET, TORCH):
        with pytest.raises(Exception, match=".") as caught:
            getattr(library.optim, name)(MISTAKEN_PARAMETERS[case](library))
        raised.append(caught.value)
    assert isinstance(raised[0], NpnetError)
    assert isinstance(raised[0], type(raised[1])), f"PyTorch raised {raised[1]!r}"


# ------------------------------------------------------------------ closed forms


def after(optimizer_of: Callable[[list[nn.Parameter]], optim.Optimizer], start: float, g: list[float]) -> float:
    """Where one parameter is after steps along given gradients."""
    p = nn.Parameter(np.array([start]))
    optimizer = optimizer_of([p])
    for gradient in g:
        p.grad = np.array([gradient])
        optimizer.step()
    return float(p.data[0])


numbers = st.floats(0.1, 10.0) | st.floats(-10.0, -0.1)
lengths = st.integers(1, 20)


@given(g=numbers, n=lengths, mu=st.floats(0.0, 0.95))
def test_sgd_along_a_constant_gradient_sums_two_geometric_series(g: float, n: int, mu: float) -> None:
    found = after(lambda p: optim.SGD(p, lr=0.1, momentum=mu), 1.0, [g] * n)
    expected = 1.0 - 0.1 * g * (n - mu * (1 - mu**n) / (1 - mu)) / (1 - mu)
    assert math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)


@given(g=numbers, n=lengths)
def test_adam_along_a_constant_gradient_takes_steps_of_the_learning_rate(g: float, n: int) -> None:
    found = after(lambda p: optim.Adam(p, lr=0.1, eps=0.0), 1.0, [g] * n)
    assert math.isclose(found, 1.0 - math.copysign(0.1 * n, g), rel_tol=1e-12, abs_tol=1e-12)


@given(n=lengths, decay=st.floats(0.0, 0.9))
def test_decoupled_decay_without_gradient_is_a_power(n: int, decay: float) -> None:
    found = after(lambda p: optim.AdamW(p, lr=0.5, weight_decay=decay), 2.0, [0.0] * n)
    assert math.isclose(found, 2.0 * (1 - 0.5 * decay) ** n, rel_tol=1e-13)


@given(g=numbers, n=lengths, alpha=st.floats(0.1, 0.99))
def test_rmsprop_along_a_constant_gradient(g: float, n: int, alpha: float) -> None:
    found = after(lambda p: optim.RMSprop(p, lr=0.1, alpha=alpha, eps=0.0), 1.0, [g] * n)
    steps = sum(1 / math.sqrt(1 - alpha**t) for t in range(1, n + 1))
    assert math.isclose(found, 1.0 - math.copysign(0.1 * steps, g), rel_tol=1e-12, abs_tol=1e-12)

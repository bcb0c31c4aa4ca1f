"""The arena: parameters lie end to end, and an optimizer moves what has a gradient, wherever it lies."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import nn, optim
from npnet.nn.parameter import Parameter, runs
from parity_tests.equal import assert_as_on_host, assert_equal, assert_same
from parity_tests.libraries import NPNET, STRICT, TORCH, Npnet, Torch
from parity_tests.registry import OPTIMIZERS
from parity_tests.report import Subject
from parity_tests.scenario import Scenario, make, scenarios, seen, take

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def continue_from(
    library: Npnet, scenario: Scenario, optimizer: Any, parameters: list[Any], first: int
) -> Any:
    """Take the remaining steps; everything seen afterwards."""
    for number in range(first, len(scenario.steps)):
        take(library, scenario, optimizer, parameters, number)
    return seen(library, optimizer, parameters)


def assert_all_as_on_host(
    there: dict[str, npt.NDArray[Any]], here: dict[str, npt.NDArray[Any]], steps: int
) -> None:
    """Demand the host's numbers of everything seen after so many steps on a device."""
    assert there.keys() == here.keys()
    for label, value in there.items():
        assert_as_on_host(value, here[label], label, steps=steps, least_scale=1.0)


def assert_all_same(a: dict[str, npt.NDArray[Any]], b: dict[str, npt.NDArray[Any]]) -> None:
    """Demand equal bits of everything seen."""
    assert a.keys() == b.keys()
    for label, value in a.items():
        assert_same(value, b[label], label)


@given(data=st.data())
def test_values_and_gradients_are_views_of_one_arena_a_dtype(data: st.DataObject) -> None:
    scenario = data.draw(scenarios("SGD", ("float32", "float64")))
    _, parameters = make(NPNET, scenario)
    housed = parameters[: -len(scenario.groups[-1].shapes)] if scenario.late else parameters
    before = [np.array(parameter.data) for parameter in parameters]
    for dtype in ("float32", "float64"):
        members = [parameter for parameter in housed if parameter.dtype == dtype]
        for parameter in members:
            parameter.grad = np.ones(parameter.shape, dtype)
            assert parameter.arena.shared
            assert np.shares_memory(parameter.data, parameter.arena.values)
            assert np.shares_memory(parameter.grad, parameter.arena.gradients)
        groups = [len(run.members) for run in runs(members)]
        assert sum(groups) == len(members)
    for parameter, value in zip(parameters, before, strict=True):
        assert_same(parameter.data, value, "moving in changes nothing")


def test_neighbours_form_one_run_and_a_gap_parts_them() -> None:
    parameters = [nn.Parameter(np.zeros(n)) for n in (2, 3, 4)]
    optim.SGD(parameters)
    assert [run.members for run in runs(parameters)] == [(0, 1, 2)]
    assert [run.members for run in runs([parameters[0], parameters[2]])] == [(0,), (1,)]
    assert [run.members for run in runs(parameters, [True, False, True])] == [(0,), (1,), (2,)]
    assert [(run.start, run.stop) for run in runs(parameters, [1, 1, 2])] == [(0, 5), (5, 9)]


@every_optimizer
def test_what_has_no_gradient_stays_untouched(name: str) -> None:
    rng = np.random.default_rng(0)
    parameters = [nn.Parameter(rng.normal(size=3)) for _ in range(3)]
    optimizer = (
        getattr(optim, name)(parameters, weight_decay=0.5) if name != "Rprop" else optim.Rprop(parameters)
    )
    start = [np.array(parameter.data) for parameter in parameters]
    for step in range(3):
        for parameter in parameters[:: 2 if step else 1]:  # the middle one has a gradient at the first step
            parameter.grad = rng.normal(size=3)
        optimizer.step()
        optimizer.zero_grad()
        if not step:
            kept = {key: np.array(value) for key, value in optimizer.state.get(parameters[1], {}).items()}
            middle = np.array(parameters[1].data)
    assert_same(parameters[1].data, middle, "the values")
    for key, value in kept.items():
        assert_same(np.array(optimizer.state[parameters[1]][key]), value, key)
    for i in (0, 2):
        assert (parameters[i].data != start[i]).all()


@every_optimizer
@given(data=st.data())
def test_a_deep_copy_goes_on_by_itself(name: str, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(name))
    optimizer, parameters = make(NPNET, scenario)
    half = len(scenario.steps) // 2
    for number in range(half):
        take(NPNET, scenario, optimizer, parameters, number)
    twin, twins = copy.deepcopy((optimizer, parameters))
    before = seen(NPNET, optimizer, parameters)
    found = continue_from(NPNET, scenario, twin, twins, half)
    assert_all_same(seen(NPNET, optimizer, parameters), before)  # the copy did not move the original
    assert_all_same(continue_from(NPNET, scenario, optimizer, parameters, half), found)


@pytest.mark.device
@every_optimizer
@given(data=st.data())
def test_moved_to_a_device_it_goes_on_to_the_bit(name: str, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(name))
    optimizer, parameters = make(NPNET, scenario)
    half = len(scenario.steps) // 2
    for number in range(half):
        take(NPNET, scenario, optimizer, parameters, number)
    twin, twins = copy.deepcopy((optimizer, parameters))
    for parameter in twins:
        parameter.to("strict")
    found = continue_from(STRICT, scenario, twin, twins, half)
    expected = continue_from(NPNET, scenario, optimizer, parameters, half)
    assert_all_as_on_host(found, expected, len(scenario.steps) - half)


@every_optimizer
@given(data=st.data())
def test_turned_into_float64_it_goes_on_as_one_made_so(name: str, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(name, ("float32",)))
    optimizer, parameters = make(NPNET, scenario)
    half = len(scenario.steps) // 2
    for number in range(half):
        take(NPNET, scenario, optimizer, parameters, number)
    doubled = Scenario(**{**vars(scenario), "dtypes": ("float64",) * len(parameters)})
    fresh, values = make(NPNET, doubled)
    for new, old in zip(values, parameters, strict=True):
        new.data = old.data
    for parameter in parameters:
        parameter.to(dtype="float64")
    fresh.load_state_dict(optimizer.state_dict())
    found = continue_from(NPNET, doubled, optimizer, parameters, half)
    assert_all_same(continue_from(NPNET, doubled, fresh, values, half), found)


def in_two_optimizers(library: Npnet | Torch, name: str, rng: np.random.Generator) -> list[npt.NDArray[Any]]:
    """Two optimizers that share a parameter, and a frozen one, stepping in turn."""
    parameters = [library.parameter(rng.normal(size=n)) for n in (3, 2, 4, 2)]
    parameters[3].requires_grad = False
    kind = getattr(library.optim, name)
    optimizers = [kind(parameters[:2] + parameters[3:], lr=0.1), kind(parameters[1:3], lr=0.05)]
    for step in range(6):
        for i, parameter in enumerate(parameters[:3]):
            gradient = rng.normal(size=parameter.shape)
            parameter.grad = None if (step + i) % 3 == 0 else library.array(gradient)
        optimizers[step % 2].step()
    return [library.host(parameter.data) for parameter in parameters]


@every_optimizer
def test_a_parameter_of_two_optimizers(name: str) -> None:
    ours, theirs = (in_two_optimizers(each, name, np.random.default_rng(3)) for each in (NPNET, TORCH))
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        subject = Subject(name, "float64", "trajectory")
        assert_equal(a, b, subject, f"shared parameter {number}", least_scale=1.0)


def test_gradients_can_be_assigned_kept_and_dropped() -> None:
    w = Parameter(np.zeros(3))
    w.grad = np.arange(3.0)
    w.accumulate(np.add, np.ones(3), 1.0)
    assert_same(np.array(w.grad), np.array([2.0, 3.0, 4.0]), "added to what was assigned")
    w.grad = None
    w.accumulate(np.add, np.ones(3), 1.0)
    assert_same(np.array(w.grad), np.full(3, 2.0), "dropped before")
    w.clear_grad(set_to_none=False)
    assert_same(np.array(w.grad), np.zeros(3), "set to zero")
    place = w.data
    w.data = np.full(3, 7.0)
    assert_same(place, np.full(3, 7.0), "assigning values copies into place")

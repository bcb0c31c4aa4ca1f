"""Every optimizer of the registry moves, remembers and refuses as PyTorch's does."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from npnet import backend, optim
from npnet.errors import NpnetError, UnsupportedError
from parity_tests.equal import Observations, assert_equal, assert_same, assert_same_observations
from parity_tests.libraries import LIBRARIES, NPNET, STRICT, TORCH, Npnet, Torch, every_device
from parity_tests.registry import OPTIMIZERS
from parity_tests.registry.specification import Refusal, seeds
from parity_tests.registry.this_torch import takes_late_groups
from parity_tests.report import Subject
from parity_tests.strict_device import forbid_synchronisation
from torchref.state import to_arrays, to_tensors

HostArray = npt.NDArray[Any]
Library = Npnet | Torch

every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)

SHAPES = ((3, 4), (4,), (), (2, 1, 2))


class Case(NamedTuple):
    """What one training is made of; everything random follows from the seed."""

    groups: list[dict[str, Any]]
    seed: int
    steps: int
    absent: float
    """How often a gradient is None."""


@st.composite
def cases(draw: st.DrawFn, name: str, steps: int = 7) -> Case:
    """Two groups with options of their own."""
    drawn = OPTIMIZERS[name].options
    groups = [draw(drawn) for _ in range(2)]
    return Case(groups, draw(seeds), steps, draw(st.sampled_from([0.0, 0.3, 0.7])))


def gradients_of(case: Case, dtype: str) -> list[list[HostArray | None]]:
    """For each step, a gradient a parameter: random, with ties and zeros, or None."""
    rng = np.random.default_rng(case.seed)

    def draw(shape: tuple[int, ...]) -> HostArray | None:
        if rng.random() < case.absent:
            return None
        kinds = (rng.normal(size=shape), rng.integers(-1, 2, shape), 30.0 * rng.normal(size=shape))
        return np.asarray(kinds[rng.choice(3, p=[0.6, 0.3, 0.1])], dtype)

    return [[draw(shape) for shape in SHAPES] for _ in range(case.steps)]


def defaults(name: str) -> dict[str, Any]:
    """All options of the class; a group that leaves one out would get it from the constructor's."""
    return dict(getattr(optim, name)([NPNET.parameter(np.ones(1))]).defaults)


class Training:
    """A few parameters, an optimizer, and gradients that come from outside, in either library."""

    def __init__(self, library: Library, name: str, case: Case, dtype: str = "float64") -> None:
        self.library = library
        rng = np.random.default_rng(case.seed + 1)
        self.parameters = [library.parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]
        half = len(SHAPES) // 2
        first, second = case.groups[0], defaults(name) | case.groups[1]
        self.optimizer = getattr(library.optim, name)(
            [{"params": self.parameters[:half]}, {"params": self.parameters[half:], **second}], **first
        )

    def step(self, gradients: list[HostArray | None]) -> None:
        """Take one step."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else self.library.array(gradient)
        self.optimizer.step()

    def seen(self, stage: str) -> Observations:
        """The parameters and the state."""
        found: dict[tuple[str, str], HostArray | None] = {
            ("trajectory", f"{stage}, parameter {i}"): self.library.host(
                parameter if is_tensor(parameter) else parameter.data
            )
            for i, parameter in enumerate(self.parameters)
        }
        for i, entry in sorted(self.optimizer.state_dict()["state"].items()):
            for key, value in entry.items():
                if value is not None:
                    found["trajectory", f"{stage}, {key} of {i}"] = self.library.host(value)
        return found


def is_tensor(value: object) -> bool:
    """Whether it is PyTorch's."""
    return isinstance(value, torch.Tensor)


def observe(library: Library, name: str, case: Case, dtype: str = "float64") -> Observations:
    """Take all steps, the rate of the second group changing on the way."""
    training = Training(library, name, case, dtype)
    seen = dict(training.seen("before"))
    for number, gradients in enumerate(gradients_of(case, dtype)):
        if number == case.steps // 2:
            training.optimizer.param_groups[1]["lr"] = 0.02
        training.step(gradients)
        if case.steps < 10 or number == case.steps - 1:
            seen |= training.seen(f"step {number}")
    return seen


@every_optimizer
@every_device
@given(data=st.data())
def test_steps_and_state(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    assert_same_observations(
        observe(LIBRARIES[device], name, case), observe(TORCH, name, case), name, "float64"
    )


@every_optimizer
@given(data=st.data())
def test_float32(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    ours, theirs = observe(NPNET, name, case, "float32"), observe(TORCH, name, case, "float32")
    assert_same_observations(ours, theirs, name, "float32")


@every_optimizer
@settings(max_examples=max(2, settings.default.max_examples // 5), phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_a_thousand_steps(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name, 1000))
    assert_same_observations(observe(NPNET, name, case), observe(TORCH, name, case), name, "float64")


@contextmanager
def doubles() -> Iterator[None]:
    """Make float64 the default dtype of both libraries, so that PyTorch loads a state as it was."""
    torch.set_default_dtype(torch.float64)
    backend.set_default_dtype("float64")
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        backend.set_default_dtype("float32")


@every_optimizer
@given(data=st.data())
def test_each_library_continues_from_the_other_s_state(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    cut = data.draw(st.integers(0, case.steps - 1))
    gradients = gradients_of(case, "float64")
    with doubles():
        first, expected = Training(NPNET, name, case), Training(TORCH, name, case)
        for each in gradients[:cut]:
            first.step(each)
            expected.step(each)
        ours, theirs = Training(NPNET, name, case), Training(TORCH, name, case)
        for there, here in ((ours, expected), (theirs, first)):
            for new, old in zip(there.parameters, here.parameters, strict=True):
                new.data = there.library.array(here.library.host(old if is_tensor(old) else old.data))
        ours.optimizer.load_state_dict(to_arrays(expected.optimizer.state_dict()))
        theirs.optimizer.load_state_dict(to_tensors(first.optimizer.state_dict()))
        for each in gradients[cut:]:
            for training in (ours, theirs, expected):
                training.step(each)
        assert_same_observations(ours.seen("end"), expected.seen("end"), name, "float64")
        assert_same_observations(theirs.seen("end"), expected.seen("end"), name, "float64")


@every_optimizer
@every_device
@given(data=st.data())
def test_a_reloaded_state_continues_to_the_bit(name: str, device: str, data: st.DataObject) -> None:
    case, library = data.draw(cases(name)), LIBRARIES[device]
    gradients = gradients_of(case, "float64")
    whole, later = Training(library, name, case), Training(library, name, case)
    for each in gradients[:3]:
        whole.step(each)
    later.optimizer.load_state_dict(whole.optimizer.state_dict())
    for new, old in zip(later.parameters, whole.parameters, strict=True):
        new.data = old.data
    for each in gradients[3:]:
        whole.step(each)
        later.step(each)
    for (_, label), value in whole.seen("end").items():
        found = later.seen("end")["trajectory", label]
        assert value is not None
        assert found is not None
        assert_same(found, value, f"{name}: {label}")


@every_optimizer
@given(data=st.data())
def test_a_group_added_on_the_way(name: str, data: st.DataObject) -> None:
    if not takes_late_groups(name):
        pytest.skip(f"the {name} of this PyTorch cannot step a group that was added later")
    case = data.draw(cases(name))
    values = np.random.default_rng(case.seed).normal(size=5)
    found = []
    for library in (NPNET, TORCH):
        training = Training(library, name, case)
        for number, gradients in enumerate(gradients_of(case, "float64")):
            if number == 2:
                training.parameters.append(library.parameter(values))
                group = {"params": [training.parameters[-1]], **defaults(name), **case.groups[1]}
                training.optimizer.add_param_group(group)
            training.step([*gradients, *([values * number] if number >= 2 else [])])
        found.append(training.seen("end"))
    assert_same_observations(*found, name, "float64")


@pytest.mark.device
@every_optimizer
def test_a_step_waits_for_nothing(name: str) -> None:
    training = Training(STRICT, name, Case([{}, {}], 0, 3, 0.0))
    before = training.seen("")
    for parameter in training.parameters:
        parameter.grad = parameter.data
    with forbid_synchronisation():
        for _ in range(8):  # RAdam adapts from the sixth step on
            training.optimizer.step()
    after = training.seen("")
    assert all(not np.array_equal(before[key], after[key]) for key in before if "parameter" in key[1])


# ------------------------------------------------------------------ arguments

REFUSALS = [(name, refusal) for name, each in OPTIMIZERS.items() for refusal in each.refusals]


def error_of(library: Library, name: str, arguments: dict[str, Any]) -> Exception | None:
    """What the constructor raises."""
    try:
        getattr(library.optim, name)([library.parameter(np.ones(2))], **arguments)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(
    ("name", "refusal"), REFUSALS, ids=[f"{name}-{each.name}" for name, each in REFUSALS]
)
def test_refusals(name: str, refusal: Refusal) -> None:
    ours, theirs = (error_of(library, name, refusal.arguments) for library in (NPNET, TORCH))
    assert isinstance(ours, NpnetError), f"npnet raised {ours!r}"
    assert re.search(refusal.message, str(ours)), str(ours)
    if refusal.only is None:
        assert theirs is not None, "PyTorch accepts this: say why npnet does not"
        assert isinstance(ours, type(theirs)), f"PyTorch's: {theirs!r}"
    else:
        assert theirs is None, f"PyTorch refuses this too, by {theirs!r}"
        assert isinstance(ours, refusal.only)
        assert refusal.reason


OPTIONS = [(name, refusal) for name, refusal in REFUSALS if refusal.only is not UnsupportedError]


@pytest.mark.parametrize(("name", "refusal"), OPTIONS, ids=[f"{name}-{each.name}" for name, each in OPTIONS])
def test_refusals_of_groups(name: str, refusal: Refusal) -> None:
    """A group's own options are looked at as the constructor's are, and a refused group is not added."""
    make = getattr(optim, name)
    w, group = NPNET.parameter(np.ones(2)), {"params": [NPNET.parameter(np.ones(3))], **refusal.arguments}
    with pytest.raises(NpnetError, match=refusal.message):
        make([group])
    with pytest.raises(NpnetError, match=refusal.message):  # also where no group takes the default
        make([{"params": [w], **defaults(name)}], **refusal.arguments)
    optimizer = make([w])
    before = optimizer.state_dict()
    with pytest.raises(NpnetError, match=refusal.message):
        optimizer.add_param_group(group)
    assert optimizer.state_dict()["param_groups"] == before["param_groups"]


def lists(library: Library) -> dict[str, Any]:
    """What is no list of parameters."""
    p, q = library.parameter(np.ones(2)), library.parameter(np.ones(3))
    return {
        "nothing": [],
        "None": None,
        "a parameter": p,
        "a number": 3,
        "an array": [library.array(np.ones(2))] if library is NPNET else [np.ones(2)],
        "numbers": [1, 2],
        "a set as group": [{"params": {p, q}}],
        "a parameter in two groups": [{"params": [p, q]}, {"params": [q]}],
        "a group without parameters": [{"lr": 0.1}],
    }


@pytest.mark.parametrize("what", lists(NPNET))
@every_optimizer
def test_what_is_no_list_of_parameters_is_refused(name: str, what: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 (whatever PyTorch raises)
        getattr(torch.optim, name)(lists(TORCH)[what])
    with pytest.raises(theirs.type) as ours:
        getattr(optim, name)(lists(NPNET)[what])
    assert isinstance(ours.value, NpnetError)


@every_optimizer
def test_a_parameter_twice_in_a_group_is_refused(name: str) -> None:
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.warns(UserWarning, match="duplicate parameters"):  # PyTorch only warns, and moves it twice
        getattr(torch.optim, name)([p, p])
    w = NPNET.parameter(np.ones(2))
    with pytest.raises(NpnetError, match="appears twice"):
        getattr(optim, name)([w, w])


@every_optimizer
def test_signature(name: str) -> None:
    """PyTorch's signature is a prefix of ours, with the same defaults."""
    ours, theirs = (inspect.signature(getattr(library, name)) for library in (optim, torch.optim))
    kinds = [
        [(parameter.name, parameter.kind, parameter.default) for parameter in signature.parameters.values()]
        for signature in (ours, theirs)
    ]
    assert kinds[0][: len(kinds[1])] == kinds[1]


def test_no_dense_rule_of_torch_is_missing() -> None:
    others = {
        "Adafactor": "factored second moments",
        "LBFGS": "npnet.optim.minimize drives SciPy's",
        "Muon": "for matrices alone",
        "SparseAdam": "for sparse gradients",
        "Optimizer": "the base",
    }
    classes = {
        name
        for name in dir(torch.optim)
        if inspect.isclass(getattr(torch.optim, name))
        and issubclass(getattr(torch.optim, name), torch.optim.Optimizer)
    }
    new = classes - set(OPTIMIZERS) - set(others)
    if new:
        warnings.warn(f"this PyTorch has optimizers without a twin: {sorted(new)}", stacklevel=1)
    assert set(OPTIMIZERS) <= classes


# ------------------------------------------------------------------ where PyTorch disagrees with itself


def test_rprop_clips_the_first_length() -> None:
    """PyTorch's documentation: a length is clipped where it changes.  Its code: always."""
    for library, optimizers in ((NPNET, optim), (TORCH, torch.optim)):
        w = library.parameter(np.zeros(1))
        optimizer: Any = optimizers.Rprop([w], lr=100.0, step_sizes=(1e-6, 50))
        w.grad = library.array(np.ones(1))
        optimizer.step()
        assert library.host(w.data).item() == -50.0  # documented: -100


def test_adagrad_takes_the_initial_sum_of_the_constructor_for_all_groups() -> None:
    """PyTorch's documentation: a group's own option holds for it.  Its code: not this one."""
    for library, optimizers in ((NPNET, optim), (TORCH, torch.optim)):
        w = library.parameter(np.zeros(1))
        groups = [{"params": [w], "initial_accumulator_value": 0.7}]
        optimizer: Any = optimizers.Adagrad(groups, initial_accumulator_value=0.3)
        assert library.host(optimizer.state[w]["sum"]).item() == 0.3  # documented: 0.7


def test_nadam_reloaded_by_torch_parts_from_the_uninterrupted_run() -> None:
    """PyTorch turns the product of momenta to float64 when it loads a state, and not before."""
    case = Case([{"lr": 0.9}, {}], 0, 4, 0.0)
    gradients = gradients_of(case, "float64")
    whole, reloaded = Training(TORCH, "NAdam", case), Training(TORCH, "NAdam", case)
    for each in gradients[:2]:
        whole.step(each)
        reloaded.step(each)
    reloaded.optimizer.load_state_dict(reloaded.optimizer.state_dict())
    for each in gradients[2:]:
        whole.step(each)
        reloaded.step(each)
    pairs = zip(whole.seen("").values(), reloaded.seen("").values(), strict=True)
    difference = max(float(np.max(np.abs(a - b))) for a, b in pairs if a is not None and b is not None)
    assert 1e-10 < difference < 1e-6  # expected: 0, as test_a_reloaded_state_continues_to_the_bit has it here
    for value, expected in zip(
        observe(NPNET, "NAdam", case).values(), observe(TORCH, "NAdam", case).values(), strict=True
    ):
        assert value is not None
        assert expected is not None
        assert_equal(
            value, expected, Subject("NAdam", "float64", "trajectory"), "uninterrupted", least_scale=1.0
        )

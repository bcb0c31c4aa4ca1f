"""Every module of the registry computes, learns, remembers and refuses what PyTorch's does."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import DeviceError, NpnetError
from parity_tests.equal import Observations, assert_same, assert_same_observations
from parity_tests.libraries import LIBRARIES, NPNET, STRICT, TORCH, Npnet, Torch, every_device
from parity_tests.observation import build, cotangent_of, inputs_of, observe
from parity_tests.registry import MODULES
from parity_tests.registry.specification import Case, Refusal

every_module = pytest.mark.parametrize("name", MODULES)


@every_module
@every_device
@given(data=st.data())
def test_values_gradients_and_buffers(name: str, device: str, data: st.DataObject) -> None:
    specification = MODULES[name]
    case = data.draw(specification.cases)
    ours = observe(LIBRARIES[device], specification, case, "float64")
    theirs = observe(TORCH, specification, case, "float64")
    assert_alike(ours, theirs, name)


def assert_alike(ours: Observations, theirs: Observations, name: str) -> None:
    """Compare in float64, with the scales and tolerance of the class."""
    options = ("least_slope", "least_value", "slope_tolerance")
    given = {option: getattr(MODULES[name], option) for option in options}
    assert_same_observations(ours, theirs, name, "float64", **given)


def folded(case: Case) -> Case:
    """The case with inputs between -2 and 2: of larger ones, seven digits are too few for BatchNorm."""
    batches = tuple((np.mod(x, 4.0) - 2.0, *targets) for x, *targets in case.batches)
    return replace(case, batches=batches)


@every_module
@given(data=st.data())
def test_float32(name: str, data: st.DataObject) -> None:
    specification = MODULES[name]
    cases = specification.cases.map(folded) if math.isinf(specification.domain[0]) else specification.cases
    case = data.draw(cases)
    ours = observe(NPNET, specification, case, "float32")
    theirs = observe(TORCH, specification, case, "float32")
    assert_same_observations(ours, theirs, name, "float32", least_slope=1.0, least_value=1.0)


@every_module
@every_device
@given(data=st.data())
def test_called_twice_within_one_forward(name: str, device: str, data: st.DataObject) -> None:
    """Both contexts are kept, and used in reverse."""
    specification, library = MODULES[name], LIBRARIES[device]
    case = data.draw(specification.cases)
    ours, theirs = (
        build(library, specification, case, "float64"),
        build(TORCH, specification, case, "float64"),
    )

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = ours

        def forward(self, first: list[Any], second: list[Any]) -> tuple[Any, Any]:
            return self.inner(*first), self.inner(*second)

        def backward(self, grad_output: tuple[Any, Any], *, input_grad: bool = True) -> tuple[Any, Any]:
            second = self.inner.backward(grad_output[1])
            return self.inner.backward(grad_output[0]), second

    twice, batches = Twice(), case.batches[:2]
    library.seed(case.seed)
    outputs = twice(*(inputs_of(library, batch, "float64") for batch in batches))
    cotangents = [cotangent_of(output.shape, "float64", case.seed + i) for i, output in enumerate(outputs)]
    found = twice.backward(tuple(map(library.array, cotangents)))
    seen = {("gradient", f"input {i}"): library.host(gradient) for i, gradient in enumerate(found)}
    seen |= {("gradient", key): value for key, value in library.gradients(ours).items()}

    TORCH.seed(case.seed)
    inputs = [inputs_of(TORCH, batch, "float64") for batch in batches]
    expected_outputs = [TORCH.forward(theirs, each) for each in inputs]
    expected = {
        ("gradient", f"input {i}"): TORCH.backward(theirs, inputs[i], expected_outputs[i], cotangents[i])
        for i in (0, 1)
    }
    expected |= {("gradient", key): value for key, value in TORCH.gradients(theirs).items()}
    assert_alike(seen, expected, name)


# ------------------------------------------------------------------ errors

REFUSALS = [(name, refusal) for name, specification in MODULES.items() for refusal in specification.refusals]


def run_refused(library: Npnet | Torch, module: Any, refusal: Refusal) -> Exception | None:
    """The error of the call, None where there is none."""
    inputs = [library.array(x) if isinstance(x, np.ndarray) else x for x in refusal.inputs or ()]
    try:
        module(*inputs)
    except Exception as error:
        return error
    return None


def error_of(library: Npnet | Torch, name: str, refusal: Refusal) -> Exception | None:
    """What the library raises; a refused call must leave the buffers as they were."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns where npnet refuses
            module = MODULES[name].build(library, refusal.arguments, refusal.dtype)
    except Exception as error:
        return error
    if refusal.inputs is None:
        return None
    before = library.buffers(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = run_refused(library, module, refusal)
    if library is NPNET:
        for key, buffer in library.buffers(module).items():
            assert_same(buffer, before[key], f"{name} after {refusal.name}: {key}")
    return error


@pytest.mark.parametrize(
    ("name", "refusal"), REFUSALS, ids=[f"{name}-{refusal.name}" for name, refusal in REFUSALS]
)
def test_refusals(name: str, refusal: Refusal) -> None:
    """The same clause catches both libraries' errors, and npnet's says what is wrong.

    (An AttributeError is PyTorch's accident: nobody checked, and some method was missing.)
    """
    ours, theirs = error_of(NPNET, name, refusal), error_of(TORCH, name, refusal)
    assert isinstance(ours, NpnetError), f"npnet raised {ours!r}"
    assert re.search(refusal.message, str(ours)), str(ours)
    if refusal.only is None:
        assert theirs is not None, "PyTorch accepts this: say why npnet does not"
        assert isinstance(theirs, AttributeError) or isinstance(ours, type(theirs)), f"PyTorch's: {theirs!r}"
    else:
        assert theirs is None, f"PyTorch refuses this too, by {theirs!r}"
        assert isinstance(ours, refusal.only)
        assert refusal.reason


@pytest.mark.device
@pytest.mark.parametrize("name", ["Linear", "BatchNorm1d", "CrossEntropyLoss"])
def test_input_on_another_device_is_refused(name: str) -> None:
    arguments = {
        "Linear": {"in_features": 2, "out_features": 3},
        "BatchNorm1d": {"num_features": 2},
        "CrossEntropyLoss": {"weight": np.ones(2)},
    }[name]
    module = MODULES[name].build(STRICT, arguments, "float64")
    inputs = (np.ones((4, 2)),) if name != "CrossEntropyLoss" else (np.ones((4, 2)), np.array([0, 1, 1, 0]))
    with pytest.raises(DeviceError, match="lies on 'strict', its input on 'cpu'"):
        module(*inputs)

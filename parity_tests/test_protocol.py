"""What every module promises besides PyTorch's numbers: contexts, gradients, states, devices."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet.errors import BackwardError
from parity_tests.equal import assert_same
from parity_tests.libraries import LIBRARIES, NPNET, STRICT, Npnet, every_device
from parity_tests.observation import build, cotangent_of, inputs_of, take_step
from parity_tests.registry import MODULES
from parity_tests.registry.specification import Case
from parity_tests.strict_device import forbid_synchronisation

every_module = pytest.mark.parametrize("name", MODULES)


def drawn(name: str, data: st.DataObject) -> Case:
    """A case of the class."""
    return data.draw(MODULES[name].cases)


def assert_all_same(
    a: Mapping[Any, npt.NDArray[Any] | None], b: Mapping[Any, npt.NDArray[Any] | None], name: str
) -> None:
    """Demand equal bits of everything seen."""
    assert a.keys() == b.keys()
    for key, value in a.items():
        other = b[key]
        assert (value is None) == (other is None), f"{name}: {key}"
        if value is not None and other is not None:
            assert_same(value, other, f"{name}: {key}")


def there_and_back(
    library: Npnet, module: Any, case: Case, dtype: str, *, input_grad: bool = True
) -> tuple[Any, Any]:
    """Output and gradient by the input for the first batch, from the same draws every time."""
    library.seed(case.seed)
    output = module(*inputs_of(library, case.batches[0], dtype))
    cotangent = library.array(cotangent_of(output.shape, dtype, case.seed))
    return output, module.backward(cotangent, input_grad=input_grad)


@every_module
@every_device
@given(data=st.data(), dtype=st.sampled_from(["float64", "float32"]))
def test_inputs_parameters_and_gradients_are_not_touched(
    name: str, device: str, data: st.DataObject, dtype: str
) -> None:
    case, library = drawn(name, data), LIBRARIES[device]
    module = build(library, MODULES[name], case, dtype)
    inputs = inputs_of(library, case.batches[0], dtype)
    values = dict(module.named_parameters())
    before = [library.host(part) for part in inputs], {key: library.host(w.data) for key, w in values.items()}
    output = module(*inputs)
    value, cotangent = library.host(output), cotangent_of(output.shape, dtype, case.seed)
    given_cotangent = library.array(cotangent)
    first = module.backward(given_cotangent)
    kept = library.host(first)
    for part, old in zip(inputs, before[0], strict=True):
        assert_same(library.host(part), old, f"{name}: an input")
    for key, parameter in values.items():
        assert_same(library.host(parameter.data), before[1][key], f"{name}: {key}")
    assert_same(library.host(given_cotangent), cotangent, f"{name}: the gradient by the output")
    there_and_back(library, module, case, dtype)  # a second call must not overwrite what the first gave
    assert_same(library.host(output), value, f"{name}: the first output after a second call")
    assert_same(library.host(first), kept, f"{name}: the first gradient after a second call")


@every_module
@every_device
@given(data=st.data())
def test_without_input_grad_the_parameters_learn_the_same(
    name: str, device: str, data: st.DataObject
) -> None:
    case, library = drawn(name, data), LIBRARIES[device]
    whole, rest = (build(library, MODULES[name], case, "float64") for _ in range(2))
    there_and_back(library, whole, case, "float64")
    assert there_and_back(library, rest, case, "float64", input_grad=False)[1] is None
    assert_all_same(library.gradients(whole), library.gradients(rest), name)


@every_module
@given(data=st.data())
def test_two_backwards_add(name: str, data: st.DataObject) -> None:
    case = drawn(name, data)
    module = build(NPNET, MODULES[name], case, "float64").eval()
    there_and_back(NPNET, module, case, "float64")
    once = NPNET.gradients(module)
    there_and_back(NPNET, module, case, "float64")
    twice = NPNET.gradients(module)
    for key, gradient in once.items():
        assert gradient is not None
        assert_same(np.asarray(twice[key]), gradient + gradient, f"{name}: {key}")
    module.zero_grad()
    assert all(gradient is None for gradient in NPNET.gradients(module).values())
    there_and_back(NPNET, module, case, "float64")
    assert_all_same(NPNET.gradients(module), once, name)


@every_module
@given(data=st.data())
def test_frozen_parameters_get_no_gradient(name: str, data: st.DataObject) -> None:
    case = drawn(name, data)
    module, frozen = (build(NPNET, MODULES[name], case, "float64") for _ in range(2))
    frozen.requires_grad_(False)
    expected = there_and_back(NPNET, module, case, "float64")[1]
    found = there_and_back(NPNET, frozen, case, "float64")[1]
    assert_same(NPNET.host(found), NPNET.host(expected), f"{name}: the gradient by the input")
    assert all(gradient is None for gradient in NPNET.gradients(frozen).values())


@every_module
@given(data=st.data())
def test_backward_needs_a_forward_call_of_its_own(name: str, data: st.DataObject) -> None:
    case = drawn(name, data)
    module = build(NPNET, MODULES[name], case, "float64")
    inputs = inputs_of(NPNET, case.batches[0], "float64")
    with npnet.no_grad():
        output = module(*inputs)
    cotangent = NPNET.array(cotangent_of(output.shape, "float64", 0))
    with pytest.raises(BackwardError, match="has no forward pass to go back through"):
        module.backward(cotangent)  # nothing was kept
    module(*inputs)
    module(*inputs)
    module.backward(cotangent)
    with pytest.raises(BackwardError):
        module.backward(cotangent)  # a new outermost forward drops what the one before it left


@every_module
@every_device
@given(data=st.data())
def test_a_reloaded_state_continues_to_the_bit(name: str, device: str, data: st.DataObject) -> None:
    case, library = drawn(name, data), LIBRARIES[device]
    specification = MODULES[name]
    module = build(library, specification, case, "float64")
    library.seed(case.seed)
    take_step(library, module, case.batches[0], "float64", case.seed)
    module.zero_grad()
    saved = {key: library.host(value) for key, value in module.state_dict().items()}
    fresh = specification.build(library, case.arguments, "float64")
    library.load(fresh, saved)
    copies = [fresh, copy.deepcopy(module)]
    if device == "cpu" and name != "ModuleList":  # whose class is local to the registry
        copies.append(pickle.loads(pickle.dumps(module)))
    runs = []
    for each in copies:
        library.seed(case.seed + 1)
        steps = [take_step(library, each, case.batches[1], "float64", case.seed + 1)]
        each.eval()
        steps.append(take_step(library, each, case.batches[0], "float64", case.seed + 2))
        runs.append(steps)
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            assert_all_same(a, b, name)


@pytest.mark.device
@every_module
@given(data=st.data())
def test_a_step_on_a_device_never_waits(name: str, data: st.DataObject) -> None:
    case = drawn(name, data)
    module = build(STRICT, MODULES[name], case, "float64")
    npnet.manual_seed(case.seed)
    batches = [inputs_of(STRICT, batch, "float64") for batch in case.batches]
    cotangents = []
    with npnet.no_grad():
        shapes = [module(*batch).shape for batch in batches]
    for i, shape in enumerate(shapes):
        cotangents.append(STRICT.array(cotangent_of(shape, "float64", case.seed + i)))
    with forbid_synchronisation():
        for batch, cotangent in zip(batches, cotangents, strict=True):
            module(*batch)
            module.backward(cotangent)
            module.zero_grad()

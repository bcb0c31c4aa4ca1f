"""Containers and states: PyTorch's keys, orders, operations and refusals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.errors import NpnetError
from parity_tests.equal import assert_same
from parity_tests.libraries import NPNET, TORCH, Npnet, Torch
from parity_tests.observation import build
from parity_tests.registry import MODULES

Library = Npnet | Torch


def described(module: Any) -> dict[str, Any]:
    """Keys and shapes of everything that a module holds, in order."""
    return {
        "state": [(key, tuple(value.shape)) for key, value in module.state_dict().items()],
        "parameters": [name for name, _ in module.named_parameters()],
        "buffers": [name for name, _ in module.named_buffers()],
        "modules": [(name, type(each).__name__) for name, each in module.named_modules()],
        "training": [each.training for each in module.modules()],
    }


@pytest.mark.parametrize("name", MODULES)
@given(data=st.data())
def test_keys_and_order(name: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[name].cases)
    ours, theirs = (MODULES[name].build(each, case.arguments, "float64") for each in (NPNET, TORCH))
    assert described(ours) == described(theirs)
    assert described(ours.eval()) == described(theirs.eval())
    for key, value in state_of_twin(theirs).items():
        if key.rsplit(".", 1)[-1] in ("running_mean", "running_var", "num_batches_tracked"):
            assert_same(NPNET.host(ours.state_dict()[key]), value, key)


def state_of_twin(module: Any) -> dict[str, Any]:
    return {key: TORCH.host(value) for key, value in module.state_dict().items()}


@pytest.mark.parametrize("name", MODULES)
@given(data=st.data())
def test_each_library_loads_the_other_s_state(name: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[name].cases)
    ours, theirs = (
        build(NPNET, MODULES[name], case, "float64"),
        MODULES[name].build(TORCH, case.arguments, "float64"),
    )
    TORCH.load(theirs, {key: NPNET.host(value) for key, value in ours.state_dict().items()})
    back = MODULES[name].build(NPNET, case.arguments, "float64")
    NPNET.load(back, state_of_twin(theirs))
    for key, value in ours.state_dict().items():
        assert_same(NPNET.host(back.state_dict()[key]), NPNET.host(value), key)


# ------------------------------------------------------------------ containers


def layers(library: Library, *sizes: int) -> list[Any]:
    """Affine maps of these numbers of outputs, which tell them apart."""
    return [library.nn.Linear(2, size) for size in sizes]


def sequential(library: Library) -> Any:
    return library.nn.Sequential(*layers(library, 1, 2, 3, 4))


def replace(library: Library, model: Any) -> Any:
    model[1] = layers(library, 9)[0]
    return model


def delete(library: Library, model: Any) -> Any:
    del model[1]
    return model


def delete_slice(library: Library, model: Any) -> Any:
    del model[1:3]
    return model


def named(library: Library, model: Any) -> Any:
    return library.nn.Sequential(OrderedDict(zip("abcd", model, strict=True)))


OPERATIONS: dict[str, Callable[[Library, Any], Any]] = {
    "nothing": lambda library, model: model,
    "one": lambda library, model: model[2],
    "the last": lambda library, model: model[-1],
    "a slice": lambda library, model: model[1:3],
    "a slice with steps": lambda library, model: model[::2],
    "append": lambda library, model: model.append(layers(library, 7)[0]),
    "extend": lambda library, model: model.extend(layers(library, 7, 8)),
    "insert": lambda library, model: model.insert(1, layers(library, 7)[0]) or model,
    "replace": replace,
    "delete": delete,
    "delete a slice": delete_slice,
    "names": named,
    "nested": lambda library, model: library.nn.Sequential(model, library.nn.ReLU(), model),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("container", ["Sequential", "ModuleList"])
def test_operations_of_containers(operation: str, container: str) -> None:
    found = []
    for library in (NPNET, TORCH):
        start = getattr(library.nn, container)
        model = start(layers(library, 1, 2, 3, 4)) if container == "ModuleList" else sequential(library)
        result = OPERATIONS[operation](library, model)
        found.append((described(result), len(model), [type(each).__name__ for each in model]))
    assert found[0] == found[1]


@pytest.mark.parametrize("position", [4, -5])
def test_positions_out_of_range(position: int) -> None:
    for library in (NPNET, TORCH):
        with pytest.raises(IndexError):
            sequential(library)[position]


# ------------------------------------------------------------------ loading what does not fit

Change = Callable[[dict[str, Any]], dict[str, Any]]
WRONG: dict[str, tuple[Change, str]] = {
    "a missing key": (
        lambda state: {k: v for k, v in state.items() if k != "0.bias"},
        "missing keys: 0.bias",
    ),
    "an unknown key": (lambda state: {**state, "9.weight": state["0.bias"]}, "unexpected keys: 9.weight"),
    "a wrong shape": (lambda state: {**state, "1.weight": np.zeros((5, 5))}, r"1.weight has shape \(5, 5\)"),
    "nothing": (lambda state: {}, "missing keys: 0.weight, 0.bias"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(case: str) -> None:
    change, message = WRONG[case]
    raised = []
    for library in (NPNET, TORCH):
        model = library.place(sequential(library), "float64")
        before = {key: library.host(value) for key, value in model.state_dict().items()}
        state = change({key: value + 1 for key, value in before.items()})
        with pytest.raises(Exception, match=message if library is NPNET else r".") as caught:
            library.load(model, state)
        raised.append(caught.value)
        if library is NPNET:
            for key, value in before.items():
                assert_same(NPNET.host(model.state_dict()[key]), value, key)
    assert isinstance(raised[0], NpnetError)
    assert isinstance(raised[0], type(raised[1])), f"PyTorch raised {raised[1]!r}"


def test_not_strict_says_what_did_not_fit() -> None:
    found = []
    for library in (NPNET, TORCH):
        model = library.place(sequential(library), "float64")
        state = {key: library.host(value) + 1 for key, value in model.state_dict().items()}
        state["9.weight"] = state.pop("0.bias")
        result = model.load_state_dict({k: library.array(v) for k, v in state.items()}, strict=False)
        found.append((list(result.missing_keys), list(result.unexpected_keys)))
        assert_same(library.host(model.state_dict()["1.bias"]), state["1.bias"], "what fits is loaded")
    assert found[0] == found[1] == (["0.bias"], ["9.weight"])

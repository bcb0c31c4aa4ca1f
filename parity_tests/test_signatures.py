"""PyTorch's signatures are prefixes of npnet's, defaults included; what npnet adds is keyword-only."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

from npnet import nn, optim
from parity_tests.registry import MODULES, OPTIMIZERS

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
KINDS = {inspect.Parameter.POSITIONAL_OR_KEYWORD: "by position", inspect.Parameter.KEYWORD_ONLY: "by name"}

RECURRENT = [
    ("input_size", "by position", inspect.Parameter.empty),
    ("hidden_size", "by position", inspect.Parameter.empty),
    ("num_layers", "by position", 1),
    ("bias", "by position", True),
    ("batch_first", "by position", False),
    ("dropout", "by position", 0.0),
    ("bidirectional", "by position", False),
]
PLACE = [("device", "by position", None), ("dtype", "by position", None)]

DOCUMENTED = {
    torch.nn.RNN: [*RECURRENT[:3], ("nonlinearity", "by position", "tanh"), *RECURRENT[3:], *PLACE],
    torch.nn.LSTM: [*RECURRENT, ("proj_size", "by position", 0), *PLACE],
    torch.nn.GRU: [*RECURRENT, *PLACE],
}
"""Signatures that PyTorch hides behind stars, as its documentation gives them."""

Callables = tuple[Callable[..., Any], Callable[..., Any]]


def pairs() -> dict[str, Callables]:
    """Everything public that has a PyTorch twin with a Python signature."""
    found: dict[str, Callables] = {}
    for name in MODULES:
        found[f"nn.{name}"] = getattr(nn, name), getattr(torch.nn, name)
        found[f"nn.{name}.forward"] = getattr(nn, name).forward, getattr(torch.nn, name).forward
    for name in OPTIMIZERS:
        ours, theirs = getattr(optim, name), getattr(torch.optim, name)
        found |= {f"optim.{name}": (ours, theirs), f"optim.{name}.step": (ours.step, theirs.step)}
        found[f"optim.{name}.zero_grad"] = ours.zero_grad, theirs.zero_grad
    modules = ((nn.init, torch.nn.init), (nn.functional, torch.nn.functional), (nn.utils, torch.nn.utils))
    for ours_module, theirs_module in modules:
        for name in ours_module.__all__:
            twin = getattr(theirs_module, name, None)
            twin = getattr(theirs_module, f"{name}_with_indices", twin)  # which tells what a dispatcher hides
            if inspect.isfunction(twin):
                kind = ours_module.__name__.removeprefix("npnet.")
                found[f"{kind}.{name}"] = getattr(ours_module, name), twin
    del found["nn.utils.get_total_norm"]  # takes parameters here, gradients there, as its docstring says
    return found


PAIRS = pairs()


def described(function: Callable[..., Any]) -> list[tuple[str, str, Any]]:
    """Name, kind and default of each argument, starred ones left out."""
    if function in DOCUMENTED:
        return list(DOCUMENTED[function])
    return [
        (parameter.name, KINDS[parameter.kind], parameter.default)
        for parameter in inspect.signature(inspect.unwrap(function)).parameters.values()
        if parameter.kind not in VARIADIC
    ]


@pytest.mark.parametrize("name", PAIRS)
def test_pytorch_s_signature_is_a_prefix(name: str) -> None:
    ours, theirs = map(described, PAIRS[name])
    assert ours[: len(theirs)] == theirs
    added = ours[len(theirs) :]
    assert all(kind == "by name" for _, kind, _ in added), f"added, but not keyword-only: {added}"


def test_the_functions_without_a_python_signature() -> None:
    """The arguments of those which PyTorch writes in C++, from its documentation."""
    assert [name for name, _, _ in described(nn.functional.linear)] == ["input", "weight", "bias"]
    assert [name for name, _, _ in described(nn.functional.flatten)] == ["input", "start_dim", "end_dim"]
    assert [name for name, _, _ in described(nn.functional.hardshrink)] == ["input", "lambd"]
    assert [name for name, _, _ in described(nn.functional.prelu)] == ["input", "weight"]
    assert [name for name, _, _ in described(nn.functional.softshrink)] == ["input", "lambd"]
    assert [name for name, _, _ in described(nn.functional.gelu)] == ["input", "approximate"]
    assert [name for name, _, _ in described(nn.functional.logsigmoid)] == ["input"]
    assert [name for name, _, _ in described(nn.functional.softplus)] == ["input", "beta", "threshold"]

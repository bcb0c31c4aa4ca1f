"""Penalties against PyTorch's autograd of the same expression, and on the strict device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npnet import backend, nn
from npnet.regularization import (
    L1,
    L2,
    EarlyStopping,
    ElasticNet,
    GroupLasso,
    L2Norm,
    MaxNorm,
    Penalty,
    l1_regularization,
    l2_regularization,
)
from parity_tests.equal import assert_as_on_host
from parity_tests.strict_device import forbid_synchronisation

Tensors = list[torch.Tensor]


def absolute(tensors: Tensors) -> Any:
    return sum(tensor.abs().sum() for tensor in tensors)


def squares(tensors: Tensors) -> Any:
    return sum(tensor.pow(2).sum() for tensor in tensors)


def norms(tensors: Tensors) -> Any:
    return sum(torch.norm(tensor) for tensor in tensors)


def row_norms(tensors: Tensors) -> Any:
    """Of each row its norm times the root of its length; each element of a bias is a row."""
    rows = [tensor.reshape(len(tensor), -1) for tensor in tensors]
    return sum((row.shape[1] ** 0.5 * torch.linalg.vector_norm(row, dim=1)).sum() for row in rows)


Twin = Callable[[Tensors, float, float], Any]
TWINS: dict[str, tuple[Callable[[float, float], Penalty], Twin]] = {
    "L1": (lambda a, b: L1(a), lambda tensors, a, b: a * absolute(tensors)),
    "L2": (lambda a, b: L2(b), lambda tensors, a, b: b * squares(tensors)),
    "ElasticNet": (ElasticNet, lambda tensors, a, b: a * absolute(tensors) + b * squares(tensors)),
    "L2Norm": (lambda a, b: L2Norm(a), lambda tensors, a, b: a * norms(tensors)),
    "GroupLasso": (lambda a, b: GroupLasso(b), lambda tensors, a, b: b * row_norms(tensors)),
}
every_kind = pytest.mark.parametrize(("make", "twin"), TWINS.values(), ids=TWINS.keys())
strengths = st.just(0.0) | st.floats(1e-3, 2.0)


def model_of(seed: int, dtype: str) -> nn.Sequential:
    """A model with drawn parameters, a third of them zero of either sign, and drawn gradients."""
    model = nn.Sequential(
        nn.Linear(5, 4, dtype=dtype), nn.BatchNorm1d(4, dtype=dtype), nn.Linear(4, 3, dtype=dtype)
    )
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        values = rng.normal(size=parameter.shape) * rng.choice([-1, 0, 1], parameter.shape)
        parameter.data = values.astype(dtype)
        parameter.grad = rng.normal(size=parameter.shape).astype(dtype)
    return model


def leaves_of(model: nn.Module, names: list[str]) -> Tensors:
    """The parameters of those names as leaves of PyTorch, with their gradients."""
    leaves = []
    for name, parameter in model.named_parameters():
        if name in names:
            leaf = torch.tensor(parameter.data, requires_grad=True)
            leaf.grad = torch.tensor(parameter.grad)
            leaves.append(leaf)
    return leaves


@every_kind
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-6)])
@pytest.mark.parametrize("on", ["all", "weights"])
@given(seed=st.integers(0, 2**32 - 1), a=strengths, b=strengths)
def test_value_and_gradient_are_those_of_autograd(
    make: Callable[[float, float], Penalty],
    twin: Twin,
    dtype: str,
    tolerance: float,
    on: Any,
    seed: int,
    a: float,
    b: float,
) -> None:
    model, penalty = model_of(seed, dtype), make(a, b)
    penalty.on = on
    names = [name for name, _ in model.named_parameters()] if on == "all" else ["0.weight", "2.weight"]
    leaves = leaves_of(model, names)
    value = twin(leaves, a, b)
    value.backward()
    before = {name: np.array(parameter.grad) for name, parameter in model.named_parameters()}
    ours = penalty(model)
    penalty.backward(model)

    assert str(ours.dtype) == dtype
    np.testing.assert_allclose(ours, value.item(), rtol=tolerance)
    parameters = dict(model.named_parameters())
    for name, leaf in zip(names, leaves, strict=True):
        assert leaf.grad is not None
        expected = leaf.grad.numpy()
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(parameters[name].grad, expected, rtol=0, atol=tolerance * scale)
    for name in parameters.keys() - set(names):
        np.testing.assert_array_equal(parameters[name].grad, before[name])


def test_plain_functions_are_pytorch_s_expressions() -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(4, 3)), rng.normal(size=4)]
    tensors = [torch.tensor(weight) for weight in weights]
    np.testing.assert_allclose(l1_regularization(weights, 0.3), 0.3 * absolute(tensors), rtol=1e-14)
    np.testing.assert_allclose(l2_regularization(weights, 0.3), 0.3 * squares(tensors), rtol=1e-14)


@pytest.mark.device
@every_kind
@pytest.mark.parametrize("absent", [False, True])
def test_the_device_gives_the_host_s_numbers_without_waiting(
    make: Callable[[float, float], Penalty], twin: Twin, absent: bool
) -> None:
    host, device = model_of(0, "float64"), model_of(0, "float64").to("strict")
    penalty = make(0.3, 0.7)
    if absent:
        host.zero_grad()
        device.zero_grad()
    with forbid_synchronisation():
        value = penalty(device)
        penalty.backward(device)
        plain = l1_regularization(device, 0.3) + l2_regularization(device.parameters(), 0.7)
    assert backend.device_of(value) == "strict"
    assert_as_on_host(value, penalty(host), "the penalty")
    assert_as_on_host(plain, l1_regularization(host, 0.3) + l2_regularization(host, 0.7), "plain functions")
    penalty.backward(host)
    for mine, other in zip(device.parameters(), host.parameters(), strict=True):
        assert mine.grad is not None
        assert_as_on_host(mine.grad, other.grad, "a gradient")


@pytest.mark.device
@every_kind
def test_the_forms_of_a_step_do_not_wait_for_the_device(
    make: Callable[[float, float], Penalty], twin: Twin
) -> None:
    host, device = model_of(0, "float64"), model_of(0, "float64").to("strict")
    penalty, constraint = make(0.3, 0.7), MaxNorm(0.5)
    with forbid_synchronisation():
        for model in (host, device):
            penalty.couple_(model)
            penalty.decay_(model, 0.1)
            penalty.prox_(model, 0.1)
            constraint.project_(model)
    for mine, other in zip(device.parameters(), host.parameters(), strict=True):
        assert_as_on_host(mine.data, other.data, "a parameter", steps=4)
        assert_as_on_host(mine.grad, other.grad, "a gradient")


@pytest.mark.parametrize(("groups", "dim"), [("rows", 0), ("columns", 1)])
@given(seed=st.integers(0, 2**32 - 1), bound=st.floats(0.1, 2.0))
def test_max_norm_is_torch_renorm(groups: Any, dim: int, seed: int, bound: float) -> None:
    model = model_of(seed, "float64")
    weights = [model[0].weight, model[2].weight]
    expected = [torch.renorm(torch.tensor(w.data), p=2, dim=dim, maxnorm=bound).numpy() for w in weights]
    MaxNorm(bound, groups=groups).project_(model)
    for weight, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight.data, other, rtol=1e-6)  # renorm adds 1e-7 to the norm


@pytest.mark.device
def test_early_stopping_keeps_and_restores_on_the_device() -> None:
    model = model_of(0, "float64").to("strict")
    best = {name: np.array(backend.to_host(array)) for name, array in model.state_dict().items()}
    stopping = EarlyStopping(1)
    stopping.step(np.sum(model[0].bias.data), model)  # a loss may lie on the device as well
    assert_as_on_host(stopping.best, best["0.bias"].sum(), "a loss")
    assert stopping.best_weights is not None
    assert {backend.device_of(array) for array in stopping.best_weights.values()} == {"strict"}
    with forbid_synchronisation():
        for parameter in model.parameters():
            parameter.data += 1.0
    stopping.restore(model)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(backend.to_host(array), best[name])


def test_early_stopping_keeps_a_module_of_pytorch_as_well() -> None:
    module = torch.nn.Linear(3, 2)
    best = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    stopping = EarlyStopping(1)
    stopping.step(torch.tensor(0.5), module)
    assert stopping.best == 0.5
    with torch.no_grad():
        module.weight += 1
    stopping.restore(module)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, best[name])

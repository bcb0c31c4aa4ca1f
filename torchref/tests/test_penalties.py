from __future__ import annotations

import numpy as np
import pytest
import torch

import npnet.regularization as ours
import torchref as theirs
from npnet import nn
from npnet.errors import ArgumentError

ARGUMENTS = {"L1": (0.3,), "L2": (0.7,), "ElasticNet": (0.3, 0.7), "GroupLasso": (0.3,), "L2Norm": (0.7,)}
CHOICES = {
    "all": "all",
    "weights": "weights",
    "function": lambda name, parameter: name == "0.bias" or parameter.shape == (3, 4),
}

every_penalty = pytest.mark.parametrize("name", ARGUMENTS)
every_choice = pytest.mark.parametrize("on", CHOICES.values(), ids=CHOICES)


def model_of(dtype):
    """A model whose parameters are drawn, a third of them zero, and in which one weight has two layers."""
    model = nn.Sequential(
        nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
    ).to(dtype=dtype)
    model[3].weight = model[2].weight
    rng = np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.data = (rng.normal(size=parameter.shape) * rng.integers(-1, 2, parameter.shape)).astype(
            dtype
        )
    return model


def test_every_penalty_of_npnet_has_a_twin():
    public = {name for name in ours.__all__ if isinstance(getattr(ours, name), type)}
    penalties = {name for name in public if issubclass(getattr(ours, name), ours.Penalty)} - {"Penalty"}
    assert penalties == set(ARGUMENTS)


@every_penalty
@every_choice
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 2e-6)])
def test_values_and_gradients_are_npnet_s(name, on, dtype, tolerance):
    model = model_of(dtype)
    twin = theirs.to_torch(model)
    penalty = getattr(ours, name)(*ARGUMENTS[name], on=on)
    value = getattr(theirs, name)(*ARGUMENTS[name], on=on)(twin)
    np.testing.assert_allclose(penalty(model), value.detach().numpy(), rtol=tolerance, strict=True)
    penalty.backward(model)
    value.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert any(gradient is not None for gradient in gradients)
    for (key, parameter), mine in zip(twin.named_parameters(), gradients, strict=True):
        assert (parameter.grad is None) == (mine is None), key
        if mine is not None:
            np.testing.assert_allclose(mine, parameter.grad, rtol=tolerance, strict=True, err_msg=key)


@every_choice
def test_the_same_parameters_are_selected(on):
    model = model_of("float64")
    twin = theirs.to_torch(model)
    names = {parameter: name for name, parameter in model.named_parameters()}
    twins = {parameter: name for name, parameter in twin.named_parameters()}
    selected = [names[parameter] for parameter in ours.L2(1.0, on=on).select(model)]
    assert selected
    assert [twins[parameter] for parameter in theirs.L2(1.0, on=on).select(twin)] == selected


def test_a_second_name_of_a_shared_parameter_counts():
    model = model_of("float64")
    penalty = theirs.L2(1.0, on=lambda name, parameter: name == "3.weight")
    twin = theirs.to_torch(model)
    assert [parameter is twin[2].weight for parameter in penalty.select(twin)] == [True]
    np.testing.assert_allclose(
        penalty(twin).item(), ours.L2(1.0, on=lambda name, parameter: name == "3.weight")(model), rtol=1e-14
    )


def test_the_plain_functions_are_npnet_s():
    arrays = [np.array([[1.0, -2.0]]), np.array([0.0, 3.5])]
    tensors = [torch.from_numpy(array) for array in arrays]
    for name in ("l1_regularization", "l2_regularization"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert other(tensors, 0.3).item() == pytest.approx(mine(arrays, 0.3).item(), rel=1e-15)
        assert other(tensors[0], 0.3).item() == pytest.approx(mine(arrays[0], 0.3).item(), rel=1e-15)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: theirs.L1(-1.0),
        lambda: theirs.L2(float("nan")),
        lambda: theirs.ElasticNet(1.0, float("inf")),
        lambda: theirs.L2(1.0, on="weight"),
        lambda: theirs.l1_regularization([], 1.0),
        lambda: theirs.L2(1.0, on=lambda name, parameter: False)(torch.nn.Linear(1, 1)),
    ],
)
def test_what_npnet_refuses_is_refused(wrong):
    with pytest.raises(ArgumentError):
        wrong()

from __future__ import annotations

import numpy as np
import pytest
import torch

import npnet.regularization as ours
import torchref as theirs
from npnet import nn
from npnet.errors import ArgumentError

CASES = {
    "L1": [{"lamb": 0.3}],
    "L2": [{"lamb": 0.7}],
    "ElasticNet": [{"l1": 0.3, "l2": 0.7}],
    "L2Norm": [{"lamb": 0.3}],
    "GroupLasso": [
        {"lamb": 0.3},
        {"lamb": 0.3, "weight_by_size": False},
        {"lamb": 0.3, "groups": "parameters"},
        {"lamb": 0.3, "groups": "columns", "on": "weights"},
    ],
}
CHOICES = {
    "all": "all",
    "weights": "weights",
    "function": lambda name, parameter: name == "0.bias" or parameter.shape == (3, 4),
}

every_penalty = pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, arguments) for name, cases in CASES.items() for arguments in cases],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value.values())),
)
every_choice = pytest.mark.parametrize("on", CHOICES.values(), ids=CHOICES)


def model_of(dtype):
    """A model whose parameters are drawn, a third of them zero, and in which one weight has two layers."""
    model = nn.Sequential(
        nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
    ).to(dtype=dtype)
    model[3].weight = model[2].weight
    rng = np.random.default_rng(0)
    for parameter in model.parameters():
        values = rng.normal(size=parameter.shape) * rng.integers(-1, 2, parameter.shape)
        values[..., -1] = 0.0  # whole columns of zeros, where a norm has a kink
        parameter.data = values.astype(dtype)
    model[4].weight.data[1] = 0.0
    return model


def test_every_penalty_of_npnet_has_a_twin():
    public = {name for name in ours.__all__ if isinstance(getattr(ours, name), type)}
    penalties = {name for name in public if issubclass(getattr(ours, name), ours.Penalty)} - {"Penalty"}
    assert penalties == set(CASES)


@every_penalty
@every_choice
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 2e-6)])
def test_values_and_gradients_are_npnet_s(name, arguments, on, dtype, tolerance):
    model = model_of(dtype)
    twin = theirs.to_torch(model)
    arguments = {"on": on, **arguments}
    penalty = getattr(ours, name)(**arguments)
    value = getattr(theirs, name)(**arguments)(twin)
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
        lambda: theirs.GroupLasso(1.0, groups="diagonals"),
        lambda: theirs.l1_regularization([], 1.0),
        lambda: theirs.L2(1.0, on=lambda name, parameter: False)(torch.nn.Linear(1, 1)),
    ],
)
def test_what_npnet_refuses_is_refused(wrong):
    with pytest.raises(ArgumentError):
        wrong()

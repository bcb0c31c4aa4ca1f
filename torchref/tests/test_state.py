from __future__ import annotations

import numpy as np
import pytest
import torch

from npnet import nn, optim
from npnet.errors import StateError
from torchref import to_arrays, to_tensors, to_torch

OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.3},
    "SGD, Nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
    "Adam": {"lr": 0.1, "betas": (0.7, 0.9), "weight_decay": 0.3},
    "Adam, amsgrad": {"lr": 0.1, "amsgrad": True},
    "AdamW": {"lr": 0.1, "weight_decay": 0.3},
    "RMSprop": {"lr": 0.1, "alpha": 0.8},
    "RMSprop, centered with momentum": {"lr": 0.1, "centered": True, "momentum": 0.9, "weight_decay": 0.3},
}

every_optimizer = pytest.mark.parametrize(
    ("kind", "options"),
    [(name.replace(",", "").split()[0], options) for name, options in OPTIMIZERS.items()],
    ids=OPTIMIZERS,
)


class Pair:
    """One model in both libraries, each with an optimizer of two groups."""

    def __init__(self, kind, options):
        self.ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
        self.theirs = to_torch(self.ours)
        self.our_optimizer = getattr(optim, kind)(self._groups(self.ours), **options)
        self.their_optimizer = getattr(torch.optim, kind)(self._groups(self.theirs), **options)

    @staticmethod
    def _groups(model):
        return [{"params": model[0].parameters()}, {"params": model[1].parameters(), "lr": 0.05}]

    def step(self, seed, *, ours=True, theirs=True):
        """Give both the same gradients and step; in odd steps one parameter has none."""
        rng = np.random.default_rng(seed)
        for index, (mine, other) in enumerate(
            zip(self.ours.parameters(), self.theirs.parameters(), strict=True)
        ):
            gradient = rng.normal(size=mine.shape)
            skip = seed % 2 == 1 and index == 2
            mine.grad = None if skip else gradient
            other.grad = None if skip else torch.tensor(gradient)
        if ours:
            self.our_optimizer.step()
        if theirs:
            self.their_optimizer.step()

    def check(self):
        for (name, mine), (_, other) in zip(
            self.ours.named_parameters(), self.theirs.named_parameters(), strict=True
        ):
            np.testing.assert_allclose(
                mine.data, other.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=name
            )


@every_optimizer
def test_pytorch_goes_on_from_npnet_s_state(kind, options):
    pair = Pair(kind, options)
    for seed in range(3):
        pair.step(seed, theirs=False)
    pair.theirs.load_state_dict(to_tensors(pair.ours.state_dict()))
    pair.their_optimizer.load_state_dict(to_tensors(pair.our_optimizer.state_dict()))
    for seed in range(3, 7):
        pair.step(seed)
        pair.check()


@every_optimizer
def test_npnet_goes_on_from_pytorch_s_state(kind, options):
    pair = Pair(kind, options)
    for seed in range(3):
        pair.step(seed, ours=False)
    pair.ours.load_state_dict(to_arrays(pair.theirs.state_dict()))
    pair.our_optimizer.load_state_dict(to_arrays(pair.their_optimizer.state_dict()))
    for seed in range(3, 7):
        pair.step(seed)
        pair.check()


@every_optimizer
def test_the_state_has_pytorch_s_keys_and_comes_back_as_it_was(kind, options):
    pair = Pair(kind, options)
    pair.step(0)
    ours, theirs = pair.our_optimizer.state_dict(), pair.their_optimizer.state_dict()
    assert ours["state"].keys() == theirs["state"].keys()
    for number, entry in theirs["state"].items():
        present = {name for name, value in entry.items() if value is not None}
        assert set(ours["state"][number]) == present
    again = to_arrays(to_tensors(ours))
    assert again["param_groups"] == ours["param_groups"]
    for number, entry in ours["state"].items():
        for name, value in entry.items():
            np.testing.assert_array_equal(again["state"][number][name], value, strict=True)


def test_a_state_of_another_optimizer_is_refused():
    adam, rmsprop = Pair("Adam", {}), Pair("RMSprop", {})
    adam.step(0)
    with pytest.raises(StateError, match="belongs to another optimizer"):
        rmsprop.our_optimizer.load_state_dict(to_arrays(adam.their_optimizer.state_dict()))


def test_arrays_and_tensors_are_copied_at_any_depth():
    array = np.arange(3.0)
    tensors = to_tensors({"a": [array, (array, None)], "b": "text"})
    assert tensors["b"] == "text"
    assert tensors["a"][1][1] is None
    tensors["a"][0].zero_()
    np.testing.assert_array_equal(array, [0, 1, 2])
    arrays = to_arrays(tensors)
    assert isinstance(arrays["a"][1], tuple)
    arrays["a"][1][0][:] = 7
    np.testing.assert_array_equal(tensors["a"][1][0], [0, 1, 2])


def test_a_read_only_array_becomes_a_tensor():
    array = np.arange(3.0)
    array.setflags(write=False)
    np.testing.assert_array_equal(to_tensors(array), array)


def test_a_tensor_that_requires_a_gradient_becomes_an_array():
    np.testing.assert_array_equal(to_arrays(torch.ones(2, requires_grad=True)), np.ones(2, np.float32))

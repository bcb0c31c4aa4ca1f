"""What a backward pass does with gradients of another dtype, and with classes made in other ways."""

from __future__ import annotations

import numpy as np
import pytest

from npnet import nn
from npnet.engine import elementwise
from npnet.errors import ArgumentError, BackwardError
from npnet.random import Generator


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Linear(3, 2), (5, 3)),
        (lambda: nn.Conv1d(3, 2, 1), (5, 3, 4)),
        (lambda: nn.BatchNorm1d(3), (5, 3)),
        (lambda: nn.DropConnect(3, 2), (5, 3)),
    ],
    ids=["Linear", "Conv1d", "BatchNorm1d", "DropConnect"],
)
def test_a_gradient_of_another_dtype_is_taken_in_the_parameters_own(layer, shape, dtype):
    module = layer()
    expected = layer()
    expected.load_state_dict(module.state_dict())
    x = np.random.default_rng(0).standard_normal(shape, dtype="float32")
    for each in (module.eval(), expected.eval()):
        y = each(x)
        each.backward(np.ones(y.shape, dtype if each is module else "float32"))
    for ours, theirs in zip(module.parameters(), expected.parameters(), strict=True):
        assert ours.grad.dtype == np.float32
        np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-6, atol=1e-6)


def test_a_backward_that_is_given_to_a_class_later_is_its_own():
    class Doubling(nn.Module):
        def forward(self, x):
            self.save(x.shape)
            return 2 * x

    Doubling.backward = lambda self, g, *, input_grad=True: (self.saved(), 2 * g)[1]
    module = Doubling()
    module(np.ones(2))
    np.testing.assert_array_equal(module.backward(np.ones(2)), [2.0, 2.0])
    with pytest.raises(BackwardError, match="no forward pass"):
        module.backward(np.ones(2))


def test_a_module_that_knows_the_one_around_it_is_gone_back_through():
    outer = nn.Sequential(nn.Flatten())
    outer[0].parent = outer
    outer(np.ones((2, 3)))
    assert outer.backward(np.ones((2, 3)), input_grad=False) is None


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_a_probability_lies_between_0_and_1(p):
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        Generator(0).bernoulli(p, (3,))


@elementwise
def combined(x, row, other):
    return x * row + other


@pytest.mark.parametrize("shape", [(512, 1), (1,), (512, 64), (64,), ()])
def test_operands_of_any_shape_that_broadcasts_are_taken(shape):
    rng = np.random.default_rng(0)
    x, row, other = rng.standard_normal((512, 64)), rng.standard_normal(64), rng.standard_normal(shape)
    np.testing.assert_array_equal(combined(x, row, other), x * row + other)


def test_batches_are_counted_by_a_number_too():
    layer = nn.BatchNorm1d(3, momentum=None, dtype="float64")
    layer.num_batches_tracked = np.int64(0)
    for _ in range(2):
        layer(np.random.default_rng(0).standard_normal((4, 3)))
    assert layer.num_batches_tracked == 2

"""A chain calls the formulas of its children, and nobody can tell that it does not call the children."""

import numpy as np
import pytest

from npnet import nn, no_grad
from npnet.errors import BackwardError


def network(*more):
    layers = [nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3), *more]
    return nn.Sequential(*layers).double()


def batch():
    rng = np.random.default_rng(0)
    return rng.standard_normal((6, 4)), rng.standard_normal((6, 3))


def gradients(model):
    return {name: np.array(parameter.grad) for name, parameter in model.named_parameters()}


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = network()

    def __iter__(self):
        return iter(self.inner)

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("make", [network, Around], ids=["Sequential", "Around"])
def test_children_may_be_gone_back_through_one_by_one(make):
    model, (x, g) = make(), batch()
    list(model)[3].p = 0.0
    model(x)
    expected, whole = model.backward(g), gradients(model)
    model.zero_grad()
    model(x)
    for layer in reversed(list(model)):
        g = layer.backward(g)
    np.testing.assert_array_equal(g, expected)
    for name, gradient in gradients(model).items():
        np.testing.assert_array_equal(gradient, whole[name])


def test_a_chain_is_gone_back_through_once():
    model, (x, g) = network(), batch()
    model(x)
    model[-1].backward(g)
    with pytest.raises(BackwardError, match=r"Sequential\.backward has no forward pass"):
        model.backward(g)
    model(x)
    model.backward(g)
    with pytest.raises(BackwardError, match=r"Linear\.backward has no forward pass"):
        model[-1].backward(g)


def test_a_new_pass_drops_what_was_not_handed_out():
    model, other, (x, g) = network(), network(), batch()
    model(x)
    other(x)
    with pytest.raises(BackwardError, match=r"Linear\.backward has no forward pass"):
        model[-1].backward(g)


def test_different_gradients_add_up():
    model, (x, g) = nn.Sequential(nn.Linear(4, 3, dtype="float64")), batch()
    for factor in (1, 2, 4):
        model(x)
        model.backward(factor * g)
    np.testing.assert_allclose(model[0].weight.grad, 7 * g.T @ x, rtol=1e-12)
    np.testing.assert_allclose(model[0].bias.grad, 7 * g.sum(axis=0), rtol=1e-12)


def test_a_layer_that_comes_twice_is_gone_back_through_twice():
    twice = nn.Linear(4, 4, dtype="float64")
    model = nn.Sequential(twice, nn.Tanh(), twice)
    x, _ = batch()
    once, again = nn.Linear(4, 4, dtype="float64"), nn.Linear(4, 4, dtype="float64")
    for layer in (once, again):
        layer.load_state_dict(twice.state_dict())
    apart = nn.Sequential(once, nn.Tanh(), again)
    np.testing.assert_array_equal(model(x), apart(x))
    g = np.ones((6, 4))
    np.testing.assert_array_equal(model.backward(g), apart.backward(g))
    np.testing.assert_allclose(twice.weight.grad, once.weight.grad + again.weight.grad, rtol=1e-14)


def test_a_parameter_that_a_layer_has_twice_gets_both_gradients():
    layer, apart = (nn.BatchNorm1d(4, dtype="float64") for _ in range(2))
    layer.bias = layer.weight
    apart.bias.data = apart.weight.data
    x, g = batch()[0], np.ones((6, 4)) + batch()[0]
    np.testing.assert_array_equal(layer(x), apart(x))
    np.testing.assert_array_equal(layer.backward(g), apart.backward(g))
    np.testing.assert_array_equal(layer.weight.grad, apart.weight.grad + apart.bias.grad)


def test_a_forward_that_was_put_into_a_layer_is_called():
    model, (x, _) = network(), batch()
    seen = []
    forward = model[2].forward
    vars(model[2])["forward"] = lambda x: (seen.append(x.shape), forward(x))[1]
    model(x)
    with no_grad():
        model(x)
    assert seen == [(6, 5), (6, 5)]


def test_a_subclass_with_a_backward_of_its_own_is_called():
    class Straight(nn.ReLU):
        def backward(self, grad_output, *, input_grad=True):
            self.saved()
            return grad_output

    model = nn.Sequential(Straight(), nn.ReLU())
    model(np.array([[-1.0, 2.0]]))
    np.testing.assert_array_equal(model.backward(np.array([[3.0, 4.0]])), [[0.0, 4.0]])
    model = nn.Sequential(nn.ReLU(), Straight())
    model(np.array([[-1.0, 2.0]]))
    np.testing.assert_array_equal(model.backward(np.array([[3.0, 4.0]])), [[0.0, 4.0]])
    model = nn.Sequential(Straight())
    model(np.array([[-1.0, 2.0]]))
    np.testing.assert_array_equal(model.backward(np.array([[3.0, 4.0]])), [[3.0, 4.0]])


def test_a_chain_that_does_more_says_so():
    class Doubled(nn.Sequential):
        def forward(self, input):  # noqa: A002 (PyTorch's name)
            return 2 * super().forward(input)

    model = Doubled(nn.ReLU())
    model(np.ones((1, 2)))
    with pytest.raises(BackwardError, match="Doubled needs a backward of its own"):
        model.backward(np.ones((1, 2)))

"""A chain calls the formulas of its children, and nobody can tell that it does not call the children."""

import copy
import gc
import weakref

import numpy as np
import pytest

from npnet import nn, no_grad, optim
from npnet.errors import BackwardError, DtypeMismatchError, ShapeError


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


def passed(times, model, x):
    """Call a model so often: the first call of a shape is layer by layer, the others are rows."""
    for _ in range(times):
        output = model(x)
    return output


@pytest.mark.parametrize("times", [1, 3])
def test_a_chain_is_gone_back_through_once(times):
    model, (x, g) = network(), batch()
    passed(times, model, x)
    model[-1].backward(g)
    with pytest.raises(BackwardError, match=r"Linear\.backward has no forward pass"):
        model.backward(g)
    passed(times, model, x)
    model.backward(g)
    with pytest.raises(BackwardError, match=r"Linear\.backward has no forward pass"):
        model[-1].backward(g)


@pytest.mark.parametrize("times", [1, 3])
def test_by_hand_behind_a_loss_and_another_network(times):
    encoder, decoder, (x, _) = network(), nn.Sequential(nn.Linear(3, 4), nn.ReLU()).double(), batch()
    encoder[3].p, criterion = 0.0, nn.MSELoss()

    def gone_back(by_hand):
        encoder.zero_grad()
        criterion(passed(times, decoder, passed(times, encoder, x)), x)
        g = criterion.backward()
        if not by_hand:
            return encoder.backward(decoder.backward(g)), gradients(encoder)
        for layer in [*reversed(list(decoder)), *reversed(list(encoder))]:
            g = layer.backward(g)
        return g, gradients(encoder)

    (ours, own), (expected, theirs) = gone_back(by_hand=True), gone_back(by_hand=False)
    np.testing.assert_array_equal(ours, expected)
    for name, gradient in own.items():
        np.testing.assert_array_equal(gradient, theirs[name])


@pytest.mark.parametrize("times", [1, 3])
def test_a_layer_that_was_called_before_the_chain_that_it_is_in(times):
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3, dtype="float64")
            self.chain = nn.Sequential(nn.Tanh(), nn.Softsign(), self.layer)

        def forward(self, x):
            return self.chain(self.layer(x))

    model, g = Both(), np.ones((2, 3))
    x = np.random.default_rng(0).standard_normal((2, 3))
    passed(times, model, x)
    expected = model.backward(g)
    passed(times, model, x)
    back = g
    for layer in (model.layer, model.chain[1], model.chain[0], model.layer):
        back = layer.backward(back)
    np.testing.assert_array_equal(back, expected)


def test_what_is_called_under_no_grad_inside_a_chain_is_no_part_of_it():
    class Teacher(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen, self.head = network(), nn.Sequential(nn.Linear(3, 2), nn.ReLU()).double()

        def forward(self, x):
            with no_grad():
                h = self.frozen(x)
            return self.head(h)

    model, (x, _) = Teacher(), batch()
    for _ in range(3):
        model(x)
        with pytest.raises(BackwardError, match="Teacher needs a backward of its own"):
            model.backward(np.ones((6, 2)))
        assert model.frozen[0].weight.grad is None


@pytest.mark.parametrize("mode", ["eval", "p=0"])
def test_a_chain_of_nothing_but_passing_through(mode):
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.2))
    if mode == "eval":
        model.eval()
    for layer in model:
        layer.p = 0.0 if mode == "p=0" else layer.p
    x = np.ones((2, 3))
    for _ in range(3):
        assert model(x) is x
        assert model.backward(x) is x


def test_statistics_move_once_whatever_is_behind_them():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout1d(0.5))
    for _ in range(5):
        model(np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32))
    assert model[0].num_batches_tracked == 5


def test_a_shallow_copy_has_its_own_layers():
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), np.ones((2, 4), np.float32)
    expected = passed(2, model, x)
    other = copy.copy(model)
    other.__dict__["_modules"] = dict(model._modules)
    other[0] = nn.Linear(4, 4)
    np.testing.assert_array_equal(passed(2, other, x), other[1](other[0](x)))
    np.testing.assert_array_equal(model(x), expected)


def test_a_model_that_is_dropped_is_gone():
    model, (x, g) = network(), batch()
    passed(3, model, x)
    model.backward(g)
    layer = weakref.ref(model[0])
    gc.disable()
    try:
        del model
        assert layer() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "method", ["__call__", "save", "check_grad", "check_input", "check", "operands", "noted"]
)
def test_a_method_of_a_subclass_is_called(method):
    called = []

    def own(self, *args, **kwargs):
        called.append(method)
        return getattr(nn.Linear, method)(self, *args, **kwargs)

    kind = type("Own", (nn.Linear,), {method: own})
    model = nn.Sequential(kind(4, 4, dtype="float64"), nn.ReLU())
    x, _ = batch()
    for _ in range(3):
        model(x)
        model.backward(np.ones((6, 4)))
    assert len(called) >= 3


def test_a_derivative_that_is_put_into_a_layer_counts():
    model, (x, _) = nn.Sequential(nn.Linear(4, 4, dtype="float64"), nn.ReLU()), batch()
    passed(3, model, x)
    model[1].derivative = lambda g, y: g * 0.0
    model(x)
    assert not model.backward(np.ones((6, 4))).any()


def test_a_parameter_of_another_dtype_is_refused():
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), np.ones((2, 4), np.float32)
    passed(3, model, x)
    model[2].weight.to(dtype="float64")
    with pytest.raises(DtypeMismatchError):
        model(x)


def test_statistics_of_another_dtype_are_refused():
    model, x = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4)).eval(), np.ones((2, 4), np.float32)
    passed(3, model, x)
    model[0].running_var = np.full(4, 1 / 3)
    with pytest.raises(DtypeMismatchError):
        model(x)


def test_a_child_that_refuses_leaves_the_chain_as_it_was():
    model, (x, g) = network(), batch()
    passed(3, model, x)
    with pytest.raises(ShapeError):
        model[-1].backward(g[:2])
    assert model.backward(g).shape == x.shape


def test_children_of_a_chain_that_does_more_are_gone_back_through_by_hand():
    class Doubled(nn.Sequential):
        def forward(self, input):  # noqa: A002 (PyTorch's name)
            return 2 * super().forward(input)

    model, x = Doubled(nn.Linear(3, 2, dtype="float64"), nn.ReLU()), np.ones((2, 3))
    for _ in range(3):
        model(x)
        grad_input = model[0].backward(model[1].backward(np.ones((2, 2))))
        assert grad_input.shape == x.shape


def test_plans_go_with_what_they_were_made_of():
    model, (x, _) = network(), batch()
    passed(2, model, x[:3])
    before = weakref.ref(model[0].weight.data.base)
    optim.SGD(model.parameters(), lr=0.1)
    passed(2, model, x)
    gc.collect()
    assert before() is None


def test_many_shapes_in_turn_keep_no_more_than_so_many_plans():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    for rows in range(1, 100):
        model(np.ones((rows, 2), np.float32))
    assert len(model._contexts.plans) == 64


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


def test_a_layer_that_comes_twice_is_not_taken_for_once():
    twice = nn.Linear(4, 4, dtype="float64")
    model, (x, _), g = nn.Sequential(twice, nn.Tanh(), twice), batch(), np.ones((6, 4))
    passed(3, model, x)
    expected, whole = model.backward(g), gradients(model)
    for by_hand in (1, 3):  # the rest of the chain follows, by hand too
        model.zero_grad()
        passed(3, model, x)
        back = g
        for layer in (twice, model[1], twice)[:by_hand]:
            back = layer.backward(back)
        if by_hand == 1:
            back = twice.backward(model[1].backward(back))
        np.testing.assert_array_equal(back, expected)
        np.testing.assert_array_equal(twice.weight.grad, whole["0.weight"])
    passed(3, model, x)
    twice.backward(g)
    with pytest.raises(BackwardError, match=r"Linear\.backward has no forward pass"):
        model.backward(g)


def test_a_row_is_gone_back_through_once():
    model, (x, g) = network(), batch()
    passed(3, model, x)
    model.backward(g)
    for layer in model:
        with pytest.raises(BackwardError, match="has no forward pass"):
            layer.backward(g)


def test_a_forward_that_was_put_into_a_layer_is_called():
    model, (x, _) = network(), batch()
    seen = []
    forward = model[2].forward
    vars(model[2])["forward"] = lambda x: (seen.append(x.shape), forward(x))[1]
    model(x)
    with no_grad():
        model(x)
    assert seen == [(6, 5), (6, 5)]


@pytest.mark.parametrize("times", [1, 3])
def test_a_subclass_with_a_backward_of_its_own_is_called(times):
    class Straight(nn.ReLU):
        def backward(self, grad_output, *, input_grad=True):
            self.saved()
            return grad_output

    x, g = np.array([[-1.0, 2.0]]), np.array([[3.0, 4.0]])
    for layers, expected in (
        ((Straight(), nn.ReLU()), [[0.0, 4.0]]),
        ((nn.ReLU(), Straight()), [[0.0, 4.0]]),
        ((Straight(), Straight()), [[3.0, 4.0]]),
    ):
        model = nn.Sequential(*layers)
        passed(times, model, x)
        np.testing.assert_array_equal(model.backward(g), expected)


def test_a_chain_that_does_more_says_so():
    class Doubled(nn.Sequential):
        def forward(self, input):  # noqa: A002 (PyTorch's name)
            return 2 * super().forward(input)

    model = Doubled(nn.ReLU())
    model(np.ones((1, 2)))
    with pytest.raises(BackwardError, match="Doubled needs a backward of its own"):
        model.backward(np.ones((1, 2)))

from __future__ import annotations

import numpy as np
import pytest

import npnet
from npnet import nn
from npnet.errors import BackwardError, DeviceError, DtypeError, GradcheckError
from npnet.random import Generator, RecordingGenerator, ReplayGenerator


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


class Scaled(nn.Module):
    """y = w x, with a mistake or none."""

    def __init__(self, mistake=""):
        super().__init__()
        self.mistake = mistake
        self.weight = nn.Parameter(np.array([1.5, -2.0, 0.5]))

    def forward(self, x):
        self.save(x)
        return x * self.weight.data

    def backward(self, grad_output, *, input_grad=True):
        (x,) = self.saved()
        slopes = (grad_output * x).sum(axis=0)
        if self.mistake == "sign":
            slopes = -slopes
        elif self.mistake == "one element":
            slopes[1] += 0.25
        elif self.mistake == "last digits":
            slopes = slopes * (1 + 1e-8)
        elif self.mistake == "not a number":
            slopes[2] = np.nan
        if self.mistake != "forgotten":
            self.weight.accumulate(np.positive, slopes)
        grad = grad_output * self.weight.data
        if self.mistake == "factor":
            grad = 2 * grad
        elif self.mistake == "shape":
            grad = grad.sum(axis=0)
        return grad


class Product(nn.Module):
    """y = a b, of two inputs, the second one's gradient wrong or right."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, a, b):
        self.save(a, b)
        return a * b

    def backward(self, grad_output, *, input_grad=True):
        a, b = self.saved()
        return grad_output * b, self.factor * grad_output * a


class SteepAtZero(nn.ReLU):
    """A rectifier whose derivative at 0 lies outside of what the two sides allow."""

    def backward(self, grad_output, *, input_grad=True):
        _, (y,), _ = self._contexts.stack[-1]
        return super().backward(grad_output) + (y == 0) * 2.0 * grad_output


def wrong(module, inputs, **options):
    result = npnet.gradcheck(module, inputs, raise_exception=False, **options)
    assert not result
    return result.wrong


@pytest.mark.parametrize(
    ("mistake", "name"),
    [("sign", "weight"), ("forgotten", "weight"), ("factor", "input 0"), ("last digits", "weight")],
)
def test_a_planted_mistake_is_named(mistake, name):
    module, x = Scaled(mistake), normal(4, 3)
    found = wrong(module, x)
    assert {element.name for element in found} == {name}
    with pytest.raises(GradcheckError, match=rf"Scaled: .*\n +wrong: {name} at \(\d"):
        npnet.gradcheck(module, x)


def test_the_right_layer_passes_by_the_complex_step():
    result = npnet.gradcheck(Scaled(), normal(4, 3))
    assert result
    assert result.methods == {"input 0": "complex step", "weight": "complex step"}
    assert result.checked == 15
    assert result.worst.error < 1e-14
    assert "Scaled: 15 of 15 elements agree" in str(result)


def test_the_worst_element_is_named_with_both_values():
    x = normal(4, 3)
    (element,) = wrong(Scaled("one element"), x)
    assert (element.name, element.index) == ("weight", (1,))
    assert element.analytic - element.numeric == pytest.approx(0.25, abs=1e-12)
    assert element.error == pytest.approx(0.25, abs=1e-12)
    assert element.method == "complex step"
    report = str(npnet.gradcheck(Scaled("one element"), x, raise_exception=False))
    assert f"weight at (1,): backward gives {element.analytic:.9g}" in report
    assert "14 of 15 elements agree" in report


def test_a_gradient_that_is_not_a_number_is_wrong():
    assert [element.index for element in wrong(Scaled("not a number"), normal(4, 3))] == [(2,)]


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(GradcheckError, match=r"shape \(3,\) by input 0, which has shape \(4, 3\)"):
        npnet.gradcheck(Scaled("shape"), normal(4, 3), raise_exception=False)


def test_every_input_is_checked():
    pair = normal(3), normal(3, seed=1)
    assert npnet.gradcheck(Product(), pair).methods.keys() == {"input 0", "input 1"}
    assert {element.name for element in wrong(Product(0.5), pair)} == {"input 1"}


# ------------------------------------------------------------------ kinks


def test_a_kink_is_said_to_be_one():
    result = npnet.gradcheck(nn.LeakyReLU(0.25), np.array([-1.0, 0.0, 2.0]))
    assert [(element.name, element.index) for element in result.kinks] == [("input 0", (1,))]
    assert "kinks, where the derivative jumps: input 0 at (1,)" in str(result)
    assert not npnet.gradcheck(nn.Tanh(), np.array([-1.0, 0.0, 2.0])).kinks


def test_at_a_kink_backward_must_lie_between_the_slopes():
    (element,) = wrong(SteepAtZero(), np.array([3.0, 0.0, 2.0]))
    assert element.index == (1,)
    assert element.method == "one-sided differences"


def test_without_the_complex_step_differences_decide():
    result = npnet.gradcheck(nn.Softsign(), normal(5))  # an absolute value makes complex steps wrong
    assert result.methods == {"input 0": "central differences"}
    assert npnet.gradcheck(nn.Sigmoid(), normal(5)).methods == {
        "input 0": "central differences"
    }  # refuses them


# ------------------------------------------------------------------ what it leaves behind


def test_noise_is_the_same_at_every_call_and_the_streams_stay_where_they_were():
    npnet.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 6, dtype="float64"), nn.Dropout(0.4), nn.AlphaDropout(0.2))
    before = npnet.random.stream("dropout").get_state()
    assert npnet.gradcheck(model, normal(5, 4))
    assert npnet.random.stream("dropout").get_state() == before
    own = nn.Dropout(0.5, generator=Generator(1))
    state = own.generator.get_state()
    assert npnet.gradcheck(own, normal(20))
    assert own.generator.get_state() == state
    tape = ReplayGenerator([np.array([True, False])])
    assert npnet.gradcheck(nn.Dropout(0.5, generator=tape), normal(2))
    assert tape.position == 0


def test_noise_that_cannot_be_repeated_is_an_error():
    layer = nn.Dropout(0.5, generator=RecordingGenerator(Generator(0)))
    with pytest.raises(GradcheckError, match="Dropout is not deterministic"):
        npnet.gradcheck(layer, normal(50))


def test_gradients_buffers_and_inputs_are_left_as_they_were():
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4)).double()
    x = normal(6, 3)
    model(x)
    model.backward(normal(6, 4))
    model[0].weight.grad = None
    buffers = {name: buffer.copy() for name, buffer in model.named_buffers()}
    gradients = [None if p.grad is None else p.grad.copy() for p in model.parameters()]
    kept = x.copy()
    result = npnet.gradcheck(model, x)
    assert set(result.methods.values()) == {"complex step"}
    np.testing.assert_array_equal(x, kept)
    for name, buffer in model.named_buffers():
        np.testing.assert_array_equal(buffer, buffers[name], strict=True)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        if gradient is not None:
            np.testing.assert_array_equal(parameter.grad, gradient)
        assert parameter.data.dtype == np.float64
    model(x)  # and its checks are on again
    with pytest.raises(DtypeError):
        model(x.astype(np.float32))


def test_a_forward_that_waits_for_its_backward_still_waits():
    model, x, g = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double(), normal(6, 3), normal(6, 4)
    model(x)
    expected = model.backward(g)
    model(x)
    npnet.gradcheck(model, normal(2, 3, seed=1))
    np.testing.assert_array_equal(model.backward(g), expected)
    with pytest.raises(BackwardError):
        model.backward(g)


class Restless(nn.Module):
    """It puts another array in place of its buffer, and leaves training mode."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", np.zeros(3))

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        self.eval()
        self.save(None)
        return 2.0 * x

    def backward(self, grad_output, *, input_grad=True):
        self.saved()
        return 2.0 * grad_output


def test_a_buffer_that_forward_replaces_and_the_mode_are_as_they_were():
    module = Restless()
    buffer = module.mean
    assert npnet.gradcheck(module, normal(4, 3))
    assert module.mean is buffer
    assert not buffer.any()
    assert module.training


@pytest.mark.parametrize("part", np.linspace(0.02, 0.98, 25))
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_kink_anywhere_within_the_step_is_noticed(part, side):
    """Also where the gap of the slopes looks halved by chance."""
    x = np.array([side * part * 1e-4])
    result = npnet.gradcheck(Bent(), x)
    assert [element.index for element in result.kinks] == [(0,)]


class Bent(nn.Module):
    """Half of the absolute value and a line; its absolute value takes no complex number rightly."""

    def forward(self, x):
        self.save(x)
        return 0.5 * np.abs(x) + 0.5 * x

    def backward(self, grad_output, *, input_grad=True):
        (x,) = self.saved()
        return grad_output * (0.5 * np.sign(x) + 0.5)


# ------------------------------------------------------------------ losses, sequences, refusals


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses(reduction):
    labels = np.array([0, 2, -100, 1])
    result = npnet.gradcheck(nn.CrossEntropyLoss(reduction=reduction), (normal(4, 3), labels))
    assert result.methods == {"input 0": "complex step"}
    assert npnet.gradcheck(nn.HuberLoss(reduction), (normal(4), normal(4, seed=1)))


def test_sequences_and_their_states():
    states = (normal(1, 2, 3, seed=1), normal(1, 2, 3, seed=2))
    result = npnet.gradcheck(nn.LSTM(2, 3, dtype="float64"), (normal(4, 2, 2), states))
    assert {"input 0", "input 1[0]", "input 1[1]", "weight_hh_l0"} <= set(result.methods)


def test_frozen_parameters_are_passed_over():
    layer = nn.Linear(2, 2, dtype="float64")
    layer.bias.requires_grad = False
    assert set(npnet.gradcheck(layer, normal(3, 2)).methods) == {"input 0", "weight"}


def test_refusals():
    with pytest.raises(DtypeError, match=r"needs float64, weight is float32.*module\.double\(\)"):
        npnet.gradcheck(nn.Linear(2, 2), normal(3, 2))
    with pytest.raises(DtypeError, match="needs float64, input 0 is float32"):
        npnet.gradcheck(nn.ReLU(), np.ones(2, np.float32))
    assert issubclass(GradcheckError, RuntimeError)  # as PyTorch's
    assert issubclass(DeviceError, RuntimeError)

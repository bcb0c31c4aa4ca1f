"""What the drawn cases of convolution and pooling do not reach: many blocks, closed forms, NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal

from npnet import backend, nn
from npnet.nn import convolution, im2col
from npnet.nn.windows import pad, pad_backward
from parity_tests.libraries import LIBRARIES, every_device


@every_device
def test_block_by_block_is_all_at_once(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples are convolved in blocks, so that the columns stay small; one, two or three at a time."""
    library, rng = LIBRARIES[device], np.random.default_rng(0)
    layer = library.place(nn.Conv2d(4, 6, 3, padding=1, groups=2), "float64")
    x, g = library.array(rng.normal(size=(7, 4, 5, 5))), library.array(rng.normal(size=(7, 6, 5, 5)))
    a_sample = 4 * 9 * 25 * 8
    seen: list[list[Any]] = []
    for samples in (7, 1, 2, 3):
        monkeypatch.setattr(backend, "block_bytes", lambda array, n=samples: n * a_sample)
        layer.zero_grad()
        y = layer(x)
        grad = layer.backward(g)
        seen.append([library.host(each) for each in (y, grad, layer.weight.grad, layer.bias.grad)])
    for other in seen[1:]:
        for ours, whole in zip(other, seen[0], strict=True):
            np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-13)


def test_the_columns_are_made_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = im2col.columns_of

    def noted(*arguments: Any) -> Any:
        columns = original(*arguments)
        sizes.append(columns.nbytes)
        return columns

    monkeypatch.setattr(im2col, "columns_of", noted)
    nn.Conv2d(3, 4, 3, padding=1)(np.zeros((32, 3, 64, 64), np.float32))
    assert len(sizes) > 1
    assert max(sizes) <= backend.block_bytes(np.zeros(1))


def test_a_kernel_is_scipy_s_correlation() -> None:
    rng = np.random.default_rng(1)
    x, layer = rng.normal(size=(2, 3, 6, 7)), nn.Conv2d(3, 2, (2, 3), dtype="float64")
    y = layer(x)
    for n in range(2):
        for o in range(2):
            parts = [scipy.signal.correlate2d(x[n, c], layer.weight.data[o, c], "valid") for c in range(3)]
            np.testing.assert_allclose(y[n, o], sum(parts) + layer.bias.data[o], rtol=1e-13, atol=1e-13)


def test_a_kernel_of_one_place_is_a_linear_layer() -> None:
    rng = np.random.default_rng(2)
    x, g = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(2, 5, 4, 4))
    conv, linear = nn.Conv2d(3, 5, 1, dtype="float64"), nn.Linear(3, 5, dtype="float64")
    linear.load_state_dict({"weight": conv.weight.data[:, :, 0, 0], "bias": conv.bias.data})
    y = linear(np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(conv(x), np.moveaxis(y, -1, 1), rtol=0, atol=1e-14)
    grad = linear.backward(np.moveaxis(g, 1, -1))
    np.testing.assert_allclose(conv.backward(g), np.moveaxis(grad, -1, 1), rtol=0, atol=1e-14)
    np.testing.assert_allclose(conv.weight.grad[:, :, 0, 0], linear.weight.grad, rtol=0, atol=1e-13)


def test_without_input_grad_the_way_back_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Conv2d(1, 1, 3)
    layer(np.ones((1, 1, 3, 3), np.float32))
    monkeypatch.delattr(convolution, "convolution_backward")
    assert layer.backward(np.ones((1, 1, 1, 1), np.float32), input_grad=False) is None
    assert layer.weight.grad is not None


def test_of_equal_ones_the_first_in_the_order_of_rows_gets_the_gradient() -> None:
    layer = nn.MaxPool2d(2)
    layer(np.array([[[1.0, 5.0], [5.0, 0.0]]]))
    assert layer.backward(np.ones((1, 1, 1))).tolist() == [[[0.0, 1.0], [0.0, 0.0]]]


def test_not_a_number_is_handed_on_by_its_windows_alone() -> None:
    x = np.arange(16.0).reshape(1, 4, 4)
    x[0, 0, 0] = np.nan
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2)):
        assert np.isnan(layer(x)).tolist() == [[[True, False], [False, False]]]


def test_no_samples_give_no_samples() -> None:
    for layer in (nn.Conv2d(2, 3, 3, padding=1), nn.MaxPool2d(1), nn.AvgPool2d(1)):
        x = np.zeros((0, 2, 4, 4), np.float32)
        y = layer(x)
        assert y.shape[0] == 0
        assert layer.backward(y).shape == x.shape


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("widths", [((2, 1), (0, 3)), ((0, 2), (2, 0)), ((1, 0), (3, 3))])
def test_going_back_is_the_adjoint_of_padding(mode: str, widths: tuple[tuple[int, int], ...]) -> None:
    """The inner product of the padded input and a gradient is that of the input and what comes back."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 5, 4))
    padded = pad(x, widths, mode)
    g = rng.normal(size=padded.shape)
    assert np.vdot(padded, g) == pytest.approx(np.vdot(x, pad_backward(g, widths, mode)), rel=1e-12)

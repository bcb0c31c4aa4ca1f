"""Every kind of dropout draws PyTorch's masks; and the noise that PyTorch has no layer for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import nn
from npnet.errors import ArgumentError, DtypeError, ShapeError
from npnet.nn.alpha_dropout import alpha_masked
from npnet.random import Generator, RecordingGenerator, ReplayGenerator
from parity_tests.equal import assert_equal, assert_same
from parity_tests.libraries import LIBRARIES, NPNET, TORCH, every_device
from parity_tests.registry.specification import arrays, seeds
from parity_tests.report import Subject
from torchref import to_torch

every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "Dropout": [(7,), (5, 3), (2, 3, 4)],
    "Dropout1d": [(5, 3), (4, 5, 3)],
    "Dropout2d": [(4, 5, 2, 3), (20, 30, 1, 2)],
    "AlphaDropout": [(7,), (5, 3), (2, 3, 4)],
    "FeatureAlphaDropout": [(5, 3), (4, 5, 3), (2, 3, 2, 2, 2)],
}


@every_dtype
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", SHAPES)
def test_the_same_seed_drops_the_same_and_leaves_the_generator_the_same(
    name: str, p: float, dtype: str
) -> None:
    """Bit for bit, call after call: every kind draws as often, and in the same order."""
    NPNET.seed(11)
    TORCH.seed(11)
    for shape in [*SHAPES[name], *SHAPES[name]]:
        x = np.random.default_rng(0).normal(size=shape).astype(dtype) + 10
        ours = getattr(nn, name)(p)(x)
        theirs = getattr(torch.nn, name)(p)(torch.tensor(x)).numpy()
        if name.startswith("Dropout"):
            assert_same(ours == 0, theirs == 0, name)
        else:  # what was dropped has one value, which no other element has
            assert_same(ours == ours.min(), theirs == theirs.min(), name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6 if dtype == "float32" else 1e-14, strict=True)
        assert_same(npnet.random.stream("dropout").get_state(), torch.get_rng_state().numpy(), name)


@pytest.mark.parametrize("name", SHAPES)
def test_a_tape_serves_both_libraries(name: str) -> None:
    recorder = RecordingGenerator(Generator(3))
    layer = getattr(nn, name)(0.4, generator=recorder)
    x = np.random.default_rng(0).normal(size=SHAPES[name][-1])
    ours = layer(x)
    twin = to_torch(getattr(nn, name)(0.4), masks=ReplayGenerator(recorder.tape))
    np.testing.assert_allclose(ours, twin(torch.tensor(x)).numpy(), rtol=1e-14)


@pytest.mark.parametrize("name", SHAPES)
def test_a_given_mask_is_used_and_checked(name: str) -> None:
    x = np.ones(SHAPES[name][-1])
    layer = getattr(nn, name)(0.5)
    mask = np.ones(layer.mask_shape(x), dtype=bool)
    mask.reshape(-1)[::2] = False
    y = layer(x, mask=mask)
    assert_same(y == y.max(), np.broadcast_to(mask, x.shape), name)
    with pytest.raises(ShapeError, match="does not fit"):
        layer(x, mask=np.ones((9, 9, 9), dtype=bool))
    with pytest.raises(DtypeError, match="boolean array, got int64"):
        layer(x, mask=mask.astype(np.int64))


@given(seed=seeds, p=st.floats(0.05, 0.9))
def test_alpha_dropout_keeps_mean_and_variance(seed: int, p: float) -> None:
    """Of a standard normal input, over its distribution: by the moments of the mixture, and by a sample."""
    kept, dropped = alpha_masked(np.array([0.0, 0.0]), np.array([True, False]), p)
    scale = alpha_masked(np.array([1.0]), np.array([True]), p)[0] - kept
    mean = (1 - p) * kept + p * dropped
    square = (1 - p) * (scale**2 + kept**2) + p * dropped**2
    assert abs(mean) < 1e-14
    assert math.isclose(square - mean**2, 1.0, rel_tol=1e-13)
    y = nn.AlphaDropout(p, generator=Generator(seed))(np.random.default_rng(seed).normal(size=20_000))
    assert abs(y.mean()) < 6 / math.sqrt(y.size)
    assert abs(y.var() - 1) < 6 * math.sqrt(max((y**4).mean() - 1, 1e-3) / y.size)


# ------------------------------------------------------------------ Gaussian noise


@every_device
@every_dtype
@given(data=st.data(), std=st.sampled_from([0.0, 0.3, 2.0]), seed=seeds)
def test_gaussian_noise_is_that_of_pytorch_s_generator(
    device: str, dtype: str, data: st.DataObject, std: float, seed: int
) -> None:
    library = LIBRARIES[device]
    x = data.draw(st.lists(st.integers(1, 5), max_size=3).map(tuple).flatmap(arrays)).astype(dtype)
    layer = nn.GaussianNoise(std)
    library.seed(seed)
    ours = library.host(layer(library.array(x)))
    TORCH.seed(seed)
    theirs = torch.tensor(x)
    if std > 0:
        theirs = theirs + std * torch.randn(x.shape, dtype=theirs.dtype)
    tolerance = 1e-14 if dtype == "float64" else 1e-6
    assert_equal(ours, theirs.numpy(), Subject("GaussianNoise", dtype, "forward"), "", tolerance=tolerance)
    g = np.random.default_rng(seed).normal(size=x.shape).astype(dtype)
    assert_same(library.host(layer.backward(library.array(g))), g, "the gradient is handed on")
    assert_same(library.host(layer.eval()(library.array(x))), x, "evaluation")


def test_gaussian_noise_refuses() -> None:
    with pytest.raises(ArgumentError, match=r"std must not be negative, got -1"):
        nn.GaussianNoise(-1.0)
    with pytest.raises(ShapeError, match=r"noise of shape \(3,\) does not fit input of shape \(2,\)"):
        nn.GaussianNoise()(np.ones(2), noise=np.ones(3))
    with pytest.raises(DtypeError, match="takes an array, got list"):
        nn.GaussianNoise()([1.0])


# ------------------------------------------------------------------ DropConnect


def drop_connect(library: Any, x: Any, weight: Any, bias: Any, p: float, g: Any) -> Any:
    """PyTorch's arithmetic: the mask of the weights drawn as dropout draws it."""
    weight.requires_grad_(True)
    x.requires_grad_(True)
    dropped = torch.nn.functional.dropout(weight, p)
    y = torch.nn.functional.linear(x, dropped, bias)
    y.backward(g)
    return y.detach(), x.grad, weight.grad


@every_device
@given(
    seed=seeds,
    p=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    shape=st.lists(st.integers(1, 4), max_size=2),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_drop_connect_is_a_linear_layer_of_dropped_weights(
    device: str, seed: int, p: float, shape: list[int], sizes: tuple[int, int]
) -> None:
    library = LIBRARIES[device]
    rng = np.random.default_rng(seed)
    layer = nn.DropConnect(*sizes, p, dtype="float64").to(library.device)
    x, g = rng.normal(size=(*shape, sizes[0])), rng.normal(size=(*shape, sizes[1]))
    weight, bias = (library.host(parameter.data) for parameter in layer.parameters())
    library.seed(seed)
    y = library.host(layer(library.array(x)))
    grad = library.host(layer.backward(library.array(g)))
    TORCH.seed(seed)
    twin = drop_connect(TORCH, *(torch.tensor(each) for each in (x, weight, bias)), p, torch.tensor(g))
    expected = [each.numpy() for each in twin]
    found = [y, grad, library.host(layer.weight.grad)]
    for ours, theirs, quantity in zip(found, expected, ("forward", "gradient", "gradient"), strict=True):
        assert_equal(ours, theirs, Subject("DropConnect", "float64", quantity), "", least_scale=1e-3)
    np.testing.assert_allclose(library.host(layer.bias.grad), g.reshape(-1, sizes[1]).sum(axis=0), atol=1e-12)


def test_drop_connect_evaluates_with_all_weights_and_has_a_linear_layer_s_state() -> None:
    layer, plain = nn.DropConnect(3, 2, p=0.7), nn.Linear(3, 2)
    plain.load_state_dict(layer.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert_same(layer.eval()(x), plain(x), "evaluation")
    g = np.ones((4, 2), np.float32)
    assert_same(layer.backward(g), plain.backward(g), "its gradient")
    assert_same(layer.weight.grad, plain.weight.grad, "its gradient by the weight")


def test_drop_connect_refuses() -> None:
    with pytest.raises(ArgumentError, match=r"between 0 and 1, got 1\.5"):
        nn.DropConnect(2, 2, 1.5)
    layer = nn.DropConnect(2, 3, dtype="float64")
    with pytest.raises(ShapeError, match=r"mask of shape \(2, 3\) .* takes \(3, 2\)"):
        layer(np.ones((1, 2)), mask=np.ones((2, 3), dtype=bool))
    with pytest.raises(ShapeError, match=r"DropConnect takes input of shape \(..., 2\), got \(1, 3\)"):
        layer(np.ones((1, 3)))

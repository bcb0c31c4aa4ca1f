"""Whatever draws in ``npnet.nn`` draws, from a seed, what PyTorch draws, and as much of it.

Classes and functions are found by their names, so that one that is added is held to it too.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import nn
from parity_tests.replaying import assert_same_streams, seed_both, where_promised, with_default_dtype

pytestmark = where_promised


@pytest.fixture(params=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from with_default_dtype(request.param)


@pytest.fixture(autouse=True)
def _streams() -> Iterator[None]:
    yield
    npnet.manual_seed(0)


def takes_generator(function: Any) -> bool:
    return "generator" in inspect.signature(function).parameters


# ---------------------------------------------------------------------- initial weights

LAYERS: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "Linear": [((7, 5), {}), ((3, 4), {"bias": False}), ((40, 30), {})],
    "Conv1d": [((3, 5, 2), {}), ((4, 6, 3), {"groups": 2, "bias": False})],
    "Conv2d": [((3, 5, (2, 3)), {}), ((4, 8, 3), {"groups": 4, "stride": 2, "padding": 1})],
    "Conv3d": [((2, 3, 2), {})],
    "Embedding": [((11, 4), {})],
    **{
        name: [
            ((3, 5), {}),
            ((4, 3), {"num_layers": 2, "bidirectional": True}),
            ((4, 6), {"num_layers": 3, "bias": False, "batch_first": True}),
        ]
        for name in ("RNN", "LSTM", "GRU")
    },
}
DRAWING = [
    name
    for name in nn.__all__
    if inspect.isclass(kind := getattr(nn, name))
    and hasattr(kind, "reset_parameters")
    and takes_generator(kind)
    and hasattr(torch.nn, name)
]


@pytest.mark.parametrize("name", DRAWING)
def test_initial_weights_are_the_same(name: str, dtype: str) -> None:
    assert name in LAYERS, f"say in LAYERS how {name} is made"
    seed_both(5)
    for arguments, options in LAYERS[name]:
        ours = getattr(nn, name)(*arguments, **options)
        theirs = getattr(torch.nn, name)(*arguments, **options)
        expected = theirs.state_dict()
        assert list(ours.state_dict()) == list(expected)
        for key, array in ours.state_dict().items():
            np.testing.assert_array_equal(array, expected[key].numpy(), strict=True, err_msg=key)
        ours.reset_parameters()
        theirs.reset_parameters()
        for key, array in ours.state_dict().items():
            np.testing.assert_array_equal(array, expected[key].numpy(), strict=True, err_msg=key)
    assert_same_streams()


def test_a_model_of_many_kinds_starts_the_same(dtype: str) -> None:
    """Layers that draw nothing stand between those that do."""
    seed_both(-3)
    models = [
        library.Sequential(
            *(library.Conv2d(3, 8, 3), library.BatchNorm2d(8), library.ReLU(), library.MaxPool2d(2)),
            *(library.Flatten(), library.Dropout(0.3), library.Linear(32, 20), library.BatchNorm1d(20)),
            *(library.Tanh(), library.Linear(20, 4)),
        )
        for library in (nn, torch.nn)
    ]
    ours, theirs = (model.state_dict() for model in models)
    assert list(ours) == list(theirs)
    for key, tensor in theirs.items():
        np.testing.assert_array_equal(ours[key], tensor.numpy(), err_msg=key)
    assert_same_streams()


# ---------------------------------------------------------------------- nn.init

INIT: dict[str, list[dict[str, Any]]] = {
    "uniform_": [{}, {"a": -0.3, "b": 1.7}],
    "normal_": [{}, {"mean": 0.5, "std": 0.02}],
    "kaiming_uniform_": [{}, {"a": 5**0.5}],
    "kaiming_normal_": [{}, {"mode": "fan_out", "nonlinearity": "relu"}],
    "xavier_uniform_": [{}, {"gain": 5 / 3}],
    "trunc_normal_": [{}, {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 1.5}],
    "sparse_": [{"sparsity": 0.3}],
}
LAST_BITS = {"trunc_normal_": 4, "orthogonal_": 1000}
"""Functions whose values go through another library's erfinv or QR, and how many units in the last place
of the largest element that may cost; their draws are the same all the same."""

FILLING = [
    name
    for name in npnet.nn.init.__all__
    if takes_generator(getattr(nn.init, name)) and hasattr(torch.nn.init, name)
]


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize("shape", [(3, 4), (64, 33), (5, 2)])
def test_nn_init_fills_with_the_same_values(name: str, shape: tuple[int, ...], dtype: str) -> None:
    seed_both(5)
    for arguments in INIT.get(name, [{}]):
        ours = getattr(nn.init, name)(np.empty(shape, dtype=dtype), **arguments)
        theirs = getattr(torch.nn.init, name)(torch.empty(shape), **arguments).numpy()
        if name in LAST_BITS:
            tolerance = LAST_BITS[name] * np.finfo(dtype).eps * np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, strict=True)
        else:
            np.testing.assert_array_equal(ours, theirs, strict=True)
    assert_same_streams()


# ---------------------------------------------------------------------- masks

DROPOUTS = [name for name in nn.__all__ if "Dropout" in name]
SHAPES = {"Dropout1d": [(4, 3, 5), (3, 5)], "Dropout2d": [(4, 3, 2, 5)], "Dropout3d": [(2, 3, 2, 2, 2)]}


@pytest.mark.parametrize("name", DROPOUTS)
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_dropout_masks_are_the_same(name: str, p: float, dtype: str) -> None:
    seed_both(11)
    shapes = SHAPES.get(name, [(7,), (5, 3), (40, 50), (2, 3, 4)])
    for shape in shapes * 2:
        if len(shape) < 2 and name.startswith("Feature"):
            continue
        values = np.random.default_rng(1).normal(size=shape).astype(dtype)
        ours = getattr(nn, name)(p)(values)
        theirs = getattr(torch.nn, name)(p)(torch.from_numpy(values)).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=4 * np.finfo(dtype).eps, atol=1e-30, strict=True)
    assert_same_streams()


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_masks_between_recurrent_layers_are_the_same(name: str, batch_first: bool, dtype: str) -> None:
    seed_both(7)
    layers = [
        getattr(library, name)(3, 4, num_layers=3, dropout=0.4, bidirectional=True, batch_first=batch_first)
        for library in (nn, torch.nn)
    ]
    x = np.random.default_rng(2).normal(size=(5, 2, 3)).astype(dtype)
    for _ in range(2):
        ours, theirs = layers[0](x)[0], layers[1](torch.from_numpy(x))[0].detach().numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=20 * np.finfo(dtype).eps)
    assert_same_streams()


@given(
    seed=st.integers(-(2**63), 2**64 - 1),
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=5),
    p=st.floats(0, 1),
)
def test_any_seed_gives_the_same_network_and_masks(seed: int, sizes: list[int], p: float) -> None:
    seed_both(seed)
    models = []
    for library in (nn, torch.nn):
        layers: list[Any] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [library.Linear(inputs, outputs), library.Dropout(p), library.ReLU()]  # type: ignore[attr-defined]
        models.append(library.Sequential(*layers))  # type: ignore[attr-defined]
    x = np.linspace(-1, 1, 3 * sizes[0], dtype=np.float32).reshape(3, sizes[0])
    ours, theirs = models[0](x), models[1](torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert_same_streams()

"""Initial values: PyTorch's own, from the same seed; and what no seed can show, the families' formulas."""

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
from npnet.errors import NpnetError
from parity_tests.equal import assert_same
from parity_tests.libraries import NPNET, TORCH
from parity_tests.registry.specification import seeds

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("uniform_", {"a": -1.5, "b": 0.5}),
    ("normal_", {"mean": 0.5, "std": 2.0}),
    ("constant_", {"val": 0.3}),
    ("ones_", {}),
    ("zeros_", {}),
    ("eye_", {}),
    ("xavier_uniform_", {"gain": 1.7}),
    ("xavier_normal_", {"gain": 0.5}),
    *(
        (f"kaiming_{family}_", {"a": a, "mode": mode, "nonlinearity": nonlinearity})
        for family in ("uniform", "normal")
        for mode in ("fan_in", "fan_out")
        for a, nonlinearity in ((0.0, "relu"), (0.2, "leaky_relu"), (0.0, "tanh"), (0.0, "linear"))
    ),
]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=seeds, sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_same_seed_same_values(
    name: str, arguments: dict[str, Any], dtype: str, seed: int, sizes: tuple[int, int]
) -> None:
    found = []
    for library in (NPNET, TORCH):
        tensor = library.array(np.full(sizes, 9.0, dtype))
        library.seed(seed)
        result = getattr(library.nn.init, name)(tensor, **arguments)
        assert result is tensor
        found.append(library.host(tensor))
    if (
        name.endswith("normal_") and dtype == "float64"
    ):  # the C library's logarithm and sine, not PyTorch's own
        np.testing.assert_allclose(found[0], found[1], rtol=1e-14, atol=1e-15)
    else:
        assert_same(*found, name)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (2, 5, 3, 2)])
@given(seed=seeds)
def test_fans_count_the_field(shape: tuple[int, ...], seed: int) -> None:
    found = []
    for library in (NPNET, TORCH):
        tensor = library.array(np.zeros(shape, np.float32))
        library.seed(seed)
        found.append(library.host(library.nn.init.xavier_uniform_(tensor)))
    assert_same(*found, "xavier_uniform_")


@pytest.mark.parametrize("bias", [True, False])
@given(seed=seeds, sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_a_new_linear_layer_has_pytorch_s_values(bias: bool, seed: int, sizes: tuple[int, int]) -> None:
    states = []
    for library in (NPNET, TORCH):
        library.seed(seed)
        module = library.nn.Linear(*sizes, bias=bias)
        states.append({key: library.host(value) for key, value in module.state_dict().items()})
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        assert_same(value, states[1][key], key)


SHAPE = (300, 200)
"""Fan-out and fan-in."""

SPREAD: dict[str, float] = {
    "xavier_uniform_": 2 / (300 + 200),
    "xavier_normal_": 2 / (300 + 200),
    "kaiming_uniform_": 2 / 200,
    "kaiming_normal_": 2 / 200,
    "lecun_uniform_": 1 / 200,
    "lecun_normal_": 1 / 200,
}
"""The variance of each family."""


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.parametrize("like", [None, "torch"])
def test_variance_and_shape_of_the_distribution(name: str, like: str | None) -> None:
    npnet.manual_seed(5, like=like)
    values = getattr(nn.init, name)(np.empty(SHAPE))
    deviation = math.sqrt(SPREAD[name])
    n = values.size
    assert abs(values.mean()) < 5 * deviation / math.sqrt(n)
    assert abs(values.std() / deviation - 1) < 5 / math.sqrt(n)
    largest, bound = np.abs(values).max(), math.sqrt(3) * deviation
    if name.endswith("uniform_"):
        assert 0.999 * bound < largest <= bound
    else:
        within = np.mean(np.abs(values) < deviation)
        assert abs(within - math.erf(math.sqrt(0.5))) < 5 * 0.5 / math.sqrt(n)


GAINS = [
    ("linear", None),
    ("sigmoid", None),
    ("tanh", None),
    ("relu", None),
    ("selu", None),
    ("conv2d", None),
]


@pytest.mark.parametrize(("nonlinearity", "param"), [*GAINS, ("leaky_relu", None), ("leaky_relu", 0.3)])
def test_gains(nonlinearity: str, param: float | None) -> None:
    ours = nn.init.calculate_gain(nonlinearity, param)
    assert ours == torch.nn.init.calculate_gain(nonlinearity, param)


REFUSED: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "one axis": ("xavier_uniform_", (3,), {}),
    "no matrix": ("eye_", (3, 2, 2), {}),
    "mode": ("kaiming_uniform_", (3, 2), {"mode": "fan_up"}),
    "nonlinearity": ("kaiming_normal_", (3, 2), {"nonlinearity": "swoosh"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    name, shape, arguments = REFUSED[case]
    raised = []
    for library in (NPNET, TORCH):
        with pytest.raises(Exception, match=r".") as caught:
            getattr(library.nn.init, name)(library.array(np.zeros(shape)), **arguments)
        raised.append(caught.value)
    assert isinstance(raised[0], NpnetError)
    assert isinstance(raised[0], type(raised[1])), f"PyTorch raised {raised[1]!r}"

"""Initial values: PyTorch's own, from the same seed; and what no seed can show, the families' formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import nn
from npnet.errors import ArgumentError, NpnetError
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4), (40, 25)])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"mean": 1.0, "std": 2.0, "a": -0.5, "b": 4.0},
        {"mean": -2.5, "a": -2.0, "b": 1.0},
        {"a": 1.5, "b": 1.75},
    ],
)
@given(seed=seeds)
def test_truncated_normals(
    arguments: dict[str, float], shape: tuple[int, ...], dtype: str, seed: int
) -> None:
    """The same rounds of the same draws, near the mean and far from it."""
    found = []
    for library in (NPNET, TORCH):
        tensor = library.array(np.full(shape, 9.0, dtype))
        library.seed(seed)
        library.nn.init.trunc_normal_(tensor, **arguments)
        found.append(library.host(tensor))
    tolerance = 1e-14 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(found[0], found[1], rtol=tolerance, atol=tolerance, strict=True)
    assert_same(npnet.random.stream("init").get_state(), torch.get_rng_state().numpy(), "generator")


@pytest.mark.parametrize("like", [None, "torch"])
@pytest.mark.parametrize(("a", "b"), [(-2.0, 2.0), (-0.5, 3.0), (1.5, 2.5)])
def test_truncated_normals_have_the_moments_of_the_distribution(a: float, b: float, like: str | None) -> None:
    npnet.manual_seed(1, like=like)
    values = nn.init.trunc_normal_(np.empty((200, 200)), a=a, b=b)
    expected = scipy.stats.truncnorm(a, b)
    assert a <= values.min()
    assert values.max() <= b
    assert scipy.stats.kstest(values.reshape(-1), expected.cdf).pvalue > 1e-4


def test_truncated_normals_far_from_the_mean_warn() -> None:
    for library in (NPNET, TORCH):
        with pytest.warns(UserWarning, match="more than 2 std from"):
            library.nn.init.trunc_normal_(library.array(np.zeros((2, 2))), a=3.0, b=4.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    seed=seeds, shape=st.lists(st.integers(1, 6), min_size=2, max_size=4), gain=st.sampled_from([1, 0.5, 2.0])
)
def test_orthogonal(dtype: str, seed: int, shape: list[int], gain: float) -> None:
    found = []
    for library in (NPNET, TORCH):
        tensor = library.array(np.zeros(shape, dtype))
        library.seed(seed)
        library.nn.init.orthogonal_(tensor, gain)
        found.append(library.host(tensor))
    tolerance = 1e-11 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=tolerance, strict=True)
    matrix = found[0].reshape(shape[0], -1).astype(np.float64)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-5)


@given(
    seed=seeds,
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    groups=st.integers(1, 3),
    outputs=st.integers(1, 4),
)
def test_dirac(seed: int, sizes: list[int], groups: int, outputs: int) -> None:
    found = []
    for library in (NPNET, TORCH):
        tensor = library.array(np.full((groups * outputs, *sizes), 9.0))
        found.append(library.host(library.nn.init.dirac_(tensor, groups)))
    assert_same(*found, "dirac_")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=seeds, sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)), sparsity=st.floats(0, 1))
def test_sparse(dtype: str, seed: int, sizes: tuple[int, int], sparsity: float) -> None:
    found = []
    for library in (NPNET, TORCH):
        tensor = library.array(np.full(sizes, 9.0, dtype))
        library.seed(seed)
        found.append(library.host(library.nn.init.sparse_(tensor, sparsity, 2.0)))
    assert_same(found[0] == 0, found[1] == 0, "sparse_")
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14, atol=1e-15, strict=True)
    assert_same(npnet.random.stream("init").get_state(), torch.get_rng_state().numpy(), "generator")


@pytest.mark.parametrize("layer", ["conv1d", "conv2d"])
@given(seed=seeds)
def test_a_convolution_s_fans_count_its_window(layer: str, seed: int) -> None:
    shape = (6, 4, 3) if layer == "conv1d" else (6, 4, 3, 2)
    field = math.prod(shape[2:])
    npnet.manual_seed(seed)
    bounds = {"fan_in": math.sqrt(3 / (4 * field)), "fan_out": math.sqrt(3 / (6 * field))}
    for mode, bound in bounds.items():
        values = nn.init.kaiming_uniform_(np.empty(shape), 0, mode, "linear")
        assert 0.5 * bound < np.abs(values).max() <= bound


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


def test_a_gain_takes_any_real_number() -> None:
    assert nn.init.calculate_gain("leaky_relu", np.float32(0.5)) == nn.init.calculate_gain("leaky_relu", 0.5)
    for wrong in (True, "0.5"):
        with pytest.raises(ArgumentError, match="is not a valid number"):
            nn.init.calculate_gain("leaky_relu", wrong)  # type: ignore[arg-type]


REFUSED: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "one axis": ("xavier_uniform_", (3,), {}),
    "no matrix": ("eye_", (3, 2, 2), {}),
    "mode": ("kaiming_uniform_", (3, 2), {"mode": "fan_up"}),
    "orthogonal vector": ("orthogonal_", (3,), {}),
    "dirac matrix": ("dirac_", (3, 2), {}),
    "dirac groups": ("dirac_", (3, 2, 2), {"groups": 2}),
    "sparse vector": ("sparse_", (3,), {"sparsity": 0.5}),
    "bounds in the wrong order": ("trunc_normal_", (3, 2), {"a": 2.0, "b": -2.0}),
    "uniform bounds in the wrong order": ("uniform_", (3, 2), {"a": 1.0, "b": 0.0}),
    "uniform bound not a number": ("uniform_", (3, 2), {"b": math.nan}),
    "negative deviation": ("normal_", (3, 2), {"std": -1.0}),
    "deviation not a number": ("normal_", (3, 2), {"std": math.nan}),
    "nonlinearity": ("kaiming_normal_", (3, 2), {"nonlinearity": "swoosh"}),
}


@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
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


def test_every_function_of_pytorch_is_there() -> None:
    theirs = {name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")}
    assert theirs | {"calculate_gain", "lecun_normal_", "lecun_uniform_"} == set(nn.init.__all__)

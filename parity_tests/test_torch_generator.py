"""``TorchGenerator`` draws, bit for bit, what PyTorch's CPU generator draws."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet.errors import ArgumentError, DtypeError, NpnetError, StateError, UnsupportedError
from npnet.random import TorchGenerator
from parity_tests.replaying import where_promised

pytestmark = where_promised

SEEDS = st.integers(-(2**63), 2**64 - 1)
SIZES = st.one_of(st.integers(0, 40), st.integers(0, 3000))
FLOATS = st.sampled_from(["float32", "float64"])
DTYPES = st.sampled_from(["float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"])
BOUNDS = st.floats(-1e6, 1e6) | st.floats(-2, 2)
SCALES = st.floats(0, 1e6) | st.floats(0, 2)

Draw = Callable[[Any], Any]
"""A draw made from either generator; PyTorch's tensors become arrays in `same`."""


def tensor(size: int, dtype: str) -> torch.Tensor:
    return torch.empty(size, dtype=getattr(torch, dtype))


@st.composite
def draws(draw: st.DrawFn) -> tuple[Draw, Draw]:
    """One draw, as it is written in either library."""
    size, dtype = draw(SIZES), draw(FLOATS)
    torch_dtype = getattr(torch, dtype)
    name = draw(
        st.sampled_from(
            [
                *("rand", "randn", "uniform_", "normal_", "bernoulli_", "bernoulli by array", "exponential_"),
                *("random_", "random_ into", "random_ between", "randint", "randint from zero", "randperm"),
                *("multinomial", "multinomial again"),
            ]
        )
    )
    if name in ("rand", "randn"):
        return (
            lambda ours: getattr(ours, name)(size, dtype=dtype),
            lambda theirs: getattr(torch, name)(size, generator=theirs, dtype=torch_dtype),
        )
    if name == "uniform_":
        low, high = sorted([draw(BOUNDS), draw(BOUNDS)])
        return (
            lambda ours: ours.uniform(low, high, (size,), dtype),
            lambda theirs: tensor(size, dtype).uniform_(low, high, generator=theirs),
        )
    if name == "normal_":
        mean, std = draw(BOUNDS), draw(SCALES)
        return (
            lambda ours: ours.normal(mean, std, (size,), dtype),
            lambda theirs: tensor(size, dtype).normal_(mean, std, generator=theirs),
        )
    if name == "bernoulli_":
        p, kind = draw(st.floats(0, 1)), draw(DTYPES)
        return (
            lambda ours: ours.bernoulli_(np.empty(size, kind), p),
            lambda theirs: tensor(size, kind).bernoulli_(p, generator=theirs),
        )
    if name == "bernoulli by array":
        chances = np.linspace(0, 1, size, dtype=dtype)
        return (
            lambda ours: ours.bernoulli_(np.empty(size, dtype), chances),
            lambda theirs: torch.bernoulli(torch.from_numpy(chances), generator=theirs),
        )
    if name == "exponential_":
        rate = draw(st.floats(1e-3, 1e3))
        return (
            lambda ours: ours.exponential_(np.empty(size, dtype), rate),
            lambda theirs: tensor(size, dtype).exponential_(rate, generator=theirs),
        )
    if name == "random_":
        return (
            lambda ours: ours.random_(),
            lambda theirs: torch.empty((), dtype=torch.int64).random_(generator=theirs).item(),
        )
    if name == "random_ into":
        kind = draw(DTYPES)
        return (
            lambda ours: ours.random_(np.empty(size, kind)),
            lambda theirs: tensor(size, kind).random_(generator=theirs),
        )
    if name == "random_ between":
        kind, ends = draw(
            st.sampled_from([("float32", 2**24), ("int64", 2**63 - 1), ("int8", 127), ("bool", 2)])
        )
        least = 0 if kind == "bool" else -ends
        bounds = sorted(draw(st.lists(st.integers(least, ends), min_size=2, max_size=2, unique=True)))
        given_bounds = bounds[1:] if draw(st.booleans()) and bounds[1] > 0 else bounds
        return (
            lambda ours: ours.random_(np.empty(size, kind), *given_bounds),
            lambda theirs: tensor(size, kind).random_(*given_bounds, generator=theirs),
        )
    if name == "randint from zero":
        high = draw(st.integers(1, 2**63 - 1) | st.integers(1, 10))
        return (
            lambda ours: ours.randint(high, (size,)),
            lambda theirs: torch.randint(high, (size,), generator=theirs),
        )
    if name == "randint":
        edges = (
            st.integers(-(2**63), 2**63 - 1) | st.integers(-10, 10) | st.sampled_from([0, 2**28 - 1, 2**28])
        )
        low, high = sorted(draw(st.tuples(edges, edges).filter(lambda pair: pair[0] != pair[1])))
        return (
            lambda ours: ours.randint(low, high, (size,)),
            lambda theirs: torch.randint(low, high, (size,), generator=theirs),
        )
    if name == "randperm":
        return lambda ours: ours.randperm(size), lambda theirs: torch.randperm(size, generator=theirs)
    weights = np.array(draw(st.lists(st.floats(0.01, 10), min_size=1, max_size=30)), dtype=dtype)
    count, again = 1 + size % weights.size, name == "multinomial again"
    if draw(st.booleans()):  # several distributions at once
        weights = np.stack([weights, weights[::-1], weights**2])
    return (
        lambda ours: ours.multinomial(weights, count, again),
        lambda theirs: torch.multinomial(torch.from_numpy(weights), count, again, generator=theirs),
    )


def assert_same(mine: Any, other: Any) -> None:
    """The same dtype and the same numbers, to the last bit."""
    if isinstance(other, torch.Tensor):
        other = other.numpy()
        assert mine.dtype == other.dtype
    np.testing.assert_array_equal(mine, other, strict=isinstance(other, np.ndarray))


@given(seed=SEEDS, sequence=st.lists(draws(), max_size=6))
def test_any_sequence_of_draws(seed: int, sequence: list[tuple[Draw, Draw]]) -> None:
    ours, theirs = TorchGenerator(seed), torch.Generator().manual_seed(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    for mine, other in sequence:
        assert_same(mine(ours), other(theirs))
    np.testing.assert_array_equal(ours.get_state(), theirs.get_state().numpy())


@given(seed=SEEDS, before=st.lists(draws(), max_size=3), after=st.lists(draws(), min_size=1, max_size=3))
def test_a_state_carried_over_in_either_direction(
    seed: int, before: list[tuple[Draw, Draw]], after: list[tuple[Draw, Draw]]
) -> None:
    ours, theirs = TorchGenerator(1), torch.Generator().manual_seed(seed)
    for _, other in before:
        other(theirs)
    ours.set_state(theirs.get_state())
    back = torch.Generator()
    back.set_state(torch.from_numpy(ours.get_state()))
    for mine, other in after:
        expected = other(theirs)
        assert_same(mine(ours), expected)
        torch.testing.assert_close(other(back), expected, rtol=0, atol=0)


def test_a_new_seed_forgets_the_unused_half_of_a_pair() -> None:
    ours, theirs = TorchGenerator(7), torch.Generator().manual_seed(7)
    ours.randn(3)
    torch.randn(3, generator=theirs)
    assert_same(ours.manual_seed(8).randn(3), torch.randn(3, generator=theirs.manual_seed(8)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_normals_and_many_in_turns(dtype: str) -> None:
    """Below 16 elements one of a pair may be left over; what comes between does not touch it."""
    ours, theirs = TorchGenerator(7), torch.Generator().manual_seed(7)
    for size in (1, 16, 2, 3, 15, 17, 1, 1, 14, 100):
        for mean, std in ((0.0, 1.0), (0.3, 2.7)):
            assert_same(
                ours.normal(mean, std, (size,), dtype),
                tensor(size, dtype).normal_(mean, std, generator=theirs),
            )
            np.testing.assert_array_equal(ours.get_state(), theirs.get_state().numpy())


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1248])
def test_states_at_the_edges_of_the_word_table(drawn: int) -> None:
    ours, theirs = TorchGenerator(7), torch.Generator().manual_seed(7)
    ours.rand(drawn)
    torch.rand(drawn, generator=theirs)
    np.testing.assert_array_equal(ours.get_state(), theirs.get_state().numpy())
    ours.set_state(ours.get_state())
    assert_same(ours.rand(3), torch.rand(3, generator=theirs))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_million_numbers(dtype: str) -> None:
    torch_dtype = getattr(torch, dtype)
    ours, theirs = TorchGenerator(3), torch.Generator().manual_seed(3)
    size = 1_000_003
    for low, high in ((0.0, 1.0), (-0.7, 0.123)):
        assert_same(
            ours.uniform(low, high, (size,), dtype), tensor(size, dtype).uniform_(low, high, generator=theirs)
        )
    assert_same(ours.randn(size, dtype=dtype), torch.randn(size, dtype=torch_dtype, generator=theirs))
    assert_same(
        ours.normal(0.3, 2.7, (size,), dtype), tensor(size, dtype).normal_(0.3, 2.7, generator=theirs)
    )


@pytest.mark.parametrize("low", [0, -5, -(2**63)])
@pytest.mark.parametrize("span", [1, 2**28 - 1, 2**28, 2**28 + 1, 2**32 - 1, 2**32, 2**63 - 1])
def test_ranges_at_the_edges_of_a_draw(low: int, span: int) -> None:
    ours, theirs = TorchGenerator(3), torch.Generator().manual_seed(3)
    assert_same(ours.randint(low, low + span, (50,)), torch.randint(low, low + span, (50,), generator=theirs))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_interval_so_narrow_that_its_end_is_rounded_to(dtype: str) -> None:
    high = float(np.nextafter(np.ones((), dtype), np.asarray(2.0, dtype)))
    ours = TorchGenerator(3).uniform(1.0, high, (100,), dtype)
    assert (ours == 1.0).all()
    assert_same(ours, tensor(100, dtype).uniform_(1.0, high, generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("place", range(5))
def test_a_fraction_equal_to_the_probability_is_not_below_it(place: int) -> None:
    p = float(TorchGenerator(3).rand(5, dtype="float64")[place])
    for chance in (p, float(np.nextafter(p, 1.0))):
        ours = TorchGenerator(3).bernoulli_(np.empty(5), chance)
        assert ours[place] == (chance > p)
        assert_same(ours, tensor(5, "float64").bernoulli_(chance, generator=torch.Generator().manual_seed(3)))


def test_a_long_permutation() -> None:
    # Long enough for chains of swaps that meet the same place many times.
    assert_same(
        TorchGenerator(3).randperm(300_007),
        torch.randperm(300_007, generator=torch.Generator().manual_seed(3)),
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("capability", ["avx2", "default"])
def test_neither_threads_nor_vector_width_change_the_bits(threads: int, capability: str) -> None:
    # The capability is chosen when PyTorch starts; only draws without a fused product hold for "default".
    text = (
        f"import torch; torch.set_num_threads({threads}); torch.manual_seed(5);"
        "print(torch.rand(70000).sum(dtype=torch.float64).item(), torch.randperm(7000)[-1].item(),"
        "torch.empty(70000).bernoulli_(0.3).sum().item())"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    command = [sys.executable, "-c", text]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    ours = TorchGenerator(5)
    expected = (
        math.fsum(ours.rand(70000, dtype="float32").tolist()),
        ours.randperm(7000)[-1],
        ours.bernoulli_(np.empty(70000), 0.3).sum(),
    )
    np.testing.assert_allclose([float(word) for word in printed.split()], expected, rtol=1e-12)


def test_shapes_and_default_dtype() -> None:
    ours, theirs = TorchGenerator(2), torch.Generator().manual_seed(2)
    assert_same(ours.rand(2, 3), torch.rand(2, 3, generator=theirs))
    assert_same(ours.randn((4, 5)), torch.randn((4, 5), generator=theirs))
    assert_same(ours.rand(), torch.rand((), generator=theirs))
    assert_same(ours.randint(0, 9, (2, 2)), torch.randint(0, 9, (2, 2), generator=theirs))
    filled = np.empty((3, 7))
    assert ours.normal_(filled, 1.0, 2.0) is filled
    assert_same(filled, torch.empty(3, 7, dtype=torch.float64).normal_(1.0, 2.0, generator=theirs))
    mask = ours.bernoulli(0.4, (3, 2), like=filled)
    assert_same(mask, torch.empty(3, 2, dtype=torch.bool).bernoulli_(0.4, generator=theirs))


def test_every_stream_is_the_one_generator() -> None:
    try:
        npnet.manual_seed(-3, like="torch")
        torch.manual_seed(-3)
        for name in npnet.random.STREAMS:
            assert_same(npnet.random.stream(name).rand(3), torch.rand(3))
    finally:
        npnet.manual_seed(0)
    assert isinstance(npnet.random.stream("init"), npnet.random.Generator)
    with pytest.raises(ArgumentError, match="like"):
        npnet.manual_seed(0, like="jax")


def test_default_and_fresh_seeds() -> None:
    assert TorchGenerator("cpu").initial_seed() == torch.Generator("cpu").initial_seed()  # type: ignore[arg-type]
    assert TorchGenerator().device == str(torch.Generator().device)
    assert TorchGenerator().initial_seed() == torch.Generator().initial_seed()
    generator = TorchGenerator()
    assert generator.seed() == generator.initial_seed() != generator.seed()


@pytest.mark.parametrize(
    ("seed", "error"),
    [
        *((2**64, ArgumentError), (-(2**63) - 1, ArgumentError)),
        *((1.5, DtypeError), (True, DtypeError), ("seven", DtypeError)),
    ],
)
def test_seeds_that_neither_takes(seed: Any, error: type[Exception]) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        torch.Generator().manual_seed(seed)
    with pytest.raises(error, match="seed"):
        TorchGenerator().manual_seed(seed)
    with pytest.raises(error, match="seed"):
        npnet.manual_seed(seed, like="torch")


REFUSED: list[tuple[Draw, Draw]] = [
    *[
        (
            lambda g, low=low, high=high: g.uniform(low, high, (3,), "float32"),
            lambda g, low=low, high=high: tensor(3, "float32").uniform_(low, high, generator=g),
        )
        for low, high in ((2, 1), (0, math.inf), (-3e38, 3e38), (0, math.nan), (0, 1e39))
    ],
    *[
        (
            lambda g, p=p: g.bernoulli(p, (3,)),
            lambda g, p=p: tensor(3, "float32").bernoulli_(p, generator=g),
        )
        for p in (1.5, -0.5, math.nan)
    ],
    *[
        (
            lambda g, case=case: g.multinomial(np.array(case[0]), *case[1:]),
            lambda g, case=case: torch.multinomial(torch.tensor(case[0]), *case[1:], generator=g),
        )
        for case in (
            ([1.0, -1.0], 1),
            ([1.0, math.inf], 1),
            ([1.0, 1.0], 3),
            ([0.0, 0.0], 2, True),
            ([1, 1], 2, True),
            ([1.0, 1.0], 0),
            ([[1.0, 1.0], [0.0, 0.0]], 1),
            ([[[1.0]]], 1),
        )
    ],
    *[
        (
            lambda g, kind=kind, bounds=bounds: g.random_(np.empty(3, kind), *bounds),
            lambda g, kind=kind, bounds=bounds: tensor(3, kind).random_(*bounds, generator=g),
        )
        for kind, bounds in (("int8", (0, 200)), ("int8", (5, 5)), ("uint8", (-1, 4)), ("bool", (0, 3)))
    ],
    *[
        (
            lambda g, low=low, high=high: g.randint(low, high, (2,)),
            lambda g, low=low, high=high: torch.randint(low, high, (2,), generator=g),
        )
        for low, high in ((3, 3), (0, 2**63))
    ],
    *[
        (
            lambda g, bad=bad: g.set_state(bad),
            lambda g, bad=bad: g.set_state(torch.from_numpy(bad)),
        )
        for bad in (np.zeros(10, np.uint8), np.zeros(5056), np.zeros(5056, np.uint8))
    ],
    (lambda g: g.uniform_(np.empty(3, "int64")), lambda g: tensor(3, "int64").uniform_(generator=g)),
    (lambda g: g.normal(0, -1, (3,), "float32"), lambda g: tensor(3, "float32").normal_(0, -1, generator=g)),
    (lambda g: g.exponential_(np.empty(3), 0), lambda g: tensor(3, "float64").exponential_(0, generator=g)),
    (lambda g: g.randperm(-1), lambda g: torch.randperm(-1, generator=g)),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_they_refuse_we_refuse_and_nothing_is_lost(case: int) -> None:
    mine, other = REFUSED[case]
    with pytest.raises((RuntimeError, ValueError, TypeError, NotImplementedError)):
        other(torch.Generator())
    ours = TorchGenerator(4)
    with pytest.raises(NpnetError):
        mine(ours)
    np.testing.assert_array_equal(ours.get_state(), TorchGenerator(4).get_state())


def test_what_is_not_reproduced_is_refused_by_name() -> None:
    ours = TorchGenerator(0)
    with pytest.raises(UnsupportedError, match="device 'cuda'"):
        TorchGenerator("cuda")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="device 'cuda:1'"):
        TorchGenerator(0, device=torch.device("cuda:1"))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="16 bytes are the state of PyTorch's generator on a GPU"):
        ours.set_state(np.zeros(16, np.uint8))
    with pytest.raises(StateError, match="5056 bytes, got shape"):
        ours.set_state(np.zeros(5048, np.uint8))
    for name in ("cauchy_", "geometric_", "log_normal_", "poisson", "binomial"):
        with pytest.raises(UnsupportedError, match=f"{name}.* not reproduced"):
            getattr(ours, name)(np.empty(3))
    with pytest.raises(DtypeError, match=r"PyTorch's on device 'cpu'.*set_state"):
        npnet.nn.Dropout(generator=torch.Generator())(np.ones(3))
    with pytest.raises(ArgumentError, match="not reproduced"):
        ours.randperm(2**32)
    with pytest.raises(ArgumentError, match="1 weights are positive"):
        ours.multinomial(np.array([1.0, 0.0]), 2)
    with pytest.raises(ArgumentError, match="1 weights are positive"):
        ours.multinomial(np.array([[1.0, 1.0], [1.0, 0.0]]), 2)
    with pytest.raises(DtypeError, match="C-contiguous"):
        ours.normal_(np.empty((4, 4)).T[:2])
    with pytest.raises(DtypeError, match="complex"):
        ours.random_(np.empty(3, complex))

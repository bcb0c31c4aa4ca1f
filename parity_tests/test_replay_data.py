"""Splits, samplers and loaders hand out, from a seed, what PyTorch's do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data
from hypothesis import given
from hypothesis import strategies as st

import npnet
import npnet.data
from npnet.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from npnet.random import Generator, TorchGenerator
from parity_tests.replaying import assert_same_streams, seed_both

SEEDS = st.integers(-(2**63), 2**64 - 1)


@pytest.fixture(autouse=True)
def _streams() -> Iterator[None]:
    yield
    npnet.manual_seed(0)


KINDS = ("plain", "shuffle", "replacement", "more than all", "subset", "weighted", "weighted, once")


def make_loader(kind: str, theirs: bool, size: int, batch: int, drop_last: bool, own: bool) -> Any:
    """The same loader in either library."""
    module: Any = torch.utils.data if theirs else npnet.data
    make: Any = torch.Generator().manual_seed if theirs else TorchGenerator
    generator = make(9) if own else None
    dataset = module.TensorDataset(torch.arange(size) if theirs else np.arange(size))
    options: dict[str, Any] = {"drop_last": drop_last, "generator": generator}
    weights = np.linspace(0.5, 2.0, size).tolist()
    if kind == "shuffle":
        options["shuffle"] = True
    elif kind in ("replacement", "more than all"):
        options["sampler"] = module.RandomSampler(dataset, kind == "replacement", 2 * size, generator)
    elif kind == "subset":
        options["sampler"] = module.SubsetRandomSampler(list(range(0, size, 2)), generator)
    elif kind == "weighted":
        options["sampler"] = module.WeightedRandomSampler(weights, 2 * size, generator=generator)
    elif kind == "weighted, once":
        options["sampler"] = module.WeightedRandomSampler(weights, size - 1, False, generator)
    return module.DataLoader(dataset, batch, **options)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "batch", "drop_last"),
    [(64, 16, False), (64, 16, True), (70, 32, False), (70, 32, True), (9, 1, False)],
)
def test_loaders_hand_out_their_batches(size: int, batch: int, drop_last: bool, kind: str, own: bool) -> None:
    """Several passes, most of them cut short, with and without a generator of their own."""
    seed_both(8)
    loaders = [make_loader(kind, theirs, size, batch, drop_last, own) for theirs in (False, True)]
    assert len(loaders[0]) == len(loaders[1])
    for stop in (1, 2, 4, 1000, 3, 8, 0, 1000):
        seen = [[x.tolist() for (x,) in itertools.islice(loader, stop)] for loader in loaders]
        assert seen[0] == seen[1]
        assert len(seen[0]) > 0 or stop == 0
    assert_same_streams()


@given(seed=SEEDS, size=st.integers(3, 50), own=st.booleans())
def test_random_split_draws_as_theirs(seed: int, size: int, own: bool) -> None:
    lengths = [size - size // 3, size // 3]
    seed_both(seed)
    generators: tuple[Any, Any] = (None, None)
    if own:
        generators = (TorchGenerator(seed), torch.Generator().manual_seed(seed))
    ours = npnet.data.random_split(range(size), lengths, generators[0])
    theirs = torch.utils.data.random_split(range(size), lengths, generators[1])  # type: ignore[arg-type]
    assert [part.indices.tolist() for part in ours] == [list(part.indices) for part in theirs]
    assert_same_streams()


def test_a_split_of_a_split_in_batches() -> None:
    seed_both(3)
    seen = []
    for module, array in ((npnet.data, np.arange(100)), (torch.utils.data, torch.arange(100))):
        dataset: Any = module.TensorDataset(array)  # type: ignore[arg-type]
        rest, _ = module.random_split(dataset, [0.7, 0.3])
        train, valid = module.random_split(rest, [0.8, 0.2])
        loaders = (
            module.DataLoader(module.Subset(train, range(0, len(train), 2)), 4, shuffle=True),
            module.DataLoader(valid, 5),
        )
        seen.append([[x.tolist() for (x,) in loader] for _ in range(2) for loader in loaders])
    assert seen[0] == seen[1]
    assert_same_streams()


@pytest.mark.parametrize("replacement", [False, True])
def test_weights_are_what_they_say_with_npnet_s_own_generator(replacement: bool) -> None:
    weights = np.array([0.0, 1.0, 3.0, 4.0])
    sampler = npnet.data.WeightedRandomSampler(weights, 2, replacement, Generator(5))
    drawn = np.array([list(sampler) for _ in range(4000)])
    shares = np.bincount(drawn[:, 0], minlength=4) / len(drawn)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.03)
    assert (drawn[:, 0] == drawn[:, 1]).any() == replacement


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0, 2.0], 0), ArgumentError, "num_samples"),
        (([1.0, 2.0], 1.5), DtypeError, "num_samples"),
        (([1.0, 2.0], 1, 1), DtypeError, "replacement"),
        (([[1.0, 2.0]], 1), ShapeError, "vector"),
    ],
)
def test_sampler_arguments_that_neither_takes(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises((ValueError, TypeError)):
        torch.utils.data.WeightedRandomSampler(*arguments)
    with pytest.raises(error, match=message):
        npnet.data.WeightedRandomSampler(*arguments)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.0, 0.0], [1.0, np.inf]])
@pytest.mark.parametrize("generator", [Generator(0), TorchGenerator(0)])
def test_weights_that_cannot_be_drawn_from(weights: list[float], generator: Any) -> None:
    with pytest.raises(ArgumentError, match="weights are"):
        list(npnet.data.WeightedRandomSampler(weights, 2, generator=generator))
    with pytest.raises(ArgumentError, match="1 weights are positive"):
        list(npnet.data.WeightedRandomSampler([0.0, 1.0], 2, False, generator))


def test_workers_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="num_workers=2 is not supported"):
        npnet.data.DataLoader(npnet.data.TensorDataset(np.arange(3)), num_workers=2)

"""Batches, samplers and splits hand out what PyTorch's do, in the same structure."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data as theirs
from hypothesis import given
from hypothesis import strategies as st

import npnet.data as ours
from npnet.errors import NpnetError


@pytest.mark.parametrize(
    "name",
    [
        "BatchSampler",
        "DataLoader",
        "RandomSampler",
        "SequentialSampler",
        "Subset",
        "TensorDataset",
        "random_split",
    ],
)
def test_their_signature_is_a_prefix_of_ours(name: str) -> None:
    mine = inspect.signature(getattr(ours, name)).parameters
    other = inspect.signature(getattr(theirs, name)).parameters
    assert list(mine)[: len(other)] == list(other)
    for parameter in other.values():
        assert mine[parameter.name].kind == parameter.kind
        if not isinstance(parameter.default, torch.Generator):
            assert mine[parameter.name].default == parameter.default
    for extra in list(mine)[len(other) :]:
        assert mine[extra].kind is inspect.Parameter.KEYWORD_ONLY


def plain(value: Any) -> Any:
    """A batch as nested lists of numbers with their dtypes, whichever library made it."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(entry) for entry in value)
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    return value


@given(size=st.integers(0, 40), batch=st.integers(1, 45), drop_last=st.booleans(), indices=st.data())
def test_sequential_batches(size: int, batch: int, drop_last: bool, indices: st.DataObject) -> None:
    x, y = np.arange(2 * size, dtype=np.float32).reshape(size, 2), np.arange(size)
    mine: Any = ours.TensorDataset(x, y)
    other: Any = theirs.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    if size and indices.draw(st.booleans()):
        chosen = indices.draw(st.lists(st.integers(-size, size - 1), max_size=30))
        mine, other = ours.Subset(mine, chosen), theirs.Subset(other, chosen)
    mine_loader = ours.DataLoader(mine, batch, drop_last=drop_last)
    other_loader = theirs.DataLoader(other, batch, drop_last=drop_last)
    assert len(mine_loader) == len(other_loader)
    assert plain(list(mine_loader)) == plain(list(other_loader))


@pytest.mark.parametrize(
    "samples",
    [
        [1, 2, 3],
        [0.5, 1.5],
        [True, False],
        ["a", "b"],
        [(np.ones(2), 1), (np.zeros(2), 2)],
        [{"x": np.ones(2, np.float32), "k": (1, "s")}, {"x": np.zeros(2, np.float32), "k": (2, "t")}],
        [np.float64(2.0), np.float64(3.0)],
    ],
)
def test_collated_structures(samples: list[Any]) -> None:
    assert plain(next(iter(ours.DataLoader(samples, len(samples))))) == plain(
        next(iter(theirs.DataLoader(samples, len(samples))))  # type: ignore[arg-type]
    )


@given(
    size=st.integers(1, 60),
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=4)
    | st.lists(st.floats(0, 1), min_size=1, max_size=4).filter(any).map(lambda f: [x / sum(f) for x in f]),
)
@pytest.mark.filterwarnings("ignore:Length of split", "ignore:part . of the split")
def test_split_lengths(size: int, lengths: list[float]) -> None:
    try:
        expected = [len(part) for part in theirs.random_split(range(size), lengths)]  # type: ignore[arg-type]
    except (ValueError, TypeError):
        with pytest.raises(NpnetError):
            ours.random_split(range(size), lengths)
    else:
        assert [len(part) for part in ours.random_split(range(size), lengths)] == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"batch_size": True},
        {"drop_last": 1},
        {"sampler": [0], "shuffle": True},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
    ],
)
def test_what_they_refuse_we_refuse(arguments: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        theirs.DataLoader(range(4), **arguments)  # type: ignore[arg-type]
    with pytest.raises(NpnetError):
        ours.DataLoader(range(4), **arguments)

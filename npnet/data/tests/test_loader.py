"""What the loader adds to PyTorch's, and what it refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import npnet
from npnet.data import DataLoader, Subset, TensorDataset, default_collate, random_split
from npnet.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from npnet.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from npnet.random import Generator


@pytest.fixture
def table() -> TensorDataset:
    return TensorDataset(np.arange(20.0).reshape(10, 2), np.arange(10))


class Squares:
    """A dataset without arrays."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        assert type(index) is int
        return np.full(2, index), index**2


def test_sequential_batches_are_views(table: TensorDataset) -> None:
    for x, y in DataLoader(table, batch_size=4):
        assert np.shares_memory(x, table.tensors[0])
        assert np.shares_memory(y, table.tensors[1])


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1] * 10), (4, [4, 4, 2]), (10, [10]), (99, [10])])
def test_stochastic_mini_and_full_batches(table: TensorDataset, batch_size: int, sizes: list[int]) -> None:
    loader = DataLoader(table, batch_size=batch_size, shuffle=True, generator=Generator(0))
    batches = list(loader)
    assert [len(x) for x, _ in batches] == sizes
    assert len(loader) == len(sizes)
    seen = np.concatenate([y for _, y in batches])
    assert sorted(seen) == list(range(10))
    assert seen.tolist() != list(range(10))
    for x, y in batches:
        np.testing.assert_array_equal(x, table.tensors[0][y])


def test_passes_differ_and_a_seed_repeats_them(table: TensorDataset) -> None:
    loader = DataLoader(table, batch_size=10, shuffle=True)

    def two_passes() -> list[list[int]]:
        npnet.manual_seed(3)
        return [next(iter(loader))[1].tolist() for _ in range(2)]

    first = two_passes()
    assert first[0] != first[1]
    assert two_passes() == first


def test_an_order_does_not_depend_on_how_far_the_last_pass_was_read(table: TensorDataset) -> None:
    loader = DataLoader(table, batch_size=3, shuffle=True)

    def second_pass(read: int) -> list[int]:
        npnet.manual_seed(3)
        iterator = iter(loader)
        for _ in range(read):
            next(iterator)
        return [int(y) for _, batch in loader for y in batch]

    assert second_pass(1) == second_pass(4)


def test_subset_of_a_subset(table: TensorDataset) -> None:
    inner = Subset(Subset(table, [9, 7, 5, 3]), [3, 0, 1])
    assert inner[0][1] == 3
    assert inner[np.int64(1)][1] == 9
    assert inner[1:][1].tolist() == [9, 7]
    (batch,) = DataLoader(inner, batch_size=3)
    assert batch[1].tolist() == [3, 9, 7]


def test_transform_touches_the_first_array_only() -> None:
    images = np.full((3, 2), 255, np.uint8)
    loader = DataLoader(TensorDataset(images, images), 2, transform=lambda x: x.astype(np.float32) / 255)
    for first, second in loader:
        assert first.dtype == np.float32
        assert (first == 1).all()
        assert second.dtype == np.uint8
    assert (images == 255).all()


def test_transform_of_a_batch_that_is_one_array() -> None:
    (batch,) = DataLoader(Subset([1, 2, 3], [0, 2]), 2, transform=lambda x: -x)
    assert batch.tolist() == [-1, -3]


def test_any_object_with_length_and_items() -> None:
    batches = list(DataLoader(Squares(), batch_size=2, drop_last=True))
    assert [y.tolist() for _, y in batches] == [[0, 1], [4, 9]]
    assert batches[1][0].tolist() == [[2, 2], [3, 3]]
    shuffled = list(DataLoader(Squares(), batch_size=5, shuffle=True))
    assert sorted(shuffled[0][1]) == [0, 1, 4, 9, 16]


def test_without_a_batch_axis(table: TensorDataset) -> None:
    assert [int(y) for _, y in DataLoader(table, batch_size=None)] == list(range(10))
    whole = BatchSampler(SequentialSampler(table), 5, False)
    assert [len(y) for _, y in DataLoader(table, batch_size=None, sampler=whole)] == [5, 5]


def test_custom_samplers(table: TensorDataset) -> None:
    loader = DataLoader(table, batch_size=2, sampler=[5, 1, 8])
    assert [y.tolist() for _, y in loader] == [[5, 1], [8]]
    assert len(loader) == 2
    loader = DataLoader(table, batch_sampler=[[5, 1], [8]])
    assert [y.tolist() for _, y in loader] == [[5, 1], [8]]
    assert len(loader) == 2

    class Reversed(SequentialSampler):
        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(range(len(self) - 1, -1, -1))

    assert next(iter(DataLoader(table, batch_size=3, sampler=Reversed(table))))[1].tolist() == [9, 8, 7]


def test_collate_fn_replaces_gathering(table: TensorDataset) -> None:
    (batch,) = DataLoader(table, batch_size=10, collate_fn=lambda samples: len(samples))
    assert batch == 10


def test_collate_of_structures() -> None:
    batch = default_collate([{"x": np.ones(2), "name": "a"}, {"x": np.zeros(2), "name": "b"}])
    assert batch["x"].shape == (2, 2)
    assert batch["name"] == ["a", "b"]
    with pytest.raises(DtypeError, match="object"):
        default_collate([object()])
    with pytest.raises(ShapeError, match="one shape"):
        default_collate([np.ones(2), np.ones(3)])
    with pytest.raises(ShapeError, match="fields"):
        default_collate([(1, 2), (1,)])


def test_replacement_repeats_samples() -> None:
    sampler = RandomSampler(range(10), replacement=True, num_samples=100, generator=Generator(0))
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 100
    assert set(drawn) == set(range(10))
    batches = list(BatchSampler(sampler, 40, drop_last=False))
    assert [len(batch) for batch in batches] == [40, 40, 20]


def test_split_covers_everything_once(table: TensorDataset) -> None:
    parts = random_split(table, [0.5, 0.25, 0.25], Generator(0))
    assert [len(part) for part in parts] == [6, 2, 2]
    assert sorted(np.concatenate([part.indices for part in parts])) == list(range(10))
    npnet.manual_seed(0)
    first = random_split(table, [7, 3])[1].indices.tolist()
    npnet.manual_seed(0)
    assert random_split(table, [7, 3])[1].indices.tolist() == first


def test_split_refuses(table: TensorDataset) -> None:
    with pytest.raises(ArgumentError, match="sum to 9, but the dataset has 10"):
        random_split(table, [6, 3])
    with pytest.raises(ArgumentError, match="negative"):
        random_split(table, [11, -1])
    with pytest.raises(DtypeError, match="integers"):
        random_split(table, [6.5, 3.5])
    with pytest.warns(UserWarning, match=r"part 1 of the split is empty: 0\.05 of 10"):
        random_split(table, [0.95, 0.05])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(random_split(table, [10, 0])[1]) == 0


def test_dataset_refuses() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 1\), \(2,\)"):
        TensorDataset(np.ones((3, 1)), np.ones(2))
    with pytest.raises(ShapeError):
        TensorDataset(np.float64(1.0))
    with pytest.raises(DtypeError, match="list"):
        TensorDataset([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="at least one"):
        TensorDataset()
    dataset = TensorDataset(np.arange(3))
    with pytest.raises(IndexError):
        dataset[[0, 3]]
    with pytest.raises(DtypeError, match="flatnonzero"):
        dataset[np.array([True, False, True])]
    with pytest.raises(DtypeError, match="float64"):
        Subset(dataset, [0.5])  # type: ignore[list-item]
    with pytest.raises(IndexError, match="outside 3 samples"):
        Subset(dataset, [-4])
    assert dataset[[]][0].shape == (0,)


@pytest.mark.parametrize(
    "argument",
    [
        {"num_workers": 2},
        {"pin_memory": True},
        {"timeout": 1.0},
        {"worker_init_fn": print},
        {"multiprocessing_context": "fork"},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"pin_memory_device": "cuda"},
        {"in_order": False},
    ],
)
def test_loader_refuses_by_name(table: TensorDataset, argument: dict[str, object]) -> None:
    with pytest.raises(UnsupportedError, match=next(iter(argument))):
        DataLoader(table, **argument)  # type: ignore[arg-type]


def test_loader_refuses(table: TensorDataset) -> None:
    for batch_size in (0, -1):
        with pytest.raises(ArgumentError, match="batch_size"):
            DataLoader(table, batch_size=batch_size)
    with pytest.raises(DtypeError, match="batch_size"):
        DataLoader(table, batch_size=2.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="sampler"):
        DataLoader(table, sampler=[0], shuffle=True)
    with pytest.raises(ArgumentError, match="batch_sampler"):
        DataLoader(table, batch_size=2, batch_sampler=[[0]])
    with pytest.raises(ArgumentError, match="drop_last"):
        DataLoader(table, batch_size=None, drop_last=True)
    with pytest.raises(DtypeError, match="drop_last"):
        DataLoader(table, drop_last=1)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="TensorDataset"):
        DataLoader(iter([1, 2]))
    with pytest.raises(DtypeError, match="generator"):
        DataLoader(table, generator=np.random.default_rng(0))
    with pytest.raises(DtypeError, match="len"):
        len(DataLoader(table, sampler=iter([1])))
    with pytest.raises(DtypeError, match="has no len"):
        len(DataLoader(table, batch_sampler=iter([[1]])))


def test_sampler_refuses() -> None:
    with pytest.raises(ArgumentError, match="empty"):
        RandomSampler([])
    with pytest.raises(ArgumentError, match="num_samples"):
        RandomSampler(range(3), num_samples=0)
    with pytest.raises(DtypeError, match="num_samples"):
        RandomSampler(range(3), num_samples=1.5)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="replacement"):
        RandomSampler(range(3), replacement=1)  # type: ignore[arg-type]

"""Batches out of a dataset: ``DataLoader`` as in PyTorch.

PyTorch fetches the samples of a batch one by one and stacks them.  Here :mod:`npnet.data.subset` gives whole
batches of arrays; any other object with ``__len__`` and ``__getitem__`` is served sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from npnet.data.subset import gathers
from npnet.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from npnet.random import resolve

__all__ = ["DataLoader", "default_collate"]


class DataLoader:
    """Batches of a dataset, pass after pass.

    ``batch_size=1`` is stochastic training, ``batch_size=len(dataset)`` full-batch training, anything
    between mini-batch training.  A batch of a :class:`~npnet.data.TensorDataset` is a list with one array
    for each of its arrays; in sequential order they are views of it.

    Each pass draws one integer when it starts (PyTorch's seed for worker processes, drawn without workers
    too), then the order when the first batch is asked for, so that with a
    :class:`~npnet.random.TorchGenerator` batches come as PyTorch's do.  Both come from `generator`, or
    from the stream ``shuffle``; see :class:`RandomSampler`.

    Parameters
    ----------
    dataset : sized
        A :class:`~npnet.data.TensorDataset`, a :class:`~npnet.data.Subset`, or any object with ``__len__``
        and ``__getitem__``.
    batch_size : int or None, default 1
        Samples in a batch.  None hands out samples as they are, without a batch axis.
    shuffle : bool, optional
        A new random order in every pass.
    sampler : iterable of int, optional
        The order, instead of `shuffle`.
    batch_sampler : iterable of sequences of int, optional
        The batches, instead of `batch_size`, `shuffle`, `sampler` and `drop_last`.
    num_workers : int, default 0
        Only 0: a batch is gathered faster than it could be sent from another process.
    collate_fn : callable, optional
        Makes a batch of a list of samples; by default :func:`default_collate`.
    pin_memory : bool, default False
        Only False: arrays are kept on the device where they were put.
    drop_last : bool, default False
        Leave out a last batch that is not full.
    timeout, worker_init_fn, multiprocessing_context : optional
        Only their defaults: there are no workers.
    generator : npnet.random.Generator, optional
        Where the draws come from.
    prefetch_factor, persistent_workers, pin_memory_device, in_order : keyword-only
        Only their defaults: there are no workers.
    transform : callable, keyword-only, optional
        Applied to the first array of a batch (to the batch where it is no list): images stay uint8 in
        memory and become float a batch at a time.

    Raises
    ------
    UnsupportedError
        If an argument of PyTorch's that concerns workers or pinned memory is not at its default.
    ArgumentError
        If arguments exclude one another, or `batch_size` is not positive.
    DtypeError
        If the dataset has no length or no ``[]``.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.data import TensorDataset
    >>> images, labels = np.full((5, 2), 255, np.uint8), np.arange(5)
    >>> loader = DataLoader(
    ...     TensorDataset(images, labels), batch_size=2, transform=lambda x: x.astype("float32") / 255
    ... )
    >>> len(loader)
    3
    >>> for x, target in loader:
    ...     print(x.dtype, x.max(), target)
    float32 1.0 [0 1]
    float32 1.0 [2 3]
    float32 1.0 [4]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        transform: Callable[[Array], Array] | None = None,
    ) -> None:
        no_workers = "batches are gathered in this process, faster than another could send them"
        no_pinning = "arrays stay on the device where they were put; move the whole dataset there once"
        for name, value, default, reason in (
            ("num_workers", num_workers, 0, no_workers),
            ("pin_memory", pin_memory, False, no_pinning),
            ("timeout", timeout, 0, no_workers),
            ("worker_init_fn", worker_init_fn, None, no_workers),
            ("multiprocessing_context", multiprocessing_context, None, no_workers),
            ("prefetch_factor", prefetch_factor, None, no_workers),
            ("persistent_workers", persistent_workers, False, no_workers),
            ("pin_memory_device", pin_memory_device, "", no_pinning),
            ("in_order", in_order, True, no_workers),
        ):
            if value != default:
                raise UnsupportedError(f"{name}={value!r} is not supported: {reason}")
        if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
            raise DtypeError(
                f"a dataset has __len__ and __getitem__, got {type(dataset).__name__}; "
                "wrap arrays in npnet.data.TensorDataset"
            )
        resolve(generator, "shuffle")
        if sampler is not None and shuffle:
            raise ArgumentError("sampler and shuffle exclude one another: the sampler sets the order")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ArgumentError("batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if batch_size is None and drop_last:
            raise ArgumentError("drop_last=True needs a batch_size, got None")
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator
        self.transform = transform

    def __len__(self) -> int:
        order = self.sampler if self.batch_sampler is None else self.batch_sampler
        if not isinstance(order, Sized):
            raise DtypeError(f"a loader is as long as its sampler, and {type(order).__name__} has no len()")
        return len(order)

    def __iter__(self) -> Iterator[Any]:
        resolve(self.generator, "shuffle").random_()
        order = self.batch_sampler
        batches = self._samples() if order is None else self._batches(order)
        return batches if self.transform is None else map(self._transformed, batches)

    def _samples(self) -> Iterator[Any]:
        for index in self.sampler:
            sample = self.dataset[index]
            yield sample if self.collate_fn is None else self.collate_fn(sample)

    def _batches(self, order: Iterable[Any]) -> Iterator[Any]:
        collate = default_collate if self.collate_fn is None else self.collate_fn
        gather = collate is default_collate and gathers(self.dataset)
        if gather and type(order) is BatchSampler:
            dataset: Any = self.dataset
            for indices in order.batches(dataset.sent):
                yield list(dataset.gathered(indices))
            return
        for indices in order.batches() if type(order) is BatchSampler else order:
            if gather:
                yield list(self.dataset[indices])
            else:
                yield collate([self.dataset[_plain(index)] for index in indices])

    def _transformed(self, batch: Any) -> Any:
        if self.transform is None:
            return batch
        if isinstance(batch, list):
            return [self.transform(batch[0]), *batch[1:]]
        return self.transform(batch)


def default_collate(batch: Sequence[Any]) -> Any:
    """Make a batch of samples, as PyTorch's function of that name does.

    Arrays and numbers are stacked along a new first axis (Python numbers become int64, float64 or bool),
    strings are left as they are, tuples and lists of fields become a list of batches, mappings a dict of
    batches.

    Raises
    ------
    DtypeError
        If a sample is of another type.
    ShapeError
        If arrays, or the numbers of their fields, differ between samples.

    Examples
    --------
    >>> default_collate([(0.5, 1), (1.5, 0)])
    [array([0.5, 1.5]), array([1, 0])]
    """
    first = batch[0]
    if backend.is_array(first):
        shapes = {sample.shape for sample in batch}
        if len(shapes) > 1:
            raise ShapeError(f"samples of one batch have one shape, got {sorted(shapes)}")
        return np.stack(list(batch))
    if isinstance(first, (bool, int, float)):
        return np.array(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if len({len(sample) for sample in batch}) > 1:
            raise ShapeError("samples of one batch have equally many fields")
        return [default_collate(field) for field in zip(*batch, strict=True)]
    raise DtypeError(
        f"cannot make a batch of {type(first).__name__}; samples are arrays, numbers, strings, or tuples and "
        "dicts of them. Give collate_fn= for anything else"
    )


def _plain(index: Any) -> Any:
    return int(index) if isinstance(index, np.integer) else index

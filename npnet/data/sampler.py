"""The order in which a loader visits its samples.

A sampler is anything that can be iterated over and yields indices.  Those here also hand them out in
*chunks*, arrays as long as one draw made them, so that a batch is a slice of a chunk and no Python loop
walks over samples.  Chunks are drawn when they are needed and not before, so a generator that others
share is moved at the same moments as in PyTorch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, TypeAlias

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError, ShapeError
from npnet.random import resolve

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

Indices: TypeAlias = range | Array
"""Indices of consecutive samples, or of any."""

_CHUNK = 32
"""Samples with replacement are drawn so many at a time, as in PyTorch: the draws of a pass depend on it."""


def _as_they_are(indices: Indices) -> Indices:
    return indices


class SequentialSampler:
    """Every index once, in order.

    Parameters
    ----------
    data_source : sized
        What the indices point into.

    Examples
    --------
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __len__(self) -> int:
        return len(self.data_source)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def chunks(self) -> Iterator[Indices]:
        """All indices as one range, which a loader turns into slices."""
        yield range(len(self.data_source))


class RandomSampler:
    r"""Indices in random order, or drawn with replacement.

    With a `generator` a pass draws from it.  Without, it draws one seed from the stream ``shuffle`` and
    the order from a fresh generator of the same kind, so that orders do not depend on how far an earlier
    pass was read.

    Without replacement a pass draws :math:`\lfloor m / n \rfloor + 1` permutations for :math:`m` samples
    out of :math:`n`, the last one cut to :math:`m \bmod n`.  It is drawn even where nothing of it is left,
    since PyTorch does so, and the next pass starts from where that leaves the generator.

    Parameters
    ----------
    data_source : sized
        What the indices point into.
    replacement : bool, default False
        Draw each index anew.
    num_samples : int, optional
        Length of a pass; by default that of `data_source`, asked anew in every pass.
    generator : npnet.random.Generator, optional
        Where the draws come from.

    Raises
    ------
    DtypeError
        If `replacement` is no bool or `num_samples` no integer.
    ArgumentError
        If there is nothing to sample.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> list(RandomSampler(range(5), generator=Generator(0)))
    [4, 0, 1, 3, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise DtypeError(f"replacement is True or False, got {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = None if num_samples is None else _positive("num_samples", num_samples)
        if self.num_samples == 0:
            raise ArgumentError("there is nothing to sample: the data source is empty")
        resolve(generator, "shuffle")
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """Length of a pass."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        for chunk in self.chunks():
            yield from map(int, chunk)

    def chunks(self) -> Iterator[Indices]:
        """One array of indices a draw."""
        generator = self.generator
        if generator is None:
            stream = resolve(None, "shuffle")
            generator = type(stream)(stream.random_())
        size = len(self.data_source)
        if self.replacement:
            for _ in range(self.num_samples // _CHUNK):
                yield generator.randint(0, size, (_CHUNK,))
            yield generator.randint(0, size, (self.num_samples % _CHUNK,))
        else:
            for _ in range(self.num_samples // size):
                yield generator.randperm(size)
            yield generator.randperm(size)[: self.num_samples % size]


class SubsetRandomSampler:
    """Given indices in random order.

    Parameters
    ----------
    indices : sequence of int
        What is handed out, each once a pass.
    generator : npnet.random.Generator, optional
        Where the draws come from; by default the stream ``shuffle``.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> list(SubsetRandomSampler([40, 10, 20, 30], Generator(0)))
    [30, 40, 10, 20]
    """

    def __init__(self, indices: Sequence[int] | Array, generator: Any = None) -> None:
        resolve(generator, "shuffle")
        self.indices = indices
        self.generator = generator

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        for place in resolve(self.generator, "shuffle").randperm(len(self.indices)):
            yield int(self.indices[place])


class WeightedRandomSampler:
    """Indices drawn in proportion to weights, so that rare classes can be met as often as others.

    Parameters
    ----------
    weights : sequence of float
        One for each sample of the data, not negative; they need not sum to one.
    num_samples : int
        Length of a pass.
    replacement : bool, default True
        Draw each index anew; without, a sample comes once at most, and `num_samples` of the weights must be
        positive.
    generator : npnet.random.Generator, optional
        Where the draws come from; by default the stream ``shuffle``.

    Raises
    ------
    DtypeError
        If `num_samples` is no integer or `replacement` no bool.
    ArgumentError
        If `num_samples` is not positive, or the weights cannot be drawn from.
    ShapeError
        If the weights are no vector.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> list(WeightedRandomSampler([0.0, 1.0, 3.0], 6, generator=Generator(0)))
    [2, 1, 2, 1, 2, 2]
    """

    def __init__(
        self,
        weights: Sequence[float] | Array,
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise DtypeError(f"replacement is True or False, got {replacement!r}")
        self.weights: Array = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ShapeError(f"weights are a vector, got shape {self.weights.shape}")
        self.num_samples = _positive("num_samples", num_samples)
        self.replacement = replacement
        resolve(generator, "shuffle")
        self.generator = generator

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        draw = resolve(self.generator, "shuffle").multinomial
        yield from map(int, draw(self.weights, self.num_samples, self.replacement))


class BatchSampler:
    """The indices of a sampler, a batch at a time.

    Parameters
    ----------
    sampler : iterable of int
        The order of the samples.
    batch_size : int
        Samples in a batch; 1 is stochastic, the length of the data full-batch training.
    drop_last : bool
        Leave out a last batch that is not full.

    Raises
    ------
    ArgumentError
        If `batch_size` is not positive.
    DtypeError
        If `batch_size` is no integer or `drop_last` no bool.

    Examples
    --------
    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(drop_last, bool):
            raise DtypeError(f"drop_last is True or False, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = _positive("batch_size", batch_size)
        self.drop_last = drop_last

    def __len__(self) -> int:
        if not isinstance(self.sampler, Sized):
            raise DtypeError(f"the sampler {type(self.sampler).__name__} has no len()")
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole if self.drop_last or rest == 0 else whole + 1

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches():
            yield list(map(int, batch))

    def batches(self, send: Callable[[Indices], Indices] = _as_they_are) -> Iterator[Indices]:
        """The same batches as ranges and arrays; `send` brings the indices of many batches where they go."""
        chunks = self._chunks()
        held: Indices = range(0)
        size = self.batch_size
        while True:
            whole = len(held) - len(held) % size
            if whole:
                sent = send(held[:whole])
                for start in range(0, whole, size):
                    yield sent[start : start + size]
            held = held[whole:]
            pieces, count = [held], len(held)
            while count < size and (chunk := next(chunks, None)) is not None:
                pieces.append(chunk)
                count += len(chunk)
            if count == len(held):  # nothing more came
                break
            pieces = [piece for piece in pieces if len(piece) > 0]
            held = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        if len(held) > 0 and not self.drop_last:
            yield send(held)

    def _chunks(self) -> Iterator[Indices]:
        sampler = self.sampler
        # By type, since a subclass may iterate in another order.
        if type(sampler) is SequentialSampler or type(sampler) is RandomSampler:
            yield from sampler.chunks()
            return
        indices = iter(sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            yield np.asarray(batch)


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise DtypeError(f"{name} is a positive integer, got {value!r}")
    if value <= 0:
        raise ArgumentError(f"{name} is a positive integer, got {value}")
    return int(value)

"""Arrays as a dataset, and parts of one: ``TensorDataset``, ``Subset`` and ``random_split`` as in PyTorch.

A batch of a :class:`TensorDataset`, or of a :class:`Subset` of one, is gathered by one ``numpy.take`` an
array, and is a plain slice, without a copy, where the order is sequential.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.data.sampler import Indices
from npnet.errors import ArgumentError, DtypeError, ShapeError
from npnet.random import resolve

__all__ = ["Subset", "TensorDataset", "gathers", "random_split"]


class TensorDataset:
    """Arrays that share their first axis; sample ``i`` is the tuple of their rows ``i``.

    Parameters
    ----------
    *tensors : array
        At least one, each with the same length, on any device.

    Attributes
    ----------
    tensors : tuple of array
        The arrays themselves, not copies.

    Raises
    ------
    ArgumentError
        If no array is given.
    DtypeError
        If one of them is no array.
    ShapeError
        If their lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> dataset = TensorDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 1]))
    >>> dataset[[2, 0]]
    (array([[4., 5.], [0., 1.]]), array([1, 0]))
    """

    def __init__(self, *tensors: Array) -> None:
        if not tensors:
            raise ArgumentError("TensorDataset takes at least one array, got none")
        self._devices = [backend.device_of(tensor) for tensor in tensors]
        self._on_host = set(self._devices) == {"cpu"}
        shapes = [tensor.shape for tensor in tensors]
        if any(shape == () for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ShapeError(
                "arrays of one dataset have the same length along their first axis, got shapes "
                + ", ".join(str(shape) for shape in shapes)
            )
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Array, ...]:
        """One sample for an integer, a batch for a slice, a range or a sequence of integers."""
        if type(index) is not np.ndarray:
            if isinstance(index, range) and index.step == 1:
                index = slice(index.start, index.stop)
            if isinstance(index, (int, np.integer, slice)):
                return tuple(tensor[index] for tensor in self.tensors)
        return self.gathered(self.sent(_indices(index)))

    def sent(self, indices: Indices) -> Indices:
        """Indices, if they are no range, on the device of the arrays, if they share one."""
        if self._on_host or isinstance(indices, range):
            return indices
        _check_range(indices, len(self))  # a device wraps what NumPy refuses
        return backend.to_device(indices, self._devices[0]) if len(set(self._devices)) == 1 else indices

    def gathered(self, indices: Indices) -> tuple[Array, ...]:
        """The batch of some indices that were :meth:`sent`, on their own or with others."""
        if isinstance(indices, range):
            return self[indices]
        if self._on_host:
            return tuple([tensor.take(indices, axis=0) for tensor in self.tensors])
        places = {device: backend.to_device(indices, device) for device in set(self._devices)}
        return tuple(
            np.take(tensor, places[device], axis=0)
            for tensor, device in zip(self.tensors, self._devices, strict=True)
        )


class Subset:
    """Some samples of a dataset, under new indices.

    Parameters
    ----------
    dataset : sized
        The whole.
    indices : sequence of int
        Sample ``i`` of the subset is sample ``indices[i]`` of the whole.

    Attributes
    ----------
    indices : ndarray of int64
        As given, as an array.

    Raises
    ------
    DtypeError
        If `indices` are no integers; a mask goes through ``numpy.flatnonzero`` first.
    IndexError
        If one of them lies outside the dataset.

    Examples
    --------
    >>> Subset("abcdef", [4, 1])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        self.indices = _indices(indices)
        _check_range(self.indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        """One sample for an integer, else what the dataset gives for several indices."""
        if isinstance(index, (int, np.integer)):
            return self.dataset[int(self.indices[index])]
        if isinstance(index, range) and index.step == 1:
            index = slice(index.start, index.stop)
        return self.dataset[self.indices[index if isinstance(index, slice) else _indices(index)]]

    def sent(self, indices: Indices) -> Indices:
        """As :meth:`TensorDataset.sent`, of the whole's indices; where it :func:`gathers`."""
        sent: Indices = self.dataset.sent(self.indices[_indices(indices)])
        return sent

    def gathered(self, indices: Indices) -> tuple[Array, ...]:
        """As :meth:`TensorDataset.gathered`."""
        batch: tuple[Array, ...] = self.dataset.gathered(indices)
        return batch


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Any = None) -> list[Subset]:
    r"""Split a dataset at random into parts that do not overlap.

    One permutation of all indices is drawn and cut.  Lengths that sum to one are fractions: part
    :math:`k` gets :math:`\lfloor f_k n \rfloor` samples, and what is left goes to the parts one by one,
    the first part first, as in PyTorch.

    Parameters
    ----------
    dataset : sized
        What is split.
    lengths : sequence of int or float
        Sizes that sum to ``len(dataset)``, or fractions that sum to one.
    generator : npnet.random.Generator, optional
        Where the draw comes from; by default the stream ``split``.

    Returns
    -------
    list of Subset

    Raises
    ------
    ArgumentError
        If the lengths do not add up, or one is negative.
    DtypeError
        If a length that is no fraction is no integer.

    Warns
    -----
    UserWarning
        If a fraction leaves a part empty.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25], Generator(0))]
    [6, 2, 2]
    """
    size = len(dataset)
    counts = _part_sizes(size, lengths)
    order = resolve(generator, "split").randperm(size)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


def _part_sizes(size: int, lengths: Sequence[int | float]) -> list[int]:
    if any(length < 0 for length in lengths):
        raise ArgumentError(f"a part cannot have a negative length, got {list(lengths)}")
    total = sum(lengths)
    if math.isclose(total, 1) and total <= 1:
        counts = [math.floor(size * fraction) for fraction in lengths]
        for extra in range(size - sum(counts)):
            counts[extra % len(counts)] += 1
        for part, count in enumerate(counts):
            if count == 0:
                warnings.warn(f"part {part} of the split is empty: {lengths[part]} of {size}", stacklevel=3)
        return counts
    if not all(isinstance(length, (int, np.integer)) for length in lengths):
        raise DtypeError(f"lengths are integers, or fractions that sum to 1; got {list(lengths)}")
    if total != size:
        raise ArgumentError(f"lengths sum to {total}, but the dataset has {size} samples")
    return [int(length) for length in lengths]


def gathers(dataset: Any) -> bool:
    """Whether one ``[]`` with many indices gives a whole batch."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset


def _indices(index: Sequence[int] | Array) -> Array:
    given = type(index) is np.ndarray or backend.is_array(index)
    indices: Array = index if given else np.asarray(index)  # type: ignore[assignment]
    if indices.size == 0:
        indices = indices.astype(np.int64)
    if indices.dtype.kind not in "iu" or indices.ndim != 1:
        raise DtypeError(
            f"indices are a sequence of integers, got {indices.dtype} with shape {indices.shape}; "
            "a mask goes through numpy.flatnonzero first"
        )
    return indices


def _check_range(indices: Array, size: int) -> None:
    if indices.size and not -size <= int(indices.min()) <= int(indices.max()) < size:
        raise IndexError(f"indices from {indices.min()} to {indices.max()} point outside {size} samples")

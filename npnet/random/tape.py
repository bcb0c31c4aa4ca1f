"""Dropout masks kept and given back."""

from __future__ import annotations

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import StateError
from npnet.random.generator import Generator, Shape
from npnet.random.streams import resolve

__all__ = ["RecordingGenerator", "ReplayGenerator"]


class RecordingGenerator:
    """A generator that keeps the masks that it draws, for :class:`ReplayGenerator` or another library.

    Parameters
    ----------
    source : Generator
        Where the draws come from; None means the ``dropout`` stream.

    Attributes
    ----------
    tape : list of ndarray
        The masks, in the order in which they were drawn, on the host.

    Examples
    --------
    >>> recorder = RecordingGenerator(Generator(0))
    >>> mask = recorder.bernoulli(0.5, (4,))
    >>> bool((ReplayGenerator(recorder.tape).bernoulli(0.5, (4,)) == mask).all())
    True
    """

    def __init__(self, source: Generator | None = None) -> None:
        self.source = source
        self.tape: list[Array] = []

    def bernoulli(self, p: float, shape: Shape, *, like: Array | None = None) -> Array:
        """Draw as the source does, and keep a copy."""
        mask: Array = resolve(self.source, "dropout").bernoulli(p, shape, like=like)
        self.tape.append(np.array(backend.to_host(mask)))
        return mask


class ReplayGenerator:
    """A generator whose masks are read from a tape.

    Raises
    ------
    StateError
        When the tape is at its end, or its next mask has another shape than asked for.
    """

    def __init__(self, tape: list[Array]) -> None:
        self.tape = tape
        self.position = 0

    def bernoulli(self, p: float, shape: Shape, *, like: Array | None = None) -> Array:
        """The next mask of the tape, on the device of `like`."""
        if self.position >= len(self.tape):
            raise StateError(f"the tape holds {len(self.tape)} masks, and another one was asked for")
        mask = self.tape[self.position]
        if mask.shape != shape:
            raise StateError(f"mask {self.position} of the tape has shape {mask.shape}, asked for {shape}")
        self.position += 1
        return mask if like is None else backend.to_device(mask, backend.device_of(like))

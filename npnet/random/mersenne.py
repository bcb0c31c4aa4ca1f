"""The bits under PyTorch's CPU generator: MT19937, its seed, and its state as PyTorch writes it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError, StateError, UnsupportedError

__all__ = ["MersenneBits", "pieces"]

_WORDS = 624
_STATE = np.dtype(
    [
        ("initial_seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", _WORDS),
        ("unused_x", "<f8"),
        ("spare", "<f8"),
        ("unused_rho", "<f8"),
        ("has_spare", "<i4"),
        ("padding", "<i4"),
        ("float_spare", "<f4"),
        ("has_float_spare", "<i4"),
    ]
)
"""The 5,056 bytes of ``torch.Generator.get_state()``: MT19937, and the second half of a Box-Muller pair."""

_GPU_STATE_BYTES = 16

_PIECE = 16 * 1024
"""Numbers made at a time: they stay in the cache while they are made."""


class MersenneBits:
    """Words of MT19937 as PyTorch takes them, and fractions made of their bits."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.MT19937()
        self._numpy = np.random.Generator(self._bits)
        self.manual_seed(seed)

    # ---- seed and state

    def manual_seed(self, seed: int) -> Self:
        """Start again from `seed`; returns the generator itself."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise DtypeError(f"a seed is an integer, got {seed!r}")
        if not -(2**63) <= seed < 2**64:
            raise ArgumentError(f"a seed lies between -2**63 and 2**64 - 1, got {seed}")
        self._initial_seed = int(seed) % 2**64
        self._place(_seeded_words(self._initial_seed), _WORDS)
        self._spare: float | None = None
        return self

    def seed(self) -> int:
        """Start again from the operating system's entropy; returns the seed."""
        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def initial_seed(self) -> int:
        """The seed of the last start, modulo 2**64."""
        return self._initial_seed

    def get_state(self) -> Array:
        """The state as PyTorch's 5,056 bytes, a uint8 array for ``torch.from_numpy``."""
        inner = self._bits.state["state"]
        words, position = inner["key"], int(inner["pos"])
        if position == _WORDS and np.array_equal(words, _seeded_words(self._initial_seed)):
            position = 0  # nothing drawn yet: PyTorch has not gone to the end of the words, but not begun
        state = np.zeros((), dtype=_STATE)
        state["initial_seed"], state["seeded"] = self._initial_seed, 1
        state["left"], state["next"] = (1, 0) if position == 0 else (_WORDS + 1 - position, position)
        state["words"] = words
        if self._spare is not None:
            state["spare"], state["has_spare"] = self._spare, 1
        return np.frombuffer(state.tobytes(), dtype=np.uint8).copy()

    def set_state(self, new_state: Any) -> Self:
        """Continue from what :meth:`get_state`, or ``torch.Generator.get_state``, returned.

        Raises
        ------
        DtypeError
            If it is no array of bytes.
        UnsupportedError
            If it is the state of PyTorch's generator on a GPU.
        StateError
            If it is not the state of PyTorch's CPU generator.
        """
        raw = np.asarray(new_state)
        if raw.dtype != np.uint8:
            raise DtypeError(f"a generator's state is an array of uint8, got {raw.dtype}")
        if raw.shape == (_GPU_STATE_BYTES,):
            raise UnsupportedError(
                f"{_GPU_STATE_BYTES} bytes are the state of PyTorch's generator on a GPU (Philox); only that "
                f"on the CPU is reproduced, whose state has {_STATE.itemsize} bytes"
            )
        if raw.shape != (_STATE.itemsize,):
            raise StateError(
                f"the state of PyTorch's CPU generator has {_STATE.itemsize} bytes, got shape {raw.shape}; "
                "a state of another device or release is not reproduced"
            )
        state = np.frombuffer(raw.tobytes(), dtype=_STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        fresh = (left, position) == (1, 0)
        if int(state["seeded"]) != 1 or not (fresh or (left >= 1 and left + position == _WORDS + 1)):
            raise StateError("the bytes are not the state of a seeded MT19937")
        self._initial_seed = int(state["initial_seed"])
        self._place(state["words"].astype(np.uint32), _WORDS if fresh else position)
        self._spare = float(state["spare"]) if state["has_spare"] else None
        return self

    def _place(self, words: Array, position: int) -> None:
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": position}}

    # ---- words and fractions

    def _draw32(self, count: int) -> Array:
        return self._numpy.integers(0, 2**32, count, dtype=np.uint32)

    def _draw64(self, count: int) -> Array:
        """Numbers of 64 bits, the word drawn first as the high half."""
        pairs = self._numpy.integers(0, 2**64, count, dtype=np.uint64)
        return pairs if _HIGH_WORD_FIRST else _swap_halves(pairs)

    def _draw53(self, count: int) -> Array:
        """What is a float64 fraction after division by 2**53."""
        pairs = self._draw64(count)
        pairs &= np.uint64(2**53 - 1)
        return pairs

    def _fill_units(self, out: Array) -> None:
        """Fill a vector of float32 or float64, a piece of one, with uniforms on [0, 1)."""
        if out.dtype == np.float32:
            words = self._draw32(out.size)
            words &= np.uint32(2**24 - 1)
            out[:] = words.view(np.int32)  # signed integers convert faster
            out *= np.float32(2.0**-24)
        else:
            out[:] = self._draw53(out.size).view(np.int64)
            out *= 2.0**-53

    def _units(self, count: int, dtype: np.dtype[Any]) -> Iterator[tuple[slice, Array]]:
        """Uniforms on [0, 1), a piece at a time, and where each piece lies."""
        for where in pieces(count):
            units = np.empty(where.stop - where.start, dtype=dtype)
            self._fill_units(units)
            yield where, units


def pieces(count: int) -> Iterator[slice]:
    """Slices that cover so many numbers, each fit for the cache, and all but the last a multiple of 16."""
    for start in range(0, count, _PIECE):
        yield slice(start, min(start + _PIECE, count))


def _seeded_words(seed: int) -> Array:
    """MT19937's 624 words for a seed, as Matsumoto and Nishimura initialise them."""
    words: Array = np.random.RandomState(seed % 2**32).get_state(legacy=False)["state"]["key"]
    return words


def _swap_halves(pairs: Array) -> Array:
    high = pairs << np.uint64(32)
    pairs >>= np.uint64(32)
    pairs |= high
    return pairs


def _takes_high_word_first() -> bool:
    """Whether this build of NumPy makes 64 bits of two words in PyTorch's order; C leaves it open."""
    words, pairs = (np.random.Generator(np.random.MT19937(0)) for _ in range(2))
    high = int(words.integers(0, 2**32, 2, dtype=np.uint32)[0])
    return int(pairs.integers(0, 2**64, 1, dtype=np.uint64)[0]) >> 32 == high


_HIGH_WORD_FIRST = _takes_high_word_first()

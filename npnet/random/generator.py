"""The generator that npnet draws from by default."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, DtypeError, StateError

__all__ = ["Generator", "check_weights", "seed_sequence"]

Shape = tuple[int, ...]

_UINT16 = np.dtype(np.uint16)


class Generator:
    r"""A stream of random numbers over NumPy's SFC64.

    Its methods are the draws that npnet makes, named as in PyTorch; any object that offers them can be
    passed as ``generator=``.

    Parameters
    ----------
    seed : int, numpy.random.SeedSequence or None
        Start of the stream; a negative integer counts modulo :math:`2^{64}`, as in PyTorch.  None takes
        the operating system's entropy.
    host_only : bool, keyword-only, default False
        Draw dropout masks on the host and copy them, so that they are the same on every device.

    Examples
    --------
    >>> Generator(0).randperm(5)
    array([4, 0, 1, 3, 2])
    """

    def __init__(self, seed: int | np.random.SeedSequence | None = None, *, host_only: bool = False) -> None:
        self.host_only = host_only
        self._device_draws: dict[str, Any] = {}
        self.manual_seed(seed)

    def manual_seed(self, seed: int | np.random.SeedSequence | None) -> Generator:
        """Start again from `seed`; returns the generator itself."""
        sequence = seed if isinstance(seed, np.random.SeedSequence) else seed_sequence(seed)
        self._bits = np.random.SFC64(sequence)
        self._numpy = np.random.Generator(self._bits)
        self._device_draws.clear()
        return self

    def get_state(self) -> dict[str, Any]:
        """The state as plain numbers and lists, fit for JSON."""
        state: dict[str, Any] = dict(self._bits.state)
        inner = {key: [int(word) for word in value] for key, value in state["state"].items()}
        return {
            "bit_generator": state["bit_generator"],
            "state": inner,
            "has_uint32": int(state["has_uint32"]),
            "uinteger": int(state["uinteger"]),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`get_state` returned.

        Raises
        ------
        StateError
            If it is not the state of such a generator.
        """
        try:
            inner = {key: np.array(value, dtype=np.uint64) for key, value in state["state"].items()}
            self._bits.state = cast("Any", {**state, "state": inner})
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise StateError(f"not the state of an npnet generator: {error}") from error

    def uniform(self, low: float, high: float, shape: Shape, dtype: DTypeLike) -> Array:
        r"""Draw :math:`U[\mathrm{low}, \mathrm{high})` on the host."""
        draws: Array = self._numpy.random(shape, dtype=_float_type(dtype))
        return draws * (high - low) + low

    def normal(self, mean: float, std: float, shape: Shape, dtype: DTypeLike) -> Array:
        r"""Draw :math:`N(\mathrm{mean}, \mathrm{std}^2)` on the host."""
        draws: Array = self._numpy.standard_normal(shape, dtype=_float_type(dtype))
        return draws * std + mean

    def randperm(self, n: int) -> Array:
        """Draw a permutation of ``0 ... n - 1`` on the host."""
        return self._numpy.permutation(n)

    def randint(self, low: int, high: int, shape: Shape) -> Array:
        """Draw integers, `low` included and `high` not, on the host."""
        return self._numpy.integers(low, high, shape)

    def multinomial(self, input: Array, num_samples: int, replacement: bool = False) -> Array:  # noqa: A002
        """Draw indices with probabilities in proportion to `input`, a vector of weights, on the host.

        Raises
        ------
        ArgumentError
            If the weights are not finite, negative or all zero, or too few of them are positive.
        """
        check_weights(input, num_samples, replacement)
        weights = np.asarray(input, dtype=np.float64)
        return self._numpy.choice(weights.size, num_samples, replacement, weights / weights.sum())

    def random_(self) -> int:
        """Draw one 63-bit integer, the seed of another generator."""
        return int(self._bits.random_raw() >> 1)

    def bernoulli(self, p: float, shape: Shape, *, like: Array | None = None) -> Array:
        r"""Draw booleans that are True with probability `p`, on the device of `like`.

        On the host an element costs 16 random bits :math:`u`: it is True when :math:`u < \lfloor 2^{16} p
        \rfloor`; the ties, one element in :math:`2^{16}`, are resolved by 53 further bits, so that `p`
        stays exact.

        Raises
        ------
        ArgumentError
            If `p` is not within 0 and 1.
        """
        return self.bernoullis(p, [shape], like=like)[0]

    def bernoullis(self, p: float, shapes: Sequence[Shape], *, like: Array | None = None) -> list[Array]:
        """Draw several arrays of booleans, the same as :meth:`bernoulli` draws one after another, at once.

        Examples
        --------
        >>> masks, generator = Generator(0).bernoullis(0.7, [(3,), (2, 2)]), Generator(0)
        >>> [bool((mask == generator.bernoulli(0.7, mask.shape)).all()) for mask in masks]
        [True, True]
        """
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"a probability lies between 0 and 1, got {p}")
        if like is None or type(like) is np.ndarray:
            return self._bernoullis_on_host(p, shapes)
        device = backend.device_of(like)
        if device != "cpu" and not self.host_only:
            return [self._bernoulli_on(device, p, shape) for shape in shapes]
        return [backend.to_device(mask, device) for mask in self._bernoullis_on_host(p, shapes)]

    def _bernoullis_on_host(self, p: float, shapes: Sequence[Shape]) -> list[Array]:
        """Each array takes words of 64 bits for four elements each, then one for each tie."""
        threshold, rest = _threshold(p)
        parts, count = _parts(tuple(map(tuple, shapes)))
        words = self._bits.random_raw(count)
        if threshold is None:
            return [np.ones(shape, dtype=bool) for shape in shapes]
        draws = words.view(_UINT16)
        if not rest or not (tied := draws == threshold)[tied.argmax()]:
            masks = draws < threshold
            return [masks[part].reshape(shape) for part, shape in parts]
        found = []
        for part, shape in parts:
            size = part.stop - part.start
            words = self._more(words, size // 4 + 1)
            draws, words = words[: size // 4 + 1].view(_UINT16)[:size], words[size // 4 + 1 :]
            mask = draws < threshold
            (ties,) = (draws == threshold).nonzero()
            words = self._more(words, ties.size)
            mask[ties] = (words[: ties.size] >> 11) * 2.0**-53 < rest
            words = words[ties.size :]
            found.append(mask.reshape(shape))
        return found

    def _more(self, words: Array, count: int) -> Array:
        """At least `count` words."""
        return np.concatenate([words, self._bits.random_raw(max(count - words.size, 0))])

    def _bernoulli_on(self, device: str, p: float, shape: Shape) -> Array:
        if device not in self._device_draws:
            self._device_draws[device] = backend.uniform_source(device, self.random_())
        draws: Array = self._device_draws[device](shape)
        mask: Array = draws < p
        return mask


@functools.lru_cache(maxsize=64)
def _parts(shapes: tuple[Shape, ...]) -> tuple[list[tuple[slice, Shape]], int]:
    """Where arrays of 16-bit draws lie in words of 64 bits, each in its own; and how many words these are."""
    parts, words = [], 0
    for shape in shapes:
        size = math.prod(shape)
        parts.append((slice(4 * words, 4 * words + size), shape))
        words += size // 4 + 1
    return parts, words


@functools.lru_cache(maxsize=64)
def _threshold(p: float) -> tuple[Array | None, float]:
    """The probability in 65,536ths, in the draws' dtype (NumPy would compare them as float64), and the rest.

    None in place of what is no 16-bit number: 1.
    """
    whole, rest = divmod(p * 65536.0, 1.0)
    return None if whole == 65536.0 else np.array(whole, _UINT16), rest


def _float_type(dtype: DTypeLike) -> type[np.float32 | np.float64]:
    return np.float32 if backend.floating_dtype(dtype) == np.float32 else np.float64


def check_weights(weights: Array, num_samples: int, replacement: bool) -> None:
    """Refuse weights, in the last axis, that so many samples cannot be drawn from."""
    if not (np.isfinite(weights).all() and (weights >= 0.0).all() and (weights > 0.0).any(axis=-1).all()):
        raise ArgumentError("weights are finite, not negative, and not all zero")
    if num_samples < 1:
        raise ArgumentError(f"num_samples is at least 1, got {num_samples}")
    positive = int((weights > 0.0).sum(axis=-1).min())
    if num_samples > positive and not replacement:
        raise ArgumentError(
            f"cannot draw {num_samples} samples without replacement: {positive} weights are positive"
        )


def seed_sequence(seed: int | None, key: str | None = None) -> np.random.SeedSequence:
    """The seed sequence of a seed and a name, so that streams of one seed are independent."""
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise DtypeError(f"a seed is an integer, got {seed!r}")
        seed = int(seed) % 2**64
    if key is None:
        return np.random.SeedSequence(seed)
    import hashlib  # takes milliseconds to load, and only seeding by name needs it

    digest = hashlib.sha256(key.encode()).digest()
    return np.random.SeedSequence(seed, spawn_key=(int.from_bytes(digest[:4], "little"),))

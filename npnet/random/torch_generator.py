r"""PyTorch's CPU generator, so that a PyTorch run can be replayed from its seed without PyTorch."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, DtypeError, ShapeError, StateError, UnsupportedError
from npnet.random.arithmetic import elementwise, fma, log_float32, sincos_float32

__all__ = ["TorchGenerator"]

Shape = tuple[int, ...]

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

_FLOAT64 = np.dtype(np.float64)

_WIDE_RANGE = 2**28
"""From this many values on an integer costs 64 random bits instead of 32."""

_LONGEST_PERMUTATION = (2**32 - 1) // 20
"""From this length on ``torch.randperm`` takes another algorithm."""

_BLOCK = 16
"""Normals come in blocks of eight pairs, if there are at least so many."""

_PIECE = 1024 * _BLOCK
"""Numbers made at a time."""


class TorchGenerator:
    r"""Random numbers bit for bit as ``torch.Generator()`` on a CPU draws them.

    The bits are those of MT19937, seeded with the seed modulo :math:`2^{32}`; a draw of 64 bits is two of
    32, the high word first.  What is made of them, with :math:`u` one draw's low 24 (float32) or 53
    (float64) bits as a fraction:

    ====================  ================================================================================
    ``uniform_``          :math:`a + (b - a) u` in one rounding; a value rounded up to :math:`b` becomes
                          :math:`a`
    ``bernoulli_``        :math:`u < p`, with a float64 :math:`u` whatever the array's dtype, where `p` is a
                          number; with a :math:`u` of `p`'s dtype where it is an array
    ``randint``           one draw modulo the range, of 64 bits from a range of :math:`2^{28}` on
    ``random_``           one draw modulo the largest value of the dtype plus one
    ``randperm``          Fisher-Yates from the front: swap :math:`i` with :math:`i + (\mathrm{draw} \bmod
                          (n - i))`
    ``normal_``           Box-Muller: :math:`\sqrt{-2 \log(1 - u_1)}` times cosine and sine of
                          :math:`2 \pi u_2`.  Below 16 elements pair after pair in float64, the angle from
                          the first draw, an unused sine kept for the next call.  From 16 on in blocks of
                          eight radii and eight angles, in the array's dtype; a last block that is not full
                          is drawn anew over the last 16 elements.
    ``exponential_``      :math:`-\log(1 - u) / \lambda`, in float64
    ``multinomial``       with replacement by bisection of the cumulated weights; without, or for one sample,
                          the largest of weight over exponential
    ====================  ================================================================================

    Equal to the last bit to PyTorch 2.13 on an x86 processor with AVX2, whatever the number of threads.
    PyTorch restricted to older instructions (``ATEN_CPU_CAPABILITY=default``) rounds ``uniform_`` with
    bounds other than 0 and 1, and normals, differently in the last bits.  Logarithms, sines and cosines
    of float64 come from the C library of the machine in both programs.

    It has every draw of :class:`~npnet.random.Generator` too, so it can be passed wherever that can.  All
    draws are made on the host, dropout masks included.

    Parameters
    ----------
    seed : int, default 67280421310721
        From :math:`-2^{63}` to :math:`2^{64} - 1`; a negative one counts modulo :math:`2^{64}`.  The
        default is that of ``torch.Generator()``.

    Raises
    ------
    ArgumentError
        If the seed, a bound, a probability or a size lies outside what PyTorch takes.
    DtypeError
        If the seed is no integer, or an array has a dtype for which the draw is not defined.
    UnsupportedError
        If another device's generator is asked for.

    Examples
    --------
    >>> generator = TorchGenerator().manual_seed(0)
    >>> generator.rand(2)
    array([0.4962566, 0.7682218], dtype=float32)
    >>> generator.randperm(5)
    array([3, 1, 0, 4, 2])

    References
    ----------
    M. Matsumoto, T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform
    pseudo-random number generator", ACM TOMACS 8, 1998.
    G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29,
    1958.
    """

    host_only = True

    def __init__(self, seed: int = 67280421310721) -> None:
        self._bits = np.random.MT19937()
        self._numpy = np.random.Generator(self._bits)
        self.manual_seed(seed)

    # ---- seed and state

    def manual_seed(self, seed: int) -> TorchGenerator:
        """Start again from `seed`; returns the generator itself."""
        if isinstance(seed, str):
            raise UnsupportedError(
                f"only PyTorch's CPU generator is reproduced, not that of device {seed!r}; give a seed"
            )
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

    def set_state(self, new_state: Any) -> TorchGenerator:
        """Continue from what :meth:`get_state`, or ``torch.Generator.get_state``, returned.

        Raises
        ------
        DtypeError
            If it is no array of bytes.
        StateError
            If it is not the state of PyTorch's CPU generator.
        """
        raw = np.asarray(new_state)
        if raw.dtype != np.uint8:
            raise DtypeError(f"a generator's state is an array of uint8, got {raw.dtype}")
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

    # ---- bits

    def _draw32(self, count: int) -> Array:
        return self._numpy.integers(0, 2**32, count, dtype=np.uint32)

    def _draw64(self, count: int) -> Array:
        pairs = self._draw32(2 * count).view("<u8")  # the first word came out as the low half
        high = pairs << np.uint64(32)
        pairs >>= np.uint64(32)
        pairs |= high
        return pairs

    def _units(self, count: int, dtype: np.dtype[Any]) -> Iterator[tuple[slice, Array]]:
        """Uniforms on [0, 1), a piece that fits the cache at a time, and where each piece lies."""
        for start in range(0, count, _PIECE):
            piece = min(_PIECE, count - start)
            if dtype == np.float32:
                words = self._draw32(piece)
                words &= np.uint32(2**24 - 1)
                units = words.view(np.int32).astype(np.float32)
                units *= np.float32(2.0**-24)
            else:
                pairs = self._draw64(piece)
                pairs &= np.uint64(2**53 - 1)
                units = pairs.view(np.int64).astype(np.float64)  # signed integers convert faster
                units *= 2.0**-53
            yield slice(start, start + piece), units

    # ---- PyTorch's names

    def rand(self, *size: Any, dtype: DTypeLike | None = None) -> Array:
        """Draw uniforms on [0, 1), as ``torch.rand(*size, generator=...)``."""
        return self.uniform_(_empty(size, dtype))

    def randn(self, *size: Any, dtype: DTypeLike | None = None) -> Array:
        """Draw standard normals, as ``torch.randn(*size, generator=...)``."""
        return self.normal_(_empty(size, dtype))

    def uniform_(self, array: Array, from_: float = 0.0, to: float = 1.0) -> Array:
        """Fill `array` with uniforms from ``from_`` (included) to ``to`` (not); returns it."""
        dtype = _fillable(array, "uniform_")
        largest = float(np.finfo(dtype).max)
        if not (abs(from_) <= largest and abs(to) <= largest and 0.0 <= to - from_ <= largest):
            raise ArgumentError(f"uniform_ takes from_ <= to, finite in {dtype}, got {from_} and {to}")
        low, high = dtype.type(from_), dtype.type(to)
        flat = array.reshape(-1)
        for where, units in self._units(flat.size, dtype):
            if (low, high) == (0.0, 1.0):
                flat[where] = units
            else:
                values = fma(units, high - low, low)
                flat[where] = np.where(values == high, low, values)
        return array

    def normal_(self, array: Array, mean: float = 0.0, std: float = 1.0) -> Array:
        """Fill `array` with normals; returns it."""
        dtype = _fillable(array, "normal_")
        if not std >= 0.0:
            raise ArgumentError(f"normal_ takes std >= 0, got {std}")
        flat = array.reshape(-1)
        if flat.size < _BLOCK:
            few = np.array([self._next_normal() for _ in range(flat.size)], dtype=np.float64)
            flat[:] = fma(few, float(std), float(mean))
            return array
        location, scale = dtype.type(mean), dtype.type(std)
        for where, units in self._units(flat.size, dtype):
            whole = units.size - units.size % _BLOCK
            flat[where][:whole] = _box_muller(units[:whole], location, scale)
        if flat.size % _BLOCK:
            ((_, units),) = self._units(_BLOCK, dtype)
            flat[-_BLOCK:] = _box_muller(units, location, scale)
        return array

    def _next_normal(self) -> float:
        """One standard normal of a pair, the other one kept."""
        if self._spare is not None:
            sample, self._spare = self._spare, None
            return sample
        ((_, units),) = self._units(2, _FLOAT64)
        first, second = units.tolist()
        radius = math.sqrt(-2.0 * math.log1p(-second))
        angle = 2.0 * math.pi * first
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def bernoulli_(self, array: Array, p: float | Array = 0.5) -> Array:
        """Fill `array`, of any dtype, with ones with probability `p` and zeros otherwise; returns it."""
        _check_writable(array, "bernoulli_")
        chances = np.asarray(p)
        if not ((chances >= 0.0) & (chances <= 1.0)).all():
            raise ArgumentError(f"a probability lies in [0, 1], got {p}")
        flat = array.reshape(-1)
        if chances.ndim == 0:
            for where, units in self._units(flat.size, _FLOAT64):
                np.less(units, p, out=flat[where], casting="unsafe")
            return array
        if chances.shape != array.shape:
            raise ShapeError(f"p has shape {chances.shape}, the array {array.shape}; they must be the same")
        dtype, chances = backend.floating_dtype(chances.dtype), chances.reshape(-1)
        for where, units in self._units(flat.size, dtype):
            flat[where] = units < chances[where]
        return array

    def exponential_(self, array: Array, lambd: float = 1.0) -> Array:
        """Fill `array` with exponentials of rate `lambd`; returns it."""
        _fillable(array, "exponential_")
        if not lambd > 0.0:
            raise ArgumentError(f"exponential_ takes lambd > 0, got {lambd}")
        flat = array.reshape(-1)
        for where, units in self._units(flat.size, _FLOAT64):
            flat[where] = (-1.0 / lambd) * elementwise(math.log1p, -units)
        return array

    def random_(self, array: Array | None = None) -> Any:
        """Fill `array` with integers from zero to the largest that its dtype holds; returns it.

        In a float dtype that is the largest power of two below which it holds every integer, included.
        Without an array, one int64 as a Python int: the seed of another generator.
        """
        if array is None:
            high, low = int(self._bits.random_raw()), int(self._bits.random_raw())
            return (high << 32 | low) % 2**63
        _check_writable(array, "random_")
        dtype = array.dtype
        if dtype in (np.float32, np.float64):
            largest = 2 ** (np.finfo(dtype).nmant + 1)
        elif dtype in (np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64):
            largest = 1 if dtype == np.bool_ else int(np.iinfo(dtype).max)
        else:
            raise DtypeError(f"random_ is not defined for {dtype}")
        draws = self._draw64(array.size) if dtype in (np.float64, np.int64) else self._draw32(array.size)
        array[...] = (draws % draws.dtype.type(largest + 1)).reshape(array.shape)
        return array

    def randint(self, low: int, high: int, shape: Shape) -> Array:
        """Draw int64 integers, `low` included and `high` not, as ``torch.randint``."""
        if not -(2**63) <= low < high < 2**63:
            raise ArgumentError(f"randint takes -2**63 <= low < high < 2**63, got {low} and {high}")
        size, span = math.prod(shape), high - low
        draws = self._draw64(size) if span >= _WIDE_RANGE else self._draw32(size).astype(np.uint64)
        offset = np.uint64(low % 2**64)  # the sum wraps, as in two's complement
        integers: Array = (draws % np.uint64(span) + offset).view(np.int64)
        return integers.reshape(shape)

    def randperm(self, n: int) -> Array:
        """Draw a permutation of ``0 ... n - 1``, as ``torch.randperm``."""
        if not 0 <= n < _LONGEST_PERMUTATION:
            raise ArgumentError(
                f"randperm takes 0 <= n < {_LONGEST_PERMUTATION}, got {n}; above, PyTorch's is not reproduced"
            )
        step = np.arange(n)
        partner = step.copy()
        if n > 1:
            left = np.arange(n, 1, -1, dtype=np.uint32)  # positions not yet decided
            partner[:-1] += self._draw32(n - 1) % left
        return _swapped(step, partner)

    def multinomial(self, weights: Array, num_samples: int, replacement: bool = False) -> Array:
        """Draw indices with probabilities in proportion to `weights`, a vector, as ``torch.multinomial``.

        Without replacement at least `num_samples` weights must be positive: which index PyTorch takes when
        none is left is not reproduced.
        """
        dtype = backend.floating_dtype(weights.dtype)
        if weights.ndim != 1:
            raise ShapeError(f"weights are a vector, got shape {weights.shape}")
        if not (np.isfinite(weights).all() and (weights >= 0.0).all() and (weights > 0.0).any()):
            raise ArgumentError("weights are finite, not negative, and not all zero")
        if num_samples < 1:
            raise ArgumentError(f"num_samples is at least 1, got {num_samples}")
        if replacement and num_samples > 1:
            cumulated = np.cumsum(weights, dtype=dtype)
            cumulated /= cumulated[-1]
            cumulated[-1] = 1.0
            units = np.concatenate([units for _, units in self._units(num_samples, _FLOAT64)])
            return np.searchsorted(cumulated.astype(np.float64), units).astype(np.int64)
        positive = int((weights > 0.0).sum())
        if num_samples > positive:
            raise ArgumentError(
                f"cannot draw {num_samples} samples without replacement: {positive} weights are positive"
            )
        keys = weights / self.exponential_(np.empty(weights.shape, dtype=dtype))
        return np.argsort(-keys, kind="stable")[:num_samples]

    # ---- the draws of npnet.random.Generator

    def uniform(self, low: float, high: float, shape: Shape, dtype: DTypeLike) -> Array:
        """As :meth:`uniform_`, into a new array."""
        return self.uniform_(_empty(shape, dtype), low, high)

    def normal(self, mean: float, std: float, shape: Shape, dtype: DTypeLike) -> Array:
        """As :meth:`normal_`, into a new array."""
        return self.normal_(_empty(shape, dtype), mean, std)

    def bernoulli(self, p: float, shape: Shape, *, like: Array | None = None) -> Array:
        """As :meth:`bernoulli_`, into a new array of bool, copied to the device of `like`."""
        mask = self.bernoulli_(np.empty(shape, dtype=np.bool_), p)
        return mask if like is None else backend.to_device(mask, backend.device_of(like))


def _seeded_words(seed: int) -> Array:
    """MT19937's 624 words for a seed, as Matsumoto and Nishimura initialise them."""
    words: Array = np.random.RandomState(seed % 2**32).get_state(legacy=False)["state"]["key"]
    return words


def _swapped(step: Array, partner: Array) -> Array:
    r"""``0 ... n - 1`` after swapping places :math:`i` and :math:`p_i \ge i` for all :math:`i` in turn.

    Step :math:`i` decides place :math:`i`: it takes what lies at :math:`p_i`.  That is :math:`p_i` itself,
    unless an earlier step had the same partner; the latest such step :math:`k` left there what it found at
    its own place, :math:`w_k`.  In turn :math:`w_k = w_m` for the latest step :math:`m < k` whose partner was
    :math:`k`, and :math:`w_k = k` if there is none.  Both are found for all steps at once, the chains
    of :math:`w` by pointer doubling, where a loop over a list would take several times as long.
    """
    origin = step.copy()
    origin[partner] = step  # of equal indices the last one counts; a step that swaps nothing is never asked
    while not np.array_equal(further := origin[origin], origin):
        origin = further
    order = np.sort((partner << 32) | step)
    ordered_step, ordered_partner = order & (2**32 - 1), order >> 32
    again = np.flatnonzero(ordered_partner[1:] == ordered_partner[:-1])
    values: Array = partner.copy()
    values[ordered_step[again + 1]] = origin[ordered_step[again]]
    return values


def _box_muller(uniforms: Array, mean: Any, std: Any) -> Array:
    """Blocks of 16 normals from as many uniforms: eight radii, eight angles."""
    first, second = np.moveaxis(uniforms.reshape(-1, 2, _BLOCK // 2), 1, 0)
    one, full_turn = uniforms.dtype.type(1.0), uniforms.dtype.type(2.0 * math.pi)
    if uniforms.dtype == np.float32:
        logarithm = log_float32(one - first)
        sine, cosine = sincos_float32(full_turn * second)
    else:
        logarithm = elementwise(math.log, one - first)
        angle = full_turn * second
        sine, cosine = elementwise(math.sin, angle), elementwise(math.cos, angle)
    radius = np.sqrt(uniforms.dtype.type(-2.0) * logarithm)
    pairs = np.stack([radius * cosine, radius * sine], axis=1)
    return fma(pairs, std, mean).reshape(-1)


def _empty(size: tuple[Any, ...], dtype: DTypeLike | None) -> Array:
    shape = size[0] if len(size) == 1 and not isinstance(size[0], (int, np.integer)) else size
    return np.empty(shape, dtype=backend.floating_dtype(dtype))


def _check_writable(array: Array, name: str) -> None:
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous or not array.flags.writeable:
        raise DtypeError(
            f"{name} fills a writable, C-contiguous NumPy array (PyTorch visits others in another order); "
            "fill a new one and copy"
        )


def _fillable(array: Array, name: str) -> np.dtype[Any]:
    _check_writable(array, name)
    return backend.floating_dtype(array.dtype)

r"""PyTorch's CPU generator, so that a PyTorch run can be replayed from its seed without PyTorch."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from npnet.random.arithmetic import elementwise, fma
from npnet.random.generator import check_weights
from npnet.random.mersenne import MersenneBits, pieces
from npnet.random.transforms import BLOCK, box_muller, swapped

__all__ = ["TorchGenerator"]

Shape = tuple[int, ...]

_FLOAT64 = np.dtype(np.float64)

_WIDE_RANGE = 2**28
"""From this many values on an integer costs 64 random bits instead of 32."""

_LONGEST_PERMUTATION = (2**32 - 1) // 20
"""From this length on ``torch.randperm`` takes another algorithm."""


class TorchGenerator(MersenneBits):
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
    ``random_``           one draw modulo the largest value of the dtype plus one; with bounds as ``randint``
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

    **What is promised.**  Every draw is equal to the last bit to that of PyTorch 2.13 on an x86 processor
    with AVX2 or later, whatever the number of threads, in float32 and float64, into contiguous tensors.
    Three things would change PyTorch's own numbers:

    - Older instructions (``ATEN_CPU_CAPABILITY=default``).  They have no fused multiply-add: ``uniform_``
      with bounds other than 0 and 1, and float64 normals below 16 elements with a mean or deviation of their
      own, then differ in the last bit.  Float32 normals from 16 elements on come from another logarithm,
      sine and cosine, and differ by up to 5e-7.  All else stays the same.
    - A release before 2.7 on a processor of Intel's.  ``bernoulli_`` and ``exponential_``, hence dropout and
      ``multinomial``, came from MKL's generators there; that is not reproduced.
    - Another C library.  Logarithms, sines and cosines of float64 (``exponential_``, float64 normals, those
      below 16 elements) are its own, here as in PyTorch.

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
        If another device's generator is asked for, or a distribution that is not in the table.

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

    def __init__(self, seed: int = 67280421310721, *, device: str = "cpu") -> None:
        if isinstance(seed, str):  # where torch.Generator takes the device
            seed, device = 67280421310721, seed
        if str(device) != "cpu":
            raise UnsupportedError(
                f"only PyTorch's CPU generator is reproduced, not that of device {str(device)!r}"
            )
        super().__init__(seed)

    @property
    def device(self) -> str:
        """Where it draws: "cpu"."""
        return "cpu"

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
        for where in pieces(flat.size):
            piece = flat[where]
            self._fill_units(piece)
            if (low, high) != (0.0, 1.0):
                values = fma(piece, high - low, low)
                piece[:] = np.where(values == high, low, values)
        return array

    def normal_(self, array: Array, mean: float = 0.0, std: float = 1.0) -> Array:
        """Fill `array` with normals; returns it."""
        dtype = _fillable(array, "normal_")
        if not std >= 0.0:
            raise ArgumentError(f"normal_ takes std >= 0, got {std}")
        flat = array.reshape(-1)
        if flat.size < BLOCK:
            few = np.array([self._next_normal() for _ in range(flat.size)], dtype=np.float64)
            flat[:] = fma(few, float(std), float(mean))
            return array
        location, scale = dtype.type(mean), dtype.type(std)
        for where, units in self._units(flat.size, dtype):
            whole = units.size - units.size % BLOCK
            flat[where][:whole] = box_muller(units[:whole], location, scale)
        if flat.size % BLOCK:
            ((_, units),) = self._units(BLOCK, dtype)
            flat[-BLOCK:] = box_muller(units, location, scale)
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
            below = np.uint64(math.ceil(float(p) * 2**53))  # k / 2**53 < p, in whole numbers
            for where in pieces(flat.size):
                np.less(self._draw53(where.stop - where.start), below, out=flat[where], casting="unsafe")
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

    def random_(self, array: Array | None = None, from_: int | None = None, to: int | None = None) -> Any:
        """Fill `array` with integers, ``from_`` included and ``to`` not; returns it.

        One bound alone is the upper one, after zero.  Without bounds integers go from zero to the largest
        that the dtype holds; in a float dtype that is the largest power of two below which it holds every
        integer, included.  Without an array, one int64 as a Python int: the seed of another generator.
        """
        if array is None:
            high, low = int(self._bits.random_raw()), int(self._bits.random_raw())
            return (high << 32 | low) % 2**63
        _check_writable(array, "random_")
        dtype = array.dtype
        if dtype in (np.float32, np.float64):
            largest = 2 ** (np.finfo(dtype).nmant + 1)
            smallest = -largest
        elif dtype in (np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64):
            largest = 1 if dtype == np.bool_ else int(np.iinfo(dtype).max)
            smallest = 0 if dtype == np.bool_ else int(np.iinfo(dtype).min)
        else:
            raise DtypeError(f"random_ is not defined for {dtype}")
        if from_ is not None:
            low, high = (0, from_) if to is None else (from_, to)
            if not smallest <= low < high <= largest + 1:
                raise ArgumentError(
                    f"random_ takes {smallest} <= from_ < to <= {largest + 1} here, got {low} and {high}"
                )
            array[...] = self._integers(low, high, array.size).reshape(array.shape)
            return array
        draws = self._draw64(array.size) if dtype in (np.float64, np.int64) else self._draw32(array.size)
        array[...] = (draws % draws.dtype.type(largest + 1)).reshape(array.shape)
        return array

    def randint(self, low: int, high: Any = None, size: Shape | None = None) -> Array:
        """Draw int64 integers, `low` included and `high` not, as ``torch.randint``.

        As there, zero may be left out: ``randint(high, size)``.
        """
        if size is None:
            low, high, size = 0, low, high
        if not -(2**63) <= low < high < 2**63:
            raise ArgumentError(f"randint takes -2**63 <= low < high < 2**63, got {low} and {high}")
        return self._integers(low, high, math.prod(size)).reshape(size)

    def _integers(self, low: int, high: int, count: int) -> Array:
        span = high - low
        draws = self._draw64(count) if span >= _WIDE_RANGE else self._draw32(count).astype(np.uint64)
        offset = np.uint64(low % 2**64)  # the sum wraps, as in two's complement
        integers: Array = (draws % np.uint64(span) + offset).view(np.int64)
        return integers

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
        return swapped(step, partner)

    def multinomial(self, input: Array, num_samples: int, replacement: bool = False) -> Array:  # noqa: A002
        """Draw indices with probabilities in proportion to `input`, as ``torch.multinomial``.

        `input` is a vector of weights, or a matrix with a row for each distribution.  Without replacement at
        least `num_samples` weights of each must be positive: which index PyTorch takes when none is left is
        not reproduced.
        """
        dtype = backend.floating_dtype(input.dtype)
        if input.ndim not in (1, 2):
            raise ShapeError(f"weights are a vector or a matrix, got shape {input.shape}")
        check_weights(input, num_samples, replacement)
        if replacement and num_samples > 1:
            rows = [self._bisect(weights, num_samples) for weights in np.atleast_2d(input)]
            return np.array(rows).reshape(*input.shape[:-1], num_samples)
        keys = input / self.exponential_(np.empty(input.shape, dtype=dtype))
        return np.argsort(-keys, axis=-1, kind="stable")[..., :num_samples]

    def _bisect(self, weights: Array, count: int) -> Array:
        cumulated = np.cumsum(weights, dtype=weights.dtype)
        cumulated /= cumulated[-1]
        cumulated[-1] = 1.0
        units = np.empty(count)
        self._fill_units(units)
        return np.searchsorted(cumulated.astype(np.float64), units).astype(np.int64)

    def _not_reproduced(self, *_: Any, **__: Any) -> NoReturn:
        raise UnsupportedError(
            "cauchy_, geometric_, log_normal_, poisson, binomial and the other distributions of PyTorch are "
            "not reproduced; those that are: rand, randn, uniform_, normal_, bernoulli_, exponential_, "
            "randint, random_, randperm, multinomial"
        )

    cauchy_ = geometric_ = log_normal_ = poisson = binomial = standard_gamma = dirichlet = _not_reproduced

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

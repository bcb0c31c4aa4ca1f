r"""Augmentation: pictures of the training part, moved at random each time they are seen.

A label that does not depend on the picture's orientation or place (a galaxy has no upper side) holds for
the moved picture too, so every epoch brings new rows for nothing.  Classes carry torchvision's names where
it has them; other than there, every picture of a batch gets a move of its own.

Moves are drawn on the host, from the stream ``augment``: whatever computes sees the same pictures.  They are
applied on the device on which the pictures lie.  Flips, turns by 90 degrees and shifts by whole pixels are
exact; other rotations interpolate, by SciPy's ``ndimage`` on the host and CuPy's on a GPU.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError, ShapeError
from npnet.random import resolve

__all__ = [
    "Augmentation",
    "Compose",
    "RandomHorizontalFlip",
    "RandomQuarterTurn",
    "RandomShift",
    "RandomVerticalFlip",
    "check_border",
]

BORDERS = ("constant", "edge", "reflect", "symmetric")


class Augmentation(ABC):
    """Base of the augmentations: called with a batch of pictures, each returns a new batch of that shape.

    A subclass draws and moves in :meth:`move`, and says in :meth:`check_size` which pictures it cannot take.

    Parameters
    ----------
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.
    """

    def __init__(self, *, generator: Any = None) -> None:
        self.generator = generator

    def __call__(self, images: Array, *, channels_last: bool = False) -> Array:
        """Move every picture of a batch; the labels stay as they are, and so does `images`.

        Parameters
        ----------
        images : array of uint8 or floating, shape (N, H, W), (N, C, H, W) or (N, H, W, C)
            On any device.  uint8 stays within 0 ... 255, rounded.
        channels_last : bool, keyword-only, default False
            Whether the last of four axes is the channels, as files have it, or the second one.

        Raises
        ------
        DtypeError
            If the pictures are neither bytes nor floating numbers.
        ShapeError
            If they have not three or four axes, or not a size that can be moved so.
        """
        backend.device_of(images)
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise DtypeError(f"pictures are uint8 or floating, got {images.dtype}")
        if images.ndim not in (3, 4):
            raise ShapeError(f"a batch of pictures has three or four axes, got the shape {images.shape}")
        if channels_last or images.ndim == 3:
            self.check_size(images.shape[1], images.shape[2])
            return self.move(images)
        self.check_size(images.shape[2], images.shape[3])
        return np.moveaxis(self.move(np.moveaxis(images, 1, 3)), 3, 1).copy()

    @abstractmethod
    def move(self, images: Array) -> Array:
        """Move pictures of shape ``(N, H, W)`` or ``(N, H, W, C)``; returns a new array."""

    def check_size(self, height: int, width: int) -> None:  # noqa: B027 (most take every size)
        """Refuse pictures of a size that cannot be moved so.

        Raises
        ------
        ShapeError
            If these cannot.
        """

    def draws(self) -> Any:
        """Where the draws come from."""
        return resolve(self.generator, "augment")


class Compose(Augmentation):
    """Several augmentations, one after another.

    Parameters
    ----------
    transforms : sequence of Augmentation
        In this order.

    Examples
    --------
    >>> import npnet
    >>> from npnet.regularization import Compose, RandomHorizontalFlip, RandomQuarterTurn
    >>> npnet.manual_seed(0)
    >>> augment = Compose([RandomQuarterTurn(), RandomHorizontalFlip()])
    >>> augment(np.arange(4, dtype=np.uint8).reshape(1, 2, 2)).shape
    (1, 2, 2)
    """

    def __init__(self, transforms: Sequence[Augmentation]) -> None:
        super().__init__()
        for transform in transforms:
            if not isinstance(transform, Augmentation):
                raise ArgumentError(f"Compose takes augmentations, got {type(transform).__name__}")
        self.transforms = tuple(transforms)

    def move(self, images: Array) -> Array:
        """Move by each in turn."""
        for transform in self.transforms:
            images = transform.move(images)
        return images

    def check_size(self, height: int, width: int) -> None:
        """Refuse what one of them refuses."""
        for transform in self.transforms:
            transform.check_size(height, width)


class _RandomFlip(Augmentation):
    """Reverse one axis of each picture with probability `p`."""

    axis: int

    def __init__(self, p: float = 0.5, *, generator: Any = None) -> None:
        super().__init__(generator=generator)
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"p is a probability, from 0 to 1; got {p}")
        self.p = p

    def move(self, images: Array) -> Array:
        """Flip those that are drawn."""
        return _choose(self.draws().bernoulli(self.p, (len(images),)), np.flip(images, self.axis), images)


class RandomHorizontalFlip(_RandomFlip):
    """Exchange left and right of each picture with probability `p`.

    Parameters
    ----------
    p : float, default 0.5
        The probability.
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.

    Examples
    --------
    >>> from npnet.regularization import RandomHorizontalFlip
    >>> RandomHorizontalFlip(p=1.0)(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[2., 1.],
            [4., 3.]]])
    """

    axis = 2


class RandomVerticalFlip(_RandomFlip):
    """Exchange top and bottom of each picture with probability `p`.

    Parameters
    ----------
    p : float, default 0.5
        The probability.
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.

    Examples
    --------
    >>> from npnet.regularization import RandomVerticalFlip
    >>> RandomVerticalFlip(p=1.0)(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[3., 4.],
            [1., 2.]]])
    """

    axis = 1


class RandomQuarterTurn(Augmentation):
    """Turn each picture by 0, 90, 180 or 270 degrees counter-clockwise, all equally likely.

    Nothing is interpolated.  Together with a flip it draws from the eight symmetries of the square.

    Parameters
    ----------
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.

    Raises
    ------
    ShapeError
        When called, if the pictures are not square.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> from npnet.regularization import RandomQuarterTurn
    >>> turn = RandomQuarterTurn(generator=Generator(0))
    >>> turn(np.tile(np.array([[1, 2], [3, 4]], np.uint8), (3, 1, 1))).tolist()
    [[[4, 3], [2, 1]], [[4, 3], [2, 1]], [[2, 4], [1, 3]]]
    """

    def move(self, images: Array) -> Array:
        """Turn: a quarter is the transposed picture upside down, a half is both axes reversed."""
        turns = self.draws().randint(0, 4, (len(images),))
        images = _choose(turns % 2 == 1, np.flip(np.swapaxes(images, 1, 2), 1), images)
        return _choose(turns >= 2, np.flip(images, (1, 2)), images)

    def check_size(self, height: int, width: int) -> None:
        """Refuse pictures that are not square."""
        if height != width:
            raise ShapeError(
                f"RandomQuarterTurn takes square pictures, got {height} by {width}: use flips, or "
                "RandomRotation"
            )


class RandomShift(Augmentation):
    r"""Shift each picture by whole pixels, up to a bound in each direction.

    Both shifts are uniform on :math:`-k, \dots, k`.  Nothing is interpolated.

    Parameters
    ----------
    pixels : int
        The bound :math:`k`.
    fill : float, default 0
        What comes in from outside with ``padding_mode="constant"``, in the pictures' own unit.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}, default "constant"
        What lies outside, as in :func:`numpy.pad`.
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.

    Raises
    ------
    ShapeError
        When called, if a picture is not larger than the bound.

    Examples
    --------
    >>> from npnet.random import Generator
    >>> from npnet.regularization import RandomShift
    >>> shift = RandomShift(1, generator=Generator(4))
    >>> shift(np.array([[[1, 2], [3, 4]]], np.uint8))
    array([[[3, 4],
            [0, 0]]], dtype=uint8)
    """

    def __init__(
        self, pixels: int, fill: float = 0, padding_mode: str = "constant", *, generator: Any = None
    ) -> None:
        super().__init__(generator=generator)
        if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < 0:
            raise ArgumentError(f"pixels is a whole number, 0 or more; got {pixels!r}")
        self.pixels = pixels
        self.fill, self.padding_mode = check_border(fill, padding_mode)

    def move(self, images: Array) -> Array:
        """Cut each picture out of its padded self, at a place of its own."""
        n, height, width = images.shape[:3]
        around = [(0, 0), (self.pixels,) * 2, (self.pixels,) * 2, (0, 0)][: images.ndim]
        mode: Any = self.padding_mode
        filled: dict[str, Any] = {"constant_values": self.fill} if mode == "constant" else {}
        padded = np.pad(images, around, mode=mode, **filled)
        corners = self.draws().randint(0, 2 * self.pixels + 1, (2, n, 1))
        offsets = backend.to_device(corners, backend.device_of(images))
        rows = np.arange(height, like=images) + offsets[0]
        columns = np.arange(width, like=images) + offsets[1]
        places = np.arange(n, like=images)
        return padded[places[:, np.newaxis, np.newaxis], rows[:, :, np.newaxis], columns[:, np.newaxis, :]]

    def check_size(self, height: int, width: int) -> None:
        """Refuse pictures that could be shifted away."""
        if min(height, width) <= self.pixels:
            raise ShapeError(f"RandomShift by {self.pixels} takes larger pictures, got {height} by {width}")


def _choose(chosen: Array, moved: Array, images: Array) -> Array:
    """The moved pictures where they were chosen, the others as they are."""
    mask = chosen.reshape(-1, *[1] * (images.ndim - 1))
    return np.where(backend.to_device(mask, backend.device_of(images)), moved, images)


def check_border(fill: float, padding_mode: str) -> tuple[float, str]:
    """What lies outside a picture."""
    if padding_mode not in BORDERS:
        raise ArgumentError(f"padding_mode is one of {', '.join(BORDERS)}, got {padding_mode!r}")
    if not isinstance(fill, (int, float)) or not math.isfinite(fill):
        raise ArgumentError(f"fill is a number, got {fill!r}")
    return fill, padding_mode

"""Images of bytes as float32 of shape ``(n, C, H, W)``, standardised channel by channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from npnet import backend
from npnet.data.features import Features
from npnet.errors import ArgumentError, DataError, DtypeError, ShapeError, StateError

if TYPE_CHECKING:
    from npnet.backend import Array

__all__ = ["StandardizedImages"]

BLOCK = 256
"""Images that :meth:`StandardizedImages.fit` looks at together: the squares need room."""


class StandardizedImages(Features):
    r"""Images of bytes, each channel shifted and scaled: :math:`y_c = (x_c - \mu_c) / \sigma_c`.

    :math:`\mu_c` and :math:`\sigma_c` are taken over all pixels of that channel in the training images,
    exactly, from sums of integers.  :meth:`transform` is meant for a batch at a time, so that the images
    themselves stay bytes.

    Parameters
    ----------
    mean, deviation : float, optional
        Fixed ones for all channels in place of those learned, as shares of white (255), the way that
        torchvision's ``Normalize`` takes them after ``ToTensor``: with 0.5 and 0.5 pixels lie between -1
        and 1.  Both or neither.

    Raises
    ------
    ArgumentError
        If one of them is missing or not finite, or the deviation is not positive.

    Attributes
    ----------
    image_shape : tuple of int
        The images' own: ``(H, W)``, or ``(H, W, C)`` with the channels last, as files have them.
    mean, scale : ndarray of float64, shape (C,)
        :math:`\mu` and :math:`\sigma`.

    Examples
    --------
    >>> images = np.array([[[0, 2]], [[4, 2]]], dtype=np.uint8)
    >>> features = StandardizedImages().fit(images, np.array([0, 1]))
    >>> features.mean, features.shape
    (array([2.]), (1, 1, 2))
    >>> features.transform(images).reshape(2, 2)
    array([[-1.4142135,  0.       ],
           [ 1.4142135,  0.       ]], dtype=float32)
    """

    kind = "images"

    def __init__(self, mean: float | None = None, deviation: float | None = None) -> None:
        self.fixed = _fixed(mean, deviation)
        self.image_shape: tuple[int, ...] = ()
        self.mean: Array = np.empty(0)
        self.scale: Array = np.empty(0)
        self._constants: dict[str, tuple[Array, Array]] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, H, W)``; grey images have one channel."""
        height, width, channels = (*self.image_shape, 1)[:3]
        return (channels, height, width)

    def fit(self, inputs: Array, targets: Array) -> Self:
        """Learn shape, means and scales of the images; `targets` plays no part.

        Parameters
        ----------
        inputs : ndarray of uint8, shape (N, H, W) or (N, H, W, C)
            The training images.
        targets : ndarray
            Their classes.

        Raises
        ------
        DtypeError
            If they are not uint8.
        ShapeError
            If they have other axes.
        DataError
            If there are none.
        """
        self._check(inputs)
        if inputs.ndim not in (3, 4):
            raise ShapeError(f"images have the shape (N, H, W) or (N, H, W, C), got {inputs.shape}")
        if inputs.size == 0:
            raise DataError("there are no images to learn mean and scale from")
        channels = inputs.shape[3] if inputs.ndim == 4 else 1
        if self.fixed is not None:
            mean, scale = (np.full(channels, 255.0 * share) for share in self.fixed)
            self._set(inputs.shape[1:], mean, scale)
            return self
        totals, squares = [0] * channels, [0] * channels  # Python's integers: their products need 70 bits
        for start in range(0, len(inputs), BLOCK):
            pixels = inputs[start : start + BLOCK].reshape(-1, channels)
            for channel in range(channels):
                totals[channel] += int(pixels[:, channel].sum(dtype=np.int64))
                squared = np.square(pixels[:, channel], dtype=np.uint16)
                squares[channel] += int(squared.sum(dtype=np.int64))
        size = inputs.size // channels
        mean = np.array([total / size for total in totals])
        deviation = [
            math.sqrt(size * square - total**2) / size for total, square in zip(totals, squares, strict=True)
        ]
        scale = np.array([each or 1.0 for each in deviation])  # a constant channel is shifted only
        self._set(inputs.shape[1:], mean, scale)
        return self

    def transform(self, inputs: Array) -> Array:
        """The standardised pixels of some images, float32 of shape ``(n, C, H, W)``, on their device.

        Raises
        ------
        StateError
            If the features are not fitted.
        DtypeError
            If the images are not uint8.
        ShapeError
            If they have another shape than those of the training part.
        """
        self._check_fitted()
        self._check(inputs)
        if inputs.shape[1:] != self.image_shape:
            raise ShapeError(
                f"images of shape {inputs.shape[1:]}; those of the training part were {self.image_shape}"
            )
        if inputs.ndim == 4:  # while they are bytes, moving the channels is cheap
            inputs = inputs.transpose(0, 3, 1, 2).copy()
        mean, factor = self._constants_on(backend.device_of(inputs))
        pixels = np.subtract(inputs.reshape(len(inputs), *self.shape), mean, dtype=np.float32)
        pixels *= factor
        return pixels

    def _constants_on(self, device: str) -> tuple[Array, Array]:
        """The mean, and one over the scale, as float32 of shape (C, 1, 1); copied to a device once."""
        if device not in self._constants:
            mean, factor = (
                backend.to_device(each.astype(np.float32).reshape(-1, 1, 1), device)
                for each in (self.mean, 1.0 / self.scale)
            )
            self._constants[device] = mean, factor
        return self._constants[device]

    def state(self) -> dict[str, Any]:
        """Kind, shape of the images, means and scales."""
        self._check_fitted()
        return {
            "kind": self.kind,
            "image_shape": list(self.image_shape),
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make the features again from what :meth:`state` returned.

        Raises
        ------
        StateError
            If it is not the state of such features.
        """
        features = cls()
        try:
            if state["kind"] != cls.kind:
                raise ValueError(f"its kind is {state['kind']!r}")
            mean, scale = (np.asarray(state[key], np.float64) for key in ("mean", "scale"))
            features._set(tuple(map(int, state["image_shape"])), mean, scale)
            if len(features.image_shape) not in (2, 3) or not mean.shape == scale.shape == features.shape[:1]:
                raise ValueError(f"images {features.image_shape}, means {mean.shape}, scales {scale.shape}")
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"not the state of {cls.kind!r} features: {error!r}") from error
        return features

    def _set(self, image_shape: tuple[int, ...], mean: Array, scale: Array) -> None:
        self.image_shape, self.mean, self.scale = image_shape, mean, scale
        self._constants.clear()
        self.feature_names = tuple(f"pixel {number}" for number in range(math.prod(image_shape)))

    def _check(self, inputs: Array) -> None:
        if getattr(inputs, "dtype", None) != np.uint8:
            raise DtypeError(f"images are uint8, got {getattr(inputs, 'dtype', type(inputs).__name__)}")


def _fixed(mean: Any, deviation: Any) -> tuple[float, float] | None:
    """Mean and deviation as they were given, checked."""
    if mean is None and deviation is None:
        return None
    for name, value in (("mean", mean), ("deviation", deviation)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ArgumentError(
                f"images: {name} must be a number, and both are given or neither; got {value!r}"
            )
    if deviation <= 0.0:
        raise ArgumentError(f"images: deviation must be above 0, got {deviation!r}")
    return float(mean), float(deviation)

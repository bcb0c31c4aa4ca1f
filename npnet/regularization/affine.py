"""Rotations, shifts and scales of pictures: where each pixel comes from, and its value there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, UnsupportedError
from npnet.regularization.augmentation import Augmentation, check_border

__all__ = ["RandomAffine", "RandomRotation", "affine_matrices", "resample"]

INTERPOLATIONS = ("nearest", "bilinear")

MODES = {"constant": "grid-constant", "edge": "nearest", "reflect": "mirror", "symmetric": "reflect"}
"""NumPy's words for what lies outside, in those of ``ndimage``."""


def affine_matrices(angle: Array, shift: tuple[Array, Array], scale: Array, size: tuple[int, int]) -> Array:
    r"""From a pixel of the result to the place in the picture where it came from, in rows and columns.

    The map of the picture turns about its centre :math:`c = ((H - 1) / 2, (W - 1) / 2)`, scales and shifts,
    :math:`p' = c + t + s R(\theta)(p - c)`; its inverse is

    .. math::
        p = A p' + b, \qquad A = R(-\theta) / s, \qquad b = c - A (c + t)

    Parameters
    ----------
    angle : ndarray, shape (n,)
        :math:`\theta` in radians, counter-clockwise.
    shift : (ndarray, ndarray), each of shape (n,)
        :math:`t` in pixels: down, and to the right.
    scale : ndarray, shape (n,)
        :math:`s`.
    size : (int, int)
        :math:`H` and :math:`W`.

    Returns
    -------
    ndarray of float64, shape (n, 2, 3)
        :math:`A` with :math:`b` as its last column.

    Examples
    --------
    >>> quarter = affine_matrices(np.array([np.pi / 2]), (np.zeros(1), np.zeros(1)), np.ones(1), (3, 3))
    >>> (quarter[0] @ [0, 0, 1]).round(12)  # the upper left corner was the upper right one
    array([0., 2.])
    """
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    backwards = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)  # A
    centre = np.stack([np.full_like(angle, (length - 1) / 2) for length in size], axis=1)[:, :, np.newaxis]
    moved = centre + np.stack(shift, axis=1)[:, :, np.newaxis]  # c + t
    return np.concatenate([backwards, centre - backwards @ moved], axis=2)


def resample(images: Array, matrices: Array, *, order: int, padding_mode: str, fill: float) -> Array:
    """Look every pixel up where its matrix says.

    Parameters
    ----------
    images : array, shape (N, H, W) or (N, H, W, C)
        On any device.
    matrices : ndarray, shape (N, 2, 3)
        Of :func:`affine_matrices`, on the host.
    order : {0, 1}
        The nearest pixel, or the four around, weighted (bilinear).
    padding_mode, fill : str, float
        What lies outside, as in :class:`~npnet.regularization.RandomAffine`.
    """
    ndimage = backend.ndimage(images)
    places = backend.to_device(matrices, backend.device_of(images))
    options = {"order": order, "mode": MODES[padding_mode], "cval": fill, "prefilter": False}

    def one(picture: Array, matrix: Array) -> Array:
        moved: Array = ndimage.affine_transform(picture, matrix, **options)
        return moved

    if images.ndim == 3:
        return np.stack([one(images[i], places[i]) for i in range(len(images))])
    return np.stack(
        [
            np.stack([one(images[i, :, :, c], places[i]) for c in range(images.shape[3])], axis=2)
            for i in range(len(images))
        ]
    )


class RandomAffine(Augmentation):
    r"""Rotate, shift and scale each picture about its centre.

    The point at :math:`p` from the centre :math:`c`, in rows and columns, goes to

    .. math::
        p' = s\,R(\theta)\,p + t, \qquad
        R(\theta) = \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}

    with :math:`\theta`, :math:`t` and :math:`s` uniform on their ranges; :math:`\theta > 0` is
    counter-clockwise, as in ``numpy.rot90``.  Each pixel of the result is looked up where it came from,
    :math:`p = R(-\theta)(p' - t) / s`.

    Parameters
    ----------
    degrees : float or (float, float)
        Range of :math:`\theta`; one number means from its negative to itself.
    translate : (float, float), optional
        Largest shifts to either side, as shares of width and height, in this order as in torchvision (which
        rounds them to whole pixels).
    scale : (float, float), optional
        Range of :math:`s`.
    shear : None
        torchvision's; not supported.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Value between pixels.
    fill : float, default 0
        What lies outside with ``padding_mode="constant"``, in the pictures' own unit.
    center : None
        torchvision's; the centre is the picture's.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}, keyword-only, default "constant"
        What lies outside, as in :func:`numpy.pad`.
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.

    Raises
    ------
    ArgumentError
        If a range is none.
    UnsupportedError
        If `shear` or `center` is given.

    Examples
    --------
    >>> from npnet.regularization import RandomAffine
    >>> quarter = RandomAffine((90, 90))
    >>> quarter(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[2., 4.],
            [1., 3.]]])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: None = None,
        interpolation: str = "nearest",
        fill: float = 0,
        center: None = None,
        *,
        padding_mode: str = "constant",
        generator: Any = None,
    ) -> None:
        super().__init__(generator=generator)
        for name, value in (("shear", shear), ("center", center)):
            if value is not None:
                raise UnsupportedError(f"{type(self).__name__}({name}={value!r}) is not supported")
        if interpolation not in INTERPOLATIONS:
            raise ArgumentError(f"interpolation is one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
        self.degrees = _range(
            "degrees", (-degrees, degrees) if isinstance(degrees, (int, float)) else degrees
        )
        self.translate = _pair("translate", (0.0, 0.0) if translate is None else translate)
        if not all(0.0 <= share <= 1.0 for share in self.translate):
            raise ArgumentError(f"translate is two shares of width and height, 0 to 1; got {translate!r}")
        self.scale = _range("scale", (1.0, 1.0) if scale is None else scale)
        if self.scale[0] <= 0.0:
            raise ArgumentError(f"scale is a range above 0, got {scale!r}")
        self.interpolation = interpolation
        self.fill, self.padding_mode = check_border(fill, padding_mode)

    def move(self, images: Array) -> Array:
        """Draw angle, shift and scale of each picture, and look its pixels up."""
        n, height, width = images.shape[:3]
        angles = self._uniform(*self.degrees, n) * (math.pi / 180.0)
        across, down = (
            self._uniform(-share * size, share * size, n)
            for share, size in zip(self.translate, (width, height), strict=True)
        )
        matrices = affine_matrices(angles, (down, across), self._uniform(*self.scale, n), (height, width))
        order = INTERPOLATIONS.index(self.interpolation)
        return resample(images, matrices, order=order, padding_mode=self.padding_mode, fill=self.fill)

    def _uniform(self, low: float, high: float, n: int) -> Array:
        """Uniform draws; a range of one value costs none."""
        if low == high:
            return np.full(n, low)
        draws: Array = self.draws().uniform(low, high, (n,), "float64")
        return draws


class RandomRotation(RandomAffine):
    """Rotate each picture about its centre; counter-clockwise for a positive angle.

    Parameters
    ----------
    degrees : float or (float, float)
        Range of the angle; one number means from its negative to itself.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Value between pixels.
    expand : bool
        torchvision's; the picture keeps its size, and True is not supported.
    center : None
        torchvision's; the centre is the picture's.
    fill : float, default 0
        What lies outside with ``padding_mode="constant"``, in the pictures' own unit.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}, keyword-only, default "constant"
        What lies outside, as in :func:`numpy.pad`.
    generator : npnet.random.Generator, keyword-only, optional
        Where the draws come from; None means the stream ``augment``.

    Raises
    ------
    ArgumentError
        If the range is none.
    UnsupportedError
        If `expand` or `center` is given.

    Examples
    --------
    >>> from npnet.regularization import RandomRotation
    >>> RandomRotation((180, 180))(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([[[4., 3.],
            [2., 1.]]])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        expand: bool = False,
        center: None = None,
        fill: float = 0,
        *,
        padding_mode: str = "constant",
        generator: Any = None,
    ) -> None:
        if expand:
            raise UnsupportedError("RandomRotation(expand=True) is not supported: pictures keep their size")
        super().__init__(
            degrees,
            interpolation=interpolation,
            fill=fill,
            center=center,
            padding_mode=padding_mode,
            generator=generator,
        )


def _pair(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Two finite numbers."""
    numbers = [value for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    if len(numbers) != 2 or len(values) != 2:
        raise ArgumentError(f"{name} is two numbers, got {values!r}")
    return float(numbers[0]), float(numbers[1])


def _range(name: str, values: Sequence[float]) -> tuple[float, float]:
    low, high = _pair(name, values)
    if low > high:
        raise ArgumentError(f"{name} goes from the smaller to the larger number, got {values!r}")
    return low, high

"""Augmentation against oracles: NumPy's turns and flips, PyTorch's grid sampler, and what no move changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import affine_grid, grid_sample

import npnet
from npnet import backend
from npnet.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from npnet.random import Generator
from npnet.regularization import (
    Augmentation,
    Compose,
    RandomAffine,
    RandomHorizontalFlip,
    RandomQuarterTurn,
    RandomRotation,
    RandomShift,
    RandomVerticalFlip,
)
from npnet.regularization.affine import affine_matrices, resample
from parity_tests import strict_device  # noqa: F401 (it registers the device)

MAKERS: dict[str, Any] = {
    "horizontal flip": lambda g: RandomHorizontalFlip(generator=g),
    "vertical flip": lambda g: RandomVerticalFlip(generator=g),
    "quarter turn": lambda g: RandomQuarterTurn(generator=g),
    "shift": lambda g: RandomShift(2, fill=9, generator=g),
    "shift of edges": lambda g: RandomShift(2, padding_mode="edge", generator=g),
    "rotation": lambda g: RandomRotation(40.0, "bilinear", generator=g),
    "rotation of mirrored pictures": lambda g: RandomRotation(40.0, padding_mode="reflect", generator=g),
    "affine": lambda g: RandomAffine(30, (0.2, 0.1), (0.7, 1.4), interpolation="bilinear", generator=g),
    "several": lambda g: Compose(
        [RandomQuarterTurn(generator=g), RandomShift(1, generator=g), RandomRotation(9.0, generator=g)]
    ),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def pictures(shape: tuple[int, ...] = (40, 6, 6), dtype: Any = np.uint8, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).integers(0, 256, shape)
    return values.astype(dtype)


# ---------------------------------------------------------------------- every augmentation


@every
def test_dtype_shape_and_the_argument_itself_are_kept(make: Any) -> None:
    for shape in ((7, 6, 6), (7, 3, 6, 6)):
        for dtype in (np.uint8, np.float32, np.float64):
            images = pictures(shape, dtype)
            before = images.copy()
            moved = make(Generator(0))(images)
            assert (moved.shape, moved.dtype) == (images.shape, images.dtype)
            assert moved.flags.c_contiguous
            np.testing.assert_array_equal(images, before)
            assert not np.shares_memory(images, moved)


@every
def test_a_seed_gives_the_same_moves_again_and_another_one_others(make: Any) -> None:
    images = pictures()
    first, again, other = (make(Generator(seed))(images) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@every
def test_the_stream_augment_alone_is_drawn_from(make: Any) -> None:
    images = pictures()
    npnet.manual_seed(5)
    others = {name: npnet.random.stream(name).get_state() for name in ("shuffle", "dropout", "init", "split")}
    first = make(None)(images)
    second = make(None)(images)
    assert (first != second).any()
    for name, state in others.items():
        assert npnet.random.stream(name).get_state() == state
    npnet.manual_seed(5)
    np.testing.assert_array_equal(make(None)(images), first)


@every
def test_every_picture_has_a_move_of_its_own(make: Any) -> None:
    alike = np.repeat(pictures((1, 6, 6)), 40, axis=0)
    moved = make(Generator(0))(alike)
    assert len({picture.tobytes() for picture in moved}) > 1


@every
def test_channels_move_together_wherever_their_axis_is(make: Any) -> None:
    images = pictures((12, 6, 6, 3))
    last = make(Generator(1))(images, channels_last=True)
    first = make(Generator(1))(images.transpose(0, 3, 1, 2).copy())
    np.testing.assert_array_equal(last, first.transpose(0, 2, 3, 1))
    grey = make(Generator(1))(images[..., 1])
    np.testing.assert_array_equal(last[..., 1], grey)


@pytest.mark.device
@every
def test_a_device_gives_the_host_s_pictures(make: Any) -> None:
    for shape in ((9, 6, 6), (9, 6, 6, 3)):
        images = pictures(shape)
        there = make(Generator(2))(backend.to_device(images, "strict"), channels_last=True)
        assert backend.device_of(there) == "strict"
        here = make(Generator(2))(images, channels_last=True)
        np.testing.assert_array_equal(backend.to_host(there), here)


@every
def test_bytes_are_the_rounded_floats(make: Any) -> None:
    images = pictures((30, 6, 6))
    images[0], images[1] = 0, 255
    exact = make(Generator(7))(images.astype(np.float64))
    moved = make(Generator(7))(images)
    assert exact.min() >= 0
    assert exact.max() <= 255 + 1e-9
    np.testing.assert_allclose(moved, exact, atol=0.5 + 1e-9)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((2, 4, 4), np.int64), DtypeError, "uint8 or floating, got int64"),
        (np.zeros((4, 4)), ShapeError, r"three or four axes, got the shape \(4, 4\)"),
        ([[[1.0]]], DtypeError, "expected an array, got list"),
    ],
)
def test_what_are_no_pictures_is_refused(images: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RandomHorizontalFlip()(images)


# ---------------------------------------------------------------------- exact moves


def test_flips_are_numpy_s() -> None:
    images = pictures((5, 4, 7))
    np.testing.assert_array_equal(RandomHorizontalFlip(1.0)(images), images[:, :, ::-1])
    np.testing.assert_array_equal(RandomVerticalFlip(1.0)(images), images[:, ::-1, :])
    np.testing.assert_array_equal(RandomHorizontalFlip(0.0)(images), images)


@pytest.mark.parametrize("flip", [RandomHorizontalFlip, RandomVerticalFlip])
def test_each_picture_is_flipped_or_not_with_the_given_probability(flip: Any) -> None:
    images = pictures((4000, 2, 2), np.float64)
    moved = flip(0.3, generator=Generator(0))(images)
    whole = flip(1.0)(images)
    flipped = (moved == whole).all(axis=(1, 2))
    np.testing.assert_array_equal(moved[~flipped], images[~flipped])
    assert abs(flipped.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 4000)


def test_quarter_turns_are_numpy_s_and_equally_likely() -> None:
    images = pictures((2000, 3, 3))
    moved = RandomQuarterTurn(generator=Generator(0))(images)
    turned = np.stack([np.rot90(images, turns, axes=(1, 2)) for turns in range(4)])
    which = (turned == moved).all(axis=(2, 3))
    assert (which.sum(axis=0) == 1).all()
    assert abs(which.mean(axis=1) - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 2000)
    with pytest.raises(ShapeError, match="square pictures, got 3 by 4"):
        RandomQuarterTurn()(np.zeros((1, 3, 4)))


def test_the_turn_is_the_one_that_was_drawn() -> None:
    images = pictures((50, 4, 4))
    turns = Generator(0).randint(0, 4, (50,))
    expected = np.stack([np.rot90(image, k) for image, k in zip(images, turns, strict=True)])
    np.testing.assert_array_equal(RandomQuarterTurn(generator=Generator(0))(images), expected)


@pytest.mark.parametrize("padding_mode", ["constant", "edge", "reflect", "symmetric"])
def test_shifts_are_windows_of_the_padded_picture(padding_mode: Any) -> None:
    images = pictures((300, 5, 4), np.float64)
    moved = RandomShift(2, 7.5, padding_mode, generator=Generator(0))(images)
    filled: Any = {"constant_values": 7.5} if padding_mode == "constant" else {}
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2)], mode=padding_mode, **filled)
    windows = np.stack([padded[:, r : r + 5, c : c + 4] for r in range(5) for c in range(5)])
    which = (windows == moved).all(axis=(2, 3))
    assert (which.sum(axis=0) >= 1).all()
    assert (which.sum(axis=1) >= 1).all()  # every one of the 25 shifts occurs among 300


def test_no_shift_is_no_change_and_pictures_must_be_larger_than_it() -> None:
    images = pictures((3, 4, 4))
    np.testing.assert_array_equal(RandomShift(0)(images), images)
    with pytest.raises(ShapeError, match="by 4 takes larger pictures, got 4 by 4"):
        RandomShift(4)(images)
    with pytest.raises(ShapeError, match="square"):
        Compose([RandomShift(1), RandomQuarterTurn()])(np.zeros((1, 3, 4)))


# ---------------------------------------------------------------------- rotations, shifts, scales


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("turns", range(-3, 5))
def test_a_rotation_by_quarters_is_the_quarter_turn(interpolation: str, turns: int) -> None:
    images = pictures((4, 5, 5, 2))
    moved = RandomRotation((90 * turns, 90 * turns), interpolation)(images, channels_last=True)
    np.testing.assert_array_equal(moved, np.rot90(images, turns, axes=(1, 2)))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_rotation_by_nothing_changes_nothing(interpolation: str) -> None:
    images = pictures((4, 5, 8), np.float64)
    np.testing.assert_array_equal(RandomRotation(0, interpolation)(images), images)


def test_whole_shifts_go_right_and_down() -> None:
    images = pictures((1, 8, 10), np.float64)
    matrices = affine_matrices(np.zeros(1), (np.full(1, 2.0), np.full(1, 3.0)), np.ones(1), (8, 10))
    moved = resample(images, matrices, order=1, padding_mode="constant", fill=0.0)
    expected = np.zeros_like(images)
    expected[:, 2:, 3:] = images[:, :-2, :-3]
    np.testing.assert_allclose(moved, expected, atol=1e-12)


@given(
    angle=st.floats(-3.2, 3.2),
    down=st.floats(-4, 4),
    right=st.floats(-4, 4),
    scale=st.floats(0.4, 2.5),
    size=st.tuples(st.integers(3, 12), st.integers(3, 12)),
)
def test_bilinear_moves_are_those_of_pytorch_s_grid_sampler(
    angle: float, down: float, right: float, scale: float, size: tuple[int, int]
) -> None:
    """Its matrix is in halves of the picture, x before y, y downwards: written here from the definition."""
    height, width = size
    images = pictures((2, height, width), np.float64, seed=height * width)
    matrices = affine_matrices(
        np.full(2, angle), (np.full(2, down), np.full(2, right)), np.full(2, scale), size
    )
    ours = resample(images, matrices, order=1, padding_mode="constant", fill=0.0)
    # To a pixel at (x, y) from the centre comes what was at the point turned back, clockwise on the screen.
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale  # of (x, y)
    half = np.array([(width - 1) / 2, (height - 1) / 2])
    theta = np.concatenate(
        [back * half / half[:, None], (-back @ np.array([right, down]) / half)[:, None]], axis=1
    )
    grid = affine_grid(torch.tensor(np.stack([theta] * 2)), [2, 1, height, width], align_corners=True)
    theirs = grid_sample(torch.tensor(images)[:, None], grid, padding_mode="zeros", align_corners=True)
    np.testing.assert_allclose(ours, theirs[:, 0].numpy(), rtol=0, atol=1e-9)


def test_angle_shift_and_scale_are_drawn_in_this_order_from_their_ranges() -> None:
    images = pictures((6, 9, 7), np.float64)
    moved = RandomAffine((-20, 50), (0.1, 0.3), (0.8, 1.1), interpolation="bilinear", generator=Generator(0))(
        images
    )
    draws = Generator(0)
    angle, right, down, scale = (
        draws.uniform(low, high, (6,), "float64")
        for low, high in ((-20, 50), (-0.7, 0.7), (-2.7, 2.7), (0.8, 1.1))
    )
    matrices = affine_matrices(np.radians(angle), (down, right), scale, (9, 7))
    expected = resample(images, matrices, order=1, padding_mode="constant", fill=0.0)
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-9)


def test_a_rotation_keeps_the_light_of_a_galaxy() -> None:
    """A smooth blob far from the border: its sum stays, and its centre turns as a point does."""
    rows, columns = np.mgrid[:41, :41]
    blob = 200.0 * np.exp(-((rows - 16.0) ** 2 + (columns - 25.0) ** 2) / 18.0)
    (moved,) = RandomRotation((30, 30), "bilinear")(blob[np.newaxis])
    assert moved.sum() == pytest.approx(blob.sum(), rel=1e-3)
    centre = np.array([(rows * moved).sum(), (columns * moved).sum()]) / moved.sum()
    angle = np.radians(30)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ [-4.0, 5.0]
    np.testing.assert_allclose(centre, turned + 20, atol=1e-2)
    twice = RandomAffine((0, 0), scale=(1.5, 1.5), interpolation="bilinear")(blob[np.newaxis])
    assert twice.sum() == pytest.approx(1.5**2 * blob.sum(), rel=1e-2)


def test_what_lies_outside_is_as_asked_for() -> None:
    images = np.full((1, 8, 8), 100, np.uint8)
    corners = [
        RandomRotation((45, 45), "bilinear", fill=fill, padding_mode=mode)(images)[0, 0, 0]
        for fill, mode in ((0, "constant"), (30, "constant"), (30, "edge"), (30, "reflect"))
    ]
    assert corners == [0, 30, 100, 100]


# ---------------------------------------------------------------------- refused arguments

REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "p": (lambda: RandomHorizontalFlip(1.5), ArgumentError, "p is a probability, from 0 to 1; got 1.5"),
    "pixels": (lambda: RandomShift(1.5), ArgumentError, "pixels is a whole number"),  # type: ignore[arg-type]
    "mode": (lambda: RandomShift(1, padding_mode="wrap"), ArgumentError, "padding_mode is one of constant"),
    "fill": (lambda: RandomShift(1, fill=np.nan), ArgumentError, "fill is a number, got nan"),
    "degrees": (lambda: RandomRotation(-5), ArgumentError, "degrees goes from the smaller"),
    "degrees of three": (lambda: RandomRotation((1, 2, 3)), ArgumentError, "degrees is two numbers"),
    "expand": (lambda: RandomRotation(5, expand=True), UnsupportedError, r"expand=True\) is not supported"),
    "center": (
        lambda: RandomRotation(5, center=(1, 1)),  # type: ignore[arg-type]
        UnsupportedError,
        r"RandomRotation\(center=\(1, 1\)\) is not supported",
    ),
    "shear": (lambda: RandomAffine(5, shear=3), UnsupportedError, "shear=3"),  # type: ignore[arg-type]
    "translate": (lambda: RandomAffine(5, (2, 0)), ArgumentError, "translate is two shares"),
    "scale": (lambda: RandomAffine(5, None, (0, 1)), ArgumentError, "scale is a range above 0"),
    "interpolation": (lambda: RandomAffine(5, interpolation="cubic"), ArgumentError, "nearest, bilinear"),
    "Compose": (lambda: Compose([np.flip]), ArgumentError, "takes augmentations, got"),  # type: ignore[list-item]
}


@pytest.mark.parametrize(("make", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_augmentation_is_a_base_class() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Augmentation()  # type: ignore[abstract]

"""Planted mistakes in the augmentation of pictures."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

EXACT = "npnet/regularization/augmentation.py"
AFFINE = "npnet/regularization/affine.py"
TESTS = "parity_tests/test_augmentation.py"
SAMPLER = f"{TESTS}::test_bilinear_moves_are_those_of_pytorch_s_grid_sampler"
TURNS = f"{TESTS}::test_the_turn_is_the_one_that_was_drawn"
SHIFTS = f"{TESTS}::test_shifts_are_windows_of_the_padded_picture"

MISTAKES: list[Mistake] = [
    Mistake(
        "a horizontal flip exchanges top and bottom",
        EXACT,
        "    axis = 2\n",
        "    axis = 1\n",
        f"{TESTS}::test_flips_are_numpy_s",
    ),
    Mistake(
        "p is the probability of no flip",
        EXACT,
        "bernoulli(self.p, (len(images),))",
        "bernoulli(1 - self.p, (len(images),))",
        f"{TESTS}::test_each_picture_is_flipped_or_not_with_the_given_probability",
    ),
    Mistake(
        "one draw flips the whole batch",
        EXACT,
        "bernoulli(self.p, (len(images),))",
        "bernoulli(self.p, (1,)).repeat(len(images))",
        f"{TESTS}::test_every_picture_has_a_move_of_its_own",
    ),
    Mistake(
        "quarter turns go clockwise",
        EXACT,
        "np.flip(np.swapaxes(images, 1, 2), 1)",
        "np.flip(np.swapaxes(images, 1, 2), 2)",
        TURNS,
    ),
    Mistake("a turn by three quarters is never drawn", EXACT, "randint(0, 4,", "randint(0, 3,", TURNS),
    Mistake("a half turn is a flip", EXACT, "np.flip(images, (1, 2))", "np.flip(images, 1)", TURNS),
    Mistake(
        "the largest shift is never drawn",
        EXACT,
        "2 * self.pixels + 1",
        "2 * self.pixels",
        SHIFTS,
    ),
    Mistake("rows and columns shift together", EXACT, "+ offsets[1]", "+ offsets[0]", SHIFTS),
    Mistake(
        "moves are drawn from the stream of dropout",
        EXACT,
        'resolve(self.generator, "augment")',
        'resolve(self.generator, "dropout")',
        f"{TESTS}::test_the_stream_augment_alone_is_drawn_from",
    ),
    Mistake(
        "the matrix maps forward",
        AFFINE,
        "np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)",
        "np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)",
        SAMPLER,
    ),
    Mistake(
        "the scale is not inverted",
        AFFINE,
        "np.cos(angle) / scale, np.sin(angle) / scale",
        "np.cos(angle) * scale, np.sin(angle) * scale",
        SAMPLER,
    ),
    Mistake("the centre is half a pixel off", AFFINE, "(length - 1) / 2", "length / 2", SAMPLER),
    Mistake("the shift is not turned back", AFFINE, "backwards @ moved", "backwards @ centre", SAMPLER),
    Mistake(
        "degrees are taken for radians",
        AFFINE,
        "self._uniform(*self.degrees, n) * (math.pi / 180.0)",
        "self._uniform(*self.degrees, n)",
        f"{TESTS}::test_a_rotation_by_quarters_is_the_quarter_turn",
    ),
    Mistake(
        "shares of width and height are exchanged",
        AFFINE,
        "zip(self.translate, (width, height), strict=True)",
        "zip(self.translate, (height, width), strict=True)",
        f"{TESTS}::test_angle_shift_and_scale_are_drawn_in_this_order_from_their_ranges",
    ),
]

"""Planted mistakes in the kinds of dropout, Gaussian noise and DropConnect."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import parity

__all__ = ["MISTAKES"]

ALPHA = "npnet/nn/alpha_dropout.py"
FEATURE = "npnet/nn/feature_dropout.py"
NOISE = "npnet/nn/noise.py"
TESTS = "parity_tests/test_noise.py"
CONNECT = f"{TESTS}::test_drop_connect_is_a_linear_layer_of_dropped_weights[cpu]"
GAUSSIAN = f"{TESTS}::test_gaussian_noise_is_that_of_pytorch_s_generator[float64-cpu]"

MISTAKES: list[Mistake] = [
    Mistake(
        "alpha dropout shifts to the wrong side",
        ALPHA,
        "keep, x, LOWEST) - a * p * LOWEST",
        "keep, x, LOWEST) + a * p * LOWEST",
        f"{TESTS}::test_alpha_dropout_keeps_mean_and_variance",
    ),
    Mistake(
        "alpha dropout drops to zero",
        ALPHA,
        "np.where(keep, x, LOWEST)",
        "np.where(keep, x, 0)",
        parity("AlphaDropout"),
    ),
    Mistake(
        "alpha dropout's scale lacks the square",
        ALPHA,
        "(1.0 + p * LOWEST * LOWEST)",
        "(1.0 + p * LOWEST)",
        parity("FeatureAlphaDropout"),
    ),
    Mistake(
        "alpha dropout forgets the mask",
        ALPHA,
        "g * keep * _scale(p)",
        "g * _scale(p)",
        parity("AlphaDropout"),
    ),
    Mistake(
        "alpha dropout forgets the scale", ALPHA, "g * keep * _scale(p)", "g * keep", parity("AlphaDropout")
    ),
    Mistake(
        "a mask an element, not a channel",
        FEATURE,
        "return (*x.shape[:2], *[1] * (x.ndim - 2))",
        "return x.shape",
        parity("Dropout2d"),
    ),
    Mistake(
        "without a batch the channels lie on the second axis",
        FEATURE,
        "return (x.shape[0], 1) if",
        "return (1, x.shape[1]) if",
        parity("Dropout1d"),
    ),
    Mistake("noise in evaluation", NOISE, "if not self.training or self.std", "if self.std", GAUSSIAN),
    Mistake(
        "noise of the variance", NOISE, "input + self.std * noise", "input + self.std**2 * noise", GAUSSIAN
    ),
    Mistake(
        "the dropped weights learn",
        NOISE,
        "            slopes *= factor  # dL/dW\n",
        "            pass\n",
        CONNECT,
    ),
    Mistake(
        "the input's gradient sees all weights",
        NOISE,
        "np.dot(g, weight).reshape(x.shape) if input_grad",
        "np.dot(g, self.weight.data).reshape(x.shape) if input_grad",
        CONNECT,
    ),
]

"""Planted mistakes in the activations."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import difference, parity

__all__ = ["MISTAKES"]

EXPONENTIAL = "npnet/nn/activation/exponential.py"
GATED = "npnet/nn/activation/gated.py"
GLU = "npnet/nn/activation/glu.py"
PIECEWISE = "npnet/nn/activation/piecewise.py"
PRELU = "npnet/nn/activation/prelu.py"
SHRINKAGE = "npnet/nn/activation/shrinkage.py"
SIGMOIDS = "npnet/nn/activation/sigmoids.py"
SOFTMAX = "npnet/nn/activation/softmax.py"

CORNERS = "parity_tests/test_extremes.py::test_corners_take_pytorch_s_side[Hardswish]"

MISTAKES: list[Mistake] = [
    Mistake(
        "the input is kept where the output is wanted",
        "npnet/nn/formula_layer.py",
        "else (result,) if keeps",
        "else (x,) if keeps",
        parity("Sigmoid"),
    ),
    # exponential
    Mistake(
        "ELU's slope lacks its height",
        EXPONENTIAL,
        "scale * alpha * rate * np",
        "scale * rate * np",
        parity("ELU"),
    ),
    Mistake(
        "CELU's rate is its height",
        EXPONENTIAL,
        "input, alpha, 1.0 / alpha, 1.0",
        "input, alpha, alpha, 1.0",
        parity("CELU"),
    ),
    Mistake(
        "SELU's slope lacks its scale",
        EXPONENTIAL,
        "np.where(x > 0, scale, scale *",
        "np.where(x > 0, 1.0, scale *",
        parity("SELU"),
    ),
    Mistake("ELU at the kink", EXPONENTIAL, "g * np.where(x > 0", "g * np.where(x >= 0", parity("ELU")),
    # gated
    Mistake(
        "GELU's slope lacks the density",
        GATED,
        "(backend.special(x).ndtr(x) + near * density)",
        "backend.special(x).ndtr(x)",
        difference("GELU"),
    ),
    Mistake(
        "the density lacks the half",
        GATED,
        "np.exp(-0.5 * near * near)",
        "np.exp(-near * near)",
        parity("GELU"),
    ),
    Mistake("the cubic term's slope lacks the three", GATED, "1 + 3 * CUBIC", "1 + CUBIC", parity("GELU")),
    Mistake("SiLU's slope lacks x", GATED, "(1 + x * (1 - sigma))", "(1 + (1 - sigma))", parity("SiLU")),
    Mistake(
        "Mish's slope lacks the square",
        GATED,
        "(1 - t * t))\n\n\nclass GELU",
        "(1 - t))\n\n\nclass GELU",
        parity("Mish"),
    ),
    Mistake(
        "GLU gates with the other half",
        GLU,
        "gated * a * (1 - sigma)",
        "gated * b * (1 - sigma)",
        parity("GLU"),
    ),
    # sigmoids
    Mistake(
        "the logarithm's slope of the wrong side",
        SIGMOIDS,
        "g * backend.special(x).expit(-x)",
        "g * backend.special(x).expit(x)",
        parity("LogSigmoid"),
    ),
    Mistake(
        "the exponential overflows",
        SIGMOIDS,
        "np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)",
        "np.log1p(np.exp(x))",
        "npnet/nn/activation/sigmoids.py",
    ),
    Mistake(
        "softplus does not divide",
        SIGMOIDS,
        "log1p_exp(scaled) / beta",
        "log1p_exp(scaled)",
        parity("Softplus"),
    ),
    Mistake(
        "the threshold looks at x",
        SIGMOIDS,
        "g * np.where(scaled > threshold",
        "g * np.where(x > threshold",
        parity("Softplus"),
    ),
    Mistake(
        "softsign's slope lacks the square",
        SIGMOIDS,
        "g * (shrink * shrink)",
        "g * shrink",
        parity("Softsign"),
    ),
    # piecewise
    Mistake(
        "Hardtanh's lower corner passes",
        PIECEWISE,
        "(x > min_val) & (x < max_val)",
        "(x >= min_val) & (x < max_val)",
        parity("Hardtanh"),
    ),
    Mistake(
        "Hardsigmoid's slope lacks the sixth",
        PIECEWISE,
        "((x > -3) & (x < 3)) / 6",
        "((x > -3) & (x < 3))",
        parity("Hardsigmoid"),
    ),
    Mistake("Hardswish's slope is half", PIECEWISE, "x / 3 + 0.5", "x / 6 + 0.5", difference("Hardswish")),
    Mistake(
        "Hardswish's upper corner",
        PIECEWISE,
        "np.where(x < 3, np",
        "np.where(x <= 3, np",
        CORNERS,
    ),
    # PReLU
    Mistake(
        "the slopes learn from what is positive",
        PRELU,
        "g * np.minimum(x, 0)",
        "g * np.maximum(x, 0)",
        parity("PReLU"),
    ),
    Mistake("the slopes of samples, not channels", PRELU, "rest), 0, 1)", "rest), 0, 0)", parity("PReLU")),
    # shrinkage
    Mistake(
        "the threshold itself passes",
        SHRINKAGE,
        "g * (np.abs(x) > lambd)",
        "g * (np.abs(x) >= lambd)",
        parity("Hardshrink"),
    ),
    Mistake(
        "soft shrinkage is hard",
        SHRINKAGE,
        "input - np.clip(input, -lambd, lambd)",
        "input * (np.abs(input) > lambd)",
        parity("Softshrink"),
    ),
    Mistake(
        "tanh shrinks by a slope without its square", SHRINKAGE, "g * (t * t)", "g * t", parity("Tanhshrink")
    ),
    # softmax
    Mistake(
        "softmax's gradient lacks the mean",
        SOFTMAX,
        "p * (g - np.sum(g * p, axis=dim, keepdims=True))",
        "p * g",
        difference("Softmax"),
    ),
    Mistake(
        "log-softmax sums p g",
        SOFTMAX,
        "np.exp(y) * np.sum(g, axis",
        "np.exp(y) * np.sum(g * np.exp(y), axis",
        parity("LogSoftmax"),
    ),
    Mistake(
        "softmax overflows",
        SOFTMAX,
        "np.exp(input - np.max(input, axis=dim, keepdims=True))",
        "np.exp(input)",
        parity("Softmax"),
    ),
]

"""Planted mistakes in initial values of more than one draw, and in gradcheck."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

TESTS = "parity_tests/test_init.py"
FILLED = "npnet/nn/init/filled.py"
SHAPED = "npnet/nn/init/shaped.py"
TRIAL = "npnet/nn/trial.py"
CHECK = "npnet/nn/gradcheck.py"
CHECKS = "npnet/nn/tests/test_gradcheck.py"

MISTAKES: list[Mistake] = [
    Mistake(
        "orthogonal without the signs",
        SHAPED,
        "q = q * np.sign(np.diagonal(r))",
        "q = q * 1.0",
        f"{TESTS}::test_orthogonal",
    ),
    Mistake(
        "rejection draws only what is missing",
        SHAPED,
        "if share > 0.3 else _far_normals",
        "if share > 0.0 else _far_normals",
        f"{TESTS}::test_truncated_normals",
    ),
    Mistake(
        "the density of a normal without the half",
        SHAPED,
        "log_density = -0.5 * np",
        "log_density = -1.0 * np",
        f"{TESTS}::test_truncated_normals_have_the_moments_of_the_distribution",
    ),
    Mistake("dirac in the corner", FILLED, "size // 2 for size", "0 * size for size", f"{TESTS}::test_dirac"),
    Mistake(
        "dirac forgets the groups",
        FILLED,
        "group * outputs + channel, channel",
        "channel, channel",
        f"{TESTS}::test_dirac",
    ),
    Mistake(
        "sparse rounds down",
        SHAPED,
        "math.ceil(sparsity * rows)",
        "int(sparsity * rows)",
        f"{TESTS}::test_sparse",
    ),
    Mistake(
        "kinks are compared as if smooth",
        CHECK,
        "        if differences.kinks[index]:\n",
        "        if False:\n",
        CHECKS,
    ),
    Mistake(
        "anything goes at a kink",
        CHECK,
        "expected = min(max(found, min(slopes)), max(slopes))",
        "expected = found",
        CHECKS,
    ),
    Mistake("the complex step is always believed", CHECK, "<= BELIEVED * scale", "<= 1e9", CHECKS),
    Mistake("the complex step is never believed", CHECK, "<= BELIEVED * scale", "< 0", CHECKS),
    Mistake(
        "a missing gradient is passed over",
        TRIAL,
        "if parameter.requires_grad:",
        "if parameter.grad is not None:",
        CHECKS,
    ),
    Mistake(
        "the streams run on",
        TRIAL,
        "        for put_back in self.generators:\n            put_back()\n",
        "",
        CHECKS,
    ),
    Mistake(
        "not a number is agreed to",
        CHECK,
        "if not element.error <= element.tolerance",
        "if element.error > element.tolerance",
        CHECKS,
    ),
]

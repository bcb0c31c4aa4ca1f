"""Planted mistakes in the losses beside the squared error and the cross-entropies."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import difference, parity

__all__ = ["MISTAKES"]

BINARY = "npnet/nn/loss/binary.py"
CLASSES = "npnet/nn/loss/classes.py"
DISTANCE = "npnet/nn/loss/distance.py"
FUNCTIONAL = "npnet/nn/functional/loss.py"
LIKELIHOOD = "npnet/nn/loss/likelihood.py"
MARGIN = "npnet/nn/loss/margin.py"
NLL = "npnet/nn/loss/nll.py"

MISTAKES: list[Mistake] = [
    Mistake(
        "L1's slope of the wrong sign",
        DISTANCE,
        "np.sign(x - target) * g",
        "np.sign(target - x) * g",
        difference("L1Loss"),
    ),
    Mistake(
        "Huber's parabola is not halved",
        DISTANCE,
        "(distance - 0.5 * near)",
        "(distance - near)",
        parity("HuberLoss"),
    ),
    Mistake(
        "Huber's tails have slope one",
        DISTANCE,
        "np.clip(x - target, -delta, delta)",
        "np.clip(x - target, -1, 1)",
        parity("HuberLoss"),
    ),
    Mistake(
        "the smooth loss keeps Huber's scale",
        DISTANCE,
        "huber_loss(input, target, beta) / beta",
        "huber_loss(input, target, beta)",
        parity("SmoothL1Loss"),
    ),
    Mistake(
        "the smooth slope keeps Huber's scale",
        DISTANCE,
        "huber_loss_backward(g / beta,",
        "huber_loss_backward(g,",
        parity("SmoothL1Loss"),
    ),
    Mistake(
        "the logarithm of zero is infinite",
        BINARY,
        "log_one = np.maximum(np.log(input), LEAST_LOGARITHM)",
        "log_one = np.log(input)",
        parity("BCELoss"),
    ),
    Mistake(
        "the variance lacks a factor",
        BINARY,
        "np.maximum(x * (1 - x), LEAST_VARIANCE)",
        "np.maximum(1 - x, LEAST_VARIANCE)",
        parity("BCELoss"),
    ),
    Mistake(
        "the margin's slope lacks the sign",
        BINARY,
        "return -target * backend.special(x).expit",
        "return -backend.special(x).expit",
        parity("SoftMarginLoss"),
    ),
    Mistake(
        "hinge: satisfied pairs pull",
        MARGIN,
        "(target != 1) & (x <= margin)",
        "(target != 1)",
        parity("HingeEmbeddingLoss"),
    ),
    Mistake(
        "hinge: the margin itself", MARGIN, "(x <= margin)", "(x < margin)", parity("HingeEmbeddingLoss")
    ),
    Mistake(
        "the target's own margin counts",
        MARGIN,
        "    excess[samples, target] = 0\n",
        "",
        parity("MultiMarginLoss"),
    ),
    Mistake(
        "the square's factor", MARGIN, "else 2 * excess  #", "else excess  #", difference("MultiMarginLoss")
    ),
    Mistake(
        "the target is not pushed up", MARGIN, "= -np.sum(slopes, axis=1)", "= 0", parity("MultiMarginLoss")
    ),
    Mistake(
        "the divergence of the wrong sign",
        LIKELIHOOD,
        "return -(np.exp(target) if log_target else target) * g",
        "return (np.exp(target) if log_target else target) * g",
        difference("KLDivLoss"),
    ),
    Mistake(
        "batchmean divides by the elements",
        LIKELIHOOD,
        "len(x) if self.reduction",
        "x.size if self.reduction",
        parity("KLDivLoss"),
    ),
    Mistake(
        "Stirling for all counts",
        LIKELIHOOD,
        "losses + (target > 1) * stirling",
        "losses + stirling",
        parity("PoissonNLLLoss"),
    ),
    Mistake(
        "the rate's slope lacks epsilon",
        LIKELIHOOD,
        "1 - target / (x + eps)",
        "1 - target / x",
        parity("PoissonNLLLoss"),
    ),
    Mistake(
        "ignored samples learn",
        CLASSES,
        "else weight[target] * counts",
        "else weight[target]",
        parity("NLLLoss"),
    ),
    Mistake("the likelihood of the wrong sign", NLL, "= -kept * g", "= kept * g", difference("NLLLoss")),
    Mistake(
        "the mean of likelihoods is over all samples",
        NLL,
        "total = np.sum(kept)",
        "total = np.sum(np.ones_like(kept))",
        parity("NLLLoss"),
    ),
    Mistake(
        "the weighted mean divides by the elements",
        FUNCTIONAL,
        "np.sum(weight) if by_weight",
        "losses.size if by_weight",
        "parity_tests/test_functional.py::test_weighted_losses[mse_loss-cpu]",
    ),
]

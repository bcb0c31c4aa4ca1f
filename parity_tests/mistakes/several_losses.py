"""Planted mistakes in the losses of several inputs and of several labels."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import parity

__all__ = ["MISTAKES"]

GAUSSIAN = "npnet/nn/loss/gaussian.py"
MULTILABEL = "npnet/nn/loss/multilabel.py"
RANKING = "npnet/nn/loss/ranking.py"
SOFTMAX = "npnet/nn/activation/softmax.py"


def planted(file: str, name: str, cls: str, old: str, new: str) -> Mistake:
    """One that the parity of a class must notice."""
    return Mistake(name, file, old, new, parity(cls))


def gaussian(name: str, old: str, new: str) -> Mistake:
    return planted(GAUSSIAN, name, "GaussianNLLLoss", old, new)


def ranking(name: str, cls: str, old: str, new: str) -> Mistake:
    return planted(RANKING, name, cls, old, new)


def multilabel(name: str, cls: str, old: str, new: str) -> Mistake:
    return planted(MULTILABEL, name, cls, old, new)


MISTAKES: list[Mistake] = [
    gaussian("the logarithm is not halved", "0.5 * (np.log(v) +", "(np.log(v) + 0.5 *"),
    gaussian("the variance's slope has no first term", "(1 / v - z * z)", "(-z * z)"),
    gaussian("the variance's slope is not halved", "* (0.5 * g)", "* g"),
    Mistake(
        "the bound of the variance is forgotten",
        GAUSSIAN,
        "z = (x - target) / v",
        "z = (x - target) / var",
        "parity_tests/test_several_losses.py::test_a_variance_at_its_bound_is_driven_as_pytorch_drives_it[0.5]",
    ),
    gaussian(
        "the constant is not halved", "losses + 0.5 * math.log(2 * math.pi)", "losses + math.log(2 * math.pi)"
    ),
    gaussian(
        "a shared variance sees one element only",
        "np.sum(by_var, axis=shared, keepdims=True)",
        "by_var[tuple(slice(0, 1) if n in shared else slice(None) for n in range(x.ndim))]",
    ),
    ranking("ranks the wrong way", "MarginRankingLoss", "self.margin - target *", "self.margin + target *"),
    ranking(
        "both scores move the same way",
        "MarginRankingLoss",
        "return -by_second, by_second",
        "return by_second, by_second",
    ),
    ranking(
        "no slope at the margin",
        "MarginRankingLoss",
        "target * (excess >= 0) * seed",
        "target * (excess > 0) * seed",
    ),
    ranking("the cosine's second term is forgotten", "CosineEmbeddingLoss", " - a * (c / squared_a)", ""),
    ranking(
        "the cosine's second term divides by the other length",
        "CosineEmbeddingLoss",
        "a * (c / squared_a)",
        "a * (c / squared_b)",
    ),
    ranking(
        "the margin of unlike vectors is forgotten",
        "CosineEmbeddingLoss",
        "excess = c - self.margin",
        "excess = c",
    ),
    ranking("the power of the norm is not reduced", "TripletMarginLoss", "** (p - 1)", "** p"),
    ranking(
        "the norm's slope has no sign", "TripletMarginLoss", "np.sign(u) * (np.abs(u) / d)", "(np.abs(u) / d)"
    ),
    ranking("epsilon is forgotten", "TripletMarginLoss", "anchor - negative + self.eps", "anchor - negative"),
    Mistake(
        "a swapped triplet leaves the positive out",
        RANKING,
        "-by_near - by_other, by_far + by_other",
        "-by_near, by_far + by_other",
        "parity_tests/test_several_losses.py::test_a_swapped_triplet_moves_all_three[2.0]",
    ),
    Mistake(
        "equal distances are not shared",
        RANKING,
        "excess.dtype.type(0.5)",
        "excess.dtype.type(1.0)",
        "parity_tests/test_several_losses.py"
        "::test_equal_distances_of_a_swapped_triplet_share_the_gradient_as_in_pytorch[2.0]",
    ),
    multilabel(
        "classes are summed, not averaged",
        "MultiLabelSoftMarginLoss",
        "np.sum(losses, axis=-1) / classes",
        "np.sum(losses, axis=-1)",
    ),
    multilabel(
        "the absent classes have no slope",
        "MultiLabelSoftMarginLoss",
        "((1 - target) * sigmoid(x) - target * sigmoid(-x))",
        "(-target * sigmoid(-x))",
    ),
    multilabel(
        "labels behind -1 count",
        "MultiLabelMarginLoss",
        "np.cumprod((t >= 0).astype(np.int64), axis=1) > 0",
        "t >= 0",
    ),
    multilabel(
        "labels are held against labels",
        "MultiLabelMarginLoss",
        "(real[:, :, None] & absent[:, None, :])",
        "real[:, :, None]",
    ),
    multilabel(
        "the labels have no slope",
        "MultiLabelMarginLoss",
        "np.sum(near, axis=1) - np.sum(lower, axis=1)",
        "np.sum(near, axis=1)",
    ),
    planted(
        SOFTMAX,
        "the sign of softmin's slope",
        "Softmin",
        "return -softmax_backward(g, p, dim)",
        "return softmax_backward(g, p, dim)",
    ),
    planted(
        SOFTMAX,
        "softmin takes the largest",
        "Softmin",
        "return softmax(-input, dim)",
        "return softmax(input, dim)",
    ),
    planted(SOFTMAX, "pixels of a row share", "Softmax2d", "super().__init__(-3)", "super().__init__(-1)"),
]

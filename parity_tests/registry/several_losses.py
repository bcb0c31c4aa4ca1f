"""Specifications of the losses of several inputs, and of several labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import UnsupportedError
from parity_tests.registry.losses import COMMON, REDUCTION, REDUCTIONS, sizes
from parity_tests.registry.specification import (
    VALUES,
    Case,
    Library,
    ModuleSpecification,
    Refusal,
    arrays,
    seeds,
)

__all__ = ["SEVERAL_LOSSES"]

ALL_KINDS = tuple(VALUES)
Shapes = tuple[tuple[int, ...], ...]


def parted(x: Any, shapes: Shapes) -> list[Any]:
    """What lies end to end in one flat array."""
    parts, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        parts.append(x[start : start + size].reshape(shape))
        start += size
    return parts


class Joined(nn.Module):
    """A loss whose inputs lie end to end in one array, so that the generic tests see all its gradients.

    The variance of :class:`~npnet.nn.GaussianNLLLoss` is the square of what is given, and a little more,
    so that its bound, where backward is no derivative, is not reached.
    """

    def __init__(self, criterion: Any, shapes: Shapes) -> None:
        super().__init__()
        self.criterion, self.shapes = criterion, shapes

    def forward(self, x: Any, *target: Any) -> Any:
        """Part the input."""
        parts = parted(x, self.shapes)
        self.save(parts)
        if isinstance(self.criterion, nn.GaussianNLLLoss):
            return self.criterion(parts[0], *target, parts[1] * parts[1] + 0.01)
        return self.criterion(*parts, *target)

    def backward(self, grad_output: Any, *, input_grad: bool = True) -> Any:
        """Lay the gradients end to end."""
        (parts,) = self.saved()
        found = self.criterion.backward(grad_output, input_grad=input_grad)
        if not input_grad:
            return found
        gradients = list(found)
        if isinstance(self.criterion, nn.GaussianNLLLoss):
            assert gradients[1] is None
            gradients = [gradients[0], 2 * parts[1] * gradients[2]]
        return np.concatenate([gradient.reshape(-1) for gradient in gradients])


class TorchJoined(torch.nn.Module):
    """The same around PyTorch's loss."""

    def __init__(self, criterion: Any, shapes: Shapes) -> None:
        super().__init__()
        self.criterion, self.shapes = criterion, shapes

    def forward(self, x: Any, *target: Any) -> Any:
        """Part the input."""
        parts = parted(x, self.shapes)
        if isinstance(self.criterion, torch.nn.GaussianNLLLoss):
            return self.criterion(parts[0], *target, parts[1] * parts[1] + 0.01)
        return self.criterion(*parts, *target)


TorchJoined.__name__ = Joined.__name__  # trees of modules are compared by their names


def maker(name: str) -> Any:
    """How to build a class in a library; with the argument ``shapes`` its inputs are joined."""

    def make(library: Library, arguments: dict[str, Any]) -> Any:
        rest = {key: value for key, value in arguments.items() if key != "shapes"}
        criterion = getattr(library.nn, name)(**rest)
        if "shapes" not in arguments:
            return criterion
        around = TorchJoined if library.nn is torch.nn else Joined
        return around(criterion, arguments["shapes"])

    return make


def joined(draw: Any, arguments: Any, shapes: Shapes, target: Any, kinds: Any = ALL_KINDS) -> Case:
    """Two batches of inputs end to end, with a target drawn from a generator, or none."""
    batches = []
    total = sum(map(math.prod, shapes))
    for _ in range(2):
        x = draw(arrays((total,), kinds))
        rng = np.random.default_rng(draw(seeds))
        batches.append((x,) if target is None else (x, target(rng)))
    return Case({**arguments, "shapes": shapes}, tuple(batches), draw(seeds))


@st.composite
def gaussian(draw: st.DrawFn) -> Case:
    """The variance of the input's shape, one a row, or 1 along some axis."""
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=3)))
    axis = draw(st.integers(0, len(shape) - 1))
    along = (*shape[:axis], 1, *shape[axis + 1 :])
    arguments = draw(
        st.fixed_dictionaries(
            {"reduction": REDUCTIONS},
            optional={"full": st.booleans(), "eps": st.just(1e-3)},
        )
    )
    variance = draw(st.sampled_from([shape, along, shape[:-1] or shape]))
    return joined(draw, arguments, (shape, variance), lambda rng: rng.normal(size=shape))


@st.composite
def ranking(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(sizes, max_size=3)))
    arguments = {"reduction": draw(REDUCTIONS), "margin": draw(st.sampled_from([0.0, 0.5, 2.0]))}
    return joined(draw, arguments, (shape, shape), lambda rng: rng.choice([-1.0, 1.0], shape))


@st.composite
def cosines(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=2)))
    arguments = {"reduction": draw(REDUCTIONS), "margin": draw(st.sampled_from([0.0, 0.3, -0.5]))}
    kinds = ("normal", "shifted", "extreme")
    return joined(
        draw, arguments, (shape, shape), lambda rng: np.asarray(rng.choice([-1.0, 1.0], shape[:-1])), kinds
    )


@st.composite
def triplets(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=3)))
    arguments = draw(
        st.fixed_dictionaries(
            {"reduction": REDUCTIONS},
            optional={
                "margin": st.sampled_from([0.5, 3.0]),
                "p": st.sampled_from([1.0, 1.5, 2.0, 3.0]),
                "eps": st.sampled_from([1e-6, 0.1]),
                "swap": st.booleans(),
            },
        )
    )
    # of equal distances, rounding would say which is smaller
    return joined(draw, arguments, (shape,) * 3, None, ("normal", "shifted", "extreme"))


@st.composite
def soft_margins(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=3)))
    arguments: dict[str, Any] = {"reduction": draw(REDUCTIONS)}
    if draw(st.booleans()):
        arguments["weight"] = np.abs(draw(arrays(shape[-1:], ("normal",)))) + 0.1
    batches = []
    for _ in range(2):
        rng = np.random.default_rng(draw(seeds))
        batches.append((draw(arrays(shape)), rng.integers(0, 2, shape).astype(np.float64)))
    return Case(arguments, tuple(batches), draw(seeds))


@st.composite
def labels(draw: st.DrawFn) -> Case:
    """Some labels each once, then -1, and behind it what does not count."""
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=2)))
    classes = shape[-1]
    batches = []
    for _ in range(2):
        rng = np.random.default_rng(draw(seeds))
        rows = []
        for _ in range(math.prod(shape[:-1])):
            row = rng.permutation(classes)
            if (count := int(rng.integers(0, classes + 1))) < classes:
                row[count] = -1
            rows.append(row)
        target = np.array(rows, np.int64).reshape(shape)
        batches.append((draw(arrays(shape)), target))
    return Case({"reduction": draw(REDUCTIONS)}, tuple(batches), draw(seeds))


def large_gaussian(rng: np.random.Generator) -> Case:
    shape = (128, 100)
    x = rng.normal(size=2 * math.prod(shape)) + np.repeat([0.0, 3.0], math.prod(shape))
    return Case({"reduction": "none", "shapes": (shape, shape)}, ((x, rng.normal(size=shape)),))


def large_soft_margin(rng: np.random.Generator) -> Case:
    target = rng.integers(0, 2, (10_240, 2)).astype(np.float64)
    return Case({"reduction": "none"}, ((rng.normal(size=(10_240, 2)), target),))


X, ROW = np.ones((3, 4)), np.ones(3)
INTEGERS = np.zeros((3, 4), np.int64)


def of_three(third: Any) -> tuple[Refusal, ...]:
    """What losses of three inputs refuse; the third is what fits."""
    return (
        Refusal("a list", "takes an array, got list", inputs=([1.0], [1.0], [1.0])),
        Refusal("reduction", "'mean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, X, third)),
    )


SEVERAL_LOSSES = (
    ModuleSpecification(
        "GaussianNLLLoss",
        gaussian(),
        large_gaussian,
        (
            *of_three(X),
            Refusal("variance of another size", r"\(3, 4\), .* got \(2,\)", inputs=(X, X, np.ones(2))),
            Refusal("variance of ones in two axes", r"got \(1, 1\)", inputs=(X, X, np.ones((1, 1)))),
            Refusal("negative variance", "a variance is not negative, got -1", inputs=(X, X, -X)),
            Refusal("negative number", "a variance is not negative, got -2", inputs=(X, X, -2.0)),
        ),
        maker("GaussianNLLLoss"),
        smooth=False,
    ),
    ModuleSpecification(
        "MarginRankingLoss",
        ranking(),
        None,
        (
            *COMMON[:2],
            *of_three(X),
            Refusal("shapes", r"input2 \(3, 5\)", inputs=(X, np.ones((3, 5)), X)),
            Refusal("another number of axes", r"target \(3,\)", inputs=(X, X, ROW)),
        ),
        maker("MarginRankingLoss"),
        smooth=False,
    ),
    ModuleSpecification(
        "CosineEmbeddingLoss",
        cosines(),
        None,
        (
            *COMMON[:2],
            *of_three(ROW),
            Refusal("shapes", r"input2 \(3, 5\)", inputs=(X, np.ones((3, 5)), ROW)),
            Refusal("target of the input's shape", r"\(3, 4\) and \(3, 4\)", inputs=(X, X, X)),
            Refusal(
                "three axes", r"\(2, 3, 4\) and \(2, 3\)", inputs=(np.ones((2, 3, 4)),) * 2 + (X[:2, :3],)
            ),
        ),
        maker("CosineEmbeddingLoss"),
        smooth=False,
        least_slope=1.0,
        least_value=1.0,
    ),
    ModuleSpecification(
        "TripletMarginLoss",
        triplets(),
        None,
        (
            *COMMON[:2],
            *of_three(X),
            Refusal("margin of zero", "margin must be positive, got 0", {"margin": 0.0}),
            Refusal("shapes", r"negative \(3, 5\)", inputs=(X, X, np.ones((3, 5)))),
            Refusal(
                "p below one",
                "p=0.5 is not supported",
                {"p": 0.5},
                only=UnsupportedError,
                reason="it is no norm, and its slope is infinite at 0",
            ),
        ),
        maker("TripletMarginLoss"),
        smooth=False,
        least_slope=1.0,
    ),
    ModuleSpecification(
        "MultiLabelSoftMarginLoss",
        soft_margins(),
        large_soft_margin,
        (
            *COMMON,
            REDUCTION,
            Refusal("shapes", r"\(3, 4\) and \(3, 5\)", inputs=(X, np.ones((3, 5)))),
            Refusal("weights of another shape", r"\(3,\) does not fit 4", {"weight": ROW}, (X, X)),
        ),
        least_slope=1.0,
    ),
    ModuleSpecification(
        "MultiLabelMarginLoss",
        labels(),
        None,
        (
            *COMMON,
            REDUCTION,
            Refusal("shapes", r"\(3, 4\) and \(3,\)", inputs=(X, INTEGERS[:, 0])),
            Refusal("three axes", r"\(1, 3, 4\)", inputs=(X[None], INTEGERS[None])),
            Refusal(
                "labels too large",
                "label 4 is out of bounds: labels go from 0 to 3",
                inputs=(X, INTEGERS + 4),
            ),
            Refusal("labels too small", "label -2 is out of bounds", inputs=(X, INTEGERS - 2)),
            Refusal("no integers", "integers, as target, got float64", inputs=(X, X)),
        ),
        smooth=False,
    ),
)

"""Specifications of the losses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from npnet.errors import DtypeError, ShapeError, UnsupportedError
from parity_tests.registry.specification import (
    VALUES,
    Batch,
    Case,
    ModuleSpecification,
    Refusal,
    array_of,
    arrays,
    seeds,
)

__all__ = ["COMMON", "LOSSES", "REDUCTION", "REDUCTIONS", "pairs"]

ALL_KINDS = tuple(VALUES)
BETWEEN = st.sampled_from(["add", "none", "zeros"])
REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
sizes = st.integers(1, 5)


def of_input_s_shape(least: int, targets: Any, kinds: tuple[str, ...] = ALL_KINDS) -> Any:
    """Batches of an input and a target of one shape."""

    def batch(shape: list[int], kind: str, seed: int) -> Batch:
        return array_of(kind, seed, tuple(shape)), targets(np.random.default_rng(seed + 1), tuple(shape))

    shapes = st.lists(sizes, min_size=least, max_size=4)
    return st.builds(batch, shapes, st.sampled_from(kinds), seeds)


def probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers between 0 and 1, both ends included, each often."""
    return np.clip(rng.uniform(-0.5, 1.5, shape), 0.0, 1.0)


def integers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Small integers, which inputs tie with."""
    return rng.integers(-2, 3, shape).astype(np.float64)


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """-1 and 1."""
    return rng.choice([-1.0, 1.0], shape)


@st.composite
def pairs(
    draw: st.DrawFn,
    targets: Any = integers,
    kinds: tuple[str, ...] = ALL_KINDS,
    reductions: st.SearchStrategy[str] = REDUCTIONS,
    **options: st.SearchStrategy[Any],
) -> Case:
    """A loss of each element, with these options."""
    arguments = draw(st.fixed_dictionaries({"reduction": reductions}, optional=options))
    batches = tuple(draw(of_input_s_shape(0, targets, kinds)) for _ in range(2))
    return Case(arguments, batches, draw(seeds))


@st.composite
def of_probabilities(draw: st.DrawFn) -> Case:
    """Probabilities, 0 and 1 among them, and weights that are broadcast."""
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=4)))
    weights = st.sampled_from([shape, shape[-1:], (1,)]).flatmap(lambda s: arrays(s, ("normal", "ties")))
    options = st.fixed_dictionaries({"reduction": REDUCTIONS}, optional={"weight": weights.map(np.abs)})
    rng = np.random.default_rng(draw(seeds))
    batches = tuple((probabilities(rng, shape), probabilities(rng, shape)) for _ in range(2))
    return Case(draw(options), batches, draw(seeds))


@st.composite
def binary_cross_entropy(draw: st.DrawFn) -> Case:
    batch = draw(of_input_s_shape(1, probabilities))
    shape = batch[0].shape
    weights = st.sampled_from([shape, shape[-1:], (1,)]).flatmap(lambda s: arrays(s, ("normal", "ties")))
    options = st.fixed_dictionaries(
        {"reduction": REDUCTIONS},
        optional={"weight": weights.map(np.abs), "pos_weight": weights.map(np.abs)},
    )
    other = (-batch[0], 1.0 - batch[1])
    return Case(draw(options), (batch, other), draw(seeds))


def large_pair(rng: np.random.Generator) -> Case:
    """Many elements, each with its own loss."""
    x = 3.0 * rng.normal(size=(128, 100))
    return Case({"reduction": "none"}, ((x, rng.uniform(size=x.shape)),), int(rng.integers(2**31)))


def signs_and_others(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """-1, 1 and, seldom meant, 0."""
    return rng.choice([-1.0, 1.0, -1.0, 1.0, 0.0], shape)


@st.composite
def counts(draw: st.DrawFn) -> Case:
    """Counts, and rates or their logarithms."""
    options = {"log_input": st.booleans(), "full": st.booleans(), "eps": st.sampled_from([1e-8, 0.1])}
    case = draw(pairs(integers, ("normal", "ties"), **options))
    batches = tuple((np.abs(x) + 0.1, np.abs(target) * 2) for x, target in case.batches)
    return replace(case, batches=batches)


def large_counts(rng: np.random.Generator) -> Case:
    """Many elements, each with its own loss."""
    x = rng.normal(size=(128, 100))
    return Case(
        {"reduction": "none"}, ((x, rng.poisson(np.exp(x)).astype(np.float64)),), int(rng.integers(2**31))
    )


def large_probabilities(rng: np.random.Generator) -> Case:
    """Many elements between 0 and 1."""
    x, target = rng.uniform(0.01, 0.99, (2, 128, 100))
    return Case({"reduction": "none"}, ((x, target),), int(rng.integers(2**31)))


X = np.ones((3, 4))
CASTS: dict[str, Any] = {"only": DtypeError, "reason": "PyTorch casts the weight, and says nothing"}


def deprecated(name: str) -> Refusal:
    """An argument that PyTorch takes with a warning."""
    return Refusal(
        name,
        "deprecated in PyTorch; use reduction=",
        {name: True},
        only=UnsupportedError,
        reason="deprecated in PyTorch",
    )


COMMON = (
    deprecated("size_average"),
    deprecated("reduce"),
    Refusal("a list", "takes an array, got list", inputs=([1.0], [1.0])),
)
REDUCTION = Refusal("reduction", "'mean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, X))
OF_WEIGHTED_PAIRS = (
    REDUCTION,
    Refusal("shapes", r"\(3, 4\) and \(3, 1\)", inputs=(X, np.ones((3, 1)))),
    Refusal("weight", "must be a floating array", {"weight": [1.0, 2.0]}, (X, X)),
    Refusal("weights of another shape", r"\(3,\) does not", {"weight": np.ones(3)}, (X, X)),
    Refusal(
        "weight of another dtype",
        "float64 parameters and was given float32",
        {"weight": X},
        (X.astype(np.float32), X.astype(np.float32)),
        **CASTS,
    ),
)


def distance(
    name: str,
    *refusals: Refusal,
    deprecated_too: bool = True,
    smooth: bool = False,
    targets: Any = integers,
    **options: st.SearchStrategy[Any],
) -> ModuleSpecification:
    """A loss of the difference of input and target, with these options."""
    common = (
        *(COMMON if deprecated_too else COMMON[-1:]),
        REDUCTION,
        Refusal("shapes", r"\(3, 4\) and \(3, 5\)", inputs=(X, np.ones((3, 5)))),
        Refusal(
            "shapes that broadcast",
            r"one shape, got \(3, 1\) and \(3,\)",
            inputs=(np.ones((3, 1)), np.ones(3)),
            only=ShapeError,
            reason="PyTorch warns and broadcasts, which is hardly ever meant",
        ),
    )
    return ModuleSpecification(
        name, pairs(targets, **options), large_pair, (*common, *refusals), smooth=smooth
    )


LOSSES = (
    distance("MSELoss", smooth=True),
    distance("L1Loss"),
    distance(
        "SmoothL1Loss",
        Refusal("beta", "must not be negative, got -1.0", {"beta": -1.0}, (X, X)),
        beta=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    ),
    distance(
        "HuberLoss",
        Refusal("delta of zero", "must be positive, got 0.0", {"delta": 0.0}, (X, X)),
        Refusal("negative delta", "must be positive, got -1.0", {"delta": -1.0}, (X, X)),
        deprecated_too=False,
        delta=st.sampled_from([0.3, 1.0, 2.0]),
    ),
    ModuleSpecification(
        "SoftMarginLoss",
        pairs(signs, ("normal", "ties", "shifted")),  # PyTorch's exponential overflows for extreme ones
        large_pair,
        (*COMMON, REDUCTION, Refusal("shapes", r"\(3, 4\) and \(3, 5\)", inputs=(X, np.ones((3, 5))))),
        least_slope=1.0,
        least_value=1.0,
    ),
    distance(
        "HingeEmbeddingLoss",
        targets=signs_and_others,
        margin=st.sampled_from([0.5, 1.0, 2.0]),
    ),
    ModuleSpecification(
        "KLDivLoss",
        pairs(
            probabilities,
            reductions=st.sampled_from(["batchmean", "sum", "none"]),  # of "mean" PyTorch warns
            log_target=st.booleans(),
        ),
        large_pair,
        (
            *COMMON[:-1],
            Refusal("a list", "takes an array, got list", {"reduction": "sum"}, ([1.0], [1.0])),
            Refusal(
                "reduction", "'mean', 'batchmean', 'sum' or 'none', got 'avg'", {"reduction": "avg"}, (X, X)
            ),
            Refusal("shapes", r"\(3, 4\) and \(3, 5\)", {"reduction": "sum"}, inputs=(X, np.ones((3, 5)))),
            Refusal(
                "shapes that broadcast",
                r"one shape, got \(3, 4\) and \(3, 1\)",
                {"reduction": "sum"},
                (X, np.ones((3, 1))),
                only=ShapeError,
                reason="PyTorch broadcasts, which is hardly ever meant",
            ),
        ),
    ),
    ModuleSpecification(
        "PoissonNLLLoss",
        counts(),
        large_counts,
        (*COMMON, REDUCTION, Refusal("shapes", r"\(3, 4\) and \(3, 5\)", inputs=(X, np.ones((3, 5))))),
        domain=(0.0, 3.0),
    ),
    ModuleSpecification(
        "BCELoss",
        of_probabilities(),
        large_probabilities,
        (
            *COMMON,
            *OF_WEIGHTED_PAIRS,
            Refusal("probability above one", "as input, got 1.5", inputs=(1.5 * X, X)),
            Refusal("probability below zero", "as input, got -1", inputs=(-X, X)),
            Refusal("probability not a number", "as input, got nan", inputs=(np.nan * X, X)),
            Refusal("target above one", "as target, got 2", inputs=(X, 2.0 * X)),
        ),
        domain=(0.0, 1.0),
    ),
    ModuleSpecification(
        "BCEWithLogitsLoss",
        binary_cross_entropy(),
        large_pair,
        (
            *COMMON,
            *OF_WEIGHTED_PAIRS,
            Refusal(
                "pos_weight of another dtype",
                "float64 parameters and was given float32",
                {"pos_weight": X},
                (X.astype(np.float32), X.astype(np.float32)),
                **CASTS,
            ),
        ),
        least_slope=1.0,
    ),
)

"""Specifications of the optimizers."""

from __future__ import annotations

import re
from math import nan
from typing import Any

from hypothesis import strategies as st

from npnet.errors import ArgumentError, ArgumentTypeError, UnsupportedError
from parity_tests.registry.specification import OptimizerSpecification, Refusal

__all__ = ["RULES"]

rates = st.sampled_from([1e-3, 0.05, 0.3, 0.9])
decays = st.sampled_from([0.0, 0.01, 0.5, 1.0])
"""Products of rate and decay go up to 0.9: a decay of the wrong sign shows at once."""

small = st.sampled_from([1e-8, 1e-3, 0.5])
betas = st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.5), (0.9, 0.3)])
"""Not beta2 = 0: a step then divides by the last gradient alone, and magnifies rounding at will."""

COMMON = {"lr": rates, "weight_decay": decays, "maximize": st.booleans()}
MOMENTS = {**COMMON, "betas": betas, "eps": small}


def options(**drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these options together; the others have their defaults."""
    return st.fixed_dictionaries({}, optional=drawn)


def refused(name: str, *values: Any, takes: str = "must be a number, at least 0") -> tuple[Refusal, ...]:
    """Values of one option that PyTorch refuses too; the message must show them."""
    return tuple(
        Refusal(f"{name}={value!r}", f"{name} {takes}.*, got {re.escape(repr(value))}", {name: value})
        for value in values
    )


def forgotten(name: str, value: Any, takes: str, reason: str) -> Refusal:
    """A value that PyTorch takes, and should not."""
    message = f"{takes}, got {re.escape(repr(value))}"
    return Refusal(f"{name}={value!r}", message, {name: value}, only=ArgumentError, reason=reason)


def numbers(*names: str) -> tuple[Refusal, ...]:
    """Options that must be numbers and not negative."""
    return tuple(refusal for name in names for refusal in refused(name, -0.1, nan, "0.1"))


def implementation(*names: str) -> tuple[Refusal, ...]:
    """Arguments that choose an implementation in PyTorch."""
    return tuple(
        Refusal(
            name,
            f"{name}= only chooses an implementation",
            {name: True},
            only=UnsupportedError,
            reason="there is one implementation here",
        )
        for name in names
    )


BETAS = (
    Refusal("beta of one", r"betas\[0\] must be .* below 1.*, got 1.0", {"betas": (1.0, 0.9)}),
    Refusal("negative beta", r"betas\[1\] must be .*, got -0.1", {"betas": (0.9, -0.1)}),
    Refusal("beta that is NaN", r"betas\[1\] must be .*, got nan", {"betas": (0.9, nan)}),
    Refusal("beta that is text", r"betas\[0\] must be .*, got '0.9'", {"betas": ("0.9", 0.9)}),
    Refusal("one beta", "betas must be two numbers, got 0.9", {"betas": 0.9}),
    Refusal("a single beta", r"betas must be two numbers, got \(0.9,\)", {"betas": (0.9,)}),
    Refusal("no betas", r"betas must be two numbers, got \(\)", {"betas": ()}),
    Refusal(
        "three betas",
        r"betas must be two numbers, got \(0.9, 0.9, 0.9\)",
        {"betas": (0.9, 0.9, 0.9)},
        only=ArgumentTypeError,
        reason="PyTorch fails at the first step",
    ),
)
COMMON_REFUSALS = (*numbers("lr", "weight_decay"), *implementation("foreach", "differentiable"))
ADAM_REFUSALS = (*COMMON_REFUSALS, *numbers("eps"), *BETAS, *implementation("capturable"))

INTEGER_BETAS = (
    Refusal("an integer beta1", r"betas must both be floats, got \(0, 0.9\)", {"betas": (0, 0.9)}),
    Refusal("an integer beta2", r"betas must both be floats, got \(0.9, 0\)", {"betas": (0.9, 0)}),
)
"""What Adam and AdamW refuse alone; the others take 0 for 0.0, there as here."""

NO_CHECK = "PyTorch does not look at it"

SGD = OptimizerSpecification(
    "SGD",
    options(**COMMON, momentum=st.sampled_from([0.0, 0.5, 0.9]), dampening=st.sampled_from([0.0, 0.3, 1.0]))
    | st.builds(
        lambda drawn, momentum: {**drawn, "momentum": momentum, "nesterov": True},
        options(**COMMON),
        st.sampled_from([0.5, 0.9]),
    ),
    (
        *(refusal for name in ("lr", "weight_decay", "momentum") for refusal in refused(name, -0.1, "0.1")),
        *(
            forgotten(name, nan, f"{name} must be a number.*", "PyTorch compares with 0 the other way round")
            for name in ("lr", "weight_decay", "momentum")
        ),
        forgotten("dampening", nan, "dampening must be a number", NO_CHECK),
        *implementation("foreach", "differentiable", "fused"),
        Refusal("nesterov without momentum", "nesterov needs momentum", {"nesterov": True}),
        Refusal(
            "nesterov with dampening",
            "nesterov needs momentum above 0 and dampening 0",
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
        ),
    ),
)

ADAM = options(**MOMENTS, amsgrad=st.booleans())

RULES = (
    SGD,
    OptimizerSpecification(
        "Adam",
        st.tuples(ADAM, options(decoupled_weight_decay=st.booleans())).map(lambda both: both[0] | both[1]),
        (*ADAM_REFUSALS, *INTEGER_BETAS, *implementation("fused")),
    ),
    OptimizerSpecification("AdamW", ADAM, (*ADAM_REFUSALS, *INTEGER_BETAS, *implementation("fused"))),
    OptimizerSpecification("Adamax", options(**MOMENTS), ADAM_REFUSALS),
    OptimizerSpecification(
        "NAdam",
        options(
            **MOMENTS,
            momentum_decay=st.sampled_from([0.0, 4e-3, 0.5]),
            decoupled_weight_decay=st.booleans(),
        ),
        (*ADAM_REFUSALS, *numbers("momentum_decay")),
    ),
    OptimizerSpecification("RAdam", options(**MOMENTS, decoupled_weight_decay=st.booleans()), ADAM_REFUSALS),
    OptimizerSpecification(
        "RMSprop",
        options(
            **COMMON,
            alpha=st.sampled_from([0.99, 0.9, 0.5]),
            eps=small,
            momentum=st.sampled_from([0.0, 0.5, 0.9]),
            centered=st.booleans(),
        ),
        (*COMMON_REFUSALS, *numbers("alpha", "eps", "momentum"), *implementation("capturable")),
    ),
    OptimizerSpecification(
        "Adagrad",
        options(
            **COMMON,
            lr_decay=st.sampled_from([0.0, 0.01, 0.5]),
            initial_accumulator_value=st.sampled_from([0.0, 0.1, 2.0]),
            eps=st.sampled_from([1e-10, 1e-3, 0.5]),
        ),
        (
            *COMMON_REFUSALS,
            *numbers("lr_decay", "initial_accumulator_value", "eps"),
            *implementation("fused"),
        ),
    ),
    OptimizerSpecification(
        "Adadelta",
        options(**COMMON, rho=st.sampled_from([0.9, 0.5, 0.1, 1.0]), eps=st.sampled_from([1e-6, 1e-2, 0.5])),
        (*COMMON_REFUSALS, *numbers("rho", "eps"), *refused("rho", 1.1), *implementation("capturable")),
    ),
    OptimizerSpecification(
        "ASGD",
        options(
            **COMMON,
            lambd=st.sampled_from([0.0, 1e-4, 0.5]),
            alpha=st.sampled_from([0.75, 0.0, 1.0, 2.0]),
            t0=st.sampled_from([1e6, 0.0, 1.5, 3]),
        ),
        (
            *COMMON_REFUSALS,
            *implementation("capturable"),
            *(forgotten(name, nan, f"{name} must be a number", NO_CHECK) for name in ("alpha", "t0")),
            forgotten("lambd", nan, "lambd must be a number, at least 0.*", NO_CHECK),
            forgotten(
                "lambd", -0.1, "lambd must be a number, at least 0.*", "the rate grows, then is complex"
            ),
        ),
    ),
    OptimizerSpecification(
        "Rprop",
        options(
            lr=rates,
            maximize=st.booleans(),
            etas=st.sampled_from([(0.5, 1.2), (0.1, 3.0), (0.9, 1.01)]),
            step_sizes=st.sampled_from([(1e-6, 50), (0.01, 0.1), (0.2, 0.2), (0, 1)]),
        ),
        (
            *numbers("lr"),
            *implementation("foreach", "differentiable", "capturable"),
            *refused("etas", (0.0, 1.2), (0.5, 1.0), (1.2, 0.5), (1.0, 1.2), takes="must be"),
            *refused("etas", 0.5, (0.5,), (), takes="must be two numbers"),
            Refusal("negative eta", r"etas\[0\] must be .*, got -0.5", {"etas": (-0.5, 1.2)}),
            Refusal("eta that is NaN", r"etas\[1\] must be .*, got nan", {"etas": (0.5, nan)}),
            forgotten("step_sizes", (0.1, 0.01), "step_sizes must not decrease", NO_CHECK),
            forgotten("step_sizes", 0.1, "step_sizes must be two numbers", "PyTorch fails at the first step"),
            Refusal(
                "negative step size",
                r"step_sizes\[0\] must be .*, got -0.1",
                {"step_sizes": (-0.1, 1.0)},
                only=ArgumentError,
                reason=NO_CHECK,
            ),
        ),
    ),
)

"""Specifications of the optimizers."""

from __future__ import annotations

from hypothesis import strategies as st

from npnet.errors import UnsupportedError
from parity_tests.registry.specification import OptimizerSpecification, Refusal

__all__ = ["RULES"]

rates = st.sampled_from([1e-3, 0.05, 0.3, 0.9])
decays = st.sampled_from([0.0, 0.01, 0.5, 1.0])
"""Products of rate and decay go up to 0.9: a decay of the wrong sign shows at once."""

COMMON = {"lr": rates, "weight_decay": decays, "maximize": st.booleans()}


def fits_nesterov(options: dict[str, object]) -> bool:
    """Whether SGD takes these options together."""
    return not options.get("nesterov") or (options.get("momentum", 0) != 0 and not options.get("dampening"))


sgd = st.fixed_dictionaries(
    {},
    optional={
        **COMMON,
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "dampening": st.sampled_from([0.0, 0.3, 1.0]),
        "nesterov": st.booleans(),
    },
).filter(fits_nesterov)

adam = st.fixed_dictionaries(
    {},
    optional={
        **COMMON,
        "betas": st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.5), (0.9, 0.0)]),
        "eps": st.sampled_from([1e-8, 1e-3, 0.5]),
        "amsgrad": st.booleans(),
    },
)

rmsprop = st.fixed_dictionaries(
    {},
    optional={
        **COMMON,
        "alpha": st.sampled_from([0.99, 0.9, 0.5]),
        "eps": st.sampled_from([1e-8, 1e-3, 0.5]),
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "centered": st.booleans(),
    },
)

NEGATIVE = tuple(
    Refusal(f"negative {name}", f"{name} must be a number, at least 0", {name: -0.1})
    for name in ("lr", "weight_decay")
)


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
    Refusal("beta of one", r"betas\[0\] must be .* below 1", {"betas": (1.0, 0.9)}),
    Refusal("negative beta", r"betas\[1\] must be", {"betas": (0.9, -0.1)}),
    Refusal("negative eps", "eps must be", {"eps": -1e-8}),
)
ADAMS = (*NEGATIVE, *BETAS, *implementation("foreach", "capturable", "differentiable", "fused"))

RULES = (
    OptimizerSpecification(
        "SGD",
        sgd,
        (
            *NEGATIVE,
            Refusal("negative momentum", "momentum must be", {"momentum": -0.5}),
            Refusal("nesterov without momentum", "nesterov needs momentum", {"nesterov": True}),
            Refusal(
                "nesterov with dampening",
                "nesterov needs momentum above 0 and dampening 0",
                {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            ),
            *implementation("foreach", "differentiable", "fused"),
        ),
    ),
    OptimizerSpecification(
        "Adam",
        st.tuples(adam, st.booleans()).map(lambda drawn: drawn[0] | {"decoupled_weight_decay": drawn[1]}),
        ADAMS,
    ),
    OptimizerSpecification("AdamW", adam, ADAMS),
    OptimizerSpecification(
        "RMSprop",
        rmsprop,
        (
            *NEGATIVE,
            Refusal("negative alpha", "alpha must be", {"alpha": -0.1}),
            Refusal("negative eps", "eps must be", {"eps": -1e-8}),
            Refusal("negative momentum", "momentum must be", {"momentum": -0.5}),
            *implementation("foreach", "capturable", "differentiable"),
        ),
    ),
)

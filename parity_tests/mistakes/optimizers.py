"""Planted mistakes in the younger rules, in what they need of the base class, and in minimize."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

ADADELTA = "npnet/optim/adadelta.py"
ADAGRAD = "npnet/optim/adagrad.py"
ADAMAX = "npnet/optim/adamax.py"
ASGD = "npnet/optim/asgd.py"
FULL_BATCH = "npnet/optim/full_batch.py"
NADAM = "npnet/optim/nadam.py"
OPTIMIZER = "npnet/optim/optimizer.py"
RADAM = "npnet/optim/radam.py"
RPROP = "npnet/optim/rprop.py"
STATE = "npnet/optim/state.py"

RULES = "parity_tests/test_optimizer_rules.py"
MINIMIZE = "npnet/optim/tests/test_full_batch.py"


def parity(name: str) -> str:
    """The test of one class against PyTorch."""
    return f"{RULES}::test_steps_and_state[cpu-{name}]"


MISTAKES: list[Mistake] = [
    # Adamax
    Mistake("epsilon is not in Adamax's maximum", ADAMAX, "np.abs(g) + eps", "np.abs(g)", parity("Adamax")),
    Mistake("Adamax compares signed gradients", ADAMAX, "np.abs(g) + eps", "g + eps", parity("Adamax")),
    Mistake("Adamax's maximum never fades", ADAMAX, "beta2 * u", "u", parity("Adamax")),
    Mistake("Adamax counts from 0", ADAMAX, 'numbers["step"])', '(numbers["step"] + 1))', parity("Adamax")),
    # NAdam
    Mistake("the warm-up of NAdam has no half", NADAM, "1 - 0.5 * 0.96", "1 - 0.96", parity("NAdam")),
    Mistake("NAdam does not look ahead", NADAM, "in (step, step + 1)", "in (step, step)", parity("NAdam")),
    Mistake("NAdam's product stays behind", NADAM, "1 - product * mu_next", "1 - product", parity("NAdam")),
    Mistake(
        "the gradient's share is whole",
        NADAM,
        "(1 - mu) / (1 - product)",
        "1 / (1 - product)",
        parity("NAdam"),
    ),
    Mistake(
        "NAdam's product has all digits of a double",
        NADAM,
        'as_stored(numbers["mu_product"] * as_stored(mu))',
        'numbers["mu_product"] * mu',
        parity("NAdam"),
    ),
    # RAdam
    Mistake("RAdam adapts from a length of 4 on", RADAM, "step) > 5", "step) > 4", parity("RAdam")),
    Mistake(
        "the rectification lacks a factor",
        RADAM,
        "(length - 4) * (length - 2)",
        "(length - 4)",
        parity("RAdam"),
    ),
    Mistake("the effective length lacks a 2", RADAM, "2 * step * kept", "step * kept", parity("RAdam")),
    Mistake(
        "an early step leaves the second moment out",
        RADAM,
        "v += fade2 * (g * g - v)\n    p -= rate * m\n",
        "p -= rate * m\n",
        parity("RAdam"),
    ),
    # Adagrad
    Mistake(
        "the decay is one step ahead", ADAGRAD, '(numbers["step"] - 1)', 'numbers["step"]', parity("Adagrad")
    ),
    Mistake(
        "epsilon under Adagrad's root", ADAGRAD, "np.sqrt(s) + eps", "np.sqrt(s + eps)", parity("Adagrad")
    ),
    Mistake("Adagrad sums magnitudes", ADAGRAD, "s += g * g", "s += np.abs(g)", parity("Adagrad")),
    Mistake(
        "the first sum is each group's",
        ADAGRAD,
        'self.defaults["initial_accumulator_value"]',
        'group["initial_accumulator_value"]',
        f"{RULES}::test_adagrad_takes_the_initial_sum_of_the_constructor_for_all_groups",
    ),
    Mistake(
        "Adagrad's state begins with the first step",
        ADAGRAD,
        'self._begin(group, group["params"])',
        "self._begin(group, [])",
        parity("Adagrad"),
    ),
    # Adadelta
    Mistake(
        "epsilon beside the upper root",
        ADADELTA,
        "np.sqrt(u + eps)",
        "(np.sqrt(u) + eps)",
        parity("Adadelta"),
    ),
    Mistake(
        "steps are averaged as gradients", ADADELTA, "delta * delta - u", "g * g - u", parity("Adadelta")
    ),
    Mistake("Adadelta ignores the rate", ADADELTA, "p -= lr * delta", "p -= delta", parity("Adadelta")),
    Mistake("rho fades rather than keeps", ADADELTA, '1 - group["rho"]', 'group["rho"]', parity("Adadelta")),
    # ASGD
    Mistake("a new rate acts at once", ASGD, "return eta, 1 -", 'return numbers["eta"], 1 -', parity("ASGD")),
    Mistake("lambd shrinks without the rate", ASGD, "eta, 1 - lambd * eta", "eta, 1 - lambd", parity("ASGD")),
    Mistake(
        "averaging begins a step early", ASGD, 'step - group["t0"]', 'step + 1 - group["t0"]', parity("ASGD")
    ),
    Mistake("the average runs away", ASGD, "mu * (p - a)", "mu * (a - p)", parity("ASGD")),
    Mistake(
        "the rate has all digits of a double", ASGD, 'as_stored(group["lr"])', 'group["lr"]', parity("ASGD")
    ),
    # Rprop
    Mistake(
        "Rprop steps after a change of sign", RPROP, "np.where(agreement < 0, 0.0, g)", "g", parity("Rprop")
    ),
    Mistake(
        "Rprop exchanges its factors", RPROP, "agreement > 0, plus", "agreement < 0, plus", parity("Rprop")
    ),
    Mistake(
        "lengths have no lower limit",
        RPROP,
        "np.clip(d, least, most",
        "np.clip(d, 0.0, most",
        parity("Rprop"),
    ),
    Mistake("the first length is not the rate", RPROP, 'float(group["lr"]) if', "0.01 if", parity("Rprop")),
    # Numbers
    Mistake(
        "numbers are not rounded", STATE, "backend.default_dtype().type(number)", "number", parity("ASGD")
    ),
    Mistake(
        "who sits out counts on", STATE, "dict(self.numbers[first])", "self.numbers[first]", parity("Adam")
    ),
    Mistake("runs mix step counts", OPTIMIZER, "*numbers.values(), shelf", "shelf", parity("Adam")),
    # minimize
    Mistake(
        "penalties have no gradient",
        FULL_BATCH,
        "            penalty.backward(self.model)\n",
        "",
        f"{MINIMIZE}::test_ridge",
    ),
    Mistake(
        "gradients of all evaluations add up",
        FULL_BATCH,
        "self.model.zero_grad()\n        loss",
        "loss",
        f"{MINIMIZE}::test_ridge",
    ),
    Mistake(
        "the callback's weights are the last ones tried",
        FULL_BATCH,
        "np.any(self.last[0] != vector)",
        "False",
        f"{MINIMIZE}::test_callback_sees_the_weights_of_each_iteration",
    ),
    Mistake(
        "an interrupted search leaves its weights",
        FULL_BATCH,
        "objective.write(start)\n        raise",
        "raise",
        f"{MINIMIZE}::test_whatever_is_raised_the_weights_are_back",
    ),
    Mistake(
        "frozen parameters move",
        FULL_BATCH,
        " if parameter.requires_grad]",
        "]",
        f"{MINIMIZE}::test_frozen_parameters_stay_and_unused_ones_too",
    ),
]

"""Planted mistakes in the converters of other libraries' words."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

FILE = "npnet/dialects.py"
TESTS = "parity_tests/test_dialects.py"
ADAM = f"{TESTS}::test_adam_with_its_epsilon_is_keras_s"
REPLAY = f"{TESTS}::test_an_mlp_classifier_is_replayed_step_by_step"
PAPER = f"{TESTS}::test_adamw_with_the_paper_s_decay_is_its_algorithm_2"
RMSPROP = f"{TESTS}::test_an_rmsprop_step_is_at_most_a_root_of_two_shorter"
BATCH_NORM = f"{TESTS}::test_batch_norm_is_keras_s"
PLATEAU = f"{TESTS}::test_a_plateau_is_keras_s"
DECISIONS = f"{TESTS}::test_recorded_decisions_are_ours"

MISTAKES: list[Mistake] = [
    Mistake(
        "epsilon is multiplied by the correction",
        FILE,
        "epsilon / math.sqrt(1 - beta2**step)",
        "epsilon * math.sqrt(1 - beta2**step)",
        ADAM,
    ),
    Mistake(
        "epsilon's correction is a step late",
        FILE,
        "epsilon / math.sqrt(1 - beta2**step)",
        "epsilon / math.sqrt(1 - beta2 ** (step + 1))",
        ADAM,
    ),
    Mistake(
        "epsilon's correction has no root",
        FILE,
        "epsilon / math.sqrt(1 - beta2**step)",
        "epsilon / (1 - beta2**step)",
        REPLAY,
    ),
    Mistake(
        "Keras's decay is coupled",
        FILE,
        '"decoupled_weight_decay": weight_decay is not None',
        '"decoupled_weight_decay": False',
        ADAM,
    ),
    Mistake("Keras's amsgrad is dropped", FILE, '        "amsgrad": amsgrad,\n', "", ADAM),
    Mistake(
        "scikit-learn's alpha has no half", FILE, "alpha / (2 * batch_size)", "alpha / batch_size", REPLAY
    ),
    Mistake("scikit-learn's alpha ignores the batch", FILE, "alpha / (2 * batch_size)", "alpha / 16", REPLAY),
    Mistake(
        "scikit-learn's epsilon is dropped",
        FILE,
        '"betas": (beta_1, beta_2), "eps": epsilon}',
        '"betas": (beta_1, beta_2)}',
        f"{FILE}::npnet.dialects.sklearn_adam",
    ),
    Mistake(
        "the paper's decay is multiplied by the rate",
        FILE,
        "return weight_decay / lr",
        "return weight_decay * lr",
        PAPER,
    ),
    Mistake("the paper's decay is PyTorch's", FILE, "return weight_decay / lr", "return weight_decay", PAPER),
    Mistake("RMSprop's epsilon has no root", FILE, '"eps": math.sqrt(epsilon)', '"eps": epsilon', RMSPROP),
    Mistake("RMSprop's rho is what comes", FILE, '"alpha": rho', '"alpha": 1 - rho', RMSPROP),
    Mistake(
        "BatchNorm's momentum is what stays",
        FILE,
        '{"momentum": 1 - momentum, "eps": epsilon}',
        '{"momentum": momentum, "eps": epsilon}',
        BATCH_NORM,
    ),
    Mistake(
        "BatchNorm's epsilon is dropped",
        FILE,
        '{"momentum": 1 - momentum, "eps": epsilon}',
        '{"momentum": 1 - momentum}',
        BATCH_NORM,
    ),
    Mistake(
        "Bessel's correction is turned round",
        FILE,
        "((batch_size - 1) / batch_size)",
        "(batch_size / (batch_size - 1))",
        BATCH_NORM,
    ),
    Mistake(
        "the initial variance is corrected too", FILE, "start = momentum**batches", "start = 0.0", BATCH_NORM
    ),
    Mistake("plateau patience is one too long", FILE, "max(patience, 1) - 1", "max(patience, 1)", PLATEAU),
    Mistake("the cooldown is one too long", FILE, "max(cooldown - 1, 0)", "cooldown", PLATEAU),
    Mistake("the margin is relative", FILE, '"threshold_mode": "abs"', '"threshold_mode": "rel"', PLATEAU),
    Mistake("the first value must be better", FILE, '        "first": "any",\n', "", DECISIONS),
    Mistake("the baseline may stop", FILE, '        "baseline_stops": False,\n', "", DECISIONS),
    Mistake("infinities are ordered", FILE, '"stop" if check_finite else "ordered"', '"ordered"', DECISIONS),
    Mistake(
        "the stopping threshold is the one of divergence",
        FILE,
        '"stopping_threshold": stopping_threshold',
        '"stopping_threshold": divergence_threshold',
        DECISIONS,
    ),
]

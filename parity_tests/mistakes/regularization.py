"""Planted mistakes in the penalties and in early stopping."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

FORMULAS = "npnet/regularization/functional.py"
PENALTIES = "npnet/regularization/penalties.py"
STOPPING = "npnet/regularization/early_stopping.py"

PARITY = "parity_tests/test_penalties.py::test_value_and_gradient_are_those_of_autograd"
PENALTY_TESTS = "npnet/regularization/tests/test_penalties.py"
CENTRAL = f"{PENALTY_TESTS}::test_backward_is_the_central_difference_of_the_value"
STOPPING_TESTS = "npnet/regularization/tests/test_early_stopping.py"
ORACLE = f"{STOPPING_TESTS}::test_every_decision_is_the_oracle_s"

MISTAKES: list[Mistake] = [
    # L1
    Mistake("L1 sums without absolute values", FORMULAS, "np.sum(np.abs(w))", "np.sum(w)", PARITY),
    Mistake("L1 averages", FORMULAS, "np.sum(np.abs(w))", "np.mean(np.abs(w))", PARITY),
    Mistake("L1 pushes outwards", FORMULAS, "lamb * np.sign(w)", "-lamb * np.sign(w)", CENTRAL),
    Mistake(
        "L1's subgradient at zero is one", FORMULAS, "lamb * np.sign(w)", "lamb * np.copysign(1.0, w)", PARITY
    ),
    # L2
    Mistake("L2's value has a half", FORMULAS, "lamb * np.sum(w * w)", "0.5 * lamb * np.sum(w * w)", PARITY),
    Mistake("L2's gradient has a half", FORMULAS, "(2.0 * lamb) * w", "lamb * w", CENTRAL),
    Mistake("L2's value is the norm", FORMULAS, "np.sum(w * w)", "np.sqrt(np.sum(w * w))", PARITY),
    Mistake(
        "L2 pushes outwards",
        FORMULAS,
        "(2.0 * lamb) * w",
        "(-2.0 * lamb) * w",
        f"{PENALTY_TESTS}::test_half_the_decay_as_l2_is_coupled_weight_decay",
    ),
    # Elastic net
    Mistake(
        "the elastic net's strengths are exchanged in the gradient",
        PENALTIES,
        "l1_gradient(w, self.l1) + l2_gradient(w, self.l2)",
        "l1_gradient(w, self.l2) + l2_gradient(w, self.l1)",
        CENTRAL,
    ),
    Mistake(
        "the elastic net's value forgets the squares",
        PENALTIES,
        "l1_value(w, self.l1) + l2_value(w, self.l2)",
        "l1_value(w, self.l1)",
        PARITY,
    ),
    # Plain functions and strengths
    Mistake(
        "squares of small integers overflow",
        FORMULAS,
        'array if array.dtype.kind == "f" else array.astype(np.float64)',
        "array",
        f"{PENALTY_TESTS}::test_plain_functions_do_not_wrap_around_in_small_integers",
    ),
    Mistake(
        "a NumPy strength widens float32",
        FORMULAS,
        "return float(value)",
        "return value",
        f"{PENALTY_TESTS}::test_numpy_s_float64_as_strength_does_not_widen",
    ),
    # The walk
    Mistake(
        "the gradient is replaced, not added to",
        PENALTIES,
        "np.add(gradients, self.gradient(run.values), out=gradients)",
        "gradients[...] = self.gradient(run.values)",
        PARITY,
    ),
    Mistake(
        "what an absent gradient's storage holds is added to",
        PENALTIES,
        "present = [p.grad is not None for p in learned]",
        "present = [True for p in learned]",
        f"{PENALTY_TESTS}::test_gradients_are_added_where_there_are_some_and_made_where_there_are_none",
    ),
    Mistake(
        "a run mixes present and absent gradients",
        PENALTIES,
        "runs(learned, present)",
        "runs(learned)",
        f"{PENALTY_TESTS}::test_gradients_are_added_where_there_are_some_and_made_where_there_are_none",
    ),
    Mistake(
        "frozen parameters get a gradient",
        PENALTIES,
        " if p.requires_grad]",
        "]",
        f"{PENALTY_TESTS}::test_a_frozen_parameter_counts_in_the_value_and_gets_no_gradient",
    ),
    Mistake(
        "a shared parameter counts twice",
        PENALTIES,
        "selected = dict.fromkeys(p for name, p, owner in found if self._selects(name, p, owner))",
        "selected = [p for name, p, owner in found if self._selects(name, p, owner)]",
        f"{PENALTY_TESTS}::test_a_shared_parameter_counts_once",
    ),
    Mistake(
        "the scale of a normalisation layer is a weight",
        PENALTIES,
        " or isinstance(owner, NORMALIZATION))",
        ")",
        PARITY,
    ),
    Mistake(
        "biases are weights",
        PENALTIES,
        'name.rpartition(".")[2].startswith("bias") or ',
        "",
        PARITY,
    ),
    # Early stopping
    Mistake(
        "patience is one too long",
        STOPPING,
        "self.num_bad_epochs >= self.patience",
        "self.num_bad_epochs > self.patience",
        ORACLE,
    ),
    Mistake(
        "equality by the margin is enough",
        STOPPING,
        "sign * value + margin < sign * reference",
        "sign * value + margin <= sign * reference",
        ORACLE,
    ),
    Mistake(
        "the margin makes it easier",
        STOPPING,
        "sign * value + margin < sign * reference",
        "sign * value - margin < sign * reference",
        ORACLE,
    ),
    Mistake(
        "a relative margin of a negative best has the wrong sign",
        STOPPING,
        "self.min_delta * abs(reference)",
        "self.min_delta * reference",
        f"{STOPPING_TESTS}::test_a_relative_margin_asks_for_more_whatever_the_sign",
    ),
    Mistake(
        "bad checks are counted over the whole run, not in a row",
        STOPPING,
        "0 if good else self.num_bad_epochs + 1",
        "self.num_bad_epochs if good else self.num_bad_epochs + 1",
        ORACLE,
    ),
    Mistake(
        "the baseline is ignored",
        STOPPING,
        "good = improved and self._better(number, self.baseline)",
        "good = improved",
        ORACLE,
    ),
    Mistake(
        "the first epoch that counts is one too late",
        STOPPING,
        "self.epoch >= self.start_from_epoch",
        "self.epoch > self.start_from_epoch",
        ORACLE,
    ),
    Mistake(
        "the best weights are the model's own arrays",
        STOPPING,
        "copy.deepcopy(model.state_dict())",
        "model.state_dict()",
        f"{STOPPING_TESTS}::test_restore_puts_every_bit_of_weights_and_buffers_back",
    ),
    Mistake(
        "a better value without the model keeps older weights",
        STOPPING,
        "self.best_weights = None if model is None else copy",
        "self.best_weights = self.best_weights if model is None else copy",
        f"{STOPPING_TESTS}::test_restore_with_nothing_to_restore_says_why",
    ),
    Mistake(
        "reset keeps the best value",
        STOPPING,
        "        self.best = None\n",
        '        self.best = getattr(self, "best", None)\n',
        f"{STOPPING_TESTS}::test_reset_forgets_everything",
    ),
]

"""Planted mistakes in the penalties and in early stopping."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

FORMULAS = "npnet/regularization/functional.py"
PENALTY = "npnet/regularization/penalty.py"
PENALTIES = "npnet/regularization/penalties.py"
SELECTION = "npnet/regularization/selection.py"
GROUPS = "npnet/regularization/group_lasso.py"
CONSTRAINTS = "npnet/regularization/constraints.py"
STOPPING = "npnet/regularization/early_stopping.py"

PARITY = "parity_tests/test_penalties.py::test_value_and_gradient_are_those_of_autograd"
PENALTY_TESTS = "npnet/regularization/tests/test_penalties.py"
FORMS = "npnet/regularization/tests/test_penalty_forms.py"
MAPS = "npnet/regularization/tests/test_proximal_maps.py"
PROX = f"{MAPS}::test_prox_is_the_argument_of_the_minimum"
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
        PENALTY,
        "np.add(gradients, self.gradient(run.values), out=gradients)",
        "gradients[...] = self.gradient(run.values)",
        PARITY,
    ),
    Mistake(
        "what an absent gradient's storage holds is added to",
        PENALTY,
        "present = [p.has_grad for p in parameters]",
        "present = [True for p in parameters]",
        f"{PENALTY_TESTS}::test_gradients_are_added_where_there_are_some_and_made_where_there_are_none",
    ),
    Mistake(
        "a run mixes present and absent gradients",
        PENALTY,
        "runs(parameters, present)",
        "runs(parameters)",
        f"{PENALTY_TESTS}::test_gradients_are_added_where_there_are_some_and_made_where_there_are_none",
    ),
    Mistake(
        "frozen parameters get a gradient",
        PENALTY,
        "self._add_gradient([p for p in self.select(model_or_parameters) if p.requires_grad])",
        "self._add_gradient(self.select(model_or_parameters))",
        f"{PENALTY_TESTS}::test_gradients_are_added_where_there_are_some_and_made_where_there_are_none",
    ),
    Mistake(
        "a shared parameter counts twice",
        SELECTION,
        "selected = dict.fromkeys(p for name, p, owner in found if self._selects(name, p, owner))",
        "selected = [p for name, p, owner in found if self._selects(name, p, owner)]",
        f"{PENALTY_TESTS}::test_a_shared_parameter_counts_once",
    ),
    Mistake(
        "the scale of a normalisation layer is a weight",
        SELECTION,
        " or isinstance(owner, NORMALIZATION))",
        ")",
        PARITY,
    ),
    Mistake(
        "biases are weights",
        SELECTION,
        'name.rpartition(".")[2].startswith("bias") or ',
        "",
        PARITY,
    ),
    # Proximal maps
    Mistake(
        "the soft threshold is a hard one",
        FORMULAS,
        "w - np.clip(w, -lamb, lamb)",
        "w * (np.abs(w) > lamb)",
        PROX,
    ),
    Mistake(
        "the soft threshold is half as long",
        FORMULAS,
        "w - np.clip(w, -lamb, lamb)",
        "w - np.clip(w, -lamb / 2, lamb / 2)",
        PROX,
    ),
    Mistake(
        "L2's proximal map forgets the two", FORMULAS, "w / (1.0 + 2.0 * lamb)", "w / (1.0 + lamb)", PROX
    ),
    Mistake(
        "L2's proximal map is the explicit step",
        FORMULAS,
        "w / (1.0 + 2.0 * lamb)",
        "w * (1.0 - 2.0 * lamb)",
        PROX,
    ),
    Mistake(
        "the elastic net shrinks first",
        FORMULAS,
        "l2_prox(l1_prox(w, l1), l2)",
        "l1_prox(l2_prox(w, l2), l1)",
        PROX,
    ),
    Mistake(
        "the elastic net's proximal map scales one strength",
        PENALTIES,
        "elastic_net_prox(w, lr * self.l1, lr * self.l2)",
        "elastic_net_prox(w, lr * self.l1, self.l2)",
        PROX,
    ),
    Mistake(
        "L1's proximal step forgets the learning rate",
        PENALTIES,
        "l1_prox(w, lr * self.lamb)",
        "l1_prox(w, self.lamb)",
        PROX,
    ),
    # Groups
    Mistake(
        "a group's norm has no root", FORMULAS, "np.sqrt(np.sum(w * w, axis", "(np.sum(w * w, axis", PARITY
    ),
    Mistake(
        "a group's gradient is not divided by its norm",
        FORMULAS,
        "lamb * (w / (norms + (norms == 0)))",
        "lamb * w",
        PARITY,
    ),
    Mistake(
        "a group of zeros has a NaN as gradient",
        FORMULAS,
        "lamb * (w / (norms + (norms == 0)))",
        "lamb * (w / norms)",
        f"{MAPS}::test_no_learning_rate_moves_nothing_and_zeros_stay",
    ),
    Mistake(
        "a group below the threshold is turned round",
        FORMULAS,
        "np.maximum(norms - lamb, 0.0)",
        "(norms - lamb)",
        PROX,
    ),
    Mistake(
        "rows and columns are exchanged",
        GROUPS,
        '{"rows": 0, "columns": 1, "parameters": None}',
        '{"rows": 1, "columns": 0, "parameters": None}',
        PARITY,
    ),
    Mistake(
        "a group is weighted by its size without the root",
        GROUPS,
        "self.lamb * math.sqrt(size)",
        "self.lamb * size",
        PARITY,
    ),
    Mistake(
        "norms are taken a run",
        GROUPS,
        "    separable = False\n",
        "    separable = True\n",
        f"{MAPS}::test_norms_are_taken_a_parameter_not_a_run",
    ),
    Mistake(
        "the unsquared norm is weighted by size",
        GROUPS,
        'groups="parameters", weight_by_size=False, on=on',
        'groups="parameters", weight_by_size=True, on=on',
        PARITY,
    ),
    # Max-norm
    Mistake(
        "max-norm lengthens short groups",
        FORMULAS,
        "max_norm / np.maximum(group_norms(w, axes), max_norm)",
        "max_norm / group_norms(w, axes)",
        f"{MAPS}::test_the_projection_is_the_nearest_point_of_the_ball",
    ),
    Mistake(
        "max-norm divides by the norm alone",
        FORMULAS,
        "max_norm / np.maximum(group_norms(w, axes), max_norm)",
        "1.0 / np.maximum(group_norms(w, axes), max_norm)",
        f"{MAPS}::test_the_projection_is_the_nearest_point_of_the_ball",
    ),
    Mistake(
        "max-norm moves frozen weights",
        CONSTRAINTS,
        " if p.requires_grad]",
        "]",
        f"{MAPS}::test_max_norm_constrains_weights_with_or_without_a_gradient_but_not_frozen_ones",
    ),
    # Forms of a step
    Mistake(
        "decoupled decay grows weights",
        PENALTY,
        "np.subtract(w, rate * self.gradient(w), out=w)",
        "np.add(w, rate * self.gradient(w), out=w)",
        f"{FORMS}::test_under_plain_sgd_term_coupled_decoupled_and_one_factor_coincide",
    ),
    Mistake(
        "decoupled decay forgets the learning rate",
        PENALTY,
        "rate * self.gradient(w), out=w",
        "self.gradient(w), out=w",
        f"{FORMS}::test_coupled_is_weight_decay_and_decoupled_is_adamw",
    ),
    Mistake(
        "a run mixes learning rates",
        PENALTY,
        "for run in runs(parameters, rates))",
        "for run in runs(parameters))",
        f"{FORMS}::test_each_parameter_has_the_rate_of_its_group",
    ),
    Mistake(
        "the rate is the optimizer's default",
        PENALTY,
        'float(group["lr"])',
        'float(group.get("initial_lr", groups[0]["lr"]))',
        f"{FORMS}::test_each_parameter_has_the_rate_of_its_group",
    ),
    Mistake(
        "a step's forms move parameters without a gradient",
        PENALTY,
        "stepping = [p for p in learned if p.has_grad]",
        "stepping = learned",
        f"{FORMS}::test_a_step_s_forms_leave_alone_what_the_step_leaves_alone",
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
        "self._sign * value + margin < self._sign * reference",
        "self._sign * value + margin <= self._sign * reference",
        ORACLE,
    ),
    Mistake(
        "the margin makes it easier",
        STOPPING,
        "self._sign * value + margin < self._sign * reference",
        "self._sign * value - margin < self._sign * reference",
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
        "good = improved and (self.baseline is None or self._better(number, self.baseline))",
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
    Mistake(
        "an infinite first value is never the best",
        STOPPING,
        'self.first == "any" or ',
        "",
        f"{STOPPING_TESTS}::test_the_first_check_may_be_the_best_whatever_it_is",
    ),
    Mistake(
        "a check that beats the best is always spared",
        STOPPING,
        "(self.baseline_stops or not improved)",
        "not improved",
        ORACLE,
    ),
    Mistake(
        "the thresholds are exchanged",
        STOPPING,
        "reached, diverged = self.stopping_threshold, self.divergence_threshold",
        "diverged, reached = self.stopping_threshold, self.divergence_threshold",
        f"{STOPPING_TESTS}::test_thresholds_and_infinities_stop_at_once",
    ),
    Mistake(
        "thresholds ignore the mode",
        STOPPING,
        "self._sign * value > self._sign * diverged",
        "value > diverged",
        f"{STOPPING_TESTS}::test_thresholds_and_infinities_stop_at_once",
    ),
    Mistake(
        "a fit does not start anew",
        STOPPING,
        "        if reset:\n            self.reset()\n",
        "",
        f"{STOPPING_TESTS}::test_the_best_weights_come_back_on_every_exit",
    ),
    Mistake(
        "an error leaves the last weights",
        STOPPING,
        "        finally:\n            if self.best_weights",
        "        except OSError:\n            raise\n        else:\n            if self.best_weights",
        f"{STOPPING_TESTS}::test_the_best_weights_come_back_on_every_exit",
    ),
]

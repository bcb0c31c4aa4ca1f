"""Planted mistakes in layers, losses, containers and parameters."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

SCALED = "npnet/nn/init/scaled.py"
BINARY = "npnet/nn/loss/binary.py"
CLIPPING = "npnet/nn/utils.py"
CROSS_ENTROPY = "npnet/nn/loss/cross_entropy.py"
DROPOUT = "npnet/nn/dropout.py"
LINEAR = "npnet/nn/linear.py"
LOSS = "npnet/nn/loss/base.py"
DISTANCE = "npnet/nn/loss/distance.py"
RECTIFIERS = "npnet/nn/activation/rectifiers.py"
SIGMOIDS = "npnet/nn/activation/sigmoids.py"
MODULE = "npnet/nn/module.py"
NORMALIZATION = "npnet/nn/normalization.py"
PARAMETER = "npnet/nn/parameter.py"
SUMS = "npnet/nn/sums.py"

MODULES = "parity_tests/test_modules.py"
CHAINS = "npnet/nn/tests/test_chains.py"
PROTOCOL = "parity_tests/test_protocol.py"
REFUSED = "parity_tests/test_refused_gradient.py"
CONTEXT = "npnet/nn/context.py"
CLIPS = "parity_tests/test_clipping.py"


def parity(name: str) -> str:
    """The test of one class against PyTorch."""
    return f"{MODULES}::test_values_gradients_and_buffers[cpu-{name}]"


def difference(name: str) -> str:
    """The test of one class against differences of itself."""
    return f"parity_tests/test_gradient.py::test_backward_is_the_difference_of_forward[{name}]"


MISTAKES: list[Mistake] = [
    # BatchNorm
    Mistake(
        "the running variance lacks Bessel's correction",
        NORMALIZATION,
        "share * m / (m - 1)",
        "share",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "epsilon outside the root",
        NORMALIZATION,
        "1 / np.sqrt(variance + eps)",
        "1 / (np.sqrt(variance) + eps)",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "the term of xhat is missing",
        NORMALIZATION,
        "grad_input = centred * slope",
        "grad_input = np.zeros_like(g)",
        difference("BatchNorm1d"),
    ),
    Mistake(
        "the term of the mean is missing",
        NORMALIZATION,
        "    grad_input -= mean_g\n",
        "",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "no momentum: the share counts from zero",
        NORMALIZATION,
        "return 1 / num_batches_tracked if momentum is None",
        "return 1 / (num_batches_tracked + 1) if momentum is None",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "Keras's momentum",
        NORMALIZATION,
        "if momentum is None else momentum\n",
        "if momentum is None else 1 - momentum\n",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "the running statistics never move",
        NORMALIZATION,
        "    if running_mean is not None:\n",
        "    if False:\n",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "the running statistics move in evaluation too",
        NORMALIZATION,
        "return gamma, beta, self.eps, mean, variance, None, None, None",
        "return gamma, beta, self.eps, mean, variance, mean, variance, self.momentum",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "evaluation goes back as training does",
        NORMALIZATION,
        "inverse_std, gamma, mean is None)",
        "inverse_std, gamma, True)",
        parity("BatchNorm1d"),
    ),
    Mistake(
        "gamma's gradient forgets the deviation",
        NORMALIZATION,
        "channel_sums(g * centred) * inverse_std",
        "channel_sums(g * centred)",
        difference("BatchNorm1d"),
    ),
    # Dropout
    Mistake(
        "backward forgets the mask",
        DROPOUT,
        "return times(g, factor)\n",
        "return g / (1.0 - p)\n",
        parity("Dropout"),
    ),
    Mistake(
        "backward forgets the scale",
        DROPOUT,
        "return times(g, factor)\n",
        "return g * keep\n",
        parity("Dropout"),
    ),
    Mistake("dropout does not scale", DROPOUT, "1.0 / (1.0 - p)", "1.0", parity("Dropout")),
    Mistake("p is the chance to stay", DROPOUT, "bernoulli(1.0 - p,", "bernoulli(p,", parity("Dropout")),
    Mistake("dropout in evaluation", DROPOUT, "if not self.training or (", "if (", parity("Dropout")),
    # Linear and activations
    Mistake(
        "the bias learns the mean",
        LINEAR,
        "column_sums(rows, out=into_bias)",
        "column_sums(rows / len(rows), out=into_bias)",
        parity("Linear"),
    ),
    Mistake("the last rows are not summed", SUMS, "if whole < n:", "if whole > n:", parity("Linear")),
    Mistake(
        "one long sum in float32",
        SUMS,
        "BLOCK = 64",
        "BLOCK = 10**9",
        "parity_tests/test_precision.py::test_column_sums_are_as_exact_as_pytorch_s[1000]",
    ),
    Mistake("ReLU at the kink", RECTIFIERS, "return g * (y > 0)", "return g * (y >= 0)", parity("ReLU")),
    Mistake(
        "leaky ReLU leaks at zero only going back",
        RECTIFIERS,
        "return g * _leaky_slope(x, negative_slope)",
        "return g * (x > 0)",
        parity("LeakyReLU"),
    ),
    Mistake(
        "the logistic slope lacks y", SIGMOIDS, "g * (y * (1 - y))", "g * (1 - y)", difference("Sigmoid")
    ),
    Mistake("tanh's slope lacks a square", SIGMOIDS, "g * (1 - y * y)", "g * (1 - y)", parity("Tanh")),
    # Losses
    Mistake("the factor two of the square", DISTANCE, "(2.0 * g)", "g", difference("MSELoss")),
    Mistake(
        "the mean's gradient is the sum's",
        LOSS,
        "return grad_output / (1 if isinstance(divisor, int) and divisor == 0 else divisor)",
        "return grad_output",
        parity("MSELoss"),
    ),
    Mistake(
        "backward forgets pos_weight",
        BINARY,
        "1 + (pos_weight - 1) * target\n    slope",
        "1.0\n    slope",
        parity("BCEWithLogitsLoss"),
    ),
    Mistake(
        "pos_weight weighs the negatives too",
        BINARY,
        "1 + (pos_weight - 1) * target\n    losses",
        "pos_weight\n    losses",
        parity("BCEWithLogitsLoss"),
    ),
    Mistake(
        "backward forgets the weight",
        BINARY,
        "sigma(x)\n    if weight is not None:\n        slope = weight * slope\n",
        "sigma(x)\n",
        difference("BCEWithLogitsLoss"),
    ),
    Mistake(
        "ignored samples count in the mean",
        CROSS_ENTROPY,
        "total = np.sum(kept)",
        "total = np.sum(np.ones_like(kept))",
        parity("CrossEntropyLoss"),
    ),
    Mistake(
        "the weighted mean divides by n",
        CROSS_ENTROPY,
        "total = np.sum(kept)",
        "total = np.sum(counts.astype(x.dtype))",
        parity("CrossEntropyLoss"),
    ),
    Mistake(
        "smoothing goes to the other classes only",
        CROSS_ENTROPY,
        "label_smoothing / len(t)",
        "label_smoothing / max(len(t) - 1, 1)",
        parity("CrossEntropyLoss"),
    ),
    Mistake(
        "smoothed labels keep their whole weight",
        CROSS_ENTROPY,
        "t * (1.0 - label_smoothing) + ",
        "t + ",
        parity("CrossEntropyLoss"),
    ),
    Mistake(
        "probabilities are taken to sum to one",
        CROSS_ENTROPY,
        "slopes *= np.sum(q, axis=0) / total",
        "slopes *= 1 / total",
        difference("CrossEntropyLoss"),
    ),
    Mistake(
        "logits are not shifted",
        CROSS_ENTROPY,
        "shifted = x - largest(x)",
        "shifted = x",
        parity("CrossEntropyLoss"),
    ),
    # Contexts and gradients
    Mistake(
        "contexts are popped in the wrong order",
        MODULE,
        "contexts.stack.pop()",
        "contexts.stack.pop(0)",
        f"{MODULES}::test_called_twice_within_one_forward[cpu-Linear]",
    ),
    Mistake(
        "an earlier pass leaves its contexts",
        CONTEXT,
        "            self.stack.clear()\n",
        "",
        f"{PROTOCOL}::test_backward_needs_a_forward_call_of_its_own[Tanh]",
    ),
    Mistake(
        "no_grad keeps contexts",
        MODULE,
        "        if not now.recording:\n            return\n",
        "",
        f"{PROTOCOL}::test_backward_needs_a_forward_call_of_its_own[ReLU]",
    ),
    Mistake(
        "a refused gradient loses the context",
        CONTEXT,
        "            contexts.stack.append(context)\n",
        "",
        f"{REFUSED}::test_modules_around_are_left_as_they_were_too[chain]",
    ),
    Mistake(
        "a refused gradient puts back what was gone back through",
        MODULE,
        "        thread.state.taken.clear()\n\n    # ---",
        "\n    # ---",
        f"{REFUSED}::test_what_was_gone_back_through_is_not_put_back",
    ),
    Mistake(
        "the chain stops one child too early",
        MODULE,
        "range(len(children) - 1, first - 1, -1)",
        "range(len(children) - 1, first, -1)",
        parity("Sequential"),
    ),
    Mistake(
        "gradients overwrite each other",
        PARAMETER,
        "if self.has_grad or any(kind",
        "if any(kind",
        f"{PROTOCOL}::test_two_backwards_add[Conv2d]",
    ),
    Mistake(
        "gradients of formulas overwrite each other",
        PARAMETER,
        "np.add(storage, place, out=storage)",
        "np.copyto(storage, place)",
        f"{PROTOCOL}::test_two_backwards_add[Linear]",
    ),
    Mistake(
        "a gradient that is to be added is written over the one that is there",
        PARAMETER,
        "if self.has_grad or storage.dtype != dtype:",
        "if storage.dtype != dtype:",
        f"{CHAINS}::test_different_gradients_add_up",
    ),
    Mistake(
        "gradients of another dtype are lost",
        PARAMETER,
        "elif place is not self._gradient:",
        "elif False:",
        "npnet/nn/tests/test_mixed_gradients.py",
    ),
    Mistake(
        "the first call of a layer is taken for the last",
        CONTEXT,
        "[positions[earlier]]",
        "[positions[0]]",
        f"{CHAINS}::test_a_layer_that_comes_twice_is_not_taken_for_once",
    ),
    Mistake(
        "a forward of one's own is passed over",
        "npnet/nn/formula_layer.py",
        "        and layer.__dict__.keys().isdisjoint(_METHODS)\n",
        "",
        f"{CHAINS}::test_a_forward_that_was_put_into_a_layer_is_called",
    ),
    Mistake(
        "a subclass's backward is passed over",
        "npnet/nn/formula_layer.py",
        "        and all(getattr(kind, name) is method for name, method in _OWN)\n",
        "",
        f"{CHAINS}::test_a_subclass_with_a_backward_of_its_own_is_called[3]",
    ),
    Mistake(
        "gradients that were dropped are added to",
        PARAMETER,
        "        if set_to_none:\n            self.has_grad = False",
        "        if set_to_none:\n            pass",
        parity("Linear"),
    ),
    Mistake(
        "frozen parameters learn",
        PARAMETER,
        "        if not self.requires_grad:\n            return\n",
        "",
        f"{PROTOCOL}::test_frozen_parameters_get_no_gradient[Conv2d]",
    ),
    Mistake(
        "frozen parameters of formulas learn",
        PARAMETER,
        "        if not self.requires_grad:\n            return None\n",
        "",
        f"{PROTOCOL}::test_frozen_parameters_get_no_gradient[Linear]",
    ),
    Mistake(
        "runs reach across a change of key",
        PARAMETER,
        "parameter.offset == stop and own_key == key",
        "parameter.offset == stop",
        "parity_tests/test_optimizer_lives.py::test_trajectories[cpu-SGD]",
    ),
    Mistake(
        "runs reach across a gap",
        PARAMETER,
        "parameter.arena is arena and parameter.offset == stop and",
        "parameter.arena is arena and",
        "parity_tests/test_arena.py::test_neighbours_form_one_run_and_a_gap_parts_them",
    ),
    # Initial values and clipping
    Mistake(
        "fan-in and fan-out are exchanged",
        SCALED,
        "return shape[1] * field, shape[0] * field",
        "return shape[0] * field, shape[1] * field",
        "parity_tests/test_init.py::test_variance_and_shape_of_the_distribution[None-lecun_normal_]",
    ),
    Mistake(
        "the uniform bound is the deviation",
        SCALED,
        "bound = math.sqrt(3.0) * _kaiming_std",
        "bound = _kaiming_std",
        "parity_tests/test_init.py::test_a_new_linear_layer_has_pytorch_s_values[True]",
    ),
    Mistake(
        "clipping scales small gradients up",
        CLIPPING,
        "np.minimum(max_norm / (total + 1e-6), 1.0)",
        "max_norm / (total + 1e-6)",
        f"{CLIPS}::test_norm[cpu]",
    ),
    Mistake(
        "clipping forgets the small number",
        CLIPPING,
        "(total + 1e-6)",
        "np.maximum(total, 1e-300)",
        f"{CLIPS}::test_norm[cpu]",
    ),
]

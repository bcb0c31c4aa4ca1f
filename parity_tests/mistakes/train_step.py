"""Planted mistakes in a training step as one call."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

STEP = "npnet/training/train_step.py"
ROW = "npnet/nn/row.py"
CHAIN = "npnet/engine/chain.py"
WRITTEN = "npnet/engine/numpy_chain.py"
COMPILED = "npnet/engine/numba_chain.py"
WORDS = "npnet/engine/numba_overloads.py"
CHOICE = "npnet/engine/choice.py"
LOSS = "npnet/nn/loss/base.py"
CLASSES = "npnet/nn/loss/cross_entropy.py"
DROPOUT = "npnet/nn/dropout.py"
PLAN = "npnet/nn/plan.py"

TESTS = "npnet/training/tests/test_train_step.py"
CHANGES = "npnet/training/tests/test_train_step_between.py"
OTHERS = "npnet/training/tests/test_train_step_others.py"
BETWEEN = f"{CHANGES}::test_whatever_is_done_between_two_steps"
KINDS = f"{TESTS}::test_every_kind_of_training"
LOSSES = f"{TESTS}::test_every_loss"
REFUSED = f"{OTHERS}::test_what_is_refused_changes_no_parameter"
PARITY = "parity_tests/test_train_step.py"
BITS = f"{PARITY}::test_compiled_it_has_the_bits_of_the_loop"
COLD = f"{PARITY}::test_where_it_is_not_compiled_it_has_them_too"

MISTAKES: list[Mistake] = [
    # the step
    Mistake(
        "no update is made",
        STEP,
        "        self._optimizer.step()\n        return loss, output\n",
        "        return loss, output\n",
        PARITY,
    ),
    Mistake(
        "what comes before the update is left out",
        STEP,
        "        if self._before_update is not None:\n",
        "        if self._way is None and self._before_update is not None:\n",
        f"{TESTS}::test_before_the_update_gradients_may_be_changed",
    ),
    Mistake("gradients add up", STEP, "        self._optimizer.zero_grad()\n", "", LOSSES),
    Mistake(
        "gradients are dropped by npnet's method",
        STEP,
        "        self._optimizer.zero_grad()\n",
        "        Optimizer.zero_grad(self._optimizer)\n",
        f"{BETWEEN}[keep_gradients]",
    ),
    Mistake(
        "a change of the model is not noticed",
        STEP,
        "or way.version != version() or",
        "or",
        BETWEEN,
    ),
    Mistake("another shape is not noticed", STEP, "or way.shape != x.shape or", "or", REFUSED),
    Mistake(
        "what is asked before there is a plan is not asked again",
        STEP,
        "            return None\n        whole =",
        "            return none\n        whole =",
        f"{TESTS}::test_a_common_step_is_written_down_as_one",
    ),
    Mistake(
        "methods of others are not called",
        STEP,
        "    return added <= HARMLESS and",
        "    return",
        f"{OTHERS}::test_losses_of_others_are_called",
    ),
    Mistake(
        "a method in an instance is not called",
        STEP,
        "and not any(hasattr(type(module), name) for name in vars(module))",
        "",
        f"{OTHERS}::test_methods_of_others_are_called",
    ),
    Mistake(
        "a step is taken though nothing is recorded",
        STEP,
        "not now.recording or now.frame is not None",
        "now.frame is not None",
        f"{CHANGES}::test_nothing_is_left_to_go_back_through",
    ),
    Mistake(
        "what was called before may still be gone back through",
        STEP,
        "        row.forget()\n",
        "",
        f"{CHANGES}::test_nothing_is_left_to_go_back_through",
    ),
    Mistake(
        "a model that was called before may still be gone back through",
        STEP,
        "for module in (self._model, self._criterion):",
        "for module in (self._criterion,):",
        f"{CHANGES}::test_nothing_is_left_to_go_back_through",
    ),
    Mistake(
        "a row that is forgotten keeps its layers' calls",
        ROW,
        "    def forget(self) -> None:\n"
        '        """Drop what earlier calls have left to go back through."""\n'
        "        for contexts in self._all:\n",
        "    def forget(self) -> None:\n        for contexts in self._all[:1]:\n",
        f"{CHANGES}::test_nothing_is_left_to_go_back_through",
    ),
    # the row
    Mistake(
        "gradients are not noted",
        ROW,
        "                active.settle(written)\n                return found\n        now =",
        "                return found\n        now =",
        LOSSES,
    ),
    Mistake(
        "masks are drawn twice where a step is not taken at once",
        ROW,
        "            return self._called(x, *call), None\n",
        "            return self._called(x, *self._given()), None\n",
        COLD,
    ),
    Mistake(
        "layers that make another dtype are taken",
        STEP,
        "row.keeps_dtype() and like.dtype == x.dtype",
        "True",
        f"{OTHERS}::test_a_layer_may_make_another_dtype",
    ),
    # the function
    Mistake("the gradient of a mean is that of a sum", CHAIN, "{kept}, 1.0 / divisor", "{kept}, 1.0", LOSSES),
    Mistake(
        "the mean of a loss is its sum", CHAIN, "return losses.sum() / divisor", "return losses.sum()", PARITY
    ),
    Mistake(
        "another divisor is not noticed",
        WRITTEN,
        '("both", stop, divisor), (x,',
        '("both", stop), (x,',
        f"{BETWEEN}[reduce_otherwise]",
    ),
    Mistake(
        "a sum is a mean",
        LOSS,
        'Ending(link, operands, 1 if self.reduction == "sum" else divisor)',
        "Ending(link, operands, divisor)",
        LOSSES,
    ),
    Mistake(
        "losses of each sample are summed",
        LOSS,
        '        if self.reduction == "none" or not divisor:\n',
        "        if not divisor:\n",
        f"{OTHERS}::test_a_loss_of_many_numbers_is_refused_as_ever",
    ),
    Mistake(
        "options that do not fit are taken",
        LOSS,
        "            self._check_pair(like, like)\n",
        "            like.size\n",
        f"{OTHERS}::test_an_option_that_does_not_fit_is_refused_every_time",
    ),
    Mistake(
        "weights of classes are forgotten",
        CLASSES,
        "self.weight is None and self.label_smoothing == 0.0\n        if not plain_one",
        "self.label_smoothing == 0.0\n        if not plain_one",
        LOSSES,
    ),
    Mistake(
        "smoothing is forgotten",
        CLASSES,
        "plain_one = self.weight is None and self.label_smoothing == 0.0",
        "plain_one = self.weight is None",
        LOSSES,
    ),
    Mistake(
        "a class that does not count counts",
        CLASSES,
        "        if self.ignore_index is not None and 0 <= self.ignore_index < classes:\n",
        "        if False:\n",
        LOSSES,
    ),
    Mistake(
        "classes beyond the last one are taken",
        CLASSES,
        "if indices and greatest(target) < classes else None",
        "if indices and greatest(target) <= classes else None",
        REFUSED,
    ),
    Mistake(
        "the gradient of the loss has another sign",
        CLASSES,
        "return times(slopes, seed).T",
        "return times(slopes, -seed).T",
        PARITY,
    ),
    # compiled
    Mistake("a compiled sum is taken one by one", WORDS, "last = x.size - x.size % 8", "last = 0", BITS),
    Mistake("a compiled sum has other halves", WORDS, "half = n // 2 - n // 2 % 8", "half = n // 2", BITS),
    Mistake("a compiled sum is halved too early", WORDS, "elif n <= 128:", "elif n <= 64:", BITS),
    Mistake(
        "a compiled sum forgets its second half",
        WORDS,
        "                sums[-1] += second\n",
        "                second += sums[-1]\n",
        BITS,
    ),
    Mistake(
        "a compiled loss is an array",
        COMPILED,
        "found and (found[0], found[1][()])",
        "found",
        BITS,
    ),
    Mistake(
        "a compiled step is called before it is hot",
        COMPILED,
        'or not _regular(x) or not self._is_hot("both", stop):',
        "or not _regular(x):",
        COLD,
    ),
    Mistake(
        "a row has any number of exponentials",
        CHOICE,
        "return bool(like.size <= MANY)",
        "return True",
        f"{PARITY}::test_more_exponentials_than_a_row_should_have_are_numpys",
    ),
    Mistake(
        "a compiled loss may lie as it likes",
        COMPILED,
        "return operand if operand.dtype == dtype and _regular(operand) else",
        "return operand if operand.dtype == dtype else",
        f"{PARITY}::test_targets_that_lie_otherwise_are_compiled_no_other_way",
    ),
    Mistake(
        "a compiled row takes a bias of one number",
        PLAN,
        "each.shape in widths for",
        "True for",
        f"{PARITY}::test_a_bias_of_one_number",
    ),
    # masks
    Mistake(
        "a probability that is computed is computed once",
        DROPOUT,
        "    if computed or not alike or",
        "    if not alike or",
        f"{OTHERS}::test_probabilities_that_are_computed",
    ),
    # rules
    Mistake(
        "a changed option is not written down again",
        WRITTEN,
        "        if written is not None and (moving := written.moving(fixed, operands)) is not None:\n"
        "            return written.entry, moving\n",
        "        if written is not None:\n"
        "            moving = written.moving(fixed, operands)\n"
        "            return None if moving is None else (written.entry, moving)\n",
        f"{CHANGES}::test_a_changed_option_is_written_down_again",
    ),
]

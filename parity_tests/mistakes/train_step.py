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
FORMULAS = "npnet/nn/formula_layer.py"

TESTS = "npnet/training/tests/test_train_step.py"
BETWEEN = f"{TESTS}::test_whatever_is_done_between_two_steps"
KINDS = f"{TESTS}::test_every_kind_of_training"
LOSSES = f"{TESTS}::test_every_loss"
REFUSED = f"{TESTS}::test_what_is_refused_changes_no_parameter"
PARITY = "parity_tests/test_train_step.py"
BITS = f"{PARITY}::test_compiled_it_has_the_bits_of_the_loop"
COLD = f"{PARITY}::test_where_it_is_not_compiled_it_has_them_too"

MISTAKES: list[Mistake] = [
    # the step
    Mistake(
        "no update is made",
        STEP,
        "        self._optimizer.step()\n        return",
        "        return",
        PARITY,
    ),
    Mistake(
        "what comes before the update is left out",
        STEP,
        "        if self._before_update is not None:\n",
        "        if way is None and self._before_update is not None:\n",
        f"{TESTS}::test_before_the_update_gradients_may_be_changed",
    ),
    Mistake(
        "gradients add up where the loop is walked",
        STEP,
        "            self._optimizer.zero_grad()\n            output",
        "            output",
        LOSSES,
    ),
    Mistake(
        "a change of the model is not noticed", STEP, "            or way.version != version()\n", "", BETWEEN
    ),
    Mistake("another shape is not noticed", STEP, "            or way.shape != x.shape\n", "", REFUSED),
    Mistake(
        "a new group is not noticed",
        STEP,
        "            or way.groups != len(self._optimizer.param_groups)\n",
        "",
        f"{BETWEEN}[add_a_group]",
    ),
    Mistake(
        "gradients are written over though others stay",
        STEP,
        "row.parameters == cleared",
        "row.parameters <= cleared",
        f"{TESTS}::test_what_is_learned_elsewhere_too_is_dropped",
    ),
    Mistake(
        "gradients that nobody drops are written over",
        STEP,
        "row.parameters == cleared",
        "row.parameters >= cleared",
        KINDS,
    ),
    Mistake(
        "methods of others are not called",
        STEP,
        'is_plain(module, "forward", "backward")',
        "True",
        f"{TESTS}::test_methods_of_others_are_called",
    ),
    Mistake(
        "a step is taken though nothing is recorded",
        STEP,
        "not now.recording or now.frame is not None",
        "now.frame is not None",
        f"{TESTS}::test_nothing_is_left_to_go_back_through",
    ),
    Mistake(
        "what was called before may still be gone back through",
        STEP,
        "            self._empty(way.row)\n",
        "",
        f"{TESTS}::test_nothing_is_left_to_go_back_through",
    ),
    Mistake(
        "a row that is forgotten keeps its layers' calls",
        ROW,
        "        for contexts in self._all:\n            contexts.stack.clear()\n\n    @property",
        "        self._contexts.stack.clear()\n\n    @property",
        f"{TESTS}::test_nothing_is_left_to_go_back_through",
    ),
    # the row
    Mistake(
        "gradients are written over though one was taken away",
        ROW,
        "if not (parameter.has_grad and parameter.requires_grad):",
        "if not parameter.requires_grad:",
        f"{BETWEEN}[take_a_gradient_away]",
    ),
    Mistake(
        "what is frozen later is given a gradient",
        ROW,
        "if not (parameter.has_grad and parameter.requires_grad):",
        "if not parameter.has_grad:",
        f"{TESTS}::test_a_changed_model_is_noticed",
    ),
    Mistake(
        "gradients that are there are not dropped",
        ROW,
        "            zero_grad()\n            first =",
        "            first =",
        BETWEEN,
    ),
    Mistake(
        "gradients are not noted",
        ROW,
        "            if dropped:\n                active.settle(written)\n",
        "",
        LOSSES,
    ),
    Mistake(
        "gradients stay where a step is not taken at once",
        ROW,
        "        if not dropped:\n            zero_grad()\n",
        "",
        COLD,
    ),
    Mistake(
        "masks are drawn twice where a step is not taken at once",
        ROW,
        "            return self._called(x, *call), None\n",
        "            return self._called(x, *self._given()), None\n",
        COLD,
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
        f"{TESTS}::test_a_loss_of_many_numbers_is_refused_as_ever",
    ),
    Mistake(
        "options that do not fit are taken",
        LOSS,
        "            self._check_pair(like, like)\n",
        "            pass\n",
        f"{TESTS}::test_an_option_that_does_not_fit_is_refused_every_time",
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
        "return output, loss[()]",
        "return output, loss",
        BITS,
    ),
    Mistake(
        "a compiled step is called before it is hot",
        COMPILED,
        '                if not self._is_hot("both", stop):\n                    return None\n',
        "",
        COLD,
    ),
    Mistake(
        "a row has any number of exponentials",
        CHOICE,
        "return bool(like.size <= MANY)",
        "return True",
        f"{PARITY}::test_more_exponentials_than_a_row_should_have_are_numpys",
    ),
    # masks
    Mistake(
        "a method in an instance is not called",
        FORMULAS,
        "        if name in own or getattr(kind, name) not in _PLAIN:\n",
        "        if getattr(kind, name) not in _PLAIN:\n",
        f"{TESTS}::test_methods_of_others_are_called",
    ),
]

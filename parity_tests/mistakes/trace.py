"""Planted mistakes in what NumPy's calls are written down as."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

TRACE = "npnet/engine/trace.py"
LINES = "npnet/engine/lines.py"
CHAIN = "npnet/engine/numpy_chain.py"
ENGINE = "npnet/engine/numpy_engine.py"
ROW = "npnet/nn/row.py"
DROPOUT = "npnet/nn/dropout.py"
GENERATOR = "npnet/random/generator.py"

TESTS = "npnet/engine/tests/test_trace.py"
ROWS = "npnet/engine/tests/test_written_rows.py"
RULES = "npnet/engine/tests/test_written_rules.py"
SAME = f"{TESTS}::test_what_is_written_down_does_what_the_function_does"
REFUSED = f"{TESTS}::test_what_cannot_be_written_down_is_refused"
NETWORK = f"{ROWS}::test_a_network_learns_the_same_to_the_last_bit"
CHANGE = f"{ROWS}::test_a_change_is_noticed"
RULE = f"{RULES}::test_a_rule_learns_the_same_to_the_last_bit"
ROW_MASKS = f"{ROWS}::test_masks_are_those_that_the_layers_draw"
PRODUCTS = "npnet/engine/tests/test_products.py"
MASKS = "npnet/random/tests/test_masks.py::test_masks_are_numpys_draws"

MISTAKES: list[Mistake] = [
    Mistake(
        "what is returned is written over",
        LINES,
        "    last.update({owner[name]: len(steps) for name in returned})\n",
        "",
        SAME,
    ),
    Mistake(
        "a view does not keep its array alive",
        LINES,
        "last = {owner[name]: i for i, step",
        "last = {name: i for i, step",
        SAME,
    ),
    Mistake(
        "a temporary is written over one line early",
        LINES,
        "        free += [each for each in alive if last[each.target] <= i]\n",
        "        free += [each for each in alive if last[each.target] <= i + 1]\n",
        SAME,
    ),
    Mistake(
        "a sum is made in its place before that was read",
        LINES,
        "            or group & between\n",
        "",
        SAME,
    ),
    Mistake(
        "what is changed later is made in the constant's place",
        LINES,
        "            or any(step.writes == value for step in steps)\n",
        "",
        SAME,
    ),
    Mistake(
        "what a later line changes is read in place of the copy",
        LINES,
        "            or any(step.writes in group for step in steps[last + 1 :])\n",
        "",
        SAME,
    ),
    Mistake(
        "a part of a constant is filled as a whole",
        LINES,
        "constants.get(index) is not ... or ",
        "",
        f"{TESTS}::test_a_part_is_stored",
    ),
    Mistake(
        "a line that only changes something is left out",
        LINES,
        "if step.writes or step.target in needed:",
        "if step.target in needed:",
        SAME,
    ),
    Mistake(
        "a function is taken for one that takes numbers",
        TRACE,
        "function not in TAKE_NUMBERS or uses",
        "uses",
        f"{RULES}::test_rules_that_treat_numbers_otherwise_are_refused",
    ),
    Mistake(
        "numbers of two dtypes become arrays of one",
        TRACE,
        "    if len(dtypes) != 1:\n        return list(inputs)\n",
        "",
        SAME,
    ),
    Mistake(
        "to write a function down changes its constants",
        TRACE,
        "        return self._named(copy, name, name)\n",
        "        return self._named(array, name, name)\n",
        SAME,
    ),
    Mistake(
        "what was given is changed",
        TRACE,
        "if not isinstance(writes, Traced) or writes.name not in self.writable:",
        "if not isinstance(writes, Traced):",
        REFUSED,
    ),
    Mistake(
        "warnings are not looked at",
        TRACE,
        "        if np.geterr() != self._errors:\n",
        "        if False:\n",
        REFUSED,
    ),
    Mistake(
        "a function that ignores warnings is not told from others",
        TRACE,
        'np.errstate(all="call", call=lambda *_: None)',
        'np.errstate(all="ignore")',
        f"{RULES}::test_a_loss_that_hides_from_warnings_goes_on_doing_so",
    ),
    Mistake(
        "an array is walked along",
        TRACE,
        '        raise Untraceable("it walks along an array")\n',
        "        return iter(_bare(self))\n",
        REFUSED,
    ),
    Mistake(
        "a reduction forgets its axis",
        TRACE,
        'given += [keywords.get("axis", 0), *(',
        "given += [0, *(",
        SAME,
    ),
    Mistake(
        "a reduction forgets what it was asked",
        TRACE,
        'keywords.items() <= {**DEFAULTS, "axis": keywords.get("axis")}.items()',
        "True",
        SAME,
    ),
    Mistake(
        "a method forgets its keywords",
        TRACE,
        'note("method", name, [self, *args], made, keywords=kwargs)',
        'note("method", name, [self, *args], made)',
        SAME,
    ),
    Mistake(
        "a row goes on with numbers that were changed",
        CHAIN,
        "if not all(map(operator.is_, self.fixed, fixed)):",
        "if not all(map(operator.is_, self.fixed[1:], fixed[1:])):",
        CHANGE,
    ),
    Mistake(
        "gradients go where they went before",
        CHAIN,
        "if not all(map(operator.is_, self.fixed, fixed)):",
        "if self.fixed[0] is not fixed[0]:",
        f"{ROWS}::test_gradients_that_add_up",
    ),
    Mistake(
        "a probability that was changed is not looked at",
        CHAIN,
        "if operands[i][j] is not number:",
        "if False:",
        CHANGE,
    ),
    Mistake(
        "how a gradient lies is not looked at",
        CHAIN,
        '("back", stop, flags.c_contiguous)',
        '("back", stop)',
        f"{ROWS}::test_gradients_that_lie_in_two_ways",
    ),
    Mistake(
        "formulas of others are written down",
        CHAIN,
        "self._refused = not all(is_own(link.formula) and is_own(link.derivative) for link in links)",
        "self._refused = False",
        f"{ROWS}::test_formulas_of_others_are_called_every_time",
    ),
    Mistake(
        "operands that changed are taken for the same",
        ROW,
        "        if not same(self._operands, operands):\n",
        "        if not self._operands:\n",
        CHANGE,
    ),
    Mistake(
        "a rule is written down with the numbers of one step",
        ENGINE,
        "else tape.number(each, p.dtype, name)",
        "else each",
        RULE,
    ),
    Mistake(
        "a number is taken for that of the last step",
        ENGINE,
        "                if number != each:\n",
        "                if array is None:\n",
        RULE,
    ),
    Mistake(
        "what diverges is heard of",
        "npnet/optim/kernel.py",
        '        self.context.run(np.seterr, all="ignore")\n',
        "",
        f"{RULES}::test_what_diverges_is_quiet",
    ),
    Mistake(
        "rules of others are written down",
        ENGINE,
        "    if not is_own(rule):\n        return kernel\n",
        "",
        f"{RULES}::test_a_rule_of_somebody_elses_is_called_every_time",
    ),
    Mistake(
        "a loss is written down for one reduction",
        ENGINE,
        "if type(each) is np.ndarray else each for each in args])",
        "if type(each) is np.ndarray else 0 for each in args])",
        f"{RULES}::test_a_loss_is_the_same_to_the_last_bit",
    ),
    Mistake(
        "kinds are never forgotten",
        ENGINE,
        "        entries.pop(next(iter(entries), None), None)\n",
        "        pass\n",
        f"{RULES}::test_many_kinds_of_arguments_are_forgotten_again",
    ),
    Mistake(
        "masks of other probabilities are drawn together",
        DROPOUT,
        "layer.training and layer.p == p and",
        "layer.training and",
        ROW_MASKS,
    ),
    Mistake(
        "a layer that does not train is given a mask",
        DROPOUT,
        "all(layer.training and",
        "all(",
        ROW_MASKS,
    ),
    Mistake(
        "masks of two generators are drawn from one",
        DROPOUT,
        "layer.p == p and layer.generator is own for",
        "layer.p == p for",
        ROW_MASKS,
    ),
    Mistake(
        "a mask begins where the last one ends",
        GENERATOR,
        "slice(4 * words, 4 * words + size)",
        "slice(sum(map(math.prod, shapes[: len(parts)])), sum(map(math.prod, shapes[: len(parts) + 1])))",
        MASKS,
    ),
    Mistake(
        "ties are resolved with bits that a mask has used",
        GENERATOR,
        "            words = words[ties.size :]\n",
        "",
        MASKS,
    ),
    Mistake(
        "ties are left as they are",
        GENERATOR,
        "if not rest or not (tied := draws == threshold)[tied.argmax()]:",
        "if True:",
        MASKS,
    ),
    Mistake(
        "ties take 52 bits",
        GENERATOR,
        "(words[: ties.size] >> 11) * 2.0**-53 < rest",
        "(words[: ties.size] >> 12) * 2.0**-53 < rest",
        MASKS,
    ),
    Mistake(
        "a product takes the transpose for the matrix",
        "npnet/engine/numba_blas.py",
        'AS_IT_IS if each.layout == "C" else TRANSPOSED',
        'TRANSPOSED if each.layout == "C" else AS_IT_IS',
        f"{PRODUCTS}::test_products_are_numpys_to_the_last_bit",
    ),
    Mistake(
        "an empty sum is left as it was",
        "npnet/engine/numba_blas.py",
        "            out[:] = 0\n",
        "            pass\n",
        f"{PRODUCTS}::test_products_are_numpys_to_the_last_bit",
    ),
    Mistake(
        "shapes that do not fit are multiplied",
        "npnet/engine/numba_blas.py",
        "if b.shape[0] != k or out.shape != (m, n):",
        "if False:",
        f"{PRODUCTS}::test_shapes_that_do_not_fit_are_refused",
    ),
    Mistake(
        "a loss that cannot be written down for one kind is for none",
        ENGINE,
        "                entries[kind] = function\n",
        "                entries[kind] = None\n",
        f"{RULES}::test_a_kind_that_cannot_be_written_down_is_left_alone",
    ),
    Mistake(
        "how an argument lies is not looked at",
        ENGINE,
        "return array.shape, array.strides, array.dtype",
        "return array.shape, array.dtype",
        f"{RULES}::test_what_lies_otherwise_is_another_kind",
    ),
    Mistake(
        "a number of NumPy's is taken for one of Python's",
        ENGINE,
        "if type(each) is not float and type(each) is not int:",
        "if False:",
        f"{RULES}::test_a_rate_of_numpys_is_taken_as_numpy_takes_it",
    ),
    Mistake(
        "what lies otherwise is gone back through as if it did not",
        CHAIN,
        "(flags := g.flags).forc and x.flags.c_contiguous:",
        "(flags := g.flags).forc:",
        f"{ROWS}::test_input_that_lies_otherwise_once_is_gone_back_through_as_it_lies",
    ),
    Mistake(
        "a part of a constant forgets its keywords",
        TRACE,
        "getattr(real, function)(*rest, **keywords)",
        "getattr(real, function)(*rest)",
        f"{TESTS}::test_parts_of_constants_are_asked_for_with_their_keywords",
    ),
    Mistake(
        "what was written down keeps itself alive",
        TRACE,
        'namespace.pop("entry")',
        'namespace["entry"]',
        f"{ROWS}::test_what_was_written_down_goes_with_the_model",
    ),
    Mistake(
        "zero below zero is zero",
        "npnet/engine/chain.py",
        " and repr(a) == repr(b)",
        "",
        f"{ROWS}::test_zero_below_zero_is_another_number",
    ),
]

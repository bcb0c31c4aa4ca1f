"""Planted mistakes in the rows of formulas that are run as one."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

CHAIN = "npnet/engine/chain.py"
COMPILED = "npnet/engine/numba_chain.py"
ROW = "npnet/nn/row.py"
PLAN = "npnet/nn/plan.py"
MODULE = "npnet/nn/module.py"
FORMULA_LAYER = "npnet/nn/formula_layer.py"

ROWS = "parity_tests/test_engine_rows.py"
CHAINS = "npnet/nn/tests/test_chains.py"
CHANGES = f"{ROWS}::test_shapes_and_layers_may_change"
SHARED = f"{ROWS}::test_a_parameter_that_layers_share_gets_the_sum_of_its_gradients"
HOT = f"{ROWS}::test_a_row_is_compiled_when_it_is_hot"


def work(name: str) -> str:
    """The test that does one kind of work with a row, and formula by formula."""
    return f"{ROWS}::test_whatever_is_done_with_it[{name}]"


MISTAKES: list[Mistake] = [
    # what is compiled
    Mistake(
        "the first layer is asked for the input's gradient, the others not",
        CHAIN,
        '"None" if stop == i else "True"',
        '"True" if stop == i else "None"',
        work("without_the_input"),
    ),
    Mistake(
        "it is gone back past the first layer that learns",
        CHAIN,
        "reversed(range(stop or 0, len(links)))",
        "reversed(range(len(links)))",
        work("frozen"),
    ),
    Mistake(
        "the way back is the same wherever it ends",
        CHAIN,
        "entry = self.ways.get((name, stop))",
        "entry = next((self.ways[way] for way in self.ways if way[0] == name), None)",
        work("frozen"),
    ),
    Mistake(
        "a derivative is given the row's input in place of its own",
        CHAIN,
        'if link.keeps == "input" and i == 0',
        'if link.keeps == "input"',
        "npnet/engine/tests/test_written_rows.py::test_every_layer_is_the_same_to_the_last_bit",
    ),
    Mistake(
        "a derivative is given what the layer before has kept",
        CHAIN,
        'f"kept[{i}][{j}]"',
        'f"kept[{i - 1}][{j}]"',
        work("both_ways"),
    ),
    Mistake("a row is hot one call too early", COMPILED, "return calls > HOT", "return calls >= HOT", HOT),
    Mistake(
        "a row is compiled at once where nothing is kept",
        COMPILED,
        "calls == 1 and numba_engine.is_kept",
        "calls == 1 and not numba_engine.is_kept",
        HOT,
    ),
    # what is looked up once
    Mistake(
        "gradients are written over those that are there",
        ROW,
        "if parameter.has_grad or not",
        "if not",
        work("added"),
    ),
    Mistake(
        "a frozen parameter gets a gradient",
        ROW,
        "if parameter.has_grad or not parameter.requires_grad:",
        "if parameter.has_grad:",
        work("frozen"),
    ),
    Mistake(
        "gradients in their places do not count",
        ROW,
        "                parameter.has_grad = True\n",
        "                pass\n",
        work("both_ways"),
    ),
    Mistake(
        "gradients apart are not added",
        ROW,
        "                parameter.settle(place)\n",
        "                pass\n",
        work("added"),
    ),
    Mistake(
        "the gradients of a shared weight have one place in a row",
        ROW,
        "once = len(set(self._parameters)) == len(self._parameters)",
        "once = True",
        f"{SHARED}[2]",
    ),
    Mistake(
        "the gradients of a shared weight have one place",
        FORMULA_LAYER,
        "if any(place is other for _, other in written)",
        "if False",
        f"{CHAINS}::test_a_parameter_that_a_layer_has_twice_gets_both_gradients",
    ),
    Mistake(
        "the gradients of a shared weight are added from the front",
        ROW,
        "return tuple(reversed(backwards)), written",
        "return tuple(reversed(backwards)), written[::-1]",
        f"{SHARED}[3]",
    ),
    Mistake(
        "parameters that an optimizer moved are used where they lay",
        ROW,
        "return Changes.count, Arena.moves, choice.changes",
        "return Changes.count, 0, choice.changes",
        f"{ROWS}::test_an_optimizer_may_be_made_late",
    ),
    Mistake(
        "a new attribute is not noticed",
        MODULE,
        "        attributes[name] = value\n        Changes.count += 1\n",
        "        attributes[name] = value\n",
        CHANGES,
    ),
    Mistake(
        "a change of mode is not noticed",
        MODULE,
        'module.__dict__["training"] = mode\n        Changes.count += 1\n',
        'module.__dict__["training"] = mode\n',
        f"{ROWS}::test_what_is_refused_after_a_change_is_refused_in_a_row[child]",
    ),
    Mistake(
        "what a layer takes is looked at once",
        ROW,
        "                layer.check(like)",
        "                pass",
        f"{ROWS}::test_what_a_layer_takes_is_looked_at_again",
    ),
    Mistake(
        "a forward that is put into a layer later is not called",
        PLAN,
        "or self._layers != layers or self._bare != list(map(is_bare, layers)):",
        "or self._layers != layers:",
        f"{ROWS}::test_a_forward_that_is_put_into_a_layer_later_is_called",
    ),
    Mistake(
        "another engine is not noticed",
        PLAN,
        "if self._version[2] != now[2] or",
        "if",
        f"{ROWS}::test_another_engine_takes_over",
    ),
    Mistake(
        "other shapes are not noticed",
        ROW,
        "return self._kinds == self._look_up()",
        "return True",
        f"{ROWS}::test_a_layer_may_be_pruned_in_place",
    ),
    # one by one
    Mistake(
        "operands are asked for twice where a row is not compiled yet",
        ROW,
        "return one_by_one(self._layers, x, operands)",
        "return one_by_one(self._layers, x)",
        f"{ROWS}::test_masks_are_drawn_once_while_a_row_is_cold",
    ),
    Mistake(
        "one by one, the first layer is given zeros for its input",
        ROW,
        "contexts[first] = shapes[first], (x,), given[0]",
        "contexts[first] = shapes[first], (x * 0,), given[0]",
        work("one_by_one"),
    ),
    Mistake(
        "a layer that was gone back through by hand is gone back through with the others again",
        ROW,
        "            if not contexts.stack or contexts.stack[-1] is not together:\n",
        "            if False:\n",
        f"{CHAINS}::test_a_chain_is_gone_back_through_once[3]",
    ),
    Mistake(
        "a layer that comes twice is not looked at twice",
        ROW,
        "if contexts.stack[-times:] != [together] * times:",
        "if False:",
        f"{CHAINS}::test_a_layer_that_comes_twice_is_not_taken_for_once",
    ),
    Mistake(
        "contexts stay where the row took them",
        ROW,
        "                for contexts in self._all:\n                    contexts.stack.pop()\n",
        "",
        f"{CHAINS}::test_a_row_is_gone_back_through_once",
    ),
    Mistake(
        "a shallow copy runs the layers that it was copied from",
        PLAN,
        "        if self._chain() is not chain:\n            return False\n",
        "",
        f"{CHAINS}::test_a_shallow_copy_has_its_own_layers",
    ),
    Mistake(
        "operands of another dtype are not noticed",
        ROW,
        'return getattr(operand, "shape", None), getattr(operand, "dtype", None)',
        'return getattr(operand, "shape", None)',
        f"{CHAINS}::test_statistics_of_another_dtype_are_refused",
    ),
    Mistake(
        "a row that nothing is done in is run",
        ROW,
        "active.chain.forward(x, given, steady) if given else None",
        "active.chain.forward(x, given, steady)",
        f"{CHAINS}::test_a_chain_of_nothing_but_passing_through",
    ),
]

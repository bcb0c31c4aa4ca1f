"""Planted mistakes in what is recorded as graphs."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

GRAPH = "npnet/engine/graph.py"
CHAIN = "npnet/engine/chain.py"
CUBLAS = "npnet/engine/cublas.py"
ROW = "npnet/nn/row.py"
PLAN = "npnet/nn/plan.py"
FUSION = "npnet/engine/fusion.py"
LOSS = "npnet/nn/loss/cross_entropy.py"

GRAPHS = "parity_tests/test_graphs.py"
CALLERS = "parity_tests/test_graphs_callers.py"
PARTS = "parity_tests/test_cuda_parts.py"
WHATEVER = f"{GRAPHS}::test_whatever_is_done_a_recorded_network_does_as_another"
LAUNCHES = f"{GRAPHS}::test_a_step_is_three_launches"
COUNTED = f"{GRAPHS}::test_a_recorded_loss_counts_what_is_ignored_and_weighs"
PRODUCTS = f"{PARTS}::test_recorded_products"

MISTAKES: list[Mistake] = [
    Mistake(
        "a recording runs on the arrays of the call before",
        GRAPH,
        "        self.fill(moving)\n        self._launch()\n",
        "        self._launch()\n        self.fill(moving)\n",
        WHATEVER,
    ),
    Mistake(
        "the user is given an output that the next call overwrites",
        GRAPH,
        "return output.copy(), kept",
        "return output, kept",
        WHATEVER,
    ),
    Mistake(
        "the user is given a gradient that the next call overwrites",
        GRAPH,
        "return (copied(recording.result),)",
        "return (recording.result,)",
        WHATEVER,
    ),
    Mistake(
        "the user is given a loss that the next call overwrites",
        GRAPH,
        "            return copied(recording.result)\n",
        "            return recording.result\n",
        WHATEVER,
    ),
    Mistake(
        "what a call keeps is overwritten before it was gone back through",
        GRAPH,
        "None if self._refused or self._lent() is not None else",
        "None if self._refused else",
        WHATEVER,
    ),
    Mistake(
        "a recording is used with other parameters",
        GRAPH,
        "if recording is not None and same(recording.fixed, fixed):",
        "if recording is not None:",
        WHATEVER,
    ),
    Mistake("a number may change unseen", CHAIN, "and repr(a) == repr(b)", "and True", WHATEVER),
    Mistake(
        "a row is recorded at its first call",
        GRAPH,
        "if lately is None or not same(lately, fixed):",
        "if lately is not None and not same(lately, fixed):",
        LAUNCHES,
    ),
    Mistake(
        "one kind more is kept",
        GRAPH,
        "elif len(recordings) >= KINDS:",
        "elif len(recordings) > KINDS:",
        f"{GRAPHS}::test_a_formula_is_recorded_for_so_many_kinds_of_arguments",
    ),
    Mistake(
        "arguments of another dtype are taken for the recorded ones",
        GRAPH,
        "(each.shape, each.dtype) if isinstance",
        "each.shape if isinstance",
        f"{GRAPHS}::test_another_dtype_is_another_kind",
    ),
    Mistake(
        "whatever formula there is is recorded",
        GRAPH,
        "self._refused = not all(",
        "self._refused = not any(",
        f"{GRAPHS}::test_layers_of_somebody_else_are_not_recorded",
    ),
    Mistake(
        "a recording that failed is not ended",
        GRAPH,
        "                    stream.end_capture()\n                raise\n",
        "                    pass\n                raise\n",
        f"{PARTS}::test_a_recording_that_fails_is_ended",
    ),
    Mistake(
        "a formula's calls do not wait for one another",
        GRAPH,
        "            with recorder.lock:\n",
        "            if True:\n",
        f"{CALLERS}::test_criteria_of_two_threads",
    ),
    Mistake(
        "a row's calls do not wait for one another",
        GRAPH,
        "        with self._recorder.lock:\n            found",
        "        if True:\n            found",
        f"{CALLERS}::test_a_model_that_two_threads_ask",
    ),
    Mistake(
        "a row is launched on whatever stream",
        GRAPH,
        "moving, fixed = [x], [self._recorder.where()]",
        "moving, fixed = [x], []",
        f"{CALLERS}::test_a_recording_is_for_one_stream",
    ),
    Mistake(
        "what an earlier pass has left stands in the way",
        ROW,
        "if contexts.number != now.number:",
        "if contexts.number == now.number:",
        f"{CALLERS}::test_a_batch_that_is_looked_at_without_going_back_is_recorded_all_the_same",
    ),
    Mistake(
        "both modes share a plan",
        PLAN,
        "return type(x), x.shape, x.dtype.str, chain.training",
        "return type(x), x.shape, x.dtype.str",
        f"{CALLERS}::test_a_mode_has_a_recording_of_its_own",
    ),
    Mistake("matrices change places", CUBLAS, "_as_it_lies(cupy, b)", "_as_it_lies(cupy, rows)", PRODUCTS),
    Mistake(
        "a matrix that lies by columns is taken as one that lies by rows",
        CUBLAS,
        "return matrix, TRANSPOSED, matrix.shape[0]",
        "return matrix, NORMAL, matrix.shape[0]",
        PRODUCTS,
    ),
    Mistake(
        "the distance of rows is their number",
        CUBLAS,
        "    if matrix.flags.c_contiguous:\n        return matrix, NORMAL, matrix.shape[1]",
        "    if matrix.flags.c_contiguous:\n        return matrix, NORMAL, matrix.shape[0]",
        PRODUCTS,
    ),
    Mistake(
        "a product is added to what was there",
        CUBLAS,
        "number(1), number(0)",
        "number(1), number(1)",
        PRODUCTS,
    ),
    Mistake(
        "a place of another dtype is written to",
        CUBLAS,
        "for array in (a, b, out) if",
        "for array in (a, b) if",
        f"{PARTS}::test_products_that_are_not_recorded",
    ),
    Mistake(
        "elementwise formulas are taken apart",
        FUSION,
        "    if formula is not None and formula.is_elementwise:\n        return function\n",
        "",
        f"{PARTS}::test_elementwise_formulas_stay_kernels_of_their_own",
    ),
    Mistake(
        "what a text calls in other modules stays as it is",
        FUSION,
        '            if name in inner.__globals__ and name != "np":',
        "            if False:",
        f"{PARTS}::test_the_text_of_formulas_is_recorded_with_other_products",
    ),
    Mistake(
        "the slopes of a batch of which nothing counts are divided by zero",
        LOSS,
        "divisor = np.where(total == 0, 1, total)",
        "divisor = np.where(total == 0, 0, total)",
        COUNTED,
    ),
]

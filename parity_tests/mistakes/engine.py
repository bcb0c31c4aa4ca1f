"""Planted mistakes in the engines: in the loops, in the kernels, and around a GPU."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

NUMBA = "npnet/engine/numba_engine.py"
OVERLOADS = "npnet/engine/numba_overloads.py"
SCALAR = "npnet/engine/scalar.py"
FUSION = "npnet/engine/fusion.py"
PINNED = "npnet/pinned.py"
MEMORY = "npnet/training/memory.py"

ENGINE = "parity_tests/test_engine.py"
FUSED = "parity_tests/test_fusion.py"
DEVICE = "parity_tests/test_device_side.py"
BATCHES = f"{DEVICE}::test_batches_are_neither_overwritten_nor_read_too_early"

WHOLE = f"{ENGINE}::test_batch_norm_as_a_whole_is_as_near_to_the_truth_as_numpy"
CROSS_ENTROPY = f"{ENGINE}::test_cross_entropy_as_a_whole_is_numpys"

MISTAKES: list[Mistake] = [
    Mistake(
        "the last block of rows is not added",
        OVERLOADS,
        "i % 64 == 63 or i == n - 1",
        "i % 64 == 63",
        f"{WHOLE}[float32-True-True-65]",
    ),
    Mistake(
        "a block of rows is added twice",
        OVERLOADS,
        "                    block[j] = 0.0\n",
        "",
        f"{WHOLE}[float32-True-True-300]",
    ),
    Mistake(
        "sums are divided by a double",
        OVERLOADS,
        "x.dtype.type(max(x.shape[0], 1))",
        "float(max(x.shape[0], 1))",
        f"{WHOLE}[float32-True-True-64]",
    ),
    Mistake(
        "a class is left out of the maximum",
        OVERLOADS,
        "for i in range(1, x.shape[0]):",
        "for i in range(2, x.shape[0]):",
        f"{CROSS_ENTROPY}[float32-False]",
    ),
    Mistake(
        "the class of another sample",
        OVERLOADS,
        "found[i] = x[target[i], i]",
        "found[i] = x[target[0], i]",
        f"{CROSS_ENTROPY}[float32-False]",
    ),
    Mistake(
        "every sample has the first one's weight",
        OVERLOADS,
        "x[target[i], i] -= amount[i]",
        "x[target[i], i] -= amount[0]",
        f"{CROSS_ENTROPY}[float32-True]",
    ),
    Mistake(
        "literals are doubles",
        NUMBA,
        "{name} = {first}.dtype.type({value!r})",
        "{name} = {value!r}",
        f"{ENGINE}::test_literals_have_the_arrays_dtype",
    ),
    Mistake(
        "a loop multiplies before it divides",
        OVERLOADS,
        '{"error_model": "numpy", "nogil": True}',
        '{"error_model": "numpy", "nogil": True, "fastmath": True}',
        f"{ENGINE}::test_rules_are_those_of_numpy_to_the_last_bit[Adam-float32]",
    ),
    Mistake(
        "a choice is turned round",
        SCALAR,
        "return ast.IfExp(*node.args)",
        "return ast.IfExp(node.args[0], node.args[2], node.args[1])",
        f"{ENGINE}::test_rules_are_those_of_numpy_to_the_last_bit[Rprop-float64]",
    ),
    Mistake(
        "a limit is forgotten",
        SCALAR,
        'return _call("np.minimum", _call("np.maximum", value, least), most)',
        'return _call("np.maximum", value, least)',
        f"{ENGINE}::test_rules_are_those_of_numpy_to_the_last_bit[Rprop-float64]",
    ),
    Mistake(
        "rows of another length are read all the same",
        OVERLOADS,
        "            if first.shape[-1] != other.shape[0]:\n                raise ShapeMismatch\n",
        "",
        f"{ENGINE}::test_what_a_loop_does_not_take_is_numpys",
    ),
    Mistake(
        "numbers reach the kernel as doubles",
        FUSION,
        "return kernel(*_typed(args))",
        "return kernel(*args)",
        f"{FUSED}::test_a_training_on_the_device_runs_fused_and_is_the_hosts",
    ),
    Mistake("a batch on the device is overwritten", PINNED, "stream.wait_event(self._mark)", "pass", BATCHES),
    Mistake("a batch is used before it came", PINNED, "compute.wait_event(slot.copied)", "pass", BATCHES),
    Mistake(
        "a pinned buffer is overwritten", PINNED, "        slot.copied.synchronize()", "        #", BATCHES
    ),
    Mistake(
        "the batch that fits is larger than the one that did not",
        MEMORY,
        "fitting = batch_size // 2",
        "fitting = batch_size * 2",
        f"{DEVICE}::test_too_little_memory_says_what_would_fit",
    ),
]

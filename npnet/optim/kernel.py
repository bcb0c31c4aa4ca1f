"""How an update rule is run over flat arrays.

A rule is a pure elementwise function ``rule(p, g, *state, *constants)`` of a parameter, its gradient and
arrays of state, changed in place; see :mod:`npnet.optim.sgd` for one that reads like the paper.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.engine import numpy_engine
from npnet.engine.choice import rule_runner
from npnet.engine.formula import is_own

__all__ = ["BLOCK_BYTES", "Rule", "kernel_of", "run_kernel"]

BLOCK_BYTES = 65_536
"""What a rule is given at a time of each array on the host.

What it touches then stays in the cache, and its temporaries are small enough for the allocator to hand the
same memory out again: at twice the size the C library fetches fresh pages from the system for each.
"""

Rule = Callable[..., Any]


@functools.lru_cache(maxsize=256)
def kernel_of(rule: Rule, maximize: bool, decays: bool, decoupled: bool) -> Rule:
    r"""Put in front of a rule what all optimizers share.

    To maximise is to go along :math:`-g`.  Weight decay :math:`\lambda` either enters the gradient, :math:`g
    + \lambda p`, or shrinks the parameter by :math:`1 - \eta \lambda` (decoupled).
    """

    def kernel(p: Array, g: Array, shrink: float, *state_and_constants: Any) -> Any:
        if maximize:
            g = -g
        if decays and decoupled:
            p *= shrink
        elif decays:
            g = g + shrink * p
        return rule(p, g, *state_and_constants)

    return kernel


def run_kernel(kernel: Rule, rule: Rule, arrays: tuple[Array, ...], constants: tuple[float, ...]) -> None:
    """Call ``kernel(p, g, shrink, *state, *constants)`` on flat arrays.

    An engine, or a GPU, takes them whole; NumPy block by block.
    """
    shrink, *numbers = constants
    runner = rule_runner(kernel, rule, arrays[0])
    if runner is not None:
        p, g, *state = arrays
        if runner(p, g, shrink, *state, *numbers):
            return
    written = numpy_engine.rule_runner(kernel, rule) if type(arrays[0]) is np.ndarray else kernel
    # What diverges becomes infinite or NaN, and is seen in the loss.
    if is_own(rule):
        _quiet.context.run(_run_in_blocks, written, arrays, shrink, numbers)
    else:  # which may do anything, update other parameters too
        with np.errstate(all="ignore"):
            _run_in_blocks(written, arrays, shrink, numbers)


class _Quiet(threading.local):
    """A context for each thread in which floating-point errors are not heard; cheaper than np.errstate."""

    def __init__(self) -> None:
        self.context = contextvars.copy_context()
        self.context.run(np.seterr, all="ignore")


_quiet = _Quiet()


def _run_in_blocks(kernel: Rule, arrays: tuple[Array, ...], shrink: float, numbers: list[float]) -> None:
    size = arrays[0].size
    block = BLOCK_BYTES // arrays[0].itemsize if isinstance(arrays[0], np.ndarray) else max(size, 1)
    for first in range(0, size, block):
        p, g, *state = arrays if size <= block else [array[first : first + block] for array in arrays]
        kernel(p, g, shrink, *state, *numbers)

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
    runner = rule_runner(kernel, rule, arrays[0])
    if runner is not None and runner(*arrays[:2], constants[0], *arrays[2:], *constants[1:]):
        return
    _host_runner(kernel, rule)(arrays, constants)


@functools.lru_cache(maxsize=256)
def _host_runner(kernel: Rule, rule: Rule) -> Callable[[tuple[Array, ...], tuple[float, ...]], None]:
    """What calls a kernel block by block.  What diverges becomes infinite or NaN, and is seen in the loss."""
    if not is_own(rule):  # it may do anything, update other parameters too

        def aloud(arrays: tuple[Array, ...], constants: tuple[float, ...]) -> None:
            with np.errstate(all="ignore"):
                _run_in_blocks(kernel, arrays, constants)

        return aloud
    written = numpy_engine.rule_runner(kernel, rule)

    def run(arrays: tuple[Array, ...], constants: tuple[float, ...]) -> None:
        if type(arrays[0]) is np.ndarray:
            _quiet.context.run(_run_in_blocks, written, arrays, constants)
        else:
            _quiet.context.run(_run_in_blocks, kernel, arrays, constants)

    return run


class _Quiet(threading.local):
    """A context for each thread in which floating-point errors are not heard; cheaper than np.errstate."""

    def __init__(self) -> None:
        self.context = contextvars.copy_context()
        self.context.run(np.seterr, all="ignore")


_quiet = _Quiet()


def _run_in_blocks(kernel: Rule, arrays: tuple[Array, ...], constants: tuple[float, ...]) -> None:
    size = arrays[0].size
    block = BLOCK_BYTES // arrays[0].itemsize if isinstance(arrays[0], np.ndarray) else max(size, 1)
    if 0 < size <= block:
        kernel(*arrays[:2], constants[0], *arrays[2:], *constants[1:])
        return
    for first in range(0, size, block):
        p, g, *state = [array[first : first + block] for array in arrays]
        kernel(p, g, constants[0], *state, *constants[1:])

"""Which engine runs the formulas: NumPy, or Numba where it is installed and asked for.

The engine is chosen with :func:`set_engine`, the environment variable ``NPNET_ENGINE``, or ``npnet train
--engine``.  Whatever is chosen, a formula is the same text; an engine only decides what executes it.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import Any, cast

import numpy as np

from npnet.engine import numpy_chain, numpy_engine
from npnet.engine.chain import Chain, Link
from npnet.engine.formula import Formula, formulas, is_own
from npnet.errors import ArgumentError, EngineError

__all__ = [
    "ENGINES",
    "adopt",
    "adopt_all",
    "chain_of",
    "engine",
    "fuse_for",
    "joins",
    "recorded_bytes",
    "rule_runner",
    "set_engine",
    "takes_exponentials",
]

ENGINES = ("numpy", "numba")
"""Names that :func:`set_engine` takes."""

VARIABLE = "NPNET_ENGINE"

changes = 0
"""How often what runs the formulas was changed."""

_numba: ModuleType | None = None  # npnet.engine.numba_engine while it is chosen
_fusion: Any = None  # npnet.engine.fusion.Fusion once CuPy is there
_graphs: Any = None  # npnet.engine.graph.Graphs once CuPy is there
_pending = os.environ.get(VARIABLE) or None  # asked for by the environment, and not looked at yet


def engine() -> str:
    """The name of the engine that runs the formulas.

    Raises
    ------
    ArgumentError, EngineError
        If the environment asks for one that does not exist, or is not installed.

    Examples
    --------
    >>> from npnet import backend
    >>> backend.engine() in backend.ENGINES
    True
    """
    if _pending is not None:
        set_engine(_pending)
    return "numpy" if _numba is None else "numba"


def set_engine(name: str) -> None:
    """Choose what runs the formulas, from now on.

    Parameters
    ----------
    name : {"numpy", "numba"}
        ``"numba"`` (``pip install 'npnet[fast]'``) compiles them; the machine code is kept in the user's
        cache, so that only the first process that needs a formula compiles it, and says so.  Layers and
        optimizers that exist already follow.

    Raises
    ------
    ArgumentError
        If there is no such engine.
    EngineError
        If Numba is not installed.

    Examples
    --------
    >>> from npnet import backend
    >>> before = backend.engine()
    >>> backend.set_engine("numpy")
    >>> backend.engine()
    'numpy'
    >>> backend.set_engine(before)
    """
    global _numba, _pending
    if name not in ENGINES:
        source = f" (from {VARIABLE})" if name == _pending else ""
        raise ArgumentError(f"there is no engine {name!r}{source}; there are {', '.join(map(repr, ENGINES))}")
    if name == "numpy":
        chosen = None
    else:
        try:
            chosen = importlib.import_module("npnet.engine.numba_engine")
        except ImportError as error:
            raise EngineError(
                f"engine {name!r} needs Numba, which cannot be imported ({error}): pip install "
                "'npnet[fast]', or stay with engine 'numpy'"
            ) from error
    _numba, _pending = chosen, None
    adopt_all()


def adopt_all() -> None:
    """Let every formula, and every row from its next call, follow what runs formulas now."""
    global changes
    changes += 1
    for formula in tuple(formulas):
        adopt(formula)


def adopt(formula: Formula) -> None:
    """Let the chosen engine run a formula; nothing is compiled before the first call."""
    if _pending is not None:
        formula.run = _first_call(formula)
        return
    formula.run = formula.function
    if _numba is not None and formula.kind != "recorded":
        formula.run = _numba.formula_runner(formula)
    elif _numba is None and formula.kind == "recorded" and is_own(formula.function):
        formula.run = numpy_engine.formula_runner(formula.function)
    if _fusion is not None and formula.kind == "elementwise":
        formula.run = _fusion.formula_runner(formula.function, formula.run)
    if _graphs is not None and formula.kind == "recorded":
        formula.run = _graphs.formula_runner(formula.function, formula.run)


def _first_call(formula: Formula) -> Callable[..., Any]:
    """What looks at the environment's wish when it first matters, not when npnet is imported."""

    def run(*args: Any, **kwargs: Any) -> Any:
        engine()
        return formula.run(*args, **kwargs)

    return run


def rule_runner(
    kernel: Callable[..., Any], rule: Callable[..., Any], array: Any
) -> Callable[..., bool] | None:
    """What runs an update rule over whole flat arrays like `array`; None where NumPy does, block by block.

    It is called as the kernel is, and says whether it did.
    """
    if _fusion is not None and _fusion.takes(array):
        return cast("Callable[..., bool]", _fusion.rule_runner(kernel))
    if _pending is not None:
        engine()
    if _numba is not None and _numba.takes(array):
        return cast("Callable[..., bool]", _numba.rule_runner(kernel, rule))
    return None


def chain_of(links: tuple[Link, ...], kind: Hashable, like: Any) -> Chain:
    """What runs a row of formulas as one, for inputs of one kind; until an engine is chosen anew.

    `like` is an array of the kind; where it lies decides.
    """
    if _graphs is not None and _graphs.takes(like):
        return cast("Chain", _graphs.chain(links))
    if engine() == "numba" and _numba is not None and _numba.takes(like):
        from npnet.engine import numba_chain

        return numba_chain.chain_of(links, kind)
    return numpy_chain.TracedChain(links) if type(like) is np.ndarray else _plain_chain(links, changes)


@functools.lru_cache(maxsize=256)
def _plain_chain(links: tuple[Link, ...], changes: int) -> Chain:
    return Chain(links)


def takes_exponentials(like: Any) -> bool:
    """Whether a row should have the exponentials of an array like this one: NumPy's are faster for many."""
    if engine() == "numpy":
        return True
    from npnet.engine.numba_overloads import MANY

    return bool(like.size <= MANY)


def joins(function: Callable[..., Any]) -> bool:
    """Whether a function may be part of a row: for a compiler, it is a formula."""
    return engine() == "numpy" or hasattr(function, "formula")


def recorded_bytes() -> int:
    """Device memory that is kept for what was recorded."""
    return 0 if _graphs is None else int(_graphs.recorder.used_bytes())


def fuse_for(cupy: ModuleType) -> None:
    """Make kernels of formulas and rules, and graphs of rows, for CuPy's arrays, when it is first used."""
    global _fusion, _graphs
    from npnet.engine.fusion import Fusion
    from npnet.engine.graph import Graphs, Recorder

    _fusion, _graphs = Fusion(cupy), Graphs(Recorder(cupy))
    adopt_all()

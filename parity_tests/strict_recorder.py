"""A stand-in for CUDA graphs: what a function does to strict arrays, recorded and done again.

As on a GPU, a replay knows nothing but memory.  It reads what now lies in the arrays that were there, and
writes into those that were made; whatever was computed on the host, or looked at, stays as it was.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from npnet.engine import choice
from npnet.engine.formula import text_of
from npnet.engine.graph import Graphs
from parity_tests.strict_device import ON_GPU, StrictArray, forbid_synchronisation

__all__ = ["StrictRecorder", "recording"]

METHODS = ("__array_function__", "__array_ufunc__", "_method", "__getitem__", "__setitem__")


class StrictRecorder:
    """What :class:`npnet.engine.graph.Recorder` is on a GPU.

    Attributes
    ----------
    launches : int
        How often something recorded was launched.
    recordings : int
        How often something was recorded.
    """

    array_type = StrictArray
    refusals = (NotImplementedError,)

    def __init__(self) -> None:
        self.launches = self.recordings = 0
        self.lock = threading.RLock()

    def where(self) -> int:
        """There is one stream."""
        return 0

    def text(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function; NumPy's own products can be recorded here."""
        return text_of(function)

    def record(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        """What does all again that the function did, in its memory; and the function's result.

        Unlike on a GPU the function is done while it is recorded.  So the first launch does nothing.
        """
        tape: list[Callable[[], None]] = []
        with _taped(tape), forbid_synchronisation():
            result = function()
        self.recordings += 1
        done = True

        def launch() -> None:
            nonlocal done
            self.launches += 1
            if not done:
                for action in tape:
                    action()
            done = False

        return launch, result


@contextmanager
def _taped(tape: list[Callable[[], None]]) -> Iterator[None]:
    """Note whatever is done to strict arrays."""
    originals = {name: getattr(StrictArray, name) for name in METHODS}

    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            tape.append(lambda: _write(original(*args, **kwargs), result))
            return result

        return call

    for name, original in originals.items():
        setattr(StrictArray, name, noting(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(StrictArray, name, original)


def _write(source: Any, target: Any) -> None:
    """Put a result where the recorded one lies; a view is there already."""
    if isinstance(target, (list, tuple)):
        for one, other in zip(source, target, strict=True):
            _write(one, other)
    elif isinstance(target, StrictArray):
        np.copyto(target._memory, source._memory)


@contextmanager
def recording(wanted: bool = True) -> Iterator[Any]:
    """Within it rows and formulas on the strict device are recorded, or are not.

    Gives what records: on a GPU (``pytest --device cuda``) CuPy itself, with a count of launches.
    """
    before = choice._graphs
    recorder: Any = _counted(before.recorder) if ON_GPU else StrictRecorder()
    _use(Graphs(recorder) if wanted else None)
    try:
        yield recorder
    finally:
        _use(before)


def _counted(recorder: Any) -> Any:
    """A recorder of CuPy's that counts, as the stand-in does."""
    counted, record = copy.copy(recorder), recorder.record
    counted.launches = counted.recordings = 0

    def counting(function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        launch, result = record(function)
        counted.recordings += 1

        def counted_launch() -> None:
            counted.launches += 1
            launch()

        return counted_launch, result

    counted.record = counting
    return counted


def _use(graphs: Any) -> None:
    choice._graphs = graphs
    choice.adopt_all()

"""CUDA graphs: what a function launches on a GPU, recorded once, is launched as one from then on.

From Python a kernel costs the host ten to thirty microseconds, and the device two if the network is small; a
graph of forty kernels costs the host three.  CuPy records whatever is launched on a stream, so the text of
the formulas stays what it is.  But what is recorded works on the same memory whenever it runs.  A recording
therefore has arrays of its own, into which a call copies what it was given, and from which it copies what it
returns.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from npnet.engine.chain import Chain, Link, same
from npnet.engine.cublas import Products
from npnet.engine.formula import is_known
from npnet.engine.fusion import with_module

__all__ = ["GraphChain", "Graphs", "Recorder", "Recording"]

logger = logging.getLogger("npnet")

KINDS = 64
"""For how many kinds of arguments a formula is recorded."""


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: some destructors would break off what is recorded."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _NumPy:
    """NumPy with another product."""

    def __init__(self, dot: Callable[..., Any]) -> None:
        self.dot = dot

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class Recorder:
    """What records with one CuPy.

    Parameters
    ----------
    cupy : module

    Attributes
    ----------
    array_type : type
        Of the arrays that a recording works on.
    lock : lock
        Held while something is recorded, and from what a call copies in to what it copies out.
    refusals : tuple of type
        What :meth:`record` raises where something cannot be recorded.
    """

    def __init__(self, cupy: ModuleType) -> None:
        self._cupy: Any = cupy
        self._stream: Any = None
        self.lock = threading.RLock()
        self._products = Products(cupy)
        self._numpy = _NumPy(self._products.dot)
        self._pools: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()  # by launcher
        self.array_type: type = cupy.ndarray
        self.refusals: tuple[type[Exception], ...] = (
            *(NotImplementedError, MemoryError, OSError),
            *(cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError),
        )

    def text(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function with matrix products that can be recorded."""
        return with_module(function, self._numpy)

    def record(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        """What launches all that a function launched, and what the function returned.

        Nothing is computed before the first launch.  What the function makes lies in memory that nobody else
        is given as long as the launcher lives.
        """
        with self.lock:
            try:
                return self._record(function)
            except MemoryError:  # CuPy keeps freed memory for itself
                self._cupy.get_default_memory_pool().free_all_blocks()
                return self._record(function)

    def _record(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        cuda = self._cupy.cuda
        if self._stream is None:
            self._stream = cuda.Stream(non_blocking=True)
        pool, where = cuda.MemoryPool(), self.where()
        stream, own_memory = self._stream, cuda.using_allocator(pool.malloc)
        with _no_collection(), stream, self._products.recorded(stream, where), own_memory:
            stream.begin_capture()
            try:
                result = function()
            except BaseException:
                with contextlib.suppress(cuda.runtime.CUDARuntimeError):
                    stream.end_capture()
                raise
            graph = stream.end_capture()

        def launch(_: Any = pool) -> None:
            graph.launch()

        self._pools[launch] = pool
        return launch, result

    def where(self) -> Any:
        """The current stream: a recording is for one, on which its launches follow one another."""
        return self._cupy.cuda.get_current_stream().ptr

    def used_bytes(self) -> int:
        """The device memory that recordings hold."""
        return sum(int(pool.total_bytes()) for pool in self._pools.values())


class Recording:
    """A recorded function, with its own arrays in place of those that are others in every call.

    Parameters
    ----------
    recorder : Recorder
    function : callable
        Of the moving arrays; it changes none of them.
    moving : list of ndarray
        Like those of every call.
    fixed : list
        What else the function works with; the recording fits a call if that is the same.

    Attributes
    ----------
    own : list of ndarray
    result : object
        What the function returns; its arrays are overwritten by every launch.
    """

    def __init__(
        self, recorder: Any, function: Callable[[list[Any]], Any], moving: list[Any], fixed: list[Any]
    ) -> None:
        self.own = [np.empty_like(array) for array in moving]  # strides as they are: products depend on them
        self.fill(moving)
        self.fixed = fixed
        self._launch, self.result = recorder.record(lambda: function(self.own))

    def launch(self, moving: list[Any]) -> None:
        """Run on these arrays; the caller holds the recorder's lock until he has copied what he needs."""
        self.fill(moving)
        self._launch()

    def fill(self, moving: list[Any]) -> None:
        """Copy these arrays into the recording's own."""
        for own, given in zip(self.own, moving, strict=True):
            own[...] = given


def recording_of(
    what: str, recorder: Any, function: Callable[[list[Any]], Any], moving: list[Any], fixed: list[Any]
) -> Recording | None:
    """A recording; None, and a line in the log, where there can be none."""
    try:
        return Recording(recorder, function, moving, fixed)
    except recorder.refusals as error:
        logger.debug("npnet: %s is not recorded: %s", what, error)
        return None


def parted(operands: tuple[Any, ...], kind: type) -> tuple[list[Any], list[Any]]:
    """The arrays among operands, and the others."""
    arrays: list[Any] = []
    others: list[Any] = []
    for each in operands:
        (arrays if isinstance(each, kind) else others).append(each)
    return arrays, others


def joined(operands: tuple[Any, ...], kind: type, arrays: Iterator[Any]) -> tuple[Any, ...]:
    """The operands with the next arrays in the places of their own."""
    return tuple([next(arrays) if isinstance(each, kind) else each for each in operands])


def copied(tree: Any) -> Any:
    """A tuple with copies of the arrays in it, or a copy of one; None and numbers as they are."""
    if isinstance(tree, tuple):
        return tuple([copied(each) for each in tree])
    return tree.copy() if hasattr(tree, "dtype") else tree


class _Kept(list[Any]):
    """What a recorded way forth keeps: it lies in the recording, which must not run again before it dies."""

    recording: Recording


class GraphChain(Chain):
    """A row of formulas on a GPU; each way is recorded when it is gone for the second time.

    Parameters
    ----------
    links : tuple of Link
    recorder : Recorder
    """

    lends = True

    def __init__(self, links: tuple[Link, ...], recorder: Any) -> None:
        super().__init__(links)
        self._recorder = recorder
        self._recordings: dict[Any, Recording] = {}
        self._lately: dict[Any, list[Any]] = {}  # what the last call of each way had fixed
        self._lent: Callable[[], _Kept | None] = lambda: None  # what was kept last, while somebody needs it
        self._refused = not all(is_known(link.formula) and is_known(link.derivative) for link in links)

    def runner(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As :meth:`Chain.runner`, with products that can be recorded."""
        formula = getattr(function, "formula", None)
        if formula is not None and formula.is_elementwise:
            return super().runner(function)
        text: Callable[..., Any] = self._recorder.text(function)
        return text

    def forward(self, x: Any, operands: tuple[Any, ...], steady: object) -> tuple[Any, Any] | None:
        """As :meth:`Chain.forward`."""
        with self._recorder.lock:
            found = None if self._refused or self._lent() is not None else self._launched(x, operands)
        return super().forward(x, operands, steady) if found is None else found

    def _launched(self, x: Any, operands: tuple[Any, ...]) -> tuple[Any, Any] | None:
        """What a recording of the way forth gives; None where there is none yet."""
        moving, fixed = [x], [self._recorder.where()]
        for link, given in zip(self.links, operands, strict=True):
            if link.steady:
                fixed.append(given)
            else:
                arrays, others = parted(given, self._recorder.array_type)
                moving += arrays
                fixed += others
        recording = self._recording("forth", self._forth(operands), moving, fixed)
        if recording is None:
            return None
        recording.launch(moving)
        output, made, _ = recording.result
        kept = _Kept(made)
        kept.recording, self._lent = recording, weakref.ref(kept)
        return output.copy(), kept

    def _forth(self, operands: tuple[Any, ...]) -> Callable[[list[Any]], Any]:
        """The way forth as a function of all arrays that move; it returns its operands too."""

        def run(own: list[Any]) -> Any:
            arrays = iter(own[1:])
            mine = tuple(
                [
                    given if link.steady else joined(given, self._recorder.array_type, arrays)
                    for link, given in zip(self.links, operands, strict=True)
                ]
            )
            return *self.way("forth")(own[0], mine), mine

        return run

    def backward(
        self,
        g: Any,
        x: Any,
        kept: Any,
        operands: tuple[Any, ...],
        places: tuple[Any, ...],
        stop: int | None,
        steady: object,
    ) -> tuple[Any, ...] | None:
        """As :meth:`Chain.backward`."""
        forth: Recording | None = getattr(kept, "recording", None)
        if self._refused or forth is None:
            return super().backward(g, x, kept, operands, places, stop, steady)

        def run(own: list[Any]) -> Any:
            _, made, mine = forth.result
            return self.way("back", stop)(own[0], forth.own[0], made, mine, places)

        with self._recorder.lock:
            recording = self._recording(stop, run, [g], [self._recorder.where(), forth, places])
            if recording is not None:
                recording.launch([g])
                return (copied(recording.result),)
        return super().backward(g, x, kept, operands, places, stop, steady)

    def _recording(
        self, way: Any, function: Callable[[list[Any]], Any], moving: list[Any], fixed: list[Any]
    ) -> Recording | None:
        """The recording of a way that fits a call; made if the last call had the same fixed, else None."""
        recording = self._recordings.get(way)
        if recording is not None and same(recording.fixed, fixed):
            return recording
        lately, self._lately[way] = self._lately.get(way), fixed
        if lately is None or not same(lately, fixed):
            return None
        recording = recording_of("a row of layers", self._recorder, function, moving, fixed)
        if recording is None:
            self._refused = True
        else:
            self._recordings[way] = recording
        return recording


class Graphs:
    """What runs rows and formulas as graphs.

    Parameters
    ----------
    recorder : Recorder
    """

    def __init__(self, recorder: Any) -> None:
        self.recorder = recorder

    def takes(self, array: Any) -> bool:
        """Whether an array lies where graphs are recorded."""
        return type(array) is self.recorder.array_type

    def chain(self, links: tuple[Link, ...]) -> GraphChain:
        """A row; its recordings are its own, so it is never shared."""
        return GraphChain(links, self.recorder)

    def formula_runner(self, function: Callable[..., Any], on_host: Callable[..., Any]) -> Callable[..., Any]:
        """What to call instead of a formula that launches much: a graph for arrays of the device."""
        recorder = self.recorder
        text = recorder.text(function)
        array_type = recorder.array_type
        recordings: dict[Any, Recording | None] = {}  # None: called once
        refused = False

        def run(*args: Any, **kwargs: Any) -> Any:
            if kwargs or type(args[0]) is not array_type:
                return on_host(*args, **kwargs)
            kind = (
                recorder.where(),
                *[(each.shape, each.dtype) if isinstance(each, array_type) else each for each in args],
            )
            with recorder.lock:
                found = None if refused else launched(kind, args)
            return text(*args) if found is None else found

        def launched(kind: Any, args: tuple[Any, ...]) -> Any:
            nonlocal refused
            known = kind in recordings
            recording = recordings.pop(kind, None)
            moving, _ = parted(args, array_type)
            if known and recording is None:
                recording = recording_of(
                    function.__name__,
                    recorder,
                    lambda own: text(*joined(args, array_type, iter(own))),
                    moving,
                    [],
                )
                refused = recording is None
            elif len(recordings) >= KINDS:
                del recordings[next(iter(recordings))]
            recordings[kind] = recording  # behind all others: the first one was not asked for longest
            if recording is None:
                return None
            recording.launch(moving)
            return copied(recording.result)

        return run

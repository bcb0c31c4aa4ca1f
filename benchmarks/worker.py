"""A peer in a process of its own, which works when it is told to and sleeps otherwise."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple

from benchmarks.peers import PEERS, Unavailable
from benchmarks.workloads import Workload
from npnet.backend import keep_memory

__all__ = ["Timing", "Worker"]


class Timing(NamedTuple):
    """What a turn took, a step.

    Parameters
    ----------
    wall, cpu : float
        Seconds on the clock, and of all threads of the process together.
    """

    wall: float
    cpu: float


class Worker:
    """A peer's process.

    Parameters
    ----------
    name : str
        The peer.
    device : {"cpu", "cuda"}
    threads : int or None
        How many cores it may use; None leaves that to the library.
    """

    def __init__(self, name: str, device: str, threads: int | None = None) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, device), daemon=True)
        with _environment(threads):
            self._process.start()
        theirs.close()

    def prepare(self, workload: Workload) -> str:
        """Get ready for a workload and warm up; empty, or why it cannot be done."""
        answer: str = self._ask(("prepare", workload))
        return answer

    def turn(self, seconds: float) -> Timing:
        """Work for about so long, whole epochs, at least one."""
        answer: Timing = self._ask(("turn", seconds))
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()

    def _ask(self, message: tuple[str, object]) -> object:
        try:
            self._pipe.send(message)
            kind, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            raise Unavailable(f"the process of {self.name} ended by itself") from error
        if kind == "error":
            raise Unavailable(answer)
        return answer


@contextlib.contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """What a child process finds: libraries look at it when they are loaded, before any of our code runs."""
    if threads is None:
        yield
        return
    before = dict(os.environ)
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(pipe: Connection, name: str, device: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits for the answer any more
        _answer(pipe, name, device)


def _answer(pipe: Connection, name: str, device: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked for the work ends it
    run, steps, estimate = None, 1, 0.0
    keep_memory()
    while True:
        try:
            what, argument = pipe.recv()
        except EOFError:
            return
        try:
            if what == "prepare":
                run, steps = PEERS[name].load()(argument, device), argument.steps
                for _ in range(2):  # the first epoch compiles, fills caches and houses parameters
                    began = time.perf_counter()
                    run()
                    estimate = time.perf_counter() - began
                pipe.send(("done", ""))
            else:
                assert run is not None
                epochs = max(1, round(argument / max(estimate, 1e-9)))
                wall, cpu = time.perf_counter(), time.process_time()
                for _ in range(epochs):
                    run()
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                pipe.send(("done", Timing(wall / (epochs * steps), cpu / (epochs * steps))))
        except Unavailable as error:
            pipe.send(("error", str(error)))
        except Exception as error:  # a peer's own failure is a line of the report
            pipe.send(("error", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))

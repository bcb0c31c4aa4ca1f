"""``python -m benchmarks.recurrent``: a training step of recurrent layers against PyTorch's eager one.

Two layers over 64 steps of 32 sequences, 64 features and states, float32, Adam.  Steps of the two libraries
take turns; the least time of each part counts, since others on the machine only add.  Under each row stands
what bounds npnet's step: the matrix products alone, and the exponentials and hyperbolic tangents alone, each
as the step calls them.  On a machine that is never quiet, ``--clock cpu --threads 1`` compares CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import typer

from npnet import nn, optim
from npnet.nn.recurrence import sigmoid_

Clock = Callable[[], float]

STEPS, BATCH, SIZE, LAYERS = 64, 32, 64, 2
PARTS = ("forward", "backward", "update", "step")
BLOCKS = {"LSTM": 4, "GRU": 3, "RNN": 1}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def ours(name: str, x: Any, g: Any, clock: Clock) -> Callable[[], list[float]]:
    """A step of npnet, which gives the time after each part."""
    layer = getattr(nn, name)(SIZE, SIZE, LAYERS)
    optimizer = optim.Adam(layer.parameters())

    def step() -> list[float]:
        times = [clock()]
        optimizer.zero_grad()
        layer(x)
        times.append(clock())
        layer.backward(g, input_grad=False)
        times.append(clock())
        optimizer.step()
        return [*times, clock()]

    return step


def theirs(name: str, x: Any, g: Any, clock: Clock) -> Callable[[], list[float]]:
    """The same step of PyTorch."""
    import torch

    layer = getattr(torch.nn, name)(SIZE, SIZE, LAYERS)
    optimizer = torch.optim.Adam(layer.parameters(), fused=True)
    x, g = torch.from_numpy(x), torch.from_numpy(g)

    def step() -> list[float]:
        times = [clock()]
        optimizer.zero_grad()
        output, _ = layer(x)
        times.append(clock())
        output.backward(g)
        times.append(clock())
        optimizer.step()
        return [*times, clock()]

    return step


def least(rounds: int, *steps: Callable[[], list[float]]) -> list[np.ndarray]:
    """Milliseconds of each part and of the whole, the least of all rounds, of steps that take turns."""
    found: list[list[np.ndarray]] = [[] for _ in steps]
    for _ in range(rounds):
        for row, step in zip(found, steps, strict=True):
            times = np.array(step())
            row.append(1e3 * np.append(np.diff(times), times[-1] - times[0]))
    return [np.min(row, axis=0) for row in found]


def products(name: str, rng: np.random.Generator, clock: Clock) -> Callable[[], list[float]]:
    """The matrix products of a step, and nothing else."""
    rows = BLOCKS[name] * SIZE
    w, h = (rng.normal(size=shape).astype(np.float32) for shape in ((rows, SIZE), (SIZE, BATCH)))
    x, a = np.zeros((STEPS, SIZE, BATCH), np.float32), np.zeros((STEPS, rows, BATCH), np.float32)
    flat_a, flat_x = np.zeros((rows, STEPS * BATCH), np.float32), np.zeros((SIZE, STEPS * BATCH), np.float32)
    out_a, out_h, out_w = a[0].copy(), h.copy(), w.copy()

    def run() -> list[float]:
        began = clock()
        for layer in range(LAYERS):
            np.matmul(w, x, out=a)  # from the inputs, all steps
            for _ in range(STEPS):
                np.matmul(w, h, out=out_a)
                np.matmul(w.T, out_a, out=out_h)
            for _ in range(2):  # by both weights
                np.matmul(flat_a, flat_x.T, out=out_w)
            if layer:
                np.matmul(w.T, a, out=x)
        return [began, clock()]

    return run


def activations(name: str, rng: np.random.Generator, clock: Clock) -> Callable[[], list[float]]:
    """The exponentials and tangents of a step, and nothing else."""
    a = rng.normal(size=(BLOCKS[name], SIZE, BATCH)).astype(np.float32)
    c = np.empty_like(a[0])

    def run() -> list[float]:
        began = clock()
        for _ in range(LAYERS * STEPS):
            if name == "LSTM":
                sigmoid_(a[:2])
                sigmoid_(a[3])
                np.tanh(a[2], out=c)
            elif name == "GRU":
                sigmoid_(a[:2])
            np.tanh(a[0], out=c)
        return [began, clock()]

    return run


def main() -> None:
    """Measure, and print a table."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no hints

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="steps of each library")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    settings = parser.parse_args()
    clock = CLOCKS[settings.clock]
    torch.set_num_threads(settings.threads)
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=(STEPS, BATCH, SIZE)).astype(np.float32) for _ in range(2))
    typer.echo(f"milliseconds ({settings.clock}), npnet / PyTorch (ratio); {settings.threads} threads")
    with threadpool_limits(settings.threads):
        for name in BLOCKS:
            mine, other = least(settings.rounds, ours(name, x, g, clock), theirs(name, x, g, clock))
            cells = [
                f"{part} {a:.2f} / {b:.2f} ({a / b:.2f})"
                for part, a, b in zip(PARTS, mine, other, strict=True)
            ]
            typer.echo(f"{name:<5}{'   '.join(cells)}")
            blas, special = least(settings.rounds, products(name, rng, clock), activations(name, rng, clock))
            typer.echo(f"     of npnet's step: products {blas[-1]:.2f}, activations {special[-1]:.2f}")


if __name__ == "__main__":
    main()

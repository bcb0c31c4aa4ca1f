"""``python -m benchmarks.layers``: convolutional networks, whole steps and layer by layer, against PyTorch.

Both libraries run in this process, in turns, with equal weights and the same batch.  A layer's time is that
of its forward and its backward call on the shape that it has in the network; the first layer's backward
leaves the gradient by the input out, in both libraries.  What is shown is the least of all rounds.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import typer

from npnet import nn, optim

__all__ = ["main"]

Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


def galaxy_cnn() -> tuple[list[Any], tuple[int, ...]]:
    """Three blocks of convolution on 64 x 64 colour pictures, batch 32, three classes."""
    layers: list[Any] = []
    channels = (3, 16, 32, 64)
    for c_in, c_out in itertools.pairwise(channels):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 3)]
    return layers, (32, 3, 64, 64)


def mnist_cnn() -> tuple[list[Any], tuple[int, ...]]:
    """Two blocks of convolution on 28 x 28 grey pictures, batch 64, ten classes."""
    layers: list[Any] = []
    for c_in, c_out in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10)]
    return layers, (64, 1, 28, 28)


NETWORKS = {"galaxy-cnn": galaxy_cnn, "mnist-cnn": mnist_cnn}


class Ours:
    """npnet: a step of the network, and calls of one layer."""

    def __init__(self, model: Any, x: Any, target: Any) -> None:
        self.model, self.x, self.target = model, x, target
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = optim.Adam(model.parameters())

    def step(self) -> None:
        """Forward, backward, Adam."""
        self.optimizer.zero_grad()
        self.criterion(self.model(self.x), self.target)
        self.model.backward(self.criterion.backward(), input_grad=False)
        self.optimizer.step()

    @staticmethod
    def calls(layer: Any, x: Any, g: Any, first: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """The forward and the backward call."""
        return lambda: layer(x), lambda: layer.backward(g, input_grad=not first)


class Theirs:
    """PyTorch, eager."""

    def __init__(self, model: Any, x: Any, target: Any) -> None:
        import torch

        from torchref import to_torch

        self.model = to_torch(model)
        self.x, self.target = torch.from_numpy(x), torch.from_numpy(target)
        self.criterion = torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def step(self) -> None:
        """Forward, backward, Adam."""
        self.optimizer.zero_grad()
        self.criterion(self.model(self.x), self.target).backward()
        self.optimizer.step()

    @staticmethod
    def calls(layer: Any, x: Any, g: Any, first: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """The forward and the backward call."""
        import torch

        leaf, upstream, made = torch.tensor(x, requires_grad=not first), torch.from_numpy(g), []

        def forward() -> None:
            made[:] = [layer(leaf)]

        return forward, lambda: made[0].backward(upstream)


def least(calls: list[list[Callable[[], Any]]], rounds: int, clock: Clock) -> list[list[float]]:
    """Least seconds of every call; the libraries take turns, a library's calls follow each other."""
    best = [[float("inf")] * len(each) for each in calls]
    for number in range(rounds + 1):
        for library, each in enumerate(calls):
            for i, call in enumerate(each):
                start = clock()
                call()
                if number:  # the first round warms up
                    best[library][i] = min(best[library][i], clock() - start)
    return best


def compare(name: str, rounds: int, clock: Clock, say: Callable[[str], None]) -> None:
    """Time a network, and each of its layers."""
    layers, shape = NETWORKS[name]()
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, dtype=np.float32)
    classes = layers[-1].out_features
    target = rng.integers(0, classes, shape[0])
    model = nn.Sequential(*layers)
    ours, theirs = Ours(model, x, target), Theirs(model, x, target)
    (mine,), (other,) = least([[ours.step], [theirs.step]], rounds, clock)
    title = f"{name}, batch {shape[0]}"
    say(f"\n{title}: {1e3 * mine:.1f} ms, PyTorch {1e3 * other:.1f} ms, {mine / other:.2f}")
    say(f"{'layer':<12}{'input':>20}{'forward':>18}{'backward':>18}{'ratio':>8}")
    for i, (layer, twin) in enumerate(zip(layers, theirs.model, strict=True)):
        y = layer(x)
        g = rng.standard_normal(y.shape, dtype=np.float32)
        pairs = [list(side.calls(each, x, g, i == 0)) for side, each in ((ours, layer), (theirs, twin))]
        if i == 0 or "Flatten" not in type(layer).__name__:
            (f, b), (tf, tb) = least(pairs, rounds, clock)
            columns = (f"{1e3 * f:.2f} / {1e3 * tf:.2f}", f"{1e3 * b:.2f} / {1e3 * tb:.2f}")
            kind, size = type(layer).__name__, "x".join(map(str, x.shape))
            say(f"{kind:<12}{size:>20}{columns[0]:>18}{columns[1]:>18}{(f + b) / (tf + tb):>8.2f}")
        x = np.ascontiguousarray(y)


def main(
    networks: Annotated[str, typer.Option(help="Only these, by commas.")] = ",".join(NETWORKS),
    rounds: Annotated[int, typer.Option(min=1, help="How often each call has its turn.")] = 20,
    threads: Annotated[int, typer.Option(min=1, help="Threads of BLAS and of PyTorch.")] = 2,
    clock: Annotated[str, typer.Option(help="wall, or cpu: the processor time of all threads.")] = "wall",
) -> None:
    """Time a training step of a convolutional network, and each layer's two passes; milliseconds."""
    import threadpoolctl
    import torch

    torch.set_num_threads(threads)
    with threadpoolctl.threadpool_limits(threads):
        for name in networks.split(","):
            compare(name, rounds, CLOCKS[clock], typer.echo)


if __name__ == "__main__":
    typer.run(main)

"""What saving a checkpoint costs, over a plain write and sync of as many bytes.

``python -m benchmarks checkpoint [FOLDER]``: both write to the same folder and take turns.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from npnet.training import Checkpoint, NumpyEngine, RunFolder, Task, Trainer, load_recipe

__all__ = ["report"]

WIDTH = 3160
"""Of a hidden layer: 3160 x 3160 weights are ten million."""


def begun_trainer(width: int) -> Trainer:
    """A training of about ``width * width`` parameters that has taken a step with Adam."""
    recipe = load_recipe("digits", [f"model.hidden=[{width},{width}]", "training.batch_size=8"])
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((8, 8), dtype=np.float32)
    rows = {"train": np.arange(8), "validation": np.arange(8), "test": np.arange(0)}
    trainer = Trainer(NumpyEngine(Task(recipe, recipe.model.build(8, 2), inputs, np.arange(8) % 2, rows)))
    next(trainer.steps())
    return trainer


def save(folder: RunFolder, trainer: Trainer) -> None:
    """What a run does: take the state, write it aside, sync it, rename it."""
    checkpoint = Checkpoint(
        recipe={}, backend="numpy", dataset={}, versions={}, threads={}, trainer=trainer.state_dict()
    )
    folder.write_checkpoint(checkpoint)


def plain_write(path: Path, content: bytes) -> None:
    """As many bytes by nothing but a write and a sync."""
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def timed(function: Callable[[], None]) -> tuple[float, float]:
    """How long one call takes, on the clock and of the processor."""
    began, spent = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - began, time.process_time() - spent


def report(where: str | None = None, rounds: int = 9, width: int = WIDTH) -> str:
    """Medians of both, and of their ratio within a round.

    Parameters
    ----------
    where : str, optional
        A folder on the disk in question; by default the system's for temporary files.
    rounds : int
        How often both take their turn.
    width : int
        Of the hidden layers.
    """
    trainer = begun_trainer(width)
    parameters = sum(parameter.size for parameter in trainer.engine.task.model.parameters())
    with tempfile.TemporaryDirectory(dir=where) as path, RunFolder(Path(path) / "run") as folder:
        save(folder, trainer)
        content = folder.checkpoint_path.read_bytes()
        other = Path(path) / "plain"
        turns = [
            (*timed(lambda: save(folder, trainer)), *timed(lambda: plain_write(other, content)))
            for _ in range(rounds)
        ]
    middle = [statistics.median(column) * 1e3 for column in zip(*turns, strict=True)]
    least = [min(column) * 1e3 for column in zip(*turns, strict=True)]
    ratio = statistics.median(saved / written for saved, _, written, _ in turns)
    return "\n".join(
        [
            f"{parameters:,} parameters with Adam's state, {len(content) / 1e6:.0f} MB",
            "",
            "| | ms, median | ms, least | ms of the processor, median |",
            "| --- | ---: | ---: | ---: |",
            f"| checkpoint | {middle[0]:.0f} | {least[0]:.0f} | {middle[1]:.0f} |",
            f"| plain write and sync | {middle[2]:.0f} | {least[2]:.0f} | {middle[3]:.0f} |",
            "",
            f"Ratio within a round, median of {rounds}: {ratio:.2f}. To reach: 1.5.",
        ]
    )

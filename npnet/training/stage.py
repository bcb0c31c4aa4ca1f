"""How far a run has come, as its folder tells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npnet.training.record import SUMMARY, Run, read_summary
from npnet.training.run import METRICS, TIMES, is_locked

__all__ = ["Stage", "stage_of"]

WORDS = {"interrupted": "stopped"}
"""What people are told where the summary has another word."""


@dataclass(frozen=True)
class Stage:
    """Where a run stands.

    Attributes
    ----------
    status : {"finished", "running", "interrupted", "diverged", "killed"}
        Killed is whatever ended without a word: SIGKILL, a power cut, a second Ctrl-C, a full disk.
    epoch, epochs : int
        The last epoch that is complete, and how many there are at most; of the last fold that was begun.
    fold, folds : int
        Which fold that is, and of how many; 0 without folds.
    measured : dict of str to float
        What the last complete epoch came to, a row of ``metrics.csv``; empty where there is none yet.
    seconds : float
        How long the complete epochs took.

    Examples
    --------
    >>> print(Stage("interrupted", 3, 10))
    stopped after epoch 3 of 10
    >>> print(Stage("killed", 0, 10, fold=2, folds=5))
    killed in fold 2 of 5, in epoch 1 of 10
    """

    status: str
    epoch: int
    epochs: int
    fold: int = 0
    folds: int = 0
    measured: dict[str, float] | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.status == "finished":
            return self.status
        fold = f"in fold {self.fold} of {self.folds}, " if self.fold else ""
        epoch = f"after epoch {self.epoch} of {self.epochs}" if self.epoch else f"in epoch 1 of {self.epochs}"
        return f"{WORDS.get(self.status, self.status)} {fold}{epoch}"


def stage_of(run: Run) -> Stage:
    """Say how far a run has come.

    Raises
    ------
    CheckpointError
        If the summary of the last fold is damaged.
    """
    folds = run.recipe.data.folds or 0
    begun = [number for number in range(1, folds + 1) if (run.path / f"fold-{number}").is_dir()]
    fold = begun[-1] if begun else 0
    path = run.path / f"fold-{fold}" if fold else run.path
    metrics = list(_rows(path / METRICS))
    return Stage(
        _status(run, path),
        len(metrics),
        run.recipe.training.epochs,
        fold,
        folds,
        metrics[-1] if metrics else {},
        sum(row.get("seconds", 0.0) for each in _paths(run, begun) for row in _rows(each / TIMES)),
    )


def _status(run: Run, path: Path) -> str:
    if run.finished:
        return "finished"
    if is_locked(run.path):
        return "running"
    summary: dict[str, Any] = run.summary or {}
    if path != run.path and (path / SUMMARY).is_file():
        summary = read_summary(path)
    status = summary.get("status", "finished")
    return "killed" if status == "finished" else str(status)  # a fold that is finished, and no more after it


def _paths(run: Run, begun: list[int]) -> list[Path]:
    return [run.path / f"fold-{number}" for number in begun] or [run.path]


def _rows(path: Path) -> Iterator[dict[str, float]]:
    """The complete rows of a table of numbers; a kill may have cut the last one."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return
    for row in csv.DictReader(text[: text.rfind("\n") + 1].splitlines()):
        try:
            yield {str(key): float(value) for key, value in row.items() if value}
        except (TypeError, ValueError):
            return

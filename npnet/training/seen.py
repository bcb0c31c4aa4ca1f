"""What a trained network says of a part of the data, and of the test parts of several folds together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from npnet.backend import Array
    from npnet.data import Dataset
    from npnet.training.engine import Engine
    from npnet.training.objective import Objective

__all__ = ["Seen", "over_folds"]


@dataclass(frozen=True)
class Seen:
    """A part of the data and what the network, with the weights that are kept, says of it."""

    objective: Objective
    rows: Array
    targets: Array
    outputs: Array
    loss: float

    @classmethod
    def of(cls, dataset: Dataset, engine: Engine, part: str) -> Seen:
        """Look at a part now."""
        evaluation = engine.evaluate(part)
        rows = engine.task.rows[part]
        return cls(engine.task.objective, rows, dataset.targets[rows], evaluation.outputs, evaluation.loss)

    @classmethod
    def together(cls, folds: Sequence[Seen]) -> Seen:
        """The test parts of all folds; numbers are read by the scale of the first one."""
        first = folds[0].objective
        return cls(
            first,
            np.concatenate([seen.rows for seen in folds]),
            np.concatenate([seen.targets for seen in folds]),
            np.concatenate([first.recode(seen.outputs, seen.objective) for seen in folds]),
            float(np.mean([seen.loss for seen in folds])),
        )

    def scores(self) -> dict[str, Any]:
        """All measures, the loss first."""
        return {"loss": self.loss, **self.objective.score(self.targets, self.outputs)}


def over_folds(tests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and deviation of what the folds' tests measured; confusion matrices are added up."""
    together: dict[str, Any] = {}
    for name in tests[0]:
        values = [test[name] for test in tests]
        if name == "confusion":
            together[name] = np.sum(values, axis=0).tolist()
        elif None in values:  # not defined in some fold
            together |= {name: None, f"{name}_std": None}
        else:
            together |= {name: float(np.mean(values)), f"{name}_std": _deviation(values)}
    return together


def _deviation(values: Sequence[float]) -> float:
    """Standard deviation between folds, as of a sample."""
    return float(np.std(values, ddof=1))

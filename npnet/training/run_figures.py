"""The figures in the folder of a run: curves, what the test part came to, mistakes, forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.data import Dataset
from npnet.training import figures, forecast, mistakes_figure
from npnet.training.objective import Classification
from npnet.training.recipe import Recipe
from npnet.training.run import RunFolder
from npnet.training.seen import Seen
from npnet.training.trainer import Trainer

__all__ = ["RunFigures", "computed_by"]


def computed_by(backend: str, engine: str) -> str:
    """What computed, for people.

    Examples
    --------
    >>> computed_by("numpy", "numpy"), computed_by("numpy", "numba")
    ('numpy', 'numpy with numba')
    """
    return backend if engine == "numpy" else f"{backend} with {engine}"


@dataclass(frozen=True)
class RunFigures:
    """What draws the figures of a run, each with the data, the backend and the seed on it.

    Parameters
    ----------
    recipe : Recipe
    dataset : Dataset
    backend : str
        What computed.
    """

    recipe: Recipe
    dataset: Dataset
    backend: str

    def _title(self, which: str) -> str:
        simulated = " (simulated data)" if self.dataset.simulated else ""
        return f"{self.recipe.name}{simulated} on {self.backend}{which and ', ' + which}"

    def _note(self) -> str:
        data = self.dataset
        ceiling = (
            "" if data.ceiling is None else f"; for it the best classifier is right in {data.ceiling:.1%}"
        )
        averaging = self.recipe.training.averaging
        judged = (
            ""
            if averaging is None
            else f" Validated, kept and tested: the average of the weights ({averaging.kind})."
        )
        return f"Data: {data.origin}{ceiling}. Seed of the run: {self.recipe.seed}.{judged}"

    def curves(self, folder: RunFolder, trainer: Trainer, kept_epoch: int, which: str) -> None:
        """Losses, the first measure and the rate, where an epoch is complete."""
        if len(trainer.history):
            curves = figures.curves_figure(
                trainer.history.frame,
                kept_epoch,
                self._title(which),
                self._note(),
                self.dataset.ceiling,
                objective=trainer.engine.task.objective,
            )
            folder.write_figure("curves.png", curves)

    def forecasts(self, folder: RunFolder, seen: Seen, horizon: int, which: str) -> dict[str, Any]:
        """Measures of the simple forecasts of the test part; draws them beside the network's."""
        data, objective = self.dataset, seen.objective
        references = forecast.reference_forecasts(data.targets, seen.rows, horizon, data.season or 1)
        forecasts = {"network": objective.decode(seen.outputs)[:, 0], **references}
        figure = forecast.forecast_figure(
            data.identifiers[seen.rows],
            seen.targets,
            forecasts,
            data.target_names[0],
            data.unit,
            self._title(which),
            self._note(),
        )
        folder.write_figure("forecast.png", figure)
        return forecast.score_forecasts(seen.targets, references)

    def test(self, folder: RunFolder, seen: Seen, which: str, test: dict[str, Any]) -> None:
        """What the network says of the test part; and of pictures, where it is most wrong."""
        objective = seen.objective
        results = ", ".join(
            f"{measure.title} {measure.written(test[measure.name], objective.unit)}"
            for measure in objective.measures
        )
        note = f"Test: {results}. {self._note()}"
        folder.write_figure(
            objective.figure_name, objective.draw(seen.targets, seen.outputs, self._title(which), note)
        )
        if isinstance(self.dataset.inputs, np.ndarray) and isinstance(objective, Classification):
            mistakes = mistakes_figure.mistakes_figure(
                self.dataset.inputs[seen.rows],
                seen.targets,
                objective.probabilities(seen.outputs),
                objective.class_names,
                self._title(which),
                note,
                names=self.dataset.identifiers[seen.rows],
            )
            if mistakes is not None:
                folder.write_figure("mistakes.png", mistakes)

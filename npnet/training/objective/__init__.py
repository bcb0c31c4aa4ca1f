"""What a recipe asks a network to do, which follows from its loss.

============== =========================================== ========================= =======================
kind           losses                                      target of a row           output of the network
============== =========================================== ========================= =======================
classification CrossEntropyLoss                            its class                 a logit for each class
binary         BCEWithLogitsLoss                           0 or 1, the second class  one logit
regression     MSELoss, L1Loss, HuberLoss, SmoothL1Loss    numbers                   the numbers, scaled
============== =========================================== ========================= =======================

Everything else that depends on the kind stands in its class here: how targets are given to the loss, what
is measured, how outputs are read, what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npnet import nn
from npnet.errors import StateError
from npnet.training.objective.base import Objective
from npnet.training.objective.classification import BinaryClassification, Classification
from npnet.training.objective.regression import Regression

__all__ = [
    "LOSSES",
    "BinaryClassification",
    "Classification",
    "Objective",
    "Regression",
    "objective_class",
    "objective_from_state",
    "objective_of_kind",
]

_KINDS: tuple[type[Objective], ...] = (Classification, BinaryClassification, Regression)

LOSSES: Mapping[str, type[Any]] = {
    name: getattr(nn, name) for cls in _KINDS for name in cls.losses if hasattr(nn, name)
}
"""The losses that a recipe can name."""


def objective_class(loss: str) -> type[Objective]:
    """The kind that a loss asks for.

    Examples
    --------
    >>> objective_class("MSELoss").kind
    'regression'
    """
    return next(cls for cls in _KINDS if loss in cls.losses)


def objective_of_kind(kind: str) -> type[Objective]:
    """The kind by the word that summaries have.

    Examples
    --------
    >>> objective_of_kind("binary").columns()[1]
    'validation_accuracy'
    """
    return next(cls for cls in _KINDS if cls.kind == kind)


def objective_from_state(state: Mapping[str, Any]) -> Objective:
    """Make an objective again from what its ``state()`` returned.

    Raises
    ------
    StateError
        If it is the state of none.

    Examples
    --------
    >>> objective_from_state(Classification(("cat", "dog")).state()).outputs
    2
    """
    try:
        return objective_of_kind(state["kind"])._from_state(state)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise StateError(f"not the state of an objective: {error!r}") from error

"""What two runs of one recipe have in common, tensor by tensor, and where they part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npnet.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

    from npnet.backend import Array

__all__ = ["TOLERANCES", "Agreement", "Deviation", "Moment"]

TOLERANCES: Mapping[str, Mapping[str, float]] = {
    "float64": {"loss": 1e-10, "gradient": 1e-9, "value": 1e-9, "output": 1e-9, "rate": 1e-12},
    "float32": {"loss": 1e-4, "gradient": 1e-3, "value": 1e-3, "output": 1e-3, "rate": 1e-12},
}
"""By dtype and kind, relative to the larger of 1 and the tensor's largest element; a rate relative to itself.

In float64 a larger difference is a mistake and not rounding.  In float32 runs drift apart on their own.
"""


class Moment(NamedTuple):
    """When something was compared: steps count from 1 through all epochs; 0 is none, or before the first."""

    fold: int
    epoch: int
    step: int

    def __str__(self) -> str:
        fold = f"fold {self.fold}, " if self.fold else ""
        epoch = f"epoch {self.epoch}, " if self.epoch else ""
        return f"{fold}{epoch}step {self.step}" if self.step else "at the start"


@dataclass(frozen=True)
class Deviation:
    """How far one tensor of two runs differs.

    Parameters
    ----------
    kind : str
        One of the keys of :data:`TOLERANCES`; or ``"run"`` for what is equal or not.
    name : str
        Which tensor.
    difference : float
        The largest of its elements, relative as :data:`TOLERANCES` says.
    tolerance : float
        What is allowed.
    moment : Moment
        When it was so large.
    """

    kind: str
    name: str
    difference: float
    tolerance: float
    moment: Moment

    @property
    def share(self) -> float:
        """Difference over tolerance; past 1 it is too large."""
        return self.difference / self.tolerance

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"gradient of {self.name}" if self.kind == "gradient" else self.name

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers; an infinite difference is None, which JSON has."""
        finite = math.isfinite(self.difference)
        return {
            "kind": self.kind,
            "tensor": self.name,
            "largest_difference": self.difference if finite else None,
            "tolerance": self.tolerance,
            "share": self.share if finite else None,
            **self.moment._asdict(),
        }


class Agreement:
    """The largest difference of every tensor between two runs, and the first one past its tolerance.

    Parameters
    ----------
    dtype : str
        Picks the row of :data:`TOLERANCES`.
    tolerance : float, optional
        In place of all its entries but that of the rates.

    Attributes
    ----------
    first : Deviation or None
        The first one past its tolerance.  Of several at one step the one that the others follow from: the
        loss, else the gradient nearest to the loss, else weights and buffers.

    Examples
    --------
    >>> agreement = Agreement("float64")
    >>> moment = Moment(0, 1, 1)
    >>> agreement.compare("value", "0.weight", np.array([1.0, 4.0]), np.array([1.0, 4.0 + 4e-10]), moment)
    >>> agreement.first is None
    True
    >>> agreement.compare("value", "0.weight", np.array([1.0, 4.0]), np.array([1.0, 5.0]), moment)
    >>> agreement.first.name, round(agreement.first.difference, 3)
    ('0.weight', 0.2)
    """

    def __init__(self, dtype: str, tolerance: float | None = None) -> None:
        if tolerance is not None and not tolerance > 0.0:
            raise ArgumentError(f"a tolerance is positive, got {tolerance}")
        if dtype not in TOLERANCES:
            raise ArgumentError(f"runs are compared in {' or '.join(TOLERANCES)}, got {dtype}")
        self.tolerances = {
            kind: allowed if tolerance is None or kind == "rate" else tolerance
            for kind, allowed in TOLERANCES[dtype].items()
        }
        self.first: Deviation | None = None
        self._largest: dict[tuple[str, str], Deviation] = {}
        self._latest: Deviation | None = None

    def compare(self, kind: str, name: str, ours: Any, theirs: Any, moment: Moment) -> None:
        """Compare one tensor of both runs; either is None where the run has none."""
        self._note(Deviation(kind, name, _difference(kind, ours, theirs), self.tolerances[kind], moment))

    def demand(self, equal: bool, what: str, moment: Moment) -> None:
        """Note as past every tolerance what is not equal though it must be."""
        if not equal:
            self._note(Deviation("run", what, math.inf, 1.0, moment))

    def compare_step(
        self,
        losses: tuple[float, float],
        gradients: tuple[Mapping[str, Array | None], Mapping[str, Array | None]],
        states: tuple[Mapping[str, Array], Mapping[str, Array]],
        moment: Moment,
        rates: tuple[float, float] | None = None,
    ) -> Deviation:
        """Compare all that one step has left; returns what used most of its tolerance."""
        self._latest = None
        self.compare("loss", "loss", *losses, moment)
        for kind, (ours, theirs) in (("gradient", gradients), ("value", states)):
            names = list(dict.fromkeys((*ours, *theirs)))
            # Backward goes from the loss down, so the last gradient is the first that can be wrong.
            for name in reversed(names) if kind == "gradient" else names:
                self.compare(kind, name, ours.get(name), theirs.get(name), moment)
        if rates is not None:
            self.compare("rate", "learning rate", *rates, moment)
        assert self._latest is not None
        return self._latest

    def _note(self, deviation: Deviation) -> None:
        key = deviation.kind, deviation.name
        if key not in self._largest or deviation.difference > self._largest[key].difference:
            self._largest[key] = deviation
        if self._latest is None or deviation.share > self._latest.share:
            self._latest = deviation
        if self.first is None and not deviation.share <= 1.0:
            self.first = deviation

    @property
    def largest(self) -> list[Deviation]:
        """The largest deviation of every tensor, a kind after the other."""
        order = ["run", *self.tolerances]
        return sorted(self._largest.values(), key=lambda deviation: order.index(deviation.kind))

    def to_dict(self) -> dict[str, Any]:
        """Whether all agreed, what did not at first, and the largest deviations, as plain numbers."""
        first = self.first
        return {
            "agree": first is None,
            "first": None
            if first is None
            else {**first.to_dict(), "what": first.title, "when": str(first.moment)},
            "tensors": [deviation.to_dict() for deviation in self.largest],
        }

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a table, a row a tensor."""
        import pandas as pd

        rows = [
            {**deviation.to_dict(), "largest_difference": deviation.difference, "share": deviation.share}
            for deviation in self.largest
        ]
        return pd.DataFrame(rows)


def _difference(kind: str, ours: Any, theirs: Any) -> float:
    """The largest difference; infinite where it cannot be told."""
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else math.inf
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape or a.dtype != b.dtype:
        return math.inf
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else math.inf
    if not a.size or np.array_equal(a, b, equal_nan=True):
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        scale = np.max(np.abs(b)) if kind == "rate" else max(1.0, float(np.max(np.abs(b))))
        largest = float(np.max(np.abs(a - b)) / scale)
    return math.inf if math.isnan(largest) else largest

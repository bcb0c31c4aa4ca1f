"""Two small tables that lessons use: the quality of red wines, and biopsies of breast tumours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npnet.data.dataset import Dataset
from npnet.data.registry import entry, locate
from npnet.data.tables import read_csv, to_numbers
from npnet.errors import TargetError

__all__ = ["MEASUREMENTS", "load_breast_cancer", "load_wine"]

MEASUREMENTS = (
    "fixed acidity",
    "volatile acidity",
    "citric acid",
    "residual sugar",
    "chlorides",
    "free sulfur dioxide",
    "total sulfur dioxide",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)
MARKS = ("3", "4", "5", "6", "7", "8")
"""No wine of the table has another mark."""


def load_wine(data: str | Path | None) -> Dataset:
    """Red wines by their mark, as classes; wines that are measured alike stay on one side of a split.

    Parameters
    ----------
    data : str, Path or None
        The table or its folder.

    Raises
    ------
    DataMissingError
        If the table is not found.
    DataError
        If it cannot be used.
    TargetError
        If a mark is none of 3 to 8.
    """
    path = locate(entry("wine"), data)["table"]
    table = to_numbers(read_csv(path, (*MEASUREMENTS, "quality"), separator=";"), str(path))
    marks, inputs = table["quality"].to_numpy(), table[list(MEASUREMENTS)]
    wrong = np.flatnonzero(~np.isin(marks, [float(mark) for mark in MARKS]))
    if wrong.size:
        raise TargetError(
            f"{path}: row {wrong[0] + 1} below the header has the mark {marks[wrong[0]]:g}; "
            f"the classes are {', '.join(MARKS)} ({wrong.size} such row{'s' if wrong.size > 1 else ''})"
        )
    return Dataset(
        name="wine",
        inputs=inputs,
        targets=marks.astype(np.int64) - int(MARKS[0]),
        class_names=MARKS,
        identifiers=np.arange(len(table)),
        groups=inputs.groupby(list(MEASUREMENTS)).ngroup().to_numpy(),
        origin=str(path),
    )


def load_breast_cancer() -> Dataset:
    """scikit-learn's 569 biopsies; the second class is malignant, so that it is what a logit above 0 says."""
    from sklearn import datasets

    bunch = datasets.load_breast_cancer(as_frame=True)
    return Dataset(
        name="breast-cancer",
        inputs=bunch.data,
        targets=1 - bunch.target.to_numpy(dtype=np.int64),
        class_names=("benign", "malignant"),
        identifiers=np.arange(len(bunch.target)),
        origin="scikit-learn",
    )

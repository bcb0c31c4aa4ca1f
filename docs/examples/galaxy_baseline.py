"""Logistic regression on the pixels of the galaxies, on the split of ``npnet train galaxy-images``.

The strength of its penalty is chosen by the validation part: ``python docs/examples/galaxy_baseline.py``.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix

import npnet
from npnet.data import load, make_features
from npnet.training import load_recipe, splits


def main(seed: int = 0) -> None:
    """Print the accuracy on the validation part for each strength, and on the test part for the best."""
    recipe, dataset = load_recipe("galaxy-images", [f"seed={seed}"]), load("galaxy-images")
    npnet.manual_seed(recipe.seed)
    split = splits(recipe, dataset)[0]
    features = make_features("images").fit(dataset.inputs[split.train], dataset.targets[split.train])
    pixels = {
        part: features.transform(dataset.inputs[rows]).reshape(len(rows), -1)
        for part, rows in split._asdict().items()
    }
    targets = {part: dataset.targets[rows] for part, rows in split._asdict().items()}
    best, chosen = -1.0, None
    for strength in 10.0 ** np.arange(-6, -1):
        model = LogisticRegression(C=strength, max_iter=500).fit(pixels["train"], targets["train"])
        accuracy = model.score(pixels["validation"], targets["validation"])
        print(f"C = {strength:g}: validation {accuracy:.2%}")  # noqa: T201
        if accuracy > best:
            best, chosen = accuracy, model
    assert chosen is not None
    print(f"C = {chosen.C:g}: test {chosen.score(pixels['test'], targets['test']):.2%}")  # noqa: T201
    print(confusion_matrix(targets["test"], chosen.predict(pixels["test"])))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""Draw what augmentation makes of a few galaxies, into ``docs/figures``.

``python docs/examples/augmentation.py``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import npnet
from npnet.data import load
from npnet.regularization import (
    RandomAffine,
    RandomHorizontalFlip,
    RandomQuarterTurn,
    RandomRotation,
    RandomShift,
)
from npnet.training.figures import new_figure

GALAXIES = (10, 3, 20)
"""One of each class, by its place among the rows of that class."""

MOVES: dict[str, Any] = {
    "RandomHorizontalFlip(p=1)": RandomHorizontalFlip(1.0),
    "RandomQuarterTurn()": RandomQuarterTurn(),
    "RandomShift(8)": RandomShift(8),
    'RandomRotation(45,\n"bilinear")': RandomRotation(45, "bilinear"),
    'RandomRotation(45,\n"bilinear",\npadding_mode="edge")': RandomRotation(
        45, "bilinear", padding_mode="edge"
    ),
    "RandomAffine(45,\n(0.1, 0.1), (0.8, 1.2))": RandomAffine(
        45, (0.1, 0.1), (0.8, 1.2), interpolation="bilinear", padding_mode="edge"
    ),
}


def main() -> None:
    """Write ``augmentation.png``."""
    npnet.manual_seed(2)
    dataset = load("galaxy-images")
    rows = [np.flatnonzero(dataset.targets == number)[place] for number, place in enumerate(GALAXIES)]
    galaxies = dataset.inputs[np.array(rows)]
    figure = new_figure(10.5, 5.4)
    panels = figure.subplots(len(rows), 1 + len(MOVES))
    columns = {"as it is": galaxies}
    columns |= {title: move(galaxies, channels_last=True) for title, move in MOVES.items()}
    for column, (title, images) in enumerate(columns.items()):
        panels[0, column].set_title(title, fontsize=7)
        for row, image in enumerate(images):
            panels[row, column].imshow(image)
            panels[row, column].set_axis_off()
    figure.supxlabel("Pictures: Sloan Digital Sky Survey", fontsize=8)
    figure.savefig(Path(__file__).parents[1] / "figures" / "augmentation.png", dpi=90)


if __name__ == "__main__":
    main()

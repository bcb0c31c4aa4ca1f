"""What both scripts of a pair train on."""

from __future__ import annotations

import numpy as np

import npnet.data


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with values from 0 to 1, shape (n, side, side), and their classes.

    ``digits`` comes with scikit-learn; ``mnist`` is looked for as ``npnet train`` does.
    """
    dataset = npnet.data.load(name)
    pixels = np.asarray(dataset.inputs, dtype=np.float64)
    side = round(np.sqrt(pixels[0].size))
    return pixels.reshape(-1, side, side) / pixels.max(), dataset.targets

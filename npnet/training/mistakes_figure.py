"""The worst mistakes of a classifier of pictures, as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.training.figures import caption, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from npnet.backend import Array

__all__ = ["mistakes_figure", "worst_mistakes"]

COLUMNS, ROWS = 6, 4
"""Of the page, at most."""


def worst_mistakes(targets: Array, probabilities: Array, count: int = COLUMNS * ROWS) -> Array:
    """Places of the wrongly classified rows with the least probability of their true class, worst first.

    Those are the rows that the cross-entropy counts most.

    Parameters
    ----------
    targets : ndarray of int, shape (n,)
        The true classes.
    probabilities : ndarray, shape (n, C)
        What the network says.
    count : int
        How many, at most.

    Examples
    --------
    >>> said = np.array([[0.4, 0.6], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    >>> worst_mistakes(np.array([0, 0, 0, 1]), said).tolist()
    [1, 0]
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != targets)
    order: Array = np.argsort(probabilities[wrong, targets[wrong]], kind="stable")
    return wrong[order[:count]]


def mistakes_figure(
    images: Array,
    targets: Array,
    probabilities: Array,
    class_names: tuple[str, ...],
    title: str,
    note: str,
    *,
    names: Array | None = None,
) -> Figure | None:
    """Draw the worst mistakes with their true class and what the network says, with its probability.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, H, W) or (n, H, W, C)
        The pictures, grey or in colours.
    targets, probabilities : ndarray
        As for :func:`worst_mistakes`.
    class_names : tuple of str
        In that order.
    title, note : str
        Over and under the page.
    names : ndarray, keyword-only, optional
        What each picture is called, written under it.

    Returns
    -------
    Figure or None
        None where nothing is wrong.
    """
    worst = worst_mistakes(targets, probabilities)
    if not len(worst):
        return None
    columns = min(COLUMNS, len(worst))
    rows = -(-len(worst) // columns)
    figure = new_figure(max(1.9 * columns, 7.0), 2.45 * rows + 1.3)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes in panels:
        axes.set_axis_off()
    for axes, row in zip(figure.axes, worst, strict=False):
        axes.imshow(images[row], cmap="gray", vmin=0, vmax=255)
        said = int(probabilities[row].argmax())
        true = int(targets[row])
        under = "" if names is None else f"\n{names[row]}"
        axes.set_title(
            f"true: {class_names[true]}\nsaid: {class_names[said]}, {probabilities[row, said]:.0%}{under}",
            fontsize=8,
        )
    wrong = np.count_nonzero(probabilities.argmax(axis=1) != targets)
    caption(figure, f"{title}: the worst {len(worst)} of {wrong} mistakes", note)
    return figure

"""The figures of a run."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from npnet.backend import Array

__all__ = ["caption", "confusion_figure", "curves_figure", "new_figure"]

TRAIN, VALIDATION, KEPT, RATE, MOMENTUM = "#1f6fb4", "#d1602b", "#555555", "#4a8f3c", "#7a5195"


def curves_figure(
    frame: pd.DataFrame, kept_epoch: int, title: str, note: str, ceiling: float | None = None
) -> Figure:
    """Losses, accuracies and the learning rate over the epochs, and the epoch that is kept.

    Parameters
    ----------
    frame : DataFrame
        :attr:`npnet.training.History.frame`.
    kept_epoch : int
        Whose weights the run keeps; 0 for the initial ones, which are not marked.
    title, note : str
        Over and under the panels.
    ceiling : float, optional
        The best accuracy that is possible, where it is known.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

    figure = new_figure(10.0, 7.5)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1.3]})
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        for part, colour in (("train", TRAIN), ("validation", VALIDATION)):
            column = f"{part}_{quantity}"
            if column in frame:
                label = "training (mean over the epoch)" if part == "train" else "validation"
                axes.plot(frame.index, frame[column], color=colour, label=label, **_line(frame))
    loss.set_ylabel("cross-entropy (nats)")
    accuracy.set_ylabel("accuracy")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    if ceiling is not None:
        line = accuracy.axhline(ceiling, color="black", linestyle=":")
        accuracy.legend([line], [f"expected of the best classifier: {ceiling:.1%}"], loc="lower right")
    rate.step(frame.index, frame["lr"], color=RATE, where="mid")
    rate.set_ylabel("learning rate")
    rate.set_yscale("log")
    narrow = frame["lr"].max() < 100 * frame["lr"].min()
    rate.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if narrow else (1.0,)))
    rate.yaxis.set_major_formatter(StrMethodFormatter("{x:.0e}"))
    rate.yaxis.set_minor_formatter(NullFormatter())
    rate.set_xlabel("epoch")
    rate.xaxis.set_major_locator(MaxNLocator(integer=True))
    rate.set_xlim(0.5, len(frame) + 0.5)
    for axes in (loss, accuracy, rate):
        axes.grid(alpha=0.3)
        if kept_epoch:
            axes.axvline(kept_epoch, color=KEPT, linestyle="--", label=f"kept: epoch {kept_epoch}")
    loss.legend(loc="upper right")
    caption(figure, title, note)
    return figure


def confusion_figure(confusion: Array, class_names: tuple[str, ...], title: str, note: str) -> Figure:
    """Which classes are taken for which: counts, and shares of each true class as colour.

    Parameters
    ----------
    confusion : ndarray of int, shape (C, C)
        Rows of class ``i`` that were called ``j``.
    class_names : tuple of str
        In that order.
    title, note : str
        Over and under the matrix.
    """
    from matplotlib.ticker import PercentFormatter

    members = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(members, 1)
    size = 3.5 + 0.65 * len(class_names)
    figure = new_figure(max(size + 1.0, 7.0), size)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    positions = range(len(class_names))
    slanted = max(map(len, class_names)) > 3
    axes.set_xticks(
        positions, class_names, rotation=35 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_yticks(positions, class_names)
    axes.set_xlabel("class that the network says")
    axes.set_ylabel("true class")
    small = len(class_names) > 5
    size_of = 8 if small else 10
    for i, j in np.ndindex(confusion.shape):
        share = "" if small else f"\n{shares[i, j]:.1%}"
        colour = "white" if shares[i, j] > 0.5 else "black" if confusion[i, j] else "#aaaaaa"
        axes.text(
            j, i, f"{confusion[i, j]:,}{share}", ha="center", va="center", color=colour, fontsize=size_of
        )
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), shrink=0.85)
    bar.set_label("share of the true class")
    caption(figure, title, note)
    return figure


def new_figure(width: float, height: float) -> Figure:
    """A figure of its own, without pyplot's state and without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    return figure


def _line(frame: pd.DataFrame) -> dict[str, Any]:
    """Points are marked where they are few: a single one would not be seen otherwise."""
    return {"marker": "o" if len(frame) <= 30 else None, "markersize": 3.5}


def caption(figure: Figure, title: str, note: str) -> None:
    """Write a title over the panels and a note under them."""
    figure.suptitle(title, fontsize=13, fontweight="bold")
    width = int(figure.get_figwidth() * 13)
    figure.supxlabel("\n".join(textwrap.wrap(note, width)), fontsize=9, color="#333333")

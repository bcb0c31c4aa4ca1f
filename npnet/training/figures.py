"""The figures of a run."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from npnet.backend import Array
    from npnet.training.objective import Objective

__all__ = [
    "caption",
    "comparison_figure",
    "confusion_figure",
    "curves_figure",
    "new_figure",
    "predictions_figure",
]

TRAIN, VALIDATION, KEPT, RATE, MOMENTUM = "#1f6fb4", "#d1602b", "#555555", "#4a8f3c", "#7a5195"


def curves_figure(
    frame: pd.DataFrame,
    kept_epoch: int,
    title: str,
    note: str,
    ceiling: float | None = None,
    *,
    objective: Objective,
) -> Figure:
    """Losses, the first measure and the learning rate over the epochs, and the epoch that is kept.

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
    objective : Objective, keyword-only
        Says what is measured.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

    figure = new_figure(10.0, 7.5)
    followed = objective.measures[0]
    loss, measure, rate = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1.3]})
    for axes, quantity in ((loss, "loss"), (measure, followed.name)):
        for part, colour in (("train", TRAIN), ("validation", VALIDATION)):
            column = f"{part}_{quantity}"
            if column in frame:
                label = "training (mean over the epoch)" if part == "train" else "validation"
                axes.plot(frame.index, frame[column], color=colour, label=label, **_line(frame))
    loss.set_ylabel(objective.loss_title)
    in_units = followed.in_units and objective.unit
    measure.set_ylabel(f"{followed.title} ({objective.unit})" if in_units else followed.title)
    if followed.percent:
        measure.yaxis.set_major_formatter(PercentFormatter(1.0))
    if ceiling is not None:
        line = measure.axhline(ceiling, color="black", linestyle=":")
        measure.legend([line], [f"expected of the best classifier: {ceiling:.1%}"], loc="lower right")
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
    for axes in (loss, measure, rate):
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


def predictions_figure(
    true: Array, said: Array, names: tuple[str, ...], unit: str, title: str, note: str
) -> Figure:
    """Numbers that the network says against the true ones; on the diagonal they are equal.

    Parameters
    ----------
    true, said : ndarray, shape (n, k)
        In the data's own units.
    names : tuple of str
        Of the k columns.
    unit : str
        Of all of them.
    title, note : str
        Over and under the panel.
    """
    figure = new_figure(7.0, 7.0)
    axes = figure.subplots()
    few = len(true) <= 300
    for number, name in enumerate(names):
        axes.plot(
            true[:, number],
            said[:, number],
            linestyle="none",
            marker="o",
            markersize=4.5 if few else 2.5,
            alpha=0.6 if few else 0.3,
            label=name,
        )
    ends = [min(true.min(), said.min()), max(true.max(), said.max())]
    axes.plot(ends, ends, color="black", linestyle=":", label="equal")
    quantity = (names[0] if len(names) == 1 else "target") + (f" ({unit})" if unit else "")
    axes.set_xlabel(f"true {quantity}")
    axes.set_ylabel(f"{quantity}, as the network says")
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(alpha=0.3)
    if len(names) > 1:
        axes.legend(loc="upper left")
    caption(figure, title, note)
    return figure


def comparison_figure(steps: pd.DataFrame, names: tuple[str, ...], title: str, note: str) -> Figure:
    """The losses of two runs on one panel, and under it how much of the tolerance their difference used.

    Parameters
    ----------
    steps : DataFrame
        A row a step, with the columns ``<name>_loss`` of both and ``share``.
    names : tuple of str
        Of the two runs.
    title, note : str
        Over and under the panels.
    """
    figure = new_figure(10.0, 6.5)
    loss, share = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
    count = np.arange(1, len(steps) + 1)
    single = "o" if len(steps) == 1 else None
    styles: tuple[dict[str, Any], ...] = (
        {"linewidth": 3.0, "alpha": 0.45},
        {"linewidth": 0.9, "linestyle": (0, (4, 2))},
    )
    for name, colour, style in zip(names, (TRAIN, VALIDATION), styles, strict=True):
        loss.plot(count, steps[f"{name}_loss"], color=colour, marker=single, label=name, **style)
    loss.set_ylabel("loss of the batch")
    loss.legend(loc="upper right")
    # Where nothing differs there is nothing to draw: a logarithm has no zero.
    used = steps["share"].where(steps["share"] > 0.0)
    share.plot(count, used, color=RATE, linewidth=0.9, marker=single)
    share.axhline(1.0, color="black", linestyle=":", label="the tolerance")
    share.set_yscale("log")
    share.set_ylabel("share of the tolerance\nthat differences use")
    share.set_xlabel("step")
    share.legend(loc="upper left")
    starts = np.flatnonzero(np.diff(steps["fold"].to_numpy())) + 1.5
    for axes in (loss, share):
        axes.grid(alpha=0.3)
        for start in starts:
            axes.axvline(start, color=KEPT, linestyle="--", linewidth=0.8)
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

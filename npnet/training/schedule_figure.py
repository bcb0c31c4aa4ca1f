"""A learning-rate schedule as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from npnet.errors import ArgumentError
from npnet.nn.parameter import Parameter
from npnet.optim import SGD, lr_scheduler
from npnet.training.figures import MOMENTUM, RATE, caption, new_figure
from npnet.training.recipe_files import read_schedule

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["named_schedule", "schedule_figure", "walk_schedule"]


def named_schedule(name: str, settings: Iterable[str] = (), *, lr: float = 0.1, steps: int = 100) -> Any:
    """Make a schedule from its name and written settings, over an optimizer of one parameter.

    Parameters
    ----------
    name : str
        A class of :mod:`npnet.optim.lr_scheduler` that takes neither functions nor schedules.
    settings : iterable of str
        Each ``"key=value"`` with a value as TOML writes it.
    lr : float
        The optimizer's learning rate.
    steps : int
        The total number of steps, for ``OneCycleLR``.

    Raises
    ------
    RecipeError
        If the schedule or an argument is not known, or not accepted.

    Examples
    --------
    >>> named_schedule("StepLR", ["step_size=10", "gamma=0.5"]).gamma
    0.5
    """
    chosen = read_schedule(name, settings)
    total = {"total_steps": steps} if chosen.kind == "OneCycleLR" else {}
    optimizer = SGD([Parameter([0.0])], lr=lr, momentum=0.9)
    return getattr(lr_scheduler, chosen.kind)(optimizer, **chosen.options, **total)


def walk_schedule(schedule: Any, steps: int, *, metric: float = 1.0) -> pd.DataFrame:
    """Take steps, and note learning rate and momentum at each.

    Parameters
    ----------
    schedule : LRScheduler
        Fresh; it is moved on, and so are its optimizer's groups, of which the first is noted.
    steps : int
        How many learning rates to note, the one before the first step included.
    metric : float
        What ``ReduceLROnPlateau`` is told at every step: a metric that never gets better.

    Returns
    -------
    DataFrame
        Indexed by ``step``, with the columns ``lr`` and, where the optimizer has one, ``momentum``
        (``betas[0]`` for the Adam family).

    Raises
    ------
    ArgumentError
        If `steps` is less than 1, or the schedule is over before.

    Examples
    --------
    >>> walk_schedule(named_schedule("StepLR", ["step_size=2"]), 4)["lr"].round(6).tolist()
    [0.1, 0.1, 0.01, 0.01]
    """
    import pandas as pd

    if steps < 1:
        raise ArgumentError(f"steps must be at least 1, got {steps}")
    group = schedule.optimizer.param_groups[0]
    arguments = (metric,) if isinstance(schedule, lr_scheduler.ReduceLROnPlateau) else ()
    rows = []
    for step in range(steps):
        if step:
            schedule.step(*arguments)
        momentum = group.get("momentum", group.get("betas", (None,))[0])
        rows.append({"step": step, "lr": group["lr"], "momentum": momentum})
    return pd.DataFrame(rows).set_index("step").dropna(axis="columns")


def schedule_figure(frame: pd.DataFrame, title: str, note: str = "") -> Figure:
    """Draw the learning rate and, where it changes, the momentum against steps.

    Parameters
    ----------
    frame : DataFrame
        From :func:`walk_schedule`.
    title, note : str
        Over and under the panels.

    Examples
    --------
    >>> frame = walk_schedule(named_schedule("OneCycleLR", ["max_lr=0.1"]), 100)
    >>> len(schedule_figure(frame, "one cycle").axes)
    2
    """
    cycles = "momentum" in frame and frame["momentum"].nunique() > 1
    figure = new_figure(8.0, 5.5 if cycles else 3.8)
    panels = figure.subplots(1 + cycles, 1, sharex=True, squeeze=False)[:, 0]
    columns = (("lr", "learning rate", RATE), ("momentum", "momentum", MOMENTUM))
    for axes, (column, label, colour) in zip(panels, columns, strict=False):
        axes.step(frame.index, frame[column], where="post", color=colour)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0.0 if column == "lr" else None)
    panels[-1].set_xlabel("step")
    panels[-1].set_xlim(frame.index[0], max(frame.index[-1], 1))
    caption(figure, title, note)
    return figure

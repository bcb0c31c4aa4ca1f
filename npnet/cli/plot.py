"""``npnet plot``: figures that need no run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npnet.cli.app import app, application

plots = application(help="Draw figures that need no run.")
app.add_typer(plots, name="plot")


@plots.command("schedule")
def plot_schedule(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A class of npnet.optim.lr_scheduler.", show_default=False),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Its arguments, such as step_size=10.", show_default=False),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many steps to draw.")] = 100,
    lr: Annotated[float, typer.Option(help="The optimizer's learning rate.")] = 0.1,
    out: Annotated[
        Path | None,
        typer.Option(help="The PNG file. Without it: schedule-NAME.png.", show_default=False),
    ] = None,
) -> None:
    """Draw a schedule's learning rate, and the momentum where it cycles, against steps.

    ReduceLROnPlateau is told a metric that never gets better.

    [bold]Examples[/bold]

        npnet plot schedule OneCycleLR max_lr=0.01 --steps 200
        npnet plot schedule CosineAnnealingWarmRestarts T_0=20 T_mult=2
    """
    from npnet.errors import ArgumentError, OutputError
    from npnet.training.schedule_figure import named_schedule, schedule_figure, walk_schedule

    schedule = named_schedule(name, settings or (), lr=lr, steps=steps)
    path = Path(f"schedule-{name}.png") if out is None else out
    if path.suffix.lower() != ".png":
        raise ArgumentError(f"{path} cannot be drawn: a figure is a PNG file, so its name must end in .png")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    frame = walk_schedule(schedule, steps)
    try:
        schedule_figure(frame, f"{name}({', '.join(settings or ())})").savefig(path, dpi=120)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    typer.echo(str(path))

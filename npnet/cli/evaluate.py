"""``npnet evaluate``: how good the network of a run is."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from npnet.cli.app import AsJson, app, notes

if TYPE_CHECKING:
    from rich.table import Table


class Part(StrEnum):
    """Which rows."""

    train = "train"
    validation = "validation"
    test = "test"
    all = "all"


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of one of its folds.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Other data of the same kind, a folder or a file.", show_default=False),
    ] = None,
    part: Annotated[
        Part | None,
        typer.Option(
            help="Which rows. Without it: the run's test part; of other data, all.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the network of a run, with the preprocessing that it was trained with.

    [bold]Examples[/bold]

        npnet evaluate runs/galaxies-numpy-1
        npnet evaluate runs/wine-numpy-1 --data other-wines.csv
    """
    from rich.console import Console

    from npnet.training.predictor import evaluate_run

    with notes():
        found = evaluate_run(run, data=data, part=None if part is None else part.value)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print(_table(found))


def _table(found: dict[str, Any]) -> Table:
    """What was found."""
    from rich.markup import escape
    from rich.table import Table

    from npnet.training.objective import objective_of_kind

    table = Table(title=escape(found["run"]), show_header=False, title_style="bold")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    table.add_row("data", escape(found["data"]))
    if found["simulated"]:
        table.add_row("", "[yellow]simulated, not observed[/yellow]")
    part = "all rows" if found["part"] == "all" else f"{found['part']} part"
    table.add_row("rows", f"{found['rows']:,}, {part}")
    table.add_row("weights", f"after epoch {found['epoch']}")
    table.add_row("loss", f"{found['loss']:.4f}")
    for measure in objective_of_kind(found["task"]).measures:
        table.add_row(measure.title, measure.written(found[measure.name], found["unit"]))
    return table

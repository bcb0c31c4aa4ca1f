"""``npnet predict``: what the network of a run says of new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npnet.cli.app import app, notes

SHOWN = 20
"""So many rows that cannot be predicted are told one by one; the table has them all."""


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of one of its folds.")],
    rows: Annotated[
        Path,
        typer.Argument(
            metavar="ROWS",
            help="A CSV table with the columns that the run was trained on; or pictures: an IDX file, an "
            ".npz archive, a folder of PNG or JPEG files.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The CSV table to write; - is the output.")
    ],
) -> None:
    """Predict new rows, with the preprocessing that the run was trained with.

    The table has a line for every row: its place and identifier, the class and the probability of each
    class, or the numbers. A row that cannot be predicted has its reason under problem, and is told on the
    error stream.

    [bold]Examples[/bold]

        npnet predict runs/wine-numpy-1 new-wines.csv -o predictions.csv
        npnet predict runs/mnist-numpy-1 folder-of-png -o -
    """
    from npnet.errors import DataError, OutputError
    from npnet.training.files import replace_file
    from npnet.training.predictor import load_predictor

    with notes():
        predictor = load_predictor(run)
    if out.is_dir():
        raise OutputError(f"{out} is a folder; name a file with -o")
    if out.exists() and rows.exists() and out.samefile(rows):
        raise OutputError(f"{out} is what is to be predicted, and would be lost: name another file with -o")
    read = predictor.read(rows)
    table = predictor.predict(read)
    bad = [(place, why) for place, why in zip(read.places, read.problems, strict=True) if why]
    for place, why in bad[:SHOWN]:
        typer.echo(f"npnet: {rows}: {read.place} {place}: {why}", err=True)
    if len(bad) > SHOWN:
        typer.echo(f"npnet: {rows}: and {len(bad) - SHOWN} more, each under problem in the table", err=True)
    if len(bad) == len(read.places):
        raise DataError(f"{rows}: none of its {len(bad)} rows can be predicted; nothing was written")
    text = table.to_csv(index=False, lineterminator="\n")
    if str(out) == "-":
        typer.echo(text, nl=False)
        return
    replace_file(out, [text.encode()])
    without = f", {len(bad)} of them without a prediction" if bad else ""
    typer.echo(f"{out}: {len(read.places)} rows{without}", err=True)

"""``npnet compare``: one recipe on NumPy and PyTorch, step by step."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from npnet.cli.app import AsJson, Backend, DataPath, Seed, app, make_engine
from npnet.errors import UnsupportedError

if TYPE_CHECKING:
    from rich.table import Table


@app.command()
def compare(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="The name of a recipe, or the path of a .toml file.", show_default=False
        ),
    ],
    backend: Annotated[
        Backend, typer.Option(help="What is held against PyTorch: NumPy, or CuPy (on a GPU).")
    ] = Backend.numpy,
    data: DataPath = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what is found, empty or new. Without it: runs/RECIPE-compare-NUMBER.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting of the recipe, such as optimizer.lr=3e-4. May be given often.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="How far a tensor may differ, relative to the larger of 1 and its largest element. "
            "Without it: 1e-9, for losses 1e-10; in float32 1e-3 and 1e-4.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a recipe on NumPy and on PyTorch, and compare them after every step.

    Both start from the same weights and meet the same batches, masks and augmentation, in float64 unless the
    settings say otherwise. Every gradient, weight and buffer is compared after every step. The exit status
    is 1 when one of them passes its tolerance.

    [bold]Examples[/bold]

        npnet compare galaxies
        npnet compare mnist --set training.epochs=1
        npnet compare digits --set training.dtype=float32
    """
    from rich.console import Console

    from npnet.training import compare_recipe, load_recipe

    if backend is Backend.torch:
        raise UnsupportedError("--backend torch would compare PyTorch with itself; choose numpy or cupy")
    overrides = ["training.dtype=float64", *(settings or []), *([] if seed is None else [f"seed={seed}"])]
    resolved = load_recipe(recipe, overrides)
    replaying = cast("Any", make_engine(Backend.torch)).replaying
    engines = {backend.value: make_engine(backend), Backend.torch.value: replaying}
    errors = Console(stderr=True)
    callbacks: list[Any] = []
    if not as_json:
        from npnet.training.progress import ProgressBar

        callbacks = [ProgressBar(errors)]
    found = compare_recipe(resolved, engines, data=data, out=out, tolerance=tolerance, callbacks=callbacks)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console = Console()
        console.print(_tensor_table(found))
        console.print(_run_table(found))
        console.print(_verdict(found), highlight=False)
    if not found["agree"]:
        raise typer.Exit(1)


def _tensor_table(found: dict[str, Any]) -> Table:
    """A tensor a line."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    names = " and ".join(found["runs"])
    table = Table(
        title=f"{found['recipe']} on {names}, {found['steps']:,} steps in {found['dtype']}",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("tensor", overflow="fold")
    table.add_column("")
    table.add_column("difference", justify="right")
    table.add_column("step", justify="right")
    table.add_column("of tolerance", justify="right")
    for tensor in found["tensors"]:
        if tensor["kind"] == "run":
            continue
        share = math.inf if tensor["share"] is None else tensor["share"]
        difference = math.inf if tensor["share"] is None else tensor["largest_difference"]
        kind = "" if tensor["kind"] in ("loss", "rate", "output") else tensor["kind"]
        colour = "red" if share > 1.0 else "default"
        table.add_row(
            escape(tensor["tensor"]),
            kind,
            f"{difference:.1e}",
            str(tensor["step"]),
            f"[{colour}]{share:.1e}[/]",
        )
    return table


def _run_table(found: dict[str, Any]) -> Table:
    """What each of the two came to."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("")
    for name in found["runs"]:
        table.add_column(name, justify="right")
    runs = list(found["runs"].values())
    if all("test" in run for run in runs):
        for figure, value in runs[0]["test"].items():
            if isinstance(value, float):
                table.add_row(
                    f"test {figure.replace('_', ' ')}", *(f"{run['test'][figure]:.6g}" for run in runs)
                )
    if all("epochs" in run for run in runs):
        table.add_row("epoch kept", *(f"{run['kept_epoch']} of {run['epochs']}" for run in runs))
    table.add_row("training", *(f"{run['seconds']:.1f} s" for run in runs))
    table.caption = escape(f"{found['data']['origin']}\n{found['folder']}")
    return table


def _verdict(found: dict[str, Any]) -> str:
    """The answer in a line."""
    from rich.markup import escape

    first = found["first"]
    if first is None:
        return "[green]within tolerance at every step[/green]"
    how = (
        ""
        if first["share"] is None or first["kind"] == "run"
        else f", {first['share']:.3g} times the tolerance"
    )
    return f"[red]first past its tolerance[/red]: {escape(first['what'])}, in {first['when']}{how}"

"""``npnet train``: from a recipe to a run."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from npnet.cli.app import AsJson, Backend, DataPath, Seed, app, choose_engine, complain, make_engine, notes
from npnet.errors import RecipeMismatchError, UnsupportedError

if TYPE_CHECKING:
    from rich.table import Table


@app.command()
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="galaxies, galaxies-sdss, galaxy-images, mnist, mnist-cnn, fashion-mnist, "
            "fashion-mnist-cnn, fashion-mnist-lesson, wine, binary, digits, sunspots, temperatures, or the "
            "path of a .toml file. With --resume it may be left out.",
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        Backend | None,
        typer.Option(
            help="What computes: NumPy (if nothing is said), CuPy (on a GPU), or PyTorch.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            help="What runs npnet's formulas on the host: numpy, or numba (pip install 'npnet\\[fast]'). "
            "Without it: $NPNET_ENGINE, then numpy.",
            show_default=False,
        ),
    ] = None,
    data: DataPath = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the run, empty or new. Without it: runs/RECIPE-BACKEND-NUMBER.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting of the recipe, such as optimizer.lr=3e-4 or scheduler=none. "
            "May be given often.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Folder of a run that was interrupted or killed: go on with it, from its last checkpoint.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train from a recipe and keep the run in a folder.

    A recipe is a TOML file with the tables data, model, optimizer, scheduler, regularization and training.

    [bold]Examples[/bold]

        npnet train galaxies
        npnet train mnist --backend torch --seed 1
        npnet train mnist --set optimizer.lr=3e-4 --set training.epochs=6
        npnet train --resume runs/mnist-numpy-1
    """
    from rich.console import Console

    from npnet.training import load_recipe, read_run, resume_recipe, run_recipe

    overrides = [*(settings or []), *([] if seed is None else [f"seed={seed}"])]
    errors = Console(stderr=True)
    if resume is None:
        if recipe is None:
            raise typer.BadParameter("say which recipe, or --resume RUN", param_hint="RECIPE")
        resolved = load_recipe(recipe, overrides)
        chosen = backend or Backend.numpy
        go = functools.partial(run_recipe, resolved, out=out)
    else:
        if out is not None:
            raise typer.BadParameter("a run that goes on stays in its folder", param_hint="--out")
        run = read_run(resume)
        resolved = load_recipe(recipe or run.recipe, overrides)
        if run.backend not in list(Backend):
            raise UnsupportedError(
                f"{run.path} was begun from Python, with an engine {run.backend!r} of its own"
            )
        chosen = backend or Backend(run.backend)
        engine = engine or (None if chosen is Backend.torch else run.engine)
        go = functools.partial(resume_recipe, resume, recipe=resolved)
    if engine is not None:
        choose_engine(engine, chosen)
    library = make_engine(chosen)
    callbacks: list[Any] = []
    if not as_json:
        from rich.markup import escape

        from npnet.training.progress import ProgressBar

        about = f": {escape(resolved.description)}" if resolved.description else ""
        errors.print(f"[bold]{resolved.name}[/bold]{about}", highlight=False)
        callbacks = [ProgressBar(errors)]
    try:
        with notes():
            summary = go(make_engine=library, backend_name=chosen.value, data=data, callbacks=callbacks)
    except RecipeMismatchError as error:
        if as_json:
            raise
        errors.print(_difference_table(error.differences))
        complain(f"{resume} was begun with another recipe: to go on with its own, say only --resume {resume}")
        raise typer.Exit(1) from error
    if resume is not None and run.finished:
        complain(f"{run.path} is finished: nothing was left to do")
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        Console().print(_closing_table(summary))


def _difference_table(differences: dict[str, tuple[Any, Any]]) -> Table:
    """How a recipe differs from that of the run."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("setting", "the run has", "asked for", title="another recipe", title_style="bold")
    for name, values in differences.items():
        table.add_row(name, *(escape(str(value)) for value in values))
    return table


def _closing_table(summary: dict[str, Any]) -> Table:
    """What the run came to."""
    from rich.markup import escape
    from rich.table import Table

    from npnet.training.objective import objective_of_kind
    from npnet.training.run_figures import computed_by

    data, test, seconds = summary["data"], summary.get("test"), summary["seconds"]
    computed = computed_by(summary["backend"], summary.get("engine", "numpy"))
    table = Table(title=f"{summary['recipe']} on {computed}", show_header=False, title_style="bold")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    table.add_row("data", escape(data["origin"]))
    if data["simulated"]:
        table.add_row("", "[yellow]simulated galaxies, not observed ones[/yellow]")
    if test is not None:
        first, *others = objective_of_kind(summary["task"]).measures
        for measure in (first, *others):
            figure = measure.written(test[measure.name], data["unit"])
            if "folds" in summary:
                deviation = measure.written(test[f"{measure.name}_std"], data["unit"])
                figure += f" ± {deviation} over {len(summary['folds'])} folds"
            table.add_row(f"test {measure.title}", f"[bold]{figure}[/bold]" if measure is first else figure)
            if measure is first and data["ceiling"] is not None:
                table.add_row(
                    "ceiling", f"{data['ceiling']:.2%}, expected of the best classifier for this simulator"
                )
    for name, scores in summary.get("references", {}).items():
        errors = ", ".join(
            f"{measure.title} {measure.written(scores[measure.name], data['unit'])}"
            for measure in objective_of_kind(summary["task"]).measures
            if measure.in_units
        )
        table.add_row(f"{name} forecast", errors)
    if "epochs" in summary:
        table.add_row("epoch kept", f"{summary['kept_epoch']} of {summary['epochs']}")
    table.add_row("time", f"{seconds['total']:.1f} s, of which {seconds['training']:.1f} s training")
    table.add_row("run", escape(summary["folder"]))
    return table

"""The command line: ``npnet train galaxies``.

What people read goes to the error stream but for the closing table (or the JSON object), which is the
result.  What a command needs is imported when it runs, so that help is there at once.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from npnet._version import __version__
from npnet.errors import DeviceError, NpnetError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["app", "main"]

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells count it: 128 and the number of the signal."""

app = typer.Typer(
    name="npnet",
    help="Train and regularize neural networks in plain NumPy, held equal to PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class Backend(StrEnum):
    """What computes."""

    numpy = "numpy"
    cupy = "cupy"
    torch = "torch"


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"npnet {__version__}")
        raise typer.Exit


@app.callback()
def _npnet(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Train and regularize neural networks in plain NumPy, held equal to PyTorch."""


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="galaxies, galaxies-sdss, mnist, fashion-mnist, digits, or the path of a .toml file.",
            show_default=False,
        ),
    ],
    backend: Annotated[
        Backend, typer.Option(help="What computes: NumPy, CuPy (on a GPU), or PyTorch.")
    ] = Backend.numpy,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data files, or the file. Without it: $NPNET_DATA, then data/ of a checkout, "
            "then the user's cache.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the run, empty or new. Without it: runs/RECIPE-BACKEND-NUMBER.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of split, initial weights, order and dropout, in place of the recipe's.",
            show_default=False,
        ),
    ] = None,
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, and nothing else on the output.")
    ] = False,
) -> None:
    """Train from a recipe and keep the run in a folder.

    A recipe is a TOML file with the tables data, model, optimizer, scheduler, regularization and training.

    [bold]Examples[/bold]

        npnet train galaxies
        npnet train mnist --backend torch --seed 1
        npnet train mnist --set optimizer.lr=3e-4 --set training.epochs=6
    """
    from rich.console import Console

    from npnet.training import Interrupted, load_recipe, run_recipe

    overrides = [*(settings or []), *([] if seed is None else [f"seed={seed}"])]
    resolved = load_recipe(recipe, overrides)
    make_engine = _engine(backend)
    errors = Console(stderr=True)
    callbacks: list[Any] = []
    if not as_json:
        from rich.markup import escape

        from npnet.training.progress import ProgressBar

        about = f": {escape(resolved.description)}" if resolved.description else ""
        errors.print(f"[bold]{resolved.name}[/bold]{about}", highlight=False)
        callbacks = [ProgressBar(errors)]
    try:
        summary = run_recipe(
            resolved,
            make_engine=make_engine,
            backend_name=backend.value,
            data=data,
            out=out,
            callbacks=callbacks,
        )
    except KeyboardInterrupt as error:
        _complain(error if isinstance(error, Interrupted) else "interrupted")
        raise typer.Exit(INTERRUPTED) from error
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        Console().print(_closing_table(summary))


plots = typer.Typer(no_args_is_help=True, help="Draw figures that need no run.")
app.add_typer(plots, name="plot")


@plots.command("schedule")
def plot_schedule(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A class of npnet.optim.lr_scheduler.", show_default=False),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Its arguments, such as step_size=10.", show_default=False
        ),
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
    from npnet.training.schedule_figure import named_schedule, schedule_figure, walk_schedule

    schedule = named_schedule(name, settings or (), lr=lr, steps=steps)
    frame = walk_schedule(schedule, steps)
    path = Path(f"schedule-{name}.png") if out is None else out
    schedule_figure(frame, f"{name}({', '.join(settings or ())})").savefig(path, dpi=120)
    typer.echo(str(path))


def _engine(backend: Backend) -> Callable[[Any], Any]:
    """What makes the engine of a backend; refused here if it cannot be had, before any data are read."""
    if backend is Backend.torch:
        try:
            engine: Callable[[Any], Any] = importlib.import_module("torchref").TorchEngine
        except ImportError as error:
            raise DeviceError(
                f"--backend torch needs PyTorch: pip install 'npnet[torch]' ({error})"
            ) from error
        return engine
    from npnet.backend import check_device
    from npnet.training import NumpyEngine

    return functools.partial(NumpyEngine, device=check_device("cuda" if backend is Backend.cupy else "cpu"))


def _closing_table(summary: dict[str, Any]) -> Table:
    """What the run came to."""
    from rich.markup import escape
    from rich.table import Table

    data, test, seconds = summary["data"], summary.get("test"), summary["seconds"]
    table = Table(title=f"{summary['recipe']} on {summary['backend']}", show_header=False, title_style="bold")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    table.add_row("data", escape(data["origin"]))
    if data["simulated"]:
        table.add_row("", "[yellow]simulated galaxies, not observed ones[/yellow]")
    if test is not None:
        spread = (
            f" ± {test['accuracy_std']:.2%} over {len(summary['folds'])} folds" if "folds" in summary else ""
        )
        table.add_row("test accuracy", f"[bold]{test['accuracy']:.2%}[/bold]{spread}")
        if data["ceiling"] is not None:
            table.add_row(
                "ceiling", f"{data['ceiling']:.2%}, expected of the best classifier for this simulator"
            )
        table.add_row("test macro F1", f"{test['macro_f1']:.4f}")
    if "epochs" in summary:
        table.add_row("epoch kept", f"{summary['kept_epoch']} of {summary['epochs']}")
    table.add_row("time", f"{seconds['total']:.1f} s, of which {seconds['training']:.1f} s training")
    table.add_row("run", escape(summary["folder"]))
    return table


def main() -> None:
    """Run the command line; a user's mistake ends with one line and status 1, not with a traceback."""
    try:
        app()
    except (NpnetError, OSError) as error:
        _complain(error)
        sys.exit(1)


def _complain(error: BaseException | str) -> None:
    """Say in one line what was wrong."""
    typer.echo(f"npnet: {' '.join(str(error).split())}", err=True)

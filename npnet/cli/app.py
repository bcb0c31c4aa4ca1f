"""The application itself, what every command shares, and how a user's mistake ends.

What people read goes to the error stream but for the result, a closing table or a JSON object.  What a
command needs is imported when it runs, so that help is there at once.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from npnet._version import __version__
from npnet.errors import ArgumentError, DeviceError, NpnetError

__all__ = ["AsJson", "Backend", "DataPath", "Seed", "app", "choose_engine", "complain", "main", "make_engine"]

app = typer.Typer(
    name="npnet",
    help="Train and regularize neural networks in plain NumPy, held equal to PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing else on the output.")
]
DataPath = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the data files, or the file. Without it: $NPNET_DATA, then data/ of a checkout, "
        "then the user's cache.",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Seed of split, initial weights, order and dropout, in place of the recipe's.",
        show_default=False,
    ),
]


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


def choose_engine(name: str, backend: Backend) -> None:
    """Let an engine of npnet's run the formulas; refused where PyTorch computes."""
    from npnet.backend import set_engine

    if backend is Backend.torch:
        raise ArgumentError(f"--engine {name} is a way of npnet's; leave it out with --backend torch")
    set_engine(name)


def make_engine(backend: Backend) -> Callable[[Any], Any]:
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


def main() -> None:
    """Run the command line; a user's mistake ends with one line and status 1, not with a traceback."""
    try:
        app()
    except (NpnetError, OSError) as error:
        complain(error)
        sys.exit(1)


def complain(error: BaseException | str) -> None:
    """Say in one line what was wrong."""
    typer.echo(f"npnet: {' '.join(str(error).split())}", err=True)

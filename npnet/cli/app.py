"""The application itself, what every command shares, and how a user's mistake ends.

What people read goes to the error stream but for the result, a closing table or a JSON object.  What a
command needs is imported when it runs, so that help is there at once.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from npnet._version import __version__
from npnet.errors import ArgumentError, DeviceError, NpnetError
from npnet.malloc import keep_memory

__all__ = [
    "AsJson",
    "Backend",
    "DataPath",
    "Seed",
    "app",
    "application",
    "choose_engine",
    "complain",
    "main",
    "make_engine",
    "notes",
]


Function = TypeVar("Function", bound=Callable[..., Any])


class _Command(TyperCommand):
    """A command whose help has paragraphs, and which Ctrl-C ends with one line."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.help = self.help and _paragraphs(self.help)

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, ImportError) as error:
            interrupt = _interrupt_in(error)
            if interrupt is None:
                raise
            complain(str(interrupt) or "interrupted")
            raise typer.Exit(128 + getattr(interrupt, "signal", signal.SIGINT)) from error


def _interrupt_in(error: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C that an error comes from: an import that it ends may say that it failed."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _paragraphs(text: str) -> str:
    """A docstring with a line a paragraph, for Typer keeps breaks; examples have a line each."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        inspect.cleandoc(each) if each.startswith(" ") else " ".join(each.split()) for each in paragraphs
    )


class _Application(typer.Typer):
    """An application of such commands."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:
        """As Typer's."""
        return super().command(name, **{"cls": _Command, **settings})


application = functools.partial(_Application, no_args_is_help=True, rich_markup_mode="rich")
"""What makes an application, or a group of commands within it."""

app = application(
    name="npnet",
    help="Train and regularize neural networks in plain NumPy, held equal to PyTorch.",
    add_completion=False,
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
    keep_memory()
    try:
        app()
    except (NpnetError, OSError) as error:
        complain(error)
        sys.exit(1)


@contextlib.contextmanager
def notes() -> Iterator[None]:
    """Within it, warnings are lines for people."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: complain(f"note: {message}")
        yield


def complain(error: BaseException | str) -> None:
    """Say in one line what was wrong."""
    typer.echo(f"npnet: {' '.join(str(error).split())}", err=True)

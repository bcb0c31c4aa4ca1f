"""``npnet data``: which datasets there are, what they are, and how to have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from npnet.cli.app import app, application

if TYPE_CHECKING:
    from npnet.data.registry import Entry

data = application(help="List, describe and fetch datasets.")
app.add_typer(data, name="data")

NAME = Annotated[str, typer.Argument(metavar="NAME", help="A dataset, as `list` names it.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on the output.")]


@data.command("list")
def list_datasets(as_json: JSON = False) -> None:
    """List the datasets, and which of them are on this machine."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from npnet.data.registry import entry, names

    entries = [_facts(entry(name)) for name in names()]
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
        return
    table = Table(title="Datasets", title_style="bold")
    for heading in ("name", "what", "size", "here"):
        table.add_column(heading, overflow="fold", style="cyan" if heading == "name" else None)
    for facts in entries:
        size = _size(facts["bytes"]) if facts["files"] else "built in"
        here = f"[green]{escape(facts['folder'])}[/green]" if facts["folder"] else _absent(facts)
        table.add_row(facts["name"], escape(facts["title"]), size, here)
    Console().print(table)


@data.command()
def info(name: NAME, as_json: JSON = False) -> None:
    """Say what a dataset is: source, licence, citation, files and their checksums."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from npnet.data.registry import entry

    facts = _facts(entry(name))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table(title=facts["title"], show_header=False, title_style="bold")
    table.add_column(style="cyan")
    table.add_column(overflow="fold")
    table.add_row("name", facts["name"])
    table.add_row("licence", escape(facts["licence"]))
    table.add_row("cite", escape(facts["citation"]))
    for file in facts["files"]:
        table.add_row("file", f"{file['name']}, {file['size']:,} bytes\n{file['checksum']}")
    for address in facts["sources"]:
        table.add_row("source", escape(address))
    if facts["obtain"]:
        table.add_row("source", escape(f"no public address is known. {facts['obtain']}"))
    table.add_row("here", escape(facts["folder"]) if facts["folder"] else _absent(facts))
    Console().print(table)


@data.command()
def fetch(
    name: NAME,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Data folder. Without it: $NPNET_DATA, else data/ of a checkout, else the user's cache.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds without a byte after which the next mirror is tried.", min=0.1)
    ] = 30.0,
) -> None:
    """Fetch a dataset's files, checked against their published checksums.

    Mirrors are tried in turn. A file that is there already is checked and kept.

    [bold]Examples[/bold]

        npnet data fetch mnist
        npnet data fetch wine --to ~/datasets
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from npnet.data.fetch import fetch as fetch_files
    from npnet.data.registry import entry

    dataset = entry(name)
    if not dataset.files:
        typer.echo(f"{dataset.name} comes with scikit-learn: there is nothing to fetch")
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def advance(source: Any, done: int) -> None:
            if source.name not in tasks:
                tasks[source.name] = bar.add_task(source.name, total=source.size)
            bar.update(tasks[source.name], completed=done)

        paths = fetch_files(name, to, timeout=timeout, progress=advance)
    fetched = [path for path in paths.values() if path.name in tasks]
    for path in paths.values():
        typer.echo(f"{path}  {'fetched' if path in fetched else 'was there'}, checksum as published")


def _facts(dataset: Entry) -> dict[str, Any]:
    """What the registry says of a dataset, and where its files are on this machine."""
    from npnet.data.registry import where

    paths = where(dataset)
    return {
        "name": dataset.name,
        "title": dataset.title,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "files": [
            {"name": file.name, "size": file.size, "checksum": file.checksum}
            for file in dataset.files.values()
        ],
        "bytes": sum(file.size for file in dataset.files.values()),
        "sources": list(dataset.sources),
        "obtain": dataset.obtain,
        "folder": str(next(iter(paths.values())).parent) if paths else "",
    }


def _absent(facts: dict[str, Any]) -> str:
    if not facts["files"]:
        return "with scikit-learn"
    return f"no: npnet data fetch {facts['name']}" if facts["sources"] else "no, and no public address"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"

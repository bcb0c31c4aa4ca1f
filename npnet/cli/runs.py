"""``npnet runs``: what was run, with which result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from npnet.cli.app import app


@app.command()
def runs(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the runs lie; it is searched all through.")
    ] = Path("runs"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, and nothing else on the output.")
    ] = False,
) -> None:
    """List the runs of a folder, the newest last, with their results.

    [bold]Examples[/bold]

        npnet runs
        npnet runs ~/experiments --json
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from npnet.errors import OutputError

    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder}: name the one that your runs are in")
    found = [_facts(path) for path in _run_folders(folder)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo(f"no runs in {folder}")
        return
    table = Table(title=f"Runs in {escape(str(folder))}", title_style="bold")
    for heading in ("run", "recipe", "backend", "status", "epoch", "result", "time"):
        table.add_column(heading, overflow="fold", style="cyan" if heading == "run" else None)
    for facts in found:
        table.add_row(*(escape(cell) for cell in _cells(facts, folder)))
    Console().print(table)


def _run_folders(folder: Path) -> Iterator[Path]:
    """The folders of runs, by the time that they were begun."""
    from npnet.training.record import RUN

    files = [path for path in (folder / RUN, *folder.rglob(RUN)) if path.is_file()]
    for file in sorted(set(files), key=lambda path: (path.stat().st_mtime, path)):
        yield file.parent


def _facts(path: Path) -> dict[str, Any]:
    """What is known of one run; a folder that cannot be read says why."""
    from npnet.errors import NpnetError
    from npnet.training.record import read_run

    try:
        run = read_run(path)
        summary = run.summary or {}
        return {
            "run": str(path),
            "recipe": run.recipe.name,
            "seed": run.recipe.seed,
            "backend": run.backend,
            "task": run.recipe.training.objective.kind,
            "status": summary.get("status", "not finished"),
            "epochs": summary.get("epochs"),
            "kept_epoch": summary.get("kept_epoch"),
            "unit": summary.get("data", {}).get("unit", ""),
            "test": {key: value for key, value in summary.get("test", {}).items() if key != "confusion"},
            "seconds": summary.get("seconds", {}).get("total"),
        }
    except (NpnetError, AttributeError) as error:
        return {"run": str(path), "status": "unreadable", "reason": " ".join(str(error).split())}


def _cells(facts: dict[str, Any], folder: Path) -> list[str]:
    """A line of the table."""
    from npnet.training.objective import objective_of_kind

    name = str(Path(facts["run"]).relative_to(folder)) if Path(facts["run"]) != folder else "."
    if facts["status"] == "unreadable":
        return [name, "", "", "unreadable", "", facts["reason"], ""]
    first = objective_of_kind(facts["task"]).measures[0]
    test, result = facts["test"], ""
    if first.name in test:
        result = f"{first.title} {first.written(test[first.name], facts['unit'])}"
        if test.get(f"{first.name}_std") is not None:
            result += f" ± {first.written(test[f'{first.name}_std'], facts['unit'])}"
    epoch = f"{facts['kept_epoch']} of {facts['epochs']}" if facts["epochs"] is not None else ""
    seconds = f"{facts['seconds']:.1f} s" if facts["seconds"] is not None else ""
    return [name, facts["recipe"], facts["backend"], facts["status"], epoch, result, seconds]

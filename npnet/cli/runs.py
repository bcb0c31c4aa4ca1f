"""``npnet runs``: what was run, with which result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
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
        raise OutputError(
            f"there is no folder {folder}: nothing was run here; name the one that your runs are in"
        )
    found = sorted(map(_facts, _run_folders(folder)), key=lambda facts: (facts["begun"], facts["run"]))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo(f"no runs in {folder}")
        return
    table = Table(title=f"Runs in {escape(str(folder))}", title_style="bold")
    for heading in ("run", "recipe", "backend", "begun", "state", "result", "time"):
        is_run = heading == "run"  # which is to be copied
        table.add_column(heading, overflow="fold", no_wrap=is_run, style="cyan" if is_run else None)
    for facts in found:
        table.add_row(*(escape(cell) for cell in _cells(facts, folder)))
    Console().print(table)


def _run_folders(folder: Path) -> Iterator[Path]:
    """The folders of runs."""
    from npnet.training.record import RUN

    files = [path for path in (folder / RUN, *folder.rglob(RUN)) if path.is_file()]
    yield from sorted({file.parent for file in files})


def _facts(path: Path) -> dict[str, Any]:
    """What is known of one run; a folder that cannot be read says why."""
    from npnet.errors import NpnetError
    from npnet.training.record import RUN, read_run
    from npnet.training.stage import stage_of

    try:
        run = read_run(path)
        stage, summary = stage_of(run), run.summary or {}
    except (NpnetError, OSError) as error:
        written = datetime.fromtimestamp((path / RUN).stat().st_mtime, UTC)
        return {
            "run": str(path),
            "begun": written.isoformat(),
            "status": "unreadable",
            "reason": " ".join(str(error).split()),
        }
    return {
        "run": str(path),
        "recipe": run.recipe.name,
        "seed": run.recipe.seed,
        "backend": run.backend,
        "task": run.recipe.training.objective.kind,
        "begun": run.begun.isoformat(),
        "status": stage.status,
        "state": str(stage),
        "epochs": summary.get("epochs", stage.epoch),
        "kept_epoch": summary.get("kept_epoch"),
        "unit": summary.get("data", {}).get("unit", ""),
        "test": {key: value for key, value in summary.get("test", {}).items() if key != "confusion"},
        "last_epoch": stage.measured,
        "seconds": summary["seconds"]["total"] if stage.status == "finished" else stage.seconds,
    }


def _cells(facts: dict[str, Any], folder: Path) -> list[str]:
    """A line of the table."""
    path = Path(facts["run"])
    name = str(path.relative_to(folder)) if path != folder else "."
    begun = f"{datetime.fromisoformat(facts['begun']).astimezone():%Y-%m-%d %H:%M}"
    if facts["status"] == "unreadable":
        return [name, "?", "?", begun, "unreadable", facts["reason"], "?"]
    state = facts["state"]
    if facts["status"] == "finished" and facts["kept_epoch"] is not None:
        state += f", epoch {facts['kept_epoch']} of {facts['epochs']} kept"
    return [
        name,
        facts["recipe"],
        facts["backend"],
        begun,
        state,
        _result(facts),
        f"{facts['seconds']:.1f} s",
    ]


def _result(facts: dict[str, Any]) -> str:
    """The first measure of the test; of a run without one, what its last complete epoch came to."""
    from npnet.training.objective import objective_of_kind

    first = objective_of_kind(facts["task"]).measures[0]
    test, last = facts["test"], facts["last_epoch"]
    if first.name in test:
        result = f"{first.title} {first.written(test[first.name], facts['unit'])}"
        if test.get(f"{first.name}_std") is not None:
            result += f" ± {first.written(test[f'{first.name}_std'], facts['unit'])}"
        return result
    for part in ("validation", "train"):
        if (column := f"{part}_{first.name}") in last:
            return f"{part} {first.title} {first.written(last[column], facts['unit'])}"
    return "none yet"

"""``npnet replay``: a PyTorch script and its npnet twin, run and held together."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from npnet.cli.app import AsJson, app
from npnet.errors import DeviceError

if TYPE_CHECKING:
    from rich.table import Table


@app.command()
def replay(
    torch_script: Annotated[
        Path, typer.Argument(metavar="TORCH.py", help="A training script in PyTorch.", show_default=False)
    ],
    npnet_script: Annotated[
        Path, typer.Argument(metavar="NPNET.py", help="The same one in npnet.", show_default=False)
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENTS", help="What both scripts are given; after --.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what is found, empty or new. Without it: runs/NPNET-replay-NUMBER.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="How far a quantity may differ, relative to the larger of 1 and its largest element. "
            "Without it: 1e-9, for losses 1e-10; in float32 1e-3 and 1e-4.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a PyTorch script and its npnet twin, and name the first step where they part.

    Neither script needs to know of this: initial weights, draws, losses, gradients and weights are taken down
    from outside, at every step of the optimizer. The npnet script calls npnet.manual_seed(seed, like="torch")
    where the other calls torch.manual_seed(seed). The exit status is 1 when they part. What the scripts
    print goes to the error stream.

    [bold]Examples[/bold]

        npnet replay train_torch.py train_npnet.py
        npnet replay train_torch.py train_npnet.py -- --seed 3 --epochs 2
    """
    from rich.console import Console

    from npnet.training.replay import replay_scripts

    if importlib.util.find_spec("torch") is None:
        raise DeviceError("npnet replay runs a PyTorch script and needs PyTorch: pip install 'npnet[torch]'")
    found = replay_scripts(torch_script, npnet_script, arguments or (), out=out, tolerance=tolerance)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console = Console()
        console.print(_table(found))
        console.print(_verdict(found), highlight=False)
    if not found["agree"]:
        raise typer.Exit(1)


def _table(found: dict[str, Any]) -> Table:
    """What was compared, a kind a line."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"{escape(Path(found['scripts']['torch']).name)} and "
        f"{escape(Path(found['scripts']['npnet']).name)}, {found['steps']:,} steps",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        caption=escape(found["folder"]),
    )
    for column in ("", "difference", "step", "of tolerance"):
        table.add_column(column, justify="right" if column else "left")
    parted = [tensor["tensor"] for tensor in found["tensors"] if tensor["kind"] == "run"]
    for what in ("initial values", "the generator's state"):
        equal = not any(name.startswith(what) for name in parted)
        table.add_row(f"{what}, to the bit", "none" if equal else "[red]yes[/red]", "", "")
    for kind, name in (("loss", "losses"), ("gradient", "gradients"), ("value", "weights")):
        tensors = [tensor for tensor in found["tensors"] if tensor["kind"] == kind]
        worst = max(tensors, key=lambda tensor: float("inf") if tensor["share"] is None else tensor["share"])
        if worst["share"] is None:
            table.add_row(name, "[red]inf[/red]", str(worst["step"]), "[red]inf[/red]")
        else:
            colour = "red" if worst["share"] > 1.0 else "default"
            table.add_row(
                name,
                f"{worst['largest_difference']:.1e}",
                str(worst["step"]),
                f"[{colour}]{worst['share']:.1e}[/]",
            )
    return table


def _verdict(found: dict[str, Any]) -> str:
    """The answer in a line."""
    from rich.markup import escape

    first = found["first"]
    if first is None:
        return "[green]within tolerance at every step[/green]"
    return f"[red]first to part[/red]: {escape(first['what'])}, {first['when']}"

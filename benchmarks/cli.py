"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import machine
from benchmarks.peers import CPU_PEERS, GPU_PEERS, PEERS
from benchmarks.report import markdown, write
from benchmarks.rounds import Result, measure
from benchmarks.worker import Worker
from benchmarks.workloads import GPU_WORKLOADS, WORKLOADS, find

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Time npnet and its peers on the same work, interleaved.",
    invoke_without_command=True,
)

BEGINNINGS = tuple(dict.fromkeys(workload.name.split("-")[0] for workload in WORKLOADS))
QUICK = ("galaxies-128", "mnist-128", "adam-1e6")


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _refuse(line: str) -> typer.Exit:
    _say(f"benchmarks: {line}")
    return typer.Exit(1)


def _must_be_quiet(allow_busy: bool) -> str:
    """Why the machine is not quiet, if it is not and that is allowed."""
    reason = machine.busy()
    if reason and not allow_busy:
        raise _refuse(f"{reason}: wait for a quiet machine, or pass --busy (and --threads 1)")
    if reason:
        _say(f"busy machine: {reason}")
        _say("threads that wait for each other take far longer then: --threads 1 gives each peer one core")
    return reason


Busy = Annotated[bool, typer.Option("--busy", help="Measure although others are at work.")]


@app.callback()
def steps(
    context: typer.Context,
    workloads: Annotated[
        str, typer.Option(help=f"Only these, by commas, or all that begin so: {', '.join(BEGINNINGS)}.")
    ] = "",
    peers: Annotated[str, typer.Option(help=f"Only these peers, by commas: {', '.join(PEERS)}.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="How often each peer has its turn.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.0, help="About how long a turn takes.")] = 0.4,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Cores of each peer; without it, what each takes by itself.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    clock: Annotated[
        str, typer.Option(help="wall, or cpu: the processor time of all threads together.")
    ] = "wall",
    quick: Annotated[bool, typer.Option("--quick", help="Three workloads, three short rounds.")] = False,
    busy: Busy = False,
    out: Annotated[Path, typer.Option(help="Folder of the table and the chart.")] = Path("runs/benchmarks"),
) -> None:
    """Time a step of every workload in every peer; without a command.

    [bold]Examples[/bold]

        python -m benchmarks --quick
        python -m benchmarks --workloads galaxies,mnist --peers npnet,torch,torch-fused --rounds 9
        python -m benchmarks --device cuda
    """
    if context.invoked_subcommand is not None:
        return
    if device not in ("cpu", "cuda"):
        raise _refuse(f"--device is cpu or cuda, not {device!r}")
    if clock not in ("wall", "cpu"):
        raise _refuse(f"--clock is wall or cpu, not {clock!r}")
    known = CPU_PEERS if device == "cpu" else GPU_PEERS
    names = [name for name in peers.split(",") if name] or list(known)
    for name in names:
        if name not in known:
            raise _refuse(f"no peer is called {name!r} on {device}; there are {', '.join(known)}")
    wanted = [name for name in workloads.split(",") if name] or (list(QUICK) if quick else [])
    try:
        chosen = find(wanted, WORKLOADS if device == "cpu" else GPU_WORKLOADS)
    except ValueError as error:
        raise _refuse(str(error)) from error
    if quick:
        rounds, seconds = min(rounds, 3), min(seconds, 0.2)
    reason = _must_be_quiet(busy)
    workers = {name: Worker(name, device, threads) for name in names}
    results: list[Result] = []
    try:
        for result in measure(chosen, workers, rounds, seconds, _say):
            results.append(result)
    except KeyboardInterrupt:
        _say(f"interrupted: {len(results)} of {len(chosen)} workloads were measured")
        if not results:
            raise typer.Exit(130) from None
    finally:
        for worker in workers.values():
            worker.close()
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    about = machine.describe(device) | ({"busy": reason} if reason else {})
    typer.echo(markdown(results, about, command, clock))
    for result in results:
        for name, reason in result.missing.items():
            _say(f"{result.workload.name}: no {name}: {reason}")
    for path in write(out, results, about, command, clock):
        _say(f"wrote {path}")


@app.command()
def memory() -> None:
    """Peak resident memory of a script that trains, against its PyTorch twin's."""
    from benchmarks.memory import report

    typer.echo(report())


@app.command()
def imports(
    rounds: Annotated[int, typer.Option(min=1, help="How many fresh interpreters each.")] = 7,
    busy: Busy = False,
) -> None:
    """Time ``import npnet``, and its peers', once NumPy is there."""
    from benchmarks.imports import report

    _must_be_quiet(busy)
    typer.echo(report(rounds))


@app.command()
def generator(
    rounds: Annotated[int, typer.Option(min=1, help="How often each has its turn.")] = 40,
) -> None:
    """Time the draws of PyTorch's generator, in processor time, against NumPy's own and PyTorch's."""
    from benchmarks.generator import report

    typer.echo(report(rounds))


@app.command()
def growth(
    peer: Annotated[str, typer.Option(help="npnet or npnet-numba.")] = "npnet",
    rows: Annotated[float, typer.Option(min=1e4, help="The most rows.")] = 1e7,
    parameters: Annotated[float, typer.Option(min=1e3, help="The most parameters.")] = 1e8,
    busy: Busy = False,
) -> None:
    """Time against size, from 10^4 rows and 10^3 parameters up."""
    from benchmarks.growth import report

    if peer not in ("npnet", "npnet-numba"):
        raise _refuse(f"--peer is npnet or npnet-numba, not {peer!r}")
    _must_be_quiet(busy)
    typer.echo(report(peer, int(rows), int(parameters), _say))


@app.command()
def checkpoint(
    folder: Annotated[
        str | None, typer.Argument(help="On the disk in question; else the system's for temporary files.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often both have their turn.")] = 9,
    busy: Busy = False,
) -> None:
    """Time saving ten million parameters, against a plain write and sync of as many bytes."""
    from benchmarks.checkpoint import report

    _must_be_quiet(busy)
    typer.echo(report(folder, rounds))


def main() -> None:
    """Run the command line; what can be said in a line is."""
    multiprocessing.freeze_support()
    try:
        app()
    except (ImportError, RuntimeError, OSError) as error:
        _say(f"benchmarks: {' '.join(str(error).split())}")
        sys.exit(1)

"""What was measured, as CSV, Markdown and a chart."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS
from benchmarks.rounds import Result

__all__ = ["markdown", "ratios", "rows", "write"]


RATIOS = {
    "numpy": "npnet / eager",
    "engine": "npnet-numba / eager",
    "all_peers": "npnet-numba / all",
    "compile": "npnet / torch-compile",
    "reduce_overhead": "npnet / torch-reduce-overhead",
}
"""Ratios that are printed where they were measured, and their headings."""


def ratios(result: Result, clock: str = "wall") -> dict[str, float | None]:
    """NumPy and the engine to eager PyTorch, the engine to all, and NumPy (CuPy) to compiled PyTorch."""
    eager = result.reference(clock)
    best = result.best(result.same_work(), clock)

    def to(name: str) -> str | None:
        return name if name in result.rounds else None

    return {
        "numpy": result.ratio("npnet", eager, clock),
        "engine": result.ratio("npnet-numba", eager, clock),
        "all_peers": result.ratio("npnet-numba", best, clock),
        "compile": result.ratio("npnet", to("torch-compile"), clock),
        "reduce_overhead": result.ratio("npnet", to("torch-reduce-overhead"), clock),
    }


def rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One row a workload and peer."""
    found = []
    for result in results:
        eager = result.reference()
        for name, timings in result.rounds.items():
            found.append(
                {
                    "workload": result.workload.name,
                    "peer": name,
                    "rounds": len(timings),
                    "seconds_per_step": result.median(name),
                    "fastest_round": min(timing.wall for timing in timings),
                    "slowest_round": max(timing.wall for timing in timings),
                    "cpu_seconds_per_step": result.median(name, "cpu"),
                    "ratio_to_eager": result.ratio(name, eager),
                    "missing": "",
                }
            )
        for name, reason in result.missing.items():
            found.append({"workload": result.workload.name, "peer": name, "missing": reason})
    return found


def markdown(results: Sequence[Result], machine: Mapping[str, str], command: str, clock: str = "wall") -> str:
    """Two tables: microseconds a step of every peer, and ratios with what is to be reached."""
    names = [name for name in PEERS if any(name in result.rounds for result in results)]
    unit = "on the clock" if clock == "wall" else "of processor time, all threads together"
    lines = [f"`{command}`", "", ", ".join(f"{key} {value}" for key, value in machine.items()), ""]
    lines += [f"Microseconds a step {unit}, median of the rounds:", ""]
    lines += _table(
        ["workload", *names],
        [
            [result.workload.name]
            + [f"{result.median(name, clock) * 1e6:.0f}" if name in result.rounds else "" for name in names]
            for result in results
        ],
    )
    lines += ["", "Ratios, median over rounds (in brackets what is to be reached):", ""]
    measured = [ratios(result, clock) for result in results]
    shown = [key for key in RATIOS if any(found[key] is not None for found in measured)]
    lines += _table(
        ["workload", *(RATIOS[key] for key in shown), "best eager", "best other"],
        [
            [
                result.workload.name,
                *(_ratio(found[key], getattr(result.workload.reach, key, None)) for key in shown),
                result.reference(clock) or "",
                result.best(result.same_work(), clock) or "",
            ]
            for result, found in zip(results, measured, strict=True)
        ],
    )
    lines += ["", *(f"- `{name}`: {PEERS[name].about}" for name in names)]
    if "sklearn" in names:
        lines += ["", "scikit-learn has neither batch normalisation nor dropout; it does less there."]
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, rule, *body)]


def _ratio(value: float | None, goal: float | None) -> str:
    if value is None:
        return ""
    shown = f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"
    return shown if goal is None else f"{shown} ({goal:.2f})"


def write(
    folder: Path, results: Sequence[Result], machine: Mapping[str, str], command: str, clock: str
) -> list[Path]:
    """Write ``benchmark.csv``, ``benchmark.md`` and ``benchmark.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    table = rows(results)
    with (folder / "benchmark.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(table[0]) if table else ["workload"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    text = markdown(results, machine, command, clock)
    (folder / "benchmark.md").write_text(text, encoding="utf-8")
    _chart(results, clock).savefig(folder / "benchmark.png", dpi=120)
    return [folder / f"benchmark.{kind}" for kind in ("csv", "md", "png")]


def _chart(results: Sequence[Result], clock: str) -> Any:
    """Bars: the time of every peer by that of eager PyTorch, a row a workload."""
    from matplotlib.figure import Figure

    shown = [result for result in results if result.reference()]
    names = [name for name in PEERS if any(name in result.rounds for result in shown)]
    figure = Figure(figsize=(9, 1.2 + 0.16 * max(1, len(shown) * (len(names) + 1))), layout="constrained")
    axes = figure.subplots()
    height = 1 / (len(names) + 1)
    for position, name in enumerate(names):
        there = [(i, result) for i, result in enumerate(shown) if name in result.rounds]
        lengths = [result.ratio(name, result.reference(clock), clock) for _, result in there]
        axes.barh([i + position * height for i, _ in there], lengths, height, label=name)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks([i + 0.4 for i in range(len(shown))], [result.workload.name for result in shown])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("time of a step / eager PyTorch (left is faster)")
    if names:
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure

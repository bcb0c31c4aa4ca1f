"""A PyTorch script beside its npnet twin: both run, and where they part is named."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npnet.errors import ScriptError
from npnet.training import figures
from npnet.training.agreement import Agreement, Moment
from npnet.training.run import RunFolder

__all__ = ["RECORDERS", "replay_scripts"]

RECORDERS = {"npnet": "npnet.training.recording", "torch": "torchref.recording"}
"""The module that runs a script of either library and takes down what it does."""

ERROR_STREAM = 2
"""Where what the scripts print goes."""


def replay_scripts(
    torch_script: str | Path,
    npnet_script: str | Path,
    arguments: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    tolerance: float | None = None,
) -> dict[str, Any]:
    """Run both scripts, each in a process of its own, and hold what they did together.

    Compared are the initial weights and the state of the generator after every step, to the bit; the loss of
    every step, and gradients and weights by their norms and by their products with a fixed direction.
    A step is a call of an optimizer's ``step``; its loss is the sum of those that were gone back from since
    the step before.  What the scripts print goes to the error stream.

    ================= ===================================================================================
    file              content
    ================= ===================================================================================
    ``replay.csv``    a row a quantity: its largest difference, when, and its share of the tolerance
    ``steps.csv``     a row a step: both losses, and what used most of its tolerance
    ``losses.png``    both losses, and that share, against steps
    ``replay.json``   all of it
    ================= ===================================================================================

    Parameters
    ----------
    torch_script, npnet_script : str or Path
        Training scripts that need not know of this.
    arguments : sequence of str
        What both are given on their command lines.
    out : str or Path, optional
        The folder; by default the first free ``runs/<name of the npnet script>-replay-<number>``.
    tolerance : float, optional
        In place of those of :data:`~npnet.training.agreement.TOLERANCES`, of which the dtype of the first
        parameter chooses.

    Returns
    -------
    dict
        ``agree``, ``first`` (what parted first, and when), ``tensors`` (the largest differences), ``steps``.

    Raises
    ------
    ScriptError
        If a script fails, or takes no step of an optimizer of its library.
    OutputError
        If the folder cannot be used.
    """
    scripts = {"npnet": Path(npnet_script), "torch": Path(torch_script)}
    for script in scripts.values():
        if not script.is_file():
            raise ScriptError(f"there is no script {script}")
    stem = scripts["npnet"].stem
    with RunFolder.numbered(f"{stem}-replay") if out is None else RunFolder(out) as folder:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                seen = {
                    name: _recorded(name, script, arguments, Path(scratch) / name)
                    for name, script in scripts.items()
                }
            agreement, steps = _compare(seen["npnet"], seen["torch"], tolerance)
            return _write(folder, scripts, agreement, steps)
        finally:
            folder.discard_if_unused()


def _recorded(library: str, script: Path, arguments: Sequence[str], target: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", RECORDERS[library], str(target), str(script), *arguments]
    status = subprocess.run(command, stdout=ERROR_STREAM, check=False)
    if status.returncode != 0:
        raise ScriptError(f"{script} ended with status {status.returncode}; its own message stands above")
    if not target.is_file():  # os._exit, or another program in its place
        raise ScriptError(f"{script} ended before what it did could be written: let it end as a script does")
    recording: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    if not recording["steps"]:
        raise ScriptError(f"{script} took no step of an optimizer of {library}'s: nothing was compared")
    if not any(sketch for step in recording["steps"] for sketch in step["gradients"]):
        raise ScriptError(
            f"{script} took {len(recording['steps'])} steps of an optimizer without a backward pass, so "
            "there are no losses and no gradients: nothing was compared"
        )
    return recording


def _compare(
    ours: dict[str, Any], theirs: dict[str, Any], tolerance: float | None
) -> tuple[Agreement, list[dict[str, Any]]]:
    agreement = Agreement(theirs["parameters"][0]["dtype"], tolerance)
    names = _compare_start(agreement, ours["parameters"], theirs["parameters"])
    pairs = list(zip(ours["steps"], theirs["steps"], strict=False))
    rows = []
    for step, (one, other) in enumerate(pairs, start=1):
        moment = Moment(0, 0, step)
        furthest = agreement.compare_step(
            (_float(one["loss"]), _float(other["loss"])),
            (_named(names, one["gradients"]), _named(names, other["gradients"])),
            (_named(names, one["weights"]), _named(names, other["weights"])),
            moment,
        )
        what = (
            "the generator's state: npnet.manual_seed(seed, like='torch') was not called"
            if one["draws"] is None
            else "the generator's state: not the same draws were made"
        )
        agreement.demand(one["draws"] == other["draws"], what, moment)
        rows.append(
            {
                **moment._asdict(),
                "npnet_loss": one["loss"],
                "torch_loss": other["loss"],
                "share": furthest.share,
                "furthest": furthest.title,
            }
        )
    counts = [len(recording["steps"]) for recording in (ours, theirs)]
    agreement.demand(
        counts[0] == counts[1],
        f"steps: {counts[0]} in npnet, {counts[1]} in PyTorch",
        Moment(0, 0, min(counts)),
    )
    return agreement, rows


def _compare_start(
    agreement: Agreement, ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]
) -> list[str]:
    """Compare the parameters as they start; returns their names."""
    start = Moment(0, 0, 0)
    names = [
        f"parameter {number} of shape {tuple(parameter['shape'])}" for number, parameter in enumerate(theirs)
    ]
    agreement.demand(
        len(ours) == len(theirs), f"parameters: {len(ours)} in npnet, {len(theirs)} in PyTorch", start
    )
    for name, one, other in zip(names, ours, theirs, strict=False):
        for what in ("shape", "dtype"):
            agreement.demand(
                one[what] == other[what], f"{name}: its {what} is {one[what]} in npnet, {other[what]}", start
            )
        agreement.demand(one["digest"] == other["digest"], f"initial values of {name}", start)
    return names


def _named(names: Sequence[str], sketches: Sequence[list[float] | None]) -> dict[str, Any]:
    pairs = itertools.zip_longest(names, sketches, fillvalue=None)
    return {
        name or f"parameter {number}": None if sketch is None else np.array(sketch)
        for number, (name, sketch) in enumerate(pairs)
    }


def _float(loss: float | None) -> float:
    return float("nan") if loss is None else loss


def _write(
    folder: RunFolder, scripts: dict[str, Path], agreement: Agreement, steps: list[dict[str, Any]]
) -> dict[str, Any]:
    import pandas as pd

    frame = pd.DataFrame(steps)
    summary = {
        "scripts": {name: str(script) for name, script in scripts.items()},
        "folder": str(folder.path),
        "steps": len(frame),
        **agreement.to_dict(),
    }
    folder.write_table("replay.csv", agreement.frame)
    folder.write_table("steps.csv", frame)
    first = summary["first"]
    verdict = (
        "Within tolerance at every step."
        if first is None
        else f"First to part: {first['what']}, {first['when']}."
    )
    title = " and ".join(script.name for script in reversed(scripts.values()))
    folder.write_figure("losses.png", figures.comparison_figure(frame, ("npnet", "torch"), title, verdict))
    folder.write_json("replay.json", summary)
    return summary

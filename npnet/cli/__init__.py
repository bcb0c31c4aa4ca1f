"""The command line, one file a command; importing a file adds its command to the application."""

from __future__ import annotations

from npnet.cli import compare, data, evaluate, export, plot, predict, replay, runs, train
from npnet.cli.app import app, main

__all__ = [
    "app",
    "compare",
    "data",
    "evaluate",
    "export",
    "main",
    "plot",
    "predict",
    "replay",
    "runs",
    "train",
]

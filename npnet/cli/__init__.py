"""The command line, one file a command; importing a file adds its command to the application."""

from __future__ import annotations

from npnet.cli import compare, data, plot, replay, train
from npnet.cli.app import app, main

__all__ = ["app", "compare", "data", "main", "plot", "replay", "train"]

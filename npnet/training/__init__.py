"""Train from a recipe."""

from __future__ import annotations

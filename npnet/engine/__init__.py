"""What executes the formulas: NumPy as they stand, or an engine that compiles the very same text."""

from __future__ import annotations

from npnet.engine.choice import ENGINES, engine, set_engine
from npnet.engine.formula import elementwise, recorded, whole

__all__ = ["ENGINES", "elementwise", "engine", "recorded", "set_engine", "whole"]

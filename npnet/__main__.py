"""``python -m npnet`` is ``npnet``."""

from __future__ import annotations

from npnet.cli import main

main()

"""What a run leaves behind that must not depend on breaks."""

from __future__ import annotations

import json


def left_behind(folder):
    """The weights, the metrics, and the summary but for times and places, by their paths in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in ("metrics.csv", "weights.safetensors"):
            found[name] = path.read_bytes()
        elif path.name == "summary.json":
            summary = json.loads(path.read_text())
            summary.pop("seconds")
            for part in (summary, *summary.get("folds", ())):
                part.pop("folder")
            found[name] = summary
    assert {"weights.safetensors", "summary.json"} <= {name.split("/")[-1] for name in found}
    return found

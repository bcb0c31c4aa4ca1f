"""Layers, penalties and optimizers use only what runs on every device; and the lint that says so can see."""

from __future__ import annotations

from pathlib import Path

import pytest

import npnet
from parity_tests.layer_text import HOST_ONLY, HostOnly, Violation, violations

PACKAGE = Path(npnet.__file__).parent
PARTS = ("nn", "optim", "regularization")


def found() -> list[Violation]:
    modules = [path for part in PARTS for path in sorted((PACKAGE / part).rglob("*.py"))]
    paths = [path for path in modules if "tests" not in path.relative_to(PACKAGE).parts]
    assert paths, f"no layers found under {PACKAGE}"
    return [
        violation
        for path in paths
        for violation in violations(path.read_text("utf-8"), path.relative_to(PACKAGE.parent).as_posix())
    ]


def test_layers_keep_to_what_runs_on_every_device() -> None:
    bad = [str(violation) for violation in found() if not any(place.covers(violation) for place in HOST_ONLY)]
    assert not bad, "\n" + "\n".join(bad)


@pytest.mark.parametrize("place", HOST_ONLY, ids=lambda place: f"{place.path}:{place.scope}")
def test_every_host_only_place_is_still_needed(place: HostOnly) -> None:
    assert place.reason
    assert any(place.covers(violation) for violation in found()), f"{place} excuses nothing: remove it"


PLANTED = {
    "np.median(x)": "np.median is not on the list",
    "np.add.reduce(x)": "no method of a ufunc",
    "np.add.at(x, i, 1.0)": "no method of a ufunc",
    "np.spacing(x)": "np.spacing is not on the list",
    "np.take(x, i, mode='clip')": "'mode'",
    "np.sum(x, where=m)": "'where'",
    "np.max(x, initial=0.0)": "'initial'",
    "np.var(x, mean=m)": "'mean'",
    "np.var(x, correction=1)": "'correction'",
    "np.argmax(x, 0, out)": "too many positional arguments",
    "np.einsum('ij->i', x, out=y)": "'out'",
    "np.lib.stride_tricks.as_strided(x, (2,), (4,))": "as_strided is not on the list of",
    "np.add(x, y, order='F')": "'order'",
    "np.zeros(3)": "without like=",
    "np.asarray(x)": "without like=",
    "np.ones(3, like=x)": "use np.ones_like(x, shape=...)",
    "np.random.default_rng(0)": "not on the list",
    "np.no_such_function(x)": "does not exist in NumPy",
    "parameter.accumulate(np.nansum, x)": "np.nansum is not on the list",
    "x.sum(axis=0, where=m)": "'where'",
    "x.item()": "waits for the device",
    "from numpy import zeros": "hide from this lint",
    "from numpy.linalg import norm": "hide from this lint",
    "import numpy": "import numpy as np",
    "import numpy as xp": "import numpy as np",
}


@pytest.mark.parametrize("line", PLANTED)
def test_a_planted_violation_is_found_where_it_stands(line: str) -> None:
    text = f"import numpy as np\n\n\nclass Layer:\n    def forward(self, x):\n        {line}\n"
    (violation,) = violations(text, "npnet/nn/planted.py")
    assert PLANTED[line] in violation.message
    assert str(violation).startswith("npnet/nn/planted.py:6: in Layer.forward: ")


@pytest.mark.parametrize(
    "line",
    [
        "np.zeros(3, x.dtype, like=x)",
        "np.sum(x, axis=0, out=y)",
        "np.sum(*operands)",
        "np.maximum(x, 0, out=y)",
        "x[:, np.newaxis]",
        "np.finfo(x.dtype).eps",
        "np.float32(1)",
        "parameter.accumulate(np.matmul, x, y)",
        "x.reshape(2, -1).sum(axis=0)",
        "frame.mean(numeric_only=True)",
        "import numpy.typing as npt",
    ],
)
def test_what_is_allowed_passes(line: str) -> None:
    assert violations(f"import numpy as np\n{line}\n", "npnet/nn/planted.py") == []


def test_a_host_only_place_excuses_its_own_function_alone() -> None:
    text = "class A:\n    def __init__(self): np.zeros(3)\n    def forward(self, x): np.zeros(3)\n"
    first, second = violations(text, "npnet/nn/planted.py")
    place = HostOnly("npnet/nn/*.py", "*.__init__", "made on the host")
    assert place.covers(first)
    assert not place.covers(second)

"""The Numba engine computes what NumPy does from the same text, loops to the last bit; or leaves it alone."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend, nn, optim
from npnet.engine import choice
from npnet.engine.formula import elementwise, formulas
from npnet.engine.scalar import NotScalar, scalar_text
from npnet.errors import ArgumentError, EngineError
from npnet.nn import normalization
from npnet.nn.activation import rectifiers

pytest.importorskip("numba", reason="the engine needs Numba: pip install 'npnet[fast]'")
numba_engine: Any = importlib.import_module("npnet.engine.numba_engine")

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", {"weight_decay": 0.1}),
    "SGD, momentum": ("SGD", {"momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "SGD, Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "Adam": ("Adam", {"weight_decay": 0.1}),
    "Adam, AMSGrad": ("Adam", {"amsgrad": True, "maximize": True}),
    "AdamW": ("AdamW", {}),
    "RMSprop": ("RMSprop", {}),
    "RMSprop, centered": ("RMSprop", {"centered": True}),
    "RMSprop, momentum": ("RMSprop", {"momentum": 0.9}),
    "RMSprop, both": ("RMSprop", {"centered": True, "momentum": 0.9}),
    "Adagrad": ("Adagrad", {"lr_decay": 0.1}),
    "Adadelta": ("Adadelta", {}),
    "Adamax": ("Adamax", {}),
    "NAdam": ("NAdam", {}),
    "RAdam": ("RAdam", {}),
    "ASGD": ("ASGD", {"t0": 1}),
    "Rprop": ("Rprop", {"step_sizes": (5e-3, 2e-2)}),  # both limits are met
}
STEPS = 7  # RAdam's rule changes at the sixth


pytestmark = pytest.mark.usefixtures("engine_restored", "nothing_refused_yet")


@pytest.fixture
def nothing_refused_yet() -> None:
    """Forget which operands other tests gave that no loop takes."""
    for kinds in numba_engine.refusals.values():
        kinds.clear()


def trajectory(engine: str, name: str, dtype: str) -> list[Any]:
    backend.set_engine(engine)
    rng = np.random.default_rng(0)
    cls, options = RULES[name]
    parameter = nn.Parameter(rng.standard_normal(20_000).astype(dtype))  # more than a block of NumPy's
    optimizer = getattr(optim, cls)([parameter], **options)
    for _ in range(STEPS):
        parameter.grad = rng.standard_normal(parameter.size).astype(dtype)
        optimizer.step()
    return [parameter.data, *optimizer.state_dict()["state"].get(0, {}).values()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULES)
def test_rules_are_those_of_numpy_to_the_last_bit(name: str, dtype: str) -> None:
    for ours, expected in zip(
        trajectory("numba", name, dtype), trajectory("numpy", name, dtype), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((5, 7), "float32"),
        ((5, 7), "float64"),
        ((7,), "float32"),
        ((3, 5, 7), "float32"),
        ((0, 7), "float32"),
    ],
    ids=str,
)
def test_formulas_are_those_of_numpy_to_the_last_bit(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(1)
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    x.flat[:1] = np.nan
    row = rng.standard_normal(7).astype(dtype)
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (rectifiers.relu, (x,)),
        (rectifiers.relu_backward, (g, x)),
        (nn.activation.sigmoids.sigmoid_backward, (g, x)),
        (nn.activation.sigmoids.tanh_backward, (g, x)),
        (nn.linear.shifted, (x, row)),
        (normalization.deviations, (x, row)),
        (normalization.inverse_deviation, (row * row, 1e-5)),
        (normalization.scaled_and_shifted, (x, row, row)),
        (normalization.three_terms, (g, x, row, row, row)),
        (normalization.moved, (row, row, 0.9, 0.1)),
    ]
    for call, args in calls:
        backend.set_engine("numpy")
        expected = call(*args)
        backend.set_engine("numba")
        for ours, theirs in zip(np.atleast_2d(call(*args)), np.atleast_2d(expected), strict=True):
            assert ours.dtype == theirs.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(ours, theirs, err_msg=call.__name__)
        assert not numba_engine.refusals[call.__name__], f"{call.__name__} was left to NumPy"


@pytest.mark.parametrize("rows", [2, 64, 65, 300])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_norm_as_a_whole_is_as_near_to_the_truth_as_numpy(
    dtype: str, training: bool, affine: bool, rows: int
) -> None:
    rng = np.random.default_rng(rows)
    x, g = (rng.standard_normal((rows, 5)) + 3 for _ in range(2))

    def run(engine: str, kind: str) -> list[Any]:
        backend.set_engine(engine)
        layer = nn.BatchNorm1d(5, affine=affine, dtype=kind).train(training)
        values = [layer(x.astype(dtype).astype(kind)), layer.backward(g.astype(dtype).astype(kind))]
        learned = [parameter.grad for parameter in layer.parameters()]
        return [*values, *learned, layer.running_mean, layer.running_var]

    truth, numpy, ours = run("numpy", "float64"), run("numpy", dtype), run("numba", dtype)
    for exact, near, engine in zip(truth, numpy, ours, strict=True):
        assert engine.dtype == near.dtype == np.dtype(dtype)
        limit = max(2 * np.abs(near - exact).max(), 4 * np.finfo(dtype).eps * np.abs(exact).max())
        limit = limit if dtype == "float32" else 1e-12  # where the truth itself is rounded
        assert np.abs(engine - exact).max() <= limit
    for name in ("batch_norm", "batch_norm_backward", "track"):
        assert not numba_engine.refusals[name], f"{name} was left to NumPy"


def test_batch_norm_of_sequences_is_numpys() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 6))
    outputs = []
    for engine in ("numpy", "numba"):
        backend.set_engine(engine)
        layer = nn.BatchNorm1d(3, dtype="float64")
        outputs.append((layer(x), layer.backward(x), layer.running_var))
    for ours, expected in zip(*outputs, strict=True):
        np.testing.assert_array_equal(ours, expected)
    for name in ("batch_norm", "batch_norm_backward"):
        numba_engine.refusals[name].clear()  # what the test above looks at


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_as_a_whole_is_numpys(dtype: str, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((50, 7)).astype(dtype), rng.integers(0, 7, 50)
    x[0, 1], x[1, 2] = 1e4, np.nan
    target[-5:] = -100 if weighted else 0
    weight = rng.uniform(0.5, 2.0, 7).astype(dtype) if weighted else None
    outputs = []
    for engine in ("numpy", "numba"):
        backend.set_engine(engine)
        criterion = nn.CrossEntropyLoss(weight, reduction="none")
        outputs.append((criterion(x, target), criterion.backward(np.ones(50, dtype))))
    for ours, expected in zip(*outputs, strict=True):  # exponentials may differ by a rounding
        np.testing.assert_allclose(ours, expected, rtol=0, atol=8 * np.finfo(dtype).eps)
        assert ours.dtype == expected.dtype == np.dtype(dtype)
    assert not numba_engine.refusals["losses_of_indices"], "cross-entropy was left to NumPy"


def test_every_formula_has_a_text_for_one_element() -> None:
    own = [
        formula.function
        for formula in formulas
        if formula.is_elementwise and formula.function.__module__.startswith("npnet.")
    ]
    assert len(own) >= 10
    for function in own:
        text = scalar_text(function)
        assert "out=" not in text.source
        assert "[...]" not in text.source


@elementwise
def scaled(x: Any, scale: Any) -> Any:
    return x * scale


def test_what_a_loop_does_not_take_is_numpys() -> None:
    backend.set_engine("numba")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(scaled(x, 2.0), 2 * x)
    np.testing.assert_array_equal(scaled(x.T, np.ones(2, np.float32)), x.T)  # not contiguous
    np.testing.assert_array_equal(scaled(x, np.array([[1], [2]], np.float32)), x * [[1], [2]])  # a column
    np.testing.assert_array_equal(scaled(x=x, scale=2.0), 2 * x)  # by name
    assert scaled(x, np.ones(3)).dtype == np.float64  # mixed dtypes: NumPy's promotion
    assert scaled(np.arange(3), 2).dtype == np.int64
    assert scaled(np.float32(2), 2.0) == 4  # no array
    with pytest.raises(ValueError, match="could not be broadcast"):
        scaled(x, np.ones(4, np.float32))


def test_a_rule_that_is_no_text_for_a_compiler_is_numpys() -> None:
    class Signs(optim.SGD):
        def rule(self, group: Any, step: int) -> Any:
            def rule(p: Any, g: Any, lr: float) -> tuple[Any, ...]:
                for part in (p,):
                    np.subtract(part, np.array([lr], p.dtype) * np.sign(g), out=part)
                return (p,)

            return rule

    backend.set_engine("numba")
    parameter = nn.Parameter(np.array([1.0, 2.0]))
    parameter.grad = np.array([5.0, -5.0])
    Signs([parameter], lr=0.5).step()
    np.testing.assert_array_equal(parameter.data, [0.5, 2.5])


def test_text_that_is_not_for_one_element_is_refused() -> None:
    def partial(x: Any) -> Any:
        x[0] = 1.0
        return x

    with pytest.raises(NotScalar, match=r"assignment to x\[0\]"):
        scalar_text(partial)
    with pytest.raises(NotScalar, match="does not find the text"):
        scalar_text(eval("lambda x: x"))


def test_literals_have_the_arrays_dtype() -> None:
    @elementwise
    def third(x: Any) -> Any:
        return 1 / 3 + x / 3.0

    backend.set_engine("numba")
    x = np.linspace(0, 1, 5000, dtype=np.float32)
    np.testing.assert_array_equal(third(x), np.float32(1 / 3) + x / np.float32(3))


@pytest.mark.parametrize(("dtype", "normalized"), [("float32", False), ("float64", True)])
def test_a_training_is_numpys(dtype: str, normalized: bool) -> None:
    def between(width: int) -> nn.Module:
        return nn.BatchNorm1d(width, dtype=dtype) if normalized else nn.Identity()

    def train(engine: str) -> dict[str, Any]:
        backend.set_engine(engine)
        npnet.manual_seed(0)
        model = nn.Sequential(
            nn.Sequential(
                nn.Linear(6, 8, bias=not normalized, dtype=dtype), between(8), nn.ReLU(), nn.Dropout(0.3)
            ),
            nn.Sequential(
                nn.Linear(8, 8, bias=False, dtype=dtype), between(8), nn.Tanh(), nn.Linear(8, 3, dtype=dtype)
            ),
        )
        criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters())
        rng = np.random.default_rng(0)
        for _ in range(5):
            optimizer.zero_grad()
            criterion(model(rng.standard_normal((9, 6), dtype=dtype)), rng.integers(0, 3, 9))
            model.backward(criterion.backward(), input_grad=False)
            optimizer.step()
        return dict(model.state_dict())

    ours, expected = train("numba"), train("numpy")
    near = {"float32": 1e-6, "float64": 1e-12}[dtype]  # the engine takes sums in another order
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=near, err_msg=name)


def test_an_unknown_engine_is_refused_and_changes_nothing() -> None:
    backend.set_engine("numba")
    with pytest.raises(ArgumentError, match="there is no engine 'numbo'; there are 'numpy', 'numba'"):
        backend.set_engine("numbo")
    assert backend.engine() == "numba"


def test_without_numba_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    backend.set_engine("numpy")
    monkeypatch.setitem(sys.modules, "npnet.engine.numba_engine", None)  # what import finds then
    with pytest.raises(EngineError, match=r"needs Numba.*pip install 'npnet\[fast\]'"):
        backend.set_engine("numba")
    assert backend.engine() == "numpy"


SCRIPT = """
import numpy as np
from npnet import backend, nn, optim
parameter = nn.Parameter(np.ones(3))
optimizer = optim.SGD([parameter], lr=1.0)
parameter.grad = np.ones(3)
optimizer.step()
print(backend.engine(), parameter.data.sum())
"""


def run_script(**environment: str) -> subprocess.CompletedProcess[str]:
    root = Path(npnet.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
    )


def test_the_environment_chooses_and_machine_code_is_kept(tmp_path: Path) -> None:
    first = run_script(NPNET_ENGINE="numba", XDG_CACHE_HOME=str(tmp_path))
    assert first.stdout.split() == ["numba", "0.0"]
    kept = f"compiling formulas with Numba, once; kept in {tmp_path}"
    if sys.platform == "linux":
        assert kept in first.stderr
    again = run_script(NPNET_ENGINE="numba", XDG_CACHE_HOME=str(tmp_path))
    assert again.stdout == first.stdout
    assert again.stderr == ""


def test_a_cache_that_cannot_be_written_is_done_without() -> None:
    answer = run_script(NPNET_ENGINE="numba", XDG_CACHE_HOME="/proc/none")
    assert answer.stdout.split() == ["numba", "0.0"]
    assert answer.returncode == 0


def test_a_mistake_in_the_environment_shows_when_it_matters() -> None:
    answer = run_script(NPNET_ENGINE="turbo")
    assert answer.returncode == 1
    last = answer.stderr.strip().splitlines()[-1]
    assert last.endswith("there is no engine 'turbo' (from NPNET_ENGINE); there are 'numpy', 'numba'")


def test_engines_are_named_where_they_are_chosen() -> None:
    assert backend.ENGINES == choice.ENGINES == ("numpy", "numba")
    assert importlib.import_module("npnet.engine").elementwise is elementwise

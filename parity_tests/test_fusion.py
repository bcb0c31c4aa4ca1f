"""Formulas and rules as single kernels: the route they take, and what CuPy's own tracing makes of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend, nn, optim
from npnet.engine import choice
from npnet.engine.formula import formulas
from npnet.engine.fusion import Fusion, with_module
from npnet.optim.kernel import kernel_of
from parity_tests.strict_device import StrictArray
from parity_tests.test_engine import RULES

OWN = sorted(
    (
        formula.function
        for formula in formulas
        if formula.is_elementwise and formula.function.__module__.startswith("npnet.")
    ),
    key=lambda function: function.__qualname__,
)
"""What becomes a kernel; a whole formula calls these, and sums."""


class Recorded:
    """What looks like CuPy, makes no kernels, and keeps the names of those that it was asked to run."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        functions = {name: getattr(np, name) for name in dir(np) if callable(getattr(np, name))}
        self.module: Any = SimpleNamespace(**{**functions, "ndarray": StrictArray, "fuse": self.fuse})

    def fuse(self, kernel_name: str) -> Any:
        """In place of ``cupy.fuse``."""

        def decorate(function: Any) -> Any:
            assert function.__globals__["np"] is self.module

            def run(*args: Any) -> Any:
                self.ran.append(kernel_name)
                numbers = [arg for arg in args if not isinstance(arg, StrictArray)]
                assert {getattr(number, "dtype", float) for number in numbers} <= {args[0].dtype}
                return function(*args)

            return run

        return decorate


@pytest.fixture
def cupy_like(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    recorded = Recorded()
    monkeypatch.setattr(choice, "_fusion", Fusion(recorded.module))
    choice.adopt_all()
    yield recorded
    monkeypatch.undo()
    choice.adopt_all()


def train(device: str) -> dict[str, Any]:
    npnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).to(device)
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), weight_decay=0.1)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, target = rng.standard_normal((9, 6), dtype=np.float32), rng.integers(0, 3, 9)
        optimizer.zero_grad()
        criterion(model(backend.to_device(x, device)), backend.to_device(target, device))
        model.backward(criterion.backward(), input_grad=False)
        optimizer.step()
    return {name: backend.to_host(value) for name, value in model.state_dict().items()}


@pytest.mark.stand_in
@pytest.mark.usefixtures("numpy_engine")
def test_a_training_on_the_device_runs_fused_and_is_the_hosts(cupy_like: Recorded) -> None:
    on_device = train("strict")
    fused = set(cupy_like.ran)
    assert {"npnet_kernel", "npnet_relu", "npnet_relu_backward", "npnet_three_terms"} <= fused
    cupy_like.ran.clear()
    on_host = train("cpu")
    assert cupy_like.ran == []
    for name, value in on_host.items():
        np.testing.assert_array_equal(on_device[name], value, err_msg=name)


@pytest.mark.stand_in
def test_what_cannot_be_traced_runs_through_the_protocol(cupy_like: Recorded) -> None:
    class Flags(optim.SGD):
        def rule(self, group: Any, step: int) -> Any:
            def rule(p: Any, g: Any, lr: float) -> tuple[Any, ...]:
                if np is cupy_like.module:
                    raise AttributeError("'_FusionVarArray' object has no attribute 'flags'")
                p -= lr * g
                return (p,)

            return rule

    parameter = nn.Parameter(np.ones(3)).to("strict")
    parameter.grad = backend.to_device(np.ones(3), "strict")
    optimizer = Flags([parameter], lr=0.5)
    optimizer.step()
    optimizer.step()
    np.testing.assert_array_equal(backend.to_host(parameter.data), np.zeros(3))


def test_the_module_is_bound_in_what_a_function_closes_over_too() -> None:
    def outer(inner: Any) -> Any:
        def call(x: Any) -> Any:
            return inner(x) + np.sqrt(x)

        return call

    def inner(x: Any) -> Any:
        return np.sqrt(x)

    fake: Any = SimpleNamespace(sqrt=lambda x: -1)
    assert with_module(outer(inner), fake)(4) == -2
    assert outer(inner)(4) == 4


class Traced:
    """CuPy's tracing, which needs no driver: the dtypes of the kernel that it would make."""

    def __init__(self) -> None:
        self.cupy: Any = pytest.importorskip(
            "cupy", reason="CuPy is not installed: pip install 'npnet[cupy]'"
        )
        self.fusion: Any = pytest.importorskip("cupy._core.fusion")
        if not hasattr(self.fusion, "_FusionHistory"):
            pytest.skip("this CuPy traces in another way")

    def array(self, shape: tuple[int, ...]) -> Any:
        """An array at an address that nothing ever follows."""
        nowhere = self.cupy.cuda.UnownedMemory(1 << 20, 1 << 20, None, 0)
        return self.cupy.ndarray(shape, np.float32, self.cupy.cuda.MemoryPointer(nowhere, 0))

    def outputs(self, function: Any, args: list[Any]) -> set[np.dtype[Any]]:
        """Dtypes of what the kernel writes; its inputs must all be float32."""
        local = self.fusion._thread_local
        local.history, local.is_old_fusing = self.fusion._FusionHistory(), True
        try:
            kernel, _ = local.history.get_fusion(with_module(function, self.cupy), args, "traced")
        finally:
            local.history, local.is_old_fusing = None, False
        # A parameter's dtype is a scalar type in CuPy 13 and a dtype in CuPy 14.
        assert {np.dtype(parameter.dtype) for parameter in kernel.in_params} <= {np.dtype(np.float32)}
        return {np.dtype(parameter.dtype) for parameter in kernel.out_params}


@pytest.mark.device
@pytest.mark.parametrize("function", OWN, ids=lambda function: function.__qualname__)
def test_cupy_traces_every_formula_in_its_dtype(function: Any) -> None:
    traced = Traced()
    parameters = inspect.signature(function).parameters.values()
    args = [np.float32(0.5) if p.annotation == "float" else traced.array((3, 4)) for p in parameters]
    assert traced.outputs(function, args) == {np.dtype(np.float32)}


@pytest.mark.device
@pytest.mark.parametrize("name", RULES)
def test_cupy_traces_every_rule_in_its_dtype(name: str) -> None:
    traced = Traced()
    cls, options = RULES[name]
    optimizer = getattr(optim, cls)([nn.Parameter(np.ones(3))], **options)
    group = optimizer.param_groups[0]
    for step in (1, 10):
        rule = optimizer.rule(group, step)
        kernel = kernel_of(rule, True, True, False)
        parameters = list(inspect.signature(rule).parameters.values())[2:]
        rest = [traced.array((7,)) if p.annotation == "Array" else np.float32(0.5) for p in parameters]
        args = [traced.array((7,)), traced.array((7,)), np.float32(0.5), *rest]
        assert traced.outputs(kernel, args) == {np.dtype(np.float32)}

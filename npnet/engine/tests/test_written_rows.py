"""Rows of layers that were written down learn the same, to the last bit, and notice every change."""

from __future__ import annotations

import copy
import gc
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import nn, optim
from npnet.engine import choice, elementwise, numpy_chain
from npnet.engine.chain import Chain
from npnet.engine.numpy_chain import TracedChain
from npnet.engine.tests.test_trace import assert_same
from npnet.nn import plan
from npnet.nn.formula_layer import FormulaLayer
from npnet.nn.row import Row

ACTIVATIONS = [
    kind
    for _, kind in sorted(vars(nn).items())
    if isinstance(kind, type)
    and issubclass(kind, FormulaLayer)
    and kind.__module__.startswith("npnet.nn.activation")
    and kind not in (nn.PReLU, nn.Threshold)  # which take arguments
]

LAYERS: list[Callable[..., nn.Module]] = [
    lambda n, dtype: nn.Linear(n, n, dtype=dtype),
    lambda n, dtype: nn.Linear(n, n, bias=False, dtype=dtype),
    lambda n, dtype: nn.BatchNorm1d(n, dtype=dtype),
    lambda n, dtype: nn.BatchNorm1d(n, momentum=None, dtype=dtype),
    lambda n, dtype: nn.BatchNorm1d(n, affine=False, track_running_stats=False, dtype=dtype),
    lambda n, dtype: nn.LayerNorm(n, dtype=dtype),
    *[(lambda n, dtype, kind=kind: kind()) for kind in ACTIVATIONS],  # type: ignore[misc]
    lambda n, dtype: nn.Dropout(0.4),
    lambda n, dtype: nn.Dropout(0.0),
]

RELU, DROPOUT = 6 + ACTIVATIONS.index(nn.ReLU), len(LAYERS) - 2
COMMON = [0, 2, RELU, DROPOUT]


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_every_layer_is_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, layer: int) -> None:
    compare_trainings(monkeypatch, [0, layer, 2, layer], [7] * 6, "float32")


plans = st.lists(st.sampled_from(range(len(LAYERS))), min_size=2, max_size=6)


def chains_of(model: nn.Module) -> list[Any]:
    """The chains of all rows that a model has run."""
    rows = [row for plan in model._contexts.plans.values() for row in plan._rows if isinstance(row, Row)]
    return [active.chain for row in rows for active in row._active.values() if active.positions]


def trained(
    layers: list[int],
    sizes: list[int],
    dtype: str,
    change: Callable[[nn.Sequential, int], None] | None = None,
) -> tuple[Any, list[Any]]:
    """What a network gives and becomes in some steps; and its chains."""
    npnet.manual_seed(1)
    n = 5
    model = nn.Sequential(*[LAYERS[i](n, dtype) for i in layers], nn.Linear(n, 3, dtype=dtype))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    rng = np.random.default_rng(0)
    found: list[Any] = []
    for step, rows in enumerate(sizes):
        if change is not None:
            change(model, step)
        x = rng.standard_normal((rows, n)).astype(dtype)
        g = (rng.standard_normal((rows, 3)) / rows).astype(dtype)
        given = x.copy(), g.copy()
        optimizer.zero_grad()
        output = model(x)
        grad = model.backward(g, input_grad=step % 3 != 2)
        assert_same((x, g), given)
        gradients = [parameter.grad for parameter in model.parameters()]
        found.append(copy.deepcopy((tuple(gradients), grad)))
        found.append((output, output.copy()))  # which nobody may touch any more
        optimizer.step()
    for output, at_once in found[1::2]:
        assert_same(output, at_once)
    return (tuple(map(tuple, found)), tuple(map(np.array, model.state_dict().values()))), chains_of(model)


def compare_trainings(monkeypatch: pytest.MonkeyPatch, *args: Any) -> list[Any]:
    """Train written down, by formulas, and layer by layer; returns the chains that were written down."""
    ours, chains = trained(*args)
    with monkeypatch.context() as patch:
        patch.setattr(numpy_chain, "TracedChain", Chain)
        theirs, plain = trained(*args)
        assert not any(isinstance(chain, TracedChain) for chain in plain)
        assert_same(ours, theirs)
        patch.setattr(plan, "_joins", lambda layer, like, output: False)
        theirs, none = trained(*args)
        assert not none
        assert_same(ours, theirs)
    return chains


@given(layers=plans, rows=st.sampled_from([2, 7, 130, 200]), dtype=st.sampled_from(["float32", "float64"]))
def test_a_network_learns_the_same_to_the_last_bit(layers: list[int], rows: int, dtype: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        warnings.simplefilter("error")
        chains = compare_trainings(monkeypatch, layers, [rows] * 6 + [rows + 1] * 4 + [rows] * 2, dtype)
    assert all(isinstance(chain, TracedChain) for chain in chains)
    assert not chains or any(chain._written for chain in chains)  # a LayerNorm splits a row


def test_every_way_of_a_common_network_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_numba", None)
    chains = compare_trainings(monkeypatch, COMMON + COMMON, [9] * 8, "float32")
    (chain,) = chains
    assert set(chain._written) == {"forth", ("back", None, True), ("back", 0, True)}
    assert not chain._refused


CHANGES: list[Callable[..., Any]] = [
    lambda model, step: setattr(model[1], "eps", 0.1 * step),
    lambda model, step: setattr(model[1], "eps", 0.1 * (step // 4)),
    lambda model, step: setattr(model[1], "momentum", 0.5 if step > 3 else 0.1),
    lambda model, step: setattr(model[3], "p", 0.2 + 0.1 * (step // 3)),
    lambda model, step: model[1].running_mean.fill(step),
    lambda model, step: model[0].weight.data.fill(step),
    lambda model, step: model.requires_grad_(step % 4 < 2),
    lambda model, step: model[0].weight.__setattr__("requires_grad", step < 4),
    lambda model, step: model.__setitem__(2, nn.Tanh() if step > 4 else nn.ReLU()),
    lambda model, step: (model.train if step % 4 < 2 else model.eval)(),
    lambda model, step: model[1].to(dtype="float32"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]) -> None:
    compare_trainings(monkeypatch, [*COMMON, 0], [9] * 9, "float32", change)


def test_gradients_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def train() -> Any:
        npnet.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
        rng = np.random.default_rng(0)
        found = []
        for step in range(12):
            if step < 4 or step % 3 == 0:
                model.zero_grad()
            model(rng.standard_normal((6, 4), dtype=np.float32))
            model.backward(np.asfortranarray(rng.standard_normal((6, 3), dtype=np.float32)))
            found.append(copy.deepcopy(tuple(parameter.grad for parameter in model.parameters())))
        return tuple(found)

    ours = train()
    monkeypatch.setattr(numpy_chain, "TracedChain", Chain)
    assert_same(ours, train())


def test_gradients_that_lie_in_two_ways() -> None:
    npnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3, bias=False))
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    g = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    for _ in range(3):
        for lying in (g, np.asfortranarray(g)):
            model.zero_grad()
            model(x)
            model.backward(lying)
    (chain,) = chains_of(model)
    assert {("back", None, True), ("back", None, False)} <= set(chain._written)


def test_calls_may_wait_to_be_gone_back_through() -> None:
    npnet.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    x = [np.full((2, 4), value, np.float32) for value in (1, 2, 3)]
    g = np.ones((2, 3), np.float32)
    alone = []
    for each in x:
        model(each)
        alone.append(model.backward(g))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, first: Any, second: Any) -> Any:
            return self.inner(first), self.inner(second)

        def backward(self, g: Any, *, input_grad: bool = True) -> Any:
            second = self.inner.backward(g)
            return self.inner.backward(g), second

    twice = Twice()
    twice(x[1], x[2])
    for ours, theirs in zip(twice.backward(g), alone[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_was_written_down_goes_with_the_model() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x, g = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
    for _ in range(4):
        optimizer.zero_grad()
        model(x)
        model.backward(g)
        optimizer.step()
    values = weakref.ref(model[0].weight.arena.values)
    gc.collect()
    gc.disable()
    try:
        del model, optimizer
        assert values() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("layers", [[2, RELU], [0, RELU], [2, 2], [3, 4], [4, 2], [7, 2]])
def test_input_that_lies_otherwise_once_is_gone_back_through_as_it_lies(
    monkeypatch: pytest.MonkeyPatch, layers: list[int]
) -> None:
    def found() -> tuple[Any, ...]:
        npnet.manual_seed(0)
        model = nn.Sequential(*[LAYERS[i](5, "float32") for i in layers])
        rng, results = np.random.default_rng(0), []
        for order in "CCCCFCFF":
            x = np.asarray(rng.standard_normal((40, 5)), np.float32, order=order)  # type: ignore[call-overload]
            for lying in "CF":
                g = np.asarray(rng.standard_normal((40, 5)), np.float32, order=lying)  # type: ignore[call-overload]
                model.zero_grad()
                model(x)
                results += [model.backward(g), *[np.array(each.grad) for each in model.parameters()]]
        return tuple(results)

    ours = found()
    monkeypatch.setattr(numpy_chain, "TracedChain", Chain)
    assert_same(ours, found())


def test_threads_may_share_a_model() -> None:
    x, errors = np.ones((3, 4), np.float32), []

    def work(model: nn.Module, start: threading.Barrier) -> None:
        try:
            start.wait()
            with npnet.no_grad():
                for _ in range(5):
                    model(x)
        except Exception as error:  # whatever it is
            errors.append(error)

    for _ in range(30):
        model, start = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), threading.Barrier(4)
        threads = [threading.Thread(target=work, args=(model, start)) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert not errors


def capped(x: Any) -> Any:
    y = np.empty(x.shape, x.dtype)
    y[...] = x
    y[y > 1] = 1
    return y


capped.__module__ = "somebody_elses"


class _Capped(FormulaLayer):
    formula = staticmethod(elementwise(capped))
    derivative = staticmethod(lambda g, x: g)


def test_a_formula_of_somebody_elses_is_called_every_time() -> None:
    model = nn.Sequential(_Capped(), nn.ReLU())
    for value in (0.0, 0.25, 0.5, 0.75, 2.0):
        assert model(np.full((2, 2), value))[0, 0] == min(value, 1.0)


def test_zero_below_zero_is_another_number(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.LeakyReLU(0.0), nn.LeakyReLU(1.0))
    x = np.array([[-1.0]], np.float32)
    signs = []
    for slope in (0.0, 0.0, 0.0, -0.0, -0.0, -0.0):
        model[0].negative_slope = slope
        signs.append(bool(np.signbit(model(x)[0, 0])))
    assert signs == [True] * 3 + [False] * 3


def test_input_that_lies_otherwise() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    for _ in range(3):
        expected = model(x)
    np.testing.assert_allclose(model(np.asfortranarray(x)), expected, rtol=1e-6, atol=1e-6)


class _Counting(FormulaLayer):
    calls = 0

    @staticmethod
    def formula(x: Any) -> Any:
        _Counting.calls += 1
        return x * _Counting.calls

    derivative = staticmethod(lambda g, x: g)


_Counting.formula.__module__ = "somebody_elses"


def test_formulas_of_others_are_called_every_time() -> None:
    model = nn.Sequential(_Counting(), nn.ReLU())
    outputs = [model(np.ones((2, 2), np.float32))[0, 0] for _ in range(5)]
    assert outputs == [1, 2, 3, 4, 5]


def dropouts() -> list[Callable[[], list[nn.Module]]]:
    """Networks whose masks are drawn at once, and others whose masks are not."""

    def shared() -> list[nn.Module]:
        layer = nn.Dropout(0.3)
        return [layer, nn.ReLU(), layer, nn.Dropout(0.3)]

    own = npnet.random.Generator
    return [
        lambda: [nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.3), nn.Tanh(), nn.Dropout(0.3)],
        lambda: [nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.5)],
        lambda: [nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.3).eval()],
        lambda: [nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.3, generator=own(5)), nn.Dropout(0.3)],
        lambda: [nn.Dropout(0.3), nn.ReLU(), nn.AlphaDropout(0.3), nn.Dropout(0.3)],
        lambda: [nn.Dropout(1.0), nn.ReLU(), nn.Dropout(1.0)],
        lambda: [nn.Dropout(0.0), nn.ReLU(), nn.Dropout(0.0)],
        shared,
    ]


@pytest.mark.parametrize("make", dropouts())
@pytest.mark.parametrize("like", [None, "torch"])
def test_masks_are_those_that_the_layers_draw(make: Callable[[], list[nn.Module]], like: str | None) -> None:
    x = np.random.default_rng(0).standard_normal((200, 70)).astype(np.float32)
    try:
        npnet.manual_seed(2, like=like)  # type: ignore[arg-type]
        model = nn.Sequential(*make())
        together = [model(x) for _ in range(5)]
        npnet.manual_seed(2, like=like)  # type: ignore[arg-type]
        layers = make()
        for output in together:
            y = x
            for layer in layers:
                y = layer(y)
            np.testing.assert_array_equal(output, y)
    finally:
        npnet.manual_seed(0)

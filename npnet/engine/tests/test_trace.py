"""Functions written down call by call compute what they compute as they stand, to the last bit."""

from __future__ import annotations

import copy
import gc
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
from npnet.engine import choice, numpy_chain, numpy_engine
from npnet.engine.chain import Chain
from npnet.engine.numpy_chain import TracedChain
from npnet.engine.trace import Tape, Untraceable, unheard
from npnet.nn import row
from npnet.nn.formula_layer import FormulaLayer
from npnet.nn.loss import cross_entropy
from npnet.nn.row import Row
from npnet.optim.kernel import kernel_of

X, ROW, PLACE = (
    np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4),
    np.arange(4.0, dtype=np.float32),
    None,
)


def written(function: Callable[..., Any], x: Any, *constants: Any) -> Callable[..., Any]:
    """The function of `x`, with constants that stay the same."""
    tape = Tape()
    result = function(tape.argument(x, "x"), *map(tape.constant, constants))
    return tape.function(["def entry(x):"], result)


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, tuple):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert type(ours) is type(theirs)
        np.testing.assert_array_equal(ours, theirs)
        assert theirs is None or ours.dtype == theirs.dtype


def in_place(x: Any, row: Any) -> Any:
    y = x * 2
    y += row
    z = y - 1
    y -= z
    return y, z


def stored(x: Any, row: Any) -> Any:
    total = np.dot(np.ones(3, np.float32), x)
    row[...] = total
    return total * 2 + row


def stored_later(x: Any, row: Any) -> Any:
    total = np.dot(np.ones(3, np.float32), x)
    before = row * 2  # of what was there
    row[...] = total
    return before, total + row


def stored_twice(x: Any, row: Any) -> Any:
    total = x.sum(axis=0)
    half = total / 2
    row[...] = half
    row *= 3
    return half + 1, row * 1


def stored_and_returned(x: Any, row: Any) -> Any:
    total = row + x[0]
    row[...] = total
    return total


def stored_and_changed(x: Any, row: Any) -> Any:
    total = row + x[0]
    row[...] = total
    total *= 2
    return total + row


def stored_in_a_part(x: Any, row: Any) -> Any:
    row[1:3] = x[0, 1:3] * 2
    return row + 1


def stored_as_a_view(x: Any, row: Any) -> Any:
    total = row + x[0]
    view = total.reshape(2, 2)
    row[...] = total
    row += 1
    return view * 1


def views_outlive(x: Any) -> Any:
    y = x + 1
    top = y[0]
    z = y * 2  # y is not named any more, and yet lives on
    return top + 1, z * top


def written_over(x: Any) -> Any:
    a = x + 1
    b = a * 2
    c = np.exp(b)
    d = c - a
    return d / (b * b + 1), c


def another_kind(x: Any) -> Any:
    mask = x > 0
    wide = x.astype(np.float64)
    return mask * x, wide * 2, x.astype(np.float32, copy=False) + 1


def numbers(x: Any) -> Any:
    return (
        0.1 * x,
        x / 3,
        1 - x,
        np.maximum(x, 0),
        x > 0.1,
        x**2,
        x * np.float64(0.1),
        2 * x.astype(np.float64),
    )


def counted(x: Any, count: Any) -> Any:
    count += 1
    return x * (1 / count)


def reduced(x: Any) -> Any:
    total = x.sum()
    return total, x.max(axis=0), x.mean(axis=1), np.sum(x, axis=-1, keepdims=True), (x - total).sum(axis=0)


def products(x: Any, weight: Any) -> Any:
    place = np.empty_like(weight)
    np.dot(x.T, x, out=place)
    return np.dot(x, weight.T), place * 2, np.matmul(x, weight)


def picked(x: Any) -> Any:
    columns = x.T.copy()
    columns[np.array([0, 2, 1]), np.arange(3)] -= 1
    return (
        columns,
        x[:, None].reshape(12),
        x[np.array([2, 0])],
        np.concatenate([x, x * 2]),
        x.take([1], axis=0),
    )


def nothing_of_it(x: Any) -> Any:
    return x * 1, None


FUNCTIONS = [
    *(in_place, stored, stored_later, stored_twice, stored_and_returned, stored_and_changed),
    *(stored_in_a_part, stored_as_a_view, views_outlive, written_over, another_kind, numbers, reduced),
    *(picked, nothing_of_it),
]


def compared(function: Callable[..., Any], *constants: Any) -> None:
    """Called three times, with other numbers, it gives and leaves behind what the function does."""
    own, others = [each.copy() for each in constants], [each.copy() for each in constants]
    entry = written(function, X, *own)
    assert_same(tuple(own), tuple(others))  # to write it down changes nothing
    earlier: list[Any] = []
    for factor in (1, -2, 3):
        x = X * factor
        results = entry(x), function(x.copy(), *others)
        assert_same(*results)
        assert_same(tuple(own), tuple(others))
        np.testing.assert_array_equal(x, X * factor)
        earlier.append(results)
    if not constants:
        for ours, theirs in earlier:  # no call has touched what another one has returned
            assert_same(ours, theirs)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_written_down_does_what_the_function_does(function: Callable[..., Any]) -> None:
    compared(function, *([ROW] if function.__code__.co_argcount == 2 else []))


def test_a_part_is_stored() -> None:
    def turned_round(x: Any, row: Any) -> Any:
        total = row + x[0]
        row[::-1] = total
        return x * 2

    compared(turned_round, ROW)


def test_what_is_returned_is_no_constant() -> None:
    row = ROW.copy()
    entry = written(stored_and_returned, X, row)
    first = entry(X)
    assert first is not row
    np.testing.assert_array_equal(first, ROW + X[0])
    entry(X)
    np.testing.assert_array_equal(first, ROW + X[0])


def test_products_and_counts() -> None:
    compared(products, np.arange(16.0, dtype=np.float32).reshape(4, 4))
    compared(counted, np.array(0))


def test_a_number_is_an_array_already_and_a_sum_is_made_in_place() -> None:
    def function(x: Any, row: Any) -> Any:
        unused = x * 7
        row[...] = x[0] * 0.5 + row
        return np.exp(x + 1) if unused.ndim else None

    row = ROW.copy()
    text = str(written(function, X, row).__doc__).split("\n")
    assert [line.strip() for line in text[1:-1]] == [
        *("v1 = x[0]", "v2 = multiply(v1, c3)", "add(v2, c0, c0)"),
        *("v5 = add(x, c6)", "v6 = exp(v5, v5)", "return v6"),
    ]


def looks(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


def asks_for_a_number(x: Any) -> Any:
    return x * float(x[0, 0])


def asks_for_items(x: Any) -> Any:
    return x * x[0, 0].item()


def walks(x: Any) -> Any:
    return sum(row for row in x)


def hides_from_warnings(x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 1 / x


def changes_what_it_is_given(x: Any) -> Any:
    x += 1
    return x


def changes_a_part_of_what_it_is_given(x: Any) -> Any:
    x[0][...] = 1
    return x * 2


def changes_a_number(x: Any) -> Any:
    total = x.sum()
    np.add(total, 1, out=total)
    return x * total


def counts_what_it_finds(x: Any) -> Any:
    return x * x.nonzero()[0].size


def splits(x: Any) -> Any:
    return np.split(x, 3)[0] * 2


def copies_to(x: Any) -> Any:
    y = x * 1
    np.copyto(y, x)
    return y


def looks_at_memory(x: Any) -> Any:
    return x * x.flat[0]


def sorts(x: Any) -> Any:
    y = x * 1
    y.sort()
    return y


def changes_an_array_of_its_own(x: Any) -> Any:
    return np.add(x, 1, out=np.empty_like(X))


@pytest.mark.parametrize(
    "function",
    [
        *(looks, asks_for_a_number, asks_for_items, walks, hides_from_warnings, changes_what_it_is_given),
        *(changes_a_part_of_what_it_is_given, changes_a_number, counts_what_it_finds, splits, copies_to),
        *(looks_at_memory, sorts, changes_an_array_of_its_own),
    ],
)
def test_what_cannot_be_written_down_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(Untraceable), unheard():
        written(function, X.copy())


# ---------------------------------------------------------------------- rows of layers

LAYERS: list[Callable[[int, str], nn.Module]] = [
    lambda n, dtype: nn.Linear(n, n, dtype=dtype),
    lambda n, dtype: nn.Linear(n, n, bias=False, dtype=dtype),
    lambda n, dtype: nn.BatchNorm1d(n, dtype=dtype),
    lambda n, dtype: nn.BatchNorm1d(n, momentum=None, dtype=dtype),
    lambda n, dtype: nn.BatchNorm1d(n, affine=False, track_running_stats=False, dtype=dtype),
    lambda n, dtype: nn.LayerNorm(n, dtype=dtype),
    lambda n, dtype: nn.ReLU(),
    lambda n, dtype: nn.LeakyReLU(0.1),
    lambda n, dtype: nn.Sigmoid(),
    lambda n, dtype: nn.Tanh(),
    lambda n, dtype: nn.GELU(),
    lambda n, dtype: nn.SiLU(),
    lambda n, dtype: nn.ELU(),
    lambda n, dtype: nn.Softplus(),
    lambda n, dtype: nn.Dropout(0.4),
    lambda n, dtype: nn.Dropout(0.0),
]

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
        patch.setattr(row, "_joins", lambda layer, like: False)
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
    assert any(chain._written for chain in chains)


def test_every_way_of_a_common_network_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_numba", None)
    chains = compare_trainings(monkeypatch, [0, 2, 6, 14, 0, 2, 6, 14], [9] * 8, "float32")
    (chain,) = chains
    assert set(chain._written) == {"forth", (None, True), (0, True)}
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
    compare_trainings(monkeypatch, [0, 2, 6, 14, 0], [9] * 9, "float32", change)


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
    assert {(None, True), (None, False)} <= set(chain._written)


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


# ---------------------------------------------------------------------- masks of a row


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


# ---------------------------------------------------------------------- formulas and rules

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    *(("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True})),
    *(("Adam", {}), ("Adam", {"amsgrad": True}), ("AdamW", {}), ("Adam", {"weight_decay": 0.1})),
    *(("RMSprop", {}), ("RMSprop", {"centered": True, "momentum": 0.5}), ("Adagrad", {"lr_decay": 0.1})),
    *(("Adadelta", {}), ("Adamax", {}), ("NAdam", {}), ("RAdam", {}), ("ASGD", {"t0": 2}), ("Rprop", {})),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
@pytest.mark.parametrize("more", [{}, {"maximize": True}])
@pytest.mark.parametrize("size", [7, 20_000])
def test_a_rule_learns_the_same_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], more: dict[str, Any], size: int
) -> None:
    def learnt() -> tuple[Any, ...]:
        rng = np.random.default_rng(0)
        parameter = nn.Parameter(rng.standard_normal(size).astype(np.float32))
        optimizer = getattr(optim, name)([parameter], **options, **more)
        found = []
        for step in range(7):
            parameter.grad = rng.standard_normal(size).astype(np.float32) * step
            optimizer.param_groups[0]["lr"] *= 0.9
            optimizer.step()
            found += [parameter.data.copy(), parameter.grad.copy()]
        state = optimizer.state_dict()["state"].get(0, {})
        return (*found, *[np.array(value) for value in state.values()])

    backend_before = npnet.backend.engine()
    npnet.backend.set_engine("numpy")
    try:
        ours = learnt()
        monkeypatch.setattr(numpy_engine, "rule_runner", lambda kernel, rule: kernel)
        assert_same(ours, learnt())
    finally:
        npnet.backend.set_engine(backend_before)


def to_a_power(p: Any, g: Any, rate: float) -> None:
    p -= g**rate


def among_numbers(p: Any, g: Any, rate: float, share: float) -> None:
    p -= (rate * (1.0 - share)) * g


def looked_at(p: Any, g: Any, rate: float) -> None:
    if rate > 0.15:
        p -= rate * g


def where_it_is(p: Any, g: Any, rate: float) -> None:
    p -= np.where(g > 0, rate, g)


@pytest.mark.parametrize("rule", [to_a_power, among_numbers, looked_at, where_it_is])
def test_rules_that_treat_numbers_otherwise_are_refused(
    rule: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    kernel = kernel_of(rule, False, False, False)
    run, ours, theirs = numpy_engine.rule_runner(kernel, rule), np.ones(3, np.float32), np.ones(3, np.float32)
    more = [0.1] if rule is among_numbers else []
    with caplog.at_level("DEBUG", logger="npnet"):
        for rate in (0.1, 0.2, 0.3, 0.4):
            g = np.full(3, 0.3, np.float32)
            run(ours, g, 1.0, rate, *more)
            kernel(theirs, g, 1.0, rate, *more)
    np.testing.assert_array_equal(ours, theirs)
    assert f"{rule.__name__} is not written down" in caplog.text


def test_what_diverges_is_quiet() -> None:
    parameter = nn.Parameter(np.ones(3, np.float32))
    optimizer = optim.SGD([parameter], lr=1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            parameter.grad = parameter.data * 1e30
            optimizer.step()
    assert not np.isfinite(parameter.data).any()


def test_a_rule_of_somebody_elses_is_called_every_time() -> None:
    calls = []

    def rule(p: Any, g: Any, rate: float) -> None:
        calls.append(rate)
        p -= rate * g

    rule.__module__ = "somebody_elses"
    run = numpy_engine.rule_runner(kernel_of(rule, False, False, False), rule)
    p = np.ones(2)
    for rate in (0.1, 0.2, 0.3, 0.4):
        run(p, np.ones(2), 1.0, rate)
    assert calls == [0.1, 0.2, 0.3, 0.4]
    np.testing.assert_allclose(p, 0.0, atol=1e-15)


@pytest.mark.parametrize("shape", [(5,), (1, 3), (9, 3), (200, 3), (4, 3, 2, 5)])
def test_a_loss_is_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    def found() -> tuple[Any, ...]:
        rng, results = np.random.default_rng(0), []
        for reduction in ["mean", "sum", "none"] * 4:
            criterion = nn.CrossEntropyLoss(reduction=reduction)
            x = rng.standard_normal(shape).astype(np.float32)
            classes = shape[1] if len(shape) > 1 else shape[0]
            target = np.asarray(rng.integers(0, classes, shape[:1] + shape[2:] if len(shape) > 1 else ()))
            loss = criterion(x, target)
            seed = np.ones_like(loss) if reduction == "none" else 1.0
            results += [np.array(loss), np.array(criterion.backward(seed))]
        return tuple(results)

    before = npnet.backend.engine()
    npnet.backend.set_engine("numpy")
    try:
        ours = found()
        formula = cross_entropy.reduced_of_all.formula  # type: ignore[attr-defined]
        monkeypatch.setattr(formula, "run", formula.function)
        assert_same(ours, found())
    finally:
        npnet.backend.set_engine(before)


def test_a_loss_that_hides_from_warnings_goes_on_doing_so() -> None:
    criterion = nn.CrossEntropyLoss()
    x, ignored = np.zeros((2, 3), np.float32), np.full(2, -100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            assert np.isnan(criterion(x, ignored))  # 0 / 0


def test_many_kinds_of_arguments_are_forgotten_again() -> None:
    run = numpy_engine.formula_runner(lambda x: x * 2)
    for size in [*range(1, 200), *range(1, 200)]:
        np.testing.assert_array_equal(run(np.ones(size)), np.full(size, 2.0))
        np.testing.assert_array_equal(run(np.ones(size)), np.full(size, 2.0))
    (entries,) = [each.cell_contents for each in run.__closure__ if isinstance(each.cell_contents, dict)]  # type: ignore[union-attr]
    assert len(entries) <= numpy_engine.KINDS

"""Rows of formulas, compiled as one, compute what the formulas do one by one, to the last bit."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend, nn, no_grad, optim
from npnet.nn.plan import Plan
from npnet.nn.row import Row

pytest.importorskip("numba", reason="the engine needs Numba: pip install 'npnet[fast]'")
numba_engine: Any = importlib.import_module("npnet.engine.numba_engine")
numba_chain: Any = importlib.import_module("npnet.engine.numba_chain")

Compile = Callable[[bool], None]


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch, engine_restored: None) -> Iterator[Compile]:
    """Rows are compiled at their first call; or, called with False, never."""
    backend.set_engine("numba")
    monkeypatch.setattr(numba_engine, "is_kept", lambda name, source: False)

    def choose(at_once: bool) -> None:
        monkeypatch.setattr(numba_chain, "HOT", 0 if at_once else 10**9)
        numba_chain.chain_of.cache_clear()

    choose(True)
    yield choose
    numba_chain.chain_of.cache_clear()


def rows_of(model: nn.Module) -> list[Row]:
    """The rows that the last call of a chain ran as one."""
    (calls,) = model.__dict__["_contexts"].stack[-1]
    return [child for child in calls if isinstance(child, Row)]


def small(dtype: str = "float32") -> nn.Sequential:
    npnet.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5, dtype=dtype), nn.ReLU(), nn.Linear(5, 3, dtype=dtype))


def batch(rows: int = 6, dtype: str = "float32") -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 4)).astype(dtype), rng.standard_normal((rows, 3)).astype(dtype)


def gradients(model: nn.Module) -> dict[str, Any]:
    return {
        name: None if parameter.grad is None else np.array(parameter.grad)
        for name, parameter in model.named_parameters()
    }


def passes(model: nn.Sequential, work: Callable[[nn.Sequential], Any]) -> Any:
    """What is done with a model for the second time; the first call of a shape is formula by formula."""
    model(batch()[0])
    model.zero_grad()
    return work(model), gradients(model)


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(ours, (list, tuple)):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(ours, theirs)


def test_a_training_is_the_same_to_the_last_bit(compiled: Compile) -> None:
    def train(at_once: bool) -> tuple[Any, int]:
        compiled(at_once)
        npnet.manual_seed(0)
        hidden = [nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3)]
        model = nn.Sequential(*hidden, nn.Linear(6, 3))
        criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters())
        rng = np.random.default_rng(0)
        losses, rows = [], 0
        for _ in range(6):
            optimizer.zero_grad()
            output = model(rng.standard_normal((9, 4), dtype=np.float32))
            rows += len(rows_of(model))
            losses.append(criterion(output, rng.integers(0, 3, 9)).item())
            model.backward(criterion.backward(), input_grad=False)
            optimizer.step()
        return [losses, dict(model.state_dict()), gradients(model)], rows

    one_by_one, none = train(at_once=False)
    rows, five = train(at_once=True)
    assert_same(rows, one_by_one)
    assert (none, five) == (0, 5)  # in the first step the shapes are not known yet


def both_ways(model: nn.Sequential) -> Any:
    x, g = batch(dtype=model[0].weight.dtype.name)
    return model(x), model.backward(g)


def without_the_input(model: nn.Sequential) -> Any:
    x, g = batch()
    return model(x), model.backward(g, input_grad=False)


def added(model: nn.Sequential) -> Any:
    return both_ways(model), both_ways(model)


def frozen(model: nn.Sequential) -> Any:
    model[0].requires_grad_(False)
    model[-1].bias.requires_grad = False
    return without_the_input(model), both_ways(model)


def another_dtype(model: nn.Sequential) -> Any:
    x, g = batch()
    return model(x), model.backward(g.astype(np.float64))


def frozen_in_another_dtype(model: nn.Sequential) -> Any:
    model[0].requires_grad_(False)
    x, g = batch()
    return model(x), model.backward(g.astype(np.float64), input_grad=False)


def lying_otherwise(model: nn.Sequential) -> Any:
    x, g = batch()
    return model(np.asfortranarray(x)), model.backward(np.asfortranarray(g))


def one_by_one(model: nn.Sequential) -> Any:
    x, g = batch()
    output = model(x)
    for layer in reversed(list(model)):
        g = layer.backward(g)
    return output, g


def twice(model: nn.Sequential) -> Any:
    x, g = batch()
    return model(x), model(x + 1), model.backward(g), model.forward(x)


def evaluated(model: nn.Sequential) -> Any:
    with no_grad():
        return model.eval()(batch()[0])


WORK = (
    *(both_ways, without_the_input, added, frozen, another_dtype, frozen_in_another_dtype),
    *(lying_otherwise, one_by_one, twice, evaluated),
)


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_numpy_s_rows_are_its_formulas(
    work: Callable[[nn.Sequential], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def larger() -> nn.Sequential:
        npnet.manual_seed(0)
        hidden = [nn.Linear(4, 6), nn.BatchNorm1d(6, momentum=None), nn.Tanh(), nn.Dropout(0.3)]
        return nn.Sequential(*hidden, nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))

    def outcome(model: nn.Sequential) -> Any:
        return passes(model, work), [np.array(value) for value in model.state_dict().values()]

    backend.set_engine("numpy")
    model = larger()
    ours = outcome(model)
    for _ in range(2):
        model.train()(batch()[0])
    assert len(rows_of(model)) == 1
    monkeypatch.setattr(Plan, "lasts", lambda self, chain: False)
    assert_same(ours, outcome(larger()))


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_whatever_is_done_with_it(work: Callable[[nn.Sequential], Any], compiled: Compile) -> None:
    compiled(False)
    expected = passes(small(), work)
    compiled(True)
    model = small()
    assert_same(passes(model, work), expected)
    model.train()(batch()[0])
    assert len(rows_of(model)) == 1


def test_what_passes_its_input_through_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 3)).eval()
    x, g = batch()
    for _ in range(2):
        output = model(x)
        grad_input = model.backward(g)
    plain = nn.Sequential(model[0], nn.ReLU(), model[3])
    assert_same((plain(x), plain.backward(g)), (output, grad_input))
    model.train()
    model[1].p = 1.0
    np.testing.assert_array_equal(model(x), np.broadcast_to(model[3].bias.data, (6, 3)))


def test_layers_that_an_engine_does_not_know_are_called_between_rows() -> None:
    class Doubling(nn.Module):
        def forward(self, x: Any) -> Any:
            self.save()
            return 2 * x

        def backward(self, grad_output: Any, *, input_grad: bool = True) -> Any:
            self.saved()
            return 2 * grad_output

    first, second = small(), nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    model = nn.Sequential(*first, Doubling(), *second)
    x, _ = batch()
    for _ in range(2):
        output = model(x)
    assert len(rows_of(model)) == 2
    grad_input = model.backward(np.ones_like(output))
    np.testing.assert_array_equal(second(2 * first(x)), output)
    np.testing.assert_array_equal(first.backward(2 * second.backward(np.ones_like(output))), grad_input)


def test_shapes_and_layers_may_change() -> None:
    model = small()
    for rows in (6, 6, 4, 4, 1, 0, 6):
        x, g = batch(rows)
        fresh = nn.Sequential(*model)
        expected = fresh(x), fresh.backward(g)
        assert_same((model(x), model.backward(g)), expected)
    model[1] = nn.LeakyReLU()
    x, _ = batch()
    np.testing.assert_array_equal(model(x), model[2](model[1](model[0](x))))
    model[1] = nn.ReLU()
    model(x)
    model(x)
    model[0].weight = nn.Parameter(np.ones((5, 4), np.float32))
    np.testing.assert_array_equal(model(x), model[2](model[1](model[0](x))))
    model[2] = nn.Linear(5, 2)
    assert model(x).shape == (6, 2)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_parameter_that_layers_share_gets_the_sum_of_its_gradients(depth: int, compiled: Compile) -> None:
    def run(at_once: bool) -> tuple[Any, int]:
        compiled(at_once)
        npnet.manual_seed(0)
        linear = nn.Linear(4, 4)
        model = nn.Sequential(*[linear, nn.ReLU()] * depth)
        x = batch()[0]
        found = []
        for add in (False, False, True):
            if not add:
                model.zero_grad()
            output, rows = model(x), len(rows_of(model))
            found.append((output, model.backward(x), gradients(model)))
        return found, rows

    one_by_one, none = run(at_once=False)
    together, one = run(at_once=True)
    assert_same(together, one_by_one)
    assert (none, one) == (0, 1)


@pytest.mark.parametrize("who", ["chain", "child"])
def test_what_is_refused_after_a_change_is_refused_in_a_row(who: str) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).eval()
    x, _ = batch(rows=1)
    model(x)
    model(x)
    (model if who == "chain" else model[1]).train()
    with pytest.raises(npnet.errors.ShapeError, match="BatchNorm1d needs more than 1 value per channel"):
        model(x)
    np.testing.assert_array_equal(model[1].running_mean, np.zeros(5))


def test_an_optimizer_may_be_made_late() -> None:
    model, (x, g) = small(), batch()
    for _ in range(2):
        model(x)
        model.backward(g)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(x)
        assert len(rows_of(model)) == 1
        model.backward(g)
        optimizer.step()
    np.testing.assert_array_equal(model(x), model[2](model[1](model[0](x))))
    assert all(parameter.has_grad for parameter in model.parameters())


def test_a_forward_that_is_put_into_a_layer_later_is_called() -> None:
    model, (x, _) = small(), batch()
    model(x)
    model(x)
    forward, seen = model[1].forward, []
    model[1].forward = lambda x: (seen.append(x.shape), forward(x))[1]
    model(x)
    model(x)
    assert seen == [(6, 5), (6, 5)]


def test_masks_are_drawn_once_while_a_row_is_cold(compiled: Compile) -> None:
    compiled(False)
    model, (x, _) = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5)), batch()
    npnet.manual_seed(0)
    outputs = [model(x) for _ in range(3)]
    npnet.manual_seed(0)
    assert_same([model[1](model[0](x)) for _ in range(3)], outputs)


def test_bad_input_is_refused_as_ever() -> None:
    model = small()
    x, g = batch()
    model(x)
    model(x)
    with pytest.raises(npnet.errors.ShapeError, match=r"Linear.backward takes .* of shape \(6, 3\)"):
        model.backward(g[:5])
    model.backward(g)
    with pytest.raises(npnet.errors.ShapeError, match=r"Linear takes input of shape \(..., 4\)"):
        model(x[:, :3])
    with pytest.raises(npnet.errors.DtypeMismatchError):
        model(x.astype(np.float64))
    model[0] = nn.Linear(4, 7)
    with pytest.raises(npnet.errors.ShapeError, match=r"Linear takes input of shape \(..., 5\)"):
        model(x)


def test_the_average_of_all_batches() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, momentum=None))
    x, _ = batch()
    for _ in range(3):
        model(x)
    assert len(rows_of(model)) == 1
    mean = model[0](x).mean(axis=0)
    np.testing.assert_allclose(model[1].running_mean, mean, rtol=1e-5)
    np.testing.assert_array_equal(model[1].num_batches_tracked, 3)


def test_what_no_loop_takes_is_called_formula_by_formula() -> None:
    model = small()
    x = np.ones((2, 3, 4), np.float32)
    for _ in range(3):
        output = model(x)
    assert not rows_of(model)
    np.testing.assert_array_equal(output[1], model(x[1]))
    model(x)
    assert model.backward(output).shape == x.shape


def test_a_row_is_compiled_when_it_is_hot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(numba_chain, "HOT", 3)
    numba_chain.chain_of.cache_clear()
    model = small()
    x, _ = batch()
    seen = [len(rows_of(model)) for _ in range(6) if model(x) is not None]
    assert seen == [0, 0, 0, 0, 1, 1]  # the first call makes the row, and three warm it
    assert "compiling 3 formulas as one" in caplog.text
    monkeypatch.setattr(numba_engine, "is_kept", lambda name, source: True)
    numba_chain.chain_of.cache_clear()
    model = small()
    seen = [len(rows_of(model)) for _ in range(3) if model(x) is not None]
    assert seen == [0, 1, 1]


def test_another_engine_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    x, _ = batch()
    model(x)
    model(x)
    called: list[str] = []
    compiled = numba_engine.compiled
    monkeypatch.setattr(numba_engine, "compiled", lambda *text: (called.append(text[0]), compiled(*text))[1])
    backend.set_engine("numpy")
    expected = [model(x) for _ in range(2)][1]
    assert len(rows_of(model)) == 1
    assert not called
    numba_chain.chain_of.cache_clear()
    backend.set_engine("numba")
    np.testing.assert_allclose([model(x) for _ in range(2)][1], expected, rtol=1e-5, atol=1e-6)
    assert "forth" in called


def test_a_layer_may_be_pruned_in_place() -> None:
    first, last = nn.Linear(4, 5), nn.Dropout(0.5)
    model = nn.Sequential(nn.ReLU(), first, last)
    x, _ = batch()
    for _ in range(3):
        model(x)
    first.weight, first.bias = nn.Parameter(first.weight.data[:3]), nn.Parameter(first.bias.data[:3])
    first.out_features = 3
    for _ in range(3):
        assert model(x).shape == (6, 3)


def test_what_a_layer_takes_is_looked_at_again() -> None:
    model = small()
    x, _ = batch()
    for _ in range(3):
        model(x)
    model[2].in_features = 7  # though its weight is what it was
    with pytest.raises(npnet.errors.ShapeError, match=r"Linear takes input of shape \(\.\.\., 7\)"):
        model(x)

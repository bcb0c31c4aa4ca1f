"""Rows and losses that are recorded as graphs: nobody can tell, but by the number of launches."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import backend, nn, no_grad, optim
from npnet.engine import graph
from npnet.nn.formula_layer import FormulaLayer
from npnet.random import ReplayGenerator
from parity_tests.equal import assert_as_on_host
from parity_tests.strict_device import ON_GPU
from parity_tests.strict_recorder import recording

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("numpy_engine")]

RNG = np.random.default_rng(0)
ROWS, FEATURES, HIDDEN, CLASSES = 6, 4, 5, 3
INPUTS = RNG.standard_normal((8, ROWS, FEATURES))
LABELS = RNG.integers(0, CLASSES, (8, ROWS))
MASKS = RNG.random((64, ROWS, HIDDEN)) < 0.6


@pytest.fixture
def recorder() -> Iterator[Any]:
    with recording() as found:
        yield found


def on(device: str, array: Any) -> Any:
    return backend.to_device(array, device)


def network(device: str, *more: nn.Module) -> nn.Sequential:
    npnet.manual_seed(0)
    dropout = nn.Dropout(0.4, generator=ReplayGenerator(list(MASKS)))
    layers = [nn.Linear(FEATURES, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), dropout]
    return nn.Sequential(*layers, nn.Linear(HIDDEN, CLASSES), *more).double().to(device)


class Twin:
    """A network in training on one device, and all that anybody could see of it."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.model = network(device)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer: Any = None
        self.waiting: list[Any] = []  # labels of forward calls that were not gone back through
        self.seen: list[Any] = []  # arrays that the user keeps
        self.noted: list[Any] = []  # and what was in them at once

    def note(self, array: Any) -> None:
        """Keep an array, and what is in it now."""
        self.seen.append(array)
        self.noted.append(None if array is None else np.array(backend.to_host(array)))

    def forward(self, batch: int) -> None:
        """Call the network, and leave it at that."""
        self.waiting = []  # a new pass: what was left is dropped
        self.note(self.model(on(self.device, INPUTS[batch])))
        self.waiting.append(batch)

    def step(self, batch: int, clear: bool) -> None:
        """Train on a batch."""
        if clear:
            self.model.zero_grad()
        output = self.model(on(self.device, INPUTS[batch]))
        self.note(output)
        self.note(self.criterion(output, on(self.device, LABELS[batch])))
        g = self.criterion.backward()
        self.note(g)
        self.note(self.model.backward(g, input_grad=bool(batch % 2)))
        for parameter in self.model.parameters():
            self.note(None if parameter.grad is None else parameter.grad.copy())
        if self.optimizer is not None:
            self.optimizer.step()

    def by_hand(self, batch: int) -> None:
        """Go back through the layers one by one."""
        g: Any = on(self.device, INPUTS[batch][:, :CLASSES].copy())
        self.model(on(self.device, INPUTS[batch]))
        for layer in reversed(list(self.model)):
            g = layer.backward(g)
            self.note(g)

    def thrice(self, first: int, second: int, between: str) -> None:
        """Call the network three times in one pass, with a change after the first one."""
        outer = _Thrice(self.model, lambda: self.change(between))
        x = on(self.device, np.concatenate([INPUTS[first], INPUTS[second]], axis=1))
        self.note(outer(x))
        self.note(outer.backward(on(self.device, INPUTS[first][:, :CLASSES].copy())))

    def look(self, batch: int) -> None:
        """Call the network for its output alone."""
        with no_grad():
            self.note(self.model(on(self.device, INPUTS[batch])))

    def change(self, what: str) -> None:
        """Change something of the network."""
        if what == "mode":
            self.model.train(not self.model.training)
        elif what == "p":
            self.model[3].p = 0.3 if self.model[3].p == 0.4 else 0.4
        elif what == "momentum":
            self.model[1].momentum = None if self.model[1].momentum else 0.2
        elif what == "eps":
            self.model[1].eps *= 2
        elif what == "freeze":
            self.model[0].weight.requires_grad = not self.model[0].weight.requires_grad
        elif what == "optimizer":
            self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        elif what == "load":
            state = {name: value.copy() for name, value in network(self.device).state_dict().items()}
            self.model.load_state_dict(state, strict=False)
        elif what == "replace":
            self.model[4] = nn.Linear(HIDDEN, CLASSES, bias=False).double().to(self.device)
            self.optimizer = None
        elif what == "head":
            self.model[4].weight.data = self.model[4].weight.data * 0.5
        elif what == "data":
            self.model[1].running_mean = self.model[1].running_mean + 1.0

    def everything(self) -> list[Any]:
        """What was seen, what is in it now, and the state."""
        state = [np.array(backend.to_host(value)) for value in self.model.state_dict().values()]
        later = [None if array is None else np.array(backend.to_host(array)) for array in self.seen]
        return [*self.noted, *later, *state]


class _Thrice(nn.Module):
    """A network that calls another one three times in a pass."""

    def __init__(self, inner: nn.Module, between: Callable[[], None]) -> None:
        super().__init__()
        self.inner, self.between = inner, between

    def forward(self, x: Any) -> Any:
        first = self.inner(x[:, :FEATURES].copy())
        self.between()
        second = x[:, FEATURES:].copy()
        return first + self.inner(second) * 2.0 + self.inner(second)

    def backward(self, grad_output: Any, *, input_grad: bool = True) -> Any:
        second = self.inner.backward(grad_output) + self.inner.backward(grad_output * 2.0)
        return np.concatenate([self.inner.backward(grad_output), second], axis=1)


batches = st.integers(0, 7)
CHANGES = ("mode", "p", "momentum", "eps", "freeze", "optimizer", "load", "replace", "head", "data")
actions = st.one_of(
    st.tuples(st.just("step"), batches, st.booleans()),
    st.tuples(st.just("step"), batches, st.just(True)),
    st.tuples(st.just("step"), batches, st.just(True)),
    st.tuples(st.just("step"), batches, st.just(True)),
    st.tuples(st.just("forward"), batches),
    st.tuples(st.just("by_hand"), batches),
    st.tuples(st.just("thrice"), batches, batches, st.sampled_from(("nothing", "p", "eps"))),
    st.tuples(st.just("look"), batches),
    st.tuples(st.just("change"), st.sampled_from(CHANGES)),
)


@given(st.lists(actions, min_size=4, max_size=24))
def test_whatever_is_done_a_recorded_network_does_as_another(acts: list[Any]) -> None:
    def all_of(twin: Twin) -> list[Any]:
        for name, *arguments in acts:
            getattr(twin, name)(*arguments)
        return twin.everything()

    with recording(False):
        expected = all_of(Twin("strict"))
    with recording():
        found = all_of(Twin("strict"))
    for ours, theirs in zip(found, expected, strict=True):
        if ON_GPU and ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_a_step_is_three_launches(recorder: Any) -> None:
    twin = Twin("strict")
    for batch in range(8):
        twin.step(2 * (batch // 2), clear=True)
    assert recorder.recordings == 3  # forward, loss, backward
    # The second call of the loss, the second as a row and the second with a recorded way forth.
    assert recorder.launches == 7 + 6 + 5


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_recorded_loss_counts_what_is_ignored_and_weighs(
    reduction: str, smoothing: float, weighted: bool, recorder: Any
) -> None:
    weight = np.array([0.5, 1.0, 2.0]) if weighted else None
    options = {"ignore_index": 1, "label_smoothing": smoothing, "reduction": reduction}
    ours = nn.CrossEntropyLoss(None if weight is None else on("strict", weight), **options)
    theirs = nn.CrossEntropyLoss(weight, **options)
    labels = [np.ones(ROWS, int), *LABELS]  # the first time all are ignored
    for logits, target in zip(INPUTS[:, :, :CLASSES], labels, strict=False):
        found = ours(on("strict", logits), on("strict", target))
        expected = theirs(logits, target)
        g = np.ones(expected.shape) if reduction == "none" else 1.0
        back = ours.backward(g if isinstance(g, float) else on("strict", g))
        np.testing.assert_allclose(backend.to_host(found), expected, rtol=1e-12)
        np.testing.assert_allclose(backend.to_host(back), theirs.backward(g), rtol=1e-12)
    assert recorder.recordings == 1


def test_a_formula_is_recorded_for_so_many_kinds_of_arguments(recorder: Any) -> None:
    criterion = nn.CrossEntropyLoss()
    for rows in [*range(1, graph.KINDS + 2), 1]:
        logits, target = on("strict", np.zeros((rows, 2))), on("strict", np.zeros(rows, int))
        for _ in range(2):
            assert float(criterion(logits, target)) == pytest.approx(np.log(2))
    assert recorder.recordings == graph.KINDS + 2  # the first kind was forgotten, and came again


@pytest.mark.usefixtures("recorder")
def test_another_dtype_is_another_kind() -> None:
    criterion = nn.CrossEntropyLoss()
    for dtype in ("float32", "float32", "float64", "float64", "float32"):
        loss = criterion(on("strict", np.zeros((2, 3), dtype)), on("strict", np.zeros(2, int)))
        assert loss.dtype == dtype


def test_layers_of_somebody_else_are_not_recorded(recorder: Any) -> None:
    calls = []

    class Counted(FormulaLayer):
        formula = staticmethod(lambda x: calls.append(None) or x * 2.0)
        derivative = staticmethod(lambda g, x: g * 2.0)

    model, x = nn.Sequential(nn.ReLU(), Counted()), on("strict", INPUTS[0])
    for _ in range(5):
        model(x)
    assert len(calls) == 5
    assert recorder.recordings == 0


def test_what_cannot_be_recorded_runs_as_it_stands(
    recorder: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(function: Any) -> Any:
        raise NotImplementedError("no recorded product")

    monkeypatch.setattr(recorder, "record", refuse)
    twin = Twin("strict")
    with caplog.at_level("DEBUG", "npnet"):
        for batch in range(5):
            twin.step(batch, clear=True)
    reasons = [record.getMessage() for record in caplog.records]
    assert reasons == [
        "npnet: reduced_over_indices is not recorded: no recorded product",
        "npnet: a row of layers is not recorded: no recorded product",
    ]
    with recording(False):
        other = Twin("strict")
        for batch in range(5):
            other.step(batch, clear=True)
    for number, (ours, theirs) in enumerate(zip(twin.everything(), other.everything(), strict=True)):
        assert (ours is None) == (theirs is None)
        if ours is not None:  # cuBLAS called by us may sum in another order than when CuPy calls it
            assert_as_on_host(ours, theirs, f"array {number}", steps=5, least_scale=1.0)


def test_a_network_that_is_dropped_takes_its_recordings_along(recorder: Any) -> None:
    twin = Twin("strict")
    for batch in range(4):
        twin.step(batch, clear=True)
    (plan,) = twin.model._contexts.plans.values()
    chain = weakref.ref(next(iter(plan._rows[0]._active.values())).chain)
    del plan, twin
    gc.collect()
    assert chain() is None

"""What a recording must not mix up: numbers, modes, streams, and the calls of several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend, nn, no_grad
from npnet.engine import graph
from parity_tests.strict_recorder import recording

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("numpy_engine")]

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.standard_normal((2, 6, 4)), RNG.integers(0, 4, (2, 6))


@pytest.fixture(autouse=True)
def recorder() -> Iterator[Any]:
    with recording() as found:
        yield found


def on(array: Any) -> Any:
    return backend.to_device(array, "strict")


def test_label_smoothing_may_be_numpys_number() -> None:
    for smoothing in np.linspace(0.1, 0.4, 4):
        found = nn.CrossEntropyLoss(label_smoothing=smoothing)(on(LOGITS[0]), on(LABELS[0]))
        expected = nn.CrossEntropyLoss(label_smoothing=float(smoothing))(LOGITS[0], LABELS[0])
        assert float(found) == pytest.approx(expected)


def test_ignore_index_may_be_numpys_number() -> None:
    for _ in range(3):
        found = nn.CrossEntropyLoss(ignore_index=np.int64(1))(on(LOGITS[0]), on(LABELS[0]))
        expected = nn.CrossEntropyLoss(ignore_index=1)(LOGITS[0], LABELS[0])
        assert float(found) == pytest.approx(expected)


def test_a_probability_may_become_numpys_number() -> None:
    def outputs(wanted: bool) -> list[Any]:
        npnet.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.ReLU()).double().to("strict")
        found = []
        with recording(wanted), no_grad():
            for p in np.repeat(np.linspace(0.2, 0.8, 3), 3):
                model[1].p = p
                found.append(backend.to_host(model(on(LOGITS[0]))))
        return found

    np.testing.assert_array_equal(outputs(True), outputs(False))


def interrupted(monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    """Let another thread have its turn once, between what a call copies in and what it launches."""
    fill, turns = graph.Recording.fill, [other]

    def filled(self: Any, moving: Any) -> None:
        fill(self, moving)
        if turns:
            thread = threading.Thread(target=turns.pop(), daemon=True)
            thread.start()
            thread.join(1.0)  # where calls wait for one another it goes on later

    monkeypatch.setattr(graph.Recording, "fill", filled)


def test_criteria_of_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = nn.CrossEntropyLoss(), nn.CrossEntropyLoss()
    for _ in range(3):
        first(on(LOGITS[0]), on(LABELS[0]))
    expected = nn.CrossEntropyLoss()(LOGITS[0], LABELS[0])
    interrupted(monkeypatch, lambda: second(on(LOGITS[1]), on(LABELS[1])))
    assert float(first(on(LOGITS[0]), on(LABELS[0]))) == pytest.approx(expected)


def test_a_model_that_two_threads_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double().to("strict").eval()

    def ask(batch: int) -> Any:
        with no_grad():
            return backend.to_host(model(on(LOGITS[batch])))

    expected = [ask(0) for _ in range(4)][-1]
    interrupted(monkeypatch, lambda: ask(1))
    np.testing.assert_array_equal(ask(0), expected)


def test_a_batch_that_is_looked_at_without_going_back_is_recorded_all_the_same() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double().to("strict")
    with recording() as recorder:
        for _ in range(10):
            model(on(LOGITS[0]))
    assert recorder.launches == 10 - 2


def test_a_mode_has_a_recording_of_its_own() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU()).double().to("strict")
    with recording() as recorder, no_grad():
        for number in range(12):
            model.train(number % 2 == 0)
            model(on(LOGITS[0]))
    assert (recorder.recordings, recorder.launches) == (2, 12 - 4)


def test_a_recording_is_for_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    model, criterion = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).double().to("strict"), nn.CrossEntropyLoss()
    with recording() as recorder:
        for stream in (0, 0, 0, 0, 1, 0, 1, 1):
            monkeypatch.setattr(recorder, "where", lambda stream=stream: stream)
            model.zero_grad()
            criterion(model(on(LOGITS[0])), on(LABELS[0]))
            model.backward(criterion.backward())
    assert recorder.recordings == 2 * 3

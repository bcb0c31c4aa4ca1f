"""What happens around a GPU, without one: streams and buffers, missing drivers, too little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import backend
from npnet.data import DataLoader, Dataset, Split, Subset, TensorDataset
from npnet.errors import DeviceError, DeviceMemoryError
from npnet.pinned import PinnedSender
from npnet.random import Generator
from npnet.training import NumpyEngine, load_recipe, make_task, memory, placement
from npnet.training.memory import out_of_memory
from parity_tests import strict_device
from parity_tests.strict_device import count_synchronisations

pytestmark = pytest.mark.stand_in

# ---------------------------------------------------------------------- pinned memory


class Device:
    """A GPU's queues: what is put on a stream happens when somebody waits for it, and not before."""

    def __init__(self) -> None:
        self.compute, self.copies = Stream(), Stream()

        class Event:
            def __init__(self, disable_timing: bool) -> None:
                self.behind: list[Any] = []

            def record(self, stream: Stream) -> None:
                self.behind = list(stream.queue)

            def synchronize(self) -> None:
                for action in self.behind:
                    action.run()

        class Buffer(np.ndarray):
            def set(self, source: Any, stream: Stream) -> None:
                stream.put(lambda: np.copyto(np.asarray(self), source))

        cuda = SimpleNamespace(
            Stream=lambda non_blocking: self.copies,
            Event=Event,
            get_current_stream=lambda: self.compute,
            alloc_pinned_memory=bytearray,
        )
        self.cupy: Any = SimpleNamespace(
            cuda=cuda, empty=lambda size, dtype: np.empty(size, dtype).view(Buffer)
        )


class Action:
    """Something on a queue, and what must happen before it."""

    def __init__(self, what: Any, after: list[Action]) -> None:
        self.what, self.after, self.done = what, after, False

    def run(self) -> None:
        """Let it happen, once."""
        if not self.done:
            self.done = True
            for other in self.after:
                other.run()
            self.what()


class Stream:
    """A queue."""

    def __init__(self) -> None:
        self.queue: list[Action] = []
        self.waiting: list[Action] = []

    def put(self, what: Any) -> None:
        """Queue it."""
        self.queue.append(Action(what, [*self.queue[-1:], *self.waiting]))
        self.waiting = []

    def wait_event(self, event: Any) -> None:
        """Let what is queued next wait for what the event is behind."""
        self.waiting += event.behind

    def synchronize(self) -> None:
        """Let everything happen."""
        for action in self.queue:
            action.run()


def test_batches_are_neither_overwritten_nor_read_too_early() -> None:
    device, seen = Device(), []
    send = PinnedSender(device.cupy)
    batches = [np.full((size, 2), float(number)) for number, size in enumerate((4, 4, 4, 3, 4, 4, 5, 4))]
    for batch in batches:
        there = send(batch)
        device.compute.put(lambda there=there: seen.append(np.array(there)))
        batch_was = batch.copy()
        batch[...] = -1.0  # the caller may use its own array again
        batch[...] = batch_was
    device.compute.synchronize()
    assert len(seen) == len(batches)
    for got, batch in zip(seen, batches, strict=True):
        np.testing.assert_array_equal(got, batch)


def test_an_empty_batch_is_sent() -> None:
    assert PinnedSender(Device().cupy)(np.zeros((0, 3))).shape == (0, 3)


# ---------------------------------------------------------------------- where the data lie


def task() -> Any:
    images = np.random.default_rng(0).integers(0, 256, (60, 5, 5), dtype=np.uint8)
    dataset = Dataset("mnist", images, np.arange(60) % 3, ("a", "b", "c"), np.arange(60))
    split = Split(np.arange(40), np.arange(40, 60), np.arange(0))
    overrides = ["training.batch_size=16", "model.hidden=[8]", "model.dropout=0", "training.dtype=float64"]
    return make_task(load_recipe("mnist", overrides), dataset, split)[0]


def test_data_that_do_not_fit_are_sent_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from npnet import manual_seed

    outcomes = []
    for share, about in ((0.5, "resident on the device"), (0.0, "a batch at a time through pinned memory")):
        monkeypatch.setattr(placement, "SHARE", share)
        manual_seed(0)
        engine = NumpyEngine(task(), device="strict")
        assert engine.about_data.startswith("data: 0 MiB, ")
        assert engine.about_data.endswith(about)
        with count_synchronisations() as waits:
            engine.train_batch(np.arange(16))
            engine.train_batch(np.arange(16, 32))
        assert waits == []
        outcomes.append((engine.state_dict(), engine.evaluate("validation").loss))
    assert outcomes[0][1] == outcomes[1][1]
    for name, value in outcomes[0][0].items():
        np.testing.assert_array_equal(value, outcomes[1][0][name])


@pytest.mark.parametrize("part", ["whole", "part", "part of a part"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_sends_the_indices_of_an_epoch_at_once(part: str, shuffle: bool) -> None:
    def batches(device: str) -> list[list[Any]]:
        values = np.arange(22.0).reshape(11, 2), np.arange(11)
        dataset: Any = TensorDataset(*(backend.to_device(array, device) for array in values))
        for _ in range(part.count("part")):
            dataset = Subset(dataset, range(len(dataset) - 1, 0, -1))
        before = strict_device.uploads
        found = list(DataLoader(dataset, 2, shuffle, generator=Generator(0)))
        # Of whole batches, and of the last one, which is not full; a range is a slice.
        sent = 0 if device == "cpu" or (part == "whole" and not shuffle) else 1 + len(dataset) % 2
        assert strict_device.uploads == before + sent
        return [[backend.to_host(array) for array in batch] for batch in found]

    for ours, theirs in zip(batches("strict"), batches("cpu"), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_on_the_host_there_is_nothing_to_choose() -> None:
    assert NumpyEngine(task()).about_data == ""


# ---------------------------------------------------------------------- memory

CUPY_SAYS = MemoryError("Out of memory allocating 2,147,483,648 bytes (allocated so far: 512 bytes).")
NUMPY_SAYS = MemoryError("Unable to allocate 7.45 GiB for an array with shape (10, 10) and data type float64")


@pytest.mark.parametrize(
    ("error", "free", "batch_size", "message"),
    [
        (CUPY_SAYS, 2**30, 4096, "2,048 MiB were asked for where 1,024 MiB are free"),
        (CUPY_SAYS, 2**30, 4096, "in a step of 4096 rows; training.batch_size=1843 would fit"),
        (CUPY_SAYS, 2**33, 4096, "training.batch_size=2048 would fit"),
        (NUMPY_SAYS, 2**30, 100, "7,629 MiB were asked for"),
        (MemoryError(), 2**30, 100, "more was asked for where"),
        (CUPY_SAYS, 2**30, 1, "not even a batch of one row fits; take a smaller network"),
        (CUPY_SAYS, 2**30, None, "where 1,024 MiB are free, for the network alone; take a smaller one"),
    ],
)
def test_too_little_memory_says_what_would_fit(
    monkeypatch: pytest.MonkeyPatch, error: MemoryError, free: int, batch_size: int | None, message: str
) -> None:
    monkeypatch.setattr(memory.backend, "memory_info", lambda device: (0, free))
    answer = out_of_memory(error, "cuda", (0, free), batch_size)
    assert isinstance(answer, MemoryError)
    assert message in str(answer)


def test_data_for_which_there_is_no_room_after_all_stay_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(array: Any, device: str) -> Any:
        raise CUPY_SAYS

    monkeypatch.setattr(placement.backend, "to_device", refuse)
    data = placement.place(np.eye(3), np.arange(3), "strict")
    assert data.about == "data: 0 MiB, sent to the device a batch at a time through pinned memory"


def test_a_network_that_does_not_fit_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    too_large = task()

    def refuse(*args: Any) -> Any:
        raise CUPY_SAYS

    monkeypatch.setattr(too_large.model, "to", refuse)
    with pytest.raises(DeviceMemoryError, match=r"2,048 MiB were asked for .* for the network alone"):
        NumpyEngine(too_large)


def test_a_step_that_does_not_fit_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = NumpyEngine(task())
    engine.train_batch(np.arange(16))

    def fail(x: Any) -> Any:
        raise CUPY_SAYS

    monkeypatch.setattr(engine.model, "forward", fail)
    with pytest.raises(DeviceMemoryError, match=r"2,048 MiB were asked for .* in a step of 16 rows"):
        engine.train_batch(np.arange(16))


# ---------------------------------------------------------------------- CuPy that is not to be had


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


def cupy_with(answer: Any) -> Any:
    def count() -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    runtime = SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (0, "CuPy sees no GPU; use 'cpu'"),
        (CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device"), "needs an NVIDIA GPU and its driver"),
        (
            CUDARuntimeError(
                "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime"
            ),
            "built for a newer CUDA than the driver knows; update the driver",
        ),
    ],
)
def test_a_gpu_that_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch, answer: Any, message: str) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy_with(answer))
    monkeypatch.delitem(backend._DEVICES, "cuda", raising=False)
    with pytest.raises(DeviceError, match=message) as caught:
        backend.check_device("cuda")
    assert "\n" not in str(caught.value)


LONG = """
================================================================
Failed to import CuPy.

Original error:
  ImportError: libnvrtc.so.12: cannot open shared object file
================================================================
"""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'cupy'"), "needs CuPy, which is not installed: pip install"),
        (ImportError(LONG), "probably built for another version of CUDA.*libnvrtc.so.12: cannot open"),
    ],
)
def test_a_cupy_that_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, error: ImportError, message: str
) -> None:
    def refuse(name: str) -> Any:
        raise error

    monkeypatch.delitem(backend._DEVICES, "cuda", raising=False)
    monkeypatch.setattr(backend.importlib, "import_module", refuse)
    with pytest.raises(DeviceError, match=message) as caught:
        backend.check_device("cuda")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif("cuda" in backend.available_devices(), reason="this machine has a GPU")
def test_the_suite_refuses_a_gpu_that_is_not_there() -> None:
    command = [sys.executable, "-m", "pytest", "--device", "cuda", "-q", "parity_tests/test_arena.py"]
    root = Path(npnet.__file__).parents[1]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert answer.returncode == pytest.ExitCode.USAGE_ERROR
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith("ERROR: --device cuda: device 'cuda'")

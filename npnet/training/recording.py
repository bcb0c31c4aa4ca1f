"""What a training script does, taken down from outside while it runs.

Nothing in the script is changed.  Its losses are seen where they are gone back from, its gradients and
weights where the optimizer steps.
"""

from __future__ import annotations

import hashlib
import json
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.nn.loss import Loss
from npnet.optim.optimizer import Optimizer
from npnet.random import stream

__all__ = ["Recorder", "main", "record", "recording_npnet", "watch"]

_directions: dict[int, Array] = {}


class Recorder:
    """Losses, sketches of gradients and weights, and the state of the generator, step by step.

    A sketch of an array is two numbers: its norm, and its product with one random direction, which also
    tells a wrong sign or order.

    Attributes
    ----------
    steps : list of dict
        Of every step of an optimizer the ``loss`` (the sum of those gone back from since the step before,
        None if there was none), ``gradients`` and ``weights`` as sketches, and ``draws``, a digest of the
        generator's state.
    parameters : list of dict
        Shape, dtype and digest of the initial values of every parameter, in the order of the optimizers.
    """

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.parameters: list[dict[str, Any]] = []
        self._loss: float | None = None
        self._known: set[int] = set()

    def backward(self, loss: float) -> None:
        """A loss is gone back from."""
        self._loss = loss if self._loss is None else self._loss + loss

    def before_step(self, weights: Sequence[tuple[Any, Array, Array | None]]) -> None:
        """An optimizer is about to step; of each parameter the object, the value and the gradient."""
        for parameter, value, _ in weights:
            if id(parameter) not in self._known:
                self._known.add(id(parameter))
                self.parameters.append(
                    {
                        "shape": list(value.shape),
                        "dtype": str(value.dtype),
                        "digest": _digest(np.ascontiguousarray(value).tobytes()),
                    }
                )
        gradients = [None if gradient is None else _sketch(gradient) for _, _, gradient in weights]
        self.steps.append({"loss": self._loss, "gradients": gradients})
        self._loss = None

    def after_step(self, weights: Sequence[Array], state: bytes | None) -> None:
        """It has stepped."""
        draws = None if state is None else _digest(state)
        self.steps[-1] |= {"weights": [_sketch(value) for value in weights], "draws": draws}


def watch(
    script: str | Path, arguments: Sequence[str], recording: Callable[[Recorder], Any], recorder: Recorder
) -> None:
    """Run a script as the main program, and take down what it does.

    Parameters
    ----------
    script : str or Path
        Where it is.
    arguments : sequence of str
        What it finds in ``sys.argv`` after its name.
    recording : callable
        ``recording(recorder)`` is a context in which a library reports to the recorder.
    recorder : Recorder
    """
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(Path(script).parent))
    try:
        with recording(recorder):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise


def record(
    script: str | Path, arguments: Sequence[str], recording: Callable[[Recorder], Any], target: str | Path
) -> None:
    """:func:`watch` a script, and write what was taken down as JSON to `target`."""
    recorder = Recorder()
    watch(script, arguments, recording, recorder)
    content = {"parameters": recorder.parameters, "steps": recorder.steps}
    Path(target).write_text(json.dumps(content), encoding="utf-8")


@contextmanager
def recording_npnet(recorder: Recorder) -> Iterator[None]:
    """A context in which npnet's losses and optimizers report to `recorder`."""
    values: dict[int, Any] = {}
    call, step = Loss.__call__, Optimizer.step

    def seen_call(self: Loss, *args: Any, **kwargs: Any) -> Any:
        values[id(self)] = value = call(self, *args, **kwargs)
        return value

    def seen_step(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        held = [parameter for group in self.param_groups for parameter in group["params"]]
        recorder.before_step([(p, _host(p.data), None if p.grad is None else _host(p.grad)) for p in held])
        result = step(self, *args, **kwargs)
        state = stream("init").get_state()
        # A dict is the state of npnet's own generator: no seed was asked for like PyTorch's.
        recorder.after_step(
            [_host(p.data) for p in held], None if isinstance(state, dict) else state.tobytes()
        )
        return result

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Loss, "__call__", seen_call))
        stack.enter_context(mock.patch.object(Optimizer, "step", seen_step))
        for kind in _kinds(Loss):
            if "backward" in vars(kind):
                stack.enter_context(
                    mock.patch.object(kind, "backward", _seen_backward(kind, values, recorder))
                )
        yield


def _seen_backward(kind: Any, values: dict[int, Any], recorder: Recorder) -> Callable[..., Any]:
    backward = kind.backward

    def seen(self: Loss, *args: Any, **kwargs: Any) -> Any:
        if id(self) in values:  # not where it is called by that of a subclass
            recorder.backward(float(np.sum(_host(values.pop(id(self))))))
        return backward(self, *args, **kwargs)

    return seen


def _kinds(kind: type[Loss]) -> Iterator[type[Loss]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _kinds(derived)


def _host(array: Any) -> Array:
    return np.asarray(backend.to_host(array))


def _sketch(array: Array) -> list[float]:
    flat = array.astype(np.float64).ravel()
    if flat.size not in _directions:
        direction = np.random.default_rng(flat.size).normal(size=flat.size)
        _directions[flat.size] = direction / np.linalg.norm(direction)
    return [float(np.linalg.norm(flat)), float(flat @ _directions[flat.size])]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def main() -> None:
    """Record the script that the command line names: target, script, its arguments."""
    target, script, *arguments = sys.argv[1:]
    record(script, arguments, recording_npnet, target)


if __name__ == "__main__":
    main()

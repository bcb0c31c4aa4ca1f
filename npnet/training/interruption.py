"""Ctrl-C and SIGTERM: the first one ends the training after its step, the second one at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from npnet.training.callbacks import Callback

if TYPE_CHECKING:
    from npnet.training.engine import Step
    from npnet.training.trainer import Trainer

__all__ = ["Interrupted", "PauseOnSignal"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal ended a training; its folder has everything that is needed to go on.

    Attributes
    ----------
    signal : int
        Which: 2 is Ctrl-C, 15 is SIGTERM.
    """

    def __init__(self, message: str, signal: int | None = None) -> None:
        super().__init__(message)
        self.signal = int(SIGNALS[0] if signal is None else signal)


class PauseOnSignal(Callback):
    """Within its ``with`` block, the first signal pauses the trainer that it is a callback of.

    From then on signals do what they did before the block: a second Ctrl-C raises KeyboardInterrupt, a second
    SIGTERM ends the process.  A signal that is ignored stays so, as Ctrl-C is in the background of a script.
    Only the main thread is told of signals; in another one the block does nothing.

    Attributes
    ----------
    received : int or None
        The signal.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> PauseOnSignal:
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._receive) for number in heeded}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_batch_end(self, trainer: Trainer, step: Step) -> None:
        """Pause if there was one."""
        trainer.should_pause = trainer.should_pause or self.received is not None

    def on_epoch_closed(self, trainer: Trainer) -> None:
        """Pause if there was one since the last step."""
        trainer.should_pause = trainer.should_pause or self.received is not None

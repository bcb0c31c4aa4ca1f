"""Averages of the weights along a training, by the ``swa_utils`` of the library that computes.

The network that is trained goes its way; what is looked at after each epoch, kept and tested is the average,
once there is one.  Its BatchNorm layers need statistics of their own: either those of the network are
averaged too, or they are measured anew at the end of each epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

from npnet.errors import RecipeError, StateError
from npnet.training.schema import flag, number, one_of, optional, setting, whole

__all__ = ["AVERAGES", "EMA", "SWA", "Average", "Averaging"]


@dataclass(frozen=True)
class Average:
    """Base of the tables ``[training.averaging]``.

    Parameters
    ----------
    start_from_epoch : int
        So many epochs are not averaged.
    use_buffers : bool
        Average the buffers too, as :class:`npnet.optim.swa_utils.AveragedModel` does; else the statistics of
        BatchNorm are measured by :func:`~npnet.optim.swa_utils.update_bn` at the end of each epoch.
    """

    kind: ClassVar[str]
    every_step: ClassVar[bool]

    start_from_epoch: int = setting(whole(0), 0)
    use_buffers: bool = setting(flag, False)

    def function(self, swa_utils: ModuleType) -> dict[str, Any]:
        """The argument of ``AveragedModel`` that says how to average."""
        raise NotImplementedError

    def schedule(self, swa_utils: ModuleType, optimizer: Any) -> Any:
        """What moves the learning rate while there is averaging; None where it is the recipe's schedule."""
        return None


@dataclass(frozen=True)
class EMA(Average):
    """The exponential moving average, taken after every step.

    Parameters
    ----------
    decay : float
        As in :func:`npnet.optim.swa_utils.get_ema_avg_fn`: about ``1 / (1 - decay)`` steps are remembered.
    start_from_epoch, use_buffers
        As for :class:`Average`.

    Examples
    --------
    >>> from npnet.training import load_recipe
    >>> load_recipe("digits", ["training.averaging=ema"]).training.averaging.decay
    0.999
    """

    kind: ClassVar[str] = "ema"
    every_step: ClassVar[bool] = True

    use_buffers: bool = setting(flag, True)
    decay: float = setting(number(0.0, below=1.0), 0.999)

    def function(self, swa_utils: ModuleType) -> dict[str, Any]:
        """One call for all parameters: PyTorch's is then a single kernel, and npnet's is so anyhow."""
        return {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(self.decay)}


@dataclass(frozen=True)
class SWA(Average):
    """Stochastic weight averaging: the equal average, taken at the end of every epoch.

    Parameters
    ----------
    start_from_epoch, use_buffers
        As for :class:`Average`.
    swa_lr : float, optional
        The learning rate is annealed to it from `start_from_epoch` on, and stays there, as
        :class:`npnet.optim.swa_utils.SWALR` does; left out, the recipe's schedule goes on.
    anneal_epochs, anneal_strategy
        As in :class:`~npnet.optim.swa_utils.SWALR`.

    Raises
    ------
    RecipeError
        If it is said how to anneal, and not where to.
    """

    kind: ClassVar[str] = "swa"
    every_step: ClassVar[bool] = False

    start_from_epoch: int = setting(whole(0))
    swa_lr: float | None = setting(optional(number(0.0)), None)
    anneal_epochs: int = setting(whole(0), 10)
    anneal_strategy: str = setting(one_of("cos", "linear"), "cos")

    def __post_init__(self) -> None:
        if self.swa_lr is None and (self.anneal_epochs, self.anneal_strategy) != (10, "cos"):
            raise RecipeError(
                "training.averaging: anneal_epochs and anneal_strategy say how to come to swa_lr: give it too"
            )

    def function(self, swa_utils: ModuleType) -> dict[str, Any]:
        """Not as a ``multi_avg_fn``, whose shares are float32 in PyTorch."""
        return {"avg_fn": swa_utils.get_swa_avg_fn()}

    def schedule(self, swa_utils: ModuleType, optimizer: Any) -> Any:
        """``SWALR``, where there is a rate to anneal to."""
        if self.swa_lr is None:
            return None
        return swa_utils.SWALR(
            optimizer,
            self.swa_lr,
            anneal_epochs=self.anneal_epochs,
            anneal_strategy=self.anneal_strategy,
        )


AVERAGES: Mapping[str, type[Average]] = {cls.kind: cls for cls in (EMA, SWA)}
"""What ``kind`` may be."""


class Averaging:
    """The average of a network in training, in either library.

    Parameters
    ----------
    settings : Average
        How to average, and from when on.
    model, optimizer
        Of the engine.
    swa_utils : module
        :mod:`npnet.optim.swa_utils`, or the module of the same names in PyTorch.

    Attributes
    ----------
    model : AveragedModel
        The average.
    epochs : int
        How many epochs have ended.
    """

    def __init__(self, settings: Average, model: Any, optimizer: Any, swa_utils: ModuleType) -> None:
        self.settings = settings
        self.model = swa_utils.AveragedModel(
            model, use_buffers=settings.use_buffers, **settings.function(swa_utils)
        )
        self.schedule = settings.schedule(swa_utils, optimizer)
        self.epochs = 0
        self._update_bn = swa_utils.update_bn

    @property
    def begun(self) -> bool:
        """Whether there is an average."""
        return int(self.model.n_averaged) > 0

    @property
    def anneals(self) -> bool:
        """Whether its schedule has taken the place of the recipe's, in an epoch that runs."""
        return self.schedule is not None and self.epochs >= self.settings.start_from_epoch

    def state_dict(self) -> dict[str, Any]:
        """The average, how many epochs have ended, and the schedule; arrays or tensors are the library's."""
        return {
            "model": dict(self.model.state_dict()),
            "epochs": self.epochs,
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from them.

        Raises
        ------
        StateError
            If they are not such a state.
        """
        if not isinstance(epochs := state_dict["epochs"], int) or epochs < 0:
            raise StateError(f"the epochs of an average are a whole number, 0 or more; got {epochs!r:.40}")
        self.model.load_state_dict(state_dict["model"])
        self.epochs = epochs
        if self.schedule is not None:
            self.schedule.load_state_dict(state_dict["schedule"])

    def after_batch(self, model: Any) -> None:
        """Take a step into the average."""
        if self.settings.every_step and self.epochs >= self.settings.start_from_epoch:
            self.model.update_parameters(model)

    def end_epoch(self, model: Any, inputs: Iterable[Any]) -> None:
        """Take an epoch into the average, and measure the statistics of BatchNorm on the training part."""
        self.epochs += 1
        if not self.settings.every_step and self.epochs > self.settings.start_from_epoch:
            self.model.update_parameters(model)
        if self.begun and not self.settings.use_buffers:
            self._update_bn(inputs, self.model)

    def after_epoch(self) -> bool:
        """Step its schedule, where it is time for it; returns whether it was."""
        if self.schedule is None or self.epochs <= self.settings.start_from_epoch:
            return False
        self.schedule.step()
        return True

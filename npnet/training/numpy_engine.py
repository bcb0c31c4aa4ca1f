"""The engine of npnet itself, on NumPy or CuPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet import backend, optim, regularization
from npnet.backend import Array
from npnet.nn.context import no_grad
from npnet.nn.utils import clip_grad_norm_, clip_grad_value_
from npnet.training.engine import Engine, Evaluation, Step
from npnet.training.memory import out_of_memory
from npnet.training.placement import place
from npnet.training.task import Task
from npnet.training.train_step import TrainStep

__all__ = ["NumpyEngine"]

EVALUATION_ROWS = 1000
"""Rows that are evaluated at a time."""


class NumpyEngine(Engine):
    """npnet's own layers, losses and optimizers.

    Parameters
    ----------
    task : Task
        What to train, on what.  The model is moved to the device and trained in place.
    device : {"cpu", "cuda"}
        NumPy, or CuPy.

    Raises
    ------
    DeviceError
        If the device is not to be had.
    DeviceMemoryError
        If the network does not fit there.

    Examples
    --------
    >>> from npnet.training import load_recipe
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 1])
    >>> rows = {"train": np.arange(4), "validation": np.arange(2), "test": np.arange(0)}
    >>> recipe = load_recipe("digits", ["scheduler=none"])
    >>> engine = NumpyEngine(Task(recipe, recipe.model.build(4, 3), x, y, rows))
    >>> step = engine.train_batch(np.array([0, 2]))
    >>> step.loss > 0, engine.evaluate("validation").outputs.shape
    (True, (2, 3))
    """

    name = "numpy"

    def __init__(self, task: Task, device: str = "cpu") -> None:
        super().__init__(task)
        recipe, self.device = task.recipe, backend.check_device(device)
        self._dtype = backend.floating_dtype(recipe.training.dtype)
        self._data = place(task.inputs, task.targets_as(recipe.training.dtype), self.device)
        self.about_data = self._data.about
        try:
            self.model = task.model.to(self.device, self._dtype)
            self.criterion = task.objective.criterion(recipe).to(self.device, self._dtype)
            self.optimizer = getattr(optim, recipe.optimizer.kind)(
                self.model.parameters(), **recipe.optimizer.options
            )
        except MemoryError as error:
            raise out_of_memory(error, self.device, (0, 0), None) from error
        self.schedule = self.make_schedule(optim.lr_scheduler)
        self.averaging = self.make_averaging(optim.swa_utils)
        self._memory = backend.memory_info(self.device)  # with the data and the model in it, and no batch
        chosen = recipe.regularization.penalty
        self._penalty = None if chosen is None else getattr(regularization, chosen.kind)(**chosen.options)
        self._step = TrainStep(self.model, self.criterion, self.optimizer, before_update=self._regularize)

    def train_batch(self, rows: Array) -> Step:
        """Take one step on these rows.

        Raises
        ------
        DeviceMemoryError
            If there is not enough memory for it.
        """
        try:
            return self._train_batch(rows)
        except MemoryError as error:
            raise out_of_memory(error, self.device, self._memory, len(rows)) from error

    def _train_batch(self, rows: Array) -> Step:
        if not self.model.training:  # telling every layer takes longer than a small layer does
            self.model.train()
        x, target = self._batch(rows, training=True)
        loss, outputs = self._step(x, target)
        self.after_batch()
        tally = self.task.objective.tally(outputs, target)
        return Step(loss.item() if self.device == "cpu" else loss, tally)

    def _regularize(self) -> None:
        """Add the penalty's gradient, then clip."""
        settings = self.task.recipe.regularization
        if self._penalty is not None:
            self._penalty.backward(self.model)
        if settings.clip_grad_norm is not None:
            clip_grad_norm_(self.model.parameters(), settings.clip_grad_norm)
        if settings.clip_grad_value is not None:
            clip_grad_value_(self.model.parameters(), settings.clip_grad_value)

    def evaluate(self, part: str) -> Evaluation:
        """Look at a part in evaluation mode."""
        rows, judged = self.task.rows[part], self.judged
        judged.eval()
        with no_grad():
            blocks = [rows[start : start + EVALUATION_ROWS] for start in range(0, len(rows), EVALUATION_ROWS)]
            outputs = np.concatenate([judged(self.inputs(block)) for block in blocks])
            target = backend.to_device(self.task.targets_as(self._dtype.name)[rows], self.device)
            loss = self.criterion(outputs, target)
        return Evaluation(float(loss), backend.to_host(outputs))

    def inputs(self, rows: Array) -> Array:
        """Some rows as the network takes them."""
        return self._batch(rows)[0]

    def penalty(self) -> float:
        """The value of the penalty now; 0 without one."""
        return 0.0 if self._penalty is None else float(self._penalty(self.model))

    def gradients(self) -> dict[str, Array | None]:
        """Gradients of the last step, as copies on the host."""
        return {
            name: None if parameter.grad is None else np.array(backend.to_host(parameter.grad))
            for name, parameter in self.model.named_parameters()
        }

    def state_dict(self, *, judged: bool = False) -> dict[str, Array]:
        """Weights and buffers, as copies on the host."""
        state = (self.judged if judged else self.model).state_dict()
        return {name: np.array(backend.to_host(array)) for name, array in state.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put weights and buffers back, in place."""
        self.model.load_state_dict(state_dict)
        if self.judged is not self.model:
            self.judged.load_state_dict(state_dict)

    def training_state(self) -> dict[str, Any]:
        """Weights, optimizer, schedule and average; on a CPU the arrays are the very ones that train."""
        optimizer = self.optimizer.state_dict()
        # The numbers as they are: state_dict() rounds them as PyTorch does, a count of steps beyond 2**24.
        exact = self.optimizer.state.values()
        optimizer["state"] = dict(zip(optimizer["state"], exact, strict=True))
        return {
            "model": _on_host(self.model.state_dict()),
            "optimizer": _on_host(optimizer),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            **({} if self.averaging is None else {"averaging": _on_host(self.averaging.state_dict())}),
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Go on from them."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if self.averaging is not None:
            self.averaging.load_state_dict(state["averaging"])

    def _batch(self, rows: Array, *, training: bool = False) -> tuple[Array, Array]:
        """Inputs and targets of some rows, on the device and in the dtype of the model."""
        x, target = self._data.batch(rows)
        x = self.task.prepare(x, training=training)
        return x.astype(self._dtype, copy=False), target


def _on_host(state: Any) -> Any:
    """A tree of state with its arrays on the host."""
    if isinstance(state, Mapping):
        return {key: _on_host(value) for key, value in state.items()}
    return backend.to_host(state) if backend.is_array(state) else state

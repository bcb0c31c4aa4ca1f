"""The training loop's operations in PyTorch, for the trainer that drives npnet's own engine as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from npnet.backend import Array
from npnet.random import stream
from npnet.training.engine import Engine, Evaluation, Step
from npnet.training.numpy_engine import EVALUATION_ROWS
from npnet.training.task import Task
from torchref import penalties
from torchref.convert import to_torch
from torchref.state import to_arrays, to_tensors, to_views

__all__ = ["TorchEngine"]

FUSED = ("Adam", "AdamW", "SGD")
"""Optimizers whose whole step PyTorch does in one kernel on the CPU."""


class TorchEngine(Engine):
    """PyTorch at its best on a CPU: fused optimizers, data in memory, no loader.

    It starts from the task's weights and walks the task's batches, so that only the library differs from
    npnet's engine.  Masks are drawn by PyTorch's own generator, seeded from the stream ``dropout``; given
    npnet's masks, or a generator in the state that npnet's found, both libraries drop the same elements.

    Parameters
    ----------
    task : Task
        What to train, on what; its model is converted and left as it is.
    masks : npnet.random.ReplayGenerator or Generator, keyword-only, optional
        Where masks come from instead.

    Examples
    --------
    >>> from npnet.training import load_recipe
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 1])
    >>> rows = {"train": np.arange(4), "validation": np.arange(2), "test": np.arange(0)}
    >>> recipe = load_recipe("digits", ["scheduler=none"])
    >>> engine = TorchEngine(Task(recipe, recipe.model.build(4, 3), x, y, rows))
    >>> step = engine.train_batch(np.array([0, 2]))
    >>> step.loss > 0, engine.evaluate("validation").outputs.shape
    (True, (2, 3))
    """

    name = "torch"
    device = "cpu"

    def __init__(self, task: Task, *, masks: Any = None) -> None:
        super().__init__(task)
        recipe = task.recipe
        self._dtype: torch.dtype = getattr(torch, recipe.training.dtype)
        # Features are converted once; images stay bytes until they are transformed, a batch at a time.
        images = task.transform is not None
        self._inputs = task.inputs if images else task.inputs.astype(recipe.training.dtype)
        self.model = to_torch(task.model, masks=masks).to(self._dtype)
        if masks is None:
            torch.manual_seed(stream("dropout").random_())
        self._targets = task.targets_as(recipe.training.dtype)
        self.criterion = to_torch(task.objective.criterion(recipe)).to(self._dtype)
        kind, options = recipe.optimizer.kind, dict(recipe.optimizer.options)
        if kind in FUSED:
            options["fused"] = True
        self.optimizer = getattr(optim, kind)(self.model.parameters(), **options)
        self.schedule = self.make_schedule(optim.lr_scheduler)
        self.averaging = self.make_averaging(optim.swa_utils)
        chosen = recipe.regularization.penalty
        self._penalty = None if chosen is None else getattr(penalties, chosen.kind)(**chosen.options)
        self._penalized = [] if self._penalty is None else self._penalty.select(self.model)

    @classmethod
    def replaying(cls, task: Task) -> TorchEngine:
        """An engine whose masks come from the stream ``dropout``, as those of npnet's layers do."""
        return cls(task, masks=stream("dropout"))

    def train_batch(self, rows: Array) -> Step:
        """Take one step on these rows."""
        if not self.model.training:  # a walk over all modules, which PyTorch would make at every step
            self.model.train()
        x, target = self._batch(rows, training=True)
        self.optimizer.zero_grad()
        outputs = self.model(x)
        loss = self.criterion(outputs, target)
        total = loss if self._penalty is None else loss + self._penalty.value(self._penalized)
        total.backward()
        self._clip()
        self.optimizer.step()
        self.after_batch()
        return Step(loss.item(), self.task.objective.tally(outputs.detach().numpy(), target.numpy()))

    def _clip(self) -> None:
        settings = self.task.recipe.regularization
        if settings.clip_grad_norm is not None:
            clip_grad_norm_(self.model.parameters(), settings.clip_grad_norm)
        if settings.clip_grad_value is not None:
            clip_grad_value_(self.model.parameters(), settings.clip_grad_value)

    @torch.inference_mode()
    def evaluate(self, part: str) -> Evaluation:
        """Look at a part in evaluation mode."""
        rows, judged = self.task.rows[part], self.judged
        judged.eval()
        blocks = [rows[start : start + EVALUATION_ROWS] for start in range(0, len(rows), EVALUATION_ROWS)]
        outputs = torch.cat([judged(self.inputs(block)) for block in blocks])
        loss = self.criterion(outputs, self._target(rows))
        return Evaluation(loss.item(), outputs.numpy())

    def inputs(self, rows: Array) -> Tensor:
        """Some rows as the network takes them."""
        return self._batch(rows)[0]

    @torch.inference_mode()
    def penalty(self) -> float:
        """The value of the penalty now; 0 without one."""
        return 0.0 if self._penalty is None else self._penalty.value(self._penalized).item()

    def gradients(self) -> dict[str, Array | None]:
        """Gradients of the last step, as copies on the host."""
        return {
            name: None if parameter.grad is None else parameter.grad.numpy().copy()
            for name, parameter in self.model.named_parameters()
        }

    def state_dict(self, *, judged: bool = False) -> dict[str, Array]:
        """Weights and buffers, as copies on the host."""
        state: dict[str, Array] = to_arrays((self.judged if judged else self.model).state_dict())
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put weights and buffers back, in place."""
        self.model.load_state_dict(to_tensors(state_dict))
        if self.judged is not self.model:
            self.judged.load_state_dict(to_tensors(state_dict))

    def training_state(self) -> dict[str, Any]:
        """Weights, optimizer, schedule, average, and where PyTorch's generator stands, which drops."""
        return {
            "model": to_views(self.model.state_dict()),
            "optimizer": to_views(self.optimizer.state_dict()),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "generator": torch.get_rng_state().numpy(),
            **({} if self.averaging is None else {"averaging": to_views(self.averaging.state_dict())}),
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Go on from them."""
        self.model.load_state_dict(to_tensors(state["model"]))
        self.optimizer.load_state_dict(to_tensors(state["optimizer"]))
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if self.averaging is not None:
            self.averaging.load_state_dict(to_tensors(state["averaging"]))
        self.optimizer._opt_called = True  # else the schedule warns that it steps before the optimizer
        torch.set_rng_state(torch.from_numpy(state["generator"].copy()))

    def _batch(self, rows: Array, *, training: bool = False) -> tuple[Tensor, Tensor]:
        """Inputs and targets of some rows, in the dtype of the model."""
        # numpy.take gathers rows faster than index_select does, and from_numpy copies nothing.
        x = self.task.prepare(np.take(self._inputs, rows, axis=0), training=training)
        return torch.from_numpy(x).to(self._dtype), self._target(rows)

    def _target(self, rows: Array) -> Tensor:
        return torch.from_numpy(np.take(self._targets, rows, axis=0))

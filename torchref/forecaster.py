"""The forecaster in PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Forecaster"]


class Forecaster(nn.Module):
    """A recurrent layer whose last step makes the forecast; see :class:`npnet.training.Forecaster`.

    Parameters
    ----------
    recurrent : torch.nn.RNN, LSTM or GRU
        With the batch first, in one direction.
    head : torch.nn.Linear
    bptt : int, optional
        Steps that the gradient goes back through; None for all.

    Examples
    --------
    >>> model = Forecaster(nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 1), bptt=5)
    >>> x = torch.ones(3, 12, 1, requires_grad=True)
    >>> model(x).sum().backward()
    >>> torch.nonzero(x.grad[0, :, 0]).flatten().tolist()
    [7, 8, 9, 10, 11]
    """

    def __init__(self, recurrent: nn.RNNBase, head: nn.Linear, bptt: int | None = None) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.head = head
        self.bptt = bptt

    def forward(self, x: Tensor) -> Tensor:
        """Forecast from windows."""
        steps = x.shape[1]
        chunk = steps if self.bptt is None else self.bptt
        early = max(steps - chunk, 0)
        state: Any = None
        with torch.no_grad():
            for start in range(0, early, chunk):
                _, state = self.recurrent(x[:, start : min(start + chunk, early)], state)
        output, _ = self.recurrent(x[:, early:], state)
        forecast: Tensor = self.head(output[:, -1])
        return forecast

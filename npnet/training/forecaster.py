"""A recurrent layer whose last step makes the forecast."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet import nn
from npnet.backend import Array
from npnet.errors import ShapeError
from npnet.nn.context import no_grad

__all__ = ["Forecaster"]


class Forecaster(nn.Module):
    r"""Read a window step by step, and say from the last state what comes next: :math:`y = W h_T + b`.

    Truncated back-propagation through time, with `bptt` :math:`= n`: the window is walked in chunks, the last
    one of :math:`n` steps.  Each chunk starts from the state that the one before it ended with, without its
    gradient, so that the gradient goes back through the last :math:`n` steps alone,

    .. math::
        \frac{\partial L}{\partial \theta} \approx \sum_{t = T - n + 1}^{T}
        \frac{\partial L}{\partial h_T} \frac{\partial h_T}{\partial h_t}
        \frac{\partial^+ h_t}{\partial \theta}

    (:math:`\partial^+` is the derivative at step :math:`t` alone, with :math:`h_{t-1}` held).  The values are
    those without truncation; with :math:`n \ge T` the gradient is too.

    Parameters
    ----------
    recurrent : RNN, LSTM or GRU
        With the batch first, in one direction.
    head : Linear
        From its state to the forecast.
    bptt : int, optional
        Steps that the gradient goes back through; None for all.

    Shape
    -----
    Input ``(B, T, features)``, output ``(B, outputs)``.

    Raises
    ------
    ShapeError
        If the input has not three axes.

    Examples
    --------
    >>> model = Forecaster(nn.GRU(1, 4, batch_first=True), nn.Linear(4, 1), bptt=5)
    >>> model(np.ones((3, 12, 1), np.float32)).shape
    (3, 1)
    >>> gradient = model.backward(np.ones((3, 1), np.float32))
    >>> np.flatnonzero(gradient[0, :, 0]).tolist()
    [7, 8, 9, 10, 11]

    References
    ----------
    Williams, Peng, "An efficient gradient-based algorithm for on-line training of recurrent network
    trajectories", Neural Computation 2 (1990).
    """

    def __init__(
        self, recurrent: nn.RNN | nn.LSTM | nn.GRU, head: nn.Linear, bptt: int | None = None
    ) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.head = head
        self.bptt = bptt

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Forecast from windows."""
        if input.ndim != 3:
            raise ShapeError(f"Forecaster takes windows of shape (B, T, features), got {input.shape}")
        steps = input.shape[1]
        chunk = steps if self.bptt is None else self.bptt
        early, state = max(steps - chunk, 0), None
        with no_grad():
            for start in range(0, early, chunk):
                _, state = self.recurrent(input[:, start : min(start + chunk, early)], state)
        output, _ = self.recurrent(input[:, early:], state)
        self.save(input.shape, output.shape)
        return self.head(output[:, -1])

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Back through the head, then through the steps of the last chunk."""
        shape, output_shape = self.saved()
        by_last: Any = self.head.backward(grad_output)
        by_output = np.zeros(output_shape, dtype=by_last.dtype, like=by_last)
        by_output[:, -1] = by_last
        found = self.recurrent.backward(by_output, input_grad=input_grad)
        truncated = output_shape[1] < shape[1]
        by_chunk = found[0] if truncated else found  # the gradient by the state is where it is cut
        if not input_grad or not truncated:
            return by_chunk
        by_input = np.zeros(shape, dtype=by_chunk.dtype, like=by_chunk)
        by_input[:, shape[1] - output_shape[1] :] = by_chunk
        return by_input

    def extra_repr(self) -> str:
        """The truncation."""
        return "" if self.bptt is None else f"bptt={self.bptt}"

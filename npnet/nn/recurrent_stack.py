r"""Recurrences stacked in layers and directions: what :class:`RNN`, :class:`LSTM` and :class:`GRU` share.

``output, state = layer(input, state)`` as in PyTorch, and backward is its mirror:
``layer.backward(grad_output, grad_state)`` takes the gradients by both (either may be None) and returns
the gradients by what forward was given: by the input alone, or by the input and the initial states.

A state is a plain array; nothing hangs on it.  Fed into the next call it carries the past on without its
gradient, which is truncated back-propagation through time.
"""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any, ClassVar

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, ArgumentTypeError, BackwardError, DtypeError, NpnetError, ShapeError
from npnet.nn import init
from npnet.nn.context import thread
from npnet.nn.dropout import drawn_mask, factors
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.nn.recurrence import Gradients, Kept, over_time
from npnet.nn.sums import column_sums

__all__ = ["RecurrentStack", "States"]

States = tuple[Array, ...]
Weights = list["Parameter | None"]


class RecurrentStack(Module):
    """Layers upon layers, each in one direction or both.

    A subclass says how many blocks its gates have and which states it carries, and runs one direction of one
    layer by the formulas of :mod:`npnet.nn.recurrence`.  Inside, sequences lie ``(T, features, B)`` and
    states ``(layers x directions, H, B)``.
    """

    blocks: ClassVar[int]
    kinds: ClassVar[tuple[str, ...]] = ("h",)
    weight_ih_l0: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: str | None,
        dtype: DTypeLike | None,
        generator: Any,
    ) -> None:
        super().__init__()
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        self._check_arguments(sizes, {"bias": bias, "batch_first": batch_first}, dropout)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bool(bidirectional)
        self.dropout = float(dropout)
        self.generator = generator
        kind, rows = backend.floating_dtype(dtype), self.blocks * hidden_size
        for number in range(num_layers * self.directions):
            width = input_size if number < self.directions else hidden_size * self.directions
            shapes: list[tuple[int, ...]] = [(rows, width), (rows, hidden_size), (rows,), (rows,)]
            for name, shape in zip(self._names(number), shapes, strict=False):
                setattr(self, name, Parameter(np.empty(shape, kind)))
        self.reset_parameters(generator=generator)
        self.to(device)

    def _check_arguments(self, sizes: dict[str, int], flags: dict[str, bool], dropout: float) -> None:
        name = type(self).__name__
        for argument, size in sizes.items():
            if not isinstance(size, numbers.Integral):
                raise ArgumentTypeError(f"{name}: {argument} must be an integer, got {size!r}")
            if size <= 0:
                raise ArgumentError(f"{name}: {argument} must be greater than zero, got {size}")
        for argument, flag in flags.items():
            if not isinstance(flag, bool):
                raise ArgumentTypeError(f"{name}: {argument} must be True or False, got {flag!r}")
        if isinstance(dropout, bool) or not isinstance(dropout, numbers.Real) or not 0 <= dropout <= 1:
            raise ArgumentError(f"{name}: dropout must be a probability between 0 and 1, got {dropout!r}")
        if dropout > 0 and sizes["num_layers"] == 1:
            warnings.warn(
                f"{name}: dropout={dropout} acts between layers, and num_layers=1 leaves nothing between; "
                "use more layers, or nn.Dropout after this one",
                stacklevel=4,
            )

    @property
    def directions(self) -> int:
        """2 where bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def _names(self, number: int) -> list[str]:
        """Names of the weights of one direction of one layer, in order of declaration."""
        layer, backwards = divmod(number, self.directions)
        kinds = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else [])]
        return [f"{kind}_l{layer}{'_reverse' if backwards else ''}" for kind in kinds]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each direction of each layer."""
        return [
            [getattr(self, name) for name in self._names(number)]
            for number in range(self.num_layers * self.directions)
        ]

    def reset_parameters(self, *, generator: object = None) -> None:
        r"""Draw every weight anew from :math:`U(-1/\sqrt H, 1/\sqrt H)`, in order of declaration."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound, generator=generator)

    def flatten_parameters(self) -> None:
        """Do nothing: in PyTorch it lays weights out for cuDNN."""

    # ------------------------------------------------------------------ one direction of one layer

    def _run(self, x: Array, states: States, weights: list[Array | None]) -> tuple[States, Kept]:
        """The states after every step, kind by kind, the initial one in front; and what `_back` needs."""
        raise NotImplementedError

    def _back(self, g: Array, g_states: States, kept: Kept, weight_hh: Array) -> Gradients:
        """The gradients by the arguments of the gates, and by the initial states."""
        raise NotImplementedError

    # ------------------------------------------------------------------ forward

    def forward(self, input: Array, hx: Any = None) -> tuple[Array, Any]:  # noqa: A002 (PyTorch's name)
        """Run over a sequence.

        Parameters
        ----------
        input : ndarray
            ``(T, B, input_size)``, ``(B, T, input_size)`` with ``batch_first``, or ``(T, input_size)``.
        hx : ndarray, or a pair of them for an LSTM, optional
            Initial states ``(layers x directions, B, H)``, or ``(layers x directions, H)`` for one sequence
            without a batch; zeros where None.

        Returns
        -------
        output : ndarray
            The last layer's states after every step, both directions side by side.
        state : as `hx`
            The final states of every layer and direction.
        """
        self._check(input)
        batched = input.ndim == 3
        x = self._inward(input, batched)
        initial = self._initial(hx, x, batched)
        finals = tuple(np.empty_like(state) for state in initial)
        layers = []
        for first in range(0, len(initial[0]), self.directions):
            outputs, passes = [], []
            for number in range(first, first + self.directions):
                source = x[::-1] if number > first else x
                weights = [None if w is None else w.data for w in self._weights(number)]
                states, kept = self._run(source, tuple(state[number] for state in initial), weights)
                for final, state in zip(finals, states, strict=True):
                    final[number] = state[-1]
                outputs.append(states[0][:0:-1] if number > first else states[0][1:])
                passes.append((source, states[0], kept))
            x = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)
            factor = None
            if self.training and self.dropout > 0 and first + self.directions < len(initial[0]):
                factor = factors(self._mask(x), self.dropout, x)
                x = x * factor
            layers.append((passes, factor))
        output = self._outward(x, batched)
        self.save(input.shape, output.shape, hx is not None, layers)
        final_states = tuple(self._state_outward(final, batched) for final in finals)
        return output, final_states if len(final_states) > 1 else final_states[0]

    def _mask(self, x: Array) -> Array:
        """A mask drawn in PyTorch's order of the elements, ``(T, B, features)``."""
        steps, features, batch = x.shape
        return np.swapaxes(drawn_mask(self.dropout, (steps, batch, features), x, self.generator), 1, 2)

    def _check(self, x: Array) -> None:
        self.check_input(x, (2, 3), like=self.weight_ih_l0.data)
        name = type(self).__name__
        if x.shape[-1] != self.input_size:
            raise ShapeError(f"{name} takes input of shape (..., {self.input_size}), got {x.shape}")
        if x.shape[1 if self.batch_first and x.ndim == 3 else 0] == 0:
            raise ShapeError(f"{name} takes a sequence of at least one step, got shape {x.shape}")

    def _initial(self, hx: Any, x: Array, batched: bool) -> States:
        shape = (self.num_layers * self.directions, self.hidden_size, x.shape[-1])
        if hx is None:
            return tuple(np.zeros(shape, dtype=x.dtype, like=x) for _ in self.kinds)
        states = self._states_of(hx, "initial states", "_0")
        for kind, state in zip(self.kinds, states, strict=True):
            self._check_state(state, f"the initial state {kind}_0", shape, batched)
            self.check_input(state, like=x)
        return tuple(self._state_inward(state, batched) for state in states)

    def _states_of(self, given: Any, what: str, suffix: str) -> States:
        """The states as a tuple, one a kind."""
        if len(self.kinds) == 1:
            return (given,)
        if isinstance(given, (tuple, list)) and len(given) == len(self.kinds):
            return tuple(given)
        pair = ", ".join(kind + suffix for kind in self.kinds)
        size = f" of {len(given)}" if isinstance(given, (tuple, list)) else ""
        raise ArgumentTypeError(
            f"{type(self).__name__} takes its {what} as ({pair}), got {type(given).__name__}{size}"
        )

    def _check_state(self, state: Any, what: str, inner: tuple[int, int, int], batched: bool) -> None:
        if not backend.is_array(state):
            raise DtypeError(f"{type(self).__name__} takes {what} as an array, got {type(state).__name__}")
        number, size, batch = inner
        shape = (number, batch, size) if batched else (number, size)
        if state.shape != shape:
            raise ShapeError(f"{type(self).__name__} takes {what} of shape {shape}, got {state.shape}")

    def _weights(self, number: int) -> Weights:
        """Weight by the input, weight by the state, and the two biases or None."""
        weights: Weights = [getattr(self, name) for name in self._names(number)]
        return weights if self.bias else [*weights, None, None]

    # ------------------------------------------------------------------ backward

    def backward(self, grad_output: Any, grad_state: Any = None, *, input_grad: bool = True) -> Any:
        r"""Go back through time: the mirror of forward.

        Parameters
        ----------
        grad_output : ndarray or None
            :math:`\partial L / \partial` output; None where the loss looks at the final states alone.  A
            pair is taken for both gradients, as a container hands them on.
        grad_state : as the state that forward returned, optional
            :math:`\partial L / \partial` final states; None where the loss does not look at them, for
            an LSTM also one of the two.
        input_grad : bool, keyword-only, default True
            If False, skip what only the gradient by the input needs, and give None for it.

        Returns
        -------
        ndarray or None, or a pair
            The gradient by the input where forward was called without initial states, else that and the
            gradient by the initial states, in their form.
        """
        if isinstance(grad_output, tuple):
            grad_output, grad_state = grad_output
        input_shape, output_shape, given_states, layers = self.saved()
        batched = len(input_shape) == 3
        _, states, _ = layers[0][0][0]
        try:
            g, g_states = self._gradients(grad_output, grad_state, output_shape, states, batched)
        except NpnetError:
            thread.state.put_back()
            raise
        thread.state.taken.clear()
        for level in reversed(range(len(layers))):
            passes, factor = layers[level]
            if factor is not None:
                g = g * factor
            downward: Array | None = None
            for side, (source, states, kept) in enumerate(passes):
                number = level * self.directions + side
                weights = self._weights(number)
                weight_ih, weight_hh = (w.data for w in weights[:2] if w is not None)
                part = g[:, side * self.hidden_size : (side + 1) * self.hidden_size]
                final = tuple(state[number] for state in g_states)
                by_x, by_h, first = self._back(part[::-1] if side else part, final, kept, weight_hh)
                for state, value in zip(g_states, first, strict=True):
                    state[number] = value
                self._accumulate(weights, by_x, by_h, source, states)
                if level > 0 or input_grad:
                    dx = np.matmul(weight_ih.T, by_x)  # dL/dx_t = W_ih^T da_t
                    downward = dx if downward is None else downward + dx[::-1]
            g = downward
        grad_input = self._outward(g, batched) if input_grad else None
        if not given_states:
            return grad_input
        by_state = tuple(self._state_outward(state, batched) for state in g_states)
        return grad_input, by_state if len(by_state) > 1 else by_state[0]

    def _gradients(
        self, grad_output: Any, grad_state: Any, output_shape: tuple[int, ...], states: Array, batched: bool
    ) -> tuple[Any, States]:
        """Both gradients as they lie inside; zeros for what was not given."""
        if grad_output is None and grad_state is None:
            raise BackwardError(
                f"{type(self).__name__}.backward takes the gradient by the output, by the final states or "
                "both; got neither"
            )
        steps, (size, batch) = len(states) - 1, states.shape[1:]
        shape = (self.num_layers * self.directions, size, batch)
        given: Any = [None] * len(self.kinds)
        if grad_state is not None:
            given = self._states_of(grad_state, "gradients by the final states", "_n")
        found = []
        for kind, gradient in zip(self.kinds, given, strict=True):
            found.append(np.zeros(shape, dtype=states.dtype, like=states))
            if gradient is not None:
                self._check_state(gradient, f"the gradient by the final state {kind}_n", shape, batched)
                found[-1] += self._state_inward(gradient, batched)
        if grad_output is None:
            g = np.zeros((steps, size * self.directions, batch), dtype=states.dtype, like=states)
            return g, tuple(found)
        self.check_grad(grad_output, output_shape)
        return self._inward(grad_output, batched), tuple(found)

    def _accumulate(self, weights: Weights, by_x: Array, by_h: Array, source: Array, states: Array) -> None:
        """Add the sums over all steps to the gradients, each as one matrix product."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        if not any(weight is not None and weight.requires_grad for weight in weights):
            return
        rows_x = over_time(by_x)
        rows_h = rows_x if by_h is by_x else over_time(by_h)
        assert weight_ih is not None
        assert weight_hh is not None
        weight_ih.accumulate(np.matmul, rows_x, over_time(source).T)  # dL/dW_ih = sum_t da_t x_t^T
        weight_hh.accumulate(np.matmul, rows_h, over_time(states[:-1]).T)  # sum_t da^h_t h_{t-1}^T
        if bias_ih is not None and bias_hh is not None:
            bias_ih.accumulate(column_sums, rows_x.T)  # dL/db = sum_t da_t
            bias_hh.accumulate(column_sums, rows_h.T)

    # ------------------------------------------------------------------ how arrays lie

    def _inward(self, x: Array, batched: bool) -> Array:
        """A sequence as ``(T, features, B)``."""
        if not batched:
            return x[:, :, None]
        return np.transpose(x, (1, 2, 0)) if self.batch_first else np.swapaxes(x, 1, 2)

    def _outward(self, x: Array, batched: bool) -> Array:
        """A copy as the user sees it."""
        if not batched:
            return x[:, :, 0].copy()
        return (np.transpose(x, (2, 0, 1)) if self.batch_first else np.swapaxes(x, 1, 2)).copy()

    @staticmethod
    def _state_inward(state: Array, batched: bool) -> Array:
        return np.swapaxes(state, 1, 2) if batched else state[:, :, None]

    @staticmethod
    def _state_outward(state: Array, batched: bool) -> Array:
        return (np.swapaxes(state, 1, 2) if batched else state[:, :, 0]).copy()

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        given = {name: getattr(self, name) for name in defaults}
        shown = [f"{name}={value}" for name, value in given.items() if value != defaults[name]]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *shown])

r"""Recurrent layers: a sequence in; the last layer's state after every step, and all final states, out.

:class:`~npnet.nn.recurrent_stack.RecurrentStack` stacks layers and directions; the formulas and their
derivations stand in :mod:`npnet.nn.recurrence`.
"""

from __future__ import annotations

from typing import Any

from npnet.backend import Array, DTypeLike
from npnet.errors import ArgumentError, UnsupportedError
from npnet.nn import recurrence
from npnet.nn.recurrence import Gradients, Kept
from npnet.nn.recurrent_stack import RecurrentStack, States

__all__ = ["GRU", "LSTM", "RNN"]


class RNN(RecurrentStack):
    r"""Elman's recurrent network :math:`h_t = \phi(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})`.

    Backward goes through time from the last step to the first.  With :math:`g_t` the gradient by the output
    of step :math:`t` and :math:`\bar a_t` that by the argument of :math:`\phi`,

    .. math::
        \bar h_t = g_t + W_{hh}^\top \bar a_{t+1}, \qquad
        \bar a_t = \bar h_t \odot \phi'(a_t), \qquad
        \bar x_t = W_{ih}^\top \bar a_t

        \bar W_{ih} = \sum_t \bar a_t x_t^\top, \qquad
        \bar W_{hh} = \sum_t \bar a_t h_{t-1}^\top, \qquad
        \bar b_{ih} = \bar b_{hh} = \sum_t \bar a_t

    starting from the gradient by the final state in place of :math:`W_{hh}^\top \bar a_{T+1}`;
    :math:`W_{hh}^\top \bar a_1` is the gradient by the initial state.  :math:`\bar a` is multiplied by
    :math:`W_{hh}^\top` once a step, which is why it vanishes or explodes over long sequences.

    Parameters
    ----------
    input_size, hidden_size : int
        Features of the input, and of the state.
    num_layers : int, default 1
        Each layer runs over the states of the one below.
    nonlinearity : {"tanh", "relu"}, default "tanh"
    bias : bool, default True
        Learn both biases.
    batch_first : bool, default False
        Sequences are ``(B, T, features)``; states are not affected.
    dropout : float, default 0
        Probability of zero between layers while training.
    bidirectional : bool, default False
        A second direction runs from the last step to the first; outputs stand side by side.
    device, dtype : optional
        Where and as what the parameters are made.
    generator : npnet.random.Generator, keyword-only, optional
        Draws initial values and dropout's masks; the streams ``init`` and ``dropout`` where it is None.

    Shape
    -----
    Input ``(T, B, input_size)``, output ``(T, B, D H)`` with ``D`` directions, states ``(L D, B, H)``;
    without the axis ``B`` for one sequence.  Parameters ``weight_ih_l0`` ``(H, input_size)``,
    ``weight_hh_l0`` ``(H, H)``, ``bias_ih_l0``, ``bias_hh_l0``, and so on for ``_l1`` and ``_l0_reverse``.

    Raises
    ------
    ArgumentError
        If a size is not positive, dropout no probability, or the nonlinearity not known.
    ShapeError
        If input or state have the wrong shape, or the sequence has no step.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> layer = nn.RNN(3, 4, dtype="float64")
    >>> output, h_n = layer(np.ones((5, 2, 3)))
    >>> output.shape, h_n.shape, bool((output[-1] == h_n[0]).all())
    ((5, 2, 4), (1, 2, 4), True)
    >>> layer.backward(np.ones((5, 2, 4)), np.ones((1, 2, 4))).shape
    (5, 2, 3)

    Initial states get a gradient too; here the loss looks at the final state alone.

    >>> output, h_n = layer(np.ones((5, 2, 3)), np.zeros((1, 2, 4)))
    >>> grad_input, grad_h_0 = layer.backward(None, np.ones((1, 2, 4)))
    >>> grad_input.shape, grad_h_0.shape
    ((5, 2, 3), (1, 2, 4))

    References
    ----------
    Elman, "Finding structure in time", Cognitive Science 14 (1990); Werbos, "Backpropagation through time:
    what it does and how to do it", Proc. IEEE 78 (1990).
    """

    blocks = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        generator: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            generator,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def _run(self, x: Array, states: States, weights: list[Any]) -> tuple[States, Kept]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        a = recurrence.projected(x, weight_ih, bias_ih, bias_hh)
        hs, kept = recurrence.rnn(a, states[0], weight_hh, self.nonlinearity)
        return (hs,), kept

    def _back(self, g: Array, g_states: States, kept: Kept, weight_hh: Array) -> Gradients:
        return recurrence.rnn_backward(g, g_states[0], kept, weight_hh, self.nonlinearity)


class LSTM(RecurrentStack):
    r"""Long short-term memory: a cell :math:`c` that gates write, keep and read.

    .. math::
        i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi}) \\
        f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}) \\
        \tilde c_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg}) \\
        o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho}) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot \tilde c_t, \qquad h_t = o_t \odot \tanh c_t

    Backward, with :math:`g_t` the gradient by the output of step :math:`t`, from the last step to the first:

    .. math::
        \bar h_t &= g_t + W_{hh}^\top \bar a_{t+1}, \qquad
        \bar c_t = f_{t+1} \odot \bar c_{t+1} + \bar h_t \odot o_t \odot (1 - \tanh^2 c_t) \\
        \bar a^i_t &= \bar c_t \odot \tilde c_t \odot i_t (1 - i_t), \qquad
        \bar a^f_t = \bar c_t \odot c_{t-1} \odot f_t (1 - f_t) \\
        \bar a^g_t &= \bar c_t \odot i_t \odot (1 - \tilde c_t^2), \qquad
        \bar a^o_t = \bar h_t \odot \tanh c_t \odot o_t (1 - o_t)

    and the sums over time of :class:`RNN` for the weights.  The gradients by the final states stand in for
    what comes from step :math:`T + 1`.  Along the cell a gradient is multiplied by :math:`f` alone, so it
    lives as long as the cell is kept.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        As of :class:`RNN`.
    proj_size : int
        Only 0 is supported.
    generator : npnet.random.Generator, keyword-only, optional
        As of :class:`RNN`.

    Shape
    -----
    As :class:`RNN`, but the state is the pair ``(h, c)``, and parameters have ``4 H`` rows in the order
    :math:`i, f, \tilde c, o`.

    Raises
    ------
    UnsupportedError
        With ``proj_size``.
    ArgumentError, ShapeError
        As :class:`RNN`.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> layer = nn.LSTM(3, 4, num_layers=2, dtype="float64")
    >>> output, (h_n, c_n) = layer(np.ones((5, 2, 3)))
    >>> output.shape, h_n.shape, c_n.shape
    ((5, 2, 4), (2, 2, 4), (2, 2, 4))
    >>> layer.backward(np.ones((5, 2, 4))).shape
    (5, 2, 3)

    The next chunk of the sequence goes on from the state, without its gradient.

    >>> output, state = layer(np.ones((5, 2, 3)), (h_n, c_n))
    >>> grad_input, (grad_h, grad_c) = layer.backward(np.ones((5, 2, 4)))

    References
    ----------
    Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); the forget gate is by
    Gers, Schmidhuber, Cummins, "Learning to forget", Neural Computation 12 (2000).
    """

    blocks = 4
    kinds = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        generator: Any = None,
    ) -> None:
        if proj_size != 0:
            raise UnsupportedError(
                f"LSTM: proj_size={proj_size!r} is not supported; leave it out, and put a Linear behind"
            )
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            generator,
        )  # fmt: skip
        self.proj_size = proj_size

    def _run(self, x: Array, states: States, weights: list[Any]) -> tuple[States, Kept]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        a = recurrence.projected(x, weight_ih, bias_ih, bias_hh)
        h, c = states
        hs, cs, kept = recurrence.lstm(a, h, c, weight_hh)
        return (hs, cs), kept

    def _back(self, g: Array, g_states: States, kept: Kept, weight_hh: Array) -> Gradients:
        g_h, g_c = g_states
        return recurrence.lstm_backward(g, g_h, g_c, kept, weight_hh)


class GRU(RecurrentStack):
    r"""Gated recurrent unit: a state that gates reset and update.

    .. math::
        r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
        z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
        q_t &= W_{hn} h_{t-1} + b_{hn}, \qquad n_t = \tanh(W_{in} x_t + b_{in} + r_t \odot q_t) \\
        h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

    Backward, with :math:`g_t` the gradient by the output of step :math:`t`, from the last step to the first:

    .. math::
        \bar h_t &= g_t + z_{t+1} \odot \bar h_{t+1} + W_{hr}^\top \bar a^r_{t+1}
            + W_{hz}^\top \bar a^z_{t+1} + W_{hn}^\top \bar q_{t+1} \\
        \bar a^n_t &= \bar h_t \odot (1 - z_t) \odot (1 - n_t^2), \qquad
        \bar q_t = \bar a^n_t \odot r_t \\
        \bar a^r_t &= \bar a^n_t \odot q_t \odot r_t (1 - r_t), \qquad
        \bar a^z_t = \bar h_t \odot (h_{t-1} - n_t) \odot z_t (1 - z_t)

    and the sums over time of :class:`RNN`, where the weights by the state take :math:`\bar q` in place of
    :math:`\bar a^n`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, generator
        As of :class:`RNN`.

    Shape
    -----
    As :class:`RNN`; parameters have ``3 H`` rows in the order :math:`r, z, n`.

    Raises
    ------
    ArgumentError, ShapeError
        As :class:`RNN`.

    Notes
    -----
    The reset gate multiplies :math:`q_t`, as in PyTorch and cuDNN; in the paper, and in Keras with
    ``reset_after=False``, it multiplies :math:`h_{t-1}` before the product.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> layer = nn.GRU(3, 4, batch_first=True, bidirectional=True, dtype="float64")
    >>> output, h_n = layer(np.ones((2, 5, 3)))
    >>> output.shape, h_n.shape
    ((2, 5, 8), (2, 2, 4))
    >>> layer.backward(np.ones((2, 5, 8))).shape
    (2, 5, 3)

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
    translation", EMNLP 2014.
    """

    blocks = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: DTypeLike | None = None,
        *,
        generator: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype,
            generator,
        )  # fmt: skip

    def _run(self, x: Array, states: States, weights: list[Any]) -> tuple[States, Kept]:
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        a = recurrence.projected(x, weight_ih, bias_ih)
        if bias_hh is None:
            bias_hn = None
        else:  # those of r and z merely add; that of n stands within the product with r
            a[:, : 2 * self.hidden_size] += bias_hh[: 2 * self.hidden_size, None]
            bias_hn = bias_hh[2 * self.hidden_size :]
        hs, kept = recurrence.gru(a, states[0], weight_hh, bias_hn)
        return (hs,), kept

    def _back(self, g: Array, g_states: States, kept: Kept, weight_hh: Array) -> Gradients:
        return recurrence.gru_backward(g, g_states[0], kept, weight_hh)

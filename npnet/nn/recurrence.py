r"""One direction of one recurrent layer: the formulas of :mod:`npnet.nn.recurrent`, forward and backward.

Arrays lie features first: :math:`x` as ``(T, n, B)``, a state as ``(H, B)``, so that a step is
:math:`W h`, each gate a contiguous block, and the product of all steps with :math:`W_{ih}`, which does
not wait for the recursion, one call.  :math:`a_t` are the arguments of the gates, :math:`\bar a_t =
\partial L / \partial a_t`, and so on for other letters; :math:`\odot` is elementwise.

Backward needs :math:`\bar a_t` of every step, and those only the recursion gives; the slopes of the gates do
not wait for it either and are computed for all steps at once.  Then, for any of the recurrences,

.. math::
    \bar W_{ih} = \sum_t \bar a_t x_t^\top, \qquad \bar W_{hh} = \sum_t \bar a_t h_{t-1}^\top, \qquad
    \bar b = \sum_t \bar a_t, \qquad \bar x_t = W_{ih}^\top \bar a_t

where :math:`h_{t-1}` meets the gates by its own arguments, :math:`\bar a^h_t` (the same but in a GRU).

Each function returns the states after every step, the initial one in front, and what its backward needs;
each backward returns :math:`\bar a_t`, :math:`\bar a^h_t` and the gradients by the initial states.
"""

from __future__ import annotations

import numpy as np

from npnet.backend import Array

__all__ = ["gru", "gru_backward", "lstm", "lstm_backward", "over_time", "projected", "rnn", "rnn_backward"]

Kept = tuple[Array, ...]
Gradients = tuple[Array, Array, tuple[Array, ...]]


def projected(x: Array, weight: Array, *biases: Array | None) -> Array:
    """What the inputs bring to the gates, of all steps: :math:`W x_t + b`."""
    a = np.matmul(weight, x)
    for bias in biases:
        if bias is not None:
            a += bias[:, None]
    return a


def over_time(a: Array) -> Array:
    """Rows of features from ``(T, n, B)``: ``(n, T B)``, so that a sum over time is one matrix product."""
    return np.swapaxes(a, 0, 1).reshape(a.shape[1], -1)


def sigmoid_(x: Array) -> None:
    r"""Put :math:`1 / (1 + e^{-x})` in place; where :math:`e^{-x}` overflows it is 0, as it should be.

    Not :func:`npnet.nn.functional.sigmoid`, which takes one element after the other: the steps of a
    recurrence wait for each other, and this costs a third.
    """
    np.negative(x, out=x)
    np.exp(x, out=x)
    np.add(x, 1, out=x)
    np.reciprocal(x, out=x)


def _states(initial: Array, steps: int) -> Array:
    """Room for the state before and after every step."""
    states = np.empty((steps + 1, *initial.shape), dtype=initial.dtype, like=initial)
    states[0] = initial
    return states


def rnn(a: Array, h: Array, weight_hh: Array, nonlinearity: str) -> tuple[Array, Kept]:
    r"""Elman's network, :math:`h_t = \phi(a_t + W_{hh} h_{t-1})`.

    Parameters
    ----------
    a : ndarray, shape (T, H, B)
        From the inputs, both biases included; used up.
    h : ndarray, shape (H, B)
    weight_hh : ndarray, shape (H, H)
    nonlinearity : {"tanh", "relu"}
    """
    hs = _states(h, len(a))
    for t in range(len(a)):
        np.matmul(weight_hh, hs[t], out=hs[t + 1])
        hs[t + 1] += a[t]
        if nonlinearity == "tanh":
            np.tanh(hs[t + 1], out=hs[t + 1])
        else:
            np.maximum(hs[t + 1], 0, out=hs[t + 1])
    return hs, (hs,)


def rnn_backward(g: Array, g_h: Array, kept: Kept, weight_hh: Array, nonlinearity: str) -> Gradients:
    r"""Backward of :func:`rnn`.

    .. math::
        \bar h_t = g_t + W_{hh}^\top \bar a_{t+1}, \qquad \bar a_t = \bar h_t \odot \phi'(a_t), \qquad
        \tanh' = 1 - h_t^2, \qquad \mathrm{relu}' = [h_t > 0]
    """
    (hs,) = kept
    slopes = 1 - hs[1:] * hs[1:] if nonlinearity == "tanh" else (hs[1:] > 0).astype(hs.dtype)
    da, dh = slopes, g_h.copy()
    for t in reversed(range(len(g))):
        dh += g[t]
        np.multiply(slopes[t], dh, out=da[t])
        np.matmul(weight_hh.T, da[t], out=dh)
    return da, da, (dh,)


def lstm(a: Array, h: Array, c: Array, weight_hh: Array) -> tuple[Array, Array, Kept]:
    r"""Long short-term memory, :math:`a_t + W_{hh} h_{t-1}` being the arguments of four blocks.

    .. math::
        i, f, o = \sigma(\cdot), \quad \tilde c = \tanh(\cdot), \qquad
        c_t = f \odot c_{t-1} + i \odot \tilde c, \qquad h_t = o \odot \tanh c_t

    Parameters
    ----------
    a : ndarray, shape (T, 4 H, B)
        From the inputs, both biases included, in PyTorch's order :math:`i, f, \tilde c, o`; used up.
    h, c : ndarray, shape (H, B)
    weight_hh : ndarray, shape (4 H, H)
    """
    steps, size = len(a), len(h)
    gates = a.reshape(steps, 4, *h.shape)
    hs, cs = _states(h, steps), _states(c, steps)
    tanh_c = np.empty_like(hs[1:])
    from_h, product = np.empty_like(a[0]), np.empty_like(h)
    with np.errstate(over="ignore"):
        for t in range(steps):
            np.matmul(weight_hh, hs[t], out=from_h)
            a[t] += from_h
            sigmoid_(a[t, : 2 * size])
            np.tanh(gates[t, 2], out=gates[t, 2])
            sigmoid_(gates[t, 3])
            i, f, candidate, o = gates[t]
            np.multiply(f, cs[t], out=cs[t + 1])
            np.multiply(i, candidate, out=product)
            cs[t + 1] += product
            np.tanh(cs[t + 1], out=tanh_c[t])
            np.multiply(o, tanh_c[t], out=hs[t + 1])
    return hs, cs, (hs, cs, gates, tanh_c)


def lstm_backward(g: Array, g_h: Array, g_c: Array, kept: Kept, weight_hh: Array) -> Gradients:
    r"""Backward of :func:`lstm`.

    .. math::
        \bar h_t = g_t + W_{hh}^\top \bar a_{t+1}, \qquad
        \bar c_t = f_{t+1} \odot \bar c_{t+1} + \bar h_t \odot o (1 - \tanh^2 c_t)

        \bar a_t = \begin{pmatrix}
            \bar c_t \odot \tilde c \, i (1 - i) \\ \bar c_t \odot c_{t-1} \, f (1 - f) \\
            \bar c_t \odot i \, (1 - \tilde c^2) \\ \bar h_t \odot \tanh c_t \, o (1 - o)
        \end{pmatrix}
    """
    _, cs, gates, tanh_c = kept
    i, f, candidate, o = (gates[:, k] for k in range(4))
    slopes = np.empty_like(gates)
    np.multiply(candidate, i * (1 - i), out=slopes[:, 0])
    np.multiply(cs[:-1], f * (1 - f), out=slopes[:, 1])
    np.multiply(i, 1 - candidate * candidate, out=slopes[:, 2])
    np.multiply(tanh_c, o * (1 - o), out=slopes[:, 3])
    to_c = o * (1 - tanh_c * tanh_c)
    # Each step's slopes become its gradient in place.
    da = slopes.reshape(len(gates), 4 * len(g_h), g_h.shape[-1])
    dh, dc, product = g_h.copy(), g_c.copy(), np.empty_like(g_h)
    for t in reversed(range(len(g))):
        dh += g[t]
        np.multiply(dh, to_c[t], out=product)
        dc += product
        np.multiply(slopes[t, :3], dc, out=slopes[t, :3])
        np.multiply(slopes[t, 3], dh, out=slopes[t, 3])
        dc *= f[t]
        np.matmul(weight_hh.T, da[t], out=dh)
    return da, da, (dh, dc)


def gru(a: Array, h: Array, weight_hh: Array, bias_hn: Array | None) -> tuple[Array, Kept]:
    r"""Gated recurrent unit, :math:`a_t` and :math:`W_{hh} h_{t-1}` in three blocks.

    .. math::
        r, z = \sigma(a + W h), \qquad q = W_{hn} h_{t-1} + b_{hn}, \qquad
        n = \tanh(a_n + r \odot q), \qquad h_t = n + z \odot (h_{t-1} - n)

    As in PyTorch (and cuDNN) the reset gate multiplies the product :math:`q`; the paper's multiplies
    :math:`h_{t-1}` before it.

    Parameters
    ----------
    a : ndarray, shape (T, 3 H, B)
        From the inputs, with every bias but :math:`b_{hn}`, in PyTorch's order :math:`r, z, n`; used up.
    h : ndarray, shape (H, B)
    weight_hh : ndarray, shape (3 H, H)
    bias_hn : ndarray, shape (H,), optional
    """
    steps, size = len(a), len(h)
    gates = a.reshape(steps, 3, *h.shape)
    hs, qs = _states(h, steps), np.empty_like(gates[:, 2])
    from_h, product = np.empty_like(a[0]), np.empty_like(h)
    bias = None if bias_hn is None else bias_hn[:, None]
    with np.errstate(over="ignore"):
        for t in range(steps):
            np.matmul(weight_hh, hs[t], out=from_h)
            a[t, : 2 * size] += from_h[: 2 * size]
            sigmoid_(a[t, : 2 * size])
            r, z, n = gates[t]
            np.add(from_h[2 * size :], 0 if bias is None else bias, out=qs[t])
            np.multiply(r, qs[t], out=product)
            n += product
            np.tanh(n, out=n)
            np.subtract(hs[t], n, out=product)
            product *= z
            np.add(n, product, out=hs[t + 1])
    return hs, (hs, gates, qs)


def gru_backward(g: Array, g_h: Array, kept: Kept, weight_hh: Array) -> Gradients:
    r"""Backward of :func:`gru`.

    .. math::
        \bar h_t = g_t + z_{t+1} \odot \bar h_{t+1} + W_{hh}^\top \bar a^h_{t+1}

        \bar a_n = \bar h_t \odot (1 - z)(1 - n^2), \qquad
        \bar a_t = \begin{pmatrix} \bar a_n \odot q \, r (1 - r) \\
            \bar h_t \odot (h_{t-1} - n) \, z (1 - z) \\ \bar a_n \end{pmatrix}, \qquad
        \bar a^h_t = \begin{pmatrix} \bar a_r \\ \bar a_z \\ \bar q \end{pmatrix}, \quad
        \bar q = \bar a_n \odot r
    """
    hs, gates, qs = kept
    r, z, n = (gates[:, k] for k in range(3))
    by_h, by_x = np.empty_like(gates), np.empty_like(gates)  # slopes first, then gradients
    np.multiply(1 - z, 1 - n * n, out=by_x[:, 2])
    np.multiply(by_x[:, 2], r, out=by_h[:, 2])
    np.multiply(by_h[:, 2], qs * (1 - r), out=by_h[:, 0])
    np.multiply(hs[:-1] - n, z * (1 - z), out=by_h[:, 1])
    flat = (len(gates), 3 * len(g_h), g_h.shape[-1])
    da_h, dh, product = by_h.reshape(*flat), g_h.copy(), np.empty_like(g_h)
    for t in reversed(range(len(g))):
        dh += g[t]
        np.multiply(by_h[t], dh, out=by_h[t])
        np.multiply(by_x[t, 2], dh, out=by_x[t, 2])
        np.multiply(dh, z[t], out=product)
        np.matmul(weight_hh.T, da_h[t], out=dh)
        dh += product
    by_x[:, :2] = by_h[:, :2]
    return by_x.reshape(*flat), da_h, (dh,)

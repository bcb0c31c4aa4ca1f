"""Planted mistakes in the recurrent layers."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import difference, parity

__all__ = ["MISTAKES"]

LAYERS = "npnet/nn/recurrent.py"
FORMULAS = "npnet/nn/recurrence.py"
STACK = "npnet/nn/recurrent_stack.py"

TESTS = "parity_tests/test_recurrent.py"

MISTAKES: list[Mistake] = [
    # RNN
    Mistake(
        "tanh's slope without the square",
        FORMULAS,
        "1 - hs[1:] * hs[1:]",
        "1 - hs[1:]",
        parity("RNN"),
    ),
    Mistake("the slope of the step before", FORMULAS, "(hs[1:] > 0)", "(hs[:-1] > 0)", difference("RNN")),
    Mistake(
        "the gradient goes back through the weight, not its transpose",
        FORMULAS,
        "        np.multiply(slopes[t], dh, out=da[t])\n        np.matmul(weight_hh.T, da[t], out=dh)",
        "        np.multiply(slopes[t], dh, out=da[t])\n        np.matmul(weight_hh, da[t], out=dh)",
        parity("RNN"),
    ),
    # LSTM
    Mistake(
        "the forget gate keeps the new cell's gradient of the step before",
        FORMULAS,
        "        dc *= f[t]\n",
        "        dc *= f[t - 1]\n",
        parity("LSTM"),
    ),
    Mistake(
        "the forget gate's slope looks at the new cell",
        FORMULAS,
        "np.multiply(cs[:-1], f * (1 - f)",
        "np.multiply(cs[1:], f * (1 - f)",
        difference("LSTM"),
    ),
    Mistake(
        "the candidate's slope is a sigmoid's",
        FORMULAS,
        "1 - candidate * candidate",
        "candidate * (1 - candidate)",
        parity("LSTM"),
    ),
    Mistake(
        "the cell is not reached through the output",
        FORMULAS,
        "        dc += product\n",
        "",
        parity("LSTM"),
    ),
    Mistake(
        "the gradient by the final cell is forgotten",
        FORMULAS,
        "dh, dc, product = g_h.copy(), g_c.copy(), np.empty_like(g_h)",
        "dh, dc, product = g_h.copy(), np.zeros_like(g_c), np.empty_like(g_h)",
        parity("LSTM"),
    ),
    Mistake(
        "ONNX's order of the gates",
        FORMULAS,
        "i, f, candidate, o = gates[t]",
        "i, o, candidate, f = gates[t]",
        parity("LSTM"),
    ),
    # GRU
    Mistake(
        "the reset gate acts before the product, as in the paper",
        LAYERS,
        "            bias_hn = bias_hh[2 * self.hidden_size :]",
        "            a[:, 2 * self.hidden_size :] += bias_hh[2 * self.hidden_size :, None]\n"
        "            bias_hn = None",
        parity("GRU"),
    ),
    Mistake(
        "the update gate keeps the candidate",
        FORMULAS,
        "np.subtract(hs[t], n, out=product)",
        "np.subtract(n, hs[t], out=product)",
        parity("GRU"),
    ),
    Mistake(
        "the state's own way back is forgotten",
        FORMULAS,
        "        dh += product\n    by_x",
        "    by_x",
        difference("GRU"),
    ),
    Mistake(
        "the reset gate's slope without the product",
        FORMULAS,
        "qs * (1 - r)",
        "1 - r",
        parity("GRU"),
    ),
    Mistake(
        "the weights by the state take the gradient by the input's part",
        STACK,
        "rows_h = rows_x if by_h is by_x else over_time(by_h)",
        "rows_h = rows_x",
        parity("GRU"),
    ),
    # Layers, directions, time
    Mistake(
        "the weights by the state meet the state after the step",
        STACK,
        "over_time(states[:-1])",
        "over_time(states[1:])",
        parity("LSTM"),
    ),
    Mistake(
        "the reverse direction's gradient is not turned round",
        STACK,
        "part[::-1] if side else part",
        "part",
        parity("RNN"),
    ),
    Mistake(
        "the reverse direction's gradient by the input is not turned round",
        STACK,
        "downward + dx[::-1]",
        "downward + dx",
        parity("GRU"),
    ),
    Mistake(
        "the reverse direction starts from the forward direction's state",
        STACK,
        "tuple(state[number] for state in initial)",
        "tuple(state[first] for state in initial)",
        parity("LSTM"),
    ),
    Mistake(
        "dropout above the last layer",
        STACK,
        " and first + self.directions < len(initial[0]):",
        ":",
        parity("GRU"),
    ),
    Mistake(
        "the mask is forgotten on the way back",
        STACK,
        "g = g * factor",
        "g = g",
        parity("LSTM"),
    ),
    Mistake(
        "the mask is drawn in our order of the elements",
        STACK,
        "np.swapaxes(drawn_mask(self.dropout, (steps, batch, features), x, self.generator), 1, 2)",
        "drawn_mask(self.dropout, (steps, features, batch), x, self.generator)",
        parity("RNN"),
    ),
    Mistake(
        "the gradient by the final states is forgotten",
        STACK,
        "                found[-1] += self._state_inward(gradient, batched)\n",
        "",
        f"{TESTS}::test_chunks_that_hand_on_the_state_are_the_whole",
    ),
    Mistake(
        "weights start as Linear's do",
        STACK,
        "bound = 1 / math.sqrt(self.hidden_size)",
        "bound = 1 / math.sqrt(self.input_size)",
        f"{TESTS}::test_a_new_layer_has_pytorch_s_names_and_values",
    ),
    Mistake(
        "the output is what backward will look at",
        STACK,
        "        return (np.transpose(x, (2, 0, 1)) if self.batch_first else np.swapaxes(x, 1, 2)).copy()",
        "        return np.transpose(x, (2, 0, 1)) if self.batch_first else np.swapaxes(x, 1, 2)",
        f"{TESTS}::test_what_was_handed_out_is_not_overwritten",
    ),
]

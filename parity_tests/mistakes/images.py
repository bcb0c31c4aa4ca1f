"""Planted mistakes in the layers of images."""

from __future__ import annotations

from parity_tests.mistakes import Mistake
from parity_tests.mistakes.nn import NORMALIZATION, difference, parity

__all__ = ["MISTAKES"]

IM2COL = "npnet/nn/im2col.py"
AVERAGE = "npnet/nn/average_pooling.py"
GROUP_NORM = "npnet/nn/group_norm.py"
LAYER_NORM = "npnet/nn/layer_norm.py"
CONVOLUTION = "npnet/nn/convolution.py"
POOLING = "npnet/nn/pooling.py"
WINDOWS = "npnet/nn/windows.py"
ADJOINT = "parity_tests/test_convolution.py::test_going_back_is_the_adjoint_of_padding"

MISTAKES: list[Mistake] = [
    # BatchNorm2d
    Mistake(
        "Bessel's correction counts images, not values",
        NORMALIZATION,
        "share, mean, variance, values_of_channel(flat))",
        "share, mean, variance, x.shape[0])",
        parity("BatchNorm2d"),
    ),
    Mistake(
        "each position of a channel has statistics of its own",
        NORMALIZATION,
        "return column_sums(x if x.ndim == 2 else np.sum(x, axis=-1))",
        "return column_sums(x if x.ndim == 2 else x[..., 0] * x.shape[-1])",
        difference("BatchNorm2d"),
    ),
    # convolution
    Mistake(
        "dilation forgotten in the way back",
        WINDOWS,
        "starts = (p * d for p, d in zip(place, dilation, strict=True))",
        "starts = (p for p, d in zip(place, dilation, strict=True))",
        parity("Conv2d"),
    ),
    Mistake(
        "overlapping windows overwrite each other",
        WINDOWS,
        "x[index] += g[there]",
        "x[index] = g[there]",
        difference("Conv2d"),
    ),
    Mistake(
        "an odd number of 'same' goes before",
        CONVOLUTION,
        "((span - 1) // 2, span // 2)",
        "(span // 2, (span - 1) // 2)",
        parity("Conv2d"),
    ),
    Mistake(
        "the mirror repeats the border, in the way back",
        WINDOWS,
        "core[1 : 1 + before] += np.flip(head, axis=0)",
        "core[:before] += np.flip(head, axis=0)",
        ADJOINT,
    ),
    Mistake(
        "what was wrapped around is dropped in the way back",
        WINDOWS,
        "        core[:after] += tail\n",
        "",
        ADJOINT,
    ),
    Mistake(
        "the replicated border keeps its gradient",
        WINDOWS,
        "core[-1] += np.sum(tail, axis=0)",
        "core[-1] += tail[-1] if after else 0",
        ADJOINT,
    ),
    Mistake(
        "the weight's gradient averages over the batch",
        IM2COL,
        "total += np.sum(a_sample.reshape(-1, *shape), axis=0)",
        "total += np.mean(a_sample.reshape(-1, *shape), axis=0)",
        parity("Conv2d"),
    ),
    Mistake(
        "the bias forgets the positions of the batch",
        IM2COL,
        "return column_sums(np.sum(g, axis=tuple(range(2, g.ndim))), out=out)",
        "return column_sums(np.mean(g, axis=tuple(range(2, g.ndim))), out=out)",
        difference("Conv1d"),
    ),
    Mistake(
        "the last block's gradient alone",
        IM2COL,
        "total += np.sum(a_sample.reshape(-1, *shape), axis=0)",
        "total[...] = np.sum(a_sample.reshape(-1, *shape), axis=0)",
        "parity_tests/test_convolution.py",
    ),
    Mistake(
        "the first block's samples throughout",
        IM2COL,
        "part = g[block].reshape(-1, groups, outs // groups, windows)",
        "part = g[: len(g[block])].reshape(-1, groups, outs // groups, windows)",
        "parity_tests/test_convolution.py",
    ),
    # pooling
    Mistake(
        "windows that overlap overwrite each other",
        POOLING,
        "apart = s > d * (k - 1)",
        "apart = s > 0",
        parity("MaxPool2d"),
    ),
    Mistake(
        "the last place gets a gradient besides the first",
        POOLING,
        "                g = g - part  # what no place has taken yet\n",
        "",
        parity("MaxPool2d"),
    ),
    Mistake(
        "the padding is zero, not less than everything",
        POOLING,
        "pad(x, widths, value=-math.inf)",
        "pad(x, widths)",
        parity("MaxPool2d"),
    ),
    Mistake(
        "a last window may begin in the padding behind",
        POOLING,
        "if ceil and (count - 1) * s >= n + p:",
        "if ceil and (count - 1) * s > n + p:",
        parity("AvgPool2d"),
    ),
    Mistake(
        "a last window counts what lies beyond the padding",
        AVERAGE,
        "own = np.minimum(start + k, last) - np.maximum(start, first)",
        "own = start + k - np.maximum(start, first)",
        parity("AvgPool2d"),
    ),
    Mistake(
        "the mean's gradient is not divided",
        AVERAGE,
        "sum_pool_backward(g / count, kernel",
        "sum_pool_backward(g * 1.0, kernel",
        difference("AvgPool1d"),
    ),
    Mistake(
        "stretches do not overlap",
        AVERAGE,
        "(i * n // count, -(-(i + 1) * n // count))",
        "(i * n // count, max((i + 1) * n // count, i * n // count + 1))",
        parity("AdaptiveAvgPool2d"),
    ),
    Mistake(
        "a stretch's share is that of the mean stretch",
        AVERAGE,
        "g[steps(axis, i, 1, 1)] / (b - a)",
        "g[steps(axis, i, 1, 1)] / (n / g.shape[axis])",
        difference("AdaptiveAvgPool1d"),
    ),
    # normalisation of each sample
    Mistake(
        "the rows' gradients forget the scale",
        LAYER_NORM,
        "upstream = (g if gamma is None else g * gamma)[np.newaxis]",
        "upstream = g[np.newaxis]",
        parity("LayerNorm"),
    ),
    Mistake(
        "the scale's gradient forgets the deviation",
        LAYER_NORM,
        "column_sums(g * centred * inverse_std[:, None])",
        "column_sums(g * centred)",
        difference("LayerNorm"),
    ),
    Mistake(
        "the root of a sum, not of a mean",
        LAYER_NORM,
        "np.sqrt(np.mean(x * x, axis=1, keepdims=True) + eps)",
        "np.sqrt(np.sum(x * x, axis=1, keepdims=True) + eps)",
        parity("RMSNorm"),
    ),
    Mistake(
        "the term of xhat is added",
        LAYER_NORM,
        "g - xhat * np.mean(product",
        "g + xhat * np.mean(product",
        difference("RMSNorm"),
    ),
    Mistake(
        "epsilon of double precision throughout",
        LAYER_NORM,
        "float(np.finfo(x.dtype).eps)",
        "float(np.finfo(x.dtype).eps) * 1e6",
        parity("RMSNorm"),
    ),
    Mistake(
        "the groups' gradients forget the scale",
        GROUP_NORM,
        "upstream = (g if gamma is None else g * gamma[:, None])",
        "upstream = (g if gamma is None else g * 1.0)",
        difference("GroupNorm"),
    ),
    Mistake(
        "channels are dealt out to the groups in turn",
        GROUP_NORM,
        "batch_norm(x.reshape(1, n * groups, c // groups * length), None, None, eps)",
        "batch_norm(np.swapaxes(x.reshape(n, c // groups, groups, length), 1, 2)"
        ".reshape(1, n * groups, -1), None, None, eps)",
        parity("GroupNorm"),
    ),
    Mistake(
        "running statistics of the first sample alone",
        GROUP_NORM,
        "(np.mean(each.reshape(n, c), axis=0) for each",
        "(each.reshape(n, c)[0] for each",
        parity("InstanceNorm2d"),
    ),
    Mistake(
        "Bessel's correction counts samples too",
        GROUP_NORM,
        "track(running_mean, running_var, share, average, spread, length)",
        "track(running_mean, running_var, share, average, spread, n * length)",
        parity("InstanceNorm1d"),
    ),
]

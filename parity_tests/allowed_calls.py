"""One call a function of the allowed list, to run it on any device and compare with NumPy.

Each takes a matrix `x` (3, 4), row indices `i` (2,) and a mask `m` (3, 4), and calls its function on them
first, so that on a machine without a GPU nothing else fails before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["CALLS"]


def _copyto(x: Any, i: Any, m: Any) -> Any:
    np.copyto(x, 2.0, casting="same_kind", where=m)
    return x


CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "all": lambda x, i, m: np.all(m, axis=0),
    "any": lambda x, i, m: np.any(m, axis=1, keepdims=True),
    "arange": lambda x, i, m: np.arange(1, 9, 3, dtype=np.int32, like=x),
    "argmax": lambda x, i, m: np.argmax(x, axis=1, keepdims=True),
    "argmin": lambda x, i, m: np.argmin(x, axis=0),
    "argsort": lambda x, i, m: np.argsort(x[:, :1], axis=1),
    "array": lambda x, i, m: np.array(x, dtype=np.float32, copy=True, order="C", like=x),
    "asarray": lambda x, i, m: np.asarray(x, dtype=np.float32, like=x),
    "broadcast_to": lambda x, i, m: np.broadcast_to(x, (2, 3, 4)),
    "clip": lambda x, i, m: np.clip(x, None, 2.0, out=x),
    "concatenate": lambda x, i, m: np.concatenate([x, x], axis=1),
    "copyto": _copyto,
    "count_nonzero": lambda x, i, m: np.count_nonzero(m, axis=0),
    "cumprod": lambda x, i, m: np.cumprod(x, axis=1),
    "cumsum": lambda x, i, m: np.cumsum(x, axis=0, dtype=np.float32),
    "diagonal": lambda x, i, m: np.diagonal(x),
    "dot": lambda x, i, m: np.dot(x, x.T),
    "einsum": lambda x, i, m: np.einsum("ij,kj->ik", x, x, optimize=True),
    "empty": lambda x, i, m: np.empty((0, 4), like=x),
    "empty_like": lambda x, i, m: np.empty_like(x, shape=(2, 0)),
    "expand_dims": lambda x, i, m: np.expand_dims(x, axis=1),
    "flip": lambda x, i, m: np.flip(x, axis=0),
    "full_like": lambda x, i, m: np.full_like(x, 3.0, shape=(2,)),
    "inner": lambda x, i, m: np.inner(x, x),
    "lib.stride_tricks.sliding_window_view": lambda x, i, m: np.lib.stride_tricks.sliding_window_view(
        x, 2, axis=1
    ),
    "linalg.norm": lambda x, i, m: np.linalg.norm(x, axis=1),
    "max": lambda x, i, m: np.max(x, axis=1, keepdims=True),
    "may_share_memory": lambda x, i, m: np.may_share_memory(x, x[1:]),
    "mean": lambda x, i, m: np.mean(x, axis=0),
    "min": lambda x, i, m: np.min(x),
    "moveaxis": lambda x, i, m: np.moveaxis(x, 0, 1),
    "ndim": lambda x, i, m: np.ndim(x),
    "ones_like": lambda x, i, m: np.ones_like(x, shape=5),
    "outer": lambda x, i, m: np.outer(x[0], x[1]),
    "pad": lambda x, i, m: np.pad(x, ((0, 1), (2, 0)), constant_values=1.0),
    "prod": lambda x, i, m: np.prod(x, axis=0),
    "ravel": lambda x, i, m: np.ravel(x),
    "reshape": lambda x, i, m: np.reshape(x, (4, -1)),
    "result_type": lambda x, i, m: np.result_type(x, np.float32),
    "roll": lambda x, i, m: np.roll(x, 1, axis=1),
    "shape": lambda x, i, m: np.shape(x),
    "size": lambda x, i, m: np.size(x),
    "sort": lambda x, i, m: np.sort(x, axis=0),
    "split": lambda x, i, m: np.split(x, [1, 3], axis=1)[1],
    "squeeze": lambda x, i, m: np.squeeze(x[:1], axis=0),
    "stack": lambda x, i, m: np.stack([x, x], axis=1),
    "std": lambda x, i, m: np.std(x, axis=0, ddof=1),
    "sum": lambda x, i, m: np.sum(x, axis=(0, 1), dtype=np.float32),
    "swapaxes": lambda x, i, m: np.swapaxes(x, 0, 1),
    "take": lambda x, i, m: np.take(x, i, axis=0),
    "take_along_axis": lambda x, i, m: np.take_along_axis(x, i[:, None], axis=0),
    "tensordot": lambda x, i, m: np.tensordot(x, x, axes=2),
    "trace": lambda x, i, m: np.trace(x),
    "transpose": lambda x, i, m: np.transpose(x, (1, 0)),
    "tril": lambda x, i, m: np.tril(x, -1),
    "triu": lambda x, i, m: np.triu(x),
    "var": lambda x, i, m: np.var(x, axis=1, ddof=1, keepdims=True),
    "vdot": lambda x, i, m: np.vdot(x, x),
    "where": lambda x, i, m: np.where(m, x, 0.0),
    "zeros": lambda x, i, m: np.zeros(3, np.float32, like=x),
    "zeros_like": lambda x, i, m: np.zeros_like(x, dtype=bool),
}

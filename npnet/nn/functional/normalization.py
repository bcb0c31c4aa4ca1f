"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.nn import group_norm as _group
from npnet.nn import layer_norm as _layer
from npnet.nn import normalization as _batch
from npnet.nn.operands import check_operands

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]


def batch_norm(
    input: Array,  # noqa: A002 (PyTorch's name)
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalise every channel, :class:`npnet.nn.BatchNorm1d`, with given scale, shift and statistics.

    With `training` by the batch's own statistics, towards which the running ones, where given, are moved in
    place.

    Raises
    ------
    ArgumentError
        If neither the batch's statistics nor running ones are to be used.
    ShapeError
        If the input has one axis, or one value a channel in training.

    Examples
    --------
    >>> import numpy as np
    >>> mean, variance = np.zeros(1), np.ones(1)
    >>> batch_norm(np.array([[1.0], [3.0]]), mean, variance, training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    >>> mean, variance
    (array([0.2]), array([1.1]))
    """
    check_operands("batch_norm", input)
    if input.ndim < 2:
        raise ShapeError(f"batch_norm takes input of shape (n, c, ...), got {input.shape}")
    if training and input.size == input.shape[1]:
        raise ShapeError(f"batch_norm needs more than 1 value per channel when training, got {input.shape}")
    if not training and (running_mean is None or running_var is None):
        raise ArgumentError("batch_norm without training=True needs running_mean and running_var, got None")
    _check_channels("batch_norm", input, running_mean, running_var, weight, bias)
    x = input if input.ndim <= 3 else _batch.flat_positions(input)
    given = (None, None) if training else (running_mean, running_var)
    y, _, _, mean, variance = _batch.batch_norm(x, weight, bias, eps, *given)
    if training and running_mean is not None:
        _batch.track(running_mean, running_var, momentum, mean, variance, _batch.values_of_channel(x))
    return y.reshape(input.shape)


def layer_norm(
    input: Array,  # noqa: A002 (PyTorch's name)
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Compute :class:`npnet.nn.LayerNorm` with this scale and shift.

    Examples
    --------
    >>> import numpy as np
    >>> layer_norm(np.array([[1.0, 3.0]]), (2,), eps=0.0)
    array([[-1.,  1.]])
    """
    shape = _layer.shape_of("layer_norm", normalized_shape)
    check_operands("layer_norm", input, weight=(weight, shape), bias=(bias, shape))
    matrix = _layer.rows("layer_norm", input, shape)
    gamma, beta = (None if each is None else each.reshape(-1) for each in (weight, bias))
    return _layer.layer_norm(matrix, gamma, beta, eps)[0].reshape(input.shape)


def rms_norm(
    input: Array,  # noqa: A002 (PyTorch's name)
    normalized_shape: Sequence[int],
    weight: Array | None = None,
    eps: float | None = None,
) -> Array:
    """Compute :class:`npnet.nn.RMSNorm` with this scale.

    Examples
    --------
    >>> import numpy as np
    >>> rms_norm(np.array([[1.0, 7.0]]), (2,), eps=0.0)
    array([[0.2, 1.4]])
    """
    shape = _layer.shape_of("rms_norm", normalized_shape)
    check_operands("rms_norm", input, weight=(weight, shape))
    matrix = _layer.rows("rms_norm", input, shape)
    gamma = None if weight is None else weight.reshape(-1)
    return _layer.rms_norm(matrix, gamma, _layer.epsilon(eps, input))[0].reshape(input.shape)


def group_norm(
    input: Array,  # noqa: A002 (PyTorch's name)
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """Compute :class:`npnet.nn.GroupNorm` with this scale and shift.

    Examples
    --------
    >>> import numpy as np
    >>> group_norm(np.array([[1.0, 3.0, 0.0, 10.0]]), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    check_operands("group_norm", input)
    x = _group.grouped_channels("group_norm", input, num_groups)
    _check_channels("group_norm", input, None, None, weight, bias)
    return _group.group_norm(x, num_groups, weight, bias, eps)[0].reshape(input.shape)


def instance_norm(
    input: Array,  # noqa: A002 (PyTorch's name)
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """Normalise every channel of every sample, :class:`npnet.nn.InstanceNorm2d`, with given arrays.

    With `use_input_stats` by each sample's own statistics, towards whose means the running ones, where given,
    are moved in place.

    Raises
    ------
    ArgumentError
        If neither the samples' statistics nor running ones are to be used.
    ShapeError
        If the input has fewer than three axes, or one position to take statistics of.

    Examples
    --------
    >>> import numpy as np
    >>> instance_norm(np.array([[[1.0, 3.0]]]), eps=0.0)
    array([[[-1.,  1.]]])
    """
    check_operands("instance_norm", input)
    if input.ndim < 3:
        raise ShapeError(f"instance_norm takes input of shape (n, c, length, ...), got {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise ArgumentError(
            "instance_norm without use_input_stats needs running_mean and running_var, got None"
        )
    _check_channels("instance_norm", input, running_mean, running_var, weight, bias)
    x = _group.instances("instance_norm", input, None, own=use_input_stats)
    if use_input_stats:
        y, _, _, mean, variance = _group.group_norm(x, x.shape[1], weight, bias, eps)
        if running_mean is not None:
            _group.track_instances(running_mean, running_var, momentum, mean, variance, x.shape)
    else:
        y = _batch.batch_norm(x, weight, bias, eps, running_mean, running_var)[0]
    return y.reshape(input.shape)


def _check_channels(
    owner: str,
    x: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
) -> None:
    """Refuse one running statistic without the other, and what has not one value a channel."""
    if (running_mean is None) != (running_var is None):
        raise ArgumentError(f"{owner} takes both running_mean and running_var, or neither; one is None")
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    check_operands(owner, x, **{name: (value, x.shape[1:2]) for name, value in given.items()})

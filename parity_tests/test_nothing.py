"""Batches of no rows, and samples that are ignored: nothing comes of them, and nothing is spoilt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from npnet import nn
from npnet.errors import TargetError
from npnet.nn.sums import column_sums

LAYERS: dict[str, tuple[tuple[Any, ...], tuple[int, ...]]] = {
    "Linear": ((3, 2), (0, 3)),
    "BatchNorm1d": ((3,), (0, 3)),
    "BatchNorm2d": ((3,), (0, 3, 2, 2)),
    "LayerNorm": ((3,), (0, 3)),
    "RMSNorm": ((3,), (0, 3)),
    "GroupNorm": ((2, 4), (0, 4, 3)),
    "Conv2d": ((3, 2, 2), (0, 3, 4, 4)),
    "MaxPool2d": ((2,), (0, 3, 4, 4)),
    "RNN": ((3, 4), (5, 0, 3)),
    "LSTM": ((3, 4), (5, 0, 3)),
    "GRU": ((3, 4), (5, 0, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_of_no_rows(name: str) -> None:
    """The output and the gradient by the input are empty, other gradients zero, statistics as they were."""
    arguments, shape = LAYERS[name]
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    x, y = torch.zeros(shape, requires_grad=True), ours(np.zeros(shape, np.float32))
    expected = theirs(x)
    y, expected = (each[0] if isinstance(each, tuple) else each for each in (y, expected))
    expected.sum().backward()
    assert y.shape == tuple(expected.shape)
    assert ours.backward(np.zeros(y.shape, np.float32)).shape == shape
    for parameter in ours.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()
    for key, value in theirs.state_dict().items():
        if "running" in key:
            np.testing.assert_array_equal(ours.state_dict()[key], value.numpy())


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "SmoothL1Loss", "BCEWithLogitsLoss"])
def test_the_loss_of_no_rows(name: str) -> None:
    """A mean of nothing is NaN, as in PyTorch; its gradient is empty."""
    criterion, empty = getattr(nn, name)(), np.zeros((0, 3))
    with np.errstate(invalid="ignore"):
        assert np.isnan(criterion(empty, empty))
    gradient = criterion.backward()
    assert gradient is not None
    assert gradient.shape == (0, 3)


@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"reduction": "sum"}, {"reduction": "none"}]
)
@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_an_ignored_sample_counts_for_nothing(options: dict[str, Any], value: float) -> None:
    x, target = np.array([[value, 1.0, 2.0], [1.0, 2.0, 3.0]]), np.array([-100, 1])
    found = nn.CrossEntropyLoss(**options)(x, target)
    expected = torch.nn.CrossEntropyLoss(**options)(torch.tensor(x), torch.tensor(target))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("classes", [5, 120])
def test_a_margin_ignores_no_class(classes: int) -> None:
    with pytest.raises(TargetError, match=rf"go from 0 to {classes - 1}$"):
        nn.MultiMarginLoss()(np.zeros((1, classes)), np.array([-100]))


def test_sums_over_the_rows_of_a_matrix_without_columns() -> None:
    for rows in (0, 3, 130, 64 * 130):
        assert column_sums(np.ones((rows, 0))).shape == (0,)

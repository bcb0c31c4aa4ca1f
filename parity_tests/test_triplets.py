"""The triplet loss where the negative lies nearer to the positive than to the anchor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npnet import nn


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_a_swapped_triplet_moves_all_three(p: float) -> None:
    anchor, positive, negative = (np.array([row]) for row in ([0.0, 0.0], [2.0, 1.0], [3.0, 1.5]))
    assert np.linalg.norm(positive - negative) < np.linalg.norm(anchor - negative)
    criterion = nn.TripletMarginLoss(margin=1.0, p=p, swap=True)
    loss = criterion(anchor, positive, negative)
    given = [torch.tensor(value, requires_grad=True) for value in (anchor, positive, negative)]
    expected = torch.nn.TripletMarginLoss(margin=1.0, p=p, swap=True)(*given)
    expected.backward()  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-14)
    assert loss > 0
    for ours, theirs in zip(criterion.backward(), given, strict=True):
        assert theirs.grad is not None
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)

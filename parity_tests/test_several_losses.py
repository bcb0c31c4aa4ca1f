"""What the generic tests cannot ask of the losses of several inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from npnet import nn

X, TARGET = np.array([[1.0, 3.0], [-2.0, 0.5]]), np.array([[0.0, 3.0], [1.0, 0.0]])


@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_a_variance_at_its_bound_is_driven_as_pytorch_drives_it(eps: float) -> None:
    """Backward there is no derivative of forward, in either library."""
    var = np.array([[0.0, 1e-9], [0.25, 2.0]])
    ours, theirs = nn.GaussianNLLLoss(eps=eps), torch.nn.GaussianNLLLoss(eps=eps)
    x, v = torch.tensor(X, requires_grad=True), torch.tensor(var, requires_grad=True)
    expected = theirs(x, torch.tensor(TARGET), v)
    expected.backward()
    assert ours(X, TARGET, var).item() == pytest.approx(expected.item(), rel=1e-14)
    by_mean, by_target, by_variance = ours.backward()
    assert by_target is None
    np.testing.assert_allclose(by_mean, x.grad.numpy(), rtol=1e-13)
    np.testing.assert_allclose(by_variance, v.grad.numpy(), rtol=1e-13)
    assert var[0, 0] == 0.0


@pytest.mark.parametrize("var", [2.5, 2, np.float64(2.5)])
def test_a_number_is_a_variance_without_a_gradient(var: Any) -> None:
    ours, theirs = nn.GaussianNLLLoss(full=True), torch.nn.GaussianNLLLoss(full=True)
    expected = theirs(torch.tensor(X), torch.tensor(TARGET), float(var))
    assert ours(X, TARGET, var).item() == pytest.approx(expected.item(), rel=1e-14)
    by_mean, *others = ours.backward()
    np.testing.assert_allclose(by_mean, (X - TARGET) / float(var) / 4, rtol=1e-14)
    assert others == [None, None]


def test_mean_and_variance_of_a_sample_are_found_by_descent() -> None:
    """The two gradients together lead to the likeliest normal distribution."""
    sample = np.random.default_rng(0).normal(3.0, 0.5, (200, 1))
    mean, var, criterion = np.zeros((1, 1)), np.ones((1, 1)), nn.GaussianNLLLoss()
    for _ in range(2000):
        criterion(np.broadcast_to(mean, sample.shape), sample, np.broadcast_to(var, sample.shape))
        by_mean, _, by_var = criterion.backward()
        mean, var = mean - 0.05 * by_mean.sum(), var - 0.05 * by_var.sum()
    np.testing.assert_allclose([mean.item(), var.item()], [sample.mean(), sample.var()], rtol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_equal_distances_of_a_swapped_triplet_share_the_gradient_as_in_pytorch(p: float) -> None:
    vectors = [
        np.array([[0.0, 0.0], [1.0, 1.0]]),
        np.array([[2.0, 0.0], [1.0, 1.0]]),
        np.array([[1.0, 0.0]] * 2),
    ]
    ours = nn.TripletMarginLoss(4.0, p, 0.0, True)
    theirs = torch.nn.TripletMarginLoss(4.0, p, 0.0, True)
    tensors = [torch.tensor(each, requires_grad=True) for each in vectors]
    theirs(*tensors).backward()
    ours(*vectors)
    for found, tensor in zip(ours.backward(), tensors, strict=True):
        np.testing.assert_allclose(found, tensor.grad.numpy(), rtol=1e-13, atol=1e-15)


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

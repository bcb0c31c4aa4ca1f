"""Clipping of gradients against ``torch.nn.utils``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet import optim
from npnet.errors import NpnetError
from parity_tests.equal import assert_equal
from parity_tests.libraries import LIBRARIES, NPNET, STRICT, TORCH, Npnet, Torch, every_device
from parity_tests.registry.specification import seeds
from parity_tests.report import Subject
from parity_tests.strict_device import forbid_synchronisation

Library = Npnet | Torch

SHAPES = ((3, 2), (4,), (), (2, 1, 2))


def with_gradients(library: Library, seed: int, scale: float) -> list[Any]:
    """Parameters with drawn gradients; the second has none."""
    rng = np.random.default_rng(seed)
    parameters = [library.parameter(rng.normal(size=shape)) for shape in SHAPES]
    if seed % 2:
        library.optim.SGD(parameters)  # housed together in npnet
    for i, parameter in enumerate(parameters):
        if i != 1:
            parameter.grad = library.array(np.asarray(scale * rng.normal(size=SHAPES[i])))
    return parameters


def compare(ours: list[Any], theirs: list[Any], library: Npnet, name: str) -> None:
    for i in (0, 2, 3):
        found, expected = library.host(ours[i].grad), TORCH.host(theirs[i].grad)
        assert_equal(found, expected, Subject(name, "float64", "gradient"), f"parameter {i}")
    assert ours[1].grad is None


@every_device
@given(
    seed=seeds,
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
    max_norm=st.floats(0.0, 10.0, exclude_min=True),
    order=st.sampled_from([1.0, 2.0, 3.0, 0.5, math.inf]),
)
def test_norm(device: str, seed: int, scale: float, max_norm: float, order: float) -> None:
    library = LIBRARIES[device]
    ours, theirs = with_gradients(library, seed, scale), with_gradients(TORCH, seed, scale)
    total = library.nn.utils.clip_grad_norm_(ours, max_norm, order)
    expected = TORCH.nn.utils.clip_grad_norm_(theirs, max_norm, order)
    subject = Subject("clip_grad_norm_", "float64", "forward")
    assert_equal(library.host(total), TORCH.host(expected), subject, "the norm")
    compare(ours, theirs, library, "clip_grad_norm_")


@every_device
@given(seed=seeds, clip=st.floats(0.0, 3.0, exclude_min=True))
def test_value(device: str, seed: int, clip: float) -> None:
    library = LIBRARIES[device]
    ours, theirs = with_gradients(library, seed, 1.0), with_gradients(TORCH, seed, 1.0)
    assert library.nn.utils.clip_grad_value_(ours, clip) is None
    TORCH.nn.utils.clip_grad_value_(theirs, clip)
    compare(ours, theirs, library, "clip_grad_value_")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite(bad: float) -> None:
    raised = []
    for library in (NPNET, TORCH):
        parameters = with_gradients(library, 1, 1.0)
        gradient = np.ones(SHAPES[0])
        gradient[1, 1] = bad
        parameters[0].grad = library.array(gradient)
        with pytest.raises(Exception, match="norm") as caught:
            library.nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
        np.testing.assert_array_equal(library.host(parameters[0].grad), gradient)  # nothing was clipped
        raised.append(caught.value)
    assert isinstance(raised[0], NpnetError)
    assert isinstance(raised[0], type(raised[1])), f"PyTorch raised {raised[1]!r}"


def test_no_gradient_at_all_has_norm_zero() -> None:
    for library in (NPNET, TORCH):
        assert float(library.nn.utils.clip_grad_norm_([library.parameter(np.ones(2))], 1.0)) == 0.0


@pytest.mark.device
def test_clipping_on_a_device_never_waits() -> None:
    parameters = with_gradients(STRICT, 1, 1.0)
    optim.SGD(parameters)
    with forbid_synchronisation():
        STRICT.nn.utils.clip_grad_norm_(parameters, 0.1)
        STRICT.nn.utils.clip_grad_value_(parameters, 0.1)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan")])
def test_a_bound_that_is_not_positive_is_refused(bound: float) -> None:
    parameters = with_gradients(NPNET, 1, 1.0)
    for clip in (NPNET.nn.utils.clip_grad_norm_, NPNET.nn.utils.clip_grad_value_):
        with pytest.raises(ValueError, match=f"must be positive, got {bound}"):
            clip(parameters, bound)

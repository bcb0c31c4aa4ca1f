"""What holds a GPU to the host's numbers is neither loose nor wrong: roundings pass, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from parity_tests import strict_device
from parity_tests.equal import ROUNDINGS, assert_as_on_host

HERE = np.array([0.0, 1e-3, -2.0, 1.0])


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_device, "ON_GPU", True)


def off_by(roundings: float, dtype: str) -> tuple[Any, Any]:
    """Two arrays; one element of the first is away by so many roundings of the largest element."""
    here = HERE.astype(dtype)
    there = here.copy()
    there[1] += roundings * np.finfo(dtype).eps * 2.0
    return there, here


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roundings_pass_on_a_gpu_and_more_does_not(dtype: str) -> None:
    assert_as_on_host(*off_by(ROUNDINGS - 1, dtype), "less")
    assert_as_on_host(*off_by(3 * ROUNDINGS - 1, dtype), "in three steps", steps=3)
    with pytest.raises(AssertionError, match="more"):
        assert_as_on_host(*off_by(ROUNDINGS + 1, dtype), "more")
    small = [array * np.asarray(1e-3, dtype) for array in off_by(ROUNDINGS + 1, dtype)]
    with pytest.raises(AssertionError):
        assert_as_on_host(*small, "small numbers")
    assert_as_on_host(*small, "beside large ones", least_scale=1.0)


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(
    ("there", "here"),
    [
        (np.array([1, 2]), np.array([1, 3])),
        (np.ones(2, np.float32), np.ones(2)),
        (np.ones((2, 1)), np.ones(2)),
        (np.array([1.0, np.nan]), np.ones(2)),
        (np.array([1.0, np.inf]), np.ones(2)),
        (np.full(2, 1e-300), np.zeros(2)),
    ],
    ids=["integers", "dtype", "shape", "NaN", "infinity", "not zero"],
)
def test_what_is_no_rounding_fails_on_a_gpu(there: Any, here: Any) -> None:
    with pytest.raises(AssertionError):
        assert_as_on_host(there, here, "wrong")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_stand_in_is_held_to_the_bit(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_device, "ON_GPU", False)
    assert_as_on_host(*off_by(0, dtype), "equal")
    with pytest.raises(AssertionError):
        assert_as_on_host(*off_by(1, dtype), "a rounding")

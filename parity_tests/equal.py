"""What equal means: an assertion that names the worst element and says how much of the tolerance was used.

Differences are taken a tensor, relative to its largest element (or to the larger of one and that), in the
tolerances of DESIGN.md.  What a device gives is the host's to the bit on the stand-in for a GPU, and within a
few roundings on a GPU (:func:`assert_as_on_host`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from npnet import backend
from parity_tests import report, strict_device
from parity_tests.report import Subject

__all__ = [
    "ROUNDINGS",
    "TOLERANCES",
    "Observations",
    "assert_as_on_host",
    "assert_equal",
    "assert_same",
    "assert_same_observations",
]

HostArray = npt.NDArray[Any]

TOLERANCES: dict[tuple[str, str], float] = {
    ("float64", "forward"): 1e-12,
    ("float64", "gradient"): 1e-10,
    ("float64", "buffers"): 1e-12,
    ("float64", "trajectory"): 1e-9,
    # In float32 which library is nearer to the truth is asked in test_precision.py, on tensors that are large
    # enough to tell; here a disagreement by more than rounding is looked for.
    ("float32", "forward"): 1e-4,
    ("float32", "gradient"): 1e-3,
    ("float32", "buffers"): 1e-4,
    ("float32", "trajectory"): 1e-3,
}
"""By dtype and quantity, relative to the largest element of a tensor."""

ROUNDINGS = 16
"""How many roundings a GPU may be away from the host after one step, relative to the largest element.

Seven were needed with every result of the stand-in, and every term of its sums, moved by half a rounding.
"""

Observations = Mapping[tuple[str, str], HostArray | None]
"""Quantity and label to what was seen; None for a gradient that is absent."""


def assert_same(ours: HostArray, theirs: HostArray, label: str) -> None:
    """Demand equal bits."""
    np.testing.assert_array_equal(ours, theirs, err_msg=label, strict=True)


def assert_as_on_host(there: Any, here: Any, label: str, *, steps: int = 1, least_scale: float = 0.0) -> None:
    """Demand of a device the host's bits; of a GPU the host's numbers but for rounding.

    A GPU contracts products and sums (fused multiply-add), adds in another order, has its own exponentials.

    Parameters
    ----------
    there, here : array or number
        What the device and the host computed.
    label : str
        Which tensor it is, for the message.
    steps : int
        How many steps of training, or layers, led there; each may add `ROUNDINGS`.
    least_scale : float
        Differences are relative to the larger of this and the largest element.
    """
    ours, theirs = (np.asarray(backend.to_host(x) if backend.is_array(x) else x) for x in (there, here))
    if not strict_device.ON_GPU or ours.dtype.kind != "f" or not theirs.size:
        assert_same(ours, theirs, label)
        return
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), label
    scale = max(float(np.max(np.abs(theirs))), least_scale)
    bound = ROUNDINGS * steps * float(np.finfo(theirs.dtype).eps) * scale
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound, err_msg=label)


def assert_equal(
    ours: HostArray,
    theirs: HostArray,
    subject: Subject,
    label: str,
    *,
    tolerance: float | None = None,
    least_scale: float = 0.0,
) -> None:
    """Demand equal shapes, dtypes and, within the tolerance, values; note the error in the table.

    Parameters
    ----------
    ours, theirs : ndarray
    subject : Subject
        Picks the tolerance, and the row of the table.
    label : str
        Which tensor it is, for the message.
    tolerance : float, optional
        In place of the one from the table.
    least_scale : float
        Differences are relative to the larger of this and the largest element; 1 for trajectories.
    """
    tolerance = TOLERANCES[subject.dtype, subject.quantity] if tolerance is None else tolerance
    where = f"{subject.name} {subject.dtype}, {subject.quantity} {label}"
    assert ours.shape == theirs.shape, f"{where}: shape {ours.shape}, PyTorch's is {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{where}: dtype {ours.dtype}, PyTorch's is {theirs.dtype}"
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    odd = ~(np.isfinite(a) & np.isfinite(b))
    np.testing.assert_array_equal(a[odd], b[odd], err_msg=f"{where}: NaN or infinity")
    a, b = np.where(odd, 0.0, a), np.where(odd, 0.0, b)
    scale = max(float(np.max(np.abs(b), initial=0.0)), least_scale)
    difference = np.abs(a - b)
    largest = float(np.max(difference, initial=0.0))
    error = largest / scale if scale else largest
    report.record(subject, error, tolerance)
    if error > tolerance:
        worst = tuple(map(int, np.unravel_index(np.argmax(difference), difference.shape)))
        raise AssertionError(
            f"{where}: largest at {worst}: npnet {a[worst]!r}, PyTorch {b[worst]!r}; relative to {scale:.3g} "
            f"they differ by {error:.3g}, {error / tolerance:.3g} times the tolerance of {tolerance:.0e}; "
            f"{int(np.sum(difference > tolerance * scale))} of {a.size} elements differ by more"
        )


def assert_same_observations(
    ours: Observations,
    theirs: Observations,
    name: str,
    dtype: str,
    *,
    least_slope: float = 0.0,
    least_value: float = 0.0,
    slope_tolerance: float | None = None,
) -> None:
    """Compare everything that two runs of one protocol have seen."""
    least_scales = {"forward": least_value, "gradient": least_slope, "trajectory": 1.0}
    assert list(ours) == list(theirs), f"{name}: npnet shows {list(ours)}, PyTorch {list(theirs)}"
    for (quantity, label), theirs_seen in theirs.items():
        ours_seen = ours[quantity, label]
        where = f"{name} {dtype}, {quantity} {label}"
        assert (ours_seen is None) == (theirs_seen is None), f"{where}: only one library has it"
        if ours_seen is not None and theirs_seen is not None:
            subject, least_scale = Subject(name, dtype, quantity), least_scales.get(quantity, 0.0)
            tolerance = slope_tolerance if quantity == "gradient" else None
            assert_equal(ours_seen, theirs_seen, subject, label, tolerance=tolerance, least_scale=least_scale)

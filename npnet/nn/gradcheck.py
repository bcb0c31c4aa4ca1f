r"""Is a backward pass the derivative of its forward pass?  A check for layers and losses of your own.

With :math:`y = f(x, \theta)` and a random cotangent :math:`g`, ``backward(g)`` must give the gradient of the
number :math:`s = \sum g \odot y`.  That gradient is found a second time from the forward pass alone, element
by element: by central differences, which work for any function and notice kinks, and where every operation is
analytic by a complex step, which is exact to the last digits.  The complex step is believed only where it
agrees with the differences: an absolute value, or a cast to a real number, makes it wrong in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.backend import Array
from npnet.errors import GradcheckError
from npnet.nn.differences import STEP, Differences, central_differences
from npnet.nn.module import Module
from npnet.nn.trial import Trial, check_place, copied

__all__ = ["Element", "GradcheckResult", "gradcheck"]

EXACT = 1e-10
"""Tolerance against a complex step, relative to the larger of 1 and the largest element."""

BELIEVED = 1e-5
"""How near to the differences a complex step must come to be believed, relative to the same."""


@dataclass(frozen=True)
class Element:
    """One element of one gradient.

    Attributes
    ----------
    name : str
        ``"input 0"``, or the name of a parameter.
    index : tuple of int
    analytic, numeric : float
        What backward gives, and what the forward pass tells.
    error, tolerance : float
        Their difference, and what was allowed.
    method : str
        ``"complex step"``, ``"central differences"`` or ``"one-sided differences"``, the last at a kink.
    """

    name: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    tolerance: float
    method: str

    def __str__(self) -> str:
        return (
            f"{self.name} at {self.index}: backward gives {self.analytic:.9g}, {self.method} "
            f"{self.numeric:.9g} (they differ by {self.error:.3g}, {self.tolerance:.1g} is allowed)"
        )


@dataclass(frozen=True)
class GradcheckResult:
    """What :func:`gradcheck` found; true where everything agrees.

    Attributes
    ----------
    name : str
        Of the module's class.
    wrong : tuple of Element
        Elements whose difference is above the tolerance, the worst first.
    kinks : tuple of Element
        Elements where the derivative jumps.  There backward may give anything between the two slopes.
    worst : Element or None
        The element that used most of its tolerance; None where nothing was checked.
    methods : dict of str to str
        By which method each gradient was checked.
    checked : int
        Number of elements.
    """

    name: str
    wrong: tuple[Element, ...]
    kinks: tuple[Element, ...]
    worst: Element | None
    methods: dict[str, str]
    checked: int

    def __bool__(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        by = ", ".join(f"{name} by {method}" for name, method in self.methods.items())
        lines = [f"{self.name}: {self.checked - len(self.wrong)} of {self.checked} elements agree ({by})"]
        if self.wrong:
            lines.append(f"  wrong: {self.wrong[0]}")
            lines += [f"         {element}" for element in self.wrong[1:5]]
            if len(self.wrong) > 5:
                lines.append(f"         and {len(self.wrong) - 5} more")
        elif self.worst is not None:
            lines.append(f"  worst: {self.worst}")
        if self.kinks:
            places = ", ".join(f"{element.name} at {element.index}" for element in self.kinks[:5])
            more = "" if len(self.kinks) <= 5 else f" and {len(self.kinks) - 5} more"
            lines.append(f"  kinks, where the derivative jumps: {places}{more}")
        return "\n".join(lines)


def gradcheck(
    module: Module,
    inputs: Any,
    *,
    eps: float = STEP,
    atol: float = 1e-6,
    rtol: float = 1e-6,
    raise_exception: bool = True,
    seed: int = 0,
) -> GradcheckResult:
    r"""Compare a backward pass with differences of its forward pass, by every input and every parameter.

    Everything is left as it was found: gradients, buffers, forward calls that wait for their backward, and
    the random streams, which start every call alike, so that dropout drops the same elements each time.

    Parameters
    ----------
    module : Module
        A layer, a loss, or a whole model, in float64 and on the host.  Frozen parameters are passed over.
    inputs : ndarray or tuple
        What it is called with.  The floating arrays are checked as far as ``backward`` returns their
        gradients: for a loss, the first.
    eps : float
        The step of the differences, relative to the larger of 1 and the element.
    atol, rtol : float
        Differences may be ``atol + rtol * scale`` away, with ``scale`` the larger of 1 and the largest
        element of that gradient; a complex step at most ``1e-10 * scale``.
    raise_exception : bool, default True
        If False, a wrong gradient is told by the result alone.
    seed : int
        Of the cotangent; one of all ones would let truncated formulas pass.

    Returns
    -------
    GradcheckResult
        True where everything agrees; ``print`` it for the report.

    Raises
    ------
    GradcheckError
        If an element is wrong (with ``raise_exception``), the names and shapes of the gradients do not fit,
        or two calls with the same input give two outputs.
    DtypeError, DeviceError
        If something is not in float64, or not on the host.

    Examples
    --------
    >>> import npnet
    >>> from npnet import nn
    >>> class Square(nn.Module):
    ...     def forward(self, x):
    ...         self.save(x)
    ...         return x * x
    ...
    ...     def backward(self, grad_output, *, input_grad=True):
    ...         (x,) = self.saved()
    ...         return x * grad_output  # the factor 2 is missing
    >>> result = npnet.gradcheck(Square(), np.array([3.0]), raise_exception=False)
    >>> bool(result)
    False
    >>> result.wrong[0].name, result.wrong[0].index
    ('input 0', (0,))
    >>> print(npnet.gradcheck(nn.ReLU(), np.array([-1.0, 0.0, 1.0])))  # doctest: +ELLIPSIS
    ReLU: 3 of 3 elements agree (input 0 by complex step)
    ...
      kinks, where the derivative jumps: input 0 at (1,)

    References
    ----------
    Squire, Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    Chainer's ``gradient_check`` for the kinks.
    """
    inputs = copied(tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,))
    check_place(module, inputs)
    trial = Trial(module, inputs, seed)
    with trial.everything_restored():
        analytic, varied = trial.backward()
        wrong: list[Element] = []
        kinks: list[Element] = []
        worst: Element | None = None
        methods: dict[str, str] = {}
        checked = 0
        for name, array in varied.items():
            differences = central_differences(trial.value, array, eps)
            exact = trial.complex_gradient(array)
            elements, methods[name] = _compare(name, analytic[name], differences, exact, atol, rtol)
            checked += len(elements)
            kinks += [element for element in elements if differences.kinks[element.index]]
            wrong += [element for element in elements if not element.error <= element.tolerance]
            worst = max([*([] if worst is None else [worst]), *elements], key=_used, default=None)
    wrong.sort(key=_used, reverse=True)
    result = GradcheckResult(type(module).__name__, tuple(wrong), tuple(kinks), worst, methods, checked)
    if wrong and raise_exception:
        raise GradcheckError(str(result))
    return result


def _used(element: Element) -> float:
    """How much of its tolerance an element used; NaN is worst."""
    return element.error / element.tolerance if element.error == element.error else np.inf


def _compare(
    name: str, analytic: Array, differences: Differences, exact: Array | None, atol: float, rtol: float
) -> tuple[list[Element], str]:
    """All elements of one gradient, each against the best that is known of it."""
    smooth = np.where(differences.kinks, 0.0, differences.gradient)
    scale = max(1.0, float(np.max(np.abs(smooth), initial=0.0)))
    method, numeric, tolerance = "central differences", differences.gradient, atol + rtol * scale
    if exact is not None:
        gap = np.where(differences.kinks, 0.0, np.abs(exact - differences.gradient))
        if float(np.max(gap, initial=0.0)) <= BELIEVED * scale:
            method, numeric, tolerance = "complex step", exact, EXACT * scale
    elements = []
    for index in np.ndindex(analytic.shape):
        found, expected, how, allowed = float(analytic[index]), float(numeric[index]), method, tolerance
        if differences.kinks[index]:
            slopes = float(differences.below[index]), float(differences.above[index])
            expected = min(max(found, min(slopes)), max(slopes))  # the nearest that is between them
            how, allowed = "one-sided differences", 10 * (atol + rtol * max(scale, *map(abs, slopes)))
        elements.append(Element(name, index, found, expected, abs(found - expected), allowed, how))
    return elements, method

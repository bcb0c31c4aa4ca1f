r"""Is a backward pass the derivative of its forward pass?  A check for layers and losses of your own.

With :math:`y = f(x, \theta)` and a random cotangent :math:`g`, ``backward(g)`` must give the gradient of the
number :math:`s = \sum g \odot y`.  That gradient is found a second time from the forward pass alone, element
by element: by central differences, which work for any function and notice kinks, and where every operation is
analytic by a complex step, which is exact to the last digits.  The complex step is believed only where it
agrees with the differences: an absolute value, or a cast to a real number, makes it wrong in silence.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet import backend
from npnet import random as streams
from npnet.backend import Array
from npnet.errors import DeviceError, DtypeError, GradcheckError, NpnetError
from npnet.nn.context import Contexts, no_grad
from npnet.nn.differences import STEP, Differences, central_differences, complex_step
from npnet.nn.module import Module

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
    inputs = _copied(tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,))
    _check_place(module, inputs)
    trial = _Trial(module, inputs, seed)
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


class _Trial:
    """One module with its inputs, cotangent and the state in which every call starts."""

    def __init__(self, module: Module, inputs: tuple[Any, ...], seed: int) -> None:
        self.module, self.inputs, self.seed = module, inputs, seed
        self.buffers = [
            (owner.__dict__, name, np.array(buffer))
            for owner in module.modules()
            for name in owner.__dict__["_buffers"]
            if (buffer := owner.__dict__[name]) is not None
        ]
        self.generators = _generators(module)
        self.cotangents: Any = None

    def start(self) -> None:
        """Put buffers and generators where the first call found them."""
        for attributes, name, kept in self.buffers:
            attributes[name][...] = kept
        for put_back in self.generators:
            put_back()

    @contextlib.contextmanager
    def everything_restored(self) -> Iterator[None]:
        """Leave gradients, buffers, generators, modes, and what waits for a backward, as they were."""
        parameters = list(self.module.parameters())
        gradients = [None if p.grad is None else np.array(p.grad) for p in parameters]
        modules = [
            (each.__dict__, each.training, each.__dict__["_contexts"]) for each in self.module.modules()
        ]
        buffers = [(attributes, name, attributes[name]) for attributes, name, _ in self.buffers]
        for attributes, _, _ in modules:
            attributes["_contexts"] = Contexts()
        try:
            yield
        finally:
            for attributes, name, buffer in buffers:  # a forward may have put another array in its place
                attributes[name] = buffer
            self.start()
            for attributes, training, contexts in modules:
                attributes["training"], attributes["_contexts"] = training, contexts
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient

    def backward(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """The gradients that backward gives, and the arrays that they belong to."""
        self.module.zero_grad()
        self.start()
        output = self.module(*self.inputs)
        rng = np.random.default_rng(self.seed)
        self.cotangents = _mapped(lambda y: np.asarray(rng.normal(size=np.shape(y))), output)
        first = self._project(output)
        returned = self.module.backward(self.cotangents)
        if not np.isclose(self.value(), first, rtol=1e-12, atol=1e-300, equal_nan=True):
            raise GradcheckError(
                f"{type(self.module).__name__} is not deterministic: two calls with the same input differ; "
                "draw from npnet's streams or give it a generator= that has get_state and set_state"
            )
        returned = returned if isinstance(returned, tuple) else (returned,)
        analytic: dict[str, Array] = {}
        varied: dict[str, Array] = {}
        for position, (given, gradient) in enumerate(zip(self.inputs, returned, strict=False)):
            leaves = zip(_leaves(given), _leaves(gradient), strict=True)
            for (where, x), (_, g) in leaves:
                if x is not None and g is not None and x.dtype.kind == "f":
                    name = f"input {position}{where}"
                    varied[name], analytic[name] = x, self._fitting(name, g, x.shape)
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                gradient = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad
                varied[name], analytic[name] = parameter.data, np.array(gradient)
        return analytic, varied

    def _fitting(self, name: str, gradient: Any, shape: tuple[int, ...]) -> Array:
        if np.shape(gradient) != shape:
            raise GradcheckError(
                f"{type(self.module).__name__}.backward gives a gradient of shape {np.shape(gradient)} by "
                f"{name}, which has shape {shape}"
            )
        return np.array(gradient, dtype=np.float64)

    def _project(self, output: Any) -> Any:
        """The number that is differentiated."""
        pairs = zip(_leaves(output), _leaves(self.cotangents), strict=True)
        return sum(np.sum(g * y) for (_, y), (_, g) in pairs)

    def value(self) -> float:
        """The number, from the same buffers and draws at every call."""
        self.start()
        with no_grad():
            return float(self._project(self.module(*self.inputs)))

    def complex_gradient(self, array: Array) -> Array | None:
        """The gradient by one array by complex steps; None where forward takes no complex numbers."""
        with self._everything_complex(array) as (twin, inputs), contextlib.suppress(*NOT_ANALYTIC):

            def project(z: Array) -> Any:
                self.start()
                twin[...] = z
                return self._project(self.module(*inputs))

            with no_grad(), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error")  # NumPy warns where an imaginary part is lost
                return complex_step(project, array)
        return None

    @contextlib.contextmanager
    def _everything_complex(self, array: Array) -> Iterator[tuple[Array, tuple[Any, ...]]]:
        """The complex twin of `array`, and inputs; parameters and buffers are complex, checks are off."""
        twins: dict[int, Array] = {}

        def twin_of(x: Any) -> Any:
            if x is None or x.dtype.kind != "f":
                return x
            return twins.setdefault(id(x), x.astype(np.complex128))

        parameters = [(parameter, parameter.data) for parameter in self.module.parameters()]
        buffers = [(attributes, name, attributes[name]) for attributes, name, _ in self.buffers]
        modules = list(self.module.modules())
        try:
            for parameter, values in parameters:
                parameter._data = twin_of(values)
            for attributes, name, buffer in buffers:
                attributes[name] = twin_of(buffer)
            for (
                each
            ) in modules:  # an attribute of the instance hides the method, which knows no complex numbers
                each.__dict__["check_input"] = _accept
            inputs = _mapped(twin_of, self.inputs)
            yield twins[id(array)], inputs
        finally:
            for parameter, values in parameters:
                parameter._data = values
            for attributes, name, buffer in buffers:
                attributes[name] = buffer
            for each in modules:
                del each.__dict__["check_input"]


NOT_ANALYTIC = (TypeError, ValueError, ArithmeticError, AttributeError, Warning, NpnetError)
"""What a forward pass raises that meets complex numbers and cannot take them."""


def _accept(*_: Any, **__: Any) -> None:
    """Take anything."""


def _generators(module: Module) -> list[Callable[[], Any]]:
    """For each generator that the module may draw from, what puts it back where it is now."""
    own = [vars(each).get("generator") for each in module.modules()]
    found = {id(generator): generator for generator in (*map(streams.stream, streams.STREAMS), *own)}
    put_back: list[Callable[[], Any]] = []
    for generator in found.values():
        if hasattr(generator, "get_state") and hasattr(generator, "set_state"):
            state = generator.get_state()
            put_back.append(functools.partial(generator.set_state, state))
        elif hasattr(generator, "position"):  # a tape of masks
            put_back.append(functools.partial(setattr, generator, "position", generator.position))
    return put_back


def _check_place(module: Module, inputs: tuple[Any, ...]) -> None:
    """Refuse what differences cannot be taken of."""
    arrays = [(name, parameter.data) for name, parameter in module.named_parameters()]
    arrays += [(f"input {i}{where}", x) for i, each in enumerate(inputs) for where, x in _leaves(each)]
    for name, array in arrays:
        if array is None:
            continue
        if backend.device_of(array) != "cpu":
            raise DeviceError(f"gradcheck works on the host, {name} lies elsewhere; use module.cpu()")
        if array.dtype.kind == "f" and array.dtype != np.float64:
            raise DtypeError(
                f"gradcheck needs float64, {name} is {array.dtype}: float32 has too few digits for "
                "differences; use module.double() and x.astype('float64')"
            )


def _copied(structure: Any) -> Any:
    return _mapped(lambda x: np.array(x) if isinstance(x, (np.ndarray, np.generic)) else x, structure)


def _mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """A structure of tuples with a function applied to what is in it."""
    if isinstance(structure, tuple):
        return tuple(_mapped(function, each) for each in structure)
    return function(structure)


def _leaves(structure: Any, where: str = "") -> list[tuple[str, Any]]:
    """What is in a structure of tuples, and where."""
    if isinstance(structure, tuple):
        return [leaf for i, each in enumerate(structure) for leaf in _leaves(each, f"{where}[{i}]")]
    return [(where, structure)]

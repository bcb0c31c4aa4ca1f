"""A module on trial: called again and again from one state, in real numbers and in complex ones.

:mod:`npnet.nn.gradcheck` compares what comes out.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npnet import backend
from npnet import random as streams
from npnet.backend import Array
from npnet.errors import DeviceError, DtypeError, GradcheckError, NpnetError
from npnet.nn.context import Changes, Contexts, no_grad
from npnet.nn.differences import complex_step
from npnet.nn.module import Module

__all__ = ["Trial", "check_place", "copied"]


class Trial:
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
            Changes.count += 1
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient

    def backward(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """The gradients that backward gives, and the arrays that they belong to."""
        self.module.zero_grad()
        self.start()
        output = self.module(*self.inputs)
        rng = np.random.default_rng(self.seed)
        self.cotangents = mapped(lambda y: np.asarray(rng.normal(size=np.shape(y))), output)
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
            for (where, x), (_, g) in zip(leaves(given), leaves(gradient), strict=True):
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
        pairs = zip(leaves(output), leaves(self.cotangents), strict=True)
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
            Changes.count += 1
            # An attribute of the instance hides the method, which knows no complex numbers.
            for each in modules:
                each.__dict__["check_input"] = _accept
            inputs = mapped(twin_of, self.inputs)
            yield twins[id(array)], inputs
        finally:
            for parameter, values in parameters:
                parameter._data = values
            for attributes, name, buffer in buffers:
                attributes[name] = buffer
            for each in modules:
                del each.__dict__["check_input"]
            Changes.count += 1


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


def check_place(module: Module, inputs: tuple[Any, ...]) -> None:
    """Refuse what differences cannot be taken of."""
    arrays = [(name, parameter.data) for name, parameter in module.named_parameters()]
    arrays += [(f"input {i}{where}", x) for i, each in enumerate(inputs) for where, x in leaves(each)]
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


def copied(structure: Any) -> Any:
    """A structure of tuples with its arrays copied."""
    return mapped(lambda x: np.array(x) if isinstance(x, (np.ndarray, np.generic)) else x, structure)


def mapped(function: Callable[[Any], Any], structure: Any) -> Any:
    """A structure of tuples with a function applied to what is in it."""
    if isinstance(structure, tuple):
        return tuple(mapped(function, each) for each in structure)
    return function(structure)


def leaves(structure: Any, where: str = "") -> list[tuple[str, Any]]:
    """What is in a structure of tuples, and where."""
    if isinstance(structure, tuple):
        return [leaf for i, each in enumerate(structure) for leaf in leaves(each, f"{where}[{i}]")]
    return [(where, structure)]

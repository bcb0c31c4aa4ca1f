"""Layers that are two formulas: one of the value, one of the gradient.

What such a layer is can be said without a forward and a backward of its own, in four words: `formula`,
`derivative`, what they take beside the input (:meth:`FormulaLayer.operands`), and what the derivative needs
of the way forward (`keeps`).  The checks and the books are kept here, once.  And whoever has the four words
can do without the books: :class:`~npnet.nn.Sequential` runs a row of formulas as one (:mod:`npnet.nn.row`),
and an engine compiles it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from npnet.backend import Array
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter

__all__ = ["FormulaLayer", "is_bare", "is_steady", "plain", "steady"]

F = TypeVar("F", bound=Callable[..., Any])

_PLAIN: set[Any] = set()
_STEADY: set[Any] = set()


def plain(method: F) -> F:
    """Mark a method that a row may do without, or call with an array like the input in place of the input.

    A ``forward`` that checks its input, asks for the operands, calls the formula, and that is all; a
    ``check`` or ``operands`` that looks at nothing but shape, dtype and device.
    """
    _PLAIN.add(method)
    return method


def steady(operands: F) -> F:
    """Mark plain ``operands`` that are the same arrays and numbers until an attribute of the layer is set."""
    _STEADY.add(operands)
    return plain(operands)


def is_steady(layer: FormulaLayer) -> bool:
    """Whether the operands of a layer are the same until an attribute is set, or a parameter moves."""
    return type(layer).operands in _STEADY


def is_bare(layer: Module) -> bool:
    """Whether calling the formulas of a layer is all that calling the layer would do.

    Not so where a subclass, or somebody who watches the layer, has put a method of his own in place.
    """
    kind: Any = type(layer)
    return (
        isinstance(layer, FormulaLayer)
        and kind.forward in _PLAIN
        and kind.check in _PLAIN
        and kind.operands in _PLAIN
        and all(getattr(kind, name) is method for name, method in _OWN)
        and layer.__dict__.keys().isdisjoint(_METHODS)
    )


class FormulaLayer(Module):
    """Base of the layers that are two formulas.

    Attributes
    ----------
    formula : static method
        ``formula(x, *operands)``: the output; where `keeps` is a number a tuple, the output first and
        behind it what is kept.
    derivative : static method
        ``derivative(g, *kept, *operands)``: the gradient by the input.  If there are parameters, it is
        called as ``derivative(g, *kept, *operands, *places, wanted)``: it writes the gradient by each
        parameter that :meth:`learned` names into its place, an array or None where nobody wants it, and
        returns the gradient by the input, or None unless `wanted` is True (else it is None).
    keeps : {"input", "output", "nothing"} or int
        What the derivative takes of the way forward; a number says how many arrays the formula keeps.
    together : static method or None
        ``together(layers, inputs)``, where it can be had faster: a function of nothing that gives, until an
        attribute is set, what :meth:`operands` of several layers give, called one after another; the layers
        have this same static method.  A subclass with operands of its own has another one, or None.
    joins_rows : bool
        Whether it may be run with its neighbours: if its operands have the input's shape, or that of the
        last axis.  The formulas change nothing that they are given but the places, and what they count.

    Examples
    --------
    >>> class Power(FormulaLayer):
    ...     formula = staticmethod(lambda x, n: x**n)
    ...     derivative = staticmethod(lambda g, x, n: g * n * x ** (n - 1))
    ...
    ...     def operands(self, x):
    ...         return (3,)
    >>> layer = Power()
    >>> layer(np.array([1.0, 2.0])), layer.backward(np.array([1.0, 1.0]))
    (array([1., 8.]), array([ 3., 12.]))
    """

    formula: ClassVar[staticmethod[..., Any]]
    derivative: ClassVar[staticmethod[..., Any]]
    keeps: ClassVar[str | int] = "input"
    together: ClassVar[Any] = None
    joins_rows: ClassVar[bool] = True

    @plain
    def check(self, x: Any) -> None:
        """Refuse an input that the layer does not take."""
        self.check_input(x)

    @steady
    def operands(self, x: Array) -> tuple[Any, ...] | None:
        """What the formulas take beside the input in this call: arrays, numbers and None.

        None in place of all of them if the layer passes its input through as it is.
        """
        return ()

    def learned(self) -> tuple[Parameter | None, ...]:
        """The parameters, in the order of their places in the derivative's arguments."""
        return ()

    @plain
    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Call the formula."""
        self.check(input)
        return self.noted(input, self.operands(input))

    def noted(self, x: Array, operands: tuple[Any, ...] | None) -> Array:
        """The formula's output, with what :meth:`backward` needs saved."""
        if operands is None:
            self.save(x.shape, (), None)
            return x
        result = self.formula(x, *operands)
        keeps = self.keeps
        output: Array
        if isinstance(keeps, int):
            output, kept = result[0], result[1:]
        else:
            output = result
            kept = (x,) if keeps == "input" else (result,) if keeps == "output" else ()
        self.save(output.shape, kept, operands)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Call the derivative: add to the gradients of the parameters, and return the one by the input."""
        shape, kept, operands = self.saved()
        self.check_grad(grad_output, shape)
        if operands is None:
            return grad_output if input_grad else None
        learned = self.learned()
        if not learned:
            return self.derivative(grad_output, *kept, *operands) if input_grad else None
        own = next((parameter.dtype for parameter in learned if parameter is not None), grad_output.dtype)
        if own != grad_output.dtype:
            grad_output = grad_output.astype(np.result_type(own, grad_output.dtype), copy=False)
        written: list[tuple[Parameter, Array]] = []
        places = self.places(grad_output.dtype, written)
        wanted = True if input_grad else None
        grad_input: Array | None = self.derivative(grad_output, *kept, *operands, *places, wanted)
        for parameter, place in written:
            parameter.settle(place)
        return grad_input

    def places(
        self, dtype: np.dtype[Any], written: list[tuple[Parameter, Array]]
    ) -> tuple[Array | None, ...]:
        """Where the derivative is to write; and, into a list, what is to be settled once it has."""
        found = []
        for parameter in self.learned():
            place = None if parameter is None else parameter.place(dtype)
            if place is not None:
                if any(place is other for _, other in written):  # a parameter that comes twice: to be added
                    place = np.empty_like(place)
                written.append((parameter, place))  # type: ignore[arg-type]
            found.append(place)
        return tuple(found)

    def _learns(self) -> bool:
        for parameter in self.learned():  # noqa: SIM110 (a generator takes longer than the whole rest)
            if parameter is not None and parameter.requires_grad:
                return True
        return False


_OWN = [
    (name, getattr(FormulaLayer, name))
    for name in ("__call__", "backward", "check_grad", "check_input", "noted", "places", "save", "saved")
]
"""Methods that a row does without; a layer that has another one in its place is called."""

_METHODS = {name for name, _ in _OWN} | {
    *("check", "derivative", "forward", "formula", "keeps", "learned", "operands"),
}

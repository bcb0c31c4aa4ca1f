"""What every elementwise layer does: the checks, the context, and the call of two formulas."""

from __future__ import annotations

from typing import Any, ClassVar

from npnet.backend import Array
from npnet.errors import UnsupportedError
from npnet.nn.formula_layer import FormulaLayer, steady

__all__ = ["Elementwise", "refuse_inplace"]


class Elementwise(FormulaLayer):
    """An elementwise function; a subclass names its formulas and those of its attributes that they take.

    Attributes
    ----------
    formula : static method
        ``formula(x, *options)``: the value.
    derivative : static method
        ``derivative(g, kept, *options)``: the gradient `g` by the output times the derivative.
    options : tuple of str
        Names of the attributes that both formulas take, in their order.
    keeps : {"input", "output"}
        What `kept` is.
    """

    options: ClassVar[tuple[str, ...]] = ()

    @steady
    def operands(self, x: Array) -> tuple[Any, ...]:
        """The options."""
        return tuple([getattr(self, name) for name in self.options])

    def extra_repr(self) -> str:
        """The options."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options)


def refuse_inplace(name: str, inplace: bool) -> None:
    """Refuse ``inplace=True``, in the name of a layer or function."""
    if inplace:
        raise UnsupportedError(
            f"{name}: inplace=True is not supported, since a layer here never overwrites "
            "its input; leave it out, the values are the same"
        )

"""What every elementwise layer does: the checks, the context, and the call of two formulas."""

from __future__ import annotations

from typing import Any, ClassVar

from npnet.backend import Array
from npnet.errors import UnsupportedError
from npnet.nn.module import Module

__all__ = ["Elementwise", "refuse_inplace"]


class Elementwise(Module):
    """An elementwise function; a subclass names its formulas and those of its attributes that they take.

    Attributes
    ----------
    formula : static method
        ``formula(x, *options)``: the value.
    derivative : static method
        ``derivative(g, kept, *options)``: the gradient `g` by the output times the derivative.
    options : tuple of str
        Names of the attributes that both formulas take, in their order.
    keeps_output : bool
        Whether `kept` is the output; else it is the input.
    """

    formula: ClassVar[staticmethod[..., Array]]
    derivative: ClassVar[staticmethod[..., Array]]
    options: ClassVar[tuple[str, ...]] = ()
    keeps_output: ClassVar[bool] = False

    def _given(self) -> list[Any]:
        return [getattr(self, name) for name in self.options]

    def forward(self, input: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Apply the function to every element."""
        self.check_input(input)
        output = self.formula(input, *self._given())
        self.save(output if self.keeps_output else input)
        return output

    def backward(self, grad_output: Array, *, input_grad: bool = True) -> Array | None:
        """Multiply the gradient by the derivative."""
        (kept,) = self.saved()
        self.check_grad(grad_output, kept.shape)
        return self.derivative(grad_output, kept, *self._given()) if input_grad else None

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

"""What every loss does: the reduction, its backward and the checks."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, NamedTuple

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.engine.chain import Link, divided_sum
from npnet.errors import ArgumentError, DeviceError, DtypeError, NpnetError, ShapeError, UnsupportedError
from npnet.nn.context import thread
from npnet.nn.module import Module

__all__ = ["ElementwiseLoss", "Ending", "Loss", "beside", "reduced"]


def beside(seed: Any) -> Any:
    """A number for each loss with one more axis, for what the loss was a sum of; a single number as it is."""
    return seed if np.ndim(seed) == 0 else seed[..., None]


def reduced(losses: Array, divisor: Any, reduction: str) -> Array:
    """The losses as a reduction has them; `divisor` is what a mean divides by.

    Examples
    --------
    >>> [reduced(np.array([1.0, 3.0]), 2, name).tolist() for name in ("mean", "sum", "none")]
    [2.0, 4.0, [1.0, 3.0]]
    """
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else divided_sum(losses, divisor)


class Ending(NamedTuple):
    """A loss as the last link of a row of layers.

    Parameters
    ----------
    link : Link
        Its formula gives the losses.
    operands : callable
        ``operands(target)``: what the formulas take in a call; None where the loss has to be called.
    divisor : int
        What the sum of the losses is divided by: 1 where it is not.
    """

    link: Link
    operands: Callable[[Any], tuple[Any, ...] | None]
    divisor: int


class Loss(Module):
    """Base of the losses: the reduction, its backward and the checks.

    Parameters
    ----------
    size_average, reduce : None
        PyTorch's deprecated arguments; refused.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ArgumentError
        If the reduction is not known.
    UnsupportedError
        If one of the deprecated arguments is given.
    """

    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise UnsupportedError("size_average and reduce are deprecated in PyTorch; use reduction=")
        if reduction not in self.reductions:
            known = ", ".join(map(repr, self.reductions[:-1]))
            raise ArgumentError(f"reduction must be {known} or {self.reductions[-1]!r}, got {reduction!r}")
        self.reduction = reduction

    def _reduced(self, losses: Array, divisor: Any) -> Array:
        """The losses as the reduction has them; `divisor` is what a mean divides by."""
        return reduced(losses, divisor, self.reduction)

    def as_link(self, like: Array) -> Ending | None:
        """The loss as the last link of a row of layers; None where it is more than its formulas.

        Parameters
        ----------
        like : ndarray
            An array of the input's shape and dtype.
        """
        return None

    def _ending(
        self, link: Link, operands: Callable[[Any], tuple[Any, ...] | None], divisor: int
    ) -> Ending | None:
        if self.reduction == "none" or not divisor:
            return None
        return Ending(link, operands, 1 if self.reduction == "sum" else divisor)

    def _seed(self, grad_output: Any, losses_shape: tuple[int, ...], divisor: Any, like: Array) -> Any:
        r""":math:`\partial L / \partial \ell_i`: a number; for ``"none"`` an array, one an element.

        In the dtype of `like`, the losses' own, as PyTorch has it; a number takes it of itself.
        """
        shape = losses_shape if self.reduction == "none" else ()
        a_number = self.reduction != "none" and type(grad_output) is np.ndarray and not grad_output.shape
        if isinstance(grad_output, (float, Real)) or a_number:  # takes the dtype of the losses
            grad_output, given = float(grad_output), ()
        elif backend.is_array(grad_output):
            given = grad_output.shape
        else:
            thread.state.put_back()
            raise DtypeError(
                f"{type(self).__name__}.backward takes a number or an array, got {type(grad_output).__name__}"
            )
        if given != shape:
            thread.state.put_back()
            raise ShapeError(
                f"{type(self).__name__}.backward takes a gradient of shape {shape} for "
                f"reduction={self.reduction!r}, got {given}"
            )
        thread.state.taken.clear()
        if type(grad_output) is not float and grad_output.dtype != like.dtype:
            grad_output = grad_output.astype(like.dtype)
        if self.reduction in ("sum", "none"):
            return grad_output
        return grad_output / (1 if isinstance(divisor, int) and divisor == 0 else divisor)  # 0: of no rows

    def _check_pair(self, x: Any, target: Any) -> None:
        """Refuse a target that is not of the input's shape, dtype and device."""
        self.check_input(x)
        self.check_input(target, like=x)
        if target.shape != x.shape:
            raise ShapeError(
                f"{type(self).__name__} takes input and target of one shape, got {x.shape} and {target.shape}"
            )

    def _check_weight(self, name: str, weight: Any) -> Any:
        if weight is not None and (not backend.is_array(weight) or weight.dtype.kind != "f"):
            raise DtypeError(f"{type(self).__name__}: {name} must be a floating array, got {weight!r}")
        return weight

    def _check_class_weight(self, x: Array, weight: Array | None, classes: int) -> None:
        """Refuse weights of another dtype or device than the input's, or of other classes."""
        if weight is None:
            return
        self.check_input(x, like=weight)
        if weight.shape != (classes,):
            raise ShapeError(f"weight of shape {weight.shape} does not fit {classes} classes")

    def _check_device(self, x: Array, target: Array) -> None:
        """Refuse a target that lies elsewhere than the input."""
        if type(x) is not type(target) and backend.device_of(target) != backend.device_of(x):
            raise DeviceError(
                f"input lies on {backend.device_of(x)!r}, target on {backend.device_of(target)!r}"
            )

    def extra_repr(self) -> str:
        """The reduction."""
        return f"reduction={self.reduction!r}"


class ElementwiseLoss(Loss):
    """A loss of each element of the input and the same element of the target.

    A subclass names its formulas and those of its attributes that they take.  The mean divides by the
    number of elements.

    Attributes
    ----------
    formula : static method
        ``formula(x, target, *options)``: the losses.
    derivative : static method
        ``derivative(g, x, target, *options)``: the gradient `g` by the losses, a number or an array, times
        their derivative by `x`.
    options : tuple of str
        Names of the attributes that both formulas take, in their order.
    quiet : dict
        Floating-point warnings that the formulas may raise on the way to a result that is meant.
    """

    formula: ClassVar[staticmethod[..., Array]]
    derivative: ClassVar[staticmethod[..., Array]]
    options: ClassVar[tuple[str, ...]] = ()
    quiet: ClassVar[dict[str, Any]] = {}

    def _given(self) -> list[Any]:
        return [getattr(self, name) for name in self.options]

    def _divisor(self, x: Array) -> int:
        """What a mean divides by."""
        return x.size

    def as_link(self, like: Array) -> Ending | None:
        """As :meth:`Loss.as_link`; None where formulas may warn on the way or make another dtype."""
        try:
            self._check_pair(like, like)
        except NpnetError:
            return None
        options = self._given()
        if self.quiet or not all(_keeps_dtype(option, like) for option in options):
            return None

        def operands(target: Any) -> tuple[Any, ...] | None:
            if type(target) is not np.ndarray or target.shape != like.shape or target.dtype != like.dtype:
                return None
            return target, *options

        link = Link(self.formula, self.derivative, "input", 1 + len(options), 0, steady=False)
        return self._ending(link, operands, self._divisor(like))

    def forward(self, input: Array, target: Array) -> Array:  # noqa: A002 (PyTorch's name)
        """Compare `input` with `target`."""
        self._check_pair(input, target)
        self.save(input, target)
        with np.errstate(**self.quiet):
            return self._reduced(self.formula(input, target, *self._given()), self._divisor(input))

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Array | None:
        """Compute the gradient by the input."""
        x, target = self.saved()
        seed = self._seed(grad_output, x.shape, self._divisor(x), x)
        if not input_grad:
            return None
        with np.errstate(**self.quiet):
            return self.derivative(seed, x, target, *self._given())

    def extra_repr(self) -> str:
        """The reduction, and the options that are no arrays."""
        given = {name: getattr(self, name) for name in self.options}
        shown = [f"{name}={value!r}" for name, value in given.items() if isinstance(value, (str, Real))]
        return ", ".join([super().extra_repr(), *shown])


def _keeps_dtype(option: Any, like: Array) -> bool:
    """Whether what a formula makes of an array and an option has the array's dtype."""
    if isinstance(option, np.ndarray):
        return bool(option.dtype == like.dtype)
    return option is None or type(option) in (bool, int, float, str)

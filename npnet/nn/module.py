"""Modules: what has parameters, a forward pass and the backward pass that belongs to it.

The one mechanism of this file is the *context*.  A layer's ``forward`` calls ``self.save(...)`` with what
its ``backward`` will need; ``backward`` takes it back with ``self.saved()``.  Contexts form a stack, so a
layer that is called twice within one forward is gone back through twice, in reverse.  A gradient that
``self.check_grad`` refuses leaves the stacks as they were, those of the modules around too.  A module whose
``forward`` merely passes its input through its children keeps the list of those calls as its context,
and goes back through them in reverse order: that is how ``Sequential`` works, and a subclass of yours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from npnet import backend
from npnet.backend import Array, DTypeLike
from npnet.errors import (
    ArgumentError,
    BackwardError,
    DeviceError,
    DtypeError,
    DtypeMismatchError,
    ShapeError,
    StateError,
)
from npnet.nn.context import Changes, Contexts, Together, thread
from npnet.nn.parameter import Parameter

__all__ = ["IncompatibleKeys", "Module", "back_through", "first_that_learns"]

Self = TypeVar("Self", bound="Module")
Call = tuple[Any, Any, Any]
"""A child, its one positional input (or _NOT_ONE), and its output."""

_NOT_ONE = object()

FLOATS = (np.float32, np.float64)


class IncompatibleKeys(NamedTuple):
    """What :meth:`Module.load_state_dict` did not find, and what it did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of layers, losses and models.

    A subclass calls ``super().__init__()``, assigns parameters, buffers and children as attributes, and
    writes ``forward``.  If ``forward`` passes its input through one child after another and returns the
    last one's output, that is all.  Any other ``forward`` keeps what it needs with :meth:`save`, and a
    ``backward`` takes it with :meth:`saved`, adds to the gradients of its own parameters and returns the
    gradient by its input.  (The calls are recognised by the identity of the arrays: do not change an
    array in place between two children.)

    Attributes
    ----------
    training : bool
        Set by :meth:`train` and :meth:`eval`; BatchNorm and dropout look at it.

    Examples
    --------
    A residual block: its forward adds, so it writes its own backward.

    >>> from npnet import nn
    >>> import numpy as np
    >>> class Residual(nn.Module):
    ...     def __init__(self, inner):
    ...         super().__init__()
    ...         self.inner = inner
    ...
    ...     def forward(self, x):
    ...         return x + self.inner(x)
    ...
    ...     def backward(self, grad_output, *, input_grad=True):
    ...         return grad_output + self.inner.backward(grad_output)
    >>> block = Residual(nn.Linear(3, 3, dtype="float64"))
    >>> x = np.ones((2, 3))
    >>> grad_input = block(x) is not None and block.backward(np.ones((2, 3)))
    >>> bool(np.allclose(grad_input, 1 + np.ones((2, 3)) @ block.inner.weight.data))
    True
    """

    training: bool
    _parameters: dict[str, None]
    _modules: dict[str, None]
    _buffers: dict[str, bool]
    _contexts: Contexts

    def __init__(self) -> None:
        attributes = self.__dict__
        attributes["training"] = True
        attributes["_parameters"] = {}  # names in order of assignment; the values are attributes
        attributes["_modules"] = {}
        attributes["_buffers"] = {}  # name: whether state_dict holds it
        attributes["_contexts"] = Contexts()

    # ------------------------------------------------------------------ forward and backward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; a subclass writes it, everybody else calls ``module(x)``."""
        raise NotImplementedError(f"{type(self).__name__} has no forward; write one")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward`, and note the call for the module around this one."""
        now = thread.state
        if not now.recording:
            return self.forward(*args, **kwargs)
        around = now.frame
        if around is None:
            now.number += 1
            now.taken.clear()
        calls: list[Call] = []
        chained = type(self).backward is Module.backward
        now.frame = calls if chained else ()
        try:
            output = self.forward(*args, **kwargs)
            source = args[0] if len(args) == 1 and not kwargs else _NOT_ONE
            if chained:
                self.save(_chain(calls, source, output))
        finally:
            now.frame = around
        if around.__class__ is list:
            around.append((self, source, output))
        return output

    def backward(self, grad_output: Any, *, input_grad: bool = True) -> Any:
        r"""Go back through the last forward call that has not been gone back through yet.

        Adds :math:`\partial L / \partial \theta` to ``parameter.grad`` for every parameter
        :math:`\theta` that requires a gradient.

        Parameters
        ----------
        grad_output : ndarray
            :math:`\partial L / \partial y`, in the shape of the output ``y``.
        input_grad : bool, keyword-only, default True
            If False, skip what only the gradient by the input needs, and return None.

        Returns
        -------
        ndarray or None
            :math:`\partial L / \partial x`, in the shape of the input ``x``.

        Raises
        ------
        BackwardError
            Without a forward call to go back through, or where a module needs a backward of its own.
        """
        (children,) = self.saved()
        if children is None:
            name = type(self).__name__
            raise BackwardError(
                f"{name}.forward does more than pass its input through its children one after another, "
                f"so {name} needs a backward of its own (see the example of npnet.nn.Module)"
            )
        return back_through(children, grad_output, input_grad)

    def save(self, *context: Any) -> None:
        """Keep what this forward call's backward will need; nothing is kept under :class:`no_grad`.

        The first call in a new outermost forward pass drops what an earlier pass has left.
        """
        now = thread.state
        if not now.recording:
            return
        self._contexts.push(context, now.number, now.frame is None)

    def saved(self) -> tuple[Any, ...]:
        """Take back what the last forward call kept; where :meth:`check_grad` refuses, it is put back.

        Raises
        ------
        BackwardError
            If there is none, or it was taken already.
        """
        contexts = self._contexts
        if not contexts.stack:
            raise BackwardError(
                f"{type(self).__name__}.backward has no forward pass to go back through: call the module "
                "outside no_grad() first, and backward once for each call"
            )
        context = contexts.stack.pop()
        thread.state.taken.append((contexts, context))
        if context.__class__ is Together:
            return context.of(self, contexts.stack.count(context))
        return context

    def _learns(self) -> bool:
        """Whether any parameter, its own or a child's, requires a gradient."""
        return any(parameter.requires_grad for parameter in self.parameters())

    def check_input(self, x: Any, ndim: Collection[int] = (), *, like: Array | None = None) -> None:
        """Refuse an input that is no floating array, or not of the dtype and device of the parameters.

        Parameters
        ----------
        x : object
            What the user passed.
        ndim : collection of int
            Accepted numbers of axes; empty accepts any.
        like : ndarray, optional
            A parameter's values or a buffer, whose dtype and device the input must have.

        Raises
        ------
        DtypeError, DeviceError, ShapeError
        """
        if type(x) is type(like) is np.ndarray and x.dtype is like.dtype and (not ndim or x.ndim in ndim):
            return
        name = type(self).__name__
        if type(x) is not np.ndarray and not backend.is_array(x):
            raise DtypeError(f"{name} takes an array, got {type(x).__name__}; convert it with numpy.asarray")
        if like is None:
            if x.dtype.kind != "f":
                raise DtypeError(f"{name} takes float32 or float64, got {x.dtype}; convert with x.astype")
        elif x.dtype != like.dtype:
            other = f" or module.to(dtype='{x.dtype}')" if x.dtype in FLOATS else ""
            raise DtypeMismatchError(
                f"{name} holds {like.dtype} parameters and was given {x.dtype} input; "
                f"convert {'one' if other else 'it'}: x.astype('{like.dtype}'){other}"
            )
        elif type(x) is not type(like) and backend.device_of(x) != backend.device_of(like):
            raise DeviceError(
                f"{name} lies on {backend.device_of(like)!r}, its input on {backend.device_of(x)!r}; "
                "move one with npnet.backend.to_device(x, device) or module.to(device)"
            )
        if ndim and x.ndim not in ndim:
            wanted = " or ".join(f"{n}-d" for n in ndim)
            raise ShapeError(f"{name} takes {wanted} input, got shape {x.shape}")

    def check_grad(self, grad_output: Any, shape: tuple[int, ...]) -> None:
        """Refuse a gradient that has not the shape of the output that it belongs to.

        A backward calls it behind :meth:`saved`.  What was taken on the way here is put back then, so that a
        refused call changes nothing and the right gradient may follow.
        """
        if type(grad_output) is not np.ndarray and not backend.is_array(grad_output):
            thread.state.put_back()
            raise DtypeError(
                f"{type(self).__name__}.backward takes an array, got {type(grad_output).__name__}"
            )
        if grad_output.shape != shape:
            thread.state.put_back()
            raise ShapeError(
                f"{type(self).__name__}.backward takes the gradient by its output of shape {shape}, "
                f"got {grad_output.shape}"
            )
        thread.state.taken.clear()

    # ------------------------------------------------------------------ attributes

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        if "_modules" not in attributes:
            raise AttributeError(
                f"call super().__init__() in {type(self).__name__} before assigning {name!r}"
            )
        for kind, registry in ((Parameter, "_parameters"), (Module, "_modules")):
            if isinstance(value, kind):
                for other in ("_parameters", "_modules", "_buffers"):
                    if other != registry:
                        attributes[other].pop(name, None)
                attributes[registry].setdefault(name, None)
                break
            if name in attributes[registry] and value is not None:
                raise DtypeError(
                    f"attribute {name!r} of {type(self).__name__} holds a {kind.__name__}; "
                    f"cannot assign {type(value).__name__} ({kind.__name__} or None expected)"
                )
        attributes[name] = value
        Changes.count += 1

    def __delattr__(self, name: str) -> None:
        Changes.count += 1
        for registry in ("_parameters", "_modules", "_buffers"):
            self.__dict__[registry].pop(name, None)
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None reserves it."""
        self._register(name, "_parameters", None, param)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name."""
        self._register(name, "_modules", None, module)

    add_module = register_module

    def register_buffer(self, name: str, tensor: Array | None, persistent: bool = True) -> None:
        """Add an array that is part of the state but not learned, such as a running mean."""
        self._register(name, "_buffers", persistent, tensor)

    def _register(self, name: str, registry: str, entry: bool | None, value: Any) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise StateError(f"a name is a string that is not empty and has no dot, got {name!r}")
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise StateError(f"{type(self).__name__} has an attribute {name!r} already")
        self.__dict__[registry][name] = entry
        setattr(self, name, value)

    # ------------------------------------------------------------------ walking

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children and their names."""
        for name in self.__dict__["_modules"]:
            if (child := self.__dict__[name]) is not None:
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct children."""
        for _, child in self.named_children():
            yield child

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = ""
    ) -> Iterator[tuple[str, Module]]:
        """Walk this module and all below it, each once, with dotted names."""
        memo = set() if memo is None else memo
        if self not in memo:
            memo.add(self)
            yield prefix, self
            for name, child in self.named_children():
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """Walk this module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters, each once, with dotted names, in the order of assignment."""
        seen: set[Parameter] = set()
        for name, parameter in self._named("_parameters", prefix, recurse):
            if parameter not in seen:
                seen.add(parameter)
                yield name, parameter

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Array]]:
        """The buffers with dotted names."""
        yield from self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """The buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named(self, registry: str, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Any]]:
        owners = self.named_modules(prefix=prefix) if recurse else [(prefix, self)]
        for path, owner in owners:
            for name in owner.__dict__[registry]:
                if (value := owner.__dict__[name]) is not None:
                    yield (f"{path}.{name}" if path else name), value

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below this one, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------------ modes, places, gradients

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode here and below."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"training mode is expected to be boolean, got {mode!r}")
        for module in self.modules():
            module.__dict__["training"] = mode
        Changes.count += 1
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode here and below; a backward pass is still allowed."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Freeze (False) or thaw (True) every parameter."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every gradient, or set those that are there to zero."""
        for parameter in self.parameters():
            parameter.clear_grad(set_to_none)

    def to(self: Self, device: str | DTypeLike | None = None, dtype: DTypeLike | None = None) -> Self:
        """Move parameters and buffers to a device, a dtype or both, in place.

        ``module.to("cuda")``, ``module.to("float64")``, ``module.to("cuda", "float64")``; integer buffers
        keep their dtype.

        Raises
        ------
        DeviceError, DtypeError
            If the device is not to be had, or the dtype is neither float32 nor float64.
        """
        if dtype is None and _is_dtype(device):
            device, dtype = None, device
        place = None if device is None else backend.check_device(str(device))
        kind = None if dtype is None else backend.floating_dtype(dtype)
        for parameter in self.parameters():
            parameter.to(place, kind)
        for module in self.modules():
            for name in module.__dict__["_buffers"]:
                if (buffer := module.__dict__[name]) is not None:
                    moved = buffer if place is None else backend.to_device(buffer, place)
                    if kind is not None and moved.dtype.kind == "f":
                        moved = moved.astype(kind, copy=False)
                    module.__dict__[name] = moved
        Changes.count += 1
        return self

    def float(self: Self) -> Self:
        """Turn floating parameters and buffers into float32."""
        return self.to(dtype=np.float32)

    def double(self: Self) -> Self:
        """Turn floating parameters and buffers into float64."""
        return self.to(dtype=np.float64)

    def cpu(self: Self) -> Self:
        """Move parameters and buffers to the host."""
        return self.to("cpu")

    def cuda(self: Self) -> Self:
        """Move parameters and buffers to the GPU."""
        return self.to("cuda")

    # ------------------------------------------------------------------ state

    def state_dict(self, *, prefix: str = "") -> dict[str, Array]:
        """Parameters and persistent buffers under PyTorch's keys; views, not copies, as in PyTorch."""
        state: dict[str, Array] = {}
        for path, module in self._paths(prefix):
            for name in module.__dict__["_parameters"]:
                if (parameter := module.__dict__[name]) is not None:
                    state[path + name] = parameter.data
            for name, persistent in module.__dict__["_buffers"].items():
                if persistent and (buffer := module.__dict__[name]) is not None:
                    state[path + name] = buffer
        return state

    def _paths(self, prefix: str) -> Iterator[tuple[str, Module]]:
        """Every module with every prefix under which it is reached; a shared one comes more than once."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child._paths(f"{prefix}{name}.")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values into place; either all of them or, where something does not fit, none.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            As :meth:`state_dict` returns it.
        strict : bool, default True
            Refuse missing and unknown keys.

        Raises
        ------
        StateError
            If keys are missing or unknown (with ``strict``), or a shape differs; names each of them.
        """
        own = self.state_dict()
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        problems = []
        if strict and missing:
            problems.append(f"missing keys: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected keys: {', '.join(unexpected)}")
        values: dict[str, Array] = {}
        for key in own:
            if key in state_dict:
                given = state_dict[key]
                values[key] = given if backend.is_array(given) else np.asarray(given)
                if values[key].shape != own[key].shape:
                    problems.append(f"{key} has shape {values[key].shape}, expected {own[key].shape}")
                elif values[key].dtype.kind not in "fiub":
                    problems.append(f"{key} has dtype {values[key].dtype}, expected {own[key].dtype}")
        if problems:
            raise StateError(f"this state does not fit {type(self).__name__}: {'; '.join(problems)}")
        for key, value in values.items():
            own[key][...] = backend.to_device(value, backend.device_of(own[key]))
        return IncompatibleKeys(missing, unexpected)

    # ------------------------------------------------------------------ display

    def extra_repr(self) -> str:
        """The arguments that ``repr`` shows."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return "\n  ".join([f"{type(self).__name__}({self.extra_repr()}", *lines]) + "\n)"


def _chain(calls: list[Call], source: Any, output: Any) -> tuple[Any, ...] | None:
    """The children, if they form a chain from `source` to `output`; else None."""
    for _, given, result in calls:
        if given is not source:
            return None
        source = result
    return tuple([child for child, _, _ in calls]) if source is output else None


def first_that_learns(children: Sequence[Any]) -> int:
    """The position of the first child with a parameter that requires a gradient; else their number."""
    for i, child in enumerate(children):
        if child._learns():
            return i
    return len(children)


def back_through(children: Sequence[Any], grad_output: Any, input_grad: bool) -> Any:
    """Go back through a chain of children; see :meth:`Module.backward`."""
    # Below the first child that learns nothing is left to do.
    first = 0 if input_grad else first_that_learns(children)
    for i in range(len(children) - 1, first - 1, -1):
        grad_output = children[i].backward(grad_output, input_grad=input_grad or i > first)
    return grad_output if input_grad else None


def _is_dtype(value: Any) -> bool:
    """Whether the first argument of ``to`` names a dtype rather than a device."""
    if value is None:
        return False
    if isinstance(value, str):
        return value.startswith(("float", "double", "half", "int", "uint", "bool", "complex"))
    return isinstance(value, (type, np.dtype))

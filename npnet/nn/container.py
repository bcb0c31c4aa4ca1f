"""Modules that hold modules: in a chain, or in a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from npnet.errors import DtypeError
from npnet.nn.context import thread
from npnet.nn.module import Module
from npnet.nn.plan import through
from npnet.nn.row import one_by_one

__all__ = ["ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_Indexed")


class _Indexed(Module):
    """Children that are reached by their position; their names are the positions, as in PyTorch."""

    def _fill(self, modules: Iterable[Module]) -> None:
        for child in list(self._modules):
            delattr(self, child)
        for position, module in enumerate(modules):
            if not isinstance(module, Module):
                raise DtypeError(f"{type(self).__name__} holds modules, got {type(module).__name__}")
            self.add_module(str(position), module)

    def _name(self, position: int) -> str:
        names = list(self._modules)
        if not -len(names) <= position < len(names):
            raise IndexError(f"index {position} is out of range for {len(names)} modules")
        return names[position]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self: Self, position: int) -> Module: ...
    @overload
    def __getitem__(self: Self, position: slice) -> Self: ...
    def __getitem__(self: Self, position: int | slice) -> Module | Self:
        if isinstance(position, slice):
            return self._subset(dict(list(self.named_children())[position]))
        module: Module = getattr(self, self._name(position))
        return module

    def _subset(self: Self, modules: dict[str, Module]) -> Self:
        raise NotImplementedError

    def __setitem__(self, position: int, module: Module) -> None:
        setattr(self, self._name(position), module)

    def __delitem__(self, position: int | slice) -> None:
        modules = list(self)
        del modules[position]
        self._fill(modules)

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end."""
        self._fill([*self, module])
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        self._fill([*self, *modules])
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Put a module before position `index`."""
        modules = list(self)
        modules.insert(index, module)
        self._fill(modules)
        return self


class Sequential(_Indexed):
    """Modules in a chain: each one's output is the next one's input.

    Parameters
    ----------
    *args : Module, or one mapping of str to Module
        The chain; with a mapping, its keys are the names in ``state_dict``.

    Raises
    ------
    DtypeError
        If something else than a module is passed.

    Examples
    --------
    >>> from npnet import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2)))
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '2.0.weight', '2.0.bias']
    >>> model[-1][0]
    Linear(in_features=3, out_features=2, bias=True)
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self._fill(args)

    def _subset(self, modules: dict[str, Module]) -> Sequential:
        return type(self)(modules)

    def forward(self, input: Any) -> Any:  # noqa: A002 (PyTorch's name)
        """Pass the input through the chain; neighbours that are two formulas each are run as one."""
        now = thread.state
        if now.recording and now.frame is None:  # called past __call__: each child is a pass of its own
            return one_by_one(list(self.children()), input)
        return through(self, input, self._contexts.plans)


class ModuleList(_Indexed):
    """Modules in a list, for a model that calls them itself.

    Parameters
    ----------
    modules : iterable of Module, optional

    Examples
    --------
    >>> from npnet import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self._fill(modules or ())

    def _subset(self, modules: dict[str, Module]) -> ModuleList:
        return type(self)(modules.values())

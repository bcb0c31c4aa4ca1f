"""What an optimizer remembers of its parameters: flat arrays on shelves, and a few numbers each.

State arrays follow the parameters' order in flat arrays of their own, one :class:`Shelf` a group, dtype
and device, so that a rule runs over a whole stretch at once.  Numbers (the step count, a product of
momenta) belong to a parameter; those that are updated together share one dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.nn.parameter import Parameter

__all__ = ["Numbers", "Shelf", "State", "as_stored"]

Numbers = dict[str, float]
"""Name to value; ``"step"``, which every optimizer counts, is an integer."""


def as_stored(number: float) -> float:
    """A number as PyTorch's state holds it: rounded to the default dtype, float32 unless you change it.

    PyTorch keeps such numbers in 0-d tensors of that dtype, whatever the parameters' own, and computes with
    the rounded ones: in float64 that shows in the eighth digit of NAdam's and ASGD's step.

    Examples
    --------
    >>> as_stored(0.1)
    0.10000000149011612
    """
    return float(backend.default_dtype().type(number))


class Shelf:
    """The state of those parameters of one group that share a dtype and a device.

    Attributes
    ----------
    kind : tuple
        The dtype and the device.
    offsets : dict
        Where each parameter's share begins, in the order of the group.
    arrays : dict
        Name of a state to its flat array.
    """

    def __init__(self, kind: tuple[Any, str], parameters: list[Parameter]) -> None:
        self.kind = kind
        self.offsets: dict[Parameter, int] = {}
        self.size = 0
        for parameter in parameters:
            self.offsets[parameter] = self.size
            self.size += parameter.size
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, like: Array) -> Array:
        """The flat array of that name, zeros where it is new."""
        if name not in self.arrays:
            self.arrays[name] = np.zeros(self.size, like.dtype, like=like)
        return self.arrays[name]

    def share(self, name: str, parameter: Parameter) -> Array:
        """One parameter's share of it, in the parameter's shape."""
        start = self.offsets[parameter]
        return self.array(name, parameter.data)[start : start + parameter.size].reshape(parameter.shape)

    def put(self, name: str, parameter: Parameter, values: Array) -> None:
        """Copy values of any dtype and device into one parameter's share."""
        self.share(name, parameter)[...] = backend.to_device(values, parameter.device)


class State:
    """The arrays and the numbers of all parameters of an optimizer.

    Attributes
    ----------
    shelves : dict
        Of each parameter that was given a place.
    numbers : dict
        Of each parameter that has begun to learn.
    """

    def __init__(self) -> None:
        self.shelves: dict[Parameter, Shelf] = {}
        self.numbers: dict[Parameter, Numbers] = {}

    def shelve(self, parameters: list[Parameter]) -> None:
        """Put the arrays of parameters of one dtype and device on one shelf; what there was moves along."""
        kinds: dict[tuple[Any, str], list[Parameter]] = {}
        for parameter in parameters:
            kinds.setdefault((parameter.dtype, parameter.device), []).append(parameter)
        for kind, members in kinds.items():
            old = self.shelves.get(members[0])
            if old is not None and old.kind == kind and list(old.offsets) == members:
                continue
            new = Shelf(kind, members)
            for parameter in members:
                if (old := self.shelves.get(parameter)) is not None:
                    for name in old.arrays:
                        new.put(name, parameter, old.share(name, parameter))
                self.shelves[parameter] = new

    def begin(self, parameter: Parameter, numbers: Numbers, fill: Mapping[str, float]) -> None:
        """Give a parameter, which has a shelf, its first numbers; fill its share of arrays."""
        self.numbers[parameter] = numbers
        for name, value in fill.items():
            self.shelves[parameter].share(name, parameter).fill(value)

    def unite(self, parameters: Iterable[Parameter]) -> Numbers:
        """Make parameters of equal numbers share one dict, which nobody else has."""
        first, *others = parameters
        numbers = self.numbers[first] = dict(self.numbers[first])
        for parameter in others:
            self.numbers[parameter] = numbers
        return numbers

    def entry(self, parameter: Parameter) -> dict[str, Any]:
        """A parameter's numbers and arrays, the arrays as views."""
        shelf = self.shelves[parameter]
        return self.numbers[parameter] | {name: shelf.share(name, parameter) for name in shelf.arrays}

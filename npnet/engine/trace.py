"""Formulas of NumPy, written down call by call, as a function without anything between the calls.

On a small network the price of a step is that of its calls, and a third of it is what Python does between
NumPy's: calling formulas, asking for shapes, taking decisions that come out the same every time.
A :class:`Tape` takes notes of what NumPy is asked to do while a function runs, and makes a function of those
notes: a line for each call of NumPy.  The texts of the formulas stay what they are, and so do
all values, to the last bit.

What is better in the lines than in the texts is what nobody would want to read: a number is an array of no
axes already, which NumPy takes twice as fast; what is asked of constants alone, such as the transpose of a
weight, is asked once; a sum is written where it is to be kept; and a temporary that nobody needs any more is
written over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from npnet.engine.lines import Step, lines, store_at_once, without_unused

__all__ = ["Tape", "Untraceable", "unheard"]

NOTED = ("astype", "copy", "repeat", "reshape", "squeeze", "swapaxes", "take", "transpose", "view")
"""Methods of arrays of which notes are taken."""

REDUCING = ("all", "any", "max", "mean", "min", "prod", "sum")
"""Methods that ask for what NumPy's own functions do, of which notes are taken."""

LOOKED_AT = ("T", "dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides")
"""Attributes that are the same in every call, and the transpose, of which notes are taken."""

DEFAULTS: dict[str, Any] = {"dtype": None, "keepdims": False, "where": True, "initial": np._NoValue}
"""What a reduction is called with where nobody said anything else."""

TAKE_NUMBERS: frozenset[Any] = frozenset(
    {np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.greater, np.less}
)
"""Functions that give the same for a number and for an array of no axes of the other operand's dtype."""

BY_KEYWORD = (np.maximum, np.minimum)
"""Functions that take the place of the result as ``out=`` alone, which costs more than it gains."""


CHANGES = "it changes what it was given, or a number"


def unheard() -> Any:
    """What a function is run under to take notes: of warnings nobody hears; and another context is noticed.

    (Were they ignored, a function that ignores some itself would change nothing.)
    """
    return np.errstate(all="call", call=lambda *_: None)


class Untraceable(Exception):  # noqa: N818 (no error: the function runs as it stands)
    """What a function does cannot be written down as calls of NumPy."""


class Tape:
    """The notes that are taken while a function runs.

    Examples
    --------
    >>> tape = Tape()
    >>> entry = tape.function(["def entry(x):"], (tape.argument(np.ones(2), "x") + 1) * 2)
    >>> print(entry.__doc__)
    def entry(x):
        v0 = add(x, c0)
        v1 = multiply(v0, c2, v0)
        return v1
    <BLANKLINE>
    >>> entry(np.array([1.0, 2.0]))
    array([4., 6.])

    Attributes
    ----------
    steps : list of Step
    constants : dict
        What the lines call by a name that is none of an array that a line makes.
    owner : dict
        For each name of an array the name of the one whose memory it shares.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, Any] = {}
        self.owner: dict[str, str] = {}
        self.writable: set[str] = set()
        self.numbers: set[str] = set()  # names of what is no array but one of NumPy's numbers
        self._given_numbers: set[str] = set()
        self._names: dict[int, str] = {}
        self._errors = np.geterr()

    # ------------------------------------------------------------------ names

    def argument(self, array: Any, name: str) -> Any:
        """Note an array that every call gives anew, and that is not to be changed."""
        return self._named(array, name, name)

    def place(self, array: Any, name: str) -> Any:
        """Note an array that every call gives to be changed.  The function runs with a copy."""
        self.writable.add(name)
        return self._named(array.copy(), name, name)

    def number(self, value: float, dtype: Any, name: str) -> Any:
        """Note a number that every call gives as an array of no axes, of the dtype of the arrays it meets."""
        self._given_numbers.add(name)
        return self._named(np.array(value, dtype), name, name)

    def constant(self, array: Any) -> Any:
        """Note an array that is the same in every call, and may be changed.  The function takes a copy."""
        name = self._name_of(array)
        copy = np.empty_like(array)
        copy[...] = array
        self.writable.add(name)
        return self._named(copy, name, name)

    def _name_of(self, value: Any) -> str:
        name = self._names.get(id(value))
        if name is None:
            name = getattr(value, "__name__", "") if callable(value) else ""
            if not name.isidentifier() or name in self.constants:
                name = f"c{len(self.constants)}"
            self.constants[name] = value  # which also keeps its identity from being used again
            self._names[id(value)] = name
        return name

    def _named(self, array: Any, name: str, owner: str) -> Any:
        array = np.ndarray.view(np.asarray(array), Traced)
        array.name, array.tape = name, self
        self.owner[name] = owner
        return array

    def text(self, value: Any, uses: set[str]) -> str:
        """How a line says a value; names of arrays are added to `uses`."""
        if isinstance(value, Traced):
            if value.name is None or value.tape is not self:
                raise Untraceable("an array of which no notes were taken")
            uses.add(value.name)
            return value.name
        if isinstance(value, tuple):
            return f"({''.join(f'{self.text(each, uses)}, ' for each in value)})"
        if isinstance(value, list):
            return f"[{', '.join(self.text(each, uses) for each in value)}]"
        if value is None or value is True or value is False or isinstance(value, (int, str)):
            return repr(value)
        return self._name_of(value)

    # ------------------------------------------------------------------ what was asked of NumPy

    def note(
        self,
        kind: str,
        function: Any,
        arguments: Iterable[Any],
        made: Any,
        writes: Any = None,
        keywords: dict[str, Any] | None = None,
    ) -> Any:
        """Write a line, and return what it makes for the function to go on with."""
        if np.geterr() != self._errors:
            raise Untraceable("it runs under another np.errstate")
        uses: set[str] = set()
        texts = [self.text(each, uses) for each in arguments]
        texts += [f"{key}={self.text(each, uses)}" for key, each in (keywords or {}).items()]
        if uses & self._given_numbers and (function not in TAKE_NUMBERS or uses <= self._given_numbers):
            raise Untraceable("it does with a number what may differ for an array")
        named = function if isinstance(function, str) else self._name_of(function)
        if writes is not None:
            if not isinstance(writes, Traced) or writes.name not in self.writable:
                raise Untraceable(CHANGES)
            self.steps.append(Step("", named, texts, uses, kind, writes=writes.name))
            return writes
        if not isinstance(made, (np.ndarray, np.generic)):
            raise Untraceable("it makes something that is no array")
        sources = [each for each in arguments if isinstance(each, Traced)]
        shared = [each for each in sources if np.may_share_memory(made, _bare(each))]
        source = shared[0].name if shared else None
        if source in self.constants:
            return self._constant_view(kind, function, list(arguments), made, keywords or {})
        name = f"v{len(self.steps)}"
        owner = name if source is None else self.owner[source]
        is_array = isinstance(made, np.ndarray)
        like = (made.shape, made.dtype, made.strides) if is_array and not shared else None
        if not is_array:
            self.numbers.add(name)
        if owner in self.writable or owner == name:
            self.writable.add(name)
        self.steps.append(Step(name, named, texts, uses, kind, like=like))
        return self._named(made, name, owner)

    def _constant_view(
        self, kind: str, function: str, arguments: list[Any], made: Any, keywords: dict[str, Any]
    ) -> Any:
        """A part of a constant, which lies where it lies in every call."""
        source, *rest = arguments
        if kind not in ("item", "method") or any(isinstance(each, Traced) for each in rest):
            raise Untraceable("a part of a constant that may be another one every time")
        real = self.constants[source.name]
        if kind == "item":
            view = real[rest[0]]
        else:
            view = real.T if function == "T" else getattr(real, function)(*rest, **keywords)
        if not np.may_share_memory(view, real):
            raise Untraceable("a copy of a constant")
        name = self._name_of(view)
        self.writable.add(name)
        return self._named(made, name, self.owner[source.name])

    # ------------------------------------------------------------------ what becomes of the notes

    def function(self, head: list[str], result: Any) -> Callable[..., Any]:
        """The function of these notes.

        Parameters
        ----------
        head : list of str
            The line that begins with ``def``, and those that unpack what it is given.
        result : tree of arrays
            What the function returned.
        """
        uses: set[str] = set()
        returned = self.text(result, uses)
        steps = without_unused(self.steps, uses)
        store_at_once(steps, uses, self.constants, self.owner)
        body = [f"    {line}" for line in lines(steps, uses, self.owner)]
        text = "\n".join([*head, *body, f"    return {returned}", ""])
        namespace = dict(self.constants)
        exec(compile(text, "<npnet: formulas written down>", "exec"), namespace)
        entry: Callable[..., Any] = namespace.pop("entry")  # or it would keep itself and all constants
        entry.__doc__ = text
        return entry


def _numbers_as_arrays(inputs: tuple[Any, ...], bare: list[Any]) -> list[Any]:
    """Operands with numbers as arrays of no axes, where that gives the same."""
    dtypes = {each.dtype for each in bare if isinstance(each, (np.ndarray, np.generic))}
    if len(dtypes) != 1:
        return list(inputs)
    (dtype,) = dtypes
    wanted: tuple[type, ...] = (int, float) if dtype.kind == "f" else (int,) if dtype.kind == "i" else ()
    return [_number(each, dtype) if type(each) in wanted else each for each in inputs]


def _number(value: float, dtype: Any) -> Any:
    """A number as an array; itself where it is too large for that, which NumPy warns of."""
    array = np.array(value, dtype)
    return array if np.isfinite(array) or not math.isfinite(value) else value


def _bare(value: Any) -> Any:
    """The same without notes."""
    if isinstance(value, Traced):
        bare = np.ndarray.view(value, np.ndarray)
        return bare[()] if value.tape is not None and value.name in value.tape.numbers else bare
    if isinstance(value, (tuple, list)):
        return type(value)(map(_bare, value))
    return value


def _put(place: Any, value: Any) -> None:
    """Copy a value into a place, if there is one."""
    bare = _bare(place)
    if isinstance(bare, np.ndarray):
        bare[...] = value
    elif bare is not None:
        raise Untraceable(CHANGES)


def _tape_of(values: Iterable[Any]) -> Tape:
    for value in values:
        if isinstance(value, Traced) and value.tape is not None:
            return value.tape
        if isinstance(value, (tuple, list)):
            try:
                return _tape_of(value)
            except Untraceable:
                continue
    raise Untraceable("an array of which no notes were taken")


class Traced(np.ndarray[Any, Any]):
    """An array that notes what NumPy is asked to do with it."""

    name: str | None
    tape: Tape | None

    def __array_finalize__(self, source: Any) -> None:
        self.name, self.tape = None, None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        tape = _tape_of([*inputs, *(out or ())])
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        bare = [_bare(each) for each in inputs]
        made = function(*bare, **{key: _bare(each) for key, each in keywords.items()})
        place = None if out is None else out[0]
        _put(place, made)
        given: list[Any] = list(inputs)
        if method == "reduce" and keywords.items() <= {**DEFAULTS, "axis": keywords.get("axis")}.items():
            given += [keywords.get("axis", 0), *(() if place is None else (None, place))]
            return tape.note("call", function, given, made, place)
        if method == "__call__" and ufunc in TAKE_NUMBERS:
            given = _numbers_as_arrays(inputs, bare)
        if method == "__call__" and not keywords and ufunc not in BY_KEYWORD:
            return tape.note("ufunc", function, given if place is None else [*given, place], made, place)
        named = keywords if place is None else {**keywords, "out": place}
        return tape.note("call", function, given, made, place, named)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.sum:  # which is a few lines around a function of NumPy's
            return super().__array_function__(function, types, args, kwargs)
        tape = _tape_of([*args, *kwargs.values()])
        out = kwargs.pop("out", None)
        if function is np.copyto or (function is np.dot and len(args) > 2):
            raise Untraceable(f"np.{function.__name__} changes one of its operands")
        made = function(*map(_bare, args), **{key: _bare(each) for key, each in kwargs.items()})
        _put(out, made)
        if function is np.dot and not kwargs and isinstance(args[0], np.ndarray):
            return tape.note("dot", function, args if out is None else [*args, out], made, out)
        return tape.note("call", function, args, made, out, kwargs if out is None else {**kwargs, "out": out})

    @property
    def T(self) -> Any:  # noqa: N802 (NumPy's name)
        """The transpose."""
        return _tape_of([self]).note("method", "T", [self], _bare(self).T)

    def __getitem__(self, index: Any) -> Any:
        return _tape_of([self]).note("item", "", [self, index], _bare(self)[_bare(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        bare = _bare(self)
        if not isinstance(bare, np.ndarray):
            raise Untraceable(CHANGES)
        bare[_bare(index)] = _bare(value)
        _tape_of([self]).note("store", "", [self, index, value], None, self)

    def __iter__(self) -> Any:
        raise Untraceable("it walks along an array")

    def _value(self, *_: Any) -> Any:
        raise Untraceable("it looks at the numbers in an array")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __contains__ = _value


def _method(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        bare = _bare(self)
        made = getattr(bare, name)(*map(_bare, args), **{key: _bare(each) for key, each in kwargs.items()})
        as_it_is = getattr(made, "shape", None) == bare.shape and made.strides == bare.strides
        if name == "reshape" and as_it_is and np.may_share_memory(made, bare):
            return self
        return _tape_of([self]).note("method", name, [self, *args], made, keywords=kwargs)

    return method


def _refusal(name: str) -> Any:
    def refused(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable(f"no notes are taken of ndarray.{name}")

    return refused


for _name in NOTED:
    setattr(Traced, _name, _method(_name))
for _name in {each for each in dir(np.ndarray) if not each.startswith("_")} - {*NOTED, *REDUCING, *LOOKED_AT}:
    _refused = _refusal(_name)
    setattr(Traced, _name, _refused if callable(getattr(np.ndarray, _name)) else property(_refused))

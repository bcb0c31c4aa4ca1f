"""The Numba engine: one loop of machine code for each formula and each update rule.

The loop is made of the formula's own text (:mod:`npnet.engine.scalar`), with numbers in the arrays' dtype,
division as NumPy does it and no reordering, so that the results are NumPy's to the last bit.  A whole formula
is compiled as it stands, around those loops; its sums over rows are taken in double precision, and its
exponentials are the C library's.  What the loop cannot take (another device, mixed dtypes, shapes that
broadcast in another way) goes to the formula as it stands.

The text of each loop is written into the user's cache, and beside it Numba keeps the machine code.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import logging
import sys
import tempfile
import types as python_types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import platformdirs
from numba import types
from numba.core.errors import NumbaError
from numba.extending import overload

from npnet._version import __version__
from npnet.engine.formula import Formula
from npnet.engine.scalar import NotScalar, ScalarText, bare_definition, scalar_text

__all__ = ["formula_runner", "rule_runner", "takes"]

logger = logging.getLogger("npnet")

OPTIONS: Any = {"error_model": "numpy", "nogil": True}
"""Division by zero gives infinity, as in NumPy; other threads may run."""

MANY = 10_000
"""Exponentials that NumPy's vector code takes faster than a whole loop that calls the C library."""


class ShapeMismatch(Exception):  # noqa: N818 (no error: NumPy takes over)
    """Operands whose shapes the loop does not take."""


# ---------------------------------------------------------------------- what the loops call


def operand(first: Any, other: Any) -> Any:
    """An operand as the loop wants it: a matrix, a row, or a number of the first one's dtype."""
    raise NotImplementedError  # stands for its overload


def element(array: Any, i: Any, j: Any) -> Any:
    """Element ``[i, j]`` of a matrix, ``[j]`` of a row, or the number itself."""
    raise NotImplementedError  # stands for its overload


@overload(operand, jit_options=OPTIONS, strict=False)
def _operand(first: Any, other: Any) -> Any:
    if not isinstance(first, types.Array) or first.ndim == 0 or not isinstance(first.dtype, types.Float):
        return None
    if isinstance(other, (types.Float, types.Integer)):
        return lambda first, other: first.dtype.type(other)
    if not isinstance(other, types.Array) or other.dtype not in (first.dtype, types.boolean):
        return None
    if other.ndim == 1:

        def row(first: Any, other: Any) -> Any:
            if first.shape[-1] != other.shape[0]:
                raise ShapeMismatch
            return other

        return row
    if other.ndim != first.ndim:
        return None
    if other.ndim == 2:

        def matrix(first: Any, other: Any) -> Any:
            if first.shape != other.shape:
                raise ShapeMismatch
            return other

        return matrix
    if other.layout != "C":
        return None

    def stacked(first: Any, other: Any) -> Any:
        if first.shape != other.shape:
            raise ShapeMismatch
        rows = 1
        for length in other.shape[:-1]:
            rows *= length
        return other.reshape(rows, other.shape[-1])

    return stacked


@overload(element, jit_options=OPTIONS, strict=False)
def _element(array: Any, i: Any, j: Any) -> Any:
    if not isinstance(array, types.Array):
        return lambda array, i, j: array
    if array.ndim == 1:
        return lambda array, i, j: array[j]
    return lambda array, i, j: array[i, j]


def put(array: Any, i: Any, j: Any, value: Any) -> None:
    """Store into element ``[i, j]`` of a matrix, or ``[j]`` of a row."""
    raise NotImplementedError  # stands for its overload


@overload(put, jit_options=OPTIONS, strict=False)
def _put(array: Any, i: Any, j: Any, value: Any) -> Any:
    if array.ndim == 1:

        def into_row(array: Any, i: Any, j: Any, value: Any) -> None:
            array[j] = value

        return into_row

    def into_matrix(array: Any, i: Any, j: Any, value: Any) -> None:
        array[i, j] = value

    return into_matrix


# ---------------------------------------------------------------------- what whole formulas call


def column_sums(x: Any, out: Any = None) -> Any:
    """Sums over the rows of a matrix; see :func:`npnet.nn.sums.column_sums`."""
    raise NotImplementedError  # stands for its overload


def channel_sums(x: Any) -> Any:
    """The same."""
    raise NotImplementedError  # stands for its overload


def divisor(x: Any) -> Any:
    """How many rows a matrix has, at least 1, as a number of its dtype."""
    raise NotImplementedError  # stands for its overload


def values_of_channel(x: Any) -> Any:
    """How many rows a matrix has."""
    raise NotImplementedError  # stands for its overload


def along_channels(statistic: Any, x: Any) -> Any:
    """A row as it is added to a matrix."""
    raise NotImplementedError  # stands for its overload


def rows_of(x: Any) -> Any:
    """A matrix."""
    raise NotImplementedError  # stands for its overload


def flat_images(x: Any) -> Any:
    """A matrix."""
    raise NotImplementedError  # stands for its overload


def largest(x: Any) -> Any:
    """The largest element of each column of a matrix."""
    raise NotImplementedError  # stands for its overload


def at_class(x: Any, target: Any) -> Any:
    """The element of each column at its sample's class."""
    raise NotImplementedError  # stands for its overload


def less_at_class(x: Any, target: Any, amount: Any) -> None:
    """Take something off there, in place."""
    raise NotImplementedError  # stands for its overload


def share_of_batch(num_batches_tracked: Any, momentum: Any) -> Any:
    """See :func:`npnet.nn.normalization.share_of_batch`."""
    raise NotImplementedError  # stands for its overload


MATRICES: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(column_sums, channel_sums, divisor, values_of_channel, along_channels, rows_of, flat_images),
        *(share_of_batch, largest, at_class, less_at_class),
    )
}
"""What whole formulas call, by name; of matrices, while NumPy's take other shapes too."""


def _is_matrix(x: Any) -> bool:
    return isinstance(x, types.Array) and x.ndim == 2 and isinstance(x.dtype, types.Float)


def _are_indices(x: Any) -> bool:
    return isinstance(x, types.Array) and x.ndim == 1 and isinstance(x.dtype, types.Integer)


@overload(column_sums, jit_options=OPTIONS, strict=False)
def _column_sums(x: Any, out: Any = None) -> Any:
    if not _is_matrix(x):
        return None

    def sums_into(x: Any, out: Any) -> Any:  # in double precision, and in blocks of 64 rows
        n, d = x.shape
        total, block = np.zeros(d), np.zeros(d)
        for i in range(n):
            for j in range(d):
                block[j] += x[i, j]
            if i % 64 == 63 or i == n - 1:
                for j in range(d):
                    total[j] += block[j]
                    block[j] = 0.0
        for j in range(d):
            out[j] = total[j]
        return out

    compiled = numba.njit(**OPTIONS)(sums_into)
    if out is None or isinstance(out, (types.NoneType, types.Omitted)):
        return lambda x, out=None: compiled(x, np.empty(x.shape[1], x.dtype))
    return lambda x, out=None: compiled(x, out)


@overload(channel_sums, jit_options=OPTIONS, strict=False)
def _channel_sums(x: Any) -> Any:
    return (lambda x: column_sums(x)) if _is_matrix(x) else None


@overload(divisor, jit_options=OPTIONS, strict=False)
def _divisor(x: Any) -> Any:
    return (lambda x: x.dtype.type(max(x.shape[0], 1))) if _is_matrix(x) else None


@overload(values_of_channel, jit_options=OPTIONS, strict=False)
def _values_of_channel(x: Any) -> Any:
    return (lambda x: x.shape[0]) if _is_matrix(x) else None


@overload(along_channels, jit_options=OPTIONS, strict=False)
def _along_channels(statistic: Any, x: Any) -> Any:
    return (lambda statistic, x: statistic) if _is_matrix(x) else None


@overload(share_of_batch, jit_options=OPTIONS, strict=False)
def _share_of_batch(num_batches_tracked: Any, momentum: Any) -> Any:
    if isinstance(momentum, types.NoneType):

        def average(num_batches_tracked: Any, momentum: Any) -> Any:
            num_batches_tracked[()] += 1
            return 1 / num_batches_tracked[()]

        return average

    def moving(num_batches_tracked: Any, momentum: Any) -> Any:
        num_batches_tracked[()] += 1
        return momentum

    return moving


@overload(rows_of, jit_options=OPTIONS, strict=False)
@overload(flat_images, jit_options=OPTIONS, strict=False)
def _itself(x: Any) -> Any:
    return (lambda x: x) if _is_matrix(x) else None


@overload(largest, jit_options=OPTIONS, strict=False)
def _largest(x: Any) -> Any:
    if not _is_matrix(x):
        return None

    def maxima(x: Any) -> Any:
        if not 0 < x.size <= MANY:
            raise ShapeMismatch
        found = x[0].copy()
        for i in range(1, x.shape[0]):
            for j in range(x.shape[1]):
                found[j] = np.maximum(found[j], x[i, j])  # which hands NaN on
        return found

    return maxima


@overload(at_class, jit_options=OPTIONS, strict=False)
def _at_class(x: Any, target: Any) -> Any:
    if not _is_matrix(x) or not _are_indices(target):
        return None

    def gathered(x: Any, target: Any) -> Any:
        if target.size != x.shape[1]:
            raise ShapeMismatch
        found = np.empty(target.size, x.dtype)
        for i in range(target.size):
            if not 0 <= target[i] < x.shape[0]:
                raise ShapeMismatch
            found[i] = x[target[i], i]
        return found

    return gathered


@overload(less_at_class, jit_options=OPTIONS, strict=False)
def _less_at_class(x: Any, target: Any, amount: Any) -> Any:
    if not _is_matrix(x) or not _are_indices(target) or not isinstance(amount, types.Array):
        return None

    def lessened(x: Any, target: Any, amount: Any) -> None:
        for i in range(target.size):  # which at_class has looked at
            x[target[i], i] -= amount[i]

    return lessened


# ---------------------------------------------------------------------- making the loops


def takes(array: Any) -> bool:
    """Whether arrays of this kind are the engine's affair."""
    return type(array) is np.ndarray


refusals: dict[str, set[tuple[Any, ...]]] = {}
"""Of each formula, the kinds of operands that no loop could be made for; NumPy takes them."""


def formula_runner(formula: Formula) -> Callable[..., Any]:
    """What to call instead of a formula; compiled at its first call."""
    function = formula.function
    source = _formula_source if formula.is_elementwise else _whole_source
    loop: Callable[..., Any] | None = None
    refused = refusals.setdefault(function.__qualname__, set())

    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal loop
        if kwargs or type(args[0]) is not np.ndarray or (refused and _kinds(args) in refused):
            return function(*args, **kwargs)
        try:
            if loop is None:
                loop = compiled(function.__qualname__, source(function))
            return loop(*args)
        except ShapeMismatch:
            return function(*args)
        except (NumbaError, NotScalar):  # operands, or a text, that no loop is made for
            refused.add(_kinds(args))
            return function(*args)

    return run


def _kinds(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        (arg.dtype.char, arg.ndim, arg.flags.c_contiguous) if isinstance(arg, np.ndarray) else type(arg)
        for arg in args
    )


@functools.cache
def rule_runner(kernel: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., bool]:
    """The update of whole flat arrays in place, ``run(p, g, shrink, *state, *constants)``; whether it was."""
    try:
        loop = compiled(rule.__qualname__, _rule_source(kernel, rule))
    except NotScalar:
        return lambda *args: False

    def run(*args: Any) -> bool:
        try:
            loop(*args)
        except NumbaError:  # a rule of somebody's own that is no text for a compiler
            return False
        return True

    return run


def _formula_source(function: Callable[..., Any], entry: str = "entry") -> str:
    text = scalar_text(function).renamed(f"{function.__name__}_of_one")
    first, names = text.parameters[0], text.parameters
    outputs = [f"output{position}" for position in range(len(text.results))]
    elements = ", ".join(f"element({name}_, i, j)" for name in names)
    body = [
        *(f"    {name}_ = operand({first}, {name})" for name in names),
        *(f"    {output} = np.empty_like({first})" for output in outputs),
        *(f"    {output}_ = operand({first}, {output})" for output in outputs),
        *_literals(text, first),
        f"    rows = 1 if {first}_.ndim == 1 else {first}_.shape[0]",
        "    for i in range(rows):",
        f"        for j in range({first}_.shape[-1]):",
        f"            values = {text.name}({', '.join([elements, *text.literal_names])})",
    ]
    for position, output in enumerate(outputs):
        value = "values" if len(outputs) == 1 else f"values[{position}]"
        body.append(f"            put({output}_, i, j, {value})")
    body.append(f"    return {', '.join(outputs)}")
    return "\n".join([f"def {entry}({', '.join(names)}):", *body, "", "", _header(text)])


def _whole_source(function: Callable[..., Any]) -> str:
    """The text as it stands, behind those of the formulas that it calls."""
    return "\n".join([*texts([function], entry=function).values(), ""])


def texts(functions: Iterable[Callable[..., Any]], entry: Any = None) -> dict[str, str]:
    """Texts of formulas, each behind those of the formulas that it calls, by name.

    Raises
    ------
    NotScalar
        If two formulas have the same name, or Python does not find a text.
    """
    found: dict[str, str] = {}
    known: dict[str, Callable[..., Any]] = {}

    def add(formula: Formula) -> None:
        function = formula.function
        name = function.__name__
        if known.setdefault(name, function) is not function:
            raise NotScalar(f"two formulas of the name {name}")
        if name in found:
            return
        if formula.is_elementwise:
            found[name] = f"@inner\n{_formula_source(function, name)}"
            return
        definition = bare_definition(function)
        for node in ast.walk(definition):
            called = function.__globals__.get(node.id) if isinstance(node, ast.Name) else None
            if isinstance(called := getattr(called, "formula", None), Formula):
                add(called)
        if function is entry:
            definition.name = "entry"
        found[name] = ("" if function is entry else "@inner\n") + ast.unparse(definition) + "\n"

    for function in functions:
        add(getattr(function, "formula", None) or Formula(function, is_elementwise=False))
    return found


def _rule_source(kernel: Callable[..., Any], rule: Callable[..., Any]) -> str:
    text, around = scalar_text(rule), scalar_text(kernel)
    variables = kernel.__closure__ or ()
    flags = [
        f"{name} = {cell.cell_contents!r}"
        for name, cell in zip(kernel.__code__.co_freevars, variables, strict=True)
        if isinstance(cell.cell_contents, bool)
    ]
    arrays, rest = text.results, text.parameters[2:]
    numbers = [name for name in rest if name not in arrays]
    own = f"{around.name}_{around.parameters[2]}"  # a rule may have a number of that name
    names = ["p", "g", own, *rest]
    elements = [f"{name}[i]" if name in ("p", "g", *arrays) else name for name in names]
    body = [
        *(f"    {name} = p.dtype.type({name})" for name in (own, *numbers)),
        *_literals(text, "p"),
        "    for i in range(p.size):",
        f"        values = {around.name}({', '.join([*elements, *text.literal_names])})",
        *(f"        {name}[i] = values[{position}]" for position, name in enumerate(arrays)),
    ]
    alias = [] if text.name == "rule" else [f"rule = {text.name}"]
    return "\n".join(
        [_header(text), *alias, *flags, "@inner", around.source, f"def entry({', '.join(names)}):", *body, ""]
    )


def _header(text: ScalarText) -> str:
    return f"@inner\n{text.source}\n"


def _literals(text: ScalarText, first: str) -> list[str]:
    pairs = zip(text.literal_names, text.literals, strict=True)
    return [f"    {name} = {first}.dtype.type({value!r})" for name, value in pairs]


def compiled(name: str, source: str) -> Callable[..., Any]:
    """The function ``entry`` of a text, compiled when called; kept between processes where it can be."""
    path, new = _cached_text(name, source)
    module = python_types.ModuleType(f"npnet_engine.{name if path is None else path.stem}")
    sys.modules[module.__name__] = module  # where Numba looks for it when it loads machine code
    vars(module).update(np=np, inner=numba.njit(**OPTIONS), operand=operand, element=element, put=put)
    vars(module).update(MATRICES)
    exec(compile(source, str(path or f"<npnet engine: {name}>"), "exec"), vars(module))
    if new:
        _say_once(path)
    entry: Callable[..., Any] = numba.njit(cache=path is not None, **OPTIONS)(vars(module)["entry"])
    return entry


_said = False


def _say_once(path: Path | None) -> None:
    global _said
    if not _said:
        _said = True
        kept = f"kept in {path.parent}" if path else f"in every process, as {_folder()} cannot be written"
        logger.warning("npnet: compiling formulas with Numba, once; %s", kept)


def _folder() -> Path:
    return Path(platformdirs.user_cache_dir("npnet")) / "engine"


def is_kept(name: str, source: str) -> bool:
    """Whether a text was compiled before, and its machine code kept."""
    return _path_of(name, source).exists()


def _path_of(name: str, source: str) -> Path:
    own = Path(__file__).read_bytes()  # another engine makes other loops of the same text
    versions = f"{__version__} {numba.__version__} {np.__version__}"
    digest = hashlib.sha256(b"\0".join([own, versions.encode(), source.encode()])).hexdigest()[:16]
    return _folder() / f"{name.replace('<locals>.', '')}-{digest}.py"


def _cached_text(name: str, source: str) -> tuple[Path | None, bool]:
    """The file of a text, and whether it was not there before; None where nothing can be kept."""
    path = _path_of(name, source)
    if path.exists():
        return path, False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as handle:
            handle.write(source)
        Path(handle.name).replace(path)
    except OSError:
        return None, True
    return path, True

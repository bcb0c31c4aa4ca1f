"""The Numba engine: one loop of machine code for each formula and each update rule.

The loop is made of the formula's own text (:mod:`npnet.engine.scalar`), with numbers in the arrays' dtype,
division as NumPy does it and no reordering, so that the results are NumPy's to the last bit.  A whole formula
is compiled as it stands, around those loops; its sums over rows are taken in double precision.  What the loop
cannot take (another device, mixed dtypes, shapes that broadcast in another way) goes to the formula as it
stands.

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
from collections.abc import Callable
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


def channel_sums(x: Any) -> Any:
    """Sums over the rows of a matrix; see :func:`npnet.nn.sums.column_sums`."""
    raise NotImplementedError  # stands for its overload


def divisor(x: Any) -> Any:
    """How many rows a matrix has, at least 1, as a number of its dtype."""
    raise NotImplementedError  # stands for its overload


def along_channels(statistic: Any, x: Any) -> Any:
    """A row as it is added to a matrix."""
    raise NotImplementedError  # stands for its overload


SUMS = {"channel_sums": channel_sums, "divisor": divisor, "along_channels": along_channels}


def _is_matrix(x: Any) -> bool:
    return isinstance(x, types.Array) and x.ndim == 2 and x.layout == "C" and isinstance(x.dtype, types.Float)


@overload(channel_sums, jit_options=OPTIONS, strict=False)
def _channel_sums(x: Any) -> Any:
    if not _is_matrix(x):
        return None

    def sums(x: Any) -> Any:  # in double precision, and in blocks of 64 rows
        n, d = x.shape
        total, block = np.zeros(d), np.zeros(d)
        for i in range(n):
            for j in range(d):
                block[j] += x[i, j]
            if i % 64 == 63 or i == n - 1:
                for j in range(d):
                    total[j] += block[j]
                    block[j] = 0.0
        rounded = np.empty(d, x.dtype)
        for j in range(d):
            rounded[j] = total[j]
        return rounded

    return sums


@overload(divisor, jit_options=OPTIONS, strict=False)
def _divisor(x: Any) -> Any:
    return (lambda x: x.dtype.type(max(x.shape[0], 1))) if _is_matrix(x) else None


@overload(along_channels, jit_options=OPTIONS, strict=False)
def _along_channels(statistic: Any, x: Any) -> Any:
    return (lambda statistic, x: statistic) if _is_matrix(x) else None


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
                loop = _compiled(function.__qualname__, source(function))
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
        loop = _compiled(rule.__qualname__, _rule_source(kernel, rule))
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
    """The text as it stands, behind the loops of the formulas that it calls."""
    definition = bare_definition(function)
    called = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}
    pieces = []
    for name in sorted(called & set(function.__globals__)):
        formula = getattr(function.__globals__[name], "formula", None)
        if formula is not None and formula.is_elementwise:
            pieces += ["@inner", _formula_source(formula.function, name)]
    definition.name = "entry"
    return "\n".join([*pieces, ast.unparse(definition), ""])


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


def _compiled(name: str, source: str) -> Callable[..., Any]:
    """The function ``entry`` of a text, compiled when called; kept between processes where it can be."""
    path, new = _cached_text(name, source)
    module = python_types.ModuleType(f"npnet_engine.{name if path is None else path.stem}")
    sys.modules[module.__name__] = module  # where Numba looks for it when it loads machine code
    vars(module).update(np=np, inner=numba.njit(**OPTIONS), operand=operand, element=element, put=put)
    vars(module).update(SUMS)
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


def _cached_text(name: str, source: str) -> tuple[Path | None, bool]:
    """The file of a text, and whether it was not there before; None where nothing can be kept."""
    own = Path(__file__).read_bytes()  # another engine makes other loops of the same text
    versions = f"{__version__} {numba.__version__} {np.__version__}"
    digest = hashlib.sha256(b"\0".join([own, versions.encode(), source.encode()])).hexdigest()[:16]
    path = _folder() / f"{name.replace('<locals>.', '')}-{digest}.py"
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

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
from numba.core.errors import NumbaError

from npnet._version import __version__
from npnet.engine import numba_blas, numba_overloads
from npnet.engine.formula import Formula
from npnet.engine.numba_overloads import OPTIONS, WORDS, ShapeMismatch
from npnet.engine.scalar import NotScalar, ScalarText, bare_definition, scalar_text

__all__ = ["compiled", "formula_runner", "is_kept", "rule_runner", "takes", "texts"]

logger = logging.getLogger("npnet")


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
        definition = _Products().visit(definition)
        if function is entry:
            definition.name = "entry"
        found[name] = ("" if function is entry else "@inner\n") + ast.unparse(definition) + "\n"

    for function in functions:
        add(getattr(function, "formula", None) or Formula(function, "whole"))
    return found


class _Products(ast.NodeTransformer):
    """``product`` in place of ``np.dot``."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if ast.unparse(node) == "np.dot":
            return ast.copy_location(ast.Name("product", ast.Load()), node)
        return self.generic_visit(node)


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
    vars(module).update(WORDS, np=np, inner=numba.njit(**OPTIONS))
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
    files = (__file__, numba_overloads.__file__, numba_blas.__file__)
    own = b"".join([Path(file).read_bytes() for file in files])  # another engine makes other loops of a text
    products = sorted(map(str, numba_blas.FUNCTIONS))  # machine code calls them by name
    versions = f"{__version__} {numba.__version__} {np.__version__} {products}"
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

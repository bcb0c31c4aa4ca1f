"""A lint of the text of layers, penalties and optimizers: what runs on one device alone is refused.

:func:`violations` walks the syntax tree of a module and compares each use of ``np.`` with the tables of
:mod:`parity_tests.allowed_functions`.  Beyond those tables it refuses

- ``np.zeros(...)`` and its like without ``like=``, which would make a host array in the middle of a layer;
- methods of ufuncs (``np.add.reduce``), ``np.random``, and names imported out of NumPy, which hide from
  this very lint;
- ``.item()``, ``.tolist()`` and ``.nonzero()``, which wait for the device.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from fnmatch import fnmatch
from types import ModuleType
from typing import Any

import numpy as np

from parity_tests import allowed_functions as allowed

__all__ = ["HOST_ONLY", "HostOnly", "Violation", "violations"]

WAITING = frozenset({"item", "nonzero", "tolist"})

# Functions and classes of NumPy that take no device array: they describe dtypes and shapes, or the host.
DESCRIBING = frozenset({"broadcast_shapes", "dtype", "errstate", "finfo", "iinfo", "ndarray", "seterr"})


@dataclass(frozen=True)
class HostOnly:
    """A place whose arrays lie on the host on purpose.

    Parameters
    ----------
    path, scope : str
        Shell patterns for the file and for the qualified name of the function in it.
    reason : str
        Why that is right.
    """

    path: str
    scope: str
    reason: str

    def covers(self, violation: Violation) -> bool:
        """Whether this place excuses a violation."""
        return fnmatch(violation.path, self.path) and fnmatch(violation.scope, self.scope)


@dataclass(frozen=True)
class Violation:
    """One use of NumPy that would not run, or would wait, on a device."""

    path: str
    line: int
    scope: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: in {self.scope or 'module'}: {self.message}"


HOST_ONLY = (
    HostOnly("npnet/nn/*.py", "*.__init__", "constructors make parameters on the host; Module.to moves them"),
    HostOnly("npnet/nn/differences.py", "*", "differences are taken on the host, an element at a time"),
    HostOnly("npnet/nn/gradcheck.py", "*", "differences are taken on the host, an element at a time"),
    HostOnly("npnet/nn/trial.py", "*", "differences are taken on the host, an element at a time"),
    HostOnly("npnet/nn/init/*.py", "*", "initial weights are drawn on the host: the same everywhere"),
    HostOnly("npnet/nn/module.py", "Module.load_state_dict", "a state comes as host arrays, or as lists"),
    HostOnly("npnet/nn/parameter.py", "Parameter.__reduce__", "a pickle holds host arrays"),
    HostOnly("npnet/nn/summary.py", "_outputs", "zeros to look at shapes with, moved to the model's device"),
    HostOnly("npnet/nn/constants.py", "ones", "made once, then moved to the device"),
    HostOnly("npnet/nn/constants.py", "_*", "for arrays of the host alone"),
    HostOnly("npnet/nn/utils.py", "_total_norm", "without gradients there is no device to be like"),
    HostOnly("npnet/optim/optimizer.py", "Optimizer.state_dict", "numbers of the state stay on the host"),
    HostOnly("npnet/optim/full_batch.py", "_to_vector", "SciPy searches on the host"),
    HostOnly("npnet/optim/options.py", "plain", "options are read when they are given, not at every step"),
    HostOnly("npnet/optim/swa_utils.py", "AveragedModel.__init__", "a count of models stays on the host"),
    HostOnly("npnet/regularization/affine.py", "RandomAffine._uniform", "moves are drawn on the host"),
    HostOnly("npnet/regularization/early_stopping.py", "_number", "values are compared on the host"),
)


def violations(text: str, path: str) -> list[Violation]:
    """What the lint has against the text of a module, in the order of its lines."""
    reader = _Reader(path)
    reader.visit(ast.parse(text, path))
    return sorted(reader.found, key=lambda violation: violation.line)


class _Reader(ast.NodeVisitor):
    """Walks a module, remembering in which function it is."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.scope: list[str] = []
        self.found: list[Violation] = []

    def refuse(self, node: ast.expr | ast.stmt, message: str) -> None:
        self.found.append(Violation(self.path, node.lineno, ".".join(self.scope), message))

    def enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.scope.append(node.name)
        self.generic_visit(node)
        self.scope.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = enter  # noqa: N815

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == "numpy" and alias.asname != "np":
                self.refuse(node, "write `import numpy as np`, the only spelling that this lint reads")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module is not None and node.module.split(".")[0] == "numpy":
            self.refuse(node, "names imported out of NumPy hide from this lint: write np.<name>")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names = _chain(node)
        if names is None:
            self.generic_visit(node)
        elif (message := _objection_to_name(names)) is not None:
            self.refuse(node, message)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute):
            return
        names = _chain(node.func)
        if names is None:
            message = _objection_to_method(node.func.attr, node)
        elif _objection_to_name(names) is not None:
            return  # said already
        else:
            message = _objection_to_call(names, node)
        if message is not None:
            self.refuse(node, message)


def _chain(node: ast.expr) -> list[str] | None:
    """``["linalg", "norm"]`` for ``np.linalg.norm``; None for what does not start at ``np``."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return names[::-1] if isinstance(node, ast.Name) and node.id == "np" else None


def _resolve(names: list[str]) -> tuple[Any, list[str]]:
    """The object of NumPy at the end of the chain, and the attributes of it that are left over."""
    value: Any = np
    while names and isinstance(value, ModuleType):
        value, names = getattr(value, names[0], None), names[1:]
    return value, names


def _objection_to_name(names: list[str]) -> str | None:
    value, rest = _resolve(names)
    dotted = "np." + ".".join(names)
    if value is None and names != ["newaxis"]:
        return f"{dotted} does not exist in NumPy"
    if isinstance(value, np.ufunc):
        if rest:
            return f"{dotted}: CuPy answers no method of a ufunc"
        return None if allowed.name_of(value) in allowed.UFUNCS else allowed.refusal(allowed.name_of(value))
    if names[0] in DESCRIBING or (isinstance(value, type) and issubclass(value, np.generic)):
        return None
    if callable(value) and allowed.name_of(value) not in allowed.FUNCTIONS:
        return allowed.refusal(allowed.name_of(value))
    return None


def _objection_to_call(names: list[str], node: ast.Call) -> str | None:
    value, _ = _resolve(names)
    dotted = "np." + ".".join(names)
    if isinstance(value, np.ufunc):
        keywords = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
        unknown = keywords - allowed.UFUNC_KEYWORDS
        return f"{dotted}: keyword {sorted(unknown)} is not on the list" if unknown else None
    if names[0] in DESCRIBING or isinstance(value, type):
        return None
    name = allowed.name_of(value)
    like = any(keyword.arg == "like" for keyword in node.keywords)
    if name in allowed.CREATION and not like:
        return f"{dotted} without like= makes a host array"
    return _objection_to_arguments(dotted, allowed.FUNCTIONS[name], node)


def _objection_to_method(name: str, node: ast.Call) -> str | None:
    if name in WAITING:
        return f".{name}() waits for the device"
    if name in allowed.METHODS and any(keyword.arg in _NUMPY_ONLY for keyword in node.keywords):
        return _objection_to_arguments(f".{name}()", allowed.METHODS[name], node)
    return None


# Keywords of array methods that NumPy has and CuPy has not.  Only they give an array method away: ``sum`` or
# ``copy`` alone may be a method of anything.
_NUMPY_ONLY = frozenset({"correction", "initial", "mean", "mode", "where"})


def _objection_to_arguments(caller: str, signature: inspect.Signature, node: ast.Call) -> str | None:
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        args: list[ast.expr] = []  # how many there are is known when it runs
    else:
        args = node.args
    kwargs = {keyword.arg: None for keyword in node.keywords if keyword.arg not in (None, "like")}
    try:
        signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        return f"{caller}: {error} (allowed: {signature})"
    return None

"""The text of an elementwise function of arrays, as a function of numbers.

A formula says what happens to every element.  A compiler that makes one loop of it wants the same said of one
element; the text differs in what belongs to arrays alone, and that is all that is changed here:

============================= ===============================
of arrays                     of one element
============================= ===============================
``np.maximum(a, b, out=c)``   ``c = np.maximum(a, b)``
``c[...] = a``                ``c = a``
``np.where(a, b, c)``         ``b if a else c``
``np.clip(a, b, c)``          ``np.minimum(np.maximum(a, b), c)``
``np.ones_like(a)``           ``1``
``np.zeros_like(a)``          ``0``
``zeros_for(a)``              ``0``
``np.positive(a)``            ``a``
============================= ===============================

and literal numbers become arguments, so that they can have the arrays' dtype, as NumPy has it (NEP 50).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["NotScalar", "ScalarText", "bare_definition", "scalar_text"]


class NotScalar(Exception):  # noqa: N818 (no error: NumPy runs the function as it stands)
    """A function that does not read as one of numbers."""


class ScalarText(NamedTuple):
    """A function of numbers.

    Parameters
    ----------
    name : str
    source : str
        Its text; the literals are its last parameters.
    parameters : list of str
        Without the literals.
    literals : list of float
    results : list of str
        What it returns, one expression a result.
    """

    name: str
    source: str
    parameters: list[str]
    literals: list[float]
    results: list[str]

    def renamed(self, name: str) -> ScalarText:
        """The same under another name."""
        source = self.source.replace(f"def {self.name}(", f"def {name}(", 1)
        return self._replace(name=name, source=source)

    @property
    def literal_names(self) -> list[str]:
        """The parameters that stand for the literals."""
        return [f"literal{position}" for position in range(len(self.literals))]


def scalar_text(function: Callable[..., Any]) -> ScalarText:
    """Rewrite the text of a function.

    Raises
    ------
    NotScalar
        If Python does not find the text, or it does something else with arrays than the table says.

    Examples
    --------
    >>> from npnet.nn.activation.rectifiers import relu_backward
    >>> print(scalar_text(relu_backward).source)
    def relu_backward(g, y, literal0):
        return g * (y > literal0)
    """
    definition = bare_definition(function)
    definition.args.defaults.clear()
    rewrite = _Rewrite()
    rewrite.visit(definition)
    parameters = [argument.arg for argument in definition.args.args]
    found = ScalarText(definition.name, "", parameters, rewrite.literals, _results(definition))
    definition.args.args += [ast.arg(name) for name in found.literal_names]
    return found._replace(source=ast.unparse(ast.fix_missing_locations(definition)))


def bare_definition(function: Callable[..., Any]) -> ast.FunctionDef:
    """The text of a function without decorators, annotations and docstring.

    Raises
    ------
    NotScalar
        If Python does not find it.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError) as error:
        raise NotScalar(f"Python does not find the text of {function!r}") from error
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise NotScalar(f"{function!r} is not written with def")
    definition.decorator_list.clear()
    definition.returns = None
    for argument in (*definition.args.args, *filter(None, [definition.args.vararg])):
        argument.annotation = None
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    return definition


def _results(definition: ast.FunctionDef) -> list[str]:
    returned = definition.body[-1]
    if not isinstance(returned, ast.Return) or returned.value is None:
        raise NotScalar(f"{definition.name} does not end with what it returns")
    values = returned.value.elts if isinstance(returned.value, ast.Tuple) else [returned.value]
    return [ast.unparse(value) for value in values]


class _Rewrite(ast.NodeTransformer):
    def __init__(self) -> None:
        self.literals: list[float] = []

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return node
        if value not in self.literals:
            self.literals.append(value)
        return ast.Name(f"literal{self.literals.index(value)}", ast.Load())

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        target = node.targets[0]
        if isinstance(target, ast.Subscript):  # c[...] = a
            if not isinstance(target.value, ast.Name) or ast.unparse(target.slice) != "...":
                raise NotScalar(f"assignment to {ast.unparse(target)}")
            node.targets[0] = ast.Name(target.value.id, ast.Store())
        node.value = self.visit(node.value)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        if isinstance(node.value, ast.Call):
            for keyword in node.value.keywords:
                if keyword.arg == "out" and isinstance(keyword.value, ast.Name):
                    node.value.keywords.remove(keyword)
                    return ast.Assign([ast.Name(keyword.value.id, ast.Store())], self.visit(node.value))
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = ast.unparse(node.func)
        if name == "np.ones_like":
            return self.visit_Constant(ast.Constant(1))
        if name in ("np.zeros_like", "zeros_for"):
            return self.visit_Constant(ast.Constant(0))
        self.generic_visit(node)
        if name == "np.where":
            return ast.IfExp(*node.args)
        if name == "np.positive":
            return node.args[0]
        if name == "np.clip":
            value, least, most = node.args
            return _call("np.minimum", _call("np.maximum", value, least), most)
        return node


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.parse(name, mode="eval").body, list(arguments), [])

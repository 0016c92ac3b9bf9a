"""Finds what is called, and its source: of functions, lambdas, methods, and objects that can be called."""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
from types import FunctionType, MethodType
from typing import Any

from lockgate.planning import python_branches

MISSING = object()  # of an object that may have more than can be looked up


def plain(function: Any) -> Any:
    """What is called where an object is that can be; where it has its function from C, what it says that it wraps."""
    if isinstance(function, FunctionType | MethodType | type):
        return function
    called = own(function, "__call__")
    return called if isinstance(called, MethodType) else getattr(function, "__wrapped__", None)


def bare(function: Any) -> tuple[Any, Any]:
    """The object that a method is bound to, and its function."""
    return (function.__self__, function.__func__) if isinstance(function, MethodType) else (None, function)


def own(owner: Any, name: str) -> Any:
    """What an object has by a name, methods bound to it; nothing of it is run for that."""
    attribute = inspect.getattr_static(owner, name, MISSING)
    if isinstance(attribute, FunctionType):
        return MethodType(attribute, owner)
    if isinstance(attribute, classmethod):
        return MethodType(attribute.__func__, owner if isinstance(owner, type) else type(owner))
    return attribute.__func__ if isinstance(attribute, staticmethod) else attribute


def closure(function: FunctionType) -> dict[str, Any]:
    """What a function has of the one around it, by name; nothing of what is not there yet."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            values[name] = cell.cell_contents
    return values


def is_own(node: ast.Attribute, function: FunctionType, owner: Any) -> bool:
    """Whether an attribute is one of the object whose method a function is."""
    mine = function.__code__.co_varnames[:1]
    return owner is not None and isinstance(node.value, ast.Name) and (node.value.id,) == mine


def tree(function: FunctionType) -> ast.AST | None:
    """The source as it runs on PostgreSQL; None where there is none."""
    try:
        if function.__name__ == "<lambda>":
            return _lambda(function)
        return python_branches.taken(ast.parse(textwrap.dedent(inspect.getsource(function.__code__))))
    except (OSError, SyntaxError, TypeError):  # no source; Python itself unwraps functions, so its code is asked for
        return None


def _lambda(function: FunctionType) -> ast.AST | None:
    """A lambda is a part of an expression: it is found by where its body begins."""
    lines, _ = inspect.findsource(function.__code__)
    places = {(line, column) for line, _, column, _ in function.__code__.co_positions()}
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.Lambda) and (node.body.lineno, node.body.col_offset) in places:
            return node
    return None

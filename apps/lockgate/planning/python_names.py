"""The names of a function's source: what it gives a value itself, and what is no part of what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def bound(tree: ast.AST) -> Iterator[str]:
    """Names that a function gives a value itself."""
    own = tree.body if isinstance(tree, ast.Module) else []
    globals_ = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id not in globals_:
            yield node.id
        elif isinstance(node, ast.ExceptHandler | ast.FunctionDef) and node.name and node not in own:
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((name.asname or name.name).partition(".")[0] for name in node.names)


def assigned(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Names with the expressions that are assigned to them alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            yield node.optional_vars.id, node.context_expr


def stores(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name and not isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.arg) and node.arg == name


def said_of_it(tree: ast.AST) -> Iterator[ast.AST]:
    """Decorators, types and defaults: they were computed when the function was made. A wrapper is read by itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield from filter(None, (*node.decorator_list, node.returns))
        elif isinstance(node, ast.arguments):
            yield from filter(None, (*node.defaults, *node.kw_defaults))
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            yield node.annotation


def imported_connections(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.db" and not node.level:
            yield from (name.asname or name.name for name in node.names if name.name == "connection")

"""Leaves out of a function what runs on other databases alone: branches by the vendor of Django's connection."""

from __future__ import annotations

import ast
import contextlib

VENDOR = "postgresql"
_ENDS = (ast.Return, ast.Raise)


def taken(tree: ast.AST) -> ast.AST:
    """The source without the branches that PostgreSQL never takes, and without what follows where one always ends."""
    return _Branches().visit(tree)  # type: ignore[no-any-return]


class _Branches(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        value = _on_postgresql(node.test)
        self.generic_visit(node)
        if value is None:
            return node
        return (node.body if value else node.orelse) or [ast.copy_location(ast.Pass(), node)]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        ends = (number for number, statement in enumerate(node.body, 1) if isinstance(statement, _ENDS))
        node.body = node.body[: next(ends, len(node.body))]
        return node


def _on_postgresql(test: ast.AST) -> bool | None:
    """What a condition comes to; None where it is about anything else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        value = _on_postgresql(test.operand)
        return None if value is None else not value
    if isinstance(test, ast.BoolOp):
        decides = isinstance(test.op, ast.Or)
        values = [_on_postgresql(operand) for operand in test.values]
        return decides if decides in values else None if None in values else not decides
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and _is_vendor(test.left):
        return _compared(test.ops[0], test.comparators[0])
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and _is_vendor(test.func.value):
        begins = test.func.attr == "startswith" and len(test.args) == 1 and _literal(test.args[0])
        return VENDOR.startswith(begins) if isinstance(begins, str) else None
    return None


def _compared(operator: ast.cmpop, node: ast.AST) -> bool | None:
    value = _literal(node)
    if isinstance(value, str) and isinstance(operator, ast.Eq | ast.NotEq):
        return (value == VENDOR) is isinstance(operator, ast.Eq)
    if isinstance(value, tuple | list | set) and isinstance(operator, ast.In | ast.NotIn):
        return (VENDOR in value) is isinstance(operator, ast.In)
    return None


def _literal(node: ast.AST) -> object:
    with contextlib.suppress(ValueError):
        return ast.literal_eval(node)
    return None


def _is_vendor(node: ast.AST) -> bool:
    """Whether it is ``schema_editor.connection.vendor``, or that of a connection under its own name."""
    owner = node.value if isinstance(node, ast.Attribute) and node.attr == "vendor" else None
    return (isinstance(owner, ast.Attribute) and owner.attr == "connection") or (
        isinstance(owner, ast.Name) and owner.id == "connection"
    )

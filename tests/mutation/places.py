"""Where a line is, in words that outlive a change of other lines: its function, and its statement's first line."""

from __future__ import annotations

import ast
import functools
import hashlib


@functools.cache
def of(source: bytes) -> dict[int, str]:
    """The place of each line that is in a statement of a function, by the line's number."""
    lines = source.decode().splitlines()
    found: dict[int, str] = {}

    def visit(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            inside = function
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{function}.{child.name}".lstrip(".")
            elif isinstance(child, ast.stmt) and function:
                assert child.end_lineno is not None
                place = f"{function} | {lines[child.lineno - 1].strip()}"
                found.update(dict.fromkeys(range(child.lineno, child.end_lineno + 1), place))
            visit(child, inside)

    visit(ast.parse(source), "")
    return found


def short(path: str, place: str) -> str:
    """A digest that stands for it in the map of tests."""
    return hashlib.sha256(f"{path} | {place}".encode()).hexdigest()[:12]

"""What can be changed in a module, one place at a time, made from its syntax tree.

A mutant is known by its file, its function, the text of its line and the change, not by the line's number: it is found
again after others have changed the module, and where it is not, it is stale.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutation import places

PRODUCT = "apps/lockgate"
MUTATED = ("execution", "database", "journal", "ledger")  # contract is execution/contract.py
SWAPPED: dict[type[ast.AST], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}


@dataclass(frozen=True)
class Mutant:
    """One change. start, end: offsets in the file's UTF-8; new: what takes the place of what is between them.

    place: its statement, as ``places`` names it.
    """

    path: str
    function: str
    line: str
    kind: str
    number: int
    start: int
    end: int
    new: str
    place: str = ""

    @property
    def key(self) -> str:
        return f"{self.path} | {self.function} | {self.line} | {self.kind} {self.number}"

    def order(self, seed: str = "") -> str:
        """Sorts mutants as if drawn by lot, the same each time for a seed."""
        return hashlib.sha256(f"{seed}{self.key}".encode()).hexdigest()

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]


def modules(root: Path) -> list[str]:
    """The modules whose lines are changed; paths from root, with slashes."""
    paths = [path for name in MUTATED for path in (root / PRODUCT).glob(f"{name}*")]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    return sorted(file.relative_to(root).as_posix() for file in files if file.suffix == ".py")


def of(root: Path, path: str) -> list[Mutant]:
    """All mutants of one module; path: from root, with slashes."""
    source = (root / path).read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    mutants: dict[str, Mutant] = {}
    for function, node, kind, first, last, new in _changes(ast.parse(source), source, starts):
        line = lines[node.lineno - 1].decode().strip()
        number = 0
        place = places.of(source)[node.lineno]
        while (mutant := Mutant(path, function, line, kind, number, first, last, new, place)).key in mutants:
            number += 1
        mutants[mutant.key] = mutant
    return list(mutants.values())


Change = tuple[str, ast.stmt | ast.expr, str, int, int, str]


def _changes(tree: ast.Module, source: bytes, starts: list[int]) -> Iterator[Change]:
    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def text(node: ast.expr) -> str:
        first, last = span(node)
        return source[first:last].decode()

    for function, node in _inside(tree, ""):
        for kind, at, new in _of_node(node, text):
            yield function, node, kind, *span(at), new


def _inside(node: ast.AST, function: str) -> Iterator[tuple[str, ast.expr | ast.stmt]]:
    """Every statement and expression that is in a function, with the function's dotted name."""
    for child in ast.iter_child_nodes(node):
        inside = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inside = f"{function}.{child.name}".lstrip(".")
        if isinstance(child, ast.FunctionDef):
            for each in child.body:
                if isinstance(each, ast.stmt):
                    yield inside, each
                yield from _inside(each, inside)
        else:
            if isinstance(node, ast.expr | ast.stmt) and isinstance(child, ast.expr | ast.stmt) and function:
                yield inside, child
            yield from _inside(child, inside)


def _of_node(node: ast.expr | ast.stmt, text) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:  # type: ignore[no-untyped-def]
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in SWAPPED:
            yield "comparison", node, f"({text(left)}) {SWAPPED[type(op)]} ({text(right)})"
        case ast.BoolOp(values=values):
            word = " and " if isinstance(node.op, ast.And) else " or "
            for value in values:
                rest = [f"({text(each)})" for each in values if each is not value]
                yield (
                    "condition left out",
                    node,
                    f"({word.join(rest)})",
                )
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not left out", node, f"({text(operand)})"
        case ast.If(test=test):
            yield "if always", test, "True"
            yield "if never", test, "False"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "returns None", value, "None"
        case ast.Constant(value=bool() as value):
            yield "other constant", node, str(not value)
        case ast.Raise():
            yield "not raised", node, "pass"
        case ast.Expr(value=ast.Call()):
            yield "call left out", node, "pass"
        case ast.Call(func=ast.Attribute(value=value, attr="clone"), args=[]):
            yield "not cloned", node, text(value)
        case ast.Call(func=ast.Attribute(attr="filter" | "exclude"), keywords=keywords) if keywords:
            for left_out in keywords:
                kept = [
                    f"{keyword.arg}={text(keyword.value)}"
                    for keyword in keywords
                    if keyword is not left_out and keyword.arg
                ]
                given = [text(arg) for arg in node.args]
                yield "filter left out", node, f"{text(node.func)}({', '.join([*given, *kept])})"

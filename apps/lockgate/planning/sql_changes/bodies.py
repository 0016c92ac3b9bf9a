"""Code in the database: what a DO block does is read, as far as it goes; what a function will do is not done yet.

A function in SQL is an exception: PostgreSQL looks up the tables of its body when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lockgate.planning import sql_parser
from lockgate.planning.sql_changes import rows
from lockgate.planning.sql_changes.reading import Reader, unknown
from lockgate.planning.sql_changes.tree import literal, name_of, walk, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind

_EXPRESSION = 2  # RawParseMode of gram.y: 0 a statement, 2 an expression, from 3 on an assignment
# Statements of PL/pgSQL that execute a text, and which of their fields has it.
_MADE_UP = {
    "PLpgSQL_stmt_dynexecute": "query",
    "PLpgSQL_stmt_dynfors": "query",
    "PLpgSQL_stmt_return_query": "dynquery",
    "PLpgSQL_stmt_open": "dynquery",
}
_read: list[Callable[[str], tuple[Change, ...]]] = []


def set_reader(read: Callable[[str], tuple[Change, ...]]) -> None:
    """read: of statements as text; a body's are read as any others."""
    _read[:] = [read]


def _do(body: Tree) -> Iterator[Change]:
    options = {option["DefElem"]["defname"]: option["DefElem"].get("arg", {}) for option in body.get("args", ())}
    language = options.get("language", {}).get("String", {}).get("sval", "plpgsql")
    text = str(options.get("as", {}).get("String", {}).get("sval", ""))
    tree = sql_parser.parse_body(text) if language == "plpgsql" else None
    if tree is None:
        yield from unknown(f"a DO block in {language} that cannot be read")
        return
    yield Change(Kind.OTHER, "")
    yield from _of_body(tree)


def _of_body(node: Any) -> Iterator[Change]:
    """Every statement and expression of a body, and what it executes as text."""
    if isinstance(node, list):
        for part in node:
            yield from _of_body(part)
    elif isinstance(node, dict):
        for key, value in node.items():
            if field := _MADE_UP.get(key):
                yield from _executed(value.get(field))
                yield from _of_body({name: part for name, part in value.items() if name != field})
            elif key == "PLpgSQL_expr":
                yield from _of_expression(value)
            elif key != "PLpgSQL_type":
                yield from _of_body(value)


def _executed(node: Any) -> Iterator[Change]:
    """EXECUTE: a text that is written there is read; one that is made up is not known."""
    if node is None:
        return
    query = str(node["PLpgSQL_expr"]["query"])
    parsed = sql_parser.parse(f"SELECT {query}")
    targets: list[Any] = parsed[0].body.get("targetList", []) if parsed else []
    text = literal(targets[0]["ResTarget"]["val"]) if len(targets) == 1 else None
    if text is None:
        yield from unknown("EXECUTE of SQL that is made up as it runs")
    else:
        yield from _read[0](text)


def _of_expression(node: Tree) -> Iterator[Change]:
    query, mode = str(node["query"]), node.get("parseMode", 0)
    if mode == _EXPRESSION:
        query = f"SELECT {query}"
    elif mode > _EXPRESSION:
        query = f"SELECT {query.partition(':=' if ':=' in query else '=')[2]}"
    yield from (change for change in _read[0](query) if change.kind is not Kind.OTHER)


def _function(body: Tree) -> Iterator[Change]:
    yield Change(Kind.OTHER, "")
    if "sql_body" in body:
        yield from _looked_up(body["sql_body"])
        return
    options = {option["DefElem"]["defname"]: option["DefElem"].get("arg", {}) for option in body.get("options", ())}
    if options.get("language", {}).get("String", {}).get("sval") != "sql":
        return
    text = "".join(words(options.get("as", {})))
    for option in sql_parser.parse(text) or ():
        yield from _looked_up({option.kind: option.body})


def _looked_up(node: Any) -> Iterator[Change]:
    names = {part["ctename"] for kind, part in walk(node) if kind == "CommonTableExpr"}
    for kind, part in walk(node):
        if kind == "RangeVar" and rows.is_table(part, names):
            yield Change(Kind.READ, name_of(part))
        elif kind in rows.TARGETS:
            yield Change(Kind.WRITES_LATER, name_of(part["relation"]))


READERS: dict[str, Reader] = {"DoStmt": _do, "CreateFunctionStmt": _function}

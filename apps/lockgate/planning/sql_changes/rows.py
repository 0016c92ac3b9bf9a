"""Statements that read and change rows, and those made around them: views, copies, cursors.

Functions that a statement calls may do anything, unless they are known; so may triggers, of which nothing is said here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.planning.sql_changes import functions
from lockgate.planning.sql_changes.reading import Reader, locks_nothing, unknown
from lockgate.planning.sql_changes.tree import CATALOGS, name_of, walk, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind

TARGETS = {
    "InsertStmt": Kind.INSERT_ROWS,
    "UpdateStmt": Kind.UPDATE_ROWS,
    "DeleteStmt": Kind.UPDATE_ROWS,
    "MergeStmt": Kind.UPDATE_ROWS,
}


def of_query(kind: str, body: Tree, reads: Kind = Kind.READ_ROWS) -> Iterator[Change]:
    """What a query changes and reads, those inside it included. reads: what it does to the tables that it names."""
    nodes = [(kind, body), *walk(body)]
    names = {part["ctename"] for node, part in nodes if node == "CommonTableExpr"}
    aliases = {id(part["RangeVar"]) for node, clause in nodes if node == "LockingClause"
               for part in clause.get("lockedRels", ())}  # fmt: skip
    for node, part in nodes:
        if node in TARGETS:
            yield Change(TARGETS[node], name_of(part["relation"]), _pinned(part) if node in _BY_CONDITION else ())
        elif node == "RangeVar" and id(part) not in aliases and is_table(part, names):
            yield Change(reads, name_of(part))
        if node == "SelectStmt" and "intoClause" in part:
            yield Change(Kind.CREATE_TABLE, name_of(part["intoClause"]["rel"]))
        if node == "SelectStmt" and "lockingClause" in part:
            yield from (Change(Kind.LOCK_ROWS, table) for table in _locked(part, names))
    called = functions.unknown(body)
    if called and reads is Kind.READ_ROWS:
        yield from unknown(f"it calls {', '.join(f'{name}()' for name in called)}")


_BY_CONDITION = ("UpdateStmt", "DeleteStmt")
_COMPARES = ("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY")  # with = : one value, a list, an array


def _pinned(body: Tree) -> tuple[str, ...]:
    """The columns that a condition compares with constants or parameters, in all rows that it finds."""
    parts = [body.get("whereClause") or {}]
    if parts[0].get("BoolExpr", {}).get("boolop") == "AND_EXPR":
        parts = parts[0]["BoolExpr"]["args"]
    return tuple(column for part in parts for column in _equal(part.get("A_Expr", {})))


def _equal(expression: Tree) -> Iterator[str]:
    right = expression.get("rexpr", {})
    array = right.get("A_ArrayExpr", {}).get("elements", [right])
    values = right["List"]["items"] if "List" in right else array
    operator = words(expression.get("name")) == ["="] and expression["kind"] in _COMPARES
    if operator and all("A_Const" in value or "ParamRef" in value for value in values):
        yield from words(expression["lexpr"].get("ColumnRef", {}).get("fields"))[-1:]


def is_table(relation: Tree, names: set[str]) -> bool:
    """Whether a RangeVar is a table of the project, and not a name that WITH gives, nor one of the catalog."""
    schema, name = relation.get("schemaname", ""), relation.get("relname", "")
    return not (schema in CATALOGS or (not schema and (name in names or name.startswith("pg_"))))


def _locked(select: Tree, names: set[str]) -> Iterator[str]:
    """The tables whose rows SELECT … FOR UPDATE locks: those named, by their aliases, or all of its FROM."""
    said = [part["RangeVar"]["relname"] for clause in select["lockingClause"] for part in
            clause["LockingClause"].get("lockedRels", ())]  # fmt: skip
    for kind, part in walk(select.get("fromClause", ())):
        if kind == "RangeVar" and is_table(part, names):
            alias = part.get("alias", {}).get("aliasname", part["relname"])
            if not said or alias in said:
                yield name_of(part)


def _reader(kind: str) -> Reader:
    return lambda body: of_query(kind, body)


def inner(node: Any, reads: Kind = Kind.READ_ROWS) -> Iterator[Change]:
    """The query in a node of one key."""
    for kind, body in (node or {}).items():
        yield from of_query(kind, body, reads)


def _copy(body: Tree) -> Iterator[Change]:
    if "query" in body:
        yield from inner(body["query"])
    else:
        kind = Kind.INSERT_ROWS if body.get("is_from") else Kind.READ_ROWS
        yield Change(kind, name_of(body["relation"]))


def _view(body: Tree) -> Iterator[Change]:
    if body.get("replace"):
        yield Change(Kind.VIEW, name_of(body["view"]))
    else:
        yield Change(Kind.OTHER, "")
    yield from inner(body["query"], Kind.READ)


def _create_as(body: Tree) -> Iterator[Change]:
    into = body["into"]
    if "ExecuteStmt" in body["query"]:
        yield from unknown("CREATE TABLE … AS EXECUTE")
    yield Change(Kind.CREATE_TABLE, name_of(into["rel"]), special=bool(body.get("if_not_exists")))
    yield from inner(body["query"], Kind.READ if into.get("skipData") else Kind.READ_ROWS)


def _explain(body: Tree) -> Iterator[Change]:
    yield from inner(body["query"])


def _call(_: Tree) -> tuple[Change, ...]:
    return unknown("a call of a procedure")


def _execute(_: Tree) -> tuple[Change, ...]:
    return unknown("EXECUTE of a prepared statement")


READERS: dict[str, Reader] = {
    **{kind: _reader(kind) for kind in ("SelectStmt", *TARGETS)},
    "CopyStmt": _copy,
    "ViewStmt": _view,
    "CreateTableAsStmt": _create_as,
    "ExplainStmt": _explain,
    "DeclareCursorStmt": _explain,
    "PrepareStmt": locks_nothing,
    "CallStmt": _call,
    "ExecuteStmt": _execute,
}

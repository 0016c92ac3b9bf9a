"""Statements that make tables and indexes, and those that work on whole ones: TRUNCATE, LOCK, VACUUM, REINDEX …"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lockgate.planning.lock_modes import LockMode
from lockgate.planning.new_types import SERIALS
from lockgate.planning.sql_changes import definitions
from lockgate.planning.sql_changes.reading import Reader, unknown
from lockgate.planning.sql_changes.tree import columns_in, name_of, option, type_text, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind


def _create_index(body: Tree) -> Iterator[Change]:
    elements = [param["IndexElem"] for param in body.get("indexParams", ())]
    used = [fields for element in elements for fields in _columns(element)]
    yield Change(
        Kind.ADD_INDEX,
        name_of(body["relation"]),
        tuple(dict.fromkeys(used)),
        body.get("idxname", ""),
        unique=bool(body.get("unique")),
        partial="whereClause" in body,
        conditioned=tuple(dict.fromkeys(columns_in(body.get("whereClause")))),
        concurrently=bool(body.get("concurrent")),
        expression=any("expr" in element for element in elements),
        included=tuple(param["IndexElem"]["name"] for param in body.get("indexIncludingParams", ())),
        nulls_equal=bool(body.get("nulls_not_distinct")),
        special=body.get("accessMethod", "btree") != "btree" or "options" in body,
    )


def _columns(element: Tree) -> list[str]:
    return [str(element["name"])] if "name" in element else columns_in(element)


def _create_table(body: Tree) -> Iterator[Change]:
    table = name_of(body["relation"])
    maybe = bool(body.get("if_not_exists"))
    targets = list(dict.fromkeys(definitions.references(body))) or [""]
    changes = [Change(Kind.CREATE_TABLE, table, references=target, special=maybe) for target in targets]
    yield from (changes[0]._replace(columns=(key,), type=type_) for key, type_ in _numbered_key(body))
    yield from changes
    yield from _columns_of_new(table, body)
    for element in body.get("tableElts", ()):
        if "TableLikeClause" in element:
            yield Change(Kind.READ, name_of(element["TableLikeClause"]["relation"]))
    for parent in body.get("inhRelations", ()):
        kind = Kind.ADD_PARTITION if "partbound" in body else Kind.GIVE_PARENT
        yield Change(kind, name_of(parent["RangeVar"]))


def _columns_of_new(table: str, body: Tree) -> Iterator[Change]:
    """The columns that are the key or refer to one of another table, the key first."""
    elements = body.get("tableElts", ())
    types = {
        column["colname"]: type_text(column["typeName"]) for element in elements if (column := element.get("ColumnDef"))
    }
    nodes = [(nodes, words(nodes.get("fk_attrs") or nodes.get("keys"))) for element in elements
             if (nodes := element.get("Constraint"))]  # fmt: skip
    nodes += [(node["Constraint"], [column["colname"]]) for element in elements
              if (column := element.get("ColumnDef")) for node in column.get("constraints", ())]  # fmt: skip
    alone = [(constraint, columns[0]) for constraint, columns in nodes if len(columns) == 1 and columns[0] in types]
    for constraint, name in alone:
        if constraint["contype"] == "CONSTR_PRIMARY":
            yield Change(Kind.COLUMN_OF_NEW, table, (name,), type=types[name], unique=True)
    for constraint, name in alone:
        if constraint["contype"] == "CONSTR_FOREIGN":
            target, referred = name_of(constraint["pktable"]), definitions.referred(constraint)
            yield Change(Kind.COLUMN_OF_NEW, table, (name,), old_name=referred, references=target, type=types[name])


def _numbered_key(body: Tree) -> Iterator[tuple[str, str]]:
    """The column of a new table's key that PostgreSQL numbers itself, and its type."""
    elements = body.get("tableElts", ())
    keys = [words(key["keys"]) for element in elements if (key := element.get("Constraint", {})).get("keys")
            and key["contype"] == "CONSTR_PRIMARY"]  # fmt: skip
    for column in (element["ColumnDef"] for element in elements if "ColumnDef" in element):
        name, type_ = column["colname"], type_text(column["typeName"])
        kinds = {node["Constraint"]["contype"] for node in column.get("constraints", ())}
        if ("CONSTR_PRIMARY" in kinds or [name] in keys) and ("CONSTR_IDENTITY" in kinds or type_ in SERIALS):
            yield name, type_


def _create_foreign_table(body: Tree) -> Iterator[Change]:
    yield from _create_table(body["base"] if "base" in body else body["baseStmt"])


def _truncate(body: Tree) -> Iterator[Change]:
    cascade = body.get("behavior") == "DROP_CASCADE"
    for relation in body["relations"]:
        yield Change(Kind.TRUNCATE, name_of(relation["RangeVar"]), special=cascade)


def _lock(body: Tree) -> Iterator[Change]:
    mode = list(LockMode)[body["mode"] - 1]
    for relation in body["relations"]:
        yield Change(Kind.LOCK_TABLE, name_of(relation["RangeVar"]), mode=mode)


def _vacuum(body: Tree) -> Iterator[Change]:
    options = body.get("options")
    kind = Kind.ANALYZE
    if body.get("is_vacuumcmd"):
        kind = Kind.VACUUM_FULL if option(options, "full") else Kind.VACUUM
    if "rels" not in body:
        yield from unknown(f"{kind.value} of every table")
    for relation in body.get("rels", ()):
        yield Change(kind, name_of(relation["VacuumRelation"]["relation"]))


def _cluster(body: Tree) -> Iterable[Change]:
    if "relation" not in body:
        return unknown("CLUSTER of every table")
    return (Change(Kind.CLUSTER, name_of(body["relation"])),)


def _reindex(body: Tree) -> Iterable[Change]:
    concurrently = option(body.get("params"), "concurrently")
    match body["kind"]:
        case "REINDEX_OBJECT_TABLE":
            return (Change(Kind.REINDEX, name_of(body["relation"]), concurrently=concurrently),)
        case "REINDEX_OBJECT_INDEX":
            return (Change(Kind.REINDEX, "", name=body["relation"]["relname"], concurrently=concurrently),)
    return unknown("REINDEX of many tables")


def _refresh(body: Tree) -> Iterator[Change]:
    table, concurrently = name_of(body["relation"]), bool(body.get("concurrent"))
    yield Change(Kind.REFRESH, table, concurrently=concurrently, special=bool(body.get("skipData")))


READERS: dict[str, Reader] = {
    "IndexStmt": _create_index,
    "CreateStmt": _create_table,
    "CreateForeignTableStmt": _create_foreign_table,
    "TruncateStmt": _truncate,
    "LockStmt": _lock,
    "VacuumStmt": _vacuum,
    "ClusterStmt": _cluster,
    "ReindexStmt": _reindex,
    "RefreshMatViewStmt": _refresh,
}

"""Columns and constraints as ALTER TABLE and CREATE TABLE define them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.planning import new_types
from lockgate.planning.sql_changes import functions
from lockgate.planning.sql_changes.reading import unknown
from lockgate.planning.sql_changes.tree import columns_in, name_of, type_text, walk, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind

# ON DELETE CASCADE, SET NULL, SET DEFAULT: the database itself sees to the rows that refer.
_CASCADING = ("c", "n", "d")
_CONSTRAINTS = {
    "CONSTR_CHECK": Kind.ADD_CHECK,
    "CONSTR_UNIQUE": Kind.ADD_UNIQUE,
    "CONSTR_PRIMARY": Kind.ADD_PRIMARY_KEY,
    "CONSTR_FOREIGN": Kind.ADD_FOREIGN_KEY,
    "CONSTR_EXCLUSION": Kind.ADD_EXCLUSION,
    "CONSTR_NOTNULL": Kind.SET_NOT_NULL,
}


def column(table: str, definition: Tree) -> Iterator[Change]:
    """A new column of a table that is there, with what its own constraints ask for."""
    columns, type_name = (definition["colname"],), type_text(definition["typeName"])
    constraints = [constraint_node["Constraint"] for constraint_node in definition.get("constraints", ())]
    kinds = {constraint_node["contype"] for constraint_node in constraints}
    default = next(
        (
            constraint_node.get("raw_expr")
            for constraint_node in constraints
            if constraint_node["contype"] == "CONSTR_DEFAULT"
        ),
        None,
    )
    default = None if is_null(default) else default
    targets = [
        name_of(constraint_node["pktable"])
        for constraint_node in constraints
        if constraint_node["contype"] == "CONSTR_FOREIGN"
    ]
    computed = default is not None and functions.is_volatile(default)
    yield Change(
        Kind.ADD_COLUMN,
        table,
        columns,
        references=targets[0] if targets else "",
        type=type_name,
        default="" if default is None else ("volatile" if computed else "constant"),
        database_default=default is not None,
        not_null="CONSTR_NOTNULL" in kinds or "CONSTR_PRIMARY" in kinds,
        stored=any(
            constraint_node["contype"] == "CONSTR_GENERATED" and not _is_virtual(constraint_node)
            for constraint_node in constraints
        ),
        identity="CONSTR_IDENTITY" in kinds or type_name in new_types.SERIALS,
        work=new_types.work(type_name),
    )
    empty = (
        default is None and not kinds & {"CONSTR_GENERATED", "CONSTR_IDENTITY"} and type_name not in new_types.SERIALS
    )
    yield from _constraints_of(table, columns, type_name, constraints, empty=empty)


def _constraints_of(
    table: str, columns: tuple[str, ...], wanted: str, given: list[Tree], *, empty: bool
) -> Iterator[Change]:
    """The constraints of a new column. wanted: its type. empty: whether it is NULL in every row."""
    for each in given:
        if each["contype"] in ("CONSTR_CHECK", "CONSTR_UNIQUE", "CONSTR_PRIMARY"):
            kind = _CONSTRAINTS[each["contype"]]
            yield Change(kind, table, columns, each.get("conname", ""), unique=kind is Kind.ADD_UNIQUE)
        elif each["contype"] == "CONSTR_FOREIGN":  # NULLs refer to nothing, so PostgreSQL does not look
            target, name = name_of(each["pktable"]), each.get("conname", "")
            special = each.get("fk_del_action") in _CASCADING
            yield Change(
                Kind.ADD_FOREIGN_KEY,
                table,
                columns,
                name,
                old_name=referred(each),
                references=target,
                type=wanted,
                proven=empty,
                special=special,
            )


def referred(node: Tree) -> str:
    """The column that a foreign key refers to, where it names one; else it is the primary key."""
    return ", ".join(words(node.get("pk_attrs")))


def is_null(expression: Tree | None) -> bool:
    """Whether a default is NULL, of whatever type: as good as none."""
    while expression and "TypeCast" in expression:
        expression = expression["TypeCast"]["arg"]
    return bool(expression) and bool((expression or {}).get("A_Const", {}).get("isnull"))


def _is_virtual(constraint: Tree) -> bool:
    return constraint.get("generated_kind") == "v"


def constraint(table: str, node: Tree) -> Iterator[Change]:
    kind = _CONSTRAINTS.get(node["contype"])
    if kind is None:
        yield from unknown(f"ALTER TABLE {table} ADD ({node['contype']})", table)
        return
    columns = words(node.get("fk_attrs") if kind is Kind.ADD_FOREIGN_KEY else node.get("keys"))
    yield Change(
        kind,
        table,
        tuple(dict.fromkeys(columns_in(node.get("raw_expr")))) if kind is Kind.ADD_CHECK else tuple(columns),
        node.get("conname", ""),
        old_name=referred(node),
        references=name_of(node["pktable"]) if "pktable" in node else "",
        unique=kind is Kind.ADD_UNIQUE,
        special=node.get("fk_del_action") in _CASCADING,
        not_valid=bool(node.get("skip_validation")),
        using_index="indexname" in node,
        nulls_equal=bool(node.get("nulls_not_distinct")),
        included=tuple(words(node.get("including"))),
        requires=tuple(_required(node.get("raw_expr"))) if kind is Kind.ADD_CHECK else (),
    )


def _required(expression: Any) -> Iterator[str]:
    """The columns of which a check says, whatever else, that they are not NULL."""
    test, both = (expression or {}).get("NullTest"), (expression or {}).get("BoolExpr")
    if test and test["nulltesttype"] == "IS_NOT_NULL":
        yield from words(test["arg"].get("ColumnRef", {}).get("fields"))[-1:]
    elif both and both["boolop"] == "AND_EXPR":
        for argument in both["args"]:
            yield from _required(argument)


def references(definition: Tree) -> Iterator[str]:
    """The tables that the foreign keys of a new table point to."""
    for kind, body in walk(definition.get("tableElts", ())):
        if kind == "Constraint" and "pktable" in body:
            yield name_of(body["pktable"])

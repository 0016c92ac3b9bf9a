"""What is looked up in the parser's trees: names, relations, types, constants, and what lies anywhere below a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lockgate.planning.sql_parser import Tree

_ASSUMED = ("", "public")  # the schema that a name without one is taken to be in
CATALOGS = ("pg_catalog", "information_schema", "pg_toast", "pg_temp")


def listed(text: str) -> frozenset[str]:
    """The words of a list that is written as a text."""
    return frozenset(text.split())


def name_of(relation: Tree) -> str:
    """A RangeVar's name; with its schema, where that is not the usual one."""
    return qualified(str(relation.get("schemaname", "")), str(relation.get("relname", "")))


def qualified(schema: str, name: str) -> str:
    """A name as plans have it (``names.unquoted``)."""
    return name if schema in _ASSUMED else f'{schema}"."{name}'


def words(listed: Any) -> list[str]:
    """A name in parts: a List, or its items, of String."""
    if isinstance(listed, dict):
        listed = listed["List"]["items"] if "List" in listed else [listed]
    return [str(item["String"].get("sval", "")) for item in listed or () if "String" in item]


def name_in(listed: Any) -> str:
    """The name that a list of words makes."""
    parts = words(listed)
    return qualified(parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ""


def walk(node: Any) -> Iterator[tuple[str, Tree]]:
    """Every node below, with its kind, outermost first."""
    if isinstance(node, list):
        for part in node:
            yield from walk(part)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, dict) and key[:1].isupper():
                yield key, value
            if isinstance(value, dict | list):
                yield from walk(value)


def columns_in(node: Any) -> list[str]:
    """The columns that are named anywhere in an expression, in their order, each as often as it is."""
    named = (words(body.get("fields")) for kind, body in walk(node) if kind == "ColumnRef")
    return [parts[-1] for parts in named if parts]


def option(listed: Any, name: str) -> bool:
    """Whether a list of DefElem has this one, and does not say no to it."""
    for item in listed or ():
        element = item.get("DefElem", {})
        if element.get("defname") == name:
            said = element.get("arg", {})
            negated = said.get("Boolean", {}).get("boolval") is False if "Boolean" in said else False
            text = str(said.get("String", {}).get("sval", "")).lower()
            return not negated and text not in ("false", "off", "0", "no") and said.get("Integer") != {}
    return False


def type_text(node: Tree) -> str:
    """A TypeName in the words of ``type_changes``: int4 is integer, numeric(10,2), varchar(20)[]."""
    parts = words(node.get("names"))
    name = ".".join(parts[1:] if parts[:1] in (["pg_catalog"], ["public"]) else parts)
    name = _DJANGOS.get(name, name)
    type_modifiers = [integer(modifier) for modifier in node.get("typmods", ())]
    modifiers = f"({', '.join(map(str, type_modifiers))})" if type_modifiers and name != "interval" else ""
    return f"{name}{modifiers}{'[]' * len(node.get('arrayBounds', ()))}"


def integer(node: Tree) -> int:
    constant = node.get("A_Const", node)
    return int(constant.get("ival", {}).get("ival", 0)) if "ival" in constant else 0


def literal(node: Any) -> str | None:
    """The text of a string constant, cast or not; None for anything else."""
    while isinstance(node, dict) and "TypeCast" in node:
        node = node["TypeCast"]["arg"]
    text = node.get("A_Const", {}).get("sval") if isinstance(node, dict) else None
    return None if text is None else str(text.get("sval", ""))


_DJANGOS = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "bpchar": "char",
}

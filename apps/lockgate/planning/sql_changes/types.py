"""Statements that make and change domains and enum types."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.planning.sql_changes.reading import Reader, unknown
from lockgate.planning.sql_changes.tree import name_in, type_text
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind


def _domain(body: Tree) -> Iterator[Change]:
    """T: default, N: drop not null, O: set not null, C: add constraint, X: drop, V: validate."""
    checks = body["subtype"] in ("O", "V") or (
        body["subtype"] == "C" and not body["def"].get("Constraint", {}).get("skip_validation")
    )
    if body["subtype"] in ("O", "C"):
        yield Change(Kind.OTHER, "", type=type_text({"names": body["typeName"]}), not_null=True)
    if not checks:
        yield Change(Kind.OTHER, "")
        return
    yield from unknown(
        f"ALTER DOMAIN {name_in(body['typeName'])}, which reads every table with a column of it", told=True
    )


def _enumeration(body: Tree) -> Iterator[Change]:
    yield Change(Kind.OTHER, "", type=type_text({"names": body["typeName"]}))


def _new_domain(body: Tree) -> Iterator[Change]:
    """What it stands on, whether each value is proven for it, and whether it brings a default."""
    kinds = {constraint_node["Constraint"]["contype"] for constraint_node in body.get("constraints", ())}
    yield Change(
        Kind.OTHER,
        "",
        type=type_text({"names": body["domainname"]}),
        old_type=type_text(body["typeName"]),
        not_null=bool(kinds & {"CONSTR_CHECK", "CONSTR_NOTNULL"}),
        database_default="CONSTR_DEFAULT" in kinds,
    )


READERS: dict[str, Reader] = {
    "AlterDomainStmt": _domain,
    "CreateDomainStmt": _new_domain,
    "CreateEnumStmt": _enumeration,
}

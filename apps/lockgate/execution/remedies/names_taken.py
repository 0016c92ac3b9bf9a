"""42P07: what bears the name that something new was to get."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.database import relations
from lockgate.database.relations import Relation
from lockgate.execution.remedies.remedy import Refused, Remedy
from lockgate.planning import sql_changes
from lockgate.planning.identifiers import bare
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Kind


def remedy(refused: Refused) -> Remedy | None:
    if refused.progress.invalid:
        return None  # said already
    created = (change.table if change.kind is Kind.CREATE_TABLE else change.name for change in refused.changes)
    names = set(map(bare, created)) - {""}
    names |= set(_beside("CONSTRAINT", 1, refused))  # its index has its name, also where a table is made with it
    if not names:
        return None
    schemas = set(_beside(".", -1, refused))
    taken = [relation for relation in relations.named(refused.connection, names | schemas) if relation.name in names]
    if not taken and not all(any(sql_changes.known(statement.text)) for statement in refused.statements):
        return None  # what could not be read may have met it
    if not taken:
        return Remedy(
            "no object of that name exists now: the migration makes it twice",
            "correct the migration so that it creates the object once, and run again",
        )
    why = "; ".join(f"{relation.quoted} is {_kind(relation)}" for relation in taken)
    broken = [relation for relation in taken if relation.kind == "index" and not relation.valid]
    if broken:
        drops = "  ".join(f"DROP INDEX CONCURRENTLY {relation.quoted};" for relation in broken)
        return Remedy(why, f"if nobody is building it now, drop it, and run again:  {drops}")
    return Remedy(
        why,
        "if no recorded migration made it: rename or drop it, and run again; or, if it is exactly what the migration "
        f"creates, and all of it, record the migration:  {_fake(refused)}",
    )


def _beside(token: str, step: int, refused: Refused) -> Iterator[str]:
    """The names that stand so far from each such token."""
    for statement in refused.statements:
        for place in (number + step for number, other in enumerate(statement.tokens) if other == token):
            yield from SqlStatement(statement.tokens[place : place + 1]).identifiers()


def _fake(refused: Refused) -> str:
    key = refused.progress.current
    return f"manage.py migrate {key.app} {key.name} --fake" if key else "manage.py migrate … --fake"


def _kind(relation: Relation) -> str:
    if relation.kind != "index":
        return f'a {relation.kind} of role "{relation.owner}"'
    state = "" if relation.valid else ", invalid: a concurrent build was broken off"
    return f'an index of "{relation.table}"{state}'

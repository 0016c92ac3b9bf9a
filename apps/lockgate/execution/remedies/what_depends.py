"""0A000 and 2BP01: what depends on the column or table; 42804: the default that cannot take a new type."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.database import lookups, relations
from lockgate.execution.remedies.remedy import Refused, Remedy
from lockgate.ledger.journal import CONTRACT
from lockgate.models import JournalEntry
from lockgate.planning.steps import Change, Kind

_CHANGED = (Kind.ALTER_TYPE, Kind.DROP_COLUMN, Kind.DROP_TABLE)


def remedy(refused: Refused) -> Remedy | None:
    return before_it(refused.connection, refused.of_bare_names)


def before_it(connection: BaseDatabaseWrapper, changes: Iterable[Change]) -> Remedy | None:
    """What must go before these changes, and how."""
    found = [
        dependent
        for each in changes
        if each.kind in _CHANGED
        for dependent in relations.dependents(connection, each.table, each.columns)
    ]
    if not found:
        return None
    removals = "  ".join(each.removal for each in found if each.removal)
    rest = [each.description for each in found if not each.removal]
    definitions = "  ".join(each.definition for each in found if each.definition)
    steps = [
        f"in the migration, drop the dependent objects first:  {removals}" if removals else "",
        f"also drop these, which have no single statement: {', '.join(rest)}" if rest else "",
        f"and create them again afterwards, as they were:  {definitions}" if definitions else "",
        "then run again",
    ]
    return Remedy(
        f"what depends on it: {'; '.join(each.description for each in found)}",
        "\n".join(each for each in steps if each),
    )


def default_remedy(refused: Refused) -> Remedy | None:
    for each in refused.of_bare_names:
        if each.kind is not Kind.ALTER_TYPE:
            continue
        for column in each.columns:
            found = lookups.column_default(refused.connection, each.table, column)
            if found is not None:
                return _without_default(refused, found)
    return None


def _without_default(refused: Refused, found: lookups.DefaultState) -> Remedy:
    place, column = relations.quoted(found.schema, found.table), relations.quoted(found.column)
    why = f"{column} of {place} has the default {found.expression}, which must fit the new type as well"
    if _is_kept(refused, found):
        return Remedy(
            f"{why}; it is kept for the previous release",
            "when no older release serves, drop the default, then run again:  manage.py migrate --contract",
        )
    return Remedy(
        why,
        "in the migration, drop the default first and set it again afterwards:  "
        f"ALTER TABLE {place} ALTER COLUMN {column} DROP DEFAULT;  then run again",
    )


def _is_kept(refused: Refused, found: lookups.DefaultState) -> bool:
    kept = JournalEntry.objects.using(refused.connection.alias).filter(phase=CONTRACT, object_oid=found.oid)
    return kept.exclude(
        state__in=[JournalEntry.State.DONE, JournalEntry.State.OBSOLETE, JournalEntry.State.UNDONE]
    ).exists()

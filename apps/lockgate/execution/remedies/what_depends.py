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
    dependents = [
        dependent
        for change in changes
        if change.kind in _CHANGED
        for dependent in relations.dependents(connection, change.table, change.columns)
    ]
    if not dependents:
        return None
    removals = "  ".join(dependent.removal for dependent in dependents if dependent.removal)
    rest = [dependent.description for dependent in dependents if not dependent.removal]
    definitions = "  ".join(dependent.definition for dependent in dependents if dependent.definition)
    steps = [
        f"in the migration, drop the dependent objects first:  {removals}" if removals else "",
        f"also drop these, which have no single statement: {', '.join(rest)}" if rest else "",
        f"and create them again afterwards, as they were:  {definitions}" if definitions else "",
        "then run again",
    ]
    return Remedy(
        f"what depends on it: {'; '.join(dependent.description for dependent in dependents)}",
        "\n".join(step for step in steps if step),
    )


def default_remedy(refused: Refused) -> Remedy | None:
    for name in refused.of_bare_names:
        if name.kind is not Kind.ALTER_TYPE:
            continue
        for column in name.columns:
            default = lookups.column_default(refused.connection, name.table, column)
            if default is not None:
                return _without_default(refused, default)
    return None


def _without_default(refused: Refused, default: lookups.DefaultState) -> Remedy:
    place, column = relations.quoted(default.schema, default.table), relations.quoted(default.column)
    why = f"{column} of {place} has the default {default.expression}, which must fit the new type as well"
    if _is_kept(refused, default):
        return Remedy(
            f"{why}; it is kept for the previous release",
            "when no older release serves, drop the default, then run again:  manage.py migrate --contract",
        )
    return Remedy(
        why,
        "in the migration, drop the default first and set it again afterwards:  "
        f"ALTER TABLE {place} ALTER COLUMN {column} DROP DEFAULT;  then run again",
    )


def _is_kept(refused: Refused, default: lookups.DefaultState) -> bool:
    kept = JournalEntry.objects.using(refused.connection.alias).filter(phase=CONTRACT, object_oid=default.oid)
    return kept.exclude(
        state__in=[JournalEntry.State.DONE, JournalEntry.State.OBSOLETE, JournalEntry.State.UNDONE]
    ).exists()

"""What the release before still needed, taken away once it is gone: ``migrate --contract``.

The one kind so far is a default that was kept so that inserts which do not name a new column go on working. It is
dropped only where the column still has the very default that was left, which its row in the catalog tells: whoever has
set it again meanwhile meant it, be it to the same.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import timedelta

from django.db import transaction
from psycopg import sql

from lockgate.database import locks, lookups, session
from lockgate.events import StepEnded, StepStarted
from lockgate.execution import shutdown
from lockgate.execution.context import Duties
from lockgate.facts import Key
from lockgate.ledger import journal
from lockgate.models import JournalEntry, Run
from lockgate.planning.kept_defaults import Fate, follow
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Statement


def due(alias: str, run: Run, ours: Container[Key]) -> list[JournalEntry]:
    """Contract steps that an earlier run has left, oldest first; those of this run's migrations are not due yet.

    ours: this release's migrations. What a newer release keeps for this one is not this one's to take away.
    """
    rows = journal.open_contracts(alias).filter(run_id__lt=run.pk)
    return [row for row in rows if Key(row.app, row.name) in ours]


def carry_out_due(duties: Duties, run: Run, ours: Container[Key]) -> int:
    """Carry out the contract steps that are due, each in a transaction of its own; returns how many there were.

    Raises LocksNotAcquired, or the server's error; those before it are done.
    """
    rows = due(duties.connection.alias, run, ours)
    for number, row in enumerate(rows, 1):
        shutdown.raise_if_requested()
        duties.confirm(inside=False)
        key = Key(row.app, row.name)
        duties.listen(StepStarted(key, row.phase, row.title, number, len(rows)))
        took = _one(duties, key, row)
        duties.listen(StepEnded(key, row.phase, row.title, took.total_seconds()))
    return len(rows)


def settle(duties: Duties, statements: Iterable[Statement]) -> None:
    """Before these statements, in their transaction: what earlier migrations have left for the columns they change.

    A default that they would alter is dropped first, one whose column they drop is forgotten, and where they rename
    its column or table, the journal goes along.
    """
    planned = () if duties.journal.is_settled else tuple(statements)
    for row in journal.open_contracts(duties.connection.alias) if planned else ():
        fate = follow(row.table_name, row.object_name, planned)
        if fate is Fate.TOUCHED:
            carry_out(duties, row)
        elif fate is Fate.GONE:
            duties.journal.end(row, JournalEntry.State.OBSOLETE)
        elif fate != (row.table_name, row.object_name):
            duties.journal.move(row, *fate)


def carry_out(duties: Duties, row: JournalEntry) -> None:
    """Drop a kept default in the open transaction, where it is still the one that was kept."""
    found = _kept(duties, row)
    if found is None:
        duties.journal.end(row, JournalEntry.State.OBSOLETE)
        return
    drop = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT")
    names = sql.Identifier(found.schema, found.table), sql.Identifier(found.column)
    session.raw(duties.connection).execute(drop.format(*names))
    duties.journal.end(row, JournalEntry.State.DONE)


def _kept(duties: Duties, row: JournalEntry) -> lookups.DefaultState | None:
    """The default that was kept; None where it is gone, or was set again, be it to the same.

    A row of before there were oids in the journal knows it by its expression alone.
    """
    if row.object_oid is None:
        found = lookups.column_default(duties.connection, row.table_name, row.object_name)
    else:
        found = lookups.default_by_oid(duties.connection, row.object_oid)
    return found if found is not None and found.expression == row.definition else None


def _one(duties: Duties, key: Key, row: JournalEntry) -> timedelta:
    def attempt(timeout: timedelta) -> None:
        duties.journal.begin(row)
        with transaction.atomic(using=duties.connection.alias):
            locks.limit_waiting(duties.connection, timeout)
            carry_out(duties, row)

    duties.ladder.climb(key, {row.table_name: LockMode.ACCESS_EXCLUSIVE}, attempt)
    row.refresh_from_db(using=duties.connection.alias)
    return row.ended_at - row.started_at if row.ended_at and row.started_at else timedelta(0)

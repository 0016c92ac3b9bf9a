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
from lockgate.execution.context import RunContext
from lockgate.facts import Key
from lockgate.ledger import journal
from lockgate.models import JournalEntry, Run
from lockgate.planning.kept_defaults import KeptDefault, resolve
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Statement


def due(alias: str, run: Run, ours: Container[Key]) -> list[JournalEntry]:
    """Contract steps that an earlier run has left, oldest first; those of this run's migrations are not due yet.

    ours: this release's migrations. What a newer release keeps for this one is not this one's to take away.
    """
    rows = journal.open_contracts(alias).filter(run_id__lt=run.pk)
    return [row for row in rows if Key(row.app, row.name) in ours]


def carry_out_due(context: RunContext, run: Run, ours: Container[Key]) -> int:
    """Carry out the contract steps that are due, each in a transaction of its own; returns how many there were.

    Raises LocksNotAcquired, or the server's error; those before it are done.
    """
    rows = due(context.connection.alias, run, ours)
    for number, row in enumerate(rows, 1):
        shutdown.raise_if_requested()
        context.confirm(inside=False)
        key = Key(row.app, row.name)
        context.listen(StepStarted(key, row.phase, row.title, number, len(rows)))
        took = _one(context, key, row)
        context.listen(StepEnded(key, row.phase, row.title, took.total_seconds()))
    return len(rows)


def resolve_kept_defaults(context: RunContext, statements: Iterable[Statement]) -> None:
    """Before these statements, in their transaction: what earlier migrations have left for the columns they change.

    A default that they would alter is dropped first, one whose column they drop is forgotten, and where they rename
    its column or table, the journal goes along.
    """
    planned = () if context.journal.is_settled else tuple(statements)
    for row in journal.open_contracts(context.connection.alias) if planned else ():
        resolved = resolve(row.table_name, row.object_name, planned)
        if resolved is KeptDefault.TOUCHED:
            carry_out(context, row)
        elif resolved is KeptDefault.GONE:
            context.journal.end(row, JournalEntry.State.OBSOLETE)
        elif resolved != (row.table_name, row.object_name):
            context.journal.move(row, *resolved)


def carry_out(context: RunContext, row: JournalEntry) -> None:
    """Drop a kept default in the open transaction, where it is still the one that was kept."""
    default = _kept(context, row)
    if default is None:
        context.journal.end(row, JournalEntry.State.OBSOLETE)
        return
    drop = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT")
    names = sql.Identifier(default.schema, default.table), sql.Identifier(default.column)
    session.raw(context.connection).execute(drop.format(*names))
    context.journal.end(row, JournalEntry.State.DONE)


def _kept(context: RunContext, row: JournalEntry) -> lookups.DefaultState | None:
    """The default that was kept; None where it is gone, or was set again, be it to the same.

    A row of before there were oids in the journal knows it by its expression alone.
    """
    if row.object_oid is None:
        default = lookups.column_default(context.connection, row.table_name, row.object_name)
    else:
        default = lookups.default_by_oid(context.connection, row.object_oid)
    return default if default is not None and default.expression == row.definition else None


def _one(context: RunContext, key: Key, row: JournalEntry) -> timedelta:
    def attempt(timeout: timedelta) -> None:
        context.journal.begin(row)
        with transaction.atomic(using=context.connection.alias):
            locks.limit_waiting(context.connection, timeout)
            carry_out(context, row)

    context.lock_retry.run(key, {row.table_name: LockMode.ACCESS_EXCLUSIVE}, attempt)
    row.refresh_from_db(using=context.connection.alias)
    return row.ended_at - row.started_at if row.ended_at and row.started_at else timedelta(0)

"""Runs one journaled step outside a migration's transaction, and undoes one.

A step that can be transactional runs in one transaction with the mark that it is done, so the journal cannot be wrong
about it. ``CONCURRENTLY`` cannot: see ``concurrent_index``.

A constraint is ours where it has the oid that was noted when it was made, or the very definition that the step asks
for. Anything else of its name is somebody else's: it is named, and neither used nor dropped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from psycopg import sql

from lockgate import django_seams
from lockgate.database import locks, lookups, session
from lockgate.errors import HookFailed
from lockgate.events import StepEnded, StepStarted, StepUndone
from lockgate.execution import concurrent_index, deadlock_retry, failures, shutdown, step_conflicts
from lockgate.execution.context import RunContext
from lockgate.execution.lock_retry import WantedLocks
from lockgate.execution.progress import StepUnderWay
from lockgate.execution.step_progress import reporting
from lockgate.execution.wait_deadline import patiently
from lockgate.facts import Key
from lockgate.models import JournalEntry
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Kind

NO_LIMIT = timedelta(0)  # where no timeout is set at all


def run(context: RunContext, row: JournalEntry, targets: WantedLocks, *, number: int, total: int) -> None:
    """Run a step that is not done, and mark it done.

    targets: the locks that it needs for a moment. Raises LocksNotAcquired, or the server's error; a failed step is
    marked failed and leaves nothing but, after a lost session, an invalid index that the next run drops.
    """
    shutdown.raise_if_requested()
    context.confirm(inside=False)
    key, started = Key(row.app, row.name), time.monotonic()
    context.listen(StepStarted(key, row.phase, row.title, number, total))
    with failure_kept(context, row):
        if row.kind == Kind.DROP_INDEX and not row.transactional:
            _drop_index(context, row)
        elif not row.transactional:
            _build_index(context, row)
        elif row.kind == Kind.VALIDATE_CONSTRAINT:
            _validate(context, row)
        else:
            with reporting(context.connection, context.listen, key, row.title):
                context.lock_retry.run(key, targets, lambda timeout: _in_transaction(context, row, timeout))
    context.listen(StepEnded(key, row.phase, row.title, time.monotonic() - started))


def undo(context: RunContext, row: JournalEntry) -> None:
    """Take back what a step has done, or had begun; one that never ran is only marked.

    Raises LocksNotAcquired, or the server's error.
    """
    context.confirm(inside=False)
    begun = row.attempts > 0 and (row.state == JournalEntry.State.DONE or not row.transactional)
    if begun and row.undo:
        _take_back(context, row)
        context.listen(StepUndone(Key(row.app, row.name), row.title))
    else:
        context.journal.end(row, JournalEntry.State.UNDONE, row.error)


def still_there(context: RunContext, row: JournalEntry) -> bool:
    """Whether what a done step made is still in the catalog, and whole.

    Raises MigrationFailed where something else has its name.
    """
    if row.kind == Kind.ADD_INDEX:
        index = lookups.index(context.connection, row.table_name, row.object_name)
        return index is not None and index.valid and concurrent_index.is_ours(context.connection, row, index)
    state = lookups.constraint(context.connection, row.table_name, row.object_name)
    if state is None:
        return False
    if not is_our_constraint(row, state):
        raise step_conflicts.another_constraint(row)
    return state.validated or row.kind != Kind.VALIDATE_CONSTRAINT


def is_our_constraint(row: JournalEntry, state: lookups.ConstraintState) -> bool:
    """Whether a constraint of the step's name is the one that it made, or one of the very same definition."""
    return state.oid == row.object_oid or (bool(row.definition) and state.definition == row.definition)


def locks_of(row: JournalEntry) -> WantedLocks:
    """The locks of a step that is known from the journal alone: the strongest it could need."""
    if not row.table_name or row.kind in (Kind.VALIDATE_CONSTRAINT, Kind.ADD_INDEX, Kind.DROP_INDEX):
        return {}
    return {row.table_name: LockMode.ACCESS_EXCLUSIVE}


def _take_back(context: RunContext, row: JournalEntry) -> None:
    if not row.transactional:
        concurrent_index.drop_built(context, row)
        context.journal.end(row, JournalEntry.State.UNDONE, row.error)
        return

    def attempt(timeout: timedelta) -> None:
        with transaction.atomic(using=context.connection.alias):
            locks.limit_waiting(context.connection, timeout)
            _drop_constraint(context, row)
            context.journal.end(row, JournalEntry.State.UNDONE, row.error)

    context.lock_retry.run(Key(row.app, row.name), {row.table_name: LockMode.ACCESS_EXCLUSIVE}, attempt)


def _drop_constraint(context: RunContext, row: JournalEntry) -> None:
    """The one that the step made, or validated, where it is still there; one that is not has been dropped already."""
    known = lookups.constraint_by_oid(context.connection, row.object_oid) if row.object_oid else None
    if known is not None:
        schema, table, name = known
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(schema, table), sql.Identifier(name))
        session.raw(context.connection).execute(drop)


def _in_transaction(context: RunContext, row: JournalEntry, timeout: timedelta) -> None:
    context.journal.begin(row)
    with transaction.atomic(using=context.connection.alias):
        locks.limit_waiting(context.connection, timeout)
        session.raw(context.connection).execute(row.sql)
        _note_constraint(context, row)
        context.journal.end(row, JournalEntry.State.DONE)


def _note_constraint(context: RunContext, row: JournalEntry) -> None:
    """What the step has made or validated, in its own transaction."""
    state = lookups.constraint(context.connection, row.table_name, row.object_name)
    if state is not None:
        context.journal.note(row, state.oid, state.definition)


def _validate(context: RunContext, row: JournalEntry) -> None:
    """It may take as long as it takes, for reads and writes pass."""

    def attempt() -> None:
        context.journal.begin(row)
        with patiently(context, row), transaction.atomic(using=context.connection.alias):
            if row.object_oid is not None:  # made by the switch
                state = lookups.constraint(context.connection, row.table_name, row.object_name)
                if state is None or not is_our_constraint(row, state):
                    raise step_conflicts.another_constraint(row, there=state is not None)
            session.raw(context.connection).execute(row.sql)
            _note_constraint(context, row)
            context.journal.end(row, JournalEntry.State.DONE)

    deadlock_retry.repeatedly(context, attempt)


@contextlib.contextmanager
def failure_kept(context: RunContext, row: JournalEntry) -> Iterator[None]:
    """Mark a step as failed, where the session still lives to say so.

    Django connects anew by itself. What a new session said would stand against what the lost one may have committed.
    """
    context.progress.under_way = StepUnderWay(row.pk, row.title, row.transactional)
    try:
        yield
        context.progress.under_way = None
    except HookFailed:
        raise  # it is done, and says so
    except (Exception, SystemExit) as error:
        with contextlib.suppress(Exception):
            django_seams.leave_transaction(context.connection)
            context.confirm(inside=False)
            context.journal.end(row, JournalEntry.State.FAILED, failures.why(error, failures.sqlstate_of(error)))
        raise


def _build_index(context: RunContext, row: JournalEntry) -> None:
    concurrent_index.run(
        context, row, lambda: _send(context, row), builds=True, first=lambda: _require_free(context, row)
    )
    built = lookups.index(context.connection, row.table_name, row.object_name)
    context.journal.note(row, built.oid if built else None)
    context.journal.end(row, JournalEntry.State.DONE)


def _drop_index(context: RunContext, row: JournalEntry) -> None:
    """The one that the switch has noted: it is known before the first attempt."""
    concurrent_index.run(context, row, lambda: _send(context, row), builds=False)
    context.journal.end(row, JournalEntry.State.DONE)


def _send(context: RunContext, row: JournalEntry) -> None:
    session.raw(context.connection).execute(row.sql)


def _require_free(context: RunContext, row: JournalEntry) -> None:
    index = lookups.index(context.connection, row.table_name, row.object_name)
    if index is not None:
        raise step_conflicts.in_the_way(row, valid=index.valid)

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
from lockgate.execution.context import Duties
from lockgate.execution.lock_retry import Wanted
from lockgate.execution.progress import StepUnderWay
from lockgate.execution.step_progress import watching
from lockgate.execution.wait_deadline import patiently
from lockgate.facts import Key
from lockgate.models import JournalEntry
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Kind

NO_LIMIT = timedelta(0)  # where no timeout is set at all


def run(duties: Duties, step: JournalEntry, wanted: Wanted, *, number: int, total: int) -> None:
    """Run a step that is not done, and mark it done.

    wanted: the locks that it needs for a moment. Raises LocksNotAcquired, or the server's error; a failed step is
    marked failed and leaves nothing but, after a lost session, an invalid index that the next run drops.
    """
    shutdown.raise_if_requested()
    duties.confirm(inside=False)
    key, started = Key(step.app, step.name), time.monotonic()
    duties.listen(StepStarted(key, step.phase, step.title, number, total))
    with failure_kept(duties, step):
        if step.kind == Kind.DROP_INDEX and not step.transactional:
            _drop_index(duties, step)
        elif not step.transactional:
            _build_index(duties, step)
        elif step.kind == Kind.VALIDATE_CONSTRAINT:
            _validate(duties, step)
        else:
            with watching(duties.connection, duties.listen, key, step.title):
                duties.ladder.climb(key, wanted, lambda timeout: _in_transaction(duties, step, timeout))
    duties.listen(StepEnded(key, step.phase, step.title, time.monotonic() - started))


def undo(duties: Duties, step: JournalEntry) -> None:
    """Take back what a step has done, or had begun; one that never ran is only marked.

    Raises LocksNotAcquired, or the server's error.
    """
    duties.confirm(inside=False)
    begun = step.attempts > 0 and (step.state == JournalEntry.State.DONE or not step.transactional)
    if begun and step.undo:
        _take_back(duties, step)
        duties.listen(StepUndone(Key(step.app, step.name), step.title))
    else:
        duties.journal.end(step, JournalEntry.State.UNDONE, step.error)


def still_there(duties: Duties, step: JournalEntry) -> bool:
    """Whether what a done step made is still in the catalog, and whole.

    Raises MigrationFailed where something else has its name.
    """
    if step.kind == Kind.ADD_INDEX:
        found = lookups.index(duties.connection, step.table_name, step.object_name)
        return found is not None and found.valid and concurrent_index.is_ours(duties.connection, step, found)
    state = lookups.constraint(duties.connection, step.table_name, step.object_name)
    if state is None:
        return False
    if not is_our_constraint(step, state):
        raise step_conflicts.another_constraint(step)
    return state.validated or step.kind != Kind.VALIDATE_CONSTRAINT


def is_our_constraint(step: JournalEntry, state: lookups.ConstraintState) -> bool:
    """Whether a constraint of the step's name is the one that it made, or one of the very same definition."""
    return state.oid == step.object_oid or (bool(step.definition) and state.definition == step.definition)


def locks_of(step: JournalEntry) -> Wanted:
    """The locks of a step that is known from the journal alone: the strongest it could need."""
    if not step.table_name or step.kind in (Kind.VALIDATE_CONSTRAINT, Kind.ADD_INDEX, Kind.DROP_INDEX):
        return {}
    return {step.table_name: LockMode.ACCESS_EXCLUSIVE}


def _take_back(duties: Duties, step: JournalEntry) -> None:
    if not step.transactional:
        concurrent_index.drop_built(duties, step)
        duties.journal.end(step, JournalEntry.State.UNDONE, step.error)
        return

    def attempt(timeout: timedelta) -> None:
        with transaction.atomic(using=duties.connection.alias):
            locks.limit_waiting(duties.connection, timeout)
            _drop_constraint(duties, step)
            duties.journal.end(step, JournalEntry.State.UNDONE, step.error)

    duties.ladder.climb(Key(step.app, step.name), {step.table_name: LockMode.ACCESS_EXCLUSIVE}, attempt)


def _drop_constraint(duties: Duties, step: JournalEntry) -> None:
    """The one that the step made, or validated, where it is still there; one that is not has been dropped already."""
    known = lookups.constraint_by_oid(duties.connection, step.object_oid) if step.object_oid else None
    if known is not None:
        schema, table, name = known
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(schema, table), sql.Identifier(name))
        session.raw(duties.connection).execute(drop)


def _in_transaction(duties: Duties, step: JournalEntry, timeout: timedelta) -> None:
    duties.journal.begin(step)
    with transaction.atomic(using=duties.connection.alias):
        locks.limit_waiting(duties.connection, timeout)
        session.raw(duties.connection).execute(step.sql)
        _note_constraint(duties, step)
        duties.journal.end(step, JournalEntry.State.DONE)


def _note_constraint(duties: Duties, step: JournalEntry) -> None:
    """What the step has made or validated, in its own transaction."""
    state = lookups.constraint(duties.connection, step.table_name, step.object_name)
    if state is not None:
        duties.journal.note(step, state.oid, state.definition)


def _validate(duties: Duties, step: JournalEntry) -> None:
    """It may take as long as it takes, for reads and writes pass."""

    def attempt() -> None:
        duties.journal.begin(step)
        with patiently(duties, step), transaction.atomic(using=duties.connection.alias):
            if step.object_oid is not None:  # made by the switch
                state = lookups.constraint(duties.connection, step.table_name, step.object_name)
                if state is None or not is_our_constraint(step, state):
                    raise step_conflicts.another_constraint(step, there=state is not None)
            session.raw(duties.connection).execute(step.sql)
            _note_constraint(duties, step)
            duties.journal.end(step, JournalEntry.State.DONE)

    deadlock_retry.repeatedly(duties, attempt)


@contextlib.contextmanager
def failure_kept(duties: Duties, step: JournalEntry) -> Iterator[None]:
    """Mark a step as failed, where the session still lives to say so.

    Django connects anew by itself. What a new session said would stand against what the lost one may have committed.
    """
    duties.progress.under_way = StepUnderWay(step.pk, step.title, step.transactional)
    try:
        yield
        duties.progress.under_way = None
    except HookFailed:
        raise  # it is done, and says so
    except (Exception, SystemExit) as error:
        with contextlib.suppress(Exception):
            django_seams.leave_transaction(duties.connection)
            duties.confirm(inside=False)
            duties.journal.end(step, JournalEntry.State.FAILED, failures.why(error, failures.sqlstate_of(error)))
        raise


def _build_index(duties: Duties, step: JournalEntry) -> None:
    concurrent_index.run(
        duties, step, lambda: _send(duties, step), builds=True, first=lambda: _require_free(duties, step)
    )
    built = lookups.index(duties.connection, step.table_name, step.object_name)
    duties.journal.note(step, built.oid if built else None)
    duties.journal.end(step, JournalEntry.State.DONE)


def _drop_index(duties: Duties, step: JournalEntry) -> None:
    """The one that the switch has noted: it is known before the first attempt."""
    concurrent_index.run(duties, step, lambda: _send(duties, step), builds=False)
    duties.journal.end(step, JournalEntry.State.DONE)


def _send(duties: Duties, step: JournalEntry) -> None:
    session.raw(duties.connection).execute(step.sql)


def _require_free(duties: Duties, step: JournalEntry) -> None:
    found = lookups.index(duties.connection, step.table_name, step.object_name)
    if found is not None:
        raise step_conflicts.in_the_way(step, valid=found.valid)

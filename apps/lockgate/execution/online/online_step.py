"""Runs one journaled step outside a migration's transaction, and undoes one.

A step that can be transactional runs in one transaction with the mark that it is done, so the journal cannot be wrong
about it. ``CONCURRENTLY`` cannot: there the row is marked before and after, and what came of it is read in the catalog.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import policy
from lockgate.database import locks, objects, session
from lockgate.errors import MigrationFailed
from lockgate.execution import django_seams, failures, interruption
from lockgate.execution.duties import Duties
from lockgate.execution.ladder import RETRIED, Wanted
from lockgate.execution.online.watch import watching
from lockgate.facts import Key, StepEnded, StepStarted, StepUndone
from lockgate.models import Step
from lockgate.planning.steps import Kind, LockMode

NO_LIMIT = timedelta(0)  # a timeout of 0 is none


def run(duties: Duties, step: Step, wanted: Wanted, *, number: int, total: int) -> None:
    """Run a step that is not done, and mark it done.

    wanted: the locks that it needs for a moment. Raises LocksNotAcquired, or the server's error; a failed step is
    marked failed and leaves nothing but, after a lost session, an invalid index that the next run drops.
    """
    interruption.raise_if_requested()
    duties.confirm(inside=False)
    key, started = Key(step.app, step.name), time.monotonic()
    duties.listen(StepStarted(key, step.phase, step.title, number, total))
    with watching(duties.connection, duties.listen, key, step.title), failure_kept(duties, step):
        if step.kind == Kind.DROP_INDEX and not step.transactional:
            _drop_index(duties, step)
        elif not step.transactional:
            _build_index(duties, step)
        elif step.kind == Kind.VALIDATE_CONSTRAINT:
            _validate(duties, step)
        else:
            duties.ladder.climb(key, wanted, lambda timeout: _in_transaction(duties, step, timeout))
    duties.listen(StepEnded(key, step.phase, step.title, time.monotonic() - started))


def undo(duties: Duties, step: Step) -> None:
    """Take back what a step has done, or had begun; one that never ran is only marked.

    Raises LocksNotAcquired, or the server's error.
    """
    duties.confirm(inside=False)
    begun = step.attempts > 0 and (step.state == Step.State.DONE or not step.transactional)
    if begun and step.undo:
        _take_back(duties, step)
        duties.listen(StepUndone(Key(step.app, step.name), step.title))
    else:
        duties.journal.end(step, Step.State.UNDONE, step.error)


def still_there(duties: Duties, step: Step) -> bool:
    """Whether what a done step made is still in the catalog, and whole."""
    if step.kind == Kind.ADD_INDEX:
        found = objects.index(duties.connection, step.table, step.target)
        return found is not None and found.valid and found.table == step.table
    state = objects.constraint(duties.connection, step.table, step.target)
    return state is not None and (state or step.kind != Kind.VALIDATE_CONSTRAINT)


def locks_of(step: Step) -> Wanted:
    """The locks of a step that is known from the journal alone: the strongest it could need."""
    if not step.table or step.kind in (Kind.VALIDATE_CONSTRAINT, Kind.ADD_INDEX, Kind.DROP_INDEX):
        return {}
    return {step.table: LockMode.ACCESS_EXCLUSIVE}


def _take_back(duties: Duties, step: Step) -> None:
    if not step.transactional:
        found = objects.index(duties.connection, step.table, step.target)
        if found is not None and found.table == step.table:
            _drop_concurrently(duties.connection, found.schema, step.target)
        duties.journal.end(step, Step.State.UNDONE, step.error)
        return

    def attempt(timeout: timedelta) -> None:
        with transaction.atomic(using=duties.connection.alias):
            locks.limit_waiting(duties.connection, timeout)
            for statement in step.undo:
                session.raw(duties.connection).execute(statement)
            duties.journal.end(step, Step.State.UNDONE, step.error)

    duties.ladder.climb(Key(step.app, step.name), {step.table: LockMode.ACCESS_EXCLUSIVE}, attempt)


def _in_transaction(duties: Duties, step: Step, timeout: timedelta) -> None:
    duties.journal.begin(step)
    with transaction.atomic(using=duties.connection.alias):
        locks.limit_waiting(duties.connection, timeout)
        session.raw(duties.connection).execute(step.sql)
        duties.journal.end(step, Step.State.DONE)


def _validate(duties: Duties, step: Step) -> None:
    """Without limits: it may take as long as it takes, for reads and writes pass."""

    def attempt() -> None:
        duties.journal.begin(step)
        with transaction.atomic(using=duties.connection.alias):
            locks.lift_limits(duties.connection)
            session.raw(duties.connection).execute(step.sql)
            duties.journal.end(step, Step.State.DONE)

    _repeatedly(duties, attempt)


def _build_index(duties: Duties, step: Step) -> None:
    """Build an index concurrently; one that an earlier attempt of ours left invalid is dropped first."""

    def attempt() -> None:
        found = objects.index(duties.connection, step.table, step.target)
        if found is not None and (step.attempts == 0 or found.table != step.table):
            raise _in_the_way(step, valid=found.valid)
        if found is None or not found.valid:
            drop_invalid(duties.connection, step.target, step.table)
            duties.journal.begin(step)
            with unlimited(duties.connection):
                session.raw(duties.connection).execute(step.sql)
        duties.journal.end(step, Step.State.DONE)

    _repeatedly(duties, attempt)


def _drop_index(duties: Duties, step: Step) -> None:
    def attempt() -> None:
        found = objects.index(duties.connection, step.table, step.target)
        if found is not None and found.table == step.table:
            duties.journal.begin(step)
            with unlimited(duties.connection):
                session.raw(duties.connection).execute(step.sql)
        duties.journal.end(step, Step.State.DONE)

    _repeatedly(duties, attempt)


def drop_invalid(connection: BaseDatabaseWrapper, name: str, table: str) -> None:
    """Drop what a concurrent build of ours, broken off, has left on this table; a valid index stays."""
    found = objects.index(connection, table, name)
    if found is not None and not found.valid and found.table == table:
        _drop_concurrently(connection, found.schema, name)


def _drop_concurrently(connection: BaseDatabaseWrapper, schema: str, name: str) -> None:
    """By its full name: the search path may find another one first."""
    with unlimited(connection):
        drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(schema, name))
        session.raw(connection).execute(drop)


def _repeatedly(duties: Duties, attempt: Callable[[], None]) -> None:
    """Make an attempt again after a deadlock or the like, a bounded number of times."""
    for number in range(1, policy.STEP_ATTEMPTS + 1):
        try:
            attempt()
        except Exception as error:
            if number == policy.STEP_ATTEMPTS or failures.sqlstate_of(error) not in RETRIED:
                raise
            django_seams.leave_transaction(duties.connection)
            interruption.raise_if_requested()
            time.sleep(policy.LADDER_FIRST_PAUSE.total_seconds() * number)
        else:
            return


@contextlib.contextmanager
def unlimited(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """No timeout of the role's ends a statement in the block: waiting for older transactions counts as waiting."""
    opened = session.raw(connection)
    opened.execute("SET lock_timeout = 0")
    opened.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error):
            opened.execute("RESET lock_timeout")
            opened.execute("RESET statement_timeout")


@contextlib.contextmanager
def failure_kept(duties: Duties, step: Step) -> Iterator[None]:
    """Mark a step as failed, where the session still lives to say so.

    Django connects anew by itself. What a new session said would stand against what the lost one may have committed.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        with contextlib.suppress(Exception):
            django_seams.leave_transaction(duties.connection)
            duties.confirm(inside=False)
            duties.journal.end(step, Step.State.FAILED, duties.redact(failures.why(error, failures.sqlstate_of(error))))
        raise


def _in_the_way(step: Step, *, valid: bool) -> MigrationFailed:
    name = f'"{step.target}"'
    if valid:
        why, advice = "no recorded migration made it", "rename or drop it, or record the migration with --fake"
    else:
        why = "it is invalid: a concurrent build that Lockgate did not run was broken off"
        advice = f"if nobody is building it now, drop it and run again:  DROP INDEX CONCURRENTLY {name};"
    return MigrationFailed(f"an index {name} is there already", why=why, state="", next_step=advice)

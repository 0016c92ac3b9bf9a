"""Runs one journaled step outside a migration's transaction, and undoes one.

A step that can be transactional runs in one transaction with the mark that it is done, so the journal cannot be wrong
about it. ``CONCURRENTLY`` cannot: there the row is marked before and after, and what came of it is read in the catalog.

What is in the catalog is ours where it has the oid that was noted when it was made, or the very definition that the
step asks for. Anything else of its name is somebody else's: it is named, and neither used nor dropped.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import django_seams, policy
from lockgate.database import locks, lookups, session
from lockgate.errors import HookFailed, MigrationFailed
from lockgate.events import StepEnded, StepStarted, StepUndone
from lockgate.execution import failures, shutdown
from lockgate.execution.context import Duties
from lockgate.execution.lock_retry import Wanted
from lockgate.execution.progress import StepUnderWay
from lockgate.execution.step_progress import watching
from lockgate.execution.wait_deadline import patiently
from lockgate.facts import Key
from lockgate.ledger import journal
from lockgate.models import Step
from lockgate.planning.steps import Kind, LockMode

NO_LIMIT = timedelta(0)  # where no timeout is set at all
# Deadlock and serialization failure. Not a lock timeout, which comes after all the time that there is to wait.
REPEATED = ("40P01", "40001")


def run(duties: Duties, step: Step, wanted: Wanted, *, number: int, total: int) -> None:
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
    """Whether what a done step made is still in the catalog, and whole.

    Raises MigrationFailed where something else has its name.
    """
    if step.kind == Kind.ADD_INDEX:
        found = lookups.index(duties.connection, step.table, step.target)
        return found is not None and found.valid and is_ours(duties.connection, step, found)
    state = lookups.constraint(duties.connection, step.table, step.target)
    if state is None:
        return False
    if not is_our_constraint(step, state):
        raise _another_constraint(step)
    return state.validated or step.kind != Kind.VALIDATE_CONSTRAINT


def is_ours(connection: BaseDatabaseWrapper, step: Step, found: lookups.IndexState) -> bool:
    """Whether an index of the step's name is the one that it made, or one of the very same definition."""
    if found.table != step.table:
        return False
    if step.object_oid is not None and found.oid == step.object_oid:
        return True
    return found.definition == lookups.defined(connection, step.table, step.target, _building(step))


def _building(step: Step) -> str:
    """The statement that builds the step's index; an operation of a migration that is not atomic has it noted."""
    return step.expected if step.phase in (journal.SWITCH, journal.BACKWARDS) else step.sql


def is_our_constraint(step: Step, state: lookups.ConstraintState) -> bool:
    """Whether a constraint of the step's name is the one that it made, or one of the very same definition."""
    return state.oid == step.object_oid or (bool(step.expected) and state.definition == step.expected)


def locks_of(step: Step) -> Wanted:
    """The locks of a step that is known from the journal alone: the strongest it could need."""
    if not step.table or step.kind in (Kind.VALIDATE_CONSTRAINT, Kind.ADD_INDEX, Kind.DROP_INDEX):
        return {}
    return {step.table: LockMode.ACCESS_EXCLUSIVE}


def _take_back(duties: Duties, step: Step) -> None:
    if not step.transactional:
        _drop_what_it_built(duties, step)
        duties.journal.end(step, Step.State.UNDONE, step.error)
        return

    def attempt(timeout: timedelta) -> None:
        with transaction.atomic(using=duties.connection.alias):
            locks.limit_waiting(duties.connection, timeout)
            _drop_constraint(duties, step)
            duties.journal.end(step, Step.State.UNDONE, step.error)

    duties.ladder.climb(Key(step.app, step.name), {step.table: LockMode.ACCESS_EXCLUSIVE}, attempt)


def _drop_what_it_built(duties: Duties, step: Step) -> None:
    """By its oid, where that was noted: a table, or an index, may have another name by now."""
    known = lookups.index_by_oid(duties.connection, step.object_oid) if step.object_oid else None
    if known is None:
        found = lookups.index(duties.connection, step.table, step.target)
        known = (found.schema, step.target) if found and is_ours(duties.connection, step, found) else None
        known = known or _built_elsewhere(duties.connection, step)
    if known is not None:
        with patiently(duties, step, min(policy.UNDO_LOCK_TIMEOUT, duties.limits.wait_for_others)):
            _drop_concurrently(duties.connection, *known)


def _built_elsewhere(connection: BaseDatabaseWrapper, step: Step) -> tuple[str, str] | None:
    """What it was killed in building, before it could note its number, where the table has another name by now.

    Raises MigrationFailed where that cannot be known.
    """
    elsewhere = lookups.index_elsewhere(connection, step.table, step.target)
    if elsewhere is None:
        return None
    schema, table = elsewhere
    old, new = (f" ON {connection.ops.quote_name(name)} " for name in (step.table, table))
    found = lookups.index(connection, table, step.target)
    wanted = lookups.defined(connection, table, step.target, _building(step).replace(old, new, 1))
    if found is None or found.schema != schema or wanted is None:
        raise _unknown_whose(step, schema, table)
    return (schema, step.target) if found.definition == wanted else None


def _drop_constraint(duties: Duties, step: Step) -> None:
    """The one that the step made, or validated, where it is still there; one that is not has been dropped already."""
    known = lookups.constraint_by_oid(duties.connection, step.object_oid) if step.object_oid else None
    if known is not None:
        schema, table, name = known
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(schema, table), sql.Identifier(name))
        session.raw(duties.connection).execute(drop)


def _in_transaction(duties: Duties, step: Step, timeout: timedelta) -> None:
    duties.journal.begin(step)
    with transaction.atomic(using=duties.connection.alias):
        locks.limit_waiting(duties.connection, timeout)
        session.raw(duties.connection).execute(step.sql)
        _note_constraint(duties, step)
        duties.journal.end(step, Step.State.DONE)


def _note_constraint(duties: Duties, step: Step) -> None:
    """What the step has made or validated, in its own transaction."""
    state = lookups.constraint(duties.connection, step.table, step.target)
    if state is not None:
        duties.journal.note(step, state.oid, state.definition)


def _validate(duties: Duties, step: Step) -> None:
    """It may take as long as it takes, for reads and writes pass."""

    def attempt() -> None:
        duties.journal.begin(step)
        with patiently(duties, step), transaction.atomic(using=duties.connection.alias):
            if step.object_oid is not None:  # made by the switch
                state = lookups.constraint(duties.connection, step.table, step.target)
                if state is None or not is_our_constraint(step, state):
                    raise _another_constraint(step, there=state is not None)
            session.raw(duties.connection).execute(step.sql)
            _note_constraint(duties, step)
            duties.journal.end(step, Step.State.DONE)

    _repeatedly(duties, attempt)


def _build_index(duties: Duties, step: Step) -> None:
    """Build an index concurrently; one that an earlier attempt of ours left invalid is dropped first."""

    def attempt() -> None:
        found = lookups.index(duties.connection, step.table, step.target)
        if found is not None and (step.attempts == 0 or not is_ours(duties.connection, step, found)):
            raise in_the_way(step, valid=found.valid)
        if found is None or not found.valid:
            if found is not None:
                with patiently(duties, step):
                    _drop_concurrently(duties.connection, found.schema, step.target)
            duties.journal.begin(step)
            with patiently(duties, step):
                session.raw(duties.connection).execute(step.sql)
            found = lookups.index(duties.connection, step.table, step.target)
        duties.journal.note(step, found.oid if found else None)
        duties.journal.end(step, Step.State.DONE)

    _repeatedly(duties, attempt)


def _drop_index(duties: Duties, step: Step) -> None:
    def attempt() -> None:
        found = lookups.index(duties.connection, step.table, step.target)
        if found is not None and found.oid != step.object_oid:
            raise in_the_way(step, valid=found.valid)
        if found is not None:
            duties.journal.begin(step)
            with patiently(duties, step):
                session.raw(duties.connection).execute(step.sql)
        elif step.object_oid and (elsewhere := lookups.index_by_oid(duties.connection, step.object_oid)):
            raise renamed(step, *elsewhere)
        duties.journal.end(step, Step.State.DONE)

    _repeatedly(duties, attempt)


def drop_invalid(duties: Duties, step: Step) -> None:
    """Drop what a concurrent build of ours, broken off, has left; a valid index stays, and one of another's."""
    found = lookups.index(duties.connection, step.table, step.target)
    if found is not None and not found.valid and is_ours(duties.connection, step, found):
        with patiently(duties, step):
            _drop_concurrently(duties.connection, found.schema, step.target)


def _drop_concurrently(connection: BaseDatabaseWrapper, schema: str, name: str) -> None:
    """By its full name: the search path may find another one first."""
    drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(schema, name))
    session.raw(connection).execute(drop)


def _repeatedly(duties: Duties, attempt: Callable[[], None]) -> None:
    """Make an attempt again after a deadlock or the like, a bounded number of times."""
    for number in range(1, policy.STEP_ATTEMPTS + 1):
        try:
            attempt()
        except Exception as error:
            if number == policy.STEP_ATTEMPTS or failures.sqlstate_of(error) not in REPEATED:
                raise
            django_seams.leave_transaction(duties.connection)
            shutdown.raise_if_requested()
            time.sleep(policy.LADDER_FIRST_PAUSE.total_seconds() * number)
        else:
            return


@contextlib.contextmanager
def failure_kept(duties: Duties, step: Step) -> Iterator[None]:
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
            duties.journal.end(step, Step.State.FAILED, failures.why(error, failures.sqlstate_of(error)))
        raise


def in_the_way(step: Step, *, valid: bool) -> MigrationFailed:
    name = f'"{step.target}"'
    if step.attempts or step.kind == Kind.DROP_INDEX:
        why = f"it is not what {step.app}.{step.name} has made or asks for: it is of another definition, or table"
        advice = f"rename it, or drop it if nobody needs it, and run again:  DROP INDEX CONCURRENTLY {name};"
        advice += f"\n{settling(step)}"
    elif valid:
        why, advice = "no recorded migration made it", "rename or drop it, or record the migration with --fake"
    else:
        why = "it is invalid: a concurrent build that Lockgate did not run was broken off"
        advice = f"if nobody is building it now, drop it and run again:  DROP INDEX CONCURRENTLY {name};"
    return MigrationFailed(f"an index {name} is there already", why=why, state="", next_step=advice)


def renamed(step: Step, schema: str, name: str) -> MigrationFailed:
    return MigrationFailed(
        f'the index "{step.target}" of {step.table} is not where it was',
        why=f'{step.app}.{step.name} is to drop it, and somebody has renamed it, or its table, since: it is "{name}" '
        f'in schema "{schema}" now',
        state="",
        next_step=f'rename it back, or drop it if nobody needs it, and run again:  DROP INDEX CONCURRENTLY "{name}";\n'
        + settling(step),
    )


def _unknown_whose(step: Step, schema: str, table: str) -> MigrationFailed:
    """It was killed before it could note what it had built, and by its table it is not known either."""
    return MigrationFailed(
        f'it is not known whether the index "{step.target}" is the one that {step.app}.{step.name} was building',
        why=f'{step.table} is not there, and "{schema}"."{table}" has an index of that name: the table was renamed, or '
        "the index is somebody else's",
        state="",
        next_step="where it is that table, rename it back, or drop the index; then run again:  "
        f'DROP INDEX CONCURRENTLY "{schema}"."{step.target}";\n{settling(step)}',
    )


def settling(step: Step) -> str:
    """The command by which a person settles a step that cannot go on."""
    return f"or see what is there, and settle it:  manage.py lockgate repair {step.pk}"


def _another_constraint(step: Step, *, there: bool = True) -> MigrationFailed:
    name = f'"{step.target}"'
    if not there:
        return MigrationFailed(
            f"the constraint {name} of {step.table} is gone",
            why=f"{step.app}.{step.name} has made it; somebody has dropped or renamed it, or its table, since",
            state="",
            next_step=f"bring it back by hand, {settling(step)}",
        )
    return MigrationFailed(
        f"a constraint {name} of {step.table} is there already",
        why=f"it is not what {step.app}.{step.name} has made or asks for: it has another definition",
        state="",
        next_step=f"rename it, or drop it if nobody needs it, and run again:  ALTER TABLE {step.table} "
        f"DROP CONSTRAINT {name};\n{settling(step)}",
    )

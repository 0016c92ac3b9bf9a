"""Builds and drops indexes concurrently: for the steps of a plan, and for operations of a migration that is not atomic.

``CONCURRENTLY`` runs in no transaction, so the journal's row is marked before and after, and what came of it is read in
the catalog. An index is ours where it has the oid that was noted when it was made, or the very definition that the step
asks for. Anything else of its name is somebody else's: it is named, and neither used nor dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import policy
from lockgate.database import lookups, session
from lockgate.execution import deadlock_retry, step_conflicts
from lockgate.execution.context import RunContext
from lockgate.execution.wait_deadline import patiently
from lockgate.ledger import journal
from lockgate.models import JournalEntry


def run(
    context: RunContext,
    step: JournalEntry,
    send: Callable[[], None],
    *,
    builds: bool,
    first: Callable[[], None] | None = None,
) -> None:
    """Build or drop an index, as often as a deadlock asks for; what came of an earlier attempt is looked up.

    send: sends the statement. builds: else it drops. first: before the first attempt, of which nothing can have come.
    Raises MigrationFailed where another index has the step's name.
    """

    def attempt() -> None:
        if not step.attempts and first is not None:
            first()
        elif _is_over(context, step, builds=builds):
            return
        context.journal.begin(step)
        with patiently(context, step):
            send()

    deadlock_retry.repeatedly(context, attempt)


def _is_over(context: RunContext, step: JournalEntry, *, builds: bool) -> bool:
    """Whether an earlier attempt came to its end; an index that it left invalid is dropped."""
    index = lookups.index(context.connection, step.table_name, step.object_name)
    if index is None and not builds and step.object_oid:
        elsewhere = lookups.index_by_oid(context.connection, step.object_oid)
        if elsewhere is not None:
            raise step_conflicts.renamed(step, *elsewhere)
    if index is None:
        return not builds
    if not is_ours(context.connection, step, index):
        raise step_conflicts.in_the_way(step, valid=index.valid)
    if builds and not index.valid:
        with patiently(context, step):
            _drop_concurrently(context.connection, index.schema, step.object_name)
    return builds and index.valid


def is_ours(connection: BaseDatabaseWrapper, step: JournalEntry, index: lookups.IndexState) -> bool:
    """Whether an index of the step's name is the one that it made, or one of the very same definition."""
    if index.table != step.table_name:
        return False
    if step.object_oid is not None and index.oid == step.object_oid:
        return True
    return index.definition == lookups.defined(connection, step.table_name, step.object_name, _building(step))


def _building(step: JournalEntry) -> str:
    """The statement that builds the step's index; an operation of a migration that is not atomic has it noted."""
    return step.definition if step.phase in (journal.SWITCH, journal.BACKWARDS) else step.sql


def drop_invalid(context: RunContext, step: JournalEntry) -> None:
    """Drop what a concurrent build of ours, broken off, has left; a valid index stays, and one of another's."""
    index = lookups.index(context.connection, step.table_name, step.object_name)
    if index is not None and not index.valid and is_ours(context.connection, step, index):
        with patiently(context, step):
            _drop_concurrently(context.connection, index.schema, step.object_name)


def drop_built(context: RunContext, step: JournalEntry) -> None:
    """By its oid, where that was noted: a table, or an index, may have another name by now."""
    known = lookups.index_by_oid(context.connection, step.object_oid) if step.object_oid else None
    if known is None:
        index = lookups.index(context.connection, step.table_name, step.object_name)
        known = (index.schema, step.object_name) if index and is_ours(context.connection, step, index) else None
        known = known or _built_elsewhere(context.connection, step)
    if known is not None:
        with patiently(context, step, min(policy.UNDO_LOCK_TIMEOUT, context.limits.wait_for_others)):
            _drop_concurrently(context.connection, *known)


def _built_elsewhere(connection: BaseDatabaseWrapper, step: JournalEntry) -> tuple[str, str] | None:
    """What it was killed in building, before it could note its number, where the table has another name by now.

    Raises MigrationFailed where that cannot be known.
    """
    elsewhere = lookups.index_elsewhere(connection, step.table_name, step.object_name)
    if elsewhere is None:
        return None
    schema, table = elsewhere
    old, new = (f" ON {connection.ops.quote_name(name)} " for name in (step.table_name, table))
    index = lookups.index(connection, table, step.object_name)
    definition = lookups.defined(connection, table, step.object_name, _building(step).replace(old, new, 1))
    if index is None or index.schema != schema or definition is None:
        raise step_conflicts.unknown_whose(step, schema, table)
    return (schema, step.object_name) if index.definition == definition else None


def _drop_concurrently(connection: BaseDatabaseWrapper, schema: str, name: str) -> None:
    """By its full name: the search path may find another one first."""
    drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(schema, name))
    session.raw(connection).execute(drop)

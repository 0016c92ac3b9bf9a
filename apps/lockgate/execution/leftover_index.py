"""What code outside a transaction leaves when it fails: an index that it was building concurrently, invalid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lockgate import django_seams
from lockgate.database import invalid_indexes
from lockgate.database.invalid_indexes import InvalidIndex
from lockgate.execution.context import RunContext
from lockgate.planning import sql_changes, sql_statements
from lockgate.planning.identifiers import bare
from lockgate.planning.steps import Kind


@contextlib.contextmanager
def noted(context: RunContext) -> Iterator[None]:
    """Compare the invalid indexes before and after, where the block fails, for who explains the failure."""
    before = context.progress.invalid_before = invalid_indexes.oids(context.connection)
    try:
        yield
    except BaseException:
        context.progress.invalid_unknown = "CONCURRENTLY" in context.progress.sql.upper()
        with contextlib.suppress(Exception):
            django_seams.leave_transaction(context.connection)
            context.confirm(inside=False, lock=False)  # another session would be one that code has opened
            left_invalid = invalid_indexes.read(context.connection)
            context.progress.invalid = [
                index for index in left_invalid if index.oid not in before or _is_asked_for(context, index)
            ]
            context.progress.invalid_unknown = False
        raise


def _is_asked_for(context: RunContext, index: InvalidIndex) -> bool:
    """Whether the statement that failed was to build the one that an earlier run, or somebody else, has left."""
    changes = (
        change
        for statement in sql_statements.statements(context.progress.sql)
        for change in sql_changes.known(statement.text)
    )
    asked_for = (Kind.ADD_INDEX, index.name, index.table)
    return any((change.kind, change.name, bare(change.table)) == asked_for for change in changes)

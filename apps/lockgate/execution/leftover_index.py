"""What code outside a transaction leaves when it fails: an index that it was building concurrently, invalid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lockgate import django_seams
from lockgate.database import invalid_indexes
from lockgate.database.invalid_indexes import InvalidIndex
from lockgate.execution.context import Duties
from lockgate.planning import sql_changes, sql_statements
from lockgate.planning.identifiers import bare
from lockgate.planning.steps import Kind


@contextlib.contextmanager
def noted(duties: Duties) -> Iterator[None]:
    """Compare the invalid indexes before and after, where the block fails, for who explains the failure."""
    before = duties.progress.invalid_before = invalid_indexes.oids(duties.connection)
    try:
        yield
    except BaseException:
        duties.progress.invalid_unknown = "CONCURRENTLY" in duties.progress.sql.upper()
        with contextlib.suppress(Exception):
            django_seams.leave_transaction(duties.connection)
            duties.confirm(inside=False, lock=False)  # another session would be one that code has opened
            found = invalid_indexes.read(duties.connection)
            duties.progress.invalid = [each for each in found if each.oid not in before or _is_asked_for(duties, each)]
            duties.progress.invalid_unknown = False
        raise


def _is_asked_for(duties: Duties, found: InvalidIndex) -> bool:
    """Whether the statement that failed was to build the one that an earlier run, or somebody else, has left."""
    changes = (
        change
        for statement in sql_statements.statements(duties.progress.sql)
        for change in sql_changes.known(statement.text)
    )
    wanted = (Kind.ADD_INDEX, found.name, found.table)
    return any((each.kind, each.name, bare(each.table)) == wanted for each in changes)

"""What is said of a step that has failed before the switch or after it, with the rows that break what it wants."""

from __future__ import annotations

import contextlib

from lockgate.database import violations
from lockgate.errors import LockgateError, MigrationFailed, NotFinished
from lockgate.execution import failures, step_conflicts
from lockgate.execution.context import RunContext
from lockgate.facts import Key
from lockgate.models import JournalEntry as Row

# What a new constraint or unique index says of rows that break it.
_OFFENDED = ("23502", "23503", "23505", "23514")


def offended(context: RunContext, key: Key, row: Row, error: Exception) -> Exception:
    """The error of an expand step, with the rows that break what the migration wants."""
    sqlstate = failures.sqlstate_of(error)
    if sqlstate not in _OFFENDED:
        return error
    return MigrationFailed(
        f"{key} failed: {row.title}",
        why=_why(context, row, error, sqlstate),
        state="",
        next_step=failures.next_step(sqlstate, lost=False),
    )


def not_finished(context: RunContext, key: Key, row: Row, error: Exception) -> NotFinished:
    sqlstate = failures.sqlstate_of(error)
    return NotFinished(
        f"{key} is applied but not finished: {row.title} failed",
        why=error.why if isinstance(error, LockgateError) else _why(context, row, error, sqlstate),
        state="",
        next_step=error.next_step
        if isinstance(error, LockgateError)
        else f"{failures.next_step(sqlstate, lost=failures.connection_lost(error, sqlstate))}; it goes on from there\n"
        + step_conflicts.settling(row),
    )


def _why(context: RunContext, row: Row, error: Exception, sqlstate: str | None) -> str:
    with contextlib.suppress(Exception):
        if sqlstate in _OFFENDED and (
            offending_rows := violations.describe(context.connection, row.table_name, row.object_name)
        ):
            return f"{offending_rows}\nin {row.table_name} (SQLSTATE {sqlstate})"
    return failures.why(error, sqlstate)

"""The finish steps of a migration that counts by then: what its switch has left to the journal."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.errors import SessionLost
from lockgate.execution import current_operation, journaled_step, step_failures
from lockgate.execution.context import RunContext
from lockgate.facts import Key
from lockgate.models import JournalEntry as Row
from lockgate.planning.steps import Kind


def run(context: RunContext, key: Key, rows: Sequence[Row]) -> None:
    """Run a migration's finish steps, in order. Raises NotFinished, with what is left to be done."""
    for number, row in enumerate(rows, 1):
        context.progress.remaining = _unfinished(key, number - 1, len(rows), row)
        try:
            if _is_finished(context, row):
                continue
            journaled_step.run(context, row, journaled_step.locks_of(row), number=number, total=len(rows))
        except SessionLost:
            raise
        except Exception as error:
            context.progress.sql, context.progress.statement = row.sql, current_operation.shortened(row.sql)
            raise step_failures.not_finished(context, key, row, error) from error
    context.progress.remaining = ""


def _is_finished(context: RunContext, row: Row) -> bool:
    """Whether a step is done, and what it made is there."""
    done = row.state == Row.State.DONE
    return done and (row.kind == Kind.DROP_INDEX or journaled_step.still_there(context, row))


def _unfinished(key: Key, done: int, total: int, row: Row) -> str:
    return f"{key} is applied; of what follows it online {done} of {total} steps are done, next is: {row.title}"

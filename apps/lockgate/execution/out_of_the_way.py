"""What an operation sends outside of any transaction waits out of the way of others, where it can; else it is said.

Its texts are looked at one by one, as they are sent. One that asks for a lock which others would wait behind goes up
lock retries: in autocommit it has done nothing where it got no lock (``planning.sql_waiting``). Of code, only what is
known to ask for such a lock does: whoever swallows an error or counts it sees what Django would show.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from lockgate.database import parameters, session
from lockgate.events import WaitsInFront
from lockgate.execution import current_operation
from lockgate.execution.context import RunContext
from lockgate.execution.lock_retry import WantedLocks
from lockgate.facts import Key
from lockgate.planning import lock_levels, sql_changes, sql_steps, sql_waiting
from lockgate.planning.sql_waiting import Waiting
from lockgate.planning.steps import Change, Step

IN_A_TRANSACTION = "its code has a transaction open, so it cannot be tried again"


@contextlib.contextmanager
def out_of_the_way(context: RunContext, migration: Key, planned: Sequence[Step], *, is_sql: bool) -> Iterator[None]:
    """For the statements of the block. planned: the steps of its operation. is_sql: it is SQL of the migration's."""
    with context.connection.execute_wrapper(_Sender(context, migration, planned, is_sql=is_sql)):
        yield


class PlannedStatements:
    """What texts are known to change: by the steps of their operation, or as they read by themselves."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.changes = {statement.sql: statement.changes for step in steps for statement in step.statements}

    def of(self, text: str, readable: str) -> tuple[Change, ...]:
        return self.changes.get(text) or sql_changes.of(readable)

    def wanted(self, text: str, readable: str) -> WantedLocks:
        return {lock.table: lock.mode for lock in lock_levels.of_changes(self.of(text, readable))}


class _Sender:
    def __init__(self, context: RunContext, migration: Key, planned: Sequence[Step], *, is_sql: bool) -> None:
        self.context, self.migration, self.is_sql = context, migration, is_sql
        self.planned = PlannedStatements(planned)
        self.reported: set[str] = set()

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = sql_steps.readable(sql, params) if isinstance(sql, str) and not many else ""
        changes = self.planned.of(text, text) if text else ()
        if not changes or (sql_waiting.is_unknown(changes) and not self.is_sql):
            return execute(sql, params, many, context)
        way, why = sql_waiting.of(text, changes), sql_waiting.COMMITS
        if way is Waiting.TRIED and session.is_in_transaction(self.context.connection):
            way, why = Waiting.IN_FRONT, IN_A_TRANSACTION
        targets = self.planned.wanted(text, text)
        if way is Waiting.TRIED:
            return self.context.lock_retry.run(
                self.migration, targets, lambda timeout: self._within(timeout, execute, sql, params, context)
            )
        if way is Waiting.IN_FRONT:
            self._say(text, why)
            if why == sql_waiting.COMMITS:
                self.context.lock_retry.wait_out(self.migration, targets)
        return execute(sql, params, many, context)

    def _within(self, timeout: timedelta, execute: Any, sql: str, params: Any, context: Any) -> Any:
        with parameters.trying(session.raw(self.context.connection), timeout):
            return execute(sql, params, False, context)

    def _say(self, text: str, why: str) -> None:
        if text not in self.reported:
            self.reported.add(text)
            longest = self.context.limits.wait_for_others.total_seconds()
            self.context.listen(WaitsInFront(self.migration, current_operation.shortened(text), why, longest))

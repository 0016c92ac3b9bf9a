"""What an operation sends outside of any transaction waits out of the way of others, where it can; else it is said.

Its texts are looked at one by one, as they are sent. One that asks for a lock which others would wait behind goes up
the ladder: in autocommit it has done nothing where it got no lock (``planning.sql_waiting``). Of code, only what is
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
from lockgate.execution.context import Duties
from lockgate.execution.lock_retry import Wanted
from lockgate.facts import Key
from lockgate.planning import lock_levels, sql_changes, sql_steps, sql_waiting
from lockgate.planning.sql_waiting import Waiting
from lockgate.planning.steps import Change, Step

IN_A_TRANSACTION = "its code has a transaction open, so it cannot be tried again"


@contextlib.contextmanager
def out_of_the_way(duties: Duties, migration: Key, planned: Sequence[Step], *, is_sql: bool) -> Iterator[None]:
    """For the statements of the block. planned: the steps of its operation. is_sql: it is SQL of the migration's."""
    with duties.connection.execute_wrapper(_Sender(duties, migration, planned, is_sql=is_sql)):
        yield


class Planned:
    """What texts are known to change: by the steps of their operation, or as they read by themselves."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.changes = {each.sql: each.changes for step in steps for each in step.statements}

    def of(self, text: str, readable: str) -> tuple[Change, ...]:
        return self.changes.get(text) or sql_changes.of(readable)

    def wanted(self, text: str, readable: str) -> Wanted:
        return {lock.table: lock.mode for lock in lock_levels.of_changes(self.of(text, readable))}


class _Sender:
    def __init__(self, duties: Duties, migration: Key, planned: Sequence[Step], *, is_sql: bool) -> None:
        self.duties, self.migration, self.is_sql = duties, migration, is_sql
        self.planned = Planned(planned)
        self.said: set[str] = set()

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = sql_steps.readable(sql, params) if isinstance(sql, str) and not many else ""
        changes = self.planned.of(text, text) if text else ()
        if not changes or (sql_waiting.is_unknown(changes) and not self.is_sql):
            return execute(sql, params, many, context)
        way, why = sql_waiting.of(text, changes), sql_waiting.COMMITS
        if way is Waiting.TRIED and session.is_in_transaction(self.duties.connection):
            way, why = Waiting.IN_FRONT, IN_A_TRANSACTION
        wanted = self.planned.wanted(text, text)
        if way is Waiting.TRIED:
            return self.duties.ladder.climb(
                self.migration, wanted, lambda timeout: self._within(timeout, execute, sql, params, context)
            )
        if way is Waiting.IN_FRONT:
            self._say(text, why)
            if why == sql_waiting.COMMITS:
                self.duties.ladder.wait_out(self.migration, wanted)
        return execute(sql, params, many, context)

    def _within(self, timeout: timedelta, execute: Any, sql: str, params: Any, context: Any) -> Any:
        with parameters.trying(session.raw(self.duties.connection), timeout):
            return execute(sql, params, False, context)

    def _say(self, text: str, why: str) -> None:
        if text not in self.said:
            self.said.add(text)
            longest = self.duties.limits.wait_for_others.total_seconds()
            self.duties.listen(WaitsInFront(self.migration, current_operation.shortened(text), why, longest))

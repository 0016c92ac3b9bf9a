"""One atomic migration through its phases: expand, switch, finish.

Until the switch has committed, the migration does not count, and whatever expand has prepared can be taken back. From
then on it counts, and what is left to finish is in the journal, written by the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState
from django.db.utils import Error as DatabaseError

from lockgate import django_seams
from lockgate.database import locks, lookups, server_messages
from lockgate.errors import (
    HookFailed,
    Interrupted,
    RefusedAhead,
    SessionLost,
)
from lockgate.events import InPlace
from lockgate.execution import contract, current_operation, finish_phase, journal_lines, journaled_step, step_failures
from lockgate.execution.context import RunContext
from lockgate.execution.lock_retry import WantedLocks
from lockgate.execution.next_migration import NextMigrationPlanner
from lockgate.execution.switch_editor import switch_editor
from lockgate.execution.transaction_body import TransactionBody
from lockgate.execution.transaction_guard import committing
from lockgate.facts import Key
from lockgate.ledger import fingerprints, journal
from lockgate.ledger.journal import Line
from lockgate.models import JournalEntry as Row
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.selection import key_of
from lockgate.planning.steps import Change, Kind, MigrationPlan, Phase, Statement, Step, Work
from lockgate.project_state.operations import is_djangos_schema

_CODE = (Kind.RUN_PYTHON, Kind.RUN_SQL, Kind.UNKNOWN, Kind.OTHER)

ANYTHING = Statement("", (Change(Kind.UNKNOWN, ""),))


class PlanDiverged(Exception):
    """Django sent other statements than the plan foresaw."""


class AtomicMigration:
    """How one migration runs. body: does its operations in the switch's transaction, and records it."""

    def __init__(
        self, context: RunContext, migration: Migration, planner: NextMigrationPlanner | None, body: TransactionBody
    ) -> None:
        self.context, self.migration, self.planner, self.body = context, migration, planner, body
        self.key = key_of(migration)
        self.plan: MigrationPlan | None = None
        self.foreseen: tuple[Statement, ...] = ()  # what the switch sends, also where it then runs as Django does
        self.rows: list[Row] = []
        self.to_finish: list[Row] = []

    def apply(self, state: ProjectState) -> ProjectState:
        """The state after the migration; it counts by then, and is finished. state: before it; not changed."""
        if self.planner is None:
            return self._switch()
        self._prepare(self.planner, state)
        try:
            self._expand()
            after = self._switch()
        except PlanDiverged as error:
            self._undo()
            self._in_place(str(error))
            after = self._switch()
        except (Interrupted, SessionLost, HookFailed):
            raise  # no time, no way, or no right to undo anything: the next run carries on from here
        except Exception as error:
            self._undo_after(error)
            raise
        if self.plan is not None:
            self.planner.remember(change for step in self.plan.steps for change in step.changes)
        return after

    def finish(self) -> None:
        """What the journal has left for this migration after its switch."""
        finish_phase.run(self.context, self.key, self.to_finish)

    # The plan, and what an earlier run has done of it

    def _prepare(self, planner: NextMigrationPlanner, state: ProjectState) -> None:
        left = self.context.journal.prepared(self.key)
        hidden = journal_lines.made(left)
        try:
            self.plan = planner.plan(self.migration, state, hidden)
            self.foreseen = self.plan.sent(Phase.SWITCH) if self.plan else self._unforeseen(planner)
        except RefusedAhead:
            raise
        except Exception as error:  # a third party's operation that cannot be planned can still be run
            self._in_place(f"it cannot be planned ({type(error).__name__}: {server_messages.of(error)})")
            self.foreseen = (ANYTHING,)
        lines = self._lines(Phase.EXPAND)
        if left and not journal_lines.same(left, lines):
            undo(self.context, self.key, left)
            left = []
        if lines and not left:
            left = self.context.journal.write(self.key, fingerprints.of(self.migration).ast_digest, lines)
        self.rows = left

    def _unforeseen(self, planner: NextMigrationPlanner) -> tuple[Statement, ...]:
        """What stands for a migration that has no plan: Django's schema operations have none on tables of the run's
        own alone, code may do anything to any table."""
        if not planner.earlier or all(map(is_djangos_schema, self.migration.operations)):
            return ()
        return (ANYTHING,)

    def _in_place(self, reason: str) -> None:
        self.context.listen(InPlace(self.key, reason))
        self.plan, self.rows = None, []

    def _lines(self, *phases: Phase) -> list[Line]:
        steps = self.plan.steps if self.plan else ()
        return [journal_lines.line_of(number, step) for number, step in enumerate(steps) if step.phase in phases]

    # Before the switch

    def _expand(self) -> None:
        steps = self.plan.phase(Phase.EXPAND) if self.plan else ()
        for number, (row, step) in enumerate(zip(self.rows, steps, strict=True), 1):
            self.context.progress.remaining = _prepared(self.key, number - 1, len(steps))
            if row.state == Row.State.DONE and journaled_step.still_there(self.context, row):
                continue
            try:
                journaled_step.run(self.context, row, momentary_locks(step), number=number, total=len(steps))
            except (DatabaseError, psycopg.Error) as error:
                self._note_failed(step, row)
                raise step_failures.offended(self.context, self.key, row, error) from error
        if steps:
            self.context.progress.remaining = _prepared(self.key, len(steps), len(steps))

    def _note_failed(self, step: Step, row: Row) -> None:
        operation = self.migration.operations[step.operation]
        self.context.progress.operation = current_operation.described(step.operation + 1, self.migration, operation)
        self.context.progress.sql, self.context.progress.statement = row.sql, current_operation.shortened(row.sql)

    def _undo(self) -> None:
        undo(self.context, self.key, self.rows)
        self.rows = []
        self.context.progress.remaining = ""

    def _undo_after(self, error: Exception) -> None:
        """Undo what can be undone; whatever prevents that must not hide the error that came first."""
        if not self.rows:
            self.context.progress.remaining = ""
            return
        try:
            django_seams.leave_transaction(self.context.connection)
            self._undo()
        except Exception as second:
            self.context.progress.remaining += "; what they have left there, the next run takes back or goes on with"
            error.add_note(f"undoing what was prepared failed too: {server_messages.of(second)}")

    # The switch

    def _switch(self) -> ProjectState:
        plan = self.plan
        hidden = journal_lines.made(self.rows)
        targets = self._wanted()

        def attempt(timeout: timedelta) -> ProjectState:
            editor_of_switch = switch_editor(self.context.connection, plan.replaced if plan else (), hidden)
            with committing(self.context.connection, self.key, editor_of_switch) as editor, self.body.begun(timeout):
                self._first()
                after = self.body.run(editor)
                self._last(editor)
            return after

        if not self.context.gated:
            return attempt(journaled_step.NO_LIMIT)
        return self.context.lock_retry.run(self.key, targets, attempt)

    def _first(self) -> None:
        """Before the operations, in their transaction."""
        if not self.context.gated:
            return
        targets = self._wanted()
        if self.plan is not None and len(targets) > 1 and _brief(self.plan):
            locks.take(self.context.connection, {table: mode.name.replace("_", " ") for table, mode in targets.items()})
        if self.context.journaled is not None:
            contract.resolve_kept_defaults(self.context, self.foreseen)

    def _last(self, editor: Any) -> None:
        """After the operations and their deferred SQL, with the rows that record them, in their transaction."""
        if editor.replaced:
            raise PlanDiverged(f"Django did not send what was planned: {editor.replaced[0][0]}")
        if self.context.journaled is None:
            return
        self.context.journal.commit(self.key)
        self.context.journal.supersede(self.key)
        finishing = self._lines(Phase.FINISH)
        self._require_free_names(finishing)
        connection, contracting = self.context.connection, self._lines(Phase.CONTRACT)
        lines = [journal_lines.identified(connection, line) for line in finishing]
        lines += [journal_lines.expecting(connection, line) for line in contracting]
        if lines:
            ast_digest = fingerprints.of(self.migration).ast_digest
            rows = self.context.journal.write(self.key, ast_digest, lines, committed=True)
            self.to_finish = [row for row in rows if row.phase == journal.FINISH]

    def _require_free_names(self, lines: Sequence[Line]) -> None:
        """What finish makes must not meet a name that is taken: it could not be rolled back any more.

        Django would fail there, or PostgreSQL give a constraint without a name another one; in place, both are so.
        """
        dropped = set()
        for line in lines:
            relation, constraint = lookups.taken(self.context.connection, line.table_name, line.object_name)
            if line.kind == Kind.DROP_INDEX:
                dropped.add(line.object_name)
            elif line.kind == Kind.ADD_INDEX and relation and line.object_name not in dropped:
                raise PlanDiverged(f'the name "{line.object_name}" is taken')
            elif line.kind == Kind.VALIDATE_CONSTRAINT and constraint:
                raise PlanDiverged(f'another table has a constraint "{line.object_name}" too')

    def _wanted(self) -> WantedLocks:
        """The locks that the switch takes on tables that others use."""
        modes: dict[str, LockMode] = {}
        for step in self.plan.phase(Phase.SWITCH) if self.plan else ():
            for table, mode in momentary_locks(step).items():
                modes[table] = max(modes.get(table, mode), mode, key=lambda lock_mode: lock_mode.strength)
        return modes


def undo(context: RunContext, key: Key, rows: Sequence[Row]) -> None:
    """Take back what was prepared for a migration, last step first."""
    for number, row in reversed(list(enumerate(rows, 1))):
        context.progress.remaining = _prepared(key, number, len(rows))
        journaled_step.undo(context, row)
    context.progress.remaining = ""


def momentary_locks(step: Step) -> WantedLocks:
    """The locks of a step that it needs only for a moment, and so waits for only for a moment."""
    return {lock.table: lock.mode for lock in step.locks if step.transactional}


def _brief(plan: MigrationPlan) -> bool:
    """Whether the switch is a matter of moments: only then are its tables locked before it begins."""
    steps = plan.phase(Phase.SWITCH)
    code = any(change.kind in _CODE for step in steps for change in step.changes)
    return not code and all(lock.work is Work.MOMENT for step in steps for lock in step.locks)


def _prepared(key: Key, done: int, total: int) -> str:
    return f"{key} is not applied; {done} of {total} steps that prepare it are in the database, for the next run"

"""Runs one part of a migration that is not atomic, with its row: in a transaction, outside of one, or concurrently."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db import transaction
from django.db.migrations import RunSQL

from lockgate import django_seams
from lockgate.database import locks, lookups
from lockgate.events import StepRepeated
from lockgate.execution import concurrent_index, contract, leftover_index
from lockgate.execution.atomic import momentary_locks
from lockgate.execution.context import RunContext
from lockgate.execution.done_work import DoneWork
from lockgate.execution.lock_retry import WantedLocks
from lockgate.execution.operation_part import CONCURRENT, OperationPart
from lockgate.execution.out_of_the_way import PlannedStatements, out_of_the_way
from lockgate.execution.transaction_guard import TransactionGuard, committing
from lockgate.execution.wait_deadline import patiently
from lockgate.facts import Key
from lockgate.models import JournalEntry as Row
from lockgate.planning.steps import Step
from lockgate.project_state.operations import is_djangos_schema

_PATIENT = (postgres_operations.ValidateConstraint,)


class PartRunner:
    """Of one migration. planned: the steps that it was planned as, if it was. work: what is noted of what parts did."""

    def __init__(self, context: RunContext, key: Key, planned: Sequence[Step], work: DoneWork) -> None:
        self.context, self.key, self.planned, self.work = context, key, planned, work

    def run(self, part: OperationPart, row: Row, number: int) -> None:
        if isinstance(part.operation, CONCURRENT):
            self.build_or_drop(part, row)
        elif part.outside:
            self._outside(part, row, number)
        elif isinstance(part.operation, _PATIENT):
            with patiently(self.context, row):
                self._in_transaction(part, row, number, None)
        else:
            targets = self._targets(part, number)
            self.context.lock_retry.run(self.key, targets, lambda t: self._in_transaction(part, row, number, t))

    def run_again(self, part: OperationPart, row: Row, number: int) -> None:
        """Apply again what was taken back, or begun to be; what was not begun is only marked."""
        begun = row.attempts > 0 and (row.state == Row.State.DONE or not row.transactional)
        if not begun:  # what a transaction had begun was rolled back with it
            self.context.journal.end(row, Row.State.UNDONE)
        elif isinstance(part.operation, CONCURRENT):
            self.build_or_drop(part, row, Row.State.UNDONE)
        elif part.outside:
            self._outside(part, row, number, Row.State.UNDONE)
        else:
            undone = Row.State.UNDONE
            self.context.lock_retry.run(self.key, {}, lambda t: self._in_transaction(part, row, number, t, undone))

    def build_or_drop(self, part: OperationPart, row: Row, end: Row.State = Row.State.DONE) -> None:
        """Build or drop an index; before the first attempt it is noted which."""
        builds = part.builds(backwards=part.backwards)
        concurrent_index.run(
            self.context, row, lambda: self._send(part), builds=builds, first=lambda: self._note_target(part, row)
        )
        if builds:
            built = lookups.index(self.context.connection, row.table_name, row.object_name)
            self.context.journal.note(row, built.oid if built else None, row.definition)
            self.work.note_index(row, built.oid if built else None)
        self.context.journal.end(row, end)

    def _note_target(self, part: OperationPart, row: Row) -> None:
        """Before the first attempt: which index it drops, or by which statement it builds one."""
        builds = part.builds(backwards=part.backwards)
        index = None if builds else lookups.index(self.context.connection, row.table_name, row.object_name)
        self.context.journal.note(row, index.oid if index else None, part.building(self.context.connection))
        self.work.note_index(row, index.oid if index else None, gone=True)

    def _outside(self, part: OperationPart, row: Row, number: int, end: Row.State = Row.State.DONE) -> None:
        if row.attempts:
            self.context.listen(StepRepeated(self.key, row.title, failed=row.state == Row.State.FAILED))
        self.context.journal.begin(row)
        self.context.lock_retry.run(self.key, {}, lambda timeout: self._settle_alone(number, timeout))
        way = out_of_the_way(self.context, self.key, self._steps(number), is_sql=isinstance(part.operation, RunSQL))
        with leftover_index.noted(self.context), self._noted(row), patiently(self.context, row), way:
            self._send(part)
        self.context.journal.end(row, end)

    @contextlib.contextmanager
    def _noted(self, row: Row) -> Iterator[None]:
        """What the code of the block does to the catalog, also where it fails."""
        before = self.work.before()
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                django_seams.leave_transaction(self.context.connection)
                self.context.confirm(inside=False)
                self.work.note_outside(row, before)
            raise
        self.context.confirm(inside=False)
        self.work.note_outside(row, before)

    def _send(self, part: OperationPart) -> None:
        with self.context.connection.schema_editor(atomic=False) as editor:
            part.send(editor, backwards=part.backwards)

    def _in_transaction(
        self, part: OperationPart, row: Row, number: int, timeout: timedelta | None, end: Row.State = Row.State.DONE
    ) -> None:
        """timeout: for locks; None where the session's is meant.

        A row that is done, of what is applied again, says so until the transaction that does it commits.
        """
        connection, before = self.context.connection, self.work.before()
        if row.state != Row.State.DONE:
            self.context.journal.begin(row)
        with committing(connection, self.key, connection.schema_editor(atomic=True)) as editor:
            if timeout is not None:
                locks.limit_waiting(connection, timeout)
            self._settle_contracts(number)
            self._send_whole(part, editor)
            if end == Row.State.DONE:
                self.work.note(row, before)
            self.context.journal.end(row, end)

    def _send_whole(self, part: OperationPart, editor: Any) -> None:
        """Send it within the transaction that is open, and be sure that it is that one still."""
        one = TransactionGuard(self.context.connection, self.context.progress, self.key)
        with contextlib.nullcontext() if is_djangos_schema(part.operation) else one.begun(None):
            part.send(editor, backwards=part.backwards)
            django_seams.run_deferred_sql(editor)
            one.after_operation(part.operation)

    def _targets(self, part: OperationPart, number: int) -> WantedLocks:
        """The locks that a part takes in a transaction of its own; of a RunSQL those of its one text."""
        if type(part.operation) is RunSQL:
            planned = PlannedStatements(self._steps(number))
            return planned.wanted(*part.texts[0])
        return {table: mode for step in self._steps(number) for table, mode in momentary_locks(step).items()}

    def _settle_contracts(self, number: int) -> None:
        contract.resolve_kept_defaults(
            self.context, [statement for step in self._steps(number) for statement in step.statements]
        )

    def _settle_alone(self, number: int, timeout: timedelta) -> None:
        with transaction.atomic(using=self.context.connection.alias):
            locks.limit_waiting(self.context.connection, timeout)
            self._settle_contracts(number)

    def _steps(self, number: int) -> list[Step]:
        return [step for step in self.planned if step.operation == number]

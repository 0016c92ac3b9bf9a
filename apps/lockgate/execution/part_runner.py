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
from lockgate.execution.atomic import wanted
from lockgate.execution.context import Duties
from lockgate.execution.done_work import DoneWork
from lockgate.execution.lock_retry import Wanted
from lockgate.execution.operation_part import CONCURRENT, OperationPart
from lockgate.execution.out_of_the_way import Planned, out_of_the_way
from lockgate.execution.transaction_guard import OneTransaction, committing
from lockgate.execution.wait_deadline import patiently
from lockgate.facts import Key
from lockgate.models import JournalEntry as Row
from lockgate.planning.steps import Step
from lockgate.project_state.operations import is_djangos_schema

_PATIENT = (postgres_operations.ValidateConstraint,)


class PartRunner:
    """Of one migration. planned: the steps that it was planned as, if it was. work: what is noted of what parts did."""

    def __init__(self, duties: Duties, key: Key, planned: Sequence[Step], work: DoneWork) -> None:
        self.duties, self.key, self.planned, self.work = duties, key, planned, work

    def run(self, part: OperationPart, row: Row, number: int) -> None:
        if isinstance(part.operation, CONCURRENT):
            self.build_or_drop(part, row)
        elif part.outside:
            self._outside(part, row, number)
        elif isinstance(part.operation, _PATIENT):
            with patiently(self.duties, row):
                self._in_transaction(part, row, number, None)
        else:
            targets = self._targets(part, number)
            self.duties.ladder.climb(self.key, targets, lambda t: self._in_transaction(part, row, number, t))

    def run_again(self, part: OperationPart, row: Row, number: int) -> None:
        """Apply again what was taken back, or begun to be; what was not begun is only marked."""
        begun = row.attempts > 0 and (row.state == Row.State.DONE or not row.transactional)
        if not begun:  # what a transaction had begun was rolled back with it
            self.duties.journal.end(row, Row.State.UNDONE)
        elif isinstance(part.operation, CONCURRENT):
            self.build_or_drop(part, row, Row.State.UNDONE)
        elif part.outside:
            self._outside(part, row, number, Row.State.UNDONE)
        else:
            undone = Row.State.UNDONE
            self.duties.ladder.climb(self.key, {}, lambda t: self._in_transaction(part, row, number, t, undone))

    def build_or_drop(self, part: OperationPart, row: Row, end: Row.State = Row.State.DONE) -> None:
        """Build or drop an index; before the first attempt it is noted which."""
        builds = part.builds(backwards=part.backwards)
        concurrent_index.run(
            self.duties, row, lambda: self._send(part), builds=builds, first=lambda: self._note_target(part, row)
        )
        if builds:
            built = lookups.index(self.duties.connection, row.table_name, row.object_name)
            self.duties.journal.note(row, built.oid if built else None, row.definition)
            self.work.note_index(row, built.oid if built else None)
        self.duties.journal.end(row, end)

    def _note_target(self, part: OperationPart, row: Row) -> None:
        """Before the first attempt: which index it drops, or by which statement it builds one."""
        builds = part.builds(backwards=part.backwards)
        found = None if builds else lookups.index(self.duties.connection, row.table_name, row.object_name)
        self.duties.journal.note(row, found.oid if found else None, part.building(self.duties.connection))
        self.work.note_index(row, found.oid if found else None, gone=True)

    def _outside(self, part: OperationPart, row: Row, number: int, end: Row.State = Row.State.DONE) -> None:
        if row.attempts:
            self.duties.listen(StepRepeated(self.key, row.title, failed=row.state == Row.State.FAILED))
        self.duties.journal.begin(row)
        self.duties.ladder.climb(self.key, {}, lambda timeout: self._settle_alone(number, timeout))
        way = out_of_the_way(self.duties, self.key, self._steps(number), is_sql=isinstance(part.operation, RunSQL))
        with leftover_index.noted(self.duties), self._noted(row), patiently(self.duties, row), way:
            self._send(part)
        self.duties.journal.end(row, end)

    @contextlib.contextmanager
    def _noted(self, row: Row) -> Iterator[None]:
        """What the code of the block does to the catalog, also where it fails."""
        before = self.work.before()
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                django_seams.leave_transaction(self.duties.connection)
                self.duties.confirm(inside=False)
                self.work.note_outside(row, before)
            raise
        self.duties.confirm(inside=False)
        self.work.note_outside(row, before)

    def _send(self, part: OperationPart) -> None:
        with self.duties.connection.schema_editor(atomic=False) as editor:
            part.send(editor, backwards=part.backwards)

    def _in_transaction(
        self, part: OperationPart, row: Row, number: int, timeout: timedelta | None, end: Row.State = Row.State.DONE
    ) -> None:
        """timeout: for locks; None where the session's is meant.

        A row that is done, of what is applied again, says so until the transaction that does it commits.
        """
        connection, before = self.duties.connection, self.work.before()
        if row.state != Row.State.DONE:
            self.duties.journal.begin(row)
        with committing(connection, self.key, connection.schema_editor(atomic=True)) as editor:
            if timeout is not None:
                locks.limit_waiting(connection, timeout)
            self._settle_contracts(number)
            self._send_whole(part, editor)
            if end == Row.State.DONE:
                self.work.note(row, before)
            self.duties.journal.end(row, end)

    def _send_whole(self, part: OperationPart, editor: Any) -> None:
        """Send it within the transaction that is open, and be sure that it is that one still."""
        one = OneTransaction(self.duties.connection, self.duties.progress, self.key)
        with contextlib.nullcontext() if is_djangos_schema(part.operation) else one.begun(None):
            part.send(editor, backwards=part.backwards)
            django_seams.run_deferred_sql(editor)
            one.after_operation(part.operation)

    def _targets(self, part: OperationPart, number: int) -> Wanted:
        """The locks that a part takes in a transaction of its own; of a RunSQL those of its one text."""
        if type(part.operation) is RunSQL:
            planned = Planned(self._steps(number))
            return planned.wanted(*part.texts[0])
        return {table: mode for step in self._steps(number) for table, mode in wanted(step).items()}

    def _settle_contracts(self, number: int) -> None:
        contract.settle(self.duties, [statement for step in self._steps(number) for statement in step.statements])

    def _settle_alone(self, number: int, timeout: timedelta) -> None:
        with transaction.atomic(using=self.duties.connection.alias):
            locks.limit_waiting(self.duties.connection, timeout)
            self._settle_contracts(number)

    def _steps(self, number: int) -> list[Step]:
        return [step for step in self.planned if step.operation == number]

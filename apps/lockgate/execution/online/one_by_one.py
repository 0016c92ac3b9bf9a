"""A migration with ``atomic = False``: operation by operation, each with its row in the journal.

A schema operation runs in a transaction of its own, together with the mark that it is done, so a rerun carries on after
the last done one and never meets "already exists". What cannot run in a transaction (``CONCURRENTLY``) is judged by the
catalog. Code and SQL outside a transaction may run again after a kill in their midst: at least once is all that anybody
can promise there, and a rerun says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration, RunPython, RunSQL
from django.db.migrations import operations as django_operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

from lockgate import journal, policy
from lockgate.database import locks, objects
from lockgate.errors import MigrationFailed
from lockgate.execution import django_seams, failures, interruption, operations
from lockgate.execution.duties import Duties
from lockgate.execution.ladder import RETRIED
from lockgate.execution.online import contract, online_step
from lockgate.execution.online.phases import wanted
from lockgate.execution.online.watch import watching
from lockgate.facts import Recovering, StepRepeated
from lockgate.journal import Line
from lockgate.models import Step as Row
from lockgate.planning import fingerprint
from lockgate.planning.operations import parts
from lockgate.planning.plan import key_of
from lockgate.planning.steps import Step

_CONCURRENT = (postgres_operations.AddIndexConcurrently, postgres_operations.RemoveIndexConcurrently)
_PATIENT = (postgres_operations.ValidateConstraint,)
# Django's own operations whose effect is wholly the schema's: safe in a transaction. Subclasses may do anything.
_TRANSACTIONAL = tuple(
    getattr(module, name)
    for module, names in (
        (django_operations, django_operations.__all__),
        (
            postgres_operations,
            ("AddConstraintNotValid", "ValidateConstraint", "CreateExtension", "CreateCollation", "RemoveCollation"),
        ),
    )
    for name in names
    if name not in {"RunPython", "RunSQL", "SeparateDatabaseAndState"}
)


@dataclass(frozen=True)
class _Part:
    """One operation, or one that a SeparateDatabaseAndState brings, with the states around it."""

    app_label: str
    ordinal: int
    operation: Operation
    before: ProjectState
    after: ProjectState

    @property
    def table(self) -> str:
        """The table that an index belongs to; renders its model."""
        operation: Any = self.operation
        return str(self.before.apps.get_model(self.app_label, operation.model_name)._meta.db_table)

    def building(self, connection: BaseDatabaseWrapper) -> str:
        """The statement by which AddIndexConcurrently builds its index."""
        operation: Any = self.operation
        model = self.after.apps.get_model(self.app_label, operation.model_name)
        with connection.schema_editor(atomic=False) as editor:
            return str(operation.index.create_sql(model, editor, concurrently=True))

    @property
    def outside(self) -> bool:
        """Whether it runs outside any transaction."""
        if isinstance(self.operation, RunPython | RunSQL):
            return not self.operation.atomic
        return type(self.operation) not in _TRANSACTIONAL

    def line(self) -> Line:
        return Line(
            self.ordinal,
            journal.SWITCH,
            str(self.operation.describe()),
            type(self.operation).__name__,
            self.table if isinstance(self.operation, _CONCURRENT) else "",
            _index(self.operation),
            _identity(self.operation),
            transactional=not self.outside,
        )


class Walk:
    """One run's way through a migration's operations. planned: the steps that they were planned as, if they were."""

    def __init__(self, duties: Duties, migration: Migration, planned: Sequence[Step]) -> None:
        self.duties, self.migration, self.planned = duties, migration, planned
        self.key, self.meaning = key_of(migration), fingerprint.of(migration).meaning
        self.rows = {
            row.ordinal: row for row in journal.prepared(duties.connection.alias).get(self.key, ()) if _of_walk(row)
        }

    def go(self, state: ProjectState) -> ProjectState:
        """Run every operation that is not done. state: before the first; brought forward and returned."""
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        if self.rows:
            self.duties.listen(Recovering(self.key, "carry on", done, len(self.migration.operations)))
        ordinal = 0
        for number, operation in enumerate(self.migration.operations):
            before = state.clone()
            operation.state_forwards(self.migration.app_label, state)
            for part in self._parts(ordinal, operation, before, state):
                self._one(part, number)
                ordinal = part.ordinal + 1
        return state

    def _parts(self, ordinal: int, operation: Operation, before: ProjectState, after: ProjectState) -> Iterator[_Part]:
        for each, from_state, to_state in parts(operation, self.migration.app_label, before, after):
            yield _Part(self.migration.app_label, ordinal, each, from_state, to_state)
            ordinal += 1

    def _one(self, part: _Part, number: int) -> None:
        interruption.raise_if_requested()
        self.duties.confirm(inside=False)
        row = self._row(part)
        if row.state != Row.State.DONE:
            progress, operation = self.duties.progress, self.migration.operations[number]
            with (
                online_step.failure_kept(self.duties, row),
                operations.statements_noted(progress, self.duties.connection),
            ):
                progress.operation = operations.described(number + 1, self.migration, operation)
                self._run(part, row, number)
            progress.operation = ""

    def _run(self, part: _Part, row: Row, number: int) -> None:
        if isinstance(part.operation, _CONCURRENT):
            self._concurrently(part, row)
        elif part.outside:
            self._outside(part, row, number)
        elif isinstance(part.operation, _PATIENT):
            self._in_transaction(part, row, number, None)
        else:
            targets = {table: mode for step in self._steps(number) for table, mode in wanted(step).items()}
            self.duties.ladder.climb(self.key, targets, lambda t: self._in_transaction(part, row, number, t))

    def _row(self, part: _Part) -> Row:
        """The operation's row: the one that an earlier run left, where it is still the same operation."""
        line, known = part.line(), self.rows.get(part.ordinal)
        if known is not None and known.sql == line.sql:
            return known
        if known is not None and known.state == Row.State.DONE:
            raise self._edited(known)
        if known is not None:  # it failed, and was mended
            online_step.drop_invalid(self.duties, known)
            self.duties.journal.end(known, Row.State.UNDONE, known.error)
        (made,) = self.duties.journal.write(self.key, self.meaning, [line])
        return made

    def _edited(self, done: Row) -> MigrationFailed:
        return MigrationFailed(
            f"{self.key} was edited after it was applied in part",
            why=f"it is not atomic, and its operation {done.ordinal + 1} is done as it was then: {done.title}",
            state="",
            next_step="restore the file and run again, or bring the schema by hand to where the file ends and "
            f"record that:  manage.py migrate {self.key.app} {self.key.name} --fake",
        )

    def _steps(self, number: int) -> list[Step]:
        return [step for step in self.planned if step.operation == number]

    def _settle_contracts(self, number: int) -> None:
        contract.settle(self.duties, [statement for step in self._steps(number) for statement in step.statements])

    def _settle_alone(self, number: int, timeout: timedelta) -> None:
        with transaction.atomic(using=self.duties.connection.alias):
            locks.limit_waiting(self.duties.connection, timeout)
            self._settle_contracts(number)

    def _in_transaction(self, part: _Part, row: Row, number: int, timeout: timedelta | None) -> None:
        """timeout: for locks; None where it may take its time, for it blocks nobody."""
        connection = self.duties.connection
        self.duties.journal.begin(row)
        with connection.schema_editor(atomic=True) as editor:
            if timeout is None:
                locks.lift_limits(connection)
            else:
                locks.limit_waiting(connection, timeout)
            self._settle_contracts(number)
            part.operation.database_forwards(self.migration.app_label, editor, part.before, part.after)
            django_seams.run_deferred_sql(editor)
            self.duties.journal.end(row, Row.State.DONE)

    def _outside(self, part: _Part, row: Row, number: int) -> None:
        if row.attempts:
            self.duties.listen(StepRepeated(self.key, row.title, failed=row.state == Row.State.FAILED))
        self.duties.journal.begin(row)
        self.duties.ladder.climb(self.key, {}, lambda timeout: self._settle_alone(number, timeout))
        self._send(part)
        self.duties.confirm(inside=False)
        self.duties.journal.end(row, Row.State.DONE)

    def _concurrently(self, part: _Part, row: Row) -> None:
        """Build or drop an index, as often as a deadlock asks for; what came of an earlier attempt is looked up."""
        for number in range(1, policy.STEP_ATTEMPTS + 1):
            if row.attempts and self._left_by_earlier_attempt(part, row):
                break
            if not row.attempts:
                self._note_target(part, row)
            self.duties.journal.begin(row)
            try:
                connection = self.duties.connection
                with online_step.unlimited(connection), watching(connection, self.duties.listen, self.key, row.title):
                    self._send(part)
                break
            except Exception as error:
                if number == policy.STEP_ATTEMPTS or failures.sqlstate_of(error) not in RETRIED:
                    raise
            time.sleep(policy.LADDER_FIRST_PAUSE.total_seconds() * number)
        self.duties.journal.end(row, Row.State.DONE)

    def _note_target(self, part: _Part, row: Row) -> None:
        """Before the first attempt: which index it drops, or by which statement it builds one."""
        if isinstance(part.operation, postgres_operations.AddIndexConcurrently):
            self.duties.journal.note(row, None, part.building(self.duties.connection))
        else:
            found = objects.index(self.duties.connection, row.table, row.target)
            self.duties.journal.note(row, found.oid if found else None)

    def _left_by_earlier_attempt(self, part: _Part, row: Row) -> bool:
        """Whether an earlier attempt came to its end; an index that it left invalid is dropped."""
        found = objects.index(self.duties.connection, row.table, row.target)
        adds = isinstance(part.operation, postgres_operations.AddIndexConcurrently)
        if found is None:
            return not adds
        ours = online_step.is_ours(self.duties.connection, row, found) if adds else found.oid == row.object_oid
        if not ours:
            raise online_step.in_the_way(row, valid=found.valid)
        if adds and not found.valid:
            online_step.drop_invalid(self.duties, row)
        return adds and found.valid

    def _send(self, part: _Part) -> None:
        with self.duties.connection.schema_editor(atomic=False) as editor:
            part.operation.database_forwards(self.migration.app_label, editor, part.before, part.after)


def _of_walk(row: Row) -> bool:
    return row.phase == journal.SWITCH


def _index(operation: Operation) -> str:
    """The name of the index that an operation builds or drops; empty for others."""
    if isinstance(operation, postgres_operations.AddIndexConcurrently):
        return str(operation.index.name)
    return operation.name if isinstance(operation, postgres_operations.RemoveIndexConcurrently) else ""


def _identity(operation: Operation) -> str:
    """The operation as a migration file would write it, by which a rerun knows it again."""
    try:
        text, _ = OperationWriter(operation, indentation=0).serialize()
    except (ValueError, TypeError):  # a lambda, or a value that has no source
        return f"{type(operation).__name__}: {operation.describe()}"
    return text

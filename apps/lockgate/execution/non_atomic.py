"""A migration with ``atomic = False``: operation by operation, each with its row in the journal.

A schema operation runs in a transaction of its own, together with the mark that it is done, so a rerun carries on after
the last done one and never meets "already exists". What cannot run in a transaction (``CONCURRENTLY``) is judged by the
catalog. Code and SQL outside a transaction may run again after a kill in their midst: at least once is all that anybody
can promise there, and a rerun says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.postgres import operations as postgres_operations
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration, RunPython, RunSQL
from django.db.migrations import operations as django_operations
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate import django_seams
from lockgate.database import locks, lookups
from lockgate.errors import LockgateError, MigrationFailed, SessionLost
from lockgate.events import Recovering, StepRepeated, WorkDiffers
from lockgate.execution import (
    concurrent_index,
    contract,
    current_operation,
    done_work,
    failures,
    journaled_step,
    leftover_index,
    operation_identity,
    shutdown,
    step_conflicts,
)
from lockgate.execution.atomic import wanted
from lockgate.execution.context import Duties
from lockgate.execution.done_work import DoneWork, Problem
from lockgate.execution.lock_retry import Wanted
from lockgate.execution.out_of_the_way import Planned, out_of_the_way
from lockgate.execution.transaction_guard import OneTransaction, committing
from lockgate.execution.wait_deadline import patiently
from lockgate.facts import Key
from lockgate.ledger import fingerprints, journal
from lockgate.ledger.journal import Line
from lockgate.models import Step as Row
from lockgate.planning import sql_changes, sql_steps
from lockgate.planning.operations import apart, count, parts
from lockgate.planning.selection import key_of
from lockgate.planning.steps import Step
from lockgate.project_state.operations import is_djangos_schema

_CONCURRENT = (postgres_operations.AddIndexConcurrently, postgres_operations.RemoveIndexConcurrently)
_BUILDS = postgres_operations.AddIndexConcurrently
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
    backwards: bool

    @property
    def table(self) -> str:
        """The table that an index belongs to; renders its model."""
        operation: Any = self.operation
        return str(self.before.apps.get_model(self.app_label, operation.model_name)._meta.db_table)

    def builds(self, *, backwards: bool) -> bool:
        """Whether it builds an index concurrently in this direction; else it drops one."""
        return isinstance(self.operation, postgres_operations.AddIndexConcurrently) != backwards

    def building(self, connection: BaseDatabaseWrapper) -> str:
        """The statement by which its index is built, forwards or backwards."""
        operation: Any = self.operation
        state = self.after if self.builds(backwards=False) else self.before
        index = state.models[self.app_label, operation.model_name_lower].get_index_by_name(_index(operation))
        model = state.apps.get_model(self.app_label, operation.model_name)
        with connection.schema_editor(atomic=False) as editor:
            return str(index.create_sql(model, editor, concurrently=True))

    def send(self, editor: Any, *, backwards: bool) -> None:
        """Have Django do it, or take it back."""
        if backwards:
            self.operation.database_backwards(self.app_label, editor, self.after, self.before)
        else:
            self.operation.database_forwards(self.app_label, editor, self.before, self.after)

    @property
    def outside(self) -> bool:
        """Whether it runs outside any transaction.

        SQL of tables in one text does not: PostgreSQL makes one transaction of it in any case, so it may be this one.
        """
        if type(self.operation) is RunSQL and len(self.texts) == 1:
            return not sql_changes.is_of_tables_alone(self.texts[0][1])
        if isinstance(self.operation, RunPython | RunSQL):
            return not self.operation.atomic
        return type(self.operation) not in _TRANSACTIONAL

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Of a RunSQL: each as it is sent, and as it can be read."""
        operation: Any = self.operation
        return list(sql_steps.texts(operation.reverse_sql if self.backwards else operation.sql))

    def line(self, phase: str) -> Line:
        return Line(
            self.ordinal,
            phase,
            str(self.operation.describe()),
            type(self.operation).__name__,
            self.table if isinstance(self.operation, _CONCURRENT) else "",
            _index(self.operation),
            operation_identity.kept(self.operation, plain=type(self.operation) in (*_TRANSACTIONAL, *_CONCURRENT)),
            transactional=not self.outside,
        )


class Walk:
    """One run's way through a migration's operations, forwards or backwards.

    planned: the steps that they were planned as, if they were. Backwards, a row says that an operation is taken back;
    ``restore`` applies again what a run that ended half-way had taken back.
    """

    def __init__(
        self, duties: Duties, migration: Migration, planned: Sequence[Step] = (), *, backwards: bool = False
    ) -> None:
        self.duties, self.migration, self.planned, self.backwards = duties, migration, planned, backwards
        self.phase = journal.BACKWARDS if backwards else journal.SWITCH
        self._confirmed = False
        self.key, self.meaning = key_of(migration), fingerprints.of(migration).meaning
        left = journal.prepared(duties.connection.alias).get(self.key, ())
        self.rows = {row.ordinal: row for row in left if row.phase == self.phase}
        self.work = DoneWork(duties, self.key, filter(_has_done, self.rows.values()), exact=not backwards)

    @property
    def total(self) -> int:
        """How many rows its journal has in the end."""
        found = self.migration.operations
        return sum(map(count, found)) if self.phase == journal.SWITCH else len(found)

    def go(self, state: ProjectState) -> ProjectState:
        """Run every operation that is not done. state: before the first; brought forward and returned."""
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        if self.rows:
            self.duties.listen(Recovering(self.key, "carry on", done, self.total))
        ordinal = 0
        earlier: list[_Part] = []  # done by runs before this one
        for number, operation in enumerate(self.migration.operations):
            before = state.clone()
            operation.state_forwards(self.migration.app_label, state)
            for part in self._parts(ordinal, operation, before, state):
                if self._is_done(part):
                    earlier.append(part)
                else:
                    self._confirm_once(earlier)
                self._one(part, number)
                ordinal = part.ordinal + 1
        self._confirm_once(earlier)
        return state

    def _is_done(self, part: _Part) -> bool:
        row = self.rows.get(part.ordinal)
        return row is not None and row.state == Row.State.DONE

    def _confirm_once(self, earlier: Sequence[_Part] = ()) -> None:
        """What runs before this one have done is there still; an index that was built concurrently is built again where
        it is not. Before anything runs.

        Raises MigrationFailed where something else is not as it was left.
        """
        if self._confirmed:
            return
        self._confirmed = True
        under_way = any(_is_half_done(row) for row in self.rows.values())
        problems = self.work.problems(code_was_under_way=under_way)
        if under_way and (doubts := self.work.doubts()):
            self.duties.listen(WorkDiffers(self.key, tuple(each.both for each in doubts)))
        again = {part.ordinal: part for part in earlier if isinstance(part.operation, _BUILDS)}
        others = [each for each in problems if not self._built_again(each, again)]
        if others:
            raise done_work.refused(self.key, others, backwards=self.backwards)

    def _built_again(self, problem: Problem, parts: Mapping[int, _Part]) -> bool:
        """Where it is an index that no other operation has had a part in."""
        ordinals = {row.ordinal for row in problem.rows}
        if len(ordinals) != 1 or problem.thing.definition is None or not ordinals <= parts.keys():
            return False
        (ordinal,) = ordinals
        self._concurrently(parts[ordinal], self.rows[ordinal])
        return True

    def back(self, state: ProjectState) -> None:
        """Take back every operation that is not taken back. state: before the first; not changed.

        Raises IrreversibleError before anything runs where one cannot be, as Django does.
        """
        for operation in self.migration.operations:
            if not operation.reversible:
                raise IrreversibleError(f"Operation {operation} in {self.migration} is not reversible")
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        if self.rows:
            self.duties.listen(Recovering(self.key, "carry on", done, self.total))
        self._confirm_once()
        for number, part in reversed(self._all(state)):
            self._one(part, number)

    def restore(self, state: ProjectState) -> None:
        """Apply again, in order, what a run that took the migration back had done, or begun, of it."""
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        self.duties.listen(Recovering(self.key, "restore", done, self.total))
        self._confirm_once()
        self.backwards = False
        for number, part in self._all(state):
            row = self.rows.get(part.ordinal)
            if row is not None:
                shutdown.raise_if_requested()
                self.duties.confirm(inside=False)
                try:
                    self._again(part, row, number)
                except SessionLost:
                    raise
                except Exception as error:
                    raise self._not_restored(row, error) from error

    def _not_restored(self, row: Row, error: Exception) -> MigrationFailed:
        known, sqlstate = error if isinstance(error, LockgateError) else None, failures.sqlstate_of(error)
        following = failures.next_step(sqlstate, lost=failures.connection_lost(error, sqlstate))
        return MigrationFailed(
            f"{self.key} could not be applied again: {row.title}",
            why=known.why if known else failures.why(error, sqlstate),
            state=f"{self.key} counts as applied, and is half-way back; what was applied again stays",
            next_step=f"{known.next_step if known else following}; it goes on from there\n"
            f"{step_conflicts.settling(row)}",
        )

    def _again(self, part: _Part, row: Row, number: int) -> None:
        begun = row.attempts > 0 and (row.state == Row.State.DONE or not row.transactional)
        if not begun:  # what a transaction had begun was rolled back with it
            self.duties.journal.end(row, Row.State.UNDONE)
        elif isinstance(part.operation, _CONCURRENT):
            self._concurrently(part, row, Row.State.UNDONE)
        elif part.outside:
            self._outside(part, row, number, Row.State.UNDONE)
        else:
            undone = Row.State.UNDONE
            self.duties.ladder.climb(self.key, {}, lambda t: self._in_transaction(part, row, number, t, undone))

    def _all(self, state: ProjectState) -> list[tuple[int, _Part]]:
        """Every part, with the number of its operation, in the order of the file."""
        found: list[tuple[int, _Part]] = []
        state = state.clone()
        for number, operation in enumerate(self.migration.operations):
            before = state.clone()
            operation.state_forwards(self.migration.app_label, state)
            after = state.clone()
            found += [(number, part) for part in self._parts(len(found), operation, before, after)]
        return found

    def _parts(self, ordinal: int, operation: Operation, before: ProjectState, after: ProjectState) -> Iterator[_Part]:
        for each, from_state, to_state in parts(operation, self.migration.app_label, before, after):
            for part in apart(each) if self._is_taken_apart(ordinal, each) else [each]:
                yield _Part(self.migration.app_label, ordinal, part, from_state, to_state, self.backwards)
                ordinal += 1

    def _is_taken_apart(self, ordinal: int, operation: Operation) -> bool:
        """Not backwards, where the texts are others; nor where an earlier build of Lockgate has begun it as one."""
        known = self.rows.get(ordinal)
        forwards = self.phase == journal.SWITCH
        return forwards and not (known is not None and operation_identity.matches(known.sql, operation))

    def _one(self, part: _Part, number: int) -> None:
        shutdown.raise_if_requested()
        self.duties.confirm(inside=False)
        row = self._row(part)
        if row.state != Row.State.DONE:
            progress, operation = self.duties.progress, self.migration.operations[number]
            with (
                journaled_step.failure_kept(self.duties, row),
                current_operation.statements_noted(progress, self.duties.connection),
            ):
                progress.operation = current_operation.described(number + 1, self.migration, operation)
                self._run(part, row, number)
            progress.operation = ""

    def _run(self, part: _Part, row: Row, number: int) -> None:
        if isinstance(part.operation, _CONCURRENT):
            self._concurrently(part, row)
        elif part.outside:
            self._outside(part, row, number)
        elif isinstance(part.operation, _PATIENT):
            with patiently(self.duties, row):
                self._in_transaction(part, row, number, None)
        else:
            targets = self._targets(part, number)
            self.duties.ladder.climb(self.key, targets, lambda t: self._in_transaction(part, row, number, t))

    def _targets(self, part: _Part, number: int) -> Wanted:
        """The locks that a part takes in a transaction of its own; of a RunSQL those of its one text."""
        if type(part.operation) is RunSQL:
            planned = Planned(self._steps(number))
            return planned.wanted(*part.texts[0])
        return {table: mode for step in self._steps(number) for table, mode in wanted(step).items()}

    def _row(self, part: _Part) -> Row:
        """The operation's row: the one that an earlier run left, where it is still the same operation."""
        known = self.rows.get(part.ordinal)
        if known is not None and operation_identity.matches(known.sql, part.operation):
            return known
        if known is not None and known.state == Row.State.DONE:
            raise self._edited(known)
        if known is not None:  # it failed, and was mended
            concurrent_index.drop_invalid(self.duties, known)
            self.duties.journal.end(known, Row.State.UNDONE, known.error)
        (made,) = self.duties.journal.write(self.key, self.meaning, [part.line(self.phase)])
        if known is not None:
            self.work.hand_on(known, made)
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

    def _in_transaction(
        self, part: _Part, row: Row, number: int, timeout: timedelta | None, end: Row.State = Row.State.DONE
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

    def _send_whole(self, part: _Part, editor: Any) -> None:
        """Send it within the transaction that is open, and be sure that it is that one still."""
        one = OneTransaction(self.duties.connection, self.duties.progress, self.key)
        with contextlib.nullcontext() if is_djangos_schema(part.operation) else one.begun(None):
            part.send(editor, backwards=self.backwards)
            django_seams.run_deferred_sql(editor)
            one.after_operation(part.operation)

    def _outside(self, part: _Part, row: Row, number: int, end: Row.State = Row.State.DONE) -> None:
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

    def _concurrently(self, part: _Part, row: Row, end: Row.State = Row.State.DONE) -> None:
        """Build or drop an index; before the first attempt it is noted which."""
        builds = part.builds(backwards=self.backwards)
        concurrent_index.run(
            self.duties, row, lambda: self._send(part), builds=builds, first=lambda: self._note_target(part, row)
        )
        if builds:
            built = lookups.index(self.duties.connection, row.table, row.target)
            self.duties.journal.note(row, built.oid if built else None, row.expected)
            self.work.note_index(row, built.oid if built else None)
        self.duties.journal.end(row, end)

    def _note_target(self, part: _Part, row: Row) -> None:
        """Before the first attempt: which index it drops, or by which statement it builds one."""
        builds = part.builds(backwards=self.backwards)
        found = None if builds else lookups.index(self.duties.connection, row.table, row.target)
        self.duties.journal.note(row, found.oid if found else None, part.building(self.duties.connection))
        self.work.note_index(row, found.oid if found else None, gone=True)

    def _send(self, part: _Part) -> None:
        with self.duties.connection.schema_editor(atomic=False) as editor:
            part.send(editor, backwards=self.backwards)


def restore(duties: Duties, migrations: Mapping[Key, Migration], state_before: Callable[[Key], ProjectState]) -> None:
    """Apply again what was taken back of these migrations by runs that ended half-way; they count as applied still.

    state_before: the state before a migration. Raises what their operations raise.
    """
    for key, rows in journal.prepared(duties.connection.alias).items():
        if key in migrations and any(row.phase == journal.BACKWARDS for row in rows):
            Walk(duties, migrations[key], backwards=True).restore(state_before(key))


def _has_done(row: Row) -> bool:
    """Whether what is noted of it is done. A build or drop that was broken off is looked up by itself."""
    return row.state == Row.State.DONE or row.kind not in {each.__name__ for each in _CONCURRENT}


def _is_half_done(row: Row) -> bool:
    """Whether code outside a transaction was under way when its run died: of what it changed, nothing is noted."""
    concurrent = {each.__name__ for each in _CONCURRENT}
    return row.state == Row.State.RUNNING and not row.transactional and row.kind not in concurrent


def _index(operation: Operation) -> str:
    """The name of the index that an operation builds or drops; empty for others."""
    if isinstance(operation, postgres_operations.AddIndexConcurrently):
        return str(operation.index.name)
    return operation.name if isinstance(operation, postgres_operations.RemoveIndexConcurrently) else ""

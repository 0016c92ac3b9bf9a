"""A migration with ``atomic = False``: operation by operation, each with its row in the journal.

A schema operation runs in a transaction of its own, together with the mark that it is done, so a rerun carries on after
the last done one and never meets "already exists". What cannot run in a transaction (``CONCURRENTLY``) is judged by the
catalog. Code and SQL outside a transaction may run again after a kill in their midst: at least once is all that anybody
can promise there, and a rerun says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from django.contrib.postgres import operations as postgres_operations
from django.db.migrations import Migration
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.errors import LockgateError, MigrationFailed, SessionLost
from lockgate.events import Recovering, WorkDiffers
from lockgate.execution import (
    concurrent_index,
    current_operation,
    done_work,
    failures,
    journaled_step,
    operation_identity,
    shutdown,
    step_conflicts,
)
from lockgate.execution.context import RunContext
from lockgate.execution.done_work import DoneWork, Problem
from lockgate.execution.operation_part import CONCURRENT, OperationPart
from lockgate.execution.part_runner import PartRunner
from lockgate.facts import Key
from lockgate.ledger import fingerprints, journal
from lockgate.models import JournalEntry as Row
from lockgate.planning.operations import apart, count, parts
from lockgate.planning.selection import key_of
from lockgate.planning.steps import Step


class NonAtomicMigration:
    """One run's way through a migration's operations, forwards or backwards.

    planned: the steps that they were planned as, if they were. Backwards, a row says that an operation is taken back;
    ``restore`` applies again what a run that ended half-way had taken back.
    """

    def __init__(
        self, context: RunContext, migration: Migration, planned: Sequence[Step] = (), *, backwards: bool = False
    ) -> None:
        self.context, self.migration, self.backwards = context, migration, backwards
        self.phase = journal.BACKWARDS if backwards else journal.SWITCH
        self._confirmed = False
        self.key, self.ast_digest = key_of(migration), fingerprints.of(migration).ast_digest
        left = journal.prepared(context.connection.alias).get(self.key, ())
        self.rows = {row.ordinal: row for row in left if row.phase == self.phase}
        self.work = DoneWork(context, self.key, filter(_has_done, self.rows.values()), exact=not backwards)
        self.runner = PartRunner(context, self.key, planned, self.work)

    @property
    def total(self) -> int:
        """How many rows its journal has in the end."""
        operations = self.migration.operations
        return sum(map(count, operations)) if self.phase == journal.SWITCH else len(operations)

    def run(self, state: ProjectState) -> ProjectState:
        """Run every operation that is not done. state: before the first; brought forward and returned."""
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        if self.rows:
            self.context.listen(Recovering(self.key, "carry on", done, self.total))
        ordinal = 0
        earlier: list[OperationPart] = []  # done by runs before this one
        for number, operation in enumerate(self.migration.operations):
            before = state.clone()
            operation.state_forwards(self.migration.app_label, state)
            for part in self._parts(ordinal, operation, before, state):
                if self._is_done(part):
                    earlier.append(part)
                else:
                    self._confirm_once(earlier)
                self._run_part(part, number)
                ordinal = part.ordinal + 1
        self._confirm_once(earlier)
        return state

    def _is_done(self, part: OperationPart) -> bool:
        row = self.rows.get(part.ordinal)
        return row is not None and row.state == Row.State.DONE

    def _confirm_once(self, earlier: Sequence[OperationPart] = ()) -> None:
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
            self.context.listen(WorkDiffers(self.key, tuple(doubt.both for doubt in doubts)))
        again = {
            part.ordinal: part
            for part in earlier
            if isinstance(part.operation, postgres_operations.AddIndexConcurrently)
        }
        others = [problem for problem in problems if not self._built_again(problem, again)]
        if others:
            raise done_work.refused(self.key, others, backwards=self.backwards)

    def _built_again(self, problem: Problem, parts: Mapping[int, OperationPart]) -> bool:
        """Where it is an index that no other operation has had a part in."""
        ordinals = {row.ordinal for row in problem.rows}
        if len(ordinals) != 1 or problem.thing.definition is None or not ordinals <= parts.keys():
            return False
        (ordinal,) = ordinals
        self.runner.build_or_drop(parts[ordinal], self.rows[ordinal])
        return True

    def run_backwards(self, state: ProjectState) -> None:
        """Take back every operation that is not taken back. state: before the first; not changed.

        Raises IrreversibleError before anything runs where one cannot be, as Django does.
        """
        for operation in self.migration.operations:
            if not operation.reversible:
                raise IrreversibleError(f"Operation {operation} in {self.migration} is not reversible")
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        if self.rows:
            self.context.listen(Recovering(self.key, "carry on", done, self.total))
        self._confirm_once()
        for number, part in reversed(self._all(state)):
            self._run_part(part, number)

    def restore(self, state: ProjectState) -> None:
        """Apply again, in order, what a run that took the migration back had done, or begun, of it."""
        done = sum(row.state == Row.State.DONE for row in self.rows.values())
        self.context.listen(Recovering(self.key, "restore", done, self.total))
        self._confirm_once()
        self.backwards = False
        for number, part in self._all(state):
            row = self.rows.get(part.ordinal)
            if row is not None:
                shutdown.raise_if_requested()
                self.context.confirm(inside=False)
                try:
                    self.runner.run_again(part, row, number)
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

    def _all(self, state: ProjectState) -> list[tuple[int, OperationPart]]:
        """Every part, with the number of its operation, in the order of the file."""
        numbered: list[tuple[int, OperationPart]] = []
        state = state.clone()
        for number, operation in enumerate(self.migration.operations):
            before = state.clone()
            operation.state_forwards(self.migration.app_label, state)
            after = state.clone()
            numbered += [(number, part) for part in self._parts(len(numbered), operation, before, after)]
        return numbered

    def _parts(
        self, ordinal: int, operation: Operation, before: ProjectState, after: ProjectState
    ) -> Iterator[OperationPart]:
        for database_operation, from_state, to_state in parts(operation, self.migration.app_label, before, after):
            for part in (
                apart(database_operation) if self._is_taken_apart(ordinal, database_operation) else [database_operation]
            ):
                yield OperationPart(self.migration.app_label, ordinal, part, from_state, to_state, self.backwards)
                ordinal += 1

    def _is_taken_apart(self, ordinal: int, operation: Operation) -> bool:
        """Not backwards, where the texts are others; nor where an earlier build of Lockgate has begun it as one."""
        known = self.rows.get(ordinal)
        forwards = self.phase == journal.SWITCH
        return forwards and not (known is not None and operation_identity.matches(known.sql, operation))

    def _run_part(self, part: OperationPart, number: int) -> None:
        shutdown.raise_if_requested()
        self.context.confirm(inside=False)
        row = self._row(part)
        if row.state != Row.State.DONE:
            progress, operation = self.context.progress, self.migration.operations[number]
            with (
                journaled_step.failure_kept(self.context, row),
                current_operation.statements_noted(progress, self.context.connection),
            ):
                progress.operation = current_operation.described(number + 1, self.migration, operation)
                self.runner.run(part, row, number)
            progress.operation = ""

    def _row(self, part: OperationPart) -> Row:
        """The operation's row: the one that an earlier run left, where it is still the same operation."""
        known = self.rows.get(part.ordinal)
        if known is not None and operation_identity.matches(known.sql, part.operation):
            return known
        if known is not None and known.state == Row.State.DONE:
            raise self._edited(known)
        if known is not None:  # it failed, and was mended
            concurrent_index.drop_invalid(self.context, known)
            self.context.journal.end(known, Row.State.UNDONE, known.error)
        (planned_step,) = self.context.journal.write(self.key, self.ast_digest, [part.line(self.phase)])
        if known is not None:
            self.work.hand_on(known, planned_step)
        return planned_step

    def _edited(self, done: Row) -> MigrationFailed:
        return MigrationFailed(
            f"{self.key} was edited after it was applied in part",
            why=f"it is not atomic, and its operation {done.ordinal + 1} is done as it was then: {done.title}",
            state="",
            next_step="restore the file and run again, or bring the schema by hand to where the file ends and "
            f"record that:  manage.py migrate {self.key.app} {self.key.name} --fake",
        )


def restore(
    context: RunContext, migrations: Mapping[Key, Migration], state_before: Callable[[Key], ProjectState]
) -> None:
    """Apply again what was taken back of these migrations by runs that ended half-way; they count as applied still.

    state_before: the state before a migration. Raises what their operations raise.
    """
    for key, rows in journal.prepared(context.connection.alias).items():
        if key in migrations and any(row.phase == journal.BACKWARDS for row in rows):
            NonAtomicMigration(context, migrations[key], backwards=True).restore(state_before(key))


def _has_done(row: Row) -> bool:
    """Whether what is noted of it is done. A build or drop that was broken off is looked up by itself."""
    return row.state == Row.State.DONE or row.kind not in {operation_class.__name__ for operation_class in CONCURRENT}


def _is_half_done(row: Row) -> bool:
    """Whether code outside a transaction was under way when its run died: of what it changed, nothing is noted."""
    concurrent = {operation_class.__name__ for operation_class in CONCURRENT}
    return row.state == Row.State.RUNNING and not row.transactional and row.kind not in concurrent

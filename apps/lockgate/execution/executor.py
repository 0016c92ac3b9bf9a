"""Runs migrations as Django does, with one difference: "done" and "recorded" are one transaction.

An atomic migration's operations, its deferred SQL, its ``django_migrations`` row and its ledger row commit together or
not at all; what can be done online runs before and after it (``atomic``). A migration with ``atomic = False`` runs
operation by operation (``non_atomic``), and is recorded right after the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from lockgate import django_seams
from lockgate.database import session
from lockgate.events import Action
from lockgate.execution import current_operation, shutdown, transaction_control
from lockgate.execution.atomic import AtomicMigration
from lockgate.execution.batching import BatchSender
from lockgate.execution.context import RunContext
from lockgate.execution.next_migration import NextMigrationPlanner
from lockgate.execution.non_atomic import NonAtomicMigration
from lockgate.execution.records import MigrationRecords
from lockgate.execution.switch_editor import switch_editor
from lockgate.execution.transaction_body import TransactionBody
from lockgate.execution.transaction_guard import committing
from lockgate.facts import Key
from lockgate.ledger import journal
from lockgate.models import MigrationRecord
from lockgate.planning.selection import key_of
from lockgate.project_state.lazy_executor import LazyExecutor

Work = Callable[[Any], ProjectState]


class Executor(LazyExecutor):
    """Django's executor, with ``apply_migration`` and ``unapply_migration`` made all or nothing.

    loader: the run's, if it has read the files already. Django's own progress lines are not wanted.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        progress_callback: Any = None,
        *,
        context: RunContext,
        loader: MigrationLoader | None = None,
    ) -> None:
        if loader is None or loader.replacements:
            super().__init__(connection)
        else:
            django_seams.begin_with(self, connection, loader)
        self.context = context
        self.lazy = context.limits.lazy_rendering

    @cached_property
    def planner(self) -> NextMigrationPlanner | None:
        """Plans what runs online; None where nothing does."""
        return (
            NextMigrationPlanner(self.connection, self.context.limits, self.context.tables)
            if self.context.journaled
            else None
        )

    @cached_property
    def batch(self) -> BatchSender | None:
        """Sends what need not be waited for. None where others use the database, or no ledger is kept of it; and where
        more is said at the beginning and the end of a transaction than BEGIN and COMMIT."""
        alone = self.planner is not None and not self.planner.earlier
        plain = session.begins_plainly(self.connection) and django_seams.edits_as_django_does(self.connection)
        if not (self.context.record_applied and self.lazy and alone and plain):
            return None
        return BatchSender(self.context, self._run_alone, self._is_recorded_without_receivers)

    def migration_plan(self, targets: Any, clean_start: bool = False) -> Any:
        plan = super().migration_plan(targets, clean_start)
        if clean_start:
            return plan  # the order of everything there is, not what will run
        return [
            (migration, backwards)
            for migration, backwards in plan
            if backwards or key_of(migration) not in self.context.held
        ]

    def migrate(
        self,
        targets: Any,
        plan: Any = None,
        state: ProjectState | None = None,
        fake: bool = False,
        fake_initial: bool = False,
    ) -> ProjectState:
        """As Django does; but a run may begin only here, and apply much of the plan at once by doing so."""
        django_seams.forget_history(self.connection)  # receivers of pre_migrate were called since, and rows come now
        if self.context.begin is not None:
            self.context, state = self.context.begin(), None
            django_seams.take_note_of_applied(self)
            plan = [planned for planned in plan if key_of(planned[0]) not in self.loader.applied_migrations]
        try:
            if not fake:
                plan = self.migration_plan(targets) if plan is None else plan
                surely = [planned for planned in plan if planned[1] or not fake_initial]
                transaction_control.refuse(self.connection, surely)
            with django_seams.routers_unasked_of(MigrationRecord._meta.app_label):
                state = super().migrate(targets, plan, state, fake, fake_initial)
                self._flush()
        finally:
            if "batch" in self.__dict__ and self.batch:
                self.batch.close()
        return state

    def check_replacements(self) -> None:
        """Django asks for what is applied here, also where nothing replaces anything."""
        self._flush()
        if self.loader.replacements:
            super().check_replacements()

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        if not self._is_batching:
            self._before(migration)
        try:
            state = self.shown(state, migration)
        except (Exception, SystemExit):
            self._flush()  # it is not the fault of what is under way
            raise
        if self.batch and not (fake or fake_initial):
            after = self.batch.submit(migration, state)
            if after is not None:
                return after
        if self._is_batching:
            self._flush()
            self._before(migration)
        if fake_initial and not fake:
            fake, state = self.detect_soft_applied(state, migration)
            if not fake:
                transaction_control.refuse(self.connection, [(migration, False)])
        atomic_migration = self._atomic_migration(migration, state)
        with self.context.progress.step(key_of(migration), "fake" if fake else "apply", atomic=migration.atomic):
            if fake:
                self._record_faked(migration, "fake")
            elif migration.atomic:
                state = atomic_migration.apply(state)
            elif self.context.journaled is None:
                state = self._as_django_does(migration, "apply", lambda editor: migration.apply(state, editor))
            else:
                state = self._apply_non_atomic(migration, state)
        atomic_migration.finish()
        return state

    def _atomic_migration(self, migration: Migration, state: ProjectState) -> AtomicMigration:
        return AtomicMigration(self.context, migration, self.planner, self._body(migration, "apply", state))

    def _body(self, migration: Migration, action: Action, state: ProjectState) -> TransactionBody:
        return TransactionBody(self.context, migration, state, self._records(migration, action))

    def _records(self, migration: Migration, action: Action) -> MigrationRecords:
        return MigrationRecords(self, self.context, migration, action)

    def _run_alone(self, migration: Migration, state: ProjectState) -> None:
        """The current migration of the run's progress, from its first statement to its end."""
        self._before(migration)
        atomic_migration = self._atomic_migration(migration, state)
        atomic_migration.apply(state)
        self.context.progress.end()
        atomic_migration.finish()

    @property
    def _is_batching(self) -> bool:
        """Whether the server works on a migration that this process has gone past: until that is over, it is asked
        nothing."""
        return "batch" in self.__dict__ and self.batch is not None and self.batch.busy

    def _flush(self) -> None:
        if self.batch and self._is_batching:
            self.batch.flush()

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        self._before(migration)
        state = self.shown_backwards(state, migration)
        with self.context.progress.step(key_of(migration), "unfake" if fake else "unapply", atomic=migration.atomic):
            if fake:
                self._record_faked(migration, "unfake")
                return state
            if not migration.atomic and self.context.journaled is None:
                return self._as_django_does(migration, "unapply", lambda editor: migration.unapply(state, editor))
            if not migration.atomic:
                return self._unapply_non_atomic(migration, state)
            return self._unapply_atomic(migration, state)

    def _unapply_atomic(self, migration: Migration, state: ProjectState) -> ProjectState:
        """Backwards, in place, with lock retries. What its finish phase never made is not there to be dropped."""
        absent = self._never_finished(key_of(migration))
        body = self._body(migration, "unapply", state)

        def attempt(timeout: timedelta) -> ProjectState:
            editor_class = switch_editor(self.connection, absent=absent)
            with committing(self.connection, key_of(migration), editor_class) as editor, body.begun(timeout):
                after = body.run(editor)
                if self.context.journaled is not None:
                    self.context.journal.supersede(key_of(migration))
            return after

        if not self.context.gated:
            return attempt(timedelta(0))
        return self.context.lock_retry.run(key_of(migration), {}, attempt)

    def _never_finished(self, key: Key) -> set[str]:
        if self.context.journaled is None:
            return set()
        rows = journal.to_finish(self.connection.alias).get(key, [])
        return {row.object_name for row in rows if row.kind == "add unique constraint"}

    def _is_recorded_without_receivers(self, migration: Migration) -> bool:
        return django_seams.is_recorded_unheard(self, migration)

    def _apply_non_atomic(self, migration: Migration, state: ProjectState) -> ProjectState:
        records = self._records(migration, "apply")
        plan = self.planner.plan(migration, state, ()) if self.planner else None
        state = NonAtomicMigration(self.context, migration, plan.steps if plan else ()).run(state)
        self.context.confirm(inside=False)
        with transaction.atomic(using=self.connection.alias):
            self.context.journal.commit(key_of(migration))
            records.write()
        return state

    def _unapply_non_atomic(self, migration: Migration, state: ProjectState) -> ProjectState:
        records = self._records(migration, "unapply")
        NonAtomicMigration(self.context, migration, backwards=True).run_backwards(state)
        self.context.confirm(inside=False)
        with transaction.atomic(using=self.connection.alias):
            self.context.journal.commit(key_of(migration))
            self.context.journal.supersede(key_of(migration))
            records.write()
        return state

    def _as_django_does(self, migration: Migration, action: Action, work: Work) -> ProjectState:
        """A migration that is not atomic, in one go, and its record after it."""
        records = self._records(migration, action)
        following = current_operation.followed(self.context.progress, self.connection, migration)
        with following, self.connection.schema_editor(atomic=False) as editor:
            state = work(editor)
        self.context.confirm(inside=False)
        with transaction.atomic(using=self.connection.alias):
            records.write()
        return state

    def _record_faked(self, migration: Migration, action: Action) -> None:
        """Record, and let go of what the journal has open of the migration: the record says how the schema is."""
        records = self._records(migration, action)
        with transaction.atomic(using=self.connection.alias):
            if self.context.journaled is not None:
                self.context.journal.let_go(key_of(migration))
            records.write()

    def _before(self, migration: Migration) -> None:
        """An atomic migration is sure of the lock as its rows are written: until then it can be taken back."""
        shutdown.raise_if_requested()
        self.context.confirm(inside=False, lock=not migration.atomic)

"""Runs migrations as Django does, with one difference: "done" and "recorded" are one transaction.

An atomic migration's operations, its deferred SQL, its ``django_migrations`` row and its ledger row commit together or
not at all; what can be done online runs before and after it (``phases``). A migration with ``atomic = False`` runs
operation by operation (``one_by_one``), and is recorded right after the last one.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.utils import timezone

from lockgate import django_seams
from lockgate.database import rights, session
from lockgate.events import Action
from lockgate.execution import current_operation, shutdown, transaction_control
from lockgate.execution.atomic import Course, Whole
from lockgate.execution.batching import Overlap
from lockgate.execution.context import Duties
from lockgate.execution.next_migration import Planner
from lockgate.execution.non_atomic import Walk
from lockgate.execution.switch_editor import switch_editor
from lockgate.execution.transaction_guard import OneTransaction, committing
from lockgate.facts import Key
from lockgate.ledger import fingerprints, journal
from lockgate.ledger.records import Entry
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
        duties: Duties,
        loader: MigrationLoader | None = None,
    ) -> None:
        if loader is None or loader.replacements:
            super().__init__(connection)
        else:
            django_seams.begin_with(self, connection, loader)
        self.duties = duties
        self.lazy = duties.limits.lazy_rendering

    @cached_property
    def planner(self) -> Planner | None:
        """Plans what runs online; None where nothing does."""
        return Planner(self.connection, self.duties.limits, self.duties.tables) if self.duties.journaled else None

    @cached_property
    def overlap(self) -> Overlap | None:
        """Sends what need not be waited for. None where others use the database, or no ledger is kept of it; and where
        more is said at the beginning and the end of a transaction than BEGIN and COMMIT."""
        alone = self.planner is not None and not self.planner.earlier
        plain = session.begins_plainly(self.connection) and django_seams.edits_as_django_does(self.connection)
        if not (self.duties.seal and self.lazy and alone and plain):
            return None
        return Overlap(self.duties, self._run_ordinarily, self._is_recorded_unheard)

    def migration_plan(self, targets: Any, clean_start: bool = False) -> Any:
        plan = super().migration_plan(targets, clean_start)
        if clean_start:
            return plan  # the order of everything there is, not what will run
        return [(each, backwards) for each, backwards in plan if backwards or key_of(each) not in self.duties.held]

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
        if self.duties.begin is not None:
            self.duties, state = self.duties.begin(), None
            django_seams.take_note_of_applied(self)
            plan = [each for each in plan if key_of(each[0]) not in self.loader.applied_migrations]
        try:
            if not fake:
                plan = self.migration_plan(targets) if plan is None else plan
                surely = [each for each in plan if each[1] or not fake_initial]
                transaction_control.refuse(self.connection, surely)
            with django_seams.routers_unasked_of(MigrationRecord._meta.app_label):
                state = super().migrate(targets, plan, state, fake, fake_initial)
                self._land()
        finally:
            if "overlap" in self.__dict__ and self.overlap:
                self.overlap.close()
        return state

    def check_replacements(self) -> None:
        """Django asks for what is applied here, also where nothing replaces anything."""
        self._land()
        if self.loader.replacements:
            super().check_replacements()

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        if not self._is_overlapping:
            self._before(migration)
        try:
            state = self.shown(state, migration)
        except (Exception, SystemExit):
            self._land()  # it is not the fault of what is under way
            raise
        if self.overlap and not (fake or fake_initial):
            after = self.overlap.take(migration, state)
            if after is not None:
                return after
        if self._is_overlapping:
            self._land()
            self._before(migration)
        if fake_initial and not fake:
            fake, state = self.detect_soft_applied(state, migration)
            if not fake:
                transaction_control.refuse(self.connection, [(migration, False)])
        course = self._course(migration, state)
        with self.duties.progress.step(key_of(migration), "fake" if fake else "apply", atomic=migration.atomic):
            if fake:
                self._record_alone(self._settling(migration, self._recorder(migration, "fake")))
            elif migration.atomic:
                state = course.apply(state)
            elif self.duties.journaled is None:
                state = self._as_django_does(migration, "apply", lambda editor: migration.apply(state, editor))
            else:
                state = self._one_by_one(migration, state)
        course.finish()
        return state

    def _course(self, migration: Migration, state: ProjectState) -> Course:
        return Course(self.duties, migration, self.planner, self._whole(migration, "apply", state))

    def _run_ordinarily(self, migration: Migration, state: ProjectState) -> None:
        """The current migration of the run's progress, from its first statement to its end."""
        self._before(migration)
        course = self._course(migration, state)
        course.apply(state)
        self.duties.progress.end()
        course.finish()

    @property
    def _is_overlapping(self) -> bool:
        """Whether the server works on a migration that this process has gone past: until that is over, it is asked
        nothing."""
        return "overlap" in self.__dict__ and self.overlap is not None and self.overlap.busy

    def _land(self) -> None:
        if self.overlap and self._is_overlapping:
            self.overlap.land()

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        self._before(migration)
        state = self.shown_backwards(state, migration)
        with self.duties.progress.step(key_of(migration), "unfake" if fake else "unapply", atomic=migration.atomic):
            if fake:
                self._record_alone(self._settling(migration, self._recorder(migration, "unfake")))
                return state
            if not migration.atomic and self.duties.journaled is None:
                return self._as_django_does(migration, "unapply", lambda editor: migration.unapply(state, editor))
            if not migration.atomic:
                return self._one_by_one_backwards(migration, state)
            return self._unapply_whole(migration, state)

    def _unapply_whole(self, migration: Migration, state: ProjectState) -> ProjectState:
        """Backwards, in place, under the ladder. What its finish phase never made is not there to be dropped."""
        absent = self._never_finished(key_of(migration))
        whole = self._whole(migration, "unapply", state)

        def last() -> None:
            if self.duties.journaled is not None:
                self.duties.journal.supersede(key_of(migration))

        def attempt(timeout: timedelta) -> ProjectState:
            made = switch_editor(self.connection, absent=absent)
            with committing(self.connection, key_of(migration), made) as editor:
                return whole(editor, timeout, lambda: None, last)

        if not self.duties.gated:
            return attempt(timedelta(0))
        return self.duties.ladder.climb(key_of(migration), {}, attempt)

    def _never_finished(self, key: Key) -> set[str]:
        if self.duties.journaled is None:
            return set()
        rows = journal.to_finish(self.connection.alias).get(key, [])
        return {row.object_name for row in rows if row.kind == "add unique constraint"}

    def _whole(self, migration: Migration, action: Action, state: ProjectState) -> Whole:
        """One attempt at the whole of an atomic migration, in the transaction of an editor that is open.

        A failed attempt must leave the state as it was, so each has a copy of its own.
        """
        started_at, started = timezone.now(), time.monotonic()
        step = migration.apply if action == "apply" else migration.unapply

        def attempt(
            editor: Any, timeout: timedelta, first: Callable[[], None], last: Callable[[], None]
        ) -> ProjectState:
            mine = state.clone() if self.duties.gated else state
            one = OneTransaction(self.connection, self.duties.progress, key_of(migration))
            with one.begun(timeout if self.duties.gated else None):
                first()
                with current_operation.followed(self.duties.progress, self.connection, migration, one):
                    after: ProjectState = step(mine, editor)
                    django_seams.run_deferred_sql(editor)
                self._conclude(one, migration, action, started_at, started)
                last()
            return after

        return attempt

    def _conclude(
        self, one: OneTransaction, migration: Migration, action: Action, started_at: datetime, started: float
    ) -> None:
        """Record a migration in its transaction, where that is the one it began in, and the lock is held."""
        shutdown.raise_if_requested()
        if migration.app_label == MigrationRecord._meta.app_label:
            # No other transaction sees the tables before; and that of the rows is new where there are none.
            rights.take_back(self.connection, history=not self.loader.applied_migrations)
        seal = self.duties.seal
        if seal and action == "apply" and self._is_recorded_unheard(migration):
            entry = self._entry(migration, action, started_at, started)
            one.require_mark(functools.partial(seal, entry))
        else:
            one.require_mark(functools.partial(self.duties.confirm, inside=True))
            self._write(migration, action, started_at, started)

    def _is_recorded_unheard(self, migration: Migration) -> bool:
        return django_seams.is_recorded_unheard(self, migration)

    def _one_by_one(self, migration: Migration, state: ProjectState) -> ProjectState:
        record = self._recorder(migration, "apply")
        plan = self.planner.plan(migration, state, ()) if self.planner else None
        state = Walk(self.duties, migration, plan.steps if plan else ()).go(state)
        self.duties.confirm(inside=False)

        def last() -> None:
            self.duties.journal.commit(key_of(migration))
            record()

        self._record_alone(last)
        return state

    def _one_by_one_backwards(self, migration: Migration, state: ProjectState) -> ProjectState:
        record = self._recorder(migration, "unapply")
        Walk(self.duties, migration, backwards=True).back(state)
        self.duties.confirm(inside=False)

        def last() -> None:
            self.duties.journal.commit(key_of(migration))
            self.duties.journal.supersede(key_of(migration))
            record()

        self._record_alone(last)
        return state

    def _as_django_does(self, migration: Migration, action: Action, work: Work) -> ProjectState:
        """A migration that is not atomic, in one go, and its record after it."""
        record = self._recorder(migration, action)
        following = current_operation.followed(self.duties.progress, self.connection, migration)
        with following, self.connection.schema_editor(atomic=False) as editor:
            state = work(editor)
        self.duties.confirm(inside=False)
        self._record_alone(record)
        return state

    def _settling(self, migration: Migration, record: Callable[[], None]) -> Callable[[], None]:
        """Record, and let go of what the journal has open of the migration: the record says how the schema is."""

        def both() -> None:
            if self.duties.journaled is not None:
                self.duties.journal.let_go(key_of(migration))
            record()

        return both

    def _record_alone(self, record: Callable[[], None]) -> None:
        with transaction.atomic(using=self.connection.alias):
            record()

    def _recorder(self, migration: Migration, action: Action) -> Callable[[], None]:
        """What writes the rows of a migration that starts now: Django's, and the ledger's."""
        started_at, started = timezone.now(), time.monotonic()
        return lambda: self._record(migration, action, started_at, started)

    def _record(self, migration: Migration, action: Action, started_at: datetime, started: float) -> None:
        self.duties.confirm(inside=True)
        self._write(migration, action, started_at, started)

    def _write(self, migration: Migration, action: Action, started_at: datetime, started: float) -> None:
        """The rows that record a migration, where it is sure that the lock is held."""
        shutdown.raise_if_requested()
        django_seams.record(self, migration, forwards=action in ("apply", "fake"))
        self.duties.record(self._entry(migration, action, started_at, started))

    def _entry(self, migration: Migration, action: Action, started_at: datetime, started: float) -> Entry:
        seconds, attempts = time.monotonic() - started, max(self.duties.ladder.attempts, 1)
        return Entry(key_of(migration), action, started_at, seconds, fingerprints.of(migration), attempts)

    def _before(self, migration: Migration) -> None:
        """An atomic migration is sure of the lock as its rows are written: until then it can be taken back."""
        shutdown.raise_if_requested()
        self.duties.confirm(inside=False, lock=not migration.atomic)

"""Runs migrations as Django does, with one difference: "done" and "recorded" are one transaction.

An atomic migration's operations, its deferred SQL, its ``django_migrations`` row and its ledger row commit together or
not at all. A migration with ``atomic = False`` runs as in Django, and is recorded right after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from django.utils import timezone

from lockgate.database import session
from lockgate.errors import MigrationFailed
from lockgate.execution import django_seams, interruption
from lockgate.execution.progress import Progress
from lockgate.facts import Action, Key
from lockgate.ledger import Entry
from lockgate.planning import fingerprint
from lockgate.planning.plan import key_of


class Confirm(Protocol):
    """Raises unless the session still holds the lock. inside: whether a migration's transaction is open."""

    def __call__(self, *, inside: bool) -> None: ...


@dataclass(frozen=True)
class Duties:
    """What the run wants of the executor beside running migrations.

    held: migrations left out of forward plans. record: writes a ledger row in the open transaction.
    """

    progress: Progress
    held: Collection[Key]
    confirm: Confirm
    record: Callable[[Entry], None]


class Executor(MigrationExecutor):
    """Django's executor, with ``apply_migration`` and ``unapply_migration`` made all or nothing."""

    def __init__(self, connection: BaseDatabaseWrapper, progress_callback: Any = None, *, duties: Duties) -> None:
        super().__init__(connection)  # Django's own progress lines are not wanted
        self.duties = duties

    def migration_plan(self, targets: Any, clean_start: bool = False) -> Any:
        plan = super().migration_plan(targets, clean_start)
        if clean_start:
            return plan  # the order of everything there is, not what will run
        return [(each, backwards) for each, backwards in plan if backwards or key_of(each) not in self.duties.held]

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        self._before()
        if fake_initial and not fake:
            fake, state = self.detect_soft_applied(state, migration)
        with self.duties.progress.step(key_of(migration), "fake" if fake else "apply", atomic=migration.atomic):
            done = self._recorder(migration, "fake" if fake else "apply")
            return self._run(migration, done, None if fake else lambda editor: migration.apply(state, editor), state)

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        self._before()
        with self.duties.progress.step(key_of(migration), "unfake" if fake else "unapply", atomic=migration.atomic):
            done = self._recorder(migration, "unfake" if fake else "unapply")
            return self._run(migration, done, None if fake else lambda editor: migration.unapply(state, editor), state)

    def _run(
        self,
        migration: Migration,
        record: Callable[[], None],
        work: Callable[[Any], ProjectState] | None,
        state: ProjectState,
    ) -> ProjectState:
        """Do the work (None: only record it) and record it; together where the migration is atomic."""
        if work is not None and migration.atomic:
            with self.connection.schema_editor(atomic=True) as editor:
                return self._run_whole(migration, record, work, editor)
        if work is not None:
            with self.connection.schema_editor(atomic=False) as editor:
                state = work(editor)
            self.duties.confirm(inside=False)
        with transaction.atomic(using=self.connection.alias):
            record()
        return state

    def _run_whole(
        self, migration: Migration, record: Callable[[], None], work: Callable[[Any], ProjectState], editor: Any
    ) -> ProjectState:
        """The work, its deferred SQL and its rows, in the one transaction that is open."""
        mark = str(key_of(migration))
        session.mark_transaction(self.connection, mark)
        try:
            state = work(editor)
            django_seams.run_deferred_sql(editor)
            if not session.is_marked(self.connection, mark):
                self.duties.progress.transaction_ended = True
                raise MigrationFailed(
                    f"{mark} ended its own transaction",
                    why="its SQL has a COMMIT or ROLLBACK, so what it did cannot be all or nothing",
                    state="",
                    next_step="take COMMIT and ROLLBACK out of it, or set atomic = False; undo by hand what it did",
                )
            record()
        except Exception:
            self.duties.progress.transaction_ended |= not session.is_in_transaction(self.connection)
            raise
        return state

    def _recorder(self, migration: Migration, action: Action) -> Callable[[], None]:
        """What writes the rows of a migration that starts now: Django's, and the ledger's."""
        started_at, started = timezone.now(), time.monotonic()

        def write() -> None:
            interruption.raise_if_requested()
            self.duties.confirm(inside=True)
            django_seams.record(self, migration, forwards=action in ("apply", "fake"))
            seconds = time.monotonic() - started
            seen = fingerprint.of(migration)
            self.duties.record(Entry(key_of(migration), action, started_at, seconds, seen))

        return write

    def _before(self) -> None:
        interruption.raise_if_requested()
        self.duties.confirm(inside=False)

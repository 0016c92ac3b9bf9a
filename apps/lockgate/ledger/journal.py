"""Reads and writes the journal: one row for each step outside a migration's transaction, written before it runs.

Invariant: what the journal says is done, is done. A step that can be transactional is marked in its own transaction;
of one that cannot (CONCURRENTLY), the row says what was tried, and the catalog what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, F, Q, TextField, Value, When
from django.utils import timezone

from lockgate.facts import Key
from lockgate.ledger.records import ERROR_LIMIT
from lockgate.models import Effect, JournalEntry, Run

UNFINISHED = (JournalEntry.State.PLANNED, JournalEntry.State.RUNNING, JournalEntry.State.FAILED)
CONTRACT, EXPAND, FINISH, SWITCH = "contract", "expand", "finish", "switch"
BACKWARDS = "backwards"  # an operation of a migration that is not atomic, taken back
# The SQL of a step that counts: an operation need not be known again by then, whatever its text may tell.
_KEPT = Case(When(phase__in=(SWITCH, BACKWARDS), then=Value("")), default=F("sql"), output_field=TextField())


@dataclass(frozen=True)
class Line:
    """What the journal keeps of a step before it runs. ordinal: its place among the migration's steps, from 0."""

    ordinal: int
    phase: str
    title: str
    kind: str
    table_name: str
    object_name: str
    sql: str
    undo: tuple[str, ...] = ()
    transactional: bool = True
    definition: str = ""
    object_oid: int | None = None


class Journal:
    """The journal of one database, as one run writes it.

    concerned: migrations that have rows still to be changed, where that was read under the lock already.
    """

    def __init__(self, connection: BaseDatabaseWrapper, run: Run, concerned: Iterable[Key] | None = None) -> None:
        self.alias, self.run = connection.alias, run
        if concerned is not None:
            self._concerned = set(concerned)

    def write(
        self, migration: Key, ast_digest: str, lines: Sequence[Line], *, committed: bool = False
    ) -> list[JournalEntry]:
        """Rows of steps that will run, in the transaction that is open, if any."""
        self._concerned.add(migration)
        rows = [
            JournalEntry(
                run_id=self.run.pk,
                app=migration.app,
                name=migration.name,
                ast_digest=ast_digest,
                ordinal=line.ordinal,
                phase=line.phase,
                title=line.title,
                kind=line.kind,
                table_name=line.table_name,
                object_name=line.object_name,
                sql=line.sql,
                undo=list(line.undo),
                transactional=line.transactional,
                definition=line.definition,
                object_oid=line.object_oid,
                committed=committed,
            )
            for line in lines
        ]
        return JournalEntry.objects.using(self.alias).bulk_create(rows)

    @cached_property
    def _concerned(self) -> set[Key]:
        """Migrations that have rows still to be changed: found out once, since nobody else writes while a run does."""
        rows = JournalEntry.objects.using(self.alias).filter(Q(committed=False) | Q(state__in=UNFINISHED))
        return {Key(app, name) for app, name in rows.values_list("app", "name").distinct()}

    @property
    def is_settled(self) -> bool:
        """Whether it has no row that is still to be changed, of any migration: then there is nothing to ask it."""
        return not self._concerned

    def concerns(self, migration: Key) -> bool:
        """Whether it has rows of a migration that are still to be changed."""
        return migration in self._concerned

    def prepared(self, migration: Key) -> list[JournalEntry]:
        """What was done, or begun, for a migration that does not count yet, in the order it was."""
        return prepared(self.alias).get(migration, []) if self.concerns(migration) else []

    def begin(self, step: JournalEntry) -> None:
        """Another attempt at a step starts now."""
        step.state, step.started_at, step.attempts = JournalEntry.State.RUNNING, timezone.now(), step.attempts + 1
        step.save(using=self.alias, update_fields=("state", "started_at", "attempts"))

    def end(self, step: JournalEntry, state: JournalEntry.State, error: str = "") -> None:
        """How an attempt ended."""
        step.state, step.ended_at, step.error = state, timezone.now(), error[:ERROR_LIMIT]
        step.save(using=self.alias, update_fields=("state", "ended_at", "error"))

    def let_go(self, migration: Key) -> None:
        """A migration is recorded as it is: nothing of it is to be undone or finished; what it kept is there still."""
        self.abandon(migration)
        rows = _of(self.alias, migration).filter(phase=FINISH, state__in=UNFINISHED)
        rows.update(state=JournalEntry.State.OBSOLETE, ended_at=timezone.now())

    def note(self, step: JournalEntry, oid: int | None, definition: str = "") -> None:
        """What a step has made, or is about to drop: by this it is known again, whatever bears its name by then."""
        step.object_oid, step.definition = oid, definition
        step.save(using=self.alias, update_fields=("object_oid", "definition"))

    def effects(self, steps: Iterable[JournalEntry]) -> dict[int, list[dict[str, Any]]]:
        """What is noted of these steps, by their numbers."""
        numbers = [step.pk for step in steps]
        rows = Effect.objects.using(self.alias).filter(pk__in=numbers) if numbers else ()
        return {row.pk: row.catalog_objects for row in rows}

    def note_effect(self, step: JournalEntry, catalog_objects: Sequence[Mapping[str, Any]]) -> None:
        """What a step has made, changed or removed, and all that was noted of it before."""
        written = [dict(object_) for object_ in catalog_objects]
        if not Effect.objects.using(self.alias).filter(pk=step.pk).update(catalog_objects=written):
            Effect(entry_id=step.pk, catalog_objects=written).save(using=self.alias)

    def commit(self, migration: Key) -> None:
        """The migration counts from this transaction on: what was prepared for it is no longer to be undone."""
        if not self.concerns(migration):
            return
        rows = _of(self.alias, migration).filter(committed=False)
        Effect.objects.using(self.alias).filter(entry__in=rows).update(catalog_objects=[])  # not looked up any more
        rows.update(committed=True, sql=_KEPT)

    def abandon(self, migration: Key) -> None:
        """What was prepared is neither undone nor used: the migration was recorded by other means."""
        rows = _of(self.alias, migration).filter(committed=False)
        rows.update(committed=True, state=JournalEntry.State.OBSOLETE, ended_at=timezone.now(), sql=_KEPT)

    def forget(self, step: JournalEntry) -> None:
        """A person has taken it over: it is neither to be done nor to be undone any more."""
        step.committed = True
        step.sql = "" if step.phase in (SWITCH, BACKWARDS) else step.sql
        step.save(using=self.alias, update_fields=("committed", "sql"))
        self.end(step, JournalEntry.State.OBSOLETE, step.error)

    def move(self, step: JournalEntry, table: str, target: str) -> None:
        """What a contract step is about has other names now."""
        step.table_name, step.object_name = table, target
        step.save(using=self.alias, update_fields=("table_name", "object_name"))

    def supersede(self, migration: Key) -> None:
        """A migration is applied again, or unapplied: what earlier times left to be done is not wanted any more."""
        if not self.concerns(migration):
            return
        rows = _of(self.alias, migration).filter(state__in=UNFINISHED, committed=True)
        rows.update(state=JournalEntry.State.OBSOLETE, ended_at=timezone.now())


def exists(connection: BaseDatabaseWrapper) -> bool:
    """Whether the journal's table is visible on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.to_regclass(%s) IS NOT NULL", [JournalEntry._meta.db_table])
        return bool(cursor.fetchone()[0])


def prepared(alias: str) -> dict[Key, list[JournalEntry]]:
    """What was done, or begun, for migrations that do not count yet, in the order it was."""
    rows = JournalEntry.objects.using(alias).filter(committed=False).exclude(state=JournalEntry.State.UNDONE)
    return _by_migration(rows.order_by("app", "name", "id"))


def to_finish(alias: str) -> dict[Key, list[JournalEntry]]:
    """Finish steps that are not done, by migration, in the order those were applied."""
    return _by_migration(_unfinished(alias).filter(phase=FINISH).order_by("id"))


def half_finished(alias: str) -> dict[Key, list[JournalEntry]]:
    """The finish steps of migrations that have some which are not done; with those that are, as the same run has
    written them: since it died, somebody may have dropped what they made.
    """
    unfinished = to_finish(alias)
    runs = {(key, row.run_id) for key, rows in unfinished.items() for row in rows}
    rows = JournalEntry.objects.using(alias).filter(
        phase=FINISH, committed=True, state__in=(*UNFINISHED, JournalEntry.State.DONE)
    )
    rows = rows.filter(run_id__in={run for _, run in runs}).order_by("id")
    return _by_migration(row for row in rows if (Key(row.app, row.name), row.run_id) in runs)


def open_contracts(alias: str):  # type: ignore[no-untyped-def]  # a QuerySet, generic in the stubs alone
    """Contract steps that are still to be done, oldest first."""
    return _unfinished(alias).filter(phase=CONTRACT).order_by("id")


def unfinished(alias: str) -> set[Key]:
    """The migrations of which something that was begun is neither done nor undone; contract steps may wait.

    Of any release: what is open of a migration that the code does not have is for another release to finish.
    """
    open_rows = Q(committed=False) & ~Q(state=JournalEntry.State.UNDONE)
    open_rows |= Q(phase=FINISH, state__in=UNFINISHED)
    rows = JournalEntry.objects.using(alias).filter(open_rows).values_list("app", "name").distinct()
    return {Key(app, name) for app, name in rows}


def open_steps(alias: str) -> list[JournalEntry]:
    """The steps of whatever release that are neither done nor undone, oldest first; contract steps are not."""
    rows = JournalEntry.objects.using(alias).filter(
        Q(committed=False) & ~Q(state=JournalEntry.State.UNDONE) | Q(phase=FINISH, state__in=UNFINISHED)
    )
    return list(rows.select_related("run").order_by("id"))


def of_migrations(alias: str) -> dict[Key, list[JournalEntry]]:
    """The steps of every migration that has some open, all of them, in their order: for who shows them."""
    rows = (
        JournalEntry.objects.using(alias)
        .exclude(state__in=(JournalEntry.State.UNDONE, JournalEntry.State.OBSOLETE))
        .order_by("id")
    )
    rows = rows.exclude(phase=BACKWARDS, committed=True)
    by_migration = _by_migration(rows)
    return {key: steps for key, steps in by_migration.items() if any(is_open(step) for step in steps)}


def is_open(step: JournalEntry) -> bool:
    return not step.committed or step.state in UNFINISHED


def _unfinished(alias: str):  # type: ignore[no-untyped-def]
    return JournalEntry.objects.using(alias).filter(committed=True, state__in=UNFINISHED)


def _of(alias: str, migration: Key):  # type: ignore[no-untyped-def]
    return JournalEntry.objects.using(alias).filter(app=migration.app, name=migration.name)


def _by_migration(rows: Iterable[JournalEntry]) -> dict[Key, list[JournalEntry]]:
    by_migration: dict[Key, list[JournalEntry]] = {}
    for row in rows:
        by_migration.setdefault(Key(row.app, row.name), []).append(row)
    return by_migration

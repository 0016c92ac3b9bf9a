"""What is applied, pending, held or unknown to this release: values, for whoever shows or serves them.

Reads only; takes no lock, and opens no transaction that stays.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg
from django.db import ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError

from lockgate.database import extensions, server_messages, session
from lockgate.errors import LedgerDamaged, ReadRefused
from lockgate.events import ExtensionOutcome, Held
from lockgate.execution import failures
from lockgate.facts import Key
from lockgate.gate import own_tables
from lockgate.ledger import journal, records
from lockgate.models import JournalEntry
from lockgate.planning import selection

UNDEFINED_TABLE, NO_PRIVILEGE = "42P01", "42501"
_OWN_APP = JournalEntry._meta.app_label
_NOT_AS_ASKED = "42"  # the class of what is not there, or is another thing than a statement takes it for

State = Literal["applied", "unrecorded", "pending", "held", "ahead", "begun"]


@dataclass(frozen=True)
class StepStatus:
    """One step of the journal, of a migration that has some open. state: as the journal has it."""

    phase: str
    title: str
    state: str
    attempts: int
    error: str = ""

    @property
    def done(self) -> bool:
        return self.state == JournalEntry.State.DONE


@dataclass(frozen=True)
class MigrationStatus:
    """One migration. squashed: how many it replaces. reason: why it is held. steps: all, where some are open."""

    key: Key
    state: State
    applied_at: datetime | None = None
    squashed: int = 0
    reason: str = ""
    steps: tuple[StepStatus, ...] = ()

    @property
    def between(self) -> tuple[StepStatus, ...]:
        """The steps of the phase that the migration is in the middle of; none where it is in none."""
        phases = ("finish", "backwards") if self.state in ("applied", "ahead") else ("expand", "switch")
        steps = tuple(step for step in self.steps if step.phase in phases)
        return steps if self.state not in ("applied", "ahead") or not all(step.done for step in steps) else ()

    @property
    def contract(self) -> tuple[StepStatus, ...]:
        """What waits for the release before to be gone."""
        return tuple(step for step in self.steps if step.phase == "contract" and not step.done)


@dataclass(frozen=True)
class Status:
    """All migrations in the order they run within their app, those unknown to this release last.

    apps: those that have a package of migrations, be it empty. damage: why the journal could not be read; then what is
    half-way is not known.
    """

    migrations: tuple[MigrationStatus, ...]
    extensions: tuple[ExtensionOutcome, ...]
    apps: frozenset[str] = frozenset()
    damage: LedgerDamaged | None = None

    def of(self, *states: State) -> list[MigrationStatus]:
        return [migration for migration in self.migrations if migration.state in states]

    @property
    def ready(self) -> bool:
        """Whether everything that can be applied is: held migrations wait for something outside.

        Not while a migration that counts as applied is half-way back, or may be.
        """
        half_way = any(step.phase == "backwards" for migration in self.migrations for step in migration.steps)
        return not self.of("pending", "unrecorded") and not half_way and self.damage is None


def read(connection: BaseDatabaseWrapper) -> Status:
    """The status of one database. Raises django.db.Error, ReadRefused where this role may not read it, or LedgerDamaged
    where ``django_migrations`` cannot be read; a journal that cannot be is told in the status.
    """
    with _explained(connection):
        return _read(connection)


def _read(connection: BaseDatabaseWrapper) -> Status:
    loader = MigrationLoader(connection, ignore_no_migrations=True)
    recorded = MigrationRecorder(connection).applied_migrations()
    if not recorded and connection.vendor == "postgresql":
        records.refuse_hidden(connection)
    keys = [Key(*key) for key in _in_order(loader)]
    held, outcomes = _held(connection, loader, [key for key in keys if key not in loader.applied_migrations])
    steps, damage = _journal(connection, exists=any(app == _OWN_APP for app, _ in recorded))
    listed = [replace(_status(key, loader, recorded, held), steps=_steps(steps.get(key, ()))) for key in keys]
    ahead = selection.ahead(recorded, loader.disk_migrations.values(), loader.migrated_apps)
    listed += [MigrationStatus(key, "ahead", recorded[key].applied, steps=_steps(steps.get(key, ()))) for key in ahead]
    elsewhere = sorted(steps.keys() - {migration.key for migration in listed} - loader.disk_migrations.keys())
    listed += [MigrationStatus(key, "begun", steps=_steps(steps[key])) for key in elsewhere]
    return Status(tuple(listed), tuple(outcomes), frozenset(loader.migrated_apps), damage)


def _journal(
    connection: BaseDatabaseWrapper, *, exists: bool
) -> tuple[Mapping[Key, Sequence[JournalEntry]], LedgerDamaged | None]:
    """The steps of migrations that have some open, or why they are not known. exists: whether there must be a
    journal."""
    if connection.vendor != "postgresql":
        return {}, None
    try:
        if journal.exists(connection):
            return journal.of_migrations(connection.alias), None
    except ProgrammingError as error:
        if (sqlstate := _not_as_asked(connection, error)) is None:
            raise
        return {}, _damaged(connection, sqlstate)
    if not exists:
        return {}, None
    records.refuse_hidden(connection)
    return {}, _damaged(connection)


@contextlib.contextmanager
def _explained(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let a right that this role lacks leave as ReadRefused, with what grants it, and what is not as Lockgate's own
    migrations have made it as LedgerDamaged. By SQLSTATE."""
    try:
        yield
    except (ProgrammingError, psycopg.ProgrammingError) as error:
        if (sqlstate := _not_as_asked(connection, error)) is not None:
            raise _damaged(connection, sqlstate) from error
        if failures.sqlstate_of(error) != NO_PRIVILEGE:
            raise
        grants = records.lacking(connection) if connection.get_autocommit() else ()
        raise ReadRefused(grants=grants, why=" ".join(server_messages.of(error).split())) from error


def _not_as_asked(connection: BaseDatabaseWrapper, error: Exception) -> str | None:
    """The SQLSTATE of an error that says that a table is not what a statement takes it for, where more can be asked."""
    sqlstate = failures.sqlstate_of(error) or ""
    told = sqlstate.startswith(_NOT_AS_ASKED) and sqlstate != NO_PRIVILEGE and connection.get_autocommit()
    return sqlstate if told else None


def _damaged(connection: BaseDatabaseWrapper, sqlstate: str = UNDEFINED_TABLE) -> LedgerDamaged:
    """sqlstate: what the server says. What is damaged is told where it can be found out."""
    lines = []
    with contextlib.suppress(DatabaseError, psycopg.Error):
        lines = [damage.what for damage in own_tables.damages_as_recorded(connection)]
    what = "; ".join(lines) or "a table of Lockgate, or django_migrations, is not as it was made"
    return LedgerDamaged(
        why=f"{what} (SQLSTATE {sqlstate})",
        next_step="see what can be done:  manage.py lockgate repair\nwhat can be made again, the next start that has "
        "something to do makes:  manage.py migrate",
    )


def _status(key: Key, loader: MigrationLoader, recorded: Any, held: dict[Key, Held]) -> MigrationStatus:
    squashed = len(loader.graph.nodes[key].replaces)
    if key in loader.applied_migrations:
        row = recorded.get(key)
        state: State = "applied" if row else "unrecorded"
        return MigrationStatus(key, state, row.applied if row else None, squashed)
    if key in held:
        return MigrationStatus(key, "held", None, squashed, held[key].reason)
    return MigrationStatus(key, "pending", None, squashed)


def _steps(rows: Iterable[JournalEntry]) -> tuple[StepStatus, ...]:
    return tuple(StepStatus(row.phase, row.title, row.state, row.attempts, row.error) for row in rows)


def _in_order(loader: MigrationLoader) -> Iterable[tuple[str, str]]:
    """Every migration of the graph, in the order Django lists those of an app."""
    seen: dict[tuple[str, str], None] = {}
    for app_label in sorted(loader.migrated_apps):
        for leaf in loader.graph.leaf_nodes(app_label):
            for key in loader.graph.forwards_plan(leaf):
                if key[0] == app_label:
                    seen.setdefault(key)
    return seen


def _held(
    connection: BaseDatabaseWrapper, loader: MigrationLoader, pending: Sequence[Key]
) -> tuple[dict[Key, Held], list[ExtensionOutcome]]:
    nodes = [loader.graph.nodes[key] for key in pending]
    names = selection.required_extensions(nodes)
    if not names or connection.vendor != "postgresql":
        return {}, []
    connection.ensure_connection()
    preflights = extensions.survey(connection, names)
    outcomes = extensions.outcomes(preflights.values(), session.server_facts(connection))
    in_order = [loader.graph.nodes[key] for key in _dependencies_first(loader, pending)]
    by_name = {outcome.name: outcome for outcome in outcomes}
    return selection.held([(node, False) for node in in_order], loader.graph, by_name), outcomes


def _dependencies_first(loader: MigrationLoader, pending: Sequence[Key]) -> list[tuple[str, str]]:
    keys = set(pending)
    ordered: dict[tuple[str, str], None] = {}
    for leaf in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(leaf):
            if key in keys:
                ordered.setdefault(key)
    return list(ordered)


class StatusWatch:
    """The status of one database, asked again and again: one small query while its rows stay the same.

    For probes and waiting workers. Safe to share between threads; each uses its own connection.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._seen: tuple[frozenset[tuple[str, str]], Status] | None = None

    def status(self) -> Status:
        """Raises django.db.Error where the database does not answer, ReadRefused where this role may not read it, and
        LedgerDamaged where what is half-way is not known.
        """
        connection = connections[self._alias]
        with _explained(connection):
            rows = _rows(connection)
        with self._lock:
            seen = self._seen
            # What is held, or not seen, may stop being so without a row that changes.
            if seen is None or seen[0] != rows or not rows or seen[1].of("held"):
                seen = rows, read(connection)
                if seen[1].damage:
                    raise seen[1].damage
                self._seen = seen
            return seen[1]


def _rows(connection: BaseDatabaseWrapper) -> frozenset[tuple[str, str]]:
    """The names in ``django_migrations``; none where there is no such table."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            return frozenset(cursor.fetchall())
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", None) == UNDEFINED_TABLE:
            return frozenset()
        raise

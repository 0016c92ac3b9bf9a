"""The only file that touches what Django does not promise to keep. One test per seam, per Django version.

A seam replaces something for the length of a ``with`` block, or reads what Django knows and does not publish.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand, OutputWrapper
from django.core.management.commands import migrate as django_migrate
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.creation import TEST_DATABASE_PREFIX
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import post_init, post_save, pre_init, pre_save
from django.dispatch import Signal
from psycopg.pq import TransactionStatus

_OF_OBJECTS = (pre_init, post_init, pre_save, post_save)
_RECORDING = {"django.db.migrations.executor", "django.db.migrations.recorder"}

ExecutorFactory = Callable[..., MigrationExecutor]


@contextlib.contextmanager
def executor_in_place(factory: ExecutorFactory) -> Iterator[None]:
    """Let Django's ``migrate`` build its executor with this factory.

    Django takes the class from a global of the command's module (5.2, 6.0, 6.1).
    """
    module: Any = django_migrate
    original = module.MigrationExecutor
    module.MigrationExecutor = factory
    try:
        yield
    finally:
        module.MigrationExecutor = original


@contextlib.contextmanager
def signals_sent_with(stdout: OutputWrapper) -> Iterator[None]:
    """Let receivers of pre_migrate and post_migrate write here, also where Django's own lines go nowhere.

    Django takes what sends them from globals of the command's module, and gives them the command's stdout.
    """
    module: Any = django_migrate
    kept = {name: getattr(module, name) for name in ("emit_pre_migrate_signal", "emit_post_migrate_signal")}
    for name, emit in kept.items():
        setattr(module, name, _sending(emit, stdout))
    try:
        yield
    finally:
        for name, emit in kept.items():
            setattr(module, name, emit)


def _sending(emit: Callable[..., None], output: OutputWrapper) -> Callable[..., None]:
    return lambda *args, **options: emit(*args, **{**options, "stdout": output})


def edits_as_django_does(connection: BaseDatabaseWrapper) -> bool:
    """Whether the editor of this connection's backend begins, sends and ends as Django's do."""
    ways = (getattr(connection.SchemaEditorClass, name) for name in ("__init__", "__enter__", "__exit__", "execute"))
    return all(str(way.__module__).partition(".")[0] == "django" for way in ways)


def collecting_editor(connection: BaseDatabaseWrapper) -> BaseDatabaseSchemaEditor:
    """An editor that keeps in ``collected_sql`` what it would send, as that of ``sqlmigrate`` does.

    Its transaction is somebody else's to begin and to end: it must not be entered.
    """
    editor: Any = connection.SchemaEditorClass(connection, collect_sql=True, atomic=True)
    editor.deferred_sql = []
    collecting: BaseDatabaseSchemaEditor = editor
    return collecting


def run_deferred_sql(editor: BaseDatabaseSchemaEditor) -> None:
    """Run what the editor kept for its end now, inside its transaction.

    Django runs it in ``__exit__``, where an error leaves the transaction open, and after which it records the
    migration in a second transaction. Run here, both happen within the first.
    """
    deferred, editor.deferred_sql = editor.deferred_sql, []
    for statement in deferred:
        editor.execute(statement, None)


def record(executor: MigrationExecutor, migration: Migration, *, forwards: bool) -> None:
    """Write or delete the ``django_migrations`` rows of a migration and of those it replaces.

    ``record_migration`` takes the migration in Django 5.2, and its label, name and direction from 6.0 on.
    """
    record_migration: Any = executor.record_migration
    if len(inspect.signature(record_migration).parameters) > 1:
        record_migration(migration.app_label, migration.name, forwards)
    elif forwards:
        record_migration(migration)
    else:
        for app_label, name in (*migration.replaces, (migration.app_label, migration.name)):
            executor.recorder.record_unapplied(app_label, name)


def is_recorded_unheard(executor: MigrationExecutor, migration: Migration) -> bool:
    """Whether to record this migration as applied is to write one row, of which nobody hears.

    Not where it replaces others, where a receiver hears of the recorder's objects, or where somebody has put functions
    of their own into the place of Django's.
    """
    ways: tuple[Any, ...] = (executor.record_migration, executor.recorder.record_applied)
    if migration.replaces or {way.__module__ for way in ways} != _RECORDING:
        return False
    return not any(signal.has_listeners(executor.recorder.Migration) for signal in _OF_OBJECTS)


def is_test_database(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is a database that a test runner made: Django renames the connection before it migrates."""
    name = connection.settings_dict["NAME"]
    test_name = connection.settings_dict["TEST"]["NAME"]
    return name == test_name or str(name).startswith(TEST_DATABASE_PREFIX)


def called_from_command_line(command: BaseCommand) -> bool:
    return bool(getattr(command, "_called_from_command_line", False))


def receivers(signal: Signal, sender: object) -> list[object]:
    """Who hears a signal of this sender; Django publishes only whether anybody does."""
    return [receiver for group in signal._live_receivers(sender) for receiver in group]


def leave_transaction(connection: BaseDatabaseWrapper) -> None:
    """Bring a session whose work failed back to autocommit, whatever was left open on it.

    Code that swallows an exception between Django and the server can leave a transaction, and Django's books of it,
    open. Does nothing on a clean session, and nothing but close the books where the session is gone.
    """
    opened = connection.connection
    if opened is not None and not opened.closed and opened.info.transaction_status != TransactionStatus.IDLE:
        opened.rollback()
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.atomic_blocks = []
    connection.needs_rollback = False
    connection.run_on_commit = []
    if opened is not None and not opened.closed:
        connection.set_autocommit(True)


@contextlib.contextmanager
def unprepared(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep Django's ``migrate`` from preparing the database: PostGIS' backend creates its extension there."""
    wrapper: Any = connection
    wrapper.prepare_database = lambda: None  # on this wrapper alone, in front of its class's
    try:
        yield
    finally:
        del wrapper.prepare_database


def history(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    """What a recorder's ``applied_migrations`` is answered with, from the rows of its table (5.2, 6.0, 6.1)."""
    model: Any = MigrationRecorder.Migration
    return {(row["app"], row["name"]): model(**row) for row in rows}


@contextlib.contextmanager
def history_known(connection: BaseDatabaseWrapper, applied: Mapping[tuple[str, str], Any] | None) -> Iterator[None]:
    """Answer Django's recorders of this connection with what was read of its table, until it is forgotten.

    None, or functions of somebody else's in the place of Django's: they ask as ever.
    """
    recorder: Any = MigrationRecorder
    kept = {name: getattr(recorder, name) for name in ("applied_migrations", "has_table")}
    if applied is None or {method.__module__ for method in kept.values()} != {MigrationRecorder.__module__}:
        yield
        return
    _known_histories[connection.alias] = applied

    def applied_migrations(self: Any) -> Any:
        known = _known_histories.get(self.connection.alias) if self.connection is connection else None
        return kept["applied_migrations"](self) if known is None else dict(known)

    def has_table(self: Any) -> Any:
        known = self.connection is connection and connection.alias in _known_histories
        return known or kept["has_table"](self)

    module: Any = django_migrate
    emit = module.emit_pre_migrate_signal

    def emit_pre_migrate_signal(*args: Any, **options: Any) -> None:
        forget_history(connection)  # a receiver that writes there and asks again must find it
        emit(*args, **options)

    recorder.applied_migrations, recorder.has_table = applied_migrations, has_table
    module.emit_pre_migrate_signal = emit_pre_migrate_signal
    try:
        yield
    finally:
        recorder.applied_migrations, recorder.has_table = kept["applied_migrations"], kept["has_table"]
        module.emit_pre_migrate_signal = emit
        forget_history(connection)


def forget_history(connection: BaseDatabaseWrapper) -> None:
    """What was read of the recorder's table holds no longer: something may have been written there."""
    _known_histories.pop(connection.alias, None)


_known_histories: dict[str, Mapping[tuple[str, str], Any]] = {}


def record_all(connection: BaseDatabaseWrapper, keys: Iterable[tuple[str, str]]) -> None:
    """Write the ``django_migrations`` rows of many migrations, in their order, as applied now."""
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.bulk_create([recorder.Migration(app=app, name=name) for app, name in keys])


def begin_with(executor: MigrationExecutor, connection: BaseDatabaseWrapper, loader: MigrationLoader) -> None:
    """What an executor's constructor does, with a loader that has read the same files before, if not what is applied.

    Where migrations replace others, the loader's graph depends on what is applied: then it must be made anew.
    """
    prepared: Any = executor
    prepared.connection, prepared.progress_callback = connection, None
    prepared.loader, prepared.recorder = copy.copy(loader), MigrationRecorder(connection)
    prepared.recorder._has_table = connection.alias in _known_histories  # it is not asked for again once it is known
    take_note_of_applied(executor)


def take_note_of_applied(executor: MigrationExecutor) -> None:
    """Have an executor read again what is applied: something else than itself has applied migrations."""
    loader: Any = executor.loader
    loader.applied_migrations = executor.recorder.applied_migrations()


def renew_type_handlers(connection: BaseDatabaseWrapper) -> None:
    """Have a session know the types of extensions that came after it was opened, as ``CreateExtension`` does.

    Without it a session that loaded ``hstore`` hands its values out as text.
    """
    signals: Any = sys.modules.get("django.contrib.postgres.signals")
    if signals is not None:
        signals.get_hstore_oids.cache_clear()
        signals.get_citext_oids.cache_clear()
        signals.register_type_handlers(connection)


@contextlib.contextmanager
def routers_unasked_of(app_label: str) -> Iterator[None]:
    """Let migrations of this app make its tables wherever they are run, whatever the project's routers say of it.

    Django's operations ask ``router.allow_migrate_model``, which asks ``router.allow_migrate`` (5.2, 6.0).
    """
    asking: Any = router
    asked = asking.allow_migrate

    def allow(db: str, label: str, **hints: Any) -> bool:
        return label == app_label or asked(db, label, **hints)

    asking.allow_migrate = allow  # on this object alone, in front of its class's
    try:
        yield
    finally:
        del asking.allow_migrate


@contextlib.contextmanager
def without_post_migrate() -> Iterator[None]:
    """Have Django's ``migrate`` end with the migrations (the sender is a global of the command's module)."""
    module: Any = django_migrate
    original = module.emit_post_migrate_signal
    module.emit_post_migrate_signal = lambda *arguments, **options: None
    try:
        yield
    finally:
        module.emit_post_migrate_signal = original

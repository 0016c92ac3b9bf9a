"""Each seam of ``django_seams.py``, on the Django that is installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.postgres import signals
from django.core.management import call_command
from django.core.management.commands import migrate as django_migrate
from django.db import connection, models, transaction
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import post_init, post_migrate, post_save, pre_init, pre_save
from django.dispatch import Signal

from lockgate import django_seams
from lockgate.execution import current_operation
from lockgate.execution.context import RunContext
from lockgate.execution.executor import Executor
from lockgate.execution.progress import Progress
from lockgate.policy import Policy

pytestmark = pytest.mark.django_db(transaction=True)


class Built(Exception):
    """The factory was asked."""


def test_djangos_migrate_builds_its_executor_from_the_global_that_is_replaced() -> None:
    def factory(*arguments: Any) -> MigrationExecutor:
        raise Built

    with django_seams.executor_in_place(factory), pytest.raises(Built):
        call_command(django_migrate.Command(), verbosity=0)
    assert django_migrate.MigrationExecutor is MigrationExecutor


@pytest.mark.parametrize("replaces", [[], [("seams", "0001_a"), ("seams", "0002_b")]])
def test_a_migration_is_recorded_and_forgotten_with_those_it_replaces(replaces: list[tuple[str, str]]) -> None:
    executor = MigrationExecutor(connection)
    migration = Migration("0003_c", "seams")
    migration.replaces = replaces
    executor.loader.disk_migrations["seams", "0003_c"] = migration
    django_seams.record(executor, migration, forwards=True)
    recorded = {name for app, name in executor.recorder.applied_migrations() if app == "seams"}
    assert recorded >= ({"0001_a", "0002_b"} if replaces else {"0003_c"})
    django_seams.record(executor, migration, forwards=False)
    assert not [name for app, name in executor.recorder.applied_migrations() if app == "seams"]


def test_a_migration_that_replaces_others_is_not_one_row() -> None:
    executor, migration = MigrationExecutor(connection), Migration("0003_c", "seams")
    assert django_seams.is_recorded_unheard(executor, migration)
    migration.replaces = [("seams", "0001_a"), ("seams", "0002_b")]
    assert not django_seams.is_recorded_unheard(executor, migration)


@pytest.mark.parametrize("signal", [pre_init, post_init, pre_save, post_save])
@pytest.mark.parametrize("sender", [None, MigrationRecorder.Migration, Group])
def test_receivers_of_saved_objects_are_known(signal: Signal, sender: Any) -> None:
    def hear(**arguments: Any) -> None: ...

    executor, migration = MigrationExecutor(connection), Migration("0003_c", "seams")
    signal.connect(hear, sender=sender)
    try:
        assert django_seams.is_recorded_unheard(executor, migration) is (sender is Group)
    finally:
        signal.disconnect(hear, sender=sender)
    assert django_seams.is_recorded_unheard(executor, migration)


@pytest.mark.parametrize(
    ("kind", "name"), [(MigrationExecutor, "record_migration"), (MigrationRecorder, "record_applied")]
)
def test_functions_in_the_place_of_djangos_are_known(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> None:
    executor, migration = MigrationExecutor(connection), Migration("0003_c", "seams")
    monkeypatch.setattr(kind, name, lambda *arguments: None)
    assert not django_seams.is_recorded_unheard(executor, migration)


def test_deferred_sql_runs_once_inside_the_block() -> None:
    with connection.schema_editor(atomic=True) as editor:
        editor.execute("CREATE TABLE seam (id int)")
        editor.deferred_sql.append("INSERT INTO seam VALUES (1)")
        django_seams.run_deferred_sql(editor)
        assert editor.deferred_sql == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM seam")
        assert cursor.fetchone() == (1,)
        cursor.execute("DROP TABLE seam")


def test_a_collecting_editor_keeps_what_another_sends_and_sends_nothing(django_assert_num_queries: Any) -> None:
    class Kept(models.Model):  # noqa: DJ008  it is never shown
        name = models.CharField("a 'name', 100%", max_length=20, default="it's", db_index=True)

        class Meta:
            app_label = "seams"

    editor: Any = django_seams.collecting_editor(connection)
    with django_assert_num_queries(0):
        editor.create_model(Kept)
        django_seams.run_deferred_sql(editor)
    kept = editor.collected_sql
    assert all(each.endswith(";") for each in kept)
    assert not connection.in_atomic_block
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        assert not params  # all of it is text
        sent.append(f"{sql};")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note), connection.schema_editor() as another:
        another.create_model(Kept)
    assert kept == sent
    connection.cursor().execute("DROP TABLE seams_kept")


@pytest.mark.parametrize("name", ["__init__", "__enter__", "__exit__", "execute"])
def test_an_editor_that_says_more_than_djangos_is_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert django_seams.edits_as_django_does(connection)

    def own(self: Any, *arguments: Any) -> Any:
        raise NotImplementedError

    editor = type("Editor", (connection.SchemaEditorClass,), {name: own})
    monkeypatch.setattr(connection, "SchemaEditorClass", editor, raising=False)
    assert not django_seams.edits_as_django_does(connection)


def test_code_gets_what_a_cursor_answers_while_its_statements_are_noted() -> None:
    with current_operation.statements_noted(Progress(lambda event: None), connection), connection.cursor() as cursor:
        assert cursor.execute("SELECT 7").fetchone() == (7,)


def test_a_leaked_transaction_is_left_and_the_session_stays_the_same() -> None:
    connection.ensure_connection()
    before = connection.connection
    transaction.atomic().__enter__()
    transaction.atomic().__enter__()
    connection.cursor().execute("CREATE TABLE leaked (id int)")
    connection.needs_rollback = True
    django_seams.leave_transaction(connection)
    assert connection.connection is before
    assert (connection.in_atomic_block, connection.get_autocommit(), connection.needs_rollback) == (False, True, False)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('leaked') IS NULL")
        assert cursor.fetchone() == (True,)


@pytest.mark.parametrize(
    ("name", "test_name", "expected"),
    [("test_shop", None, True), ("custom", "custom", True), ("shop", None, False), ("shop", "custom", False)],
)
def test_a_test_runners_database_is_known_by_its_name(name: str, test_name: str | None, expected: bool) -> None:
    given: Any = SimpleNamespace(settings_dict={"NAME": name, "TEST": {"NAME": test_name}})
    assert django_seams.is_test_database(given) is expected


def test_an_executor_that_begins_with_a_loader_has_all_that_djangos_has() -> None:
    before = MigrationExecutor(connection).loader
    executor = MigrationExecutor.__new__(MigrationExecutor)
    with transaction.atomic():
        MigrationRecorder(connection).record_applied("seams", "0001_a")
        django_seams.begin_with(executor, connection, before)
        stock = MigrationExecutor(connection)
        transaction.set_rollback(True)
    assert {name: type(value) for name, value in vars(executor).items()} == {
        name: type(value) for name, value in vars(stock).items()
    }
    ours, djangos = vars(executor.loader), vars(stock.loader)
    assert ours.keys() == djangos.keys()
    assert ours["applied_migrations"].keys() == djangos["applied_migrations"].keys()
    assert ("seams", "0001_a") not in before.applied_migrations
    assert executor.loader.graph.nodes.keys() == stock.loader.graph.nodes.keys()


def test_an_executor_reads_the_files_anew_where_migrations_replace_others() -> None:
    """What replaces what in a graph depends on what is applied."""
    migration_loader = MigrationExecutor(connection).loader
    context = RunContext(connection, Progress(print), (), lambda **_: None, print, Policy())
    assert Executor(connection, context=context, loader=migration_loader).loader.graph is migration_loader.graph
    migration_loader.replacements = {("seams", "0003_c"): Migration("0003_c", "seams")}
    executor = Executor(connection, context=context, loader=migration_loader)
    assert not executor.loader.replacements
    assert executor.loader.graph is not migration_loader.graph


def test_many_migrations_are_recorded_in_their_order_and_taken_note_of() -> None:
    executor = MigrationExecutor(connection)
    keys = [("seams", "0002_b"), ("seams", "0001_a")]
    try:
        django_seams.record_all(connection, keys)
        assert ("seams", "0001_a") not in executor.loader.applied_migrations
        django_seams.take_note_of_applied(executor)
        assert [key for key in executor.loader.applied_migrations if key[0] == "seams"] == keys
    finally:
        executor.recorder.migration_qs.filter(app="seams").delete()


@pytest.mark.usefixtures("pgvector")
def test_djangos_migrate_sends_post_migrate_from_the_global_that_is_replaced() -> None:
    heard: list[str] = []

    def hear(**arguments: Any) -> None:
        heard.append("post_migrate")

    post_migrate.connect(hear)
    try:
        with django_seams.without_post_migrate():
            call_command(django_migrate.Command(), verbosity=0)
        assert heard == []
        call_command(django_migrate.Command(), verbosity=0)
        assert heard
    finally:
        post_migrate.disconnect(hear)


def test_the_types_of_extensions_are_looked_up_again() -> None:
    connection.ensure_connection()
    for _ in range(9):
        signals.get_hstore_oids(connection.alias)
    django_seams.renew_type_handlers(connection)
    found = signals.get_hstore_oids.cache_info()
    assert found.hits < 5, "what was known before is known still"
    assert found.currsize == 1, "nothing was looked up"

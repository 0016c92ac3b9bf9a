"""Migrations of an empty database that are sent whole: what they leave, and what is told where one of them fails."""

from __future__ import annotations

import contextlib
import os
import re
import signal

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support import databases, schema
from tests.support.databases import Database, another
from tests.support.processes import lock_is_free, says, until
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, SEED_COUNTER, Result, Site, finish
from tests.support.sweep_wire import Moment, Watch, on_the_wire

WHOLE = "lockgate.began"  # what each that is sent whole says at its beginning
SLOW = """
CREATE OR REPLACE FUNCTION shop_slow(integer) RETURNS boolean
LANGUAGE sql VOLATILE AS 'SELECT pg_sleep({0}) IS NOT NULL'
"""
CHECK = 'migrations.AddConstraint("Counter", models.CheckConstraint(condition={0}, name="{1}"))'
SLOW_CHECK = CHECK.format('models.Func("value", function="shop_slow", output_field=models.BooleanField())', "slowly")
AT_SLOW = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
UNIQUE = 'migrations.AlterField("Counter", "two", models.IntegerField(null=True, unique={0}))'
LINKED = (
    'migrations.CreateModel("Link", [("id", models.BigAutoField(primary_key=True)), ("{0}", models.ForeignKey({1}))])'
)


@pytest.fixture
def shop(site: Site) -> Site:
    """A table with a row, and a check of it that takes long where a test makes it so."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_slow", f'migrations.RunSQL("""{SLOW.format(0)}""", "")', SEED_COUNTER)
    site.migration("0003_one", ADD_COLUMN.format("one"))
    site.migration("0004_two", ADD_COLUMN.format("two"))
    site.migration("0005_check", SLOW_CHECK)
    site.migration("0006_three", ADD_COLUMN.format("three"))
    site.migration("0007_four", ADD_COLUMN.format("four"))
    return site


def slowly(shop: Site, seconds: float) -> None:
    shop.migration("0002_slow", f'migrations.RunSQL("""{SLOW.format(seconds)}""", "")', SEED_COUNTER)


def applied(shop: Site) -> list[str]:
    return [name for app, name in shop.database.applied() if app == "shop"]


def recorded(shop: Site) -> list[str]:
    rows = shop.database.rows("SELECT name FROM lockgate_migrationrecord WHERE app = 'shop' ORDER BY id")
    return [name for (name,) in rows]


def lines(result: Result) -> list[str]:
    """The migrations of the app that the run says it has applied."""
    return re.findall(r"applied shop\.(\d{4}_\w+)", result.out)


def assert_finishes(shop: Site) -> None:
    """The next run does what is left, and what comes of it is what an undisturbed run makes."""
    result = shop.migrate()
    assert result.code == 0, result.text
    assert_as_undisturbed(shop, shop.database)


def assert_as_undisturbed(shop: Site, database: Database) -> None:
    """As a run makes it that renders as Django does, and so sends nothing whole."""
    slowly(shop, 0)
    database.execute(SLOW.format(0))
    with another() as other:
        result = shop.migrate(DATABASE_URL=other.url, LOCKGATE_LAZY_RENDERING="off")
        assert result.code == 0, result.text
        assert schema.differences(other, database) == []


# --- what is sent, and what it leaves


def test_schema_operations_are_sent_whole_and_several_at_once(shop: Site) -> None:
    shop.migration("0008_unique", UNIQUE.format(True))
    shop.migration("0009_not_unique", UNIQUE.format(False))  # asks the server for the name of the constraint
    shop.migration("0010_five", ADD_COLUMN.format("five"))
    slowly(shop, 4)  # meanwhile more than one gets ready
    with on_the_wire() as watched:
        result = shop.migrate(DATABASE_URL=watched.url(shop.database.name))
        assert result.code == 0, result.text
        sent = watched.watch.statements
    whole = [each for each in sent if WHOLE in each]
    assert all(each.count("FROM pg_catalog.pg_locks") == 1 and each.endswith("COMMIT;") for each in whole)
    assert max(each.count("BEGIN;") for each in whole) > 1
    assert not any("shop_slow(integer)" in each or "'0009_not_unique'" in each for each in whole)
    assert any('ADD COLUMN "five"' in each for each in whole)
    names = [f"{path.stem}" for path in sorted((shop.path / "shop" / "migrations").glob("0*.py"))]
    assert (lines(result), applied(shop), recorded(shop)) == (names, names, names)
    assert_as_undisturbed(shop, shop.database)


def test_the_ledger_has_the_seconds_of_each(shop: Site) -> None:
    slowly(shop, 5)
    result = shop.migrate()
    assert result.code == 0, result.text
    took = dict(shop.database.rows("SELECT name, seconds FROM lockgate_migrationrecord WHERE app = 'shop'"))
    assert [name for name, seconds in took.items() if not 0 < seconds < 5] == ["0005_check"]
    told = {name: float(seconds) for name, seconds in re.findall(r"applied shop\.(\w+) in ([\d.]+) s", result.out)}
    assert [name for name, seconds in told.items() if seconds >= 5] == ["0005_check"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("LOGGING = {}\nDEBUG = True", "who debugs reads every statement"),
        ("LOCKGATE = {'LAZY_RENDERING': False}", "what operations ask for is not known"),
    ],
)
def test_not_where_somebody_looks_on(shop: Site, settings: str, reason: str) -> None:
    shop.extra_settings = settings
    shop.write_settings()
    with on_the_wire() as watched:
        result = shop.migrate(DATABASE_URL=watched.url(shop.database.name))
        assert result.code == 0, result.text
        assert not any(WHOLE in statement for statement in watched.watch.statements), reason


def test_not_where_there_are_tables_that_others_use(shop: Site) -> None:
    shop.database.execute("CREATE TABLE theirs (id integer)")
    with on_the_wire() as watched:
        result = shop.migrate(DATABASE_URL=watched.url(shop.database.name))
        assert result.code == 0, result.text
        assert not any(WHOLE in statement for statement in watched.watch.statements)


# --- one of them fails


def test_the_one_that_fails_is_named_and_those_before_it_count(shop: Site) -> None:
    bad = shop.migration("0005_check", CHECK.format("models.Q(value__gt=0)", "positive"))
    result = shop.migrate()
    assert result.code == 1
    assert "shop.0005_check failed" in result.err
    assert "(SQLSTATE 23514)" in result.err
    assert "shop.0005_check was rolled back" in result.err
    assert "the last of them shop.0004_two" in result.err
    names = ["0001_initial", "0002_slow", "0003_one", "0004_two"]
    assert (lines(result), applied(shop), recorded(shop)) == (names, names, names)
    assert shop.database.rows("SELECT outcome FROM lockgate_run") == [("failed",)]
    bad.write_text(bad.read_text().replace("value__gt", "value__gte"))
    assert_finishes(shop)


@pytest.mark.parametrize("fault", ["raise ValueError('no')", "import sys; sys.exit(0)"])
def test_code_that_fails_is_named_though_later_ones_are_ready(shop: Site, fault: str) -> None:
    bad = shop.migration(
        "0005_check",
        "migrations.RunPython(fail, migrations.RunPython.noop)",
        imports=f"""
        def fail(apps, schema_editor):
            {fault}
        """,
    )
    result = shop.migrate()
    assert result.code == 1
    assert "shop.0005_check failed" in result.err
    assert "shop.0005_check was rolled back" in result.err
    assert "the last of them shop.0004_two" in result.err
    assert (lines(result)[-1], applied(shop)[-1]) == ("0004_two", "0004_two")
    bad.write_text(bad.read_text().replace(fault, "pass"))
    assert_finishes(shop)


def test_the_fault_of_a_migration_itself_is_told_in_its_place(shop: Site) -> None:
    """It shows while those before it are still under way."""
    shop.migration("0006_three", 'migrations.RemoveField("Counter", "unknown")')
    result = shop.migrate()
    assert result.code == 1
    assert "shop.0006_three failed" in result.err
    assert "the last of them shop.0005_check" in result.err
    assert applied(shop)[-1] == "0005_check"
    shop.migration("0006_three", ADD_COLUMN.format("three"))
    assert_finishes(shop)


def test_a_lock_that_another_session_has_is_waited_for_and_retried(shop: Site) -> None:
    slowly(shop, 6)
    shop.migration("0006_three", LINKED.format("kind", '"contenttypes.ContentType", models.CASCADE'))
    path = shop.path / "shop" / "migrations" / "0001_initial.py"
    path.write_text(path.read_text().replace("dependencies = []", "dependencies = [('contenttypes', '__latest__')]"))
    process = shop.start("migrate", "--noinput")
    until(lambda: shop.database.value(AT_SLOW), "the check is slow")
    with shop.database.connect() as other:
        other.execute("BEGIN; LOCK TABLE django_content_type IN ACCESS EXCLUSIVE MODE")
        until(lambda: "0005_check" in applied(shop), "the check is done")
        refused = "SELECT count(*) > 0 FROM lockgate_migrationrecord WHERE name = '0006_three'"
        assert not shop.database.value(refused)
        says(process, "trying again")
        other.execute("ROLLBACK")
    result = finish(process)
    assert result.code == 0, result.text
    assert shop.database.value("SELECT attempts FROM lockgate_migrationrecord WHERE name = '0006_three'") > 1
    assert_as_undisturbed(shop, shop.database)


UNLOCKING = """
from django.apps import AppConfig
from django.db.models.signals import pre_migrate

def unlock(using, **kwargs):
    from django.db import connections
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        pre_migrate.connect(unlock, sender=self)
"""


def test_without_the_lock_nothing_is_committed(shop: Site) -> None:
    (shop.path / "shop" / "apps.py").write_text(UNLOCKING)
    result = shop.migrate()
    assert result.code == 1
    assert "no longer holds the advisory lock" in result.err
    assert [app for app, _ in shop.database.applied() if app != "lockgate"] == []
    (shop.path / "shop" / "apps.py").unlink()
    assert_finishes(shop)


# --- it is interrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_one_that_runs(shop: Site, number: signal.Signals) -> None:
    slowly(shop, 60)
    process = shop.start("migrate", "--noinput")
    until(lambda: shop.database.value(AT_SLOW), "the check is slow")
    os.kill(process.pid, number)
    result = finish(process, timeout=30)
    assert result.code == 1
    assert f"interrupted by {number.name}" in result.err
    assert "shop.0005_check was rolled back" in result.err
    assert "the last of them shop.0004_two" in result.err
    names = ["0001_initial", "0002_slow", "0003_one", "0004_two"]
    assert (lines(result), applied(shop), recorded(shop)) == (names, names, names)
    assert shop.database.rows("SELECT outcome FROM lockgate_run") == [("interrupted",)]
    assert lock_is_free(shop.database)
    shop.database.execute(SLOW.format(0))
    assert_finishes(shop)


def test_a_session_that_is_ended_leaves_open_what_was_under_way(shop: Site) -> None:
    slowly(shop, 60)
    process = shop.start("migrate", "--noinput")
    until(lambda: shop.database.value(AT_SLOW), "the check is slow")
    shop.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{shop.database.name}' AND wait_event = 'PgSleep'"
    )
    result = finish(process)
    assert result.code == 1
    assert "(SQLSTATE 57P01)" in result.err
    assert "shop.0005_check was rolled back; done before it in this run: " in result.err
    shop.database.execute(SLOW.format(0))
    assert applied(shop)[-1] == "0004_two"
    assert_finishes(shop)


def test_a_killed_run_does_not_go_on_in_the_server(shop: Site) -> None:
    slowly(shop, 60)
    process = shop.start("migrate", "--noinput")
    until(lambda: shop.database.value(AT_SLOW), "the check is slow")
    process.kill()
    finish(process)
    until(lambda: lock_is_free(shop.database), "the lock is free")
    assert applied(shop)[-1] == "0004_two"
    shop.database.execute(SLOW.format(0))
    assert_finishes(shop)


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "session ended"])
def test_at_every_message_each_migration_is_all_or_nothing(shop: Site, moment: Moment, killed: bool) -> None:
    with on_the_wire() as watched, another() as undisturbed:
        assert shop.migrate(DATABASE_URL=watched.url(undisturbed.name)).code == 0
        messages = [at for at, statement in enumerate(watched.watch.statements) if WHOLE in statement]
        tried = messages if killed else messages[::3]
        came = sum(struck(shop, Watch(at, moment), undisturbed, killed=killed) for at in tried)
        assert came > 0


def struck(shop: Site, watch: Watch, undisturbed: Database, *, killed: bool) -> bool:
    """One run to its end there, and one that finishes; whether the first came so far."""
    with another() as database, on_the_wire(watch) as watched:
        process = watch.started(
            lambda: shop.start("migrate", "--noinput", DATABASE_URL=watched.url(database.name)),
            lambda process, backend: process.kill() if killed else terminate(backend),
        )
        result = finish(process)
        if not watch.struck:
            return False  # how many go into a message is a matter of time: this run had fewer of them
        assert result.code == (-signal.SIGKILL if killed else 1), result.text
        until(lambda: lock_is_free(database), "the lock is free")
        migrations = "SELECT count(*) FROM django_migrations"
        if database.value("SELECT to_regclass('lockgate_migrationrecord') IS NOT NULL"):
            assert database.value(migrations) == database.value("SELECT count(*) FROM lockgate_migrationrecord")
        again = shop.migrate(DATABASE_URL=database.url)
        assert again.code == 0, again.text
        assert schema.dump(database) == schema.dump(undisturbed)
        assert schema.rows(database) == schema.rows(undisturbed)  # ids aside: a rolled back insert has used one up
    return True


def terminate(backend: int) -> None:
    with databases.admin() as connection, contextlib.suppress(psycopg.Error):
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])


def test_code_finds_the_models_as_they_were(site: Site) -> None:
    """Also those that were rendered before it ran, because it names them."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_more", ADD_COLUMN.format("more"))
    site.migration(
        "0003_tell",
        "migrations.RunPython(tell, migrations.RunPython.noop)",
        imports="""
        def tell(apps, schema_editor):
            Counter = apps.get_model("shop", "Counter")
            print("has", *sorted(each.name for each in Counter._meta.get_fields()))
            print("same", apps.get_model("shop.Counter") is Counter, Counter.objects.count())
            with schema_editor.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns"
                    " WHERE table_name = 'shop_counter'"
                )
                print("there are", *cursor.fetchone())
        """,
    )
    site.migration("0004_last", ADD_COLUMN.format("last"))
    result = site.migrate()
    assert result.code == 0, result.text
    assert "has id more value\nsame True 0\nthere are id more value" in result.out


# --- what the project's code has a say in


def compared(site: Site) -> None:
    """What comes of it is what comes of it with nothing sent whole."""
    with another() as other:
        results = [site.migrate(), site.migrate(DATABASE_URL=other.url, LOCKGATE_LAZY_RENDERING="off")]
        assert [result.code for result in results] == [0, 0], results[0].text + results[1].text
        assert schema.dump(site.database) == schema.dump(other)
        assert schema.rows(site.database) == schema.rows(other)


ALTERED = 'migrations.AlterField("Author", "code", models.CharField(max_length=70, unique=True))'


@pytest.mark.parametrize(
    "then",
    [
        'migrations.AlterField("Author", "id", models.AutoField(primary_key=True))',
        'migrations.RenameModel("Author", "Writer")',
        'migrations.RenameField("Author", "code", "key")',
    ],
)
@pytest.mark.parametrize("carried", [False, True], ids=["plain", "carried"])
def test_what_follows_an_altered_field_finds_all_that_points_to_the_model(site: Site, then: str, carried: bool) -> None:
    site.migration(
        "0001_initial",
        """
        migrations.CreateModel("Author", [
            ("id", models.BigAutoField(primary_key=True)),
            ("code", models.CharField(max_length=20, unique=True)),
            ("other", models.OneToOneField("shop.Author", models.CASCADE, to_field="code", null=True)),
        ])
        """,
        """
        migrations.CreateModel("Book", [
            ("id", models.BigAutoField(primary_key=True)),
            ("author", models.ForeignKey("shop.Author", models.CASCADE, related_name="+")),
            ("by_code", models.ForeignKey("shop.Author", models.CASCADE, to_field="code", related_name="+")),
            ("by_other", models.ForeignKey("shop.Author", models.CASCADE, to_field="other", related_name="+")),
            ("many", models.ManyToManyField("shop.Author", related_name="+")),
        ])
        """,
    )
    both = f"[{ALTERED}, {then}]"
    operations = [f"migrations.SeparateDatabaseAndState({both}, {both})"] if carried else [ALTERED, then]
    site.migration("0002_change", *operations)
    compared(site)


def test_a_default_that_asks_is_asked_in_its_turn(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    site.migration("0003_more", ADD_COLUMN.format("more"))
    site.migration(
        "0004_asks",
        'migrations.AddField("Counter", "seen", models.IntegerField(default=count))',
        imports="""
        def count():
            from django.db import connection
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM shop_counter")
                    return cursor.fetchone()[0]
            except Exception:
                return 7
        """,
    )
    compared(site)
    assert site.database.value("SELECT seen FROM shop_counter") == 1


def test_an_error_while_one_is_prepared_is_told_of_that_one(shop: Site) -> None:
    slowly(shop, 1)
    shop.migration(
        "0006_three",
        'migrations.AddField("Counter", "three", models.IntegerField(default=leave))',
        imports="import sys\n\ndef leave():\n    sys.exit(3)\n",
    )
    result = shop.migrate()
    assert result.code == 1
    assert "shop.0006_three failed" in result.err
    assert "the last of them shop.0005_check" in result.err
    shop.migration("0006_three", ADD_COLUMN.format("eur\udc80".encode("unicode_escape").decode()))
    result = shop.migrate()
    assert result.code == 1
    assert "shop.0006_three failed" in result.err
    shop.migration("0006_three", ADD_COLUMN.format("three"))
    assert_finishes(shop)


BACKEND = """
from django.db.backends.postgresql import base, schema

class Editor(schema.DatabaseSchemaEditor):
    def __exit__(self, *given):
        if given[0] is None:
            self.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC")
        return super().__exit__(*given)

class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = Editor
"""


def test_what_a_backend_says_at_the_end_of_each_migration_is_said(shop: Site) -> None:
    (shop.path / "mine").mkdir()
    (shop.path / "mine" / "__init__.py").touch()
    (shop.path / "mine" / "base.py").write_text(BACKEND)
    shop.extra_settings = 'DATABASES["default"]["ENGINE"] = "mine"'
    shop.write_settings()
    compared(shop)
    assert shop.database.value("SELECT has_table_privilege('public', 'shop_counter', 'SELECT')")


def test_the_isolation_level_of_the_settings_is_kept(shop: Site) -> None:
    shop.extra_settings = (
        "from django.db.backends.postgresql.psycopg_any import IsolationLevel\n"
        'DATABASES["default"]["OPTIONS"] = {"isolation_level": IsolationLevel.SERIALIZABLE}'
    )
    shop.write_settings()
    with on_the_wire() as watched:
        result = shop.migrate(DATABASE_URL=watched.url(shop.database.name))
        assert result.code == 0, result.text
        assert "BEGIN ISOLATION LEVEL SERIALIZABLE" in watched.watch.statements
        assert not any(WHOLE in statement for statement in watched.watch.statements)


def test_a_server_that_does_not_answer_a_signal_leaves_unknown_what_it_has_done(shop: Site) -> None:
    if not str(conninfo_to_dict(databases.server()).get("host", "")).startswith("/"):
        pytest.skip(
            "NOT TESTED: TEST_DATABASE_URL may name a server on another machine, whose processes nobody here can stop"
        )
    slowly(shop, 60)
    process = shop.start("migrate", "--noinput")
    until(lambda: shop.database.value(AT_SLOW), "the check is slow")
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    backend = shop.database.value(query)
    os.kill(backend, signal.SIGSTOP)
    try:
        os.kill(process.pid, signal.SIGTERM)
        result = finish(process, timeout=30)
    finally:
        os.kill(backend, signal.SIGCONT)
    assert result.code != 0
    assert "shop.0005_check was rolled back" not in result.err
    if result.code == 1:  # the kernel ends it where it has not said so in time
        assert "committed whole if it got that far" in result.err
    until(lambda: lock_is_free(shop.database), "the lock is free")
    shop.database.execute(SLOW.format(0))
    assert_finishes(shop)

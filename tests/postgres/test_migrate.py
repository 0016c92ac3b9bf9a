"""``migrate``: what it does, in order, and what it leaves behind."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.support.processes import kill_at, lock_is_free, until
from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, SEED_COUNTER, Site, finish, sleep


@pytest.fixture
def counter(site: Site) -> Site:
    """Three migrations; the third shows if it is applied twice."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_seed", SEED_COUNTER)
    site.migration("0003_count", COUNT_UP)
    return site


def events(text: str) -> list[str]:
    return [json.loads(line)["event"] for line in text.splitlines()]


def test_an_empty_database_gets_every_migration_the_ledger_first(counter: Site) -> None:
    result = counter.migrate()
    assert result.code == 0, result.text
    assert "applying lockgate.0001_initial (1 of" in result.out
    assert counter.database.value("SELECT value FROM shop_counter") == 1
    assert counter.database.value("SELECT app FROM lockgate_migrationrecord ORDER BY id LIMIT 1") == "lockgate"
    assert result.out.splitlines()[-1].startswith("done: ")


def test_a_second_run_finds_nothing_takes_no_lock_and_writes_nothing(counter: Site) -> None:
    counter.migrate()
    before = counter.database.rows("SELECT count(*), max(id) FROM lockgate_run")
    with counter.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"lockgate", "big")])
        result = counter.migrate()
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "nothing to migrate"
    assert counter.database.rows("SELECT count(*), max(id) FROM lockgate_run") == before


def test_migrations_are_loaded_once_to_look_and_to_work(counter: Site) -> None:
    counter.migrate()
    noting = "def noting(self, *given):\n    print('loaded')\n    migrations.Migration.__init__(self, *given)\n"
    counter.migration("0004_more", ADD_COLUMN.format("more"), imports=noting, __init__="noting")
    result = counter.migrate()
    assert result.code == 0, result.text
    assert result.out.count("loaded") == 1


def test_the_ledger_says_who_ran_what_and_how_it_ended(counter: Site) -> None:
    counter.migrate(LOCKGATE_RELEASE="2026.11")
    run = counter.database.rows(
        "SELECT outcome, release, command, ended_at >= started_at, length(release_digest) FROM lockgate_run"
    )
    assert run == [("succeeded", "2026.11", "migrate --noinput", True, 64)]
    recorded = counter.database.rows("SELECT app, name, action FROM lockgate_migrationrecord WHERE app = 'shop'")
    assert sorted(recorded) == [
        ("shop", "0001_initial", "apply"),
        ("shop", "0002_seed", "apply"),
        ("shop", "0003_count", "apply"),
    ]


def test_a_failed_migration_is_rolled_back_whole_and_earlier_ones_stay(counter: Site) -> None:
    counter.migration("0004_bad", ADD_COLUMN.format("extra"), 'migrations.RunSQL("SELECT 1/0")')
    result = counter.migrate()
    assert result.code == 1
    assert "error: shop.0004_bad failed" in result.err
    assert "SQLSTATE 22012" in result.err
    assert "shop.0004_bad was rolled back" in result.err
    assert "the last of them shop.0003_count" in result.err
    assert ("shop", "0003_count") in counter.database.applied()
    assert ("shop", "0004_bad") not in counter.database.applied()
    columns = counter.database.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'shop_counter'::regclass AND attnum > 0"
    )
    assert sorted(columns) == [("id",), ("value",)]
    assert counter.database.rows(
        "SELECT outcome, error LIKE 'shop.0004_bad: division by zero%%' FROM lockgate_run"
    ) == [("failed", True)]
    assert lock_is_free(counter.database)


def test_an_error_in_deferred_sql_leaves_nothing_behind(counter: Site) -> None:
    """Django would run it after the migration's operations, and leak the transaction where it fails."""
    counter.migrate()
    counter.database.execute("INSERT INTO shop_counter (value) VALUES (7)")
    # The foreign key is deferred SQL; the rows that violate it are inserted before.
    counter.migration(
        "0004_child",
        'migrations.CreateModel("Child", [("id", models.BigAutoField(primary_key=True)),'
        ' ("counter", models.ForeignKey("shop.Counter", models.CASCADE))])',
        'migrations.RunSQL("INSERT INTO shop_child (counter_id) VALUES (-1)")',
    )
    result = counter.migrate()
    assert result.code == 1
    assert "SQLSTATE 23503" in result.err
    assert counter.database.value("SELECT to_regclass('shop_child') IS NULL")
    assert ("shop", "0004_child") not in counter.database.applied()
    assert counter.database.rows("SELECT outcome FROM lockgate_run ORDER BY id") == [("succeeded",), ("failed",)]


def test_an_error_in_python_names_file_and_line(counter: Site) -> None:
    counter.migration(
        "0004_python",
        "migrations.RunPython(forwards)",
        imports="""
        def forwards(apps, schema_editor):
            apps.get_model("shop", "Counter").objects.create(value=9)
            raise KeyError("nothing here")
        """,
    )
    result = counter.migrate()
    assert result.code == 1
    assert "why    KeyError: 'nothing here'" in result.err
    assert "0004_python.py" in result.err
    assert "Traceback" not in result.err
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_rolls_back_and_ends_it(counter: Site, number: signal.Signals) -> None:
    counter.migration("0004_long", ADD_COLUMN.format("extra"), sleep(60))
    process = counter.start("migrate", "--noinput")
    sent = kill_at(process, counter.database, "pg_sleep", number)
    result = finish(process)
    assert time.monotonic() - sent < 15
    assert result.code == 1
    assert f"interrupted by {number.name}" in result.err
    assert "shop.0004_long was rolled back" in result.err
    assert ("shop", "0004_long") not in counter.database.applied()
    assert counter.database.rows("SELECT outcome FROM lockgate_run") == [("interrupted",)]
    assert lock_is_free(counter.database)


def test_a_migration_that_swallows_everything_is_still_ended_by_a_signal(counter: Site) -> None:
    counter.migration(
        "0004_stubborn",
        "migrations.RunPython(forwards)",
        imports="""
        import time

        def forwards(apps, schema_editor):
            schema_editor.execute("SELECT 'stubborn'")
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
        """,
    )
    process = counter.start("migrate", "--noinput")
    idle = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'idle in transaction' AND query LIKE %s"
    )
    until(lambda: counter.database.value(idle, [counter.database.name, "%stubborn%"]), "it is in its loop")
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    result = finish(process)
    assert time.monotonic() - sent < 15
    assert result.code != 0
    until(lambda: lock_is_free(counter.database), "the lock is free")
    assert ("shop", "0004_stubborn") not in counter.database.applied()


def test_a_run_that_was_killed_is_found_by_the_next(counter: Site) -> None:
    long = counter.migration("0004_long", ADD_COLUMN.format("extra"), sleep(20))
    process = counter.start("migrate", "--noinput")
    kill_at(process, counter.database, "pg_sleep")
    finish(process)
    long.write_text(long.read_text().replace("pg_sleep(20)", "pg_sleep(0)"))
    result = counter.migrate()
    assert result.code == 0, result.text
    assert "died without closing; marked interrupted" in result.err
    outcomes = counter.database.rows("SELECT outcome, ended_at IS NOT NULL FROM lockgate_run ORDER BY id")
    assert outcomes == [("interrupted", True), ("succeeded", True)]


def test_the_orphaned_statement_of_a_killed_runner_ends_soon(counter: Site) -> None:
    counter.migration("0004_long", sleep(60))
    process = counter.start("migrate", "--noinput")
    killed = kill_at(process, counter.database, "pg_sleep")
    finish(process)
    until(lambda: lock_is_free(counter.database), "the server noticed", patience=20)
    assert time.monotonic() - killed < 20


def test_post_migrate_that_failed_is_run_again(counter: Site) -> None:
    """Nothing is pending then, but the release is not done."""
    (counter.path / "shop" / "apps.py").write_text(
        "import os\n"
        "from django.apps import AppConfig\n"
        "from django.db.models.signals import post_migrate\n"
        "def receiver(**kwargs):\n"
        "    if os.environ.get('FAIL'):\n"
        "        raise RuntimeError('receiver failed')\n"
        "    print('receiver ran')\n"
        "class ShopConfig(AppConfig):\n"
        "    name = 'shop'\n"
        "    def ready(self):\n"
        "        post_migrate.connect(receiver, sender=self)\n"
    )
    failed = counter.migrate(FAIL="1")
    assert failed.code == 1
    assert "the run failed outside any migration" in failed.err
    again = counter.migrate()
    assert again.code == 0, again.text
    assert "receiver ran" in again.out
    assert "receiver ran" not in counter.migrate().out


def test_a_new_release_name_runs_post_migrate_once(counter: Site) -> None:
    counter.migrate(LOCKGATE_RELEASE="one")
    assert "nothing to migrate" in counter.migrate(LOCKGATE_RELEASE="one").out
    assert "done: 0 migrations" in counter.migrate(LOCKGATE_RELEASE="two").out
    assert "nothing to migrate" in counter.migrate(LOCKGATE_RELEASE="two").out


def test_a_migration_that_closes_the_connection_does_not_go_on_without_the_lock(counter: Site) -> None:
    counter.migration(
        "0004_close",
        "migrations.RunPython(forwards)",
        imports="""
        def forwards(apps, schema_editor):
            schema_editor.connection.close()
        """,
        atomic="False",
    )
    counter.migration("0005_after", ADD_COLUMN.format("extra"))
    result = counter.migrate()
    assert result.code == 1
    assert "the database session that holds the migration lock was lost" in result.err
    assert ("shop", "0005_after") not in counter.database.applied()


def test_json_lines_tell_the_same_story(counter: Site) -> None:
    result = counter.migrate("--log-format", "json")
    seen = events(result.out)
    assert seen[:3] == ["started", "server_ready", "lock_acquired"]
    assert seen[-1] == "ended"
    assert seen.count("migration_started") == seen.count("migration_ended") > 3
    counter.migration("0004_bad", 'migrations.RunSQL("SELECT 1/0")')
    failed = json.loads(counter.migrate("--log-format=json").err.splitlines()[-1])
    assert (failed["level"], failed["event"]) == ("error", "failed")
    assert all(failed[part] for part in ("what", "why", "state", "next"))


def test_verbosity_zero_is_silent(counter: Site) -> None:
    result = counter.migrate("--verbosity", "0")
    assert (result.code, result.text) == (0, "")


def test_what_django_itself_refuses_is_json_too(counter: Site) -> None:
    refused = json.loads(counter.migrate("--log-format", "json", "nosuch").err)
    assert (refused["level"], refused["what"]) == ("error", "No installed app with label 'nosuch'.")
    assert counter.migrate("nosuch").err == "CommandError: No installed app with label 'nosuch'.\n"

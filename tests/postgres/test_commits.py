"""Which commits wait for the disk: on an empty database the last of a run, for all of them; otherwise every one."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support import servers
from tests.support.processes import running, until
from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, SEED_COUNTER, Site, finish, sleep

NOTE = (
    "CREATE TABLE IF NOT EXISTS noted AS SELECT now() AS at, '' AS value LIMIT 0;"
    " INSERT INTO noted SELECT clock_timestamp(), current_setting('synchronous_commit')"
)
RECEIVER = f"""
from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate

def receive(**kwargs):
    with connection.cursor() as cursor:
        cursor.execute({NOTE!r})

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        post_migrate.connect(receive, sender=self)
"""


def noting() -> str:
    return f"migrations.RunSQL({NOTE!r}, migrations.RunSQL.noop)"


@pytest.fixture
def shop(site: Site) -> Site:
    (site.path / "shop" / "apps.py").write_text(RECEIVER)
    site.migration("0001_initial", CREATE_COUNTER, noting())
    return site


def noted(site: Site) -> list[str]:
    return [value for (value,) in site.database.rows("SELECT value FROM noted ORDER BY at")]


def test_only_a_run_on_an_empty_database_does_not_wait_for_the_disk(shop: Site) -> None:
    assert shop.migrate().code == 0
    assert noted(shop) == ["off", "off"]
    shop.migration("0002_more", ADD_COLUMN.format("more"), noting())
    assert shop.migrate().code == 0
    assert noted(shop)[2:] == ["on", "on"]


def test_the_last_commit_of_a_run_waits_for_the_disk(shop: Site) -> None:
    """Seen from what the server has written by then: all of its log, but what came of being asked."""
    with servers.running(wal_writer_delay="10s") as own:
        database = own.database()
        with own.connect() as watcher:
            assert shop.migrate(DATABASE_URL=database.url).code == 0
            row = watcher.execute("SELECT pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn()").fetchone()
    assert row is not None
    assert row[0] < 1024


def test_the_end_of_such_a_block_waits_for_the_disk_by_itself(shop: Site) -> None:
    """Where no row of a run is closed after it."""
    working = (
        "from django.db import connection\n"
        "from lockgate.database import session\n"
        "connection.ensure_connection()\n"
        "with session.committing_ahead_of_the_disk(connection), connection.cursor() as cursor:\n"
        "    cursor.execute('CREATE TABLE filled AS SELECT n FROM generate_series(1, 20000) n')\n"
        "with connection.cursor() as cursor:\n"
        "    cursor.execute('SELECT pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn()')\n"
        "    print(cursor.fetchone()[0])\n"
    )
    with servers.running(wal_writer_delay="10s") as own:
        result = shop.run("shell", "-c", working, DATABASE_URL=own.database().url)
    assert result.code == 0, result.text
    assert int(result.out.split()[-1]) < 1024


def test_a_failed_run_leaves_a_callers_session_as_it_was(shop: Site) -> None:
    shop.migration("0002_fails", "migrations.RunSQL('SELECT 1 / 0', migrations.RunSQL.noop)")
    calling = (
        "from django.core.management import call_command\n"
        "from django.db import connection\n"
        "with connection.cursor() as cursor:\n    cursor.execute('SET synchronous_commit = local')\n"
        "try:\n    call_command('migrate', verbosity=0)\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "with connection.cursor() as cursor:\n"
        "    cursor.execute('SHOW synchronous_commit')\n    print(cursor.fetchone()[0])\n"
    )
    result = shop.run("shell", "-c", calling)
    assert result.out.split()[-2:] == ["MigrationFailed", "local"]


def test_a_crash_of_the_server_takes_back_what_the_next_run_does_again(shop: Site) -> None:
    shop.migration("0002_seed", SEED_COUNTER)
    shop.migration("0003_count", COUNT_UP)
    last = shop.migration("0004_long", sleep(60))
    with servers.running(wal_writer_delay="10s") as own:
        database = own.database()
        writer = database.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
        os.kill(writer, signal.SIGSTOP)  # else it may write all of it right before the crash; which ends it, after 5 s
        process = shop.start("migrate", "--noinput", DATABASE_URL=database.url)
        until(lambda: running(database, "pg_sleep(60)"), "the migration runs")
        own.stop(signal.SIGQUIT)
        assert finish(process).code == 1
        own.start()
        applied = database.applied()
        last.write_text(last.read_text().replace("pg_sleep(60)", "pg_sleep(0)"))
        again = shop.migrate(DATABASE_URL=database.url)
        assert again.code == 0, again.err
        assert ("shop", "0003_count") not in applied, "nothing was taken back, so nothing was tried"
        assert database.rows("SELECT value FROM shop_counter") == [(1,)]
        assert len(set(database.applied())) == len(database.applied())

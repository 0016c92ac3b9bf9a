"""A run outlasts every timeout that a role, a database or a server sets, and leaves the session as it was."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.support import databases, servers
from tests.support.processes import says
from tests.support.sites import CREATE_COUNTER, Site, finish

# Each at its smallest sensible value. transaction_timeout came with PostgreSQL 17.
STRICT = {
    "statement_timeout": "1s",
    "lock_timeout": "100ms",
    "idle_in_transaction_session_timeout": "1s",
    "idle_session_timeout": "1s",
    "transaction_timeout": "1s",
}
ADD_COLUMN = 'migrations.AddField("counter", "note", models.IntegerField(null=True))'
SLOW = """
import time

def slow(apps, editor):
    time.sleep(1.5)
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1.5)")
"""
LOCKING = """
def lock(apps, editor):
    table = apps.get_model("shop", "Counter")._meta.db_table
    editor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
"""
LIMITED = """
def limited(apps, editor):
    editor.execute("SET statement_timeout = '300ms'")
    editor.execute("ALTER TABLE shop_counter ADD CONSTRAINT slow CHECK (pg_sleep(2) IS NOT NULL)")
"""
SHOWING = """
import json, pathlib

def show(apps, editor):
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name ~ 'timeout|tcp_|client_conn'")
        pathlib.Path("shown.json").write_text(json.dumps(dict(cursor.fetchall())))
"""
INDEX = 'AddIndexConcurrently("counter", models.Index(fields=["value"], name="shop_value"))'
INDEX_IMPORT = "from django.contrib.postgres.operations import AddIndexConcurrently"
SLOW_STATE = """
import time

class Slow(migrations.RunSQL):
    def state_forwards(self, app_label, state):
        time.sleep(1.5)
"""
SLOW_CHECKS = """
import time
from django.apps import AppConfig
from django.core.checks import register

def slow(**kwargs):
    time.sleep(2)
    return []

class Shop(AppConfig):
    name = "shop"

    def ready(self):
        register(slow, "models")
"""


def code(name: str) -> str:
    return f"migrations.RunPython({name}, migrations.RunPython.noop)"


def patient(site: Site) -> psycopg.Connection[tuple[object, ...]]:
    """Another client, whom the limits do not touch."""
    lifted = " ".join(f"-c {name}=0" for name in STRICT if name != "transaction_timeout")
    client = psycopg.connect(
        make_conninfo(databases.server(), dbname=site.database.name, options=lifted), autocommit=True
    )
    client.execute("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'")
    return client


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    with site.database.connect() as client:
        known = {name for (name,) in client.execute("SELECT name FROM pg_settings")}
        for name in STRICT.keys() & known:
            client.execute(f"ALTER DATABASE \"{site.database.name}\" SET {name} = '{STRICT[name]}'")
    return site


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_code_that_takes_longer_than_every_limit_passes(counter: Site, atomic: str) -> None:
    """It computes while the session is idle, and then has the server work."""
    counter.migration("0002_slow", code("slow"), imports=SLOW, atomic=atomic)
    assert (result := counter.migrate()).code == 0, result.text


def test_checks_that_take_long_do_not_cost_the_session(counter: Site) -> None:
    """They run between the server's first answer and the lock."""
    counter.migration("0002_note", ADD_COLUMN)
    (counter.path / "shop" / "apps.py").write_text(SLOW_CHECKS)
    assert (result := counter.migrate()).code == 0, result.text


def test_lint_that_asks_a_database_outlasts_its_limits(counter: Site) -> None:
    """It judges while the session is idle, and asks again what is left open."""
    counter.migration("0002_slow", "Slow('SELECT 1', '')", imports=SLOW_STATE)
    result = counter.run("lockgate", "lint", "--database", "default")
    assert "judged" in result.out, result.text
    assert result.err == ""


def test_a_concurrent_build_that_waits_for_others_passes(counter: Site) -> None:
    counter.migration("0002_index", INDEX, imports=INDEX_IMPORT, atomic="False")
    with patient(counter) as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO shop_counter (value) VALUES (1)")
        runner = counter.start("migrate", "--noinput")
        says(runner, "waits for pid")
        time.sleep(1.5)
        other.execute("COMMIT")
        result = finish(runner)
    assert result.code == 0, result.text


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_a_limit_that_a_migration_sets_itself_holds(counter: Site, atomic: str) -> None:
    """Also for a statement that is tried again and again for its lock."""
    counter.database.execute("INSERT INTO shop_counter (value) VALUES (1)")
    counter.migration("0002_own", code("limited"), imports=LIMITED, atomic=atomic)
    result = counter.migrate()
    assert result.code == 1, result.text
    assert "SQLSTATE 57014" in result.err


def test_lock_retries_pause_longer_than_a_session_may_be_idle(counter: Site) -> None:
    """The code's lock is not foreseen, so attempts fail, and the pauses after them grow."""
    counter.migration("0002_lock", code("lock"), imports=LOCKING)
    with patient(counter) as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM shop_counter")
        runner = counter.start("migrate", "--noinput")
        for _ in range(7):
            says(runner, "trying again")
        other.execute("COMMIT")
        result = finish(runner)
    assert result.code == 0, result.text


def test_what_code_of_a_migration_sees(counter: Site) -> None:
    counter.migration("0002_show", code("show"), imports=SHOWING, atomic="False")
    counter.migration("0003_show_atomic", code("show"), imports=SHOWING.replace("shown", "atomic"))
    assert (result := counter.migrate()).code == 0, result.text
    shown = json.loads((counter.path / "shown.json").read_text())
    atomic = json.loads((counter.path / "atomic.json").read_text())
    for found in (shown, atomic):
        assert {found.get(name, "0") for name in STRICT if name != "lock_timeout"} == {"0"}
        assert found["client_connection_check_interval"] == "500"
    assert shown["lock_timeout"] == "1800000"  # ONLINE_WAIT_SECONDS
    assert atomic["lock_timeout"] == "50"


def test_a_session_of_the_caller_is_left_as_it_was(counter: Site) -> None:
    """call_command migrates on the caller's own connection, and what he had SET there stays."""
    counter.migration("0002_note", ADD_COLUMN)
    script = """
import django, os
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
django.setup()
from django.core.management import call_command
from django.db import connection
def shown():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings ORDER BY name")
        return dict(cursor.fetchall())
connection.ensure_connection()
with connection.cursor() as cursor:
    cursor.execute("SET statement_timeout = '7s'")
before = shown()
call_command("migrate", verbosity=0)
after = shown()
assert before == after, {name: (before[name], after[name]) for name in before if before[name] != after[name]}
assert after["statement_timeout"] == "7000"
"""
    (counter.path / "manage.py").write_text(script)
    assert (result := counter.run()).code == 0, result.text


def test_both_sides_notice_a_dead_network(tmp_path: Path) -> None:
    """What the server is told of its side, and libpq of ours; the project's own word wins on both."""
    show = """
def show(apps, editor):
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_%'")
        found = dict(cursor.fetchall())
    found["ours"] = int(editor.connection.get_connection_params()["tcp_user_timeout"])
    print(json.dumps(found))
"""
    with servers.running() as cluster:
        database = cluster.database()
        site = Site(tmp_path, database)
        site.migration("0001_show", code("show"), imports="import json\n" + show)
        heard = site.migrate(DATABASE_URL=database.url_as())
        site.migration("0002_show", code("show"), imports="import json\n" + show)
        own = {"tcp_user_timeout": "5000", "options": "-c tcp_keepalives_idle=7"}
        told = site.migrate(DATABASE_URL=database.url_as(**own))
    by_itself, by_owner = (json.loads(re.search(r"{.*}", result.out)[0]) for result in (heard, told))  # type: ignore[index]
    bounds = {"tcp_keepalives_interval": "10", "tcp_keepalives_count": "3", "tcp_user_timeout": "60000"}
    assert by_itself == {**bounds, "tcp_keepalives_idle": "30", "ours": 60000}
    assert by_owner == {**bounds, "tcp_keepalives_idle": "7", "ours": 5000}

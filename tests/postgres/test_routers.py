"""The ledger is Lockgate's own: routers and receivers of the project have no say in where it is, nor in its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import databases
from tests.support.databases import Database
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

SECOND = 'DATABASES["second"] = url.from_environment("SECOND_URL")\nDATABASE_ROUTERS = ["routers.Router"]\n'

# Every answer that a router can give against the ledger in a second database.
APART = """
class Router:
    def db_for_read(self, model, **hints):
        return "default" if model._meta.app_label == "lockgate" else None
    db_for_write = db_for_read
    def allow_relation(self, first, second, **hints):
        return False if first._meta.app_label == "lockgate" else None
    def allow_migrate(self, db, app_label, **hints):
        return app_label != "lockgate"
"""
OWN = [
    "lockgate_checkpoint",
    "lockgate_effect",
    "lockgate_failure",
    "lockgate_journalentry",
    "lockgate_migrationrecord",
    "lockgate_run",
]


@pytest.fixture
def second() -> Iterator[Database]:
    with databases.another() as database:
        yield database


@pytest.fixture
def routed(tmp_path: Path, database: Database) -> Site:
    site = Site(tmp_path, database, extra_settings=SECOND)
    (tmp_path / "routers.py").write_text(APART)
    site.migration("0001_counter", CREATE_COUNTER)
    return site


def own_tables(database: Database) -> list[str]:
    rows = database.rows(r"SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'lockgate\_%%'")
    return sorted(name for (name,) in rows)


def test_the_ledger_is_made_and_written_in_every_database_whatever_routers_say(routed: Site, second: Database) -> None:
    for alias, where in (("default", routed.database), ("second", second)):
        done = routed.migrate("--database", alias, SECOND_URL=second.url)
        assert done.code == 0, done.text
        assert own_tables(where) == [*OWN], alias
        assert where.value("SELECT outcome FROM lockgate_run") == "succeeded"
        assert where.value("SELECT count(*) FROM lockgate_migrationrecord WHERE app = 'shop'") == 1
        assert where.value("SELECT count(*) FROM lockgate_checkpoint") == 1
    again = routed.migrate("--database", "second", SECOND_URL=second.url)
    assert again.code == 0
    assert "nothing to migrate" in again.out
    assert second.value("SELECT count(*) FROM lockgate_run") == 1


def test_what_is_shown_and_waited_for_is_that_of_the_database_asked_for(routed: Site, second: Database) -> None:
    assert routed.migrate("--database", "second", SECOND_URL=second.url).code == 0
    history = routed.run("showmigrations", "--history", "--database", "second", SECOND_URL=second.url)
    assert history.code == 0, history.text
    assert "shop.0001_counter" in history.out
    listed = routed.run("showmigrations", "--database", "second", SECOND_URL=second.url)
    assert "[X] 0001_counter" in listed.out, listed.text
    waited = routed.run("lockgate", "wait", "--database", "second", "--timeout-seconds", "5", SECOND_URL=second.url)
    assert waited.code == 0, waited.text


def test_a_ledger_that_a_router_kept_away_is_shown_and_built_online_behind_it(routed: Site, second: Database) -> None:
    """What the plan promises concurrently is built so, with a row of the journal in that very database."""
    assert routed.migrate("--database", "second", SECOND_URL=second.url).code == 0
    second.execute("INSERT INTO shop_counter (value) SELECT generate_series(1, 20000)")
    index = 'migrations.AddIndex("Counter", models.Index(fields=["value"], name="counter_value"))'
    routed.migration("0002_index", index)
    environment = {"SECOND_URL": second.url}
    routed.lockgate["LARGE_TABLE_BYTES"] = 1
    routed.write_settings()
    plan = routed.migrate("--plan", "--database", "second", **environment)
    assert "CONCURRENTLY" in plan.out, plan.text
    done = routed.migrate("--database", "second", **environment)
    assert done.code == 0, done.text
    assert (
        second.value("SELECT count(*) FROM lockgate_journalentry WHERE sql LIKE '%%CONCURRENTLY%%' AND state = 'done'")
        == 1
    )


def test_a_migration_that_is_not_atomic_carries_on_in_a_database_with_a_router(routed: Site, second: Database) -> None:
    assert routed.migrate("--database", "second", SECOND_URL=second.url).code == 0
    broken = routed.migration(
        "0002_broken", ADD_COLUMN.format("extra"), 'migrations.RunSQL("SELECT 1/0")', atomic="False"
    )
    failed = routed.migrate("--database", "second", SECOND_URL=second.url)
    assert failed.code == 1
    assert "carries on after them" in failed.err
    broken.write_text(broken.read_text().replace("1/0", "1"))
    done = routed.migrate("--database", "second", SECOND_URL=second.url)
    assert done.code == 0, done.text


RECEIVERS = """
from django.db.models.signals import post_save, pre_save

def raise_for_ours(sender, **arguments):
    if sender._meta.app_label == "lockgate":
        raise RuntimeError(f"heard of {sender._meta.label}")

for signal in (pre_save, post_save):
    signal.connect(raise_for_ours, weak=False)
"""


def test_no_receiver_hears_of_the_ledgers_rows(tmp_path: Path, database: Database) -> None:
    site = Site(tmp_path, database, lockgate={"LARGE_TABLE_BYTES": 1})
    site.migration("0001_counter", CREATE_COUNTER)
    (tmp_path / "shop" / "models.py").write_text(RECEIVERS)
    assert site.migrate().code == 0
    site.migration("0002_index", 'migrations.AddIndex("Counter", models.Index(fields=["value"], name="counter_value"))')
    site.migration("0003_alone", ADD_COLUMN.format("extra"), atomic="False")
    done = site.migrate()
    assert done.code == 0, done.text
    assert database.value("SELECT count(*) FROM lockgate_journalentry WHERE state = 'done'") == 2


def test_rows_of_django_migrations_alone_do_not_stand_for_the_journal(routed: Site, second: Database) -> None:
    """A ledger that an earlier release was kept from making: it counts as applied, and there is no table."""
    assert routed.migrate("--database", "second", SECOND_URL=second.url).code == 0
    second.execute(f"DROP TABLE {', '.join(OWN)}")
    for command in (("showmigrations",), ("showmigrations", "--history"), ("showmigrations", "--format", "json")):
        shown = routed.run(*command, "--database", "second", SECOND_URL=second.url)
        assert shown.code == 0, shown.text

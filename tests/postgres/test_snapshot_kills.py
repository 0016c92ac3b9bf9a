"""Killed at any instant of loading a snapshot, an unaided rerun ends as if nothing had happened."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import databases, schema
from tests.support.databases import Database
from tests.support.processes import lock_is_free, until
from tests.support.quick import NAP, nap, with_snapshot
from tests.support.sites import CREATE_COUNTER, SEED_COUNTER, Site, finish

SNAPSHOT = "lockgate-snapshot.sql"
# A statement of the load that takes long enough to be killed in; the file's own checksum is made over it.
SLOW = 'migrations.RunSQL("CREATE MATERIALIZED VIEW slow AS SELECT 1 AS one FROM pg_sleep({0})", "")'


@pytest.fixture(scope="module")
def expected() -> Iterator[Database]:
    database = databases.create()
    yield database
    database.drop()


@pytest.fixture
def slow(site: Site) -> Site:
    """A project whose snapshot takes half a second to load, or as a test wants: in the middle a view is filled."""
    site.migration("0001_initial", CREATE_COUNTER, SEED_COUNTER)
    site.migration("0002_slow", SLOW.format(NAP))
    with_snapshot(site)
    nap(site.database, 0.5)
    return site


def ended_well(site: Site) -> None:
    """The rerun comes to an end, and everything is there once."""
    until(lambda: lock_is_free(site.database), "the killed run's lock is free")
    result = site.migrate()
    assert result.code == 0, result.text
    assert "nothing to migrate" in site.migrate().out
    assert site.database.value("SELECT count(*) FROM shop_counter") == 1
    assert len(set(site.database.applied())) == len(site.database.applied()) > 10
    other = databases.create()
    assert site.migrate(DATABASE_URL=other.url, LOCKGATE_SNAPSHOT="none").code == 0
    assert schema.differences(other, site.database) == []
    other.drop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_in_the_middle_of_the_load_nothing_is_left(slow: Site, number: int) -> None:
    nap(slow.database, 60)
    process = slow.start("migrate", "--noinput")
    until(lambda: sleeping(slow.database), "the load has come to the view")
    nap(slow.database, 0)
    process.send_signal(number)
    assert finish(process).code != 0
    until(lambda: lock_is_free(slow.database), "the killed run's lock is free")
    assert slow.database.rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
    ended_well(slow)


def test_before_the_commit_and_after_it(slow: Site) -> None:
    """At moments spread over the whole run: whatever is found then is nothing, or all of it with its run."""
    started = time.monotonic()
    assert slow.migrate().code == 0
    whole = time.monotonic() - started
    seen = set()
    for part in (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.99):
        database = databases.create()
        nap(database, 0.5)
        process = slow.start("migrate", "--noinput", DATABASE_URL=database.url)
        time.sleep(whole * part)
        process.kill()
        finish(process)
        until(lambda database=database: lock_is_free(database), "the lock is free")
        applied = len(database.applied())
        assert applied in (0, len(slow.database.applied()))
        if applied:
            assert database.value("SELECT count(*) FROM lockgate_run") == 1
            assert database.value("SELECT count(*) FROM lockgate_migrationrecord") == applied
        else:
            assert database.rows("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
        seen.add(applied)
        again = slow.migrate(DATABASE_URL=database.url)
        assert again.code == 0, again.text
        # Not the numbers of rows: a sequence goes on where post_migrate was killed.
        assert schema.dump(slow.database) == schema.dump(database)
        assert schema.rows(slow.database) == schema.rows(database)
        database.drop()
    assert seen, "no run was killed"


@pytest.mark.parametrize("receiver", ["pre_migrate", "post_migrate"])
def test_in_a_receiver_before_or_after_it(slow: Site, receiver: str, tmp_path: Path) -> None:
    folder = slow.path / "dying"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "models.py").touch()
    (folder / "apps.py").write_text(
        "import os, signal\n"
        "from django.apps import AppConfig\n"
        f"from django.db.models.signals import {receiver} as moment\n"
        "def die(**rest):\n"
        "    if os.environ.get('DIE'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "class Config(AppConfig):\n"
        "    name = 'dying'\n"
        "    def ready(self):\n"
        "        moment.connect(die, sender=self)\n"
    )
    slow.apps = (*slow.apps, "dying")
    slow.write_settings()
    assert slow.migrate(DIE="1").code == -signal.SIGKILL
    applied = len(slow.database.applied())
    assert applied == 0 if receiver == "pre_migrate" else applied > 10
    ended_well(slow)
    outcomes = slow.database.rows("SELECT outcome FROM lockgate_run ORDER BY id")
    assert outcomes == [("succeeded",)] if receiver == "pre_migrate" else [("interrupted",), ("succeeded",)]


def sleeping(database: Database) -> bool:
    """Whether the slow part of the load runs: statements are sent many at once, so the text shows only the first."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
    return bool(database.value(query, [database.name]))

"""An older Lockgate beside a newer one, on one database: what ``docs/contract.md`` promises.

The newer is this tree's with one more migration of the ledger: the older release meets each change of today's, and each
table has what that does not know.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.postgres.test_online import ADD_INDEX
from tests.postgres.test_recovery import invalid, killed_while
from tests.support import other_releases
from tests.support.databases import Database
from tests.support.library import large
from tests.support.other_releases import ADDED, NEXT, TABLES, OtherRelease
from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, SEED_COUNTER, finish, sleep

STATES = "SELECT state, committed FROM lockgate_journalentry ORDER BY id"


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("releases")
    return other_releases.older(folder / "older"), other_releases.newer(folder / "newer")


@pytest.fixture
def older(codes: tuple[Path, Path], tmp_path: Path, database: Database) -> OtherRelease:
    return OtherRelease(tmp_path / "site", database, code=codes[0])


@pytest.fixture
def newer(codes: tuple[Path, Path], older: OtherRelease) -> OtherRelease:
    """The same project, at the same place."""
    return OtherRelease(older.path, older.database, code=codes[1])


def succeeded(site: OtherRelease, *arguments: str) -> str:
    result = site.run(*arguments)
    assert result.code == 0, result.text
    return result.text


def test_an_older_gate_on_tables_of_a_newer_one(older: OtherRelease, newer: OtherRelease) -> None:
    """It knows neither the columns nor the migration that made them: it writes, reads, and makes nothing again."""
    large(newer)
    assert newer.database.value(f"SELECT count(*) FROM lockgate_run WHERE {ADDED} = 'none'") == 1
    assert ("lockgate", NEXT) in newer.database.applied()
    succeeded(older, "lockgate", "wait", "--timeout-seconds", "1")
    older.migration("0002_index", ADD_INDEX)
    told = succeeded(older, "migrate", "--noinput")
    assert "could write" not in told
    assert "is missing" not in told
    assert older.database.rows(STATES) == [("done", True)]
    assert older.database.value(f"SELECT count(*) FROM lockgate_journalentry WHERE {ADDED} = 'none'") == 1
    assert "nothing to migrate" in succeeded(older, "migrate", "--noinput")
    assert "damaged" not in succeeded(older, "lockgate", "repair")
    history = json.loads(older.run("showmigrations", "--history", "--format", "json").out)
    assert [run["outcome"] for run in history["runs"]] == ["succeeded", "succeeded"]
    # And the newer goes on from what the older has written.
    assert "done: 0 migrations" in succeeded(newer, "migrate", "--noinput")  # another build, by its digest
    read = json.loads(newer.run("showmigrations", "--history", "--format", "json").out)
    assert read["runs"][1:] == history["runs"]


def test_a_newer_gate_carries_on_what_an_older_one_has_begun(older: OtherRelease, newer: OtherRelease) -> None:
    large(older)
    older.migration("0002_index", ADD_INDEX)
    killed_while(older, "CREATE INDEX CONCURRENTLY")
    assert invalid(older) == 1
    told = succeeded(newer, "migrate", "--noinput")
    assert "(0 of 1 steps done): carrying on" in told
    assert (invalid(newer), newer.database.rows(STATES)) == (0, [("done", True)])
    assert newer.database.value("SELECT count(*) FROM lockgate_run WHERE outcome = 'interrupted'") == 1
    assert ("lockgate", NEXT) in newer.database.applied()


def test_an_older_gate_carries_on_what_a_newer_one_has_begun(older: OtherRelease, newer: OtherRelease) -> None:
    """A release is rolled back while it migrates."""
    large(newer)
    newer.migration("0002_index", ADD_INDEX)
    killed_while(newer, "CREATE INDEX CONCURRENTLY")
    assert "(0 of 1 steps done): carrying on" in succeeded(older, "migrate", "--noinput")
    assert (invalid(older), older.database.rows(STATES)) == (0, [("done", True)])


def test_both_at_once(older: OtherRelease, newer: OtherRelease) -> None:
    """One of them does the work, whichever has the lock, and the other finds it done."""
    older.migration("0001_counter", CREATE_COUNTER, SEED_COUNTER)
    older.migration("0002_count", sleep(0.5), COUNT_UP)
    running = [site.start("migrate", "--noinput") for site in (older, newer, older, newer)]
    ended = [finish(each) for each in running]
    assert [result.code for result in ended] == [0] * 4, "\n".join(result.text for result in ended)
    assert older.database.value("SELECT value FROM shop_counter") == 1
    assert older.database.value("SELECT count(*) FROM lockgate_run WHERE outcome <> 'succeeded'") == 0
    assert older.database.value("SELECT count(*) FROM lockgate_migrationrecord WHERE name = '0002_count'") == 1
    for site in (newer, older):
        assert "nothing to migrate" in succeeded(site, "migrate", "--noinput")


def test_a_ledger_that_lost_a_table_is_made_as_old_and_brought_up(older: OtherRelease, newer: OtherRelease) -> None:
    older.migration("0001_counter", CREATE_COUNTER)
    succeeded(older, "migrate", "--noinput")
    older.database.execute("DROP TABLE lockgate_journalentry")
    newer.migration("0002_more", ADD_COLUMN.format("more"))
    assert 'table "lockgate_journalentry" is missing' in succeeded(newer, "migrate", "--noinput")
    added = "SELECT count(*) FROM pg_attribute WHERE attname = %s AND attrelid::regclass::text LIKE 'lockgate_%%'"
    assert newer.database.value(added, [ADDED]) == len(TABLES)

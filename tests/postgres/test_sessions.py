"""What is asked of a session and of the catalog in a run, in one process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import policy
from lockgate.database import advisory_lock, relations, session, table_objects, violations
from lockgate.errors import LockNotAcquired, SessionLost
from tests.support.databases import Database

ROLLED_BACK = "ROLLBACK; BEGIN"


@pytest.mark.parametrize("way", ["kept", "ended", "replaced", "failed", "replaced and failed", "settings reset"])
def test_a_transaction_is_known_again_by_its_mark_and_its_savepoint(connection: BaseDatabaseWrapper, way: str) -> None:
    opened = connection.connection
    assert not session.is_marked(connection)  # there is none
    assert not session.has_mark(connection, "shop.0001")
    assert not session.is_in_transaction(connection)
    opened.execute("BEGIN")
    session.mark_transaction(connection, "shop.0001", timedelta(seconds=3))
    assert opened.execute("SHOW lock_timeout").fetchone() == ("3s",)
    assert session.has_mark(connection, "shop.0001")
    assert not session.has_mark(connection, "shop.0002")
    opened.execute({"ended": "COMMIT", "settings reset": "RESET ALL"}.get(way, "SELECT 1"))
    if "replaced" in way:
        opened.execute(ROLLED_BACK)
    if "failed" in way:
        with pytest.raises(psycopg.Error):
            opened.execute("SELECT 1/0")
        assert session.is_marked(connection)  # it is not asked, so nobody can tell
    assert session.has_mark(connection, "shop.0001") == (way == "kept")
    assert session.is_in_transaction(connection) == (way != "ended")
    ours = way in ("kept", "failed", "settings reset")
    assert session.is_marked(connection, after_failure=True) == ours
    opened.rollback()
    assert opened.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_of_a_session_that_is_gone_nobody_can_tell(connection: BaseDatabaseWrapper) -> None:
    assert not session.is_closed_by_code(connection)
    connection.connection.close()
    assert session.is_closed_by_code(connection)
    assert session.is_marked(connection)
    assert session.is_in_transaction(connection)
    assert not session.has_mark(connection, "shop.0001")
    connection.connection = None
    assert session.is_closed_by_code(connection)
    assert session.is_marked(connection)
    assert session.is_in_transaction(connection)


def test_what_a_transaction_has_changed_is_told_from_what_was_there(
    connection: BaseDatabaseWrapper, database: Database
) -> None:
    database.execute(
        "CREATE TABLE t (a integer, b integer, c integer)",
        "CREATE INDEX t_b ON t (b)",
        "CREATE TABLE gone (a integer)",
        "CREATE TABLE other (a integer)",
    )
    before = table_objects.everything(connection)
    tables = {
        marked_thing.thing.name: marked_thing.thing.table_oid
        for marked_thing in before.values()
        if marked_thing.thing.kind == "table"
    }
    before = table_objects.of_tables(connection, tables.values())
    assert table_objects.differing(connection, table_objects.everything(connection)) == set()
    earlier = table_objects.everything(connection)
    opened = connection.connection
    opened.execute("BEGIN")
    opened.execute("ALTER TABLE t ADD d integer, DROP c, ALTER a SET NOT NULL; DROP TABLE gone; SELECT FROM other")
    touched = table_objects.touched(connection)
    assert {tables["t"], tables["gone"]} <= touched
    assert tables["other"] not in touched
    things = table_objects.changed(connection, tables.values(), before, {})
    opened.execute("COMMIT")
    said = [(thing.kind, thing.table, thing.name, thing.definition) for thing in things]
    assert sorted(said[:3]) == [
        ("column", "t", "a", "integer NOT NULL"),
        ("column", "t", "d", "integer"),
        ("table", "t", "t", ""),
    ]
    assert sorted(said[3:], key=str) == [("column", "t", "c", None), ("table", "gone", "gone", None)]
    assert table_objects.differing(connection, earlier) == {tables["t"], tables["gone"]}
    # What is noted already is noted again where it reads in another way.
    now = table_objects.of_tables(connection, [tables["t"]])
    index = next(marked_thing.thing for marked_thing in now.values() if marked_thing.thing.name == "t_b")
    assert table_objects.changed(connection, [tables["t"]], now, {index.key: index}) == []
    known = {index.key: index._replace(definition="as it was")}
    assert [thing.name for thing in table_objects.changed(connection, [tables["t"]], now, known)] == ["t", "t_b"]


def test_a_name_with_its_schema_means_no_other(connection: BaseDatabaseWrapper, database: Database) -> None:
    database.execute(
        "CREATE SCHEMA audit", "CREATE TABLE audit.log (a int)", "CREATE TABLE log (a int)", "CREATE TABLE t (a int)"
    )

    def named(*names: str) -> list[str]:
        return [relation.quoted for relation in relations.named(connection, names)]

    assert named("audit", "log", "t") == ['"audit"."log"', '"public"."t"']
    assert named("log", "t") == ['"public"."log"', '"public"."t"']
    assert named("nothing") == []


def test_rows_that_break_a_rule_are_counted_and_a_few_named(
    connection: BaseDatabaseWrapper, database: Database
) -> None:
    database.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer)",
        "INSERT INTO t SELECT n, n, n FROM generate_series(1, 30) n",
        "CREATE UNIQUE INDEX t_a ON t (a)",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID",
    )
    for name in ("t_a", "c", "nothing"):
        assert not violations.describe(connection, "t", name)
    database.execute("ALTER TABLE t DROP CONSTRAINT c", "UPDATE t SET b = -b WHERE id < 3")
    database.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID")
    assert violations.describe(connection, "t", "c") == "2 rows violate it: id = 1; id = 2"
    database.execute("ALTER TABLE t DROP CONSTRAINT c", "UPDATE t SET b = -abs(b)")
    database.execute("ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID")
    said = violations.describe(connection, "t", "c")
    assert said.startswith("30 rows violate it: id = ")
    assert said.endswith("; …")


def test_the_lock_is_one_sessions_and_is_told_of_whoever_has_it(
    connection: BaseDatabaseWrapper, database: Database
) -> None:
    limits = replace(policy.Policy(), wait_for_lock=timedelta(seconds=0.3), report_lock_wait=timedelta(0))
    told: list[Any] = []
    opened, key = connection.connection, [advisory_lock.KEY]
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", key)
        other.execute("SET application_name = 'other'")
        with pytest.raises(LockNotAcquired, match="could not get the migration lock in 0 s") as raised:
            advisory_lock.acquire(connection, limits, told.append)
        pid = str(other.info.backend_pid)
        assert f"pid {pid}" in str(raised.value.why)
        assert f"pg_terminate_backend({pid})" in str(raised.value.next_step)
        assert [each.holder.pid for each in told[:1]] == [other.info.backend_pid]
        assert advisory_lock.acquire(connection, limits, told.append, lambda: True) is None
        with pytest.raises(SessionLost, match="migration lock was lost"):
            advisory_lock.confirm(connection, opened, inside=False)
        assert advisory_lock.confirm(connection, opened, inside=False, lock=False) is None
        other.execute("SELECT pg_advisory_unlock(%s)", key)
    assert advisory_lock.holder(connection) is None
    with advisory_lock.releasing(connection):
        assert advisory_lock.acquire(connection, limits, told.append) is not None
        with pytest.raises(LockNotAcquired, match="this session has the migration lock already"):
            advisory_lock.acquire(connection, limits, told.append)
        assert advisory_lock.confirm(connection, opened, inside=False) is None
        opened.execute(advisory_lock.required(connection))
        opened.execute("BEGIN")
        with pytest.raises(SessionLost, match="left in a transaction"):
            advisory_lock.confirm(connection, opened, inside=False)
        session.mark_transaction(connection, "shop.0001", None)
        assert advisory_lock.confirm(connection, opened, inside=True) == "shop.0001"
        assert advisory_lock.confirm(connection, opened, inside=True, ask=lambda: (True, "")) is None
        opened.execute("ROLLBACK")
        connection.connection = None
        with pytest.raises(SessionLost, match="was lost") as lost:
            advisory_lock.confirm(connection, opened, inside=False)
        assert "was closed in the middle of the run" in str(lost.value.why)
        connection.connection = opened
    assert advisory_lock.holder(connection) is None

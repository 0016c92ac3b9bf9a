"""Locks: attempts that are short, blockers that are waited for without queueing, and a deadline that names them."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.databases import Database
from tests.support.processes import running, says, until
from tests.support.sites import Site, finish

CREATE = """
migrations.CreateModel(
    name="{0}", fields=[("id", models.BigAutoField(primary_key=True)), ("value", models.IntegerField(default=0))]
)
"""
ADD_COLUMN = 'migrations.AddField("{0}", "note", models.IntegerField(null=True))'
TAKE_NOTE = 'migrations.RunSQL("INSERT INTO shop_counter (value) VALUES (1)", migrations.RunSQL.noop)'
READS = 400 if os.environ.get("LOCKGATE_SWEEP") == "whole" else 50  # of 10 ms and more each: some 5 s
HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def counter(site: Site) -> Site:
    site.lockgate = {"LOCK_ATTEMPTS_SECONDS": 20, "LOCK_REPORT_SECONDS": 0.2}
    site.write_settings()
    site.migration("0001_initial", CREATE.format("Counter"), CREATE.format("Other"))
    assert site.migrate().code == 0
    return site


@contextmanager
def reading(database: Database, table: str) -> Iterator[list[float]]:
    """Another client that reads all the time; how long each of its queries took, in seconds."""
    took: list[float] = []
    ended = threading.Event()

    def read() -> None:
        with database.connect() as client:
            while not ended.is_set():
                began = time.monotonic()
                client.execute(f"SELECT count(*) FROM {table}")
                took.append(time.monotonic() - began)
                time.sleep(0.01)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def test_a_blocker_that_lets_go_is_waited_for_and_nobody_queues_behind_it(counter: Site) -> None:
    counter.migration("0002_note", ADD_COLUMN.format("Counter"))
    with counter.database.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        runner = counter.start("migrate", "--noinput")
        heard = says(runner, "waits, out of the way of others, for pid")
        # Stock Django makes every SELECT behind its queued ALTER TABLE wait for the blocker's end.
        with reading(counter.database, "shop_counter") as took:
            until(lambda: len(took) > 100, "others read on while it waits")
        blocker.execute("ROLLBACK")
        result = finish(runner)
    assert result.code == 0, result.text
    assert re.search(r"waits, out of the way of others, for pid \d+ .*idle in transaction for", heard)
    assert counter.database.value("SELECT attempts FROM lockgate_migrationrecord WHERE name = '0002_note'") == 1


def test_a_blocker_that_never_lets_go_is_named(counter: Site) -> None:
    counter.migration("0002_note", ADD_COLUMN.format("Counter"))
    with counter.database.connect() as blocker:
        blocker.execute("SET application_name = 'report'")
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        result = counter.migrate(LOCKGATE_LOCK_ATTEMPTS_SECONDS="1")
        pid = blocker.info.backend_pid
    assert result.code == 1
    assert 'could not lock "shop_counter" in 1 attempt over' in result.err
    assert f'held by pid {pid} ("report", idle in transaction for' in result.err
    assert f"SELECT pg_terminate_backend({pid});" in result.err
    assert "shop.0002_note was rolled back" in result.err
    assert counter.migrate().code == 0


def test_a_lock_that_comes_up_after_the_look_fails_the_attempt_and_another_follows(counter: Site) -> None:
    """The code of a migration takes its time before the lock is asked for; by then somebody has it."""
    # Tried, not waited for: its lock_timeout would end the wait.
    slow = (
        'migrations.RunSQL("DO $$BEGIN WHILE NOT pg_try_advisory_xact_lock(7) LOOP PERFORM pg_sleep(0.01); END LOOP; '
        'END$$", migrations.RunSQL.noop)'
    )
    counter.migration("0002_note", slow, TAKE_NOTE, ADD_COLUMN.format("Other"))
    with counter.database.connect() as blocker:
        blocker.execute("SELECT pg_advisory_lock(7)")
        runner = counter.start("migrate", "--noinput")
        until(lambda: running(counter.database, "pg_try_advisory_xact_lock"), "the migration takes its time")
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE shop_other IN ACCESS SHARE MODE")
        blocker.execute("SELECT pg_advisory_unlock(7)")
        says(runner, "did not get its locks in time; rolled back, trying again")
        blocker.execute("ROLLBACK")
        result = finish(runner)
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1
    assert counter.database.value("SELECT attempts FROM lockgate_migrationrecord WHERE name = '0002_note'") > 1


def test_tables_locked_in_the_opposite_order_by_a_client_end_well(counter: Site) -> None:
    """Both orders, again and again: neither the migrations nor the client may end in a deadlock that stays."""
    for number in range(2, 6):
        tables = ("Counter", "Other") if number % 2 else ("Other", "Counter")
        fields = [f'migrations.AddField("{table}", "note{number}", models.IntegerField(null=True))' for table in tables]
        counter.migration(f"000{number}_notes", *fields)
    ended, deadlocks = threading.Event(), []

    def swap() -> None:
        with counter.database.connect() as client:
            client.execute("SET deadlock_timeout = '10s'")  # no attempt waits so long, also where a process is held up
            turn = 0
            while not ended.is_set():
                first, second = ("shop_other", "shop_counter") if turn % 2 else ("shop_counter", "shop_other")
                turn += 1
                try:
                    with client.transaction():
                        client.execute(f"LOCK TABLE {first} IN ROW EXCLUSIVE MODE")
                        time.sleep(0.02)
                        client.execute(f"LOCK TABLE {second} IN ROW EXCLUSIVE MODE")
                except psycopg.errors.DeadlockDetected as error:
                    deadlocks.append(error)
                time.sleep(0.01)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        result = counter.migrate()
    finally:
        ended.set()
        thread.join()
    assert result.code == 0, result.text
    assert not deadlocks


def test_the_lock_is_held_by_one_backend_through_all_attempts(counter: Site) -> None:
    counter.migration("0002_note", ADD_COLUMN.format("Counter"))
    seen = set()
    with counter.database.connect() as blocker, counter.database.connect() as observer:
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        runner = counter.start("migrate", "--noinput")
        until(lambda: observer.execute(HOLDERS).fetchone(), "the run has the lock")
        gone = 0
        for _ in range(200):
            rows = observer.execute(HOLDERS).fetchall()
            seen |= {row[0] for row in rows}
            gone += not rows
            if gone:
                break
            time.sleep(0.01)
        blocker.execute("ROLLBACK")
        result = finish(runner)
    assert result.code == 0, result.text
    assert len(seen) == 1


def test_a_swallowed_lock_timeout_is_tried_again_too(counter: Site) -> None:
    """Code that catches the error goes on in a failed transaction; what it says then is not the reason.

    Its SQL is put together as it runs, so that the run does not wait for the lock before it.
    """
    counter.migration(
        "0002_swallow",
        "migrations.RunPython(swallow, migrations.RunPython.noop)",
        imports="""
        from django.db import DatabaseError

        def swallow(apps, schema_editor):
            Counter = apps.get_model("shop", "Counter")
            try:
                schema_editor.execute(f"LOCK TABLE {Counter._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            except DatabaseError:
                pass
            Counter.objects.create(value=7)
        """,
    )
    with counter.database.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        runner = counter.start("migrate", "--noinput")
        says(runner, "trying again")
        blocker.execute("ROLLBACK")
        result = finish(runner)
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter WHERE value = 7") == 1


# Once for each process, as if somebody had the table then.
BUSY_ONCE = """
from django.db import transaction

attempts = []

def busy_once(apps, schema_editor):
    attempts.append(1)
    if len(attempts) == 1:
        {before}
        schema_editor.execute("DO $$ BEGIN RAISE 'busy' USING ERRCODE = '55P03'; END $$")
"""
CALL = "migrations.RunPython(busy_once, migrations.RunPython.noop)"


def test_each_attempt_begins_with_the_models_as_they_were(counter: Site) -> None:
    rename = 'migrations.RenameField("Counter", "value", "number")'
    counter.migration("0002_rename", rename, CALL, imports=BUSY_ONCE.format(before="pass"))
    result = counter.migrate()
    assert result.code == 0, result.text
    assert "trying again" in result.text
    assert counter.database.value("SELECT count(number) FROM shop_counter") == 0


def test_a_transaction_that_a_failed_attempt_has_left_open_is_ended_before_the_next(counter: Site) -> None:
    opens = "transaction.atomic(schema_editor.connection.alias).__enter__()"
    counter.migration("0002_opens", CALL, TAKE_NOTE, imports=BUSY_ONCE.format(before=opens))
    result = counter.migrate()
    assert result.code == 0, result.text
    assert "trying again" in result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1


def test_the_session_is_left_as_it_was(counter: Site) -> None:
    """No SET of an attempt outlives its transaction: a later migration sees the role's own timeouts."""
    counter.migration("0002_note", ADD_COLUMN.format("Counter"))
    counter.migration(
        "0003_look",
        "migrations.RunPython(look, migrations.RunPython.noop)",
        imports="""
        def look(apps, schema_editor):
            with schema_editor.connection.cursor() as cursor:
                cursor.execute("SELECT reset_val FROM pg_settings WHERE name = 'lock_timeout'")
                assert cursor.fetchone() == ("0",)
        """,
    )
    result = counter.migrate()
    assert result.code == 0, result.text


# A strong lock of each kind that SQL can ask for, on a table that somebody reads.
STRONG = {
    "add column": "ALTER TABLE shop_counter ADD COLUMN note int",
    "several statements": "SELECT 1; ALTER TABLE shop_counter ALTER value SET DEFAULT 1; ANALYZE shop_counter",
    "parameters": [("ALTER TABLE shop_counter ADD COLUMN note int DEFAULT %s", [5])],
    "drop column": "ALTER TABLE shop_counter DROP COLUMN value",
    "rename column": "ALTER TABLE shop_counter RENAME value TO amount",
    "alter type": "ALTER TABLE shop_counter ALTER value TYPE bigint",
    "check": "ALTER TABLE shop_counter ADD CHECK (value >= 0)",
    "unique": "ALTER TABLE shop_counter ADD UNIQUE (value)",
    "rename table": "ALTER TABLE shop_counter RENAME TO shop_meter",
    "drop table": "DROP TABLE shop_counter",
    "truncate": "TRUNCATE shop_counter",
    "lock table": "LOCK TABLE shop_counter",
    "cluster": "CLUSTER shop_counter USING shop_counter_pkey",
    "row security": "ALTER TABLE shop_counter ENABLE ROW LEVEL SECURITY",
    "policy": "CREATE POLICY mine ON shop_counter USING (true)",
    "rule": "CREATE RULE mine AS ON UPDATE TO shop_counter DO INSTEAD NOTHING",
    "owner": "ALTER TABLE shop_counter OWNER TO CURRENT_USER",
    "schema": "CREATE SCHEMA attic; ALTER TABLE shop_counter SET SCHEMA attic",
    "unlogged": "ALTER TABLE shop_counter SET UNLOGGED",
    "drop index": "DROP INDEX shop_counter_value_idx",
    "a block": "DO $$ BEGIN ALTER TABLE shop_counter ADD COLUMN note int; END $$",
    "with a schema": "ALTER TABLE public.shop_counter ADD COLUMN note int",
    "several texts": [
        "CREATE INDEX CONCURRENTLY ON shop_other (value)",
        ("ALTER TABLE shop_counter ADD COLUMN note int DEFAULT %s", [5]),
        "ALTER TABLE shop_counter ADD COLUMN more int",
    ],
    "reindex": "REINDEX TABLE shop_counter",
    "vacuum full": "VACUUM FULL shop_counter",
    "vacuum full of two": "VACUUM (FULL) shop_other, shop_counter",
    "a block that commits": "DO $$ BEGIN ALTER TABLE shop_counter ADD COLUMN note int; COMMIT; END $$",
}
SAMPLE = (("several statements", True), ("parameters", False), ("several texts", False), ("a block", False))
ALONE = ("several texts", "vacuum full", "vacuum full of two", "a block that commits")  # refused in a transaction
IN_ONE = ("lock table",)  # refused outside of one
ALL = [(kind, each) for kind in STRONG for each in (True, False) if kind not in (ALONE if each else IN_ONE)]


@pytest.mark.parametrize(("kind", "atomic"), ALL if os.environ.get("LOCKGATE_SWEEP") == "whole" else SAMPLE)
def test_sql_waits_out_of_the_way_of_who_reads_the_table(counter: Site, kind: str, atomic: bool) -> None:
    """As AddField does: no attempt is made while the table is read, and nobody queues behind one."""
    counter.database.execute("CREATE INDEX shop_counter_value_idx ON shop_counter (value)")
    counter.migration("0002_sql", f"migrations.RunSQL({STRONG[kind]!r}, migrations.RunSQL.noop)", atomic=str(atomic))
    with counter.database.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        runner = counter.start("migrate", "--noinput")
        heard = says(runner, "waits, out of the way of others, for pid")
        with reading(counter.database, "shop_counter") as took:
            until(lambda: len(took) > READS, "others read on while it waits")
        blocker.execute("ROLLBACK")
        result = finish(runner)
    assert result.code == 0, result.text
    assert "trying again" not in heard + result.text, "no attempt has failed"
    print(f"longest query beside it: {max(took) * 1000:.0f} ms")


TRIED = "did not get its locks in time; rolled back, trying again"
IN_FRONT = (
    "CALL slowly_widen() may wait in front of others for its locks, up to 60 s for each: it commits by itself, so it "
    "cannot be tried again"
)
UNREAD = {  # nobody can say which lock they ask for: each is tried for moments, but for what commits by itself
    "SELECT widen()": TRIED,
    "DO $$ BEGIN EXECUTE 'ALTER TABLE shop_' || 'counter ADD COLUMN note int'; END $$": TRIED,
    "CALL slowly_widen()": IN_FRONT,
}
WIDEN = "BEGIN ALTER TABLE shop_counter ADD COLUMN note int; {} END"
MAKE = f"""
CREATE FUNCTION widen() RETURNS void LANGUAGE plpgsql AS $${WIDEN.format("")}$$;
CREATE PROCEDURE slowly_widen() LANGUAGE plpgsql AS $${WIDEN.format("COMMIT;")}$$;
"""


@pytest.mark.parametrize("text", UNREAD, ids=["function", "text-made-up", "procedure"])
def test_sql_that_cannot_be_read_waits_for_moments_or_says_that_it_waits_in_front(counter: Site, text: str) -> None:
    counter.database.execute(MAKE)
    counter.migration("0002_sql", f"migrations.RunSQL({text!r})", atomic="False")
    with counter.database.connect() as blocker:
        blocker.execute("BEGIN")
        blocker.execute("SELECT count(*) FROM shop_counter")
        runner = counter.start("migrate", "--noinput", LOCKGATE_ONLINE_WAIT_SECONDS="60")
        if UNREAD[text] == TRIED:
            heard = says(runner, TRIED)
            with reading(counter.database, "shop_counter") as took:
                until(lambda: len(took) > READS, "others read on while it is tried")
        else:
            heard = says(runner, "waits for pid")
        blocker.execute("ROLLBACK")
        result = finish(runner)
    assert result.code == 0, result.text
    assert UNREAD[text] in heard + result.text
    assert counter.database.value("SELECT count(note) FROM shop_counter") == 0


def test_the_plan_says_of_sql_that_it_may_wait_in_front_of_others(counter: Site) -> None:
    counter.migration("0002_call", 'migrations.RunSQL("CALL slowly_widen()")', atomic="False")
    counter.migration("0003_alter", 'migrations.RunSQL(["ALTER TABLE shop_counter ADD note int"])', atomic="False")
    lines = [line for line in counter.run("migrate", "--plan").out.splitlines() if "why" in line]
    assert ["in front of others" in line for line in lines] == [True, False]

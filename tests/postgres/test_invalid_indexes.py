"""SQL and code that build an index concurrently, and fail: the state names what they leave, and NEXT removes it."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import pytest

from tests.support.processes import running, until
from tests.support.sites import CREATE_COUNTER, Site, finish

# Tried, not waited for: its lock_timeout would end the wait.
UNTIL_THE_GATE_OPENS = "DO $$BEGIN WHILE NOT pg_try_advisory_xact_lock(7) LOOP PERFORM pg_sleep(0.01); END LOOP; END$$"
BUILD = "CREATE UNIQUE INDEX CONCURRENTLY one_value ON shop_counter (value)"
CODE = f"""
def forwards(apps, schema_editor):
    schema_editor.connection.cursor().execute("{BUILD}")
"""


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_counter (value) VALUES (1), (1)")
    return site


def failed(site: Site) -> dict[str, Any]:
    result = site.migrate("--retry", "--log-format", "json")
    assert result.code == 1, result.text
    (said,) = [json.loads(line) for line in result.err.splitlines() if '"event": "failed"' in line]
    return dict(said)


def invalid(site: Site) -> list[tuple[object, ...]]:
    return site.database.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


@pytest.mark.parametrize("operation", [f"migrations.RunSQL('{BUILD}')", "migrations.RunPython(forwards)"])
def test_the_index_that_is_left_is_named_and_the_next_step_typed_works(shop: Site, operation: str) -> None:
    shop.database.execute("CREATE TABLE other AS SELECT 1 AS a FROM generate_series(1, 2)")
    with pytest.raises(Exception, match="could not create unique index"):
        shop.database.execute("CREATE UNIQUE INDEX CONCURRENTLY another ON other (a)")
    shop.migration("0002_index", operation, imports=CODE, atomic="False")
    said = failed(shop)
    assert 'an index is left invalid: "public"."one_value" of "shop_counter"' in said["state"]
    assert "another" not in said["state"], "it was there before"
    assert "remove or merge the duplicate rows" in said["next"]
    shop.database.execute("DELETE FROM shop_counter")
    for statement in re.findall(r"DROP INDEX [^;]*", said["next"]):
        shop.database.execute(statement)
    assert invalid(shop) == [("another",)]
    assert shop.migrate("--retry").code == 0


def test_one_that_if_not_exists_passes_over_is_named_when_the_run_ends(shop: Site) -> None:
    """Also by a run whose migrations have nothing to do with it; one without work looks for none."""
    with pytest.raises(Exception, match="could not create unique index"):
        shop.database.execute(BUILD)
    again = BUILD.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS")
    shop.migration("0002_index", f"migrations.RunSQL('{again}')", atomic="False")
    named = 'warning: index "public"."one_value" of "shop_counter" is invalid'
    for name in ("0002_index", "0003_aside"):
        done = shop.migrate()
        assert (done.code, done.err.count(named)) == (0, 1), done.text
        assert f"applied shop.{name}" in done.out
        shop.migration("0003_aside", "migrations.RunSQL('SELECT 1')")
    assert "invalid" not in shop.migrate().text
    (statement,) = re.findall(r"DROP INDEX [^;]*;", done.err)
    shop.database.execute(statement)
    assert invalid(shop) == []


def test_one_that_an_earlier_run_has_left_is_told_from_a_name_that_is_taken(shop: Site) -> None:
    shop.migration("0002_index", f"migrations.RunSQL('{BUILD}')", atomic="False")
    failed(shop)
    shop.database.execute("DELETE FROM shop_counter")
    said = failed(shop)
    assert "SQLSTATE 42P07" in said["why"]
    assert 'an index is left invalid: "public"."one_value"' in said["state"]
    first, then = said["next"].splitlines()[:2]
    assert first == 'drop what is left invalid:  DROP INDEX CONCURRENTLY "public"."one_value";'
    assert then == "then run again"
    shop.database.execute("DROP INDEX CONCURRENTLY one_value")
    shop.database.execute("CREATE INDEX one_value ON shop_counter (value)")
    said = failed(shop)
    assert "invalid" not in said["state"], "this one is whole"


def test_a_build_of_somebody_else_is_no_remains(shop: Site) -> None:
    """It is invalid for as long as it lasts."""
    with shop.database.connect() as gate, shop.database.connect() as reader, reader.transaction():
        reader.execute("SELECT * FROM shop_counter")
        gate.execute("SELECT pg_advisory_lock(7)")
        shop.migration("0002_sql", f'migrations.RunSQL("{UNTIL_THE_GATE_OPENS}; SELECT 1/0")', atomic="False")
        process = shop.start("migrate", "--noinput")
        until(lambda: running(shop.database, "pg_try_advisory_xact_lock"), "it waits at the gate")
        builder = threading.Thread(
            target=shop.database.execute, args=["CREATE INDEX CONCURRENTLY theirs ON shop_counter (value)"]
        )
        builder.start()
        until(lambda: invalid(shop) == [("theirs",)], "they build")
        gate.execute("SELECT pg_advisory_unlock(7)")
        result = finish(process)
    builder.join()
    assert "invalid" not in result.err


def test_a_build_that_a_signal_breaks_off_is_told_as_well(shop: Site) -> None:
    shop.migration("0002_index", f"migrations.RunSQL('{BUILD}')", atomic="False")
    with shop.database.connect() as reader, reader.transaction():
        reader.execute("UPDATE shop_counter SET value = 2")
        process = shop.start("migrate", "--noinput")
        until(lambda: running(shop.database, BUILD), "it builds")
        until(lambda: bool(invalid(shop)), "it has begun")
        process.terminate()
        result = finish(process)
    assert 'DROP INDEX CONCURRENTLY "public"."one_value";' in result.err


def test_what_a_lost_session_has_left_is_seen_by_another(shop: Site) -> None:
    shop.migration("0002_index", f"migrations.RunSQL('{BUILD}')", atomic="False")
    with shop.database.connect() as reader, reader.transaction():
        reader.execute("UPDATE shop_counter SET value = 2")
        process = shop.start("migrate", "--noinput")
        until(lambda: running(shop.database, BUILD), "it builds")
        until(lambda: bool(invalid(shop)), "it has begun")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s AND state = 'active'"
        shop.database.rows(ended, [BUILD])
        result = finish(process)
    assert 'an index is left invalid: "public"."one_value" of "shop_counter"' in result.err
    assert 'drop what is left invalid:  DROP INDEX CONCURRENTLY "public"."one_value";' in result.err

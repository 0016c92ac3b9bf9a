"""What is said of the database after a failure is judged by the transaction that was open, not by how it looks."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.support.processes import running, until
from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site, finish

CODE = """
def forwards(apps, schema_editor):
    connection = schema_editor.connection
    run = connection.cursor().execute
{body}
"""


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_counter (value) VALUES (0)")
    return site


def write(site: Site, *lines: str, then: tuple[str, ...] = (), run: str = "forwards", **attributes: str) -> None:
    """A migration that adds a column, runs this code, and does something more."""
    body = "\n".join(f"    {line}" for line in lines)
    code = f"migrations.RunPython({run}, migrations.RunPython.noop)"
    site.migration("0002_code", ADD_COLUMN.format("one"), code, *then, imports=CODE.format(body=body), **attributes)


def failed(site: Site) -> dict[str, Any]:
    result = site.migrate("--log-format", "json")
    assert result.code == 1, result.text
    assert ("shop", "0002_code") not in site.database.applied()
    (said,) = [json.loads(line) for line in result.err.splitlines() if '"event": "failed"' in line]
    return dict(said)


def has(site: Site, column: str) -> bool:
    query = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop_counter'::regclass AND attname = %s"
    return bool(site.database.value(query, [column]))


BOUNDED = (
    ("run('COMMIT; BEGIN; SELECT 1/0')",),
    ("run('COMMIT; BEGIN')", "raise ValueError('no')"),
    ("run('COMMIT; BEGIN')", "run('SELECT 1/0')"),
    ("run('COMMIT AND CHAIN')", "run('SELECT 1/0')"),
    ("run('COMMIT; SELECT 1/0')",),
    ("run('COMMIT')", "run('SELECT 1/0')"),
    ("connection.connection.commit()", "run('SELECT 1/0')"),
    ("connection.connection.commit()", "connection.connection.execute('BEGIN')", "run('SELECT 1/0')"),
    ("run('COMMIT; BEGIN')", "raise SystemExit(0)"),
)


@pytest.mark.parametrize("lines", BOUNDED)
def test_a_part_that_was_committed_is_never_called_rolled_back(shop: Site, lines: tuple[str, ...]) -> None:
    write(shop, *lines)
    said = failed(shop)
    assert has(shop, "one")
    assert said["state"].startswith("shop.0002_code ended its own transaction: what of it is committed is unknown")
    assert "rolled back" not in said["state"]
    assert "manage.py sqlmigrate shop 0002_code" in said["next"]
    assert said["operation"] == "operation 2 of 2, RunPython"


def test_what_is_committed_after_a_rollback_counts_as_well(shop: Site) -> None:
    write(shop, "run('ROLLBACK; BEGIN; UPDATE shop_counter SET value = 7; COMMIT; BEGIN; SELECT 1/0')")
    assert "what of it is committed is unknown" in failed(shop)["state"]
    assert shop.database.value("SELECT value FROM shop_counter") == 7


def test_nothing_more_runs_outside_a_transaction_that_has_ended(shop: Site) -> None:
    write(shop, "run('COMMIT; BEGIN')", then=(ADD_COLUMN.format("two"), "migrations.RunSQL('COMMIT_NOT')"))
    said = failed(shop)
    assert said["what"] == "shop.0002_code ended its own transaction"
    assert said["operation"] == "operation 2 of 4, RunPython"
    assert not has(shop, "two")


def test_a_commit_that_leaves_no_transaction_is_found_with_its_statement(shop: Site) -> None:
    write(shop, "run('COMMIT')", "run('UPDATE shop_counter SET value = 7')")
    said = failed(shop)
    assert (said["what"], said["statement"]) == ("shop.0002_code ended its own transaction", "COMMIT")
    assert shop.database.value("SELECT value FROM shop_counter") == 0


def test_what_was_committed_is_not_done_again_for_a_lock_that_was_not_got(shop: Site) -> None:
    write(shop, "run('UPDATE shop_counter SET value = value + 1; COMMIT; BEGIN')", *LOCK)
    shop.database.execute("CREATE TABLE other (id int)")
    with shop.database.connect() as other, other.transaction():
        other.execute("LOCK TABLE other")
        said = failed(shop)
    assert shop.database.value("SELECT value FROM shop_counter") == 1
    assert "SQLSTATE 55P03" in said["why"]
    assert "ended its own transaction" in said["state"]


LOCK = ("run(\"SET LOCAL lock_timeout = '50ms'\")", "run('LOCK TABLE other')")


@pytest.mark.parametrize(
    "lines",
    [
        ("run('SELECT 1/0')",),
        ("run('RESET ALL')", "run('SELECT 1/0')"),
        ("run('SAVEPOINT a')", "run('ROLLBACK TO a')", "raise ValueError('no')"),
    ],
)
def test_what_was_rolled_back_is_called_so(shop: Site, lines: tuple[str, ...]) -> None:
    write(shop, *lines)
    assert failed(shop)["state"].startswith("shop.0002_code was rolled back")
    assert not has(shop, "one")


def test_what_was_committed_is_not_done_again_by_the_next_replica(shop: Site) -> None:
    write(shop, "run('UPDATE shop_counter SET value = value + 1; COMMIT; BEGIN')")
    assert failed(shop)["what"] == "shop.0002_code ended its own transaction"
    assert failed(shop)["what"].startswith("this release failed")
    assert shop.database.value("SELECT value FROM shop_counter") == 1


def test_settings_may_be_reset_by_a_migration(shop: Site) -> None:
    write(shop, "run('RESET ALL')")
    result = shop.migrate()
    assert result.code == 0, result.text


def test_a_failure_that_code_swallows_is_not_recorded_as_done(shop: Site) -> None:
    """To ask for the transaction must not bring one back to life that has failed."""
    write(shop, "try: connection.connection.execute('SELECT 1/0')", "except Exception: pass")
    said = failed(shop)
    assert "25P02" in said["why"]
    assert not has(shop, "one")


def test_a_signal_after_a_commit_tells_of_it(shop: Site) -> None:
    write(shop, "run('COMMIT; BEGIN; SELECT pg_sleep(30)')")
    process = shop.start("migrate", "--noinput")
    until(lambda: running(shop.database, "pg_sleep(30)"), "it sleeps")
    process.send_signal(signal.SIGTERM)
    result = finish(process)
    assert "what of it is committed is unknown" in result.err
    assert "rolled back" not in result.err


def test_backwards_too(shop: Site) -> None:
    code = "migrations.RunPython(migrations.RunPython.noop, forwards)"
    shop.migration("0002_code", ADD_COLUMN.format("one"), code, imports=CODE.format(body="    run('COMMIT; BEGIN')"))
    assert shop.migrate().code == 0
    result = shop.migrate("shop", "0001")
    assert result.code == 1
    assert "ended its own transaction: what of it is committed is unknown" in result.err


def test_an_operation_with_a_transaction_of_its_own_is_judged_alike(shop: Site) -> None:
    """In a migration that is not atomic."""
    body = CODE.format(body="    run('UPDATE shop_counter SET value = value + 1; COMMIT; BEGIN')")
    shop.migration("0002_code", "migrations.RunPython(forwards, atomic=True)", imports=body, atomic="False")
    said = failed(shop)
    assert said["what"] == "shop.0002_code ended its own transaction"
    assert "what of it is committed is unknown" in said["state"]


@pytest.mark.parametrize("lines", [("connection.close()",), ("connection.close()", "run('SELECT 1')")])
def test_a_migration_that_closes_the_connection_is_told_as_that(shop: Site, lines: tuple[str, ...]) -> None:
    write(shop, *lines, then=(ADD_COLUMN.format("two"),))
    said = failed(shop)
    assert said["what"] == "shop.0002_code closed the connection"
    assert said["operation"] == "operation 2 of 3, RunPython"
    assert said["state"].startswith("shop.0002_code: rolled back by the server, but for what its code had committed")
    assert not has(shop, "one")


def test_a_session_that_the_server_ends_is_not_said_to_be_closed_by_code(shop: Site) -> None:
    write(shop, "run('SELECT pg_terminate_backend(pg_backend_pid())')")
    said = failed(shop)
    assert "closed the connection" not in said["what"]
    assert "rolled back by the server, but for what its code had committed before" in said["state"]


def test_a_session_that_is_lost_after_a_commit_is_not_called_rolled_back_whole(shop: Site) -> None:
    write(shop, "run('COMMIT; BEGIN; SELECT pg_terminate_backend(pg_backend_pid())')")
    said = failed(shop)
    assert has(shop, "one")
    assert "but for what its code had committed before" in said["state"]


SAVEPOINTS = """
def forwards(apps, schema_editor):
    schema_editor.connection.cursor().execute("SAVEPOINT mine; UPDATE shop_counter SET value = 7")

def copy(apps, schema_editor):
    with schema_editor.connection.connection.cursor().copy("COPY shop_other FROM STDIN (FREEZE)") as rows:
        rows.write("1\\n")
"""


def test_a_savepoint_of_one_operation_is_there_for_the_next(shop: Site) -> None:
    back = "migrations.RunSQL('ROLLBACK TO SAVEPOINT mine')"
    shop.migration("0002_code", "migrations.RunPython(forwards)", ADD_COLUMN.format("one"), back, imports=SAVEPOINTS)
    assert shop.migrate().code == 0
    assert shop.database.value("SELECT value FROM shop_counter") == 0
    assert not has(shop, "one")


def test_a_table_of_the_migration_is_one_of_its_transaction_to_copy(shop: Site) -> None:
    table = 'migrations.CreateModel("Other", [("id", models.IntegerField(primary_key=True))])'
    copy = "migrations.RunPython(copy)"
    shop.migration("0002_code", table, "migrations.RunSQL('SELECT 1')", copy, imports=SAVEPOINTS)
    result = shop.migrate()
    assert result.code == 0, result.text
    assert shop.database.value("SELECT count(*) FROM shop_other") == 1

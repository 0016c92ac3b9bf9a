"""Migrations with ``atomic = False``: a rerun carries on after the last operation that is done."""

from __future__ import annotations

import signal

import pytest

from tests.postgres.test_lock_retry import CREATE
from tests.support.processes import until
from tests.support.sites import Site, finish

FIELD = 'migrations.AddField("Counter", "{0}", models.IntegerField(null=True))'
COUNT = "migrations.RunPython(count, migrations.RunPython.noop)"
COUNT_ALONE = "migrations.RunPython(count, migrations.RunPython.noop, atomic=True)"
COUNTING = """
def count(apps, schema_editor):
    Counter = apps.get_model("shop", "Counter")
    Counter.objects.create(value=1)
"""
# A nap in the first run alone, which is killed in it.
SLEEPING = f"""
import os
{COUNTING}    schema_editor.execute("SELECT pg_sleep(" + os.environ.get("NAP", "0") + ")")
"""
CONCURRENT = """
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
"""
BUILD = 'AddIndexConcurrently("Counter", models.Index(fields=["value"], name="counter_value"))'
DROP = 'RemoveIndexConcurrently("Counter", "counter_value")'
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND datname = current_database()"
RUNNERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = current_database()"


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE.format("Counter"))
    assert site.migrate().code == 0
    return site


def killed_in(site: Site, statement: str) -> None:
    """Kill a run while the server works at a statement, and wait for its session to end."""
    runner = site.start("migrate", "--noinput", NAP="60")
    until(lambda: site.database.value(BUSY, [f"{statement}%"]) == 1, f"{statement} is under way")
    if "INDEX" in statement:  # before, a kill would leave nothing
        until(lambda: site.database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1, "it is invalid")
    runner.send_signal(signal.SIGKILL)
    finish(runner)
    until(lambda: site.database.value(RUNNERS, ["lockgate%"]) == 0, "its session ends")


def test_a_failure_in_the_middle_is_carried_on_from_when_it_is_mended(counter: Site) -> None:
    broken = 'migrations.RunSQL("SELECT 1/0")'
    counter.migration("0002_steps", FIELD.format("one"), COUNT, broken, atomic="False", imports=COUNTING)
    result = counter.migrate()
    assert result.code == 1
    assert "the operations before the one that failed stay" in result.err
    again = counter.migrate("--retry")
    assert again.code == 1
    assert "already exists" not in again.err
    assert "failed in an earlier run; it runs again from its start" in again.err
    assert "was under way" not in again.err
    counter.migration(
        "0002_steps", FIELD.format("one"), COUNT, 'migrations.RunSQL("SELECT 1")', atomic="False", imports=COUNTING
    )
    result = counter.migrate()
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1
    assert ("shop", "0002_steps") in counter.database.applied()
    assert counter.database.value("SELECT action FROM lockgate_migrationrecord WHERE name = '0002_steps'") == "apply"


FAILING = """
import sys
from django.db import transaction

def fail(*_):
    raise ValueError("no")

def leave(*_):
    sys.exit(0)

def open(apps, schema_editor):
    transaction.atomic(schema_editor.connection.alias).__enter__()
    try:
        schema_editor.execute("SELECT 1/0")
    except Exception:
        raise ValueError("open") from None
"""


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ('migrations.RunSQL("SELECT 1/0")', "SQLSTATE 22012"),
        ("migrations.RunPython(fail)", "ValueError: no"),
        ("migrations.RunPython(fail, atomic=True)", "ValueError: no"),
        ("migrations.RunPython(leave)", "sys.exit(0)"),
        ("migrations.RunPython(open, atomic=True)", "ValueError: open"),
        ('migrations.AddField("Counter", "value", models.IntegerField(null=True))', "SQLSTATE 42701"),
        ('AddIndexConcurrently("Counter", models.Index(fields=["value"], name="shop_counter_pkey"))', "SQLSTATE 42P07"),
    ],
    ids=["sql", "python", "python-in-a-transaction", "exit", "open-transaction", "schema", "concurrent"],
)
def test_an_operation_that_fails_is_written_down_with_its_error(counter: Site, operation: str, says: str) -> None:
    counter.migration("0002_steps", FIELD.format("one"), operation, atomic="False", imports=CONCURRENT + FAILING)
    assert counter.migrate().code == 1
    ((state, error),) = counter.database.rows("SELECT state, error FROM lockgate_journalentry WHERE ordinal = 1")
    assert state == "failed"
    assert says in error


def test_an_edit_of_what_is_done_is_refused(counter: Site) -> None:
    broken = 'migrations.RunSQL("SELECT 1/0")'
    counter.migration("0002_steps", FIELD.format("one"), broken, atomic="False")
    assert counter.migrate().code == 1
    counter.migration("0002_steps", FIELD.format("other"), broken, atomic="False")
    result = counter.migrate()
    assert result.code == 1
    assert "shop.0002_steps was edited after it was applied in part" in result.err
    assert "next" in result.err


SECRET = "migrations.RunSQL(\"SELECT 'correct horse'\", hints={'token': 'battery staple'})"
JOURNAL = "SELECT string_agg(lockgate_journalentry::text, ' ') FROM lockgate_journalentry WHERE app = 'shop'"


def test_the_journal_keeps_no_text_of_sql_and_knows_it_again(counter: Site) -> None:
    counter.migration("0002_steps", SECRET, 'migrations.RunSQL("SELECT 1/0")', atomic="False")
    assert counter.migrate().code == 1
    journal = counter.database.value(JOURNAL)
    assert not any(word in journal for word in ("horse", "staple", "SELECT"))
    counter.migration("0002_steps", SECRET.replace("horse", "mule"), "migrations.RunSQL('SELECT 1')", atomic="False")
    assert "was edited after it was applied in part" in counter.migrate().err
    counter.migration("0002_steps", SECRET, "migrations.RunSQL('SELECT 1')", atomic="False")
    assert counter.migrate().code == 0
    assert counter.database.value("SELECT count(*) FROM lockgate_journalentry WHERE app = 'shop' AND sql <> ''") == 0


def test_two_rows_of_the_same_sql_do_not_tell_that_it_is_the_same(counter: Site) -> None:
    counter.migration("0002_steps", SECRET, SECRET, 'migrations.RunSQL("SELECT 1/0")', atomic="False")
    assert counter.migrate().code == 1
    assert counter.database.value("SELECT count(DISTINCT sql) FROM lockgate_journalentry WHERE app = 'shop'") == 3


def test_the_text_that_an_earlier_build_kept_is_understood(counter: Site) -> None:
    counter.migration("0002_steps", COUNT, 'migrations.RunSQL("SELECT 1/0")', atomic="False", imports=COUNTING)
    assert counter.migrate().code == 1
    text = (
        "migrations.RunPython(\n    code=shop.migrations.0002_steps.count,\n"
        "    reverse_code=django.db.migrations.operations.special.RunPython.noop,\n),"
    )
    counter.database.execute(f"UPDATE lockgate_journalentry SET sql = '{text}' WHERE app = 'shop' AND ordinal = 0")
    counter.migration("0002_steps", COUNT, 'migrations.RunSQL("SELECT 1")', atomic="False", imports=COUNTING)
    result = counter.migrate()
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1


def test_code_outside_a_transaction_that_a_kill_met_runs_again_and_says_so(counter: Site) -> None:
    counter.migration("0002_steps", FIELD.format("one"), COUNT, atomic="False", imports=SLEEPING)
    killed_in(counter, "SELECT pg_sleep(60)")
    result = counter.migrate()
    assert result.code == 0, result.text
    assert "was under way when its run ended; it runs again from its start" in result.err
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 2  # at least once is what is promised


def test_code_in_a_transaction_of_its_own_runs_once(counter: Site) -> None:
    counter.migration("0002_steps", FIELD.format("one"), COUNT_ALONE, atomic="False", imports=SLEEPING)
    killed_in(counter, "SELECT pg_sleep(60)")
    result = counter.migrate()
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter") == 1


SQL = {
    "CREATE TABLE one (id int); CREATE INDEX one_id ON one (id)": True,
    "ALTER TABLE one ADD COLUMN two int": True,
    "INSERT INTO one VALUES (1)": False,
    "ALTER TABLE one ADD COLUMN three int; UPDATE one SET three = 3": False,
    "DO $$ BEGIN ALTER TABLE one ADD COLUMN four int; END $$": False,
    "CREATE INDEX CONCURRENTLY one_two ON one (two)": False,
    "VACUUM one": False,
    "SELECT 1": False,
}


def test_sql_that_changes_the_schema_alone_is_done_together_with_its_mark(counter: Site) -> None:
    """PostgreSQL makes one transaction of a text in any case; of two, it makes two."""
    texts = [*map(repr, SQL), "['ALTER TABLE one ADD COLUMN five int', 'ALTER TABLE one ADD COLUMN six int']"]
    texts.append("['BEGIN', 'ALTER TABLE one ADD COLUMN seven int', 'COMMIT']")
    counter.migration("0002_sql", *(f"migrations.RunSQL({text})" for text in texts), atomic="False")
    result = counter.migrate()
    assert result.code == 0, result.text
    rows = counter.database.rows(
        "SELECT transactional FROM lockgate_journalentry WHERE phase = 'switch' ORDER BY ordinal"
    )
    assert [together for (together,) in rows] == [*SQL.values(), True, True, False]


LIST = """migrations.RunSQL([
    "ALTER TABLE shop_counter ADD COLUMN one int",
    ("INSERT INTO shop_counter (value) VALUES (%s)", [1]),
    "ALTER TABLE shop_counter ADD COLUMN two int",
    {}
])"""


def test_each_of_several_texts_is_done_once(counter: Site) -> None:
    """Django commits each; one that is done, and whose mark is there, is not sent again."""
    counter.migration("0002_steps", LIST.format("'SELECT 1/0'"), atomic="False")
    assert "SELECT 1/0" in counter.migrate().err
    counter.migration("0002_steps", LIST.format("'SELECT 1'"), FIELD.format("three"), atomic="False")
    assert "operations 3 of 4 done" in counter.run("showmigrations", "shop").out
    result = counter.migrate()
    assert result.code == 0, result.text
    assert counter.database.value("SELECT count(*) FROM shop_counter WHERE one IS NULL AND two IS NULL") == 1


def test_several_texts_are_taken_back_and_applied_again(counter: Site) -> None:
    back = "['ALTER TABLE shop_counter DROP COLUMN two', 'ALTER TABLE shop_counter DROP COLUMN one']"
    forwards = "['ALTER TABLE shop_counter ADD COLUMN one int', 'ALTER TABLE shop_counter ADD COLUMN two int']"
    counter.migration("0002_steps", f"migrations.RunSQL({forwards}, {back})", atomic="False")
    for arguments in ((), ("shop", "0001"), ()):
        result = counter.run("migrate", "--noinput", *arguments)
        assert result.code == 0, result.text
    assert counter.database.value("SELECT count(two) FROM shop_counter") == 0


def test_several_texts_that_an_earlier_build_had_begun_as_one_are_carried_on_as_one(counter: Site) -> None:
    texts = "migrations.RunSQL(['SELECT 1', 'SELECT 2'])"
    counter.migration("0002_steps", texts, 'migrations.RunSQL("SELECT 1/0")', atomic="False")
    assert counter.migrate().code == 1
    counter.database.execute("DELETE FROM lockgate_journalentry WHERE app = 'shop' AND ordinal = 1")
    kept = "migrations.RunSQL(\n    sql=['SELECT 1', 'SELECT 2'],\n),"
    counter.database.execute(
        f"UPDATE lockgate_journalentry SET sql = {quoted(kept)} WHERE app = 'shop' AND ordinal = 0"
    )
    counter.database.execute("UPDATE lockgate_journalentry SET ordinal = 1 WHERE app = 'shop' AND ordinal = 2")
    counter.migration("0002_steps", texts, 'migrations.RunSQL("SELECT 1")', atomic="False")
    result = counter.migrate()
    assert result.code == 0, result.text
    assert (
        counter.database.value("SELECT count(*) FROM lockgate_journalentry WHERE app = 'shop' AND state = 'done'") == 2
    )


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("operation", [BUILD, DROP], ids=["build", "drop"])
def test_a_concurrent_index_that_a_kill_met_is_done_by_the_next_run(counter: Site, operation: str) -> None:
    if operation == DROP:
        counter.migration("0002_build", BUILD, atomic="False", imports=CONCURRENT)
        assert counter.migrate().code == 0
    name = "0003_drop" if operation == DROP else "0002_build"
    counter.migration(name, operation, FIELD.format("after"), atomic="False", imports=CONCURRENT)
    with counter.database.connect() as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM shop_counter")
        killed_in(counter, "DROP INDEX CONCURRENTLY" if operation == DROP else "CREATE INDEX CONCURRENTLY")
        other.execute("ROLLBACK")
    assert counter.database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1
    result = counter.migrate()
    assert result.code == 0, result.text
    there = counter.database.value("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('counter_value')")
    assert there == (operation == BUILD)
    assert counter.database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0


def test_operations_inside_separate_database_and_state_are_journaled_one_by_one(counter: Site) -> None:
    counter.migration(
        "0002_steps",
        f"migrations.SeparateDatabaseAndState(database_operations=[{FIELD.format('one')}, {FIELD.format('two')}], "
        f"state_operations=[{FIELD.format('one')}, {FIELD.format('two')}])",
        'migrations.RunSQL("SELECT 1/0")',
        atomic="False",
    )
    assert counter.migrate().code == 1
    done = counter.database.rows("SELECT title, state FROM lockgate_journalentry ORDER BY ordinal")
    assert [state for _, state in done] == ["done", "done", "failed"]

"""A release that fails, fails once: what repeats by nature is not repeated by each replica, until something changes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.postgres.test_recovery import killed_while
from tests.support.processes import kill_at, until
from tests.support.sites import CREATE_COUNTER, Site, finish

# Each call leaves a row, whatever becomes of the migration's transaction.
CALLS = """
import os, time
import psycopg

def fill(apps, schema_editor):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("INSERT INTO calls DEFAULT VALUES")
    time.sleep(float(os.environ.get("NAP", "0")))
    {ends}
"""
FILL = "migrations.RunPython(fill, migrations.RunPython.noop)"
FAILS = 'raise ValueError("no")'
DUPLICATES = 'schema_editor.execute("INSERT INTO shop_counter (id, value) VALUES (1, 1)")'
LARGE = {"LOCKGATE_LARGE_TABLE_BYTES": "0"}
FAILED = "error: this release failed "


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute("CREATE TABLE calls (at timestamptz DEFAULT now())")
    site.database.execute("INSERT INTO shop_counter (id, value) VALUES (1, 0)")
    return site


def failing(site: Site, ends: str = FAILS, operation: str = FILL, **attributes: str) -> Path:
    return site.migration("0002_fill", operation, imports=CALLS.format(ends=ends), **attributes)


def calls(site: Site) -> int:
    return int(site.database.value("SELECT count(*) FROM calls"))


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_six_replicas_try_once_and_all_say_so(counter: Site, atomic: str) -> None:
    failing(counter, atomic=atomic)
    replicas = [counter.start("migrate", "--noinput", NAP="3") for _ in range(6)]
    results = [finish(replica) for replica in replicas]
    assert [result.code for result in results] == [1] * 6
    assert calls(counter) == 1, [result.err for result in results]
    assert sum(FAILED in result.err for result in results) == 5
    assert counter.database.value("SELECT count(*) FROM lockgate_run WHERE outcome = 'failed'") == 1


def test_a_run_that_adopts_initial_tables_fails_once_too_and_is_other_work_than_one_that_does_not(
    counter: Site,
) -> None:
    failing(counter)
    assert [counter.migrate(*each).code for each in ((), ("--fake-initial",))] == [1, 1]
    assert calls(counter) == 2
    again = counter.migrate("--fake-initial")
    assert again.code == 1
    assert FAILED in again.err
    assert "manage.py migrate --fake-initial --retry\n" in again.err
    assert calls(counter) == 2
    assert counter.migrate("--fake-initial", "--retry").code == 1
    assert calls(counter) == 3


def test_a_restarted_container_says_which_run_failed_at_what_and_takes_no_lock(counter: Site) -> None:
    failing(counter)
    first = counter.migrate()
    assert first.code == 1
    assert "with the files as they are:  manage.py migrate --retry" in first.err
    with counter.database.connect() as other:  # whoever has the lock is not waited for
        other.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"lockgate", "big")])
        again = counter.migrate()
    assert again.code == 1
    assert "waiting" not in again.text
    assert f"{FAILED}" in again.err
    assert ", in run 2, and nothing is known to have changed since" in again.err
    assert "  in     operation 1 of 1, RunPython" in again.err
    assert "  why    shop.0002_fill: ValueError: no\n" in again.err
    assert "that run was on " in again.err
    assert "  state  nothing was changed, and nothing tried\n" in again.err
    assert "  next   correct the migration: a changed file is run at once\n" in again.err
    assert "manage.py migrate --retry\n" in again.err
    assert calls(counter) == 1
    as_json = json.loads(counter.migrate("--log-format", "json").err.splitlines()[-1])
    assert (as_json["error"], as_json["operation"]) == ("FailedBefore", "operation 1 of 1, RunPython")


def test_a_corrected_file_is_run_at_once(counter: Site) -> None:
    failing(counter)
    assert counter.migrate().code == 1
    failing(counter, "pass")
    assert counter.migrate().code == 0
    assert calls(counter) == 2
    assert counter.migrate().code == 0


def test_so_is_a_corrected_helper_that_the_error_came_through(counter: Site) -> None:
    helper = counter.path / "shop" / "filling.py"
    helper.write_text("def fill_in():\n    raise ValueError('no')\n")
    failing(counter, "from shop.filling import fill_in; fill_in()")
    assert counter.migrate().code == 1
    assert FAILED in counter.migrate().err
    helper.write_text("def fill_in():\n    return None\n")
    assert counter.migrate().code == 0


@pytest.mark.parametrize("change", ["settings", "applied", "release"])
def test_so_is_what_anything_else_has_changed_for(counter: Site, change: str) -> None:
    failing(counter)
    assert counter.migrate().code == 1
    environment: dict[str, str | None] = {}
    if change == "settings":
        environment = {"LOCKGATE_ONLINE": "off"}
    elif change == "release":
        environment = {"LOCKGATE_RELEASE": "another"}
    else:
        counter.database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('other', '0001', now())")
    assert "ValueError: no" in counter.migrate(**environment).err
    assert calls(counter) == 2


def test_steps_of_the_journal_that_somebody_has_settled_are_a_change(counter: Site) -> None:
    failing(counter, atomic="False")
    assert counter.migrate().code == 1
    step = counter.database.value("SELECT max(id) FROM lockgate_journalentry")
    assert counter.run("lockgate", "repair", str(step), "--retry", "--apply").code == 0
    assert "ValueError: no" in counter.migrate().err
    assert calls(counter) == 2


def test_mended_rows_want_retry(counter: Site) -> None:
    failing(counter, DUPLICATES)
    assert "SQLSTATE 23505" in counter.migrate().err
    counter.database.execute("DELETE FROM shop_counter")
    refused = counter.migrate()
    assert (refused.code, FAILED in refused.err) == (1, True)
    assert counter.migrate("--retry").code == 0
    assert calls(counter) == 2


def test_after_the_bound_it_is_tried_again_and_stands_anew(counter: Site) -> None:
    failing(counter)
    assert counter.migrate().code == 1
    counter.database.execute("UPDATE lockgate_failure SET failed_at = failed_at - interval '901 seconds'")
    assert "ValueError: no" in counter.migrate().err
    assert FAILED in counter.migrate().err
    assert calls(counter) == 2


def test_the_setting_switches_it_off(counter: Site) -> None:
    failing(counter)
    for _ in range(2):
        result = counter.migrate(LOCKGATE_FAILURE_STANDS_SECONDS="0")
        assert "ValueError: no" in result.err
        assert "--retry" not in result.err
    assert calls(counter) == 2


def test_whoever_names_a_migration_is_not_refused(counter: Site) -> None:
    failing(counter)
    assert counter.migrate().code == 1
    assert "ValueError: no" in counter.migrate("shop", "0002").err
    assert FAILED in counter.migrate().err, "as the run of the person was of no release's start"


@pytest.mark.parametrize(
    "ends",
    [
        "schema_editor.execute(\"DO $$ BEGIN RAISE 'busy' USING ERRCODE = '55P03'; END $$\")",
        "schema_editor.execute(\"DO $$ BEGIN RAISE 'full' USING ERRCODE = '53100'; END $$\")",
        "schema_editor.execute(\"DO $$ BEGIN RAISE 'stopped' USING ERRCODE = '57014'; END $$\")",
        'raise ConnectionResetError("an API of somebody else")',
        'raise MemoryError("no memory")',
    ],
    ids=["lock", "disk", "cancelled", "connection", "memory"],
)
def test_what_may_pass_is_tried_by_each(counter: Site, ends: str) -> None:
    counter.lockgate = {"LOCK_ATTEMPTS_SECONDS": 0}
    counter.write_settings()
    failing(counter, ends)
    before = None
    for _ in range(2):
        assert FAILED not in counter.migrate().err
        assert before is None or calls(counter) > before
        before = calls(counter)
    assert counter.database.value("SELECT count(*) FROM lockgate_failure") == 0


def test_an_error_of_code_that_came_from_a_lock_is_tried_by_each(counter: Site) -> None:
    busy = "DO $$ BEGIN RAISE 'busy' USING ERRCODE = '57014'; END $$"
    ends = f"""try:
        schema_editor.execute("{busy}")
    except Exception:
        raise ValueError("it did not work")"""
    failing(counter, ends)
    for _ in range(2):
        assert "it did not work" in counter.migrate().err
    assert calls(counter) == 2


def test_a_run_that_is_killed_as_it_tries_again_leaves_no_failure_to_stand(counter: Site) -> None:
    failing(counter)
    assert counter.migrate().code == 1
    runner = counter.start("migrate", "--noinput", "--retry", NAP="60")
    until(lambda: calls(counter) == 2, "it is under way")
    runner.send_signal(signal.SIGKILL)
    finish(runner)
    assert "ValueError: no" in counter.migrate().err
    assert calls(counter) == 3


def test_a_step_before_the_migration_that_fails_is_not_repeated(counter: Site) -> None:
    counter.database.execute("INSERT INTO shop_counter (id, value) SELECT n, n / 2 FROM generate_series(2, 2000) n")
    unique = 'migrations.AddConstraint("Counter", models.UniqueConstraint(fields=["value"], name="counter_value"))'
    counter.migration("0002_unique", unique)
    assert "SQLSTATE 23505" in counter.migrate(**LARGE).err
    assert FAILED in counter.migrate(**LARGE).err
    counter.database.execute("DELETE FROM shop_counter")
    assert counter.migrate("--retry", **LARGE).code == 0


def test_a_step_after_the_commit_that_fails_is_not_repeated(counter: Site) -> None:
    counter.lockgate = {"LARGE_TABLE_BYTES": 0}
    counter.write_settings()
    counter.migration(
        "0002_code", 'migrations.AddField("Counter", "code", models.IntegerField(null=True, unique=True))'
    )
    killed_while(counter, "CREATE UNIQUE INDEX CONCURRENTLY")
    counter.database.execute("DROP INDEX shop_counter_code_key")
    counter.database.execute("INSERT INTO shop_counter (id, value, code) VALUES (2, 2, 7), (3, 3, 7)")
    assert "error: shop.0002_code is applied but not finished" in counter.migrate().err
    refused = counter.migrate()
    assert (refused.code, FAILED in refused.err) == (1, True)
    assert "  in     shop.0002_code is applied but not finished: build unique index" in refused.err
    counter.database.execute("UPDATE shop_counter SET code = id")
    assert counter.migrate("--retry").code == 0


def test_a_failing_receiver_of_post_migrate_is_tried_by_each(counter: Site) -> None:
    (counter.path / "shop" / "apps.py").write_text("""
from django.apps import AppConfig
from django.db.models.signals import post_migrate
def fail(**kwargs):
    raise ValueError("no")
class Shop(AppConfig):
    name = "shop"
    def ready(self):
        post_migrate.connect(fail, sender=self)
""")
    failing(counter, "pass")
    for _ in range(2):
        assert "ValueError: no" in counter.migrate().err


def test_where_its_table_is_gone_it_is_tried_again(counter: Site) -> None:
    failing(counter)
    assert counter.migrate().code == 1
    counter.database.execute("DROP TABLE lockgate_failure")
    assert "ValueError: no" in counter.migrate().err
    assert calls(counter) == 2


def test_a_killed_run_is_no_failure(counter: Site) -> None:
    counter.migration("0002_slow", 'migrations.RunSQL("SELECT pg_sleep(60)")')
    process = counter.start("migrate", "--noinput")
    kill_at(process, counter.database, "pg_sleep(60)")
    finish(process)
    counter.migration("0002_slow", 'migrations.RunSQL("SELECT 1")', after="0001_initial")
    assert counter.migrate().code == 0

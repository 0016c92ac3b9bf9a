"""``migrate --plan``: what will happen, before anything does."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site


@pytest.fixture
def pending(site: Site) -> Site:
    """A table with rows, and one migration pending that would block it."""
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_counter (value) SELECT n FROM generate_series(1, 1000) n", "ANALYZE")
    site.migration(
        "0002_more",
        'migrations.AddIndex("Counter", models.Index(fields=["value"], name="by_value"))',
        ADD_COLUMN.format("extra"),
    )
    return site


def steps(site: Site, **environment: str) -> list[dict[str, object]]:
    result = site.run("migrate", "--plan", "--format", "json", **environment)
    assert result.code == 0, result.text
    document = json.loads(result.out)
    return [step for migration in document["migrations"] for step in migration["steps"]]


def test_a_large_table_gets_the_online_way_and_a_small_one_does_not(pending: Site) -> None:
    large = steps(pending, LOCKGATE_LARGE_TABLE_BYTES="0")
    assert [(step["phase"], step["rewrite"], step["transactional"]) for step in large] == [
        ("expand", "add index", False),
        ("switch", None, True),
    ]
    assert large[0]["sql"] == ['CREATE INDEX CONCURRENTLY "by_value" ON "shop_counter" ("value")']
    assert large[0]["undo"] == ['DROP INDEX CONCURRENTLY IF EXISTS "by_value"']
    small = steps(pending)
    assert [step["phase"] for step in small] == ["switch", "switch"]
    blocks = {"blocks_reads": False, "blocks_writes": True}
    assert small[0]["locks"] == [
        {"table": "shop_counter", "mode": "ShareLock", "work": "build", "parents": [], **blocks}
    ]


def test_people_read_djangos_lines_then_steps_locks_and_tables(pending: Site) -> None:
    shown = pending.run("migrate", "--plan", LOCKGATE_LARGE_TABLE_BYTES="0").out
    assert shown.startswith("Planned operations:\nshop.0002_more\n")
    assert 'expand  build index "by_value"' in shown
    assert "SHARE UPDATE EXCLUSIVE while an index is built; blocks neither" in shown
    assert "about 1,000 rows" in shown


def test_who_stands_in_the_way_right_now_is_named(pending: Site) -> None:
    with pending.database.connect(autocommit=False) as other:
        other.execute("SET application_name = 'analytics'")
        other.execute("SELECT count(*) FROM shop_counter")
        time.sleep(5.2)  # younger transactions are not worth a line
        shown = pending.run("migrate", "--plan").out
    assert re.search(r'pid \d+ \("analytics", idle in transaction for \d+ s\) holds AccessShareLock', shown)
    assert "a concurrent index build would wait for pid" not in shown, "an idle read committed session has no snapshot"


def test_a_plan_changes_nothing(pending: Site) -> None:
    before = pending.database.applied()
    pending.run("migrate", "--plan")
    assert pending.database.applied() == before
    assert pending.database.value("SELECT to_regclass('by_value') IS NULL")
    assert pending.database.value("SELECT count(*) FROM lockgate_run") == 1


def test_with_nothing_pending_the_document_is_empty(site: Site) -> None:
    site.migrate()
    document = json.loads(site.run("migrate", "--plan", "--format", "json").out)
    assert (document["version"], document["migrations"], document["tables"]) == (1, [], [])


def test_check_still_decides_the_exit_code_of_a_plan(pending: Site) -> None:
    result = pending.run("migrate", "--plan", "--check", "--format", "json")
    assert result.code == 1
    assert json.loads(result.out)["migrations"]


PAST_THE_EDITOR = """
from django.db import connection as default_connection
from django.db.migrations.operations.base import Operation

class Writes(Operation):
    reduces_to_sql = True
    def __init__(self, through): self.through = through
    def state_forwards(self, app_label, state): pass
    def describe(self): return "writes"
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        connection = schema_editor.connection if self.through == "editor" else default_connection
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE written_by_a_plan (id int)")
"""


@pytest.mark.parametrize("through", ["editor", "connection"])
@pytest.mark.parametrize("command", [("migrate", "--plan"), ("lockgate", "lint", "--unapplied")])
def test_an_operation_that_goes_past_the_schema_editor_is_not_run_by_a_plan(
    pending: Site, command: tuple[str, ...], through: str
) -> None:
    pending.migration("0003_past", f"Writes({through!r})", imports=PAST_THE_EDITOR)
    result = pending.run(*command)
    assert "Traceback" not in result.text
    assert "an operation asks the server, and planning is offline" in result.text or "were not read" in result.text
    assert pending.database.value("SELECT to_regclass('written_by_a_plan') IS NULL")
    assert pending.migrate().code == 0, "and the migration itself still does it"
    assert pending.database.value("SELECT to_regclass('written_by_a_plan') IS NOT NULL")


def test_a_key_that_others_refer_to_is_altered_under_a_lock_on_them_too(site: Site) -> None:
    site.migration(
        "0001_initial",
        'migrations.CreateModel("Counter", [("id", models.AutoField(primary_key=True))])',
        'migrations.CreateModel("Reading", [("id", models.AutoField(primary_key=True)),'
        ' ("counter", models.ForeignKey("shop.Counter", models.CASCADE))])',
    )
    assert site.migrate().code == 0
    site.migration("0002_more", 'migrations.AlterField("Counter", "id", models.IntegerField(primary_key=True))')
    (step,) = steps(site)
    assert [(lock["table"], lock["mode"]) for lock in step["locks"]] == [
        ("shop_counter", "AccessExclusiveLock"),
        ("shop_reading", "AccessExclusiveLock"),
    ]
    with site.database.connect(autocommit=False) as other:
        other.execute("SELECT FROM shop_reading")
        result = site.migrate(LOCKGATE_LOCK_ATTEMPTS_SECONDS="1")
        assert 'could not lock "shop_counter", "shop_reading" in 1 attempt' in result.text, "it did not queue for it"
    assert site.migrate().code == 0

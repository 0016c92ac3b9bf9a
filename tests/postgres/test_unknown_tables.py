"""Tables that are not where a bare name finds them, and those that nobody has looked at: never taken for small."""

from __future__ import annotations

import json

import pytest

from tests.support.processes import says
from tests.support.sites import Site, finish

CREATE = """
migrations.CreateModel("Counter", [("id", models.BigAutoField(primary_key=True)), ("value", models.IntegerField())],
    options={{"db_table": {!r}}})
"""
ADD_INDEX = 'migrations.AddIndex("Counter", models.Index(fields=["value"], name="counter_value"))'
WIDEN = 'migrations.AlterField("Counter", "value", models.BigIntegerField())'
UPDATE = 'migrations.RunSQL("UPDATE {} SET n = 1", migrations.RunSQL.noop)'


@pytest.fixture(params=['"other"."counter"', 'other"."counter'])
def elsewhere(site: Site, request: pytest.FixtureRequest) -> Site:
    """A model whose ``db_table`` carries the schema, in either of the ways that work, and a new index of it."""
    site.database.execute("CREATE SCHEMA other")
    site.lockgate = {"LARGE_TABLE_BYTES": 0, "LOCK_REPORT_SECONDS": 0.2}
    site.write_settings()
    site.migration("0001_initial", CREATE.format(request.param))
    assert site.migrate().code == 0
    site.migration("0002_index", ADD_INDEX)
    return site


def test_a_table_whose_name_carries_its_schema_is_planned_locked_and_changed_as_another(elsewhere: Site) -> None:
    shown = elsewhere.migrate("--plan").text
    assert 'other"."counter (8 kB): SHARE while an index is built; blocks writes' in shown
    assert 'there is an online way: "other"."counter" names a schema' in shown
    linted = json.loads(elsewhere.run("lockgate", "lint", "--unapplied", "--format", "json").out)["hazards"]
    assert '"other"."counter" (8.0 kB' in next(each["what"] for each in linted if each["id"] == "LG101")
    with elsewhere.database.connect() as blocker:
        blocker.execute("BEGIN; UPDATE other.counter SET value = 1")
        runner = elsewhere.start("migrate", "--noinput")
        says(runner, "waits, out of the way of others, for pid")
        blocker.execute("ROLLBACK")
        assert finish(runner).code == 0
    assert elsewhere.database.value(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'other.counter_value'::regclass"
    )


def test_a_foreign_table_and_one_that_nobody_has_looked_at_count_as_large_and_are_said_to(site: Site) -> None:
    site.database.execute("CREATE FOREIGN DATA WRAPPER far", "CREATE SERVER far FOREIGN DATA WRAPPER far")
    site.database.execute("CREATE FOREIGN TABLE remote (id bigint, value int) SERVER far")
    site.migration("0001_initial", "migrations.SeparateDatabaseAndState([], [" + CREATE.format("remote") + "])")
    assert site.migrate().code == 0
    site.migration("0002_rows", WIDEN, UPDATE.format("nowhere"))
    linted = json.loads(site.run("lockgate", "lint", "--unapplied", "--format", "json").out)["hazards"]
    said = [each["what"] for each in linted]
    assert any('"nowhere" (its size is unknown, so it counts as large)' in each for each in said), said
    assert any('"remote" (its size is unknown, so it counts as large)' in each for each in said), said

"""What nobody can tell before it runs: the plan says so where locks stand; it is an error where a table is large."""

from __future__ import annotations

import json

import pytest

from tests.support.sites import CREATE_COUNTER, Site

FUNCTION = "CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'"
MADE_UP = "DO $$ BEGIN EXECUTE format('DROP TABLE IF EXISTS %I', 'nothing'); END $$"
OWN_APPLY = "def apply(self, project_state, schema_editor, collect_sql=False): return project_state"
UNKNOWN = {
    "SELECT tidy()": "it calls tidy()",
    MADE_UP: "EXECUTE of SQL that is made up as it runs",
}


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute(FUNCTION)
    return site


def found(site: Site, *arguments: str, **environment: str) -> list[dict[str, str]]:
    result = site.run("lockgate", "lint", "--format", "json", *arguments, **environment)
    return [hazard for hazard in json.loads(result.out)["hazards"] if hazard["id"] == "LG709"]


def planned(site: Site) -> tuple[str, list[dict[str, object]]]:
    document = json.loads(site.migrate("--plan", "--format", "json").out)
    return site.migrate("--plan").text, document["migrations"][0]["steps"]


def test_where_locks_stand_a_plan_says_that_they_are_unknown_and_why(shop: Site) -> None:
    shop.migration("0002_sql", *(f"migrations.RunSQL({each!r}, '')" for each in UNKNOWN))
    text, steps = planned(shop)
    for step, why in zip(steps, UNKNOWN.values(), strict=True):
        assert f"locks   unknown: {why}" in text
        assert step["unknown"] == [why]
        assert "for a moment" not in text


def test_it_is_an_error_where_any_table_is_large_and_none_where_all_are_small(shop: Site) -> None:
    shop.migration("0002_sql", *(f"migrations.RunSQL({each!r}, '')" for each in UNKNOWN))
    assert not found(shop, "--unapplied"), "no table of the database is large"
    shop.database.execute("CREATE TABLE elsewhere AS SELECT n FROM generate_series(1, 10000) n")
    large = {"LOCKGATE_LARGE_TABLE_BYTES": "100000"}
    assert [each["severity"] for each in found(shop, "--unapplied", **large)] == ["error", "error"]
    refused = shop.migrate(**large, LOCKGATE_ON_HAZARD="refuse")
    assert refused.code == 1
    assert "LG709 in shop.0002" in refused.err
    assert found(shop), "no database was asked"
    reported = shop.migrate(**large)
    assert reported.code == 0, reported.text
    assert "LG709" in reported.text


def test_a_table_that_somebody_keeps_from_being_measured_counts_as_large(shop: Site) -> None:
    shop.migration("0002_sql", f"migrations.RunSQL({MADE_UP!r}, '')")
    shop.database.execute("CREATE TABLE elsewhere (n int)")
    with shop.database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE elsewhere IN ACCESS EXCLUSIVE MODE")
        assert found(shop, "--unapplied")


def test_code_that_changes_rows_by_its_models_is_known_and_no_error(shop: Site) -> None:
    code = """
        def fill(apps, schema_editor):
            counters = apps.get_model("shop", "Counter").objects.using(schema_editor.connection.alias)
            counters.filter(value=0).update(value=1)
    """
    shop.migration("0002_fill", "migrations.RunPython(fill, migrations.RunPython.noop)", imports=code)
    text, [step] = planned(shop)
    assert step["unknown"] == []
    assert "locks   the rows that it changes, until its transaction ends" in text
    linted = shop.run("lockgate", "lint", "shop", "0002")
    assert "LG709" not in linted.text
    assert "not read" not in linted.text


def test_sql_that_is_written_out_in_code_is_planned_and_runs(shop: Site) -> None:
    code = """
        from django.db import connection

        def index(apps, schema_editor):
            schema_editor.execute("CREATE INDEX by_value ON shop_counter (value)")

        def online(apps, schema_editor):
            with connection.cursor() as cursor:
                cursor.execute("CREATE INDEX CONCURRENTLY online ON shop_counter (value)")
    """
    shop.migration("0002_index", "migrations.RunPython(index)", imports=code)
    shop.migration("0003_online", "migrations.RunPython(online)", imports=code, atomic=False)
    text = shop.migrate("--plan").text
    assert "SHARE while an index is built; blocks writes" in text
    assert "SHARE UPDATE EXCLUSIVE while an index is built; blocks neither" in text
    assert "unknown" not in text
    assert "LG702" not in shop.run("lockgate", "lint").text
    assert shop.migrate().code == 0
    assert shop.database.value("SELECT count(*) FROM pg_index WHERE indrelid = 'shop_counter'::regclass") == 3


def test_a_new_database_has_no_table_that_could_be_large(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER, f"migrations.RunSQL({MADE_UP!r}, '')")
    result = site.migrate(LOCKGATE_ON_HAZARD="refuse", LOCKGATE_LARGE_TABLE_BYTES="0")
    assert result.code == 0, result.text
    assert "LG709" not in result.text


def test_a_migration_that_overrides_apply_is_an_error_and_says_so(shop: Site) -> None:
    path = shop.migration("0002_own", "migrations.RunSQL('SELECT 1', '')")
    source = path.read_text().replace("    operations =", f"    {OWN_APPLY}\n    operations =", 1)
    path.write_text(source)
    [one] = found(shop)
    assert "it overrides Migration.apply" in one["what"]
    assert "locks   unknown: it overrides Migration.apply" in shop.migrate("--plan").text

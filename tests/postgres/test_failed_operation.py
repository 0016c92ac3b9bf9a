"""A failure names the operation, and the statement that the server refused, in text and in JSON."""

from __future__ import annotations

import json

import pytest

from tests.support.sites import ADD_COLUMN, CREATE_COUNTER, Site

REFUSED = 'migrations.RunSQL("SELECT  1/0", migrations.RunSQL.noop)'
RAISES = "migrations.RunPython(fail, migrations.RunPython.noop)"
PARAMETERS = """
def fail(apps, schema_editor):
    schema_editor.connection.cursor().execute("SELECT %s::integer / 0", ["4711"])
"""
CODE = """
def fail(apps, schema_editor):
    raise ValueError("no")
"""


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    return site


def failed(site: Site, *arguments: str) -> dict[str, str]:
    """What the one error of a run says, as JSON has it; text says the same."""
    result = site.migrate(*arguments, "--log-format", "json")
    assert result.code == 1, result.text
    (said,) = [json.loads(line) for line in result.err.splitlines() if '"event": "failed"' in line]
    return dict(said)


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_forwards_the_operation_and_its_statement_are_named(shop: Site, atomic: str) -> None:
    shop.migration("0002_steps", ADD_COLUMN.format("one"), REFUSED, ADD_COLUMN.format("two"), atomic=atomic)
    said = failed(shop)
    assert said["operation"] == "operation 2 of 3, RunSQL"
    assert said["statement"] == "SELECT 1/0"
    text = shop.migrate("shop").err
    assert "\n  in     operation 2 of 3, RunSQL\n  sql    SELECT 1/0\n  why " in text


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_backwards_they_are_named_too(shop: Site, atomic: str) -> None:
    back = 'migrations.RunSQL(migrations.RunSQL.noop, "SELECT 1/0")'
    shop.migration("0002_steps", ADD_COLUMN.format("one"), back, ADD_COLUMN.format("two"), atomic=atomic)
    assert shop.migrate().code == 0
    said = failed(shop, "shop", "0001")
    assert (said["operation"], said["statement"]) == ("operation 2 of 3, RunSQL", "SELECT 1/0")


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_parameters_are_not_shown(shop: Site, atomic: str) -> None:
    shop.migration("0002_code", RAISES, imports=PARAMETERS, atomic=atomic)
    said = failed(shop)
    assert (said["operation"], said["statement"]) == ("operation 1 of 1, RunPython", "SELECT %s::integer / 0")


@pytest.mark.parametrize("atomic", ["True", "False"])
def test_code_that_raises_has_no_statement(shop: Site, atomic: str) -> None:
    shop.migration("0002_code", ADD_COLUMN.format("one"), RAISES, imports=CODE, atomic=atomic)
    said = failed(shop)
    assert (said["operation"], said["statement"]) == ("operation 2 of 2, RunPython", "")


def test_on_a_database_that_is_filled_for_the_first_time_they_are_named_too(site: Site) -> None:
    """There migrations are sent whole, ahead of their turn; the one that fails is run in the ordinary way."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_twice", ADD_COLUMN.format("one"), ADD_COLUMN.format("two"))
    again = 'migrations.RunSQL("ALTER TABLE shop_counter ADD COLUMN three int", migrations.RunSQL.noop)'
    site.migration("0003_sql", again)
    site.migration("0004_clash", ADD_COLUMN.format("four"), ADD_COLUMN.format("three"))
    said = failed(site)
    assert said["what"] == "shop.0004_clash failed"
    assert said["operation"] == "operation 2 of 2, AddField"
    assert said["statement"].startswith('ALTER TABLE "shop_counter" ADD COLUMN "three"')
    assert '"one"' not in said["statement"]


def test_a_long_statement_is_shortened_to_one_line(shop: Site) -> None:
    shop.migration("0002_long", f'migrations.RunSQL("SELECT 1/0,\\n\\t{"1, " * 500} 1")')
    said = failed(shop)
    assert said["statement"].startswith("SELECT 1/0, 1, 1, ")
    assert len(said["statement"]) < 210
    assert "\n" not in said["statement"]

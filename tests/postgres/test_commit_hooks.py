"""What code asks to be done on commit (``transaction.on_commit``) fails when its migration counts already."""

from __future__ import annotations

import pytest

from tests.support.sites import CREATE_COUNTER, Site

CODE = """
from django.db import transaction

def forwards(apps, schema_editor):
    schema_editor.connection.cursor().execute("UPDATE shop_counter SET value = value + 1")
    transaction.on_commit(hook, using=schema_editor.connection.alias)

def hook():
    from django.db import connection
    {hook}
"""
LOCK = "connection.cursor().execute(\"SET lock_timeout = '50ms'; LOCK TABLE other\")"
VALUE = "SELECT value FROM shop_counter"


@pytest.fixture
def shop(site: Site) -> Site:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.database.execute("INSERT INTO shop_counter (value) VALUES (0)", "CREATE TABLE other (id int)")
    return site


@pytest.mark.parametrize("further", [{}, {"atomic": "False"}])
def test_what_has_committed_is_not_done_again_for_a_lock_that_its_hook_did_not_get(
    shop: Site, further: dict[str, str]
) -> None:
    run = "migrations.RunPython(forwards, forwards, atomic=True)"
    shop.migration("0002_code", run, imports=CODE.format(hook=LOCK), **further)
    for arguments, value in ((), 1), (("shop", "0001"), 2):
        with shop.database.connect() as other, other.transaction():
            other.execute("LOCK TABLE other")
            result = shop.migrate(*arguments, LOCKGATE_LOCK_ATTEMPTS_SECONDS="2")
        assert result.code == 1, result.text
        assert "what shop.0002_code wanted done on commit failed" in result.err
        assert "SQLSTATE 55P03" in result.err
        assert shop.database.value(VALUE) == value
        assert shop.migrate(*arguments).code == 0, "it goes on after it"
        assert shop.database.value(VALUE) == value
    assert ("shop", "0002_code") not in shop.database.applied()


def test_a_hook_that_fails_is_no_failure_that_stands(shop: Site) -> None:
    run = "migrations.RunPython(forwards, migrations.RunPython.noop)"
    shop.migration("0002_code", run, imports=CODE.format(hook='raise ValueError("no")'))
    result = shop.migrate()
    assert result.code == 1, result.text
    assert "done before it in this run: shop.0002_code" in result.err
    assert shop.migrate().code == 0
    assert shop.database.value(VALUE) == 1

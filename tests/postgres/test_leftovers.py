"""What a killed run has left half-done is not a hazard to the run that finishes it; what others have left is."""

from __future__ import annotations

import re

import pytest

from tests.postgres.test_non_atomic import CONCURRENT
from tests.postgres.test_non_atomic import killed_in as killed_in_nap
from tests.postgres.test_online import ADD_CHECK, ADD_INDEX, ADD_UNIQUE
from tests.postgres.test_recovery import invalid, killed_while
from tests.support.library import FILL, large
from tests.support.sites import Site

REFUSE = {"LOCKGATE_ON_HAZARD": "refuse"}
BUILD_TITLE = 'AddIndexConcurrently("Book", models.Index(fields=["title"], name="book_title"))'
DROP_TITLE = 'RemoveIndexConcurrently("Book", "book_title")'
NOTHING = 'migrations.RunSQL("SELECT 1", migrations.RunSQL.noop)'
NAP = "migrations.RunPython(count, migrations.RunPython.noop)"
NAPPING = """
import os
def count(apps, schema_editor):
    schema_editor.execute("SELECT pg_sleep(" + os.environ.get("NAP", "0") + ")")
"""
# VALIDATE finds the check added and the database as it is kept there: it sleeps before it begins.
SLEEP_BEFORE_VALIDATE = """
CREATE FUNCTION nap() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN IF current_query() LIKE '%VALIDATE CONSTRAINT%' THEN PERFORM pg_sleep(60); END IF; END $$;
CREATE EVENT TRIGGER nap ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION nap();
"""


@pytest.fixture
def library(site: Site) -> Site:
    return large(site, ON_HAZARD="refuse")


def test_an_index_that_was_being_built_online(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX, ADD_UNIQUE)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    result = library.migrate()
    assert result.code == 0, result.text
    assert not re.search(r"severe hazard LG\d+ in shop", result.text)
    assert invalid(library) == 0


def test_an_index_of_an_operation_of_its_own(library: Site) -> None:
    library.migration("0002_index", BUILD_TITLE, atomic="False", imports=CONCURRENT)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    result = library.migrate()
    assert result.code == 0, result.text
    assert not re.search(r"severe hazard LG\d+ in shop", result.text)
    assert invalid(library) == 0


def test_an_index_that_was_being_dropped(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    assert library.migrate().code == 0
    library.migration("0003_drop", DROP_TITLE, atomic="False", imports=CONCURRENT)
    with library.database.connect() as other:
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM shop_book LIMIT 1")
        killed_in_nap(library, "DROP INDEX")
    result = library.migrate()
    assert result.code == 0, result.text
    assert invalid(library) == 0


def test_an_index_that_was_to_be_built_after_the_switch(library: Site) -> None:
    """Its migration counts: it is in the way of one that comes after it."""
    library.migration(
        "0002_shelf", 'migrations.AddField("Book", "shelf", models.IntegerField(null=True, db_index=True))'
    )
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    library.migration("0003_more", 'migrations.AddField("Book", "more", models.IntegerField(null=True))')
    result = library.migrate()
    assert result.code == 0, result.text
    assert not re.search(r"severe hazard LG\d+ in shop", result.text)
    assert invalid(library) == 0


def test_a_check_that_was_added_and_not_validated(library: Site) -> None:
    library.migration("0002_check", ADD_CHECK)
    library.database.execute(SLEEP_BEFORE_VALIDATE)
    killed_in_nap(library, "ALTER TABLE")
    library.database.execute("DROP EVENT TRIGGER nap")
    unvalidated = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    assert library.database.value(unvalidated) == 1
    result = library.migrate()
    assert result.code == 0, result.text
    assert "LG907" not in result.text
    assert library.database.value(unvalidated) == 0


def test_what_is_done_of_a_migration_that_is_not_atomic_is_not_judged_again(library: Site) -> None:
    """Its first operation met a small table, and is done: that the table has become large by now is no matter."""
    library.database.execute("TRUNCATE shop_book")
    library.migration(
        "0002_steps",
        ADD_INDEX,
        NAP,
        atomic="False",
        imports=NAPPING,
    )
    killed_in_nap(library, "SELECT pg_sleep")
    library.database.execute(FILL)
    library.migration("0003_check", ADD_CHECK)
    result = library.migrate()
    assert result.code == 0, result.text
    assert not re.search(r"severe hazard LG\d+ in shop.0002_steps", result.text)


def test_columns_of_operations_that_are_done(library: Site) -> None:
    operations = ('migrations.AddField("Book", "shelf", models.IntegerField(null=True))', BUILD_TITLE, NOTHING)
    library.migration("0002_steps", *operations, atomic="False", imports=CONCURRENT)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    result = library.migrate()
    assert result.code == 0, result.text
    assert not re.search(r"severe hazard LG\d+ in shop", result.text)


@pytest.mark.parametrize("name", ["other", "book_title"], ids=["of another name", "of the same name, on other columns"])
def test_an_invalid_index_of_somebody_elses_is_judged_still(library: Site, name: str) -> None:
    library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    if name == "book_title":
        library.database.execute("DROP INDEX book_title")
    library.database.execute(f"CREATE INDEX {name} ON shop_book (pages)")
    library.database.execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
    result = library.migrate()
    assert result.code == 1
    assert f'LG904 in shop.0002_index: index "{name}" of "shop_book"' in result.err
    assert library.database.value("SELECT count(*) FROM lockgate_run") == 2


def test_what_another_release_has_left_is_judged_still(library: Site) -> None:
    path = library.migration("0002_index", ADD_INDEX)
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    path.unlink()
    library.migration("0002_check", ADD_CHECK)
    result = library.migrate()
    assert result.code == 1
    assert 'LG904 in shop.0002_check: index "book_title"' in result.err


TOLD = "shop.0002_index is half-done (expand, running): "


def test_who_only_looks_is_told_of_what_is_half_done(library: Site) -> None:
    library.migration("0002_index", ADD_INDEX)
    for command in (("migrate", "--plan"), ("lockgate", "lint", "--unapplied")):
        assert "half-done" not in library.run(*command).text
    killed_while(library, "CREATE INDEX CONCURRENTLY")
    for command in (
        ("migrate", "--plan"),
        ("migrate", "--plan", "--format", "json"),
        ("lockgate", "lint", "--unapplied"),
    ):
        text = library.run(*command).text
        assert TOLD in text, text
        assert 'the index "book_title" is there, but invalid' in text
        assert "all of it:  manage.py lockgate repair" in text
    assert "half-done" not in library.run("lockgate", "lint").text  # which asks no database

"""What others wrote (rows, the server, other sessions) in messages, in the ledger, and on a terminal."""

from __future__ import annotations

import pytest

from tests.postgres.test_ladder import CREATE
from tests.support.sites import Site

SECRET = "ada@example.org"  # a value of a row
MAIL = 'migrations.AddField("Counter", "mail", models.CharField(max_length=40, null=True, unique=True))'
TWICE = f"INSERT INTO shop_counter (value, mail) VALUES (1, '{SECRET}')"
INSERTED = f'migrations.RunSQL(["{TWICE}", "{TWICE}"])'
CODE = """
VALUE = "@".join(("ada", "example.org"))  # a traceback shows lines of code

def insert(apps, schema_editor):
    schema_editor.execute("INSERT INTO shop_counter (value, mail) VALUES (1, %s)", [VALUE])
    schema_editor.execute("INSERT INTO shop_counter (value, mail) VALUES (1, %s)", [VALUE])

def wrap(apps, schema_editor):
    try:
        insert(apps, schema_editor)
    except Exception as error:
        raise ValueError(f"cannot insert: {error!r} {error}") from None

def swallow(apps, schema_editor):
    schema_editor.execute("CREATE FUNCTION boom(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN $1::int; END $$")
    schema_editor.execute("SELECT boom(%s)", [VALUE])
"""
KINDS = {
    "key": (INSERTED, 'duplicate key value violates unique constraint "shop_counter_mail_key"'),
    "parameters": ("migrations.RunPython(insert)", 'in table "shop_counter"'),
    "wrapped": ("migrations.RunPython(wrap)", "cannot insert: IntegrityError("),
    "row": (f"migrations.RunSQL(\"INSERT INTO shop_counter (id, value, mail) VALUES (9, NULL, '{SECRET}')\")", "null"),
    "datum": (f"migrations.RunSQL(\"SELECT '{SECRET}'::int\")", "invalid text representation"),
    "context": ("migrations.RunPython(swallow)", "invalid text representation"),
    "token": (f"migrations.RunSQL(\"ALTER ROLE postgres '{SECRET}'\")", "syntax error at or near"),
    "excerpt": (f"migrations.RunSQL(\"SELECT '{SECRET}' FROM nowhere\")", 'relation "nowhere" does not exist'),
}


@pytest.fixture
def counter(site: Site) -> Site:
    site.migration("0001_initial", CREATE.format("Counter"), MAIL)
    assert site.migrate().code == 0
    return site


def kept(site: Site) -> str:
    """All that the ledger and the journal say."""
    runs = "SELECT string_agg(lockgate_run::text, ' ') FROM lockgate_run"
    steps = "SELECT coalesce(string_agg(lockgate_step::text, ' '), '') FROM lockgate_step"
    return str(site.database.value(runs)) + str(site.database.value(steps))


@pytest.mark.parametrize("atomic", ["True", "False"])
@pytest.mark.parametrize(("operation", "says"), KINDS.values(), ids=KINDS)
def test_an_error_is_told_without_values(counter: Site, operation: str, says: str, atomic: str) -> None:
    counter.migration("0002_data", operation, imports=CODE, atomic=atomic)
    result = counter.migrate()
    assert result.code == 1
    assert says in result.err
    assert SECRET not in result.text + kept(counter)


@pytest.mark.parametrize("arguments", [("--log-format", "json"), ("--traceback",)], ids=["json", "traceback"])
@pytest.mark.parametrize("operation", ["migrations.RunPython(wrap)", "migrations.RunPython(insert)"])
def test_no_other_way_tells_values(counter: Site, operation: str, arguments: tuple[str, ...]) -> None:
    counter.migration("0002_data", operation, imports=CODE)
    result = counter.migrate(*arguments)
    assert "duplicate key value violates unique constraint" in result.err
    assert SECRET not in result.text


def test_what_is_left_out_is_said_and_shown_where_a_setting_allows_it(counter: Site) -> None:
    counter.migration("0002_data", INSERTED)
    assert "LOCKGATE_SHOW_VALUES=true" in counter.migrate().err
    assert f"DETAIL:  Key (mail)=({SECRET}) already exists." in counter.migrate(LOCKGATE_SHOW_VALUES="true").err
    assert SECRET in kept(counter)


def test_a_detail_that_names_objects_is_told(counter: Site) -> None:
    counter.database.execute("CREATE VIEW seen AS SELECT mail FROM shop_counter")
    counter.migration("0002_drop", 'migrations.RunSQL("ALTER TABLE shop_counter DROP COLUMN mail")')
    assert "DETAIL:  view seen depends on column mail of table shop_counter" in counter.migrate().err

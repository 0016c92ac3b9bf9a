"""Which defaults stay in the database until the contract phase. No server is asked."""

from __future__ import annotations

import datetime
import secrets
import uuid
from functools import partial
from typing import Any

import pytest
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.utils import timezone
from django.utils.crypto import get_random_string

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.linting.rules.compatibility import required_column
from lockgate.linting.rules.rule_context import HazardSettings, RuleContext
from lockgate.planning import kept_defaults
from lockgate.planning.steps import Phase
from tests.support import plans
from tests.support.large_book import (
    BOOK,
    MEGABYTE,
    NOTHING,
    kept,
    named,
    phases,
    plan,
)
from tests.support.plan_case import add, alter, index

DEFAULTED = add("extra", models.IntegerField(default=7))


@pytest.mark.parametrize("book", [BOOK, BOOK._replace(size=0)], ids=["large", "empty"])
@pytest.mark.parametrize("earlier", [[], [NOTHING], [ops.RunSQL("UPDATE library_book SET pages = 1")]])
def test_a_default_stays_until_the_contract_phase_whatever_the_size(earlier: list[Operation], book: TableFacts) -> None:
    migration_plan = plan(*earlier, DEFAULTED, book=book)
    (step,) = migration_plan.phase(Phase.CONTRACT)
    assert step.sql == ('ALTER TABLE "library_book" ALTER COLUMN "extra" DROP DEFAULT',)
    assert not any("DROP DEFAULT" in sql for row in migration_plan.phase(Phase.SWITCH) for sql in row.sql)


@pytest.mark.parametrize(
    "operation",
    [
        add("extra", models.IntegerField(null=True, default=7)),
        add("extra", models.IntegerField(db_default=7)),
        alter("copies", models.IntegerField(default=7)),
        alter("pages", models.BigIntegerField(default=7)),
    ],
    ids=["nullable", "db_default", "to not null", "type"],
)
def test_other_defaults_go_as_django_lets_them(operation: Operation) -> None:
    assert plan(operation).phase(Phase.CONTRACT) == ()


def test_a_table_that_the_plan_makes_keeps_no_default() -> None:
    note = ops.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])
    assert set(phases(note, ops.AddField("Note", "extra", models.IntegerField(default=7)))) == {"switch"}


@pytest.mark.parametrize("attributes", [{"atomic": False}, {"online": False}], ids=str)
def test_a_default_is_dropped_at_once_in_place(attributes: dict[str, bool]) -> None:
    assert phases(DEFAULTED, **attributes) == ["switch"]


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (alter("extra", models.BigIntegerField(default=7)), 'alter type "extra"'),
        (alter("extra", models.IntegerField(null=True)), 'drop not null "extra"'),
        (alter("extra", models.IntegerField(db_default=8)), 'set default "extra"'),
        (ops.RenameField("Book", "extra", "more"), 'rename column "extra"'),
        (ops.RemoveField("Book", "extra"), 'drop column "extra"'),
        (ops.RenameModel("Book", "Volume"), 'rename table "library_book"'),
        (ops.DeleteModel("Book"), 'drop table "library_book"'),
        (ops.RunSQL("ALTER TABLE library_book ALTER extra SET DEFAULT 8"), "run SQL"),
        (ops.RunSQL("ALTER TABLE library_book ALTER extra DROP EXPRESSION"), "run SQL"),
        (ops.RunSQL("DO $$ BEGIN EXECUTE 'a' || b; END $$"), "run SQL"),
    ],
    ids=named,
)
def test_a_default_goes_at_once_where_the_migration_changes_its_column_again(later: Operation, reason: str) -> None:
    assert kept(DEFAULTED, later) == [f"{reason} comes after it in the same migration"]
    assert plan(DEFAULTED, later).phase(Phase.CONTRACT) == ()


@pytest.mark.parametrize(
    "later",
    [
        NOTHING,
        ops.RunSQL("UPDATE library_book SET extra = pages; CREATE VIEW v AS SELECT 1"),
        ops.RunSQL("ALTER TABLE library_book ALTER pages SET DEFAULT 8"),
        alter("pages", models.BigIntegerField()),
        ops.RemoveField("Book", "title"),
        ops.RenameModel("Shelf", "Rack"),
        index("x", fields=["extra"]),
    ],
    ids=named,
)
def test_what_leaves_the_column_alone_leaves_its_default_alone(later: Operation) -> None:
    assert len(plan(DEFAULTED, later).phase(Phase.CONTRACT)) == 1


def a_token() -> str:
    return secrets.token_hex(8)


def today() -> datetime.date:
    return datetime.date.today()  # noqa: DTZ011  the kind that is meant


def a_dict() -> dict[str, int]:
    return {"a": 1}


def widens(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("ALTER TABLE library_book ALTER extra TYPE smallint")


def asks_a_cursor(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("ALTER TABLE library_book ALTER extra TYPE smallint")


def passes_on(apps: Any, schema_editor: Any) -> None:
    widens(apps, schema_editor)


def fills(apps: Any, schema_editor: Any) -> None:
    books = apps.get_model("library", "Book").objects.using(schema_editor.connection.alias)
    books.filter(pages=1).update(pages=2)


@pytest.mark.parametrize(
    "field",
    [models.JSONField(default=dict), models.JSONField(default=a_dict), models.CharField(max_length=9, default=str)],
    ids=named,
)
def test_a_function_that_is_known_to_give_the_same_is_kept(field: Any) -> None:
    migration_plan = plan(add("extra", field))
    assert len(migration_plan.phase(Phase.CONTRACT)) == 1
    assert not any("SET DEFAULT" in sql for step in migration_plan.steps for sql in step.sql)


@pytest.mark.parametrize(
    ("field", "expression"),
    [
        (models.UUIDField(default=uuid.uuid4), "gen_random_uuid()"),
        (models.DateTimeField(default=timezone.now), "statement_timestamp()"),
        (models.DateTimeField(auto_now_add=True), "statement_timestamp()"),
    ],
    ids=named,
)
def test_a_function_that_the_server_knows_becomes_its_expression(field: Any, expression: str) -> None:
    migration_plan = plan(add("extra", field))
    (switch,) = migration_plan.phase(Phase.SWITCH)
    assert switch.sql[-1] == f'ALTER TABLE "library_book" ALTER COLUMN "extra" SET DEFAULT {expression}'
    assert len(migration_plan.phase(Phase.CONTRACT)) == 1


@pytest.mark.parametrize(
    "field",
    [
        models.CharField(max_length=32, default=a_token),
        models.CharField(max_length=32, default=partial(get_random_string, 8)),
        models.CharField(max_length=36, default=uuid.uuid4),
        models.DateField(default=today),
        models.DateField(auto_now=True),
    ],
    ids=named,
)
def test_any_other_function_is_not_kept_and_the_hazard_names_the_field(field: Any) -> None:
    migration_plan = plan(add("extra", field))
    assert migration_plan.phase(Phase.CONTRACT) == ()
    assert kept(add("extra", field)) == [
        "its default is a function that may give each row another value, and the server has none like it"
    ]
    facts = DatabaseFacts(160000, tables={"library_book": BOOK})
    migration = plans.migration("0001_case", add("extra", field))
    (finding,) = required_column.find(
        RuleContext(migration, migration_plan, facts, HazardSettings(8 * MEGABYTE, MEGABYTE**2))
    )
    assert 'column "extra"' in finding.what
    assert "its default is a function" in finding.what


@pytest.mark.parametrize("code", [widens, asks_a_cursor, passes_on], ids=named)
def test_code_that_cannot_be_read_touches_every_kept_default(code: Any) -> None:
    assert plan(DEFAULTED, ops.RunPython(code)).phase(Phase.CONTRACT) == ()
    statements = plan(ops.RunPython(code)).sent(Phase.SWITCH)
    assert kept_defaults.resolve("library_book", "extra", statements) is kept_defaults.KeptDefault.TOUCHED


@pytest.mark.parametrize(
    "sql", ["DO $$ BEGIN EXECUTE 'a' || b; END $$", "CALL anything()", "ALTER SCHEMA a RENAME TO b"]
)
def test_sql_that_cannot_be_read_touches_every_kept_default(sql: str) -> None:
    statements = plan(ops.RunSQL(sql)).sent(Phase.SWITCH)
    assert kept_defaults.resolve("library_book", "extra", statements) is kept_defaults.KeptDefault.TOUCHED


@pytest.mark.parametrize("later", [NOTHING, ops.RunPython(fills), ops.RunSQL("UPDATE library_book SET pages = 1")])
def test_code_that_was_read_and_works_on_rows_leaves_kept_defaults_alone(later: Operation) -> None:
    statements = plan(later).sent(Phase.SWITCH)
    assert kept_defaults.resolve("library_book", "extra", statements) == ("library_book", "extra")

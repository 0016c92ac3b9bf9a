"""What is rewritten of new columns, and what stays in place with its reason. No server is asked."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Abs

from lockgate.planning.steps import Kind, Phase
from tests.support import plans
from tests.support.large_book import (
    BOOK,
    CHECK,
    INDEX,
    NOTHING,
    kept,
    library,
    named,
    new_planner,
    plan,
)
from tests.support.plan_case import add, alter, unique

UNIQUE = models.IntegerField(null=True, unique=True)
POSITIVE = models.PositiveIntegerField(null=True)
SEVERAL = "its rows do not all get NULL, and duplicates must fail before anything is committed"
MAYBE = "its rows may violate the column's check, which must fail before anything is committed"
OTHERS = "its default is another each time, or its names or tablespace are not told apart from the statement"


class Above(models.IntegerField):  # type: ignore[type-arg]
    """A field with a check that is not Django's."""

    def db_check(self, connection: Any) -> str:
        return f'"{self.column}" > 5'


class Moving(models.IntegerField):  # type: ignore[type-arg]
    """A field whose default is written otherwise each time, as that of an encrypted one."""

    counted = count()

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return None if value is None else next(self.counted)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (UNIQUE, ["switch", "finish", "finish"]),
        (models.OneToOneField("library.Shelf", models.CASCADE, null=True), ["switch", "finish", "finish"]),
        (POSITIVE, ["switch", "finish"]),
        (models.PositiveSmallIntegerField(db_default=3), ["switch", "finish"]),
        (models.PositiveBigIntegerField(default=0), ["switch", "finish", "contract"]),
        (models.PositiveIntegerField(null=True, unique=True), ["switch", "finish", "finish", "finish"]),
    ],
    ids=named,
)
def test_a_new_column_gets_its_constraints_after_the_switch(field: Any, expected: list[str]) -> None:
    migration_plan = plan(add("extra", field))
    assert [step.phase.value for step in migration_plan.steps] == expected
    (first, *_) = (step for step in migration_plan.steps if step.phase is Phase.SWITCH)
    assert not any(word in first.sql[0] for word in ("UNIQUE", "CHECK"))
    assert migration_plan.replaced[0][1] == first.sql


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (models.IntegerField(default=1, unique=True), SEVERAL),
        (models.IntegerField(unique=True), SEVERAL),
        (models.UUIDField(unique=True, db_default=RandomUUID()), SEVERAL),
        (models.PositiveIntegerField(default=-1), MAYBE),
        (models.PositiveIntegerField(db_default=Abs(1)), MAYBE),
        (Above(null=True), MAYBE),
        (models.PositiveIntegerField(default=int), OTHERS),
        (models.IntegerField(null=True, unique=True, db_tablespace="fast"), OTHERS),
        (models.IntegerField(null=True, unique=True, db_column="größe"), OTHERS),
        (type("Both", (Moving, models.PositiveIntegerField), {})(default=1), OTHERS),
    ],
    ids=named,
)
def test_a_new_column_that_rows_could_violate_stays_in_place(field: Any, reason: str) -> None:
    assert kept(add("extra", field))[0] == reason


def test_a_new_column_of_a_table_that_is_named_with_its_schema_stays_in_place() -> None:
    state = library()
    ops.AlterModelTable("Book", '"other"."book"').state_forwards(plans.APP, state)
    migration_plan = new_planner(BOOK._replace(name='other"."book')).plan(
        plans.migration("0001_case", add("extra", UNIQUE)), state
    )
    assert [step.phase for step in migration_plan.steps] == [Phase.SWITCH]
    assert "names a schema" in migration_plan.steps[0].kept_in_place


def test_a_key_of_a_table_that_the_migration_makes_stops_numbering_its_rows() -> None:
    operation = ops.CreateModel("Plain", [("id", models.AutoField(primary_key=True))])
    steps = plan(operation, alter("id", models.IntegerField(primary_key=True), "Plain")).steps
    sent = [statement for step in steps for statement in step.sql]
    assert sum("DROP IDENTITY" in each for each in sent) == 1
    assert not any("SEQUENCE" in each for each in sent)  # it goes along


def test_a_constraint_says_of_itself_what_it_is() -> None:
    changes = [change for step in plan(unique("u", fields=["pages"]), CHECK).steps for change in step.changes]
    found_changes = {change.kind: change for change in changes if change.kind in (Kind.ADD_UNIQUE, Kind.ADD_CHECK)}
    assert (found_changes[Kind.ADD_UNIQUE].unique, found_changes[Kind.ADD_UNIQUE].columns) == (True, ("pages",))
    assert (found_changes[Kind.ADD_CHECK].unique, found_changes[Kind.ADD_CHECK].columns) == (False, ("pages",))


def test_a_field_without_a_column_comes_and_goes_without_a_statement() -> None:
    author = models.ForeignObject("library.Author", models.CASCADE, ["pages"], ["id"], related_name="+")
    steps = plan(add("both", author), ops.RemoveField("Book", "both")).steps
    assert [statement for step in steps for statement in step.sql] == []


@pytest.mark.parametrize(
    "later", [NOTHING, ops.RunSQL("SELECT 1"), ops.RenameField("Book", "extra", "more")], ids=named
)
def test_a_unique_column_that_is_filled_or_changed_stays_in_place(later: Operation) -> None:
    assert kept(add("extra", UNIQUE), later)[0].endswith("comes after it in the same migration")


def test_what_comes_again_in_the_same_words_stays_in_place() -> None:
    again = [INDEX, ops.RemoveIndex("Book", "pages_idx"), INDEX]
    assert kept(*again)[0] == kept(*again)[-1] == "the same statement comes again in the same migration"
    assert plan(*again).replaced == ()

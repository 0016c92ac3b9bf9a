"""What is rewritten, what stays in place, and the reason that is given for it. No server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres import operations as postgres_operations
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import TrigramExtension
from django.db import models
from django.db.migrations import Migration
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Coalesce

from lockgate.facts.tables import ConstraintFacts
from lockgate.planning.steps import Kind, Phase
from tests.support import plans
from tests.support.large_book import (
    BOOK,
    CHECK,
    EXTRA,
    EXTRA_INDEX,
    INDEX,
    MEGABYTE,
    NOTHING,
    SET_NOT_NULL,
    kept,
    library,
    named,
    new_planner,
    phases,
    plan,
)
from tests.support.plan_case import Sends, add, alter, check, index, unique


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([INDEX], ["expand"]),
        ([ops.AddIndex("Book", models.Index(fields=["title"], name="t")), INDEX], ["expand", "expand"]),
        ([unique("u", fields=["pages"])], ["expand", "switch"]),
        ([CHECK], ["expand", "expand"]),
        ([SET_NOT_NULL], ["expand", "expand", "switch"]),
        ([add("extra", models.IntegerField(null=True, db_index=True))], ["switch", "finish"]),
        ([add("extra", models.IntegerField(null=True)), index("x", fields=["extra"])], ["switch", "finish"]),
        ([add("extra", models.IntegerField(null=True))], ["switch"]),
    ],
)
def test_the_phases_of_what_is_rewritten(operations: list[Operation], expected: list[str]) -> None:
    assert phases(*operations) == expected
    assert kept(*operations) == []


NOT_VALID = ConstraintFacts("old", "c", ("pages",), "CHECK ((pages > 0)) NOT VALID", validated=False)
WITH_CONSTRAINT = BOOK._replace(constraints={"old": NOT_VALID})
VALIDATE = postgres_operations.ValidateConstraint("Book", "old")


@pytest.mark.parametrize("before", [[], [EXTRA], [add("extra", models.IntegerField(default=1))]], ids=named)
def test_a_constraint_that_is_there_is_validated_before_the_switch(before: list[Operation]) -> None:
    migration_plan = plan(*before, VALIDATE, book=WITH_CONSTRAINT)
    assert migration_plan.steps[0].phase is Phase.EXPAND
    assert migration_plan.steps[0].sql == ('ALTER TABLE "library_book" VALIDATE CONSTRAINT "old"',)
    assert not migration_plan.steps[0].undo, "it was there before"
    assert [step.kept_in_place for step in migration_plan.steps if step.kept_in_place] == []


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ([NOTHING], "RunPython runs before it"),
        ([alter("pages", models.BigIntegerField())], "its columns are altered or filled"),
        ([alter("pages", models.IntegerField(db_default=1))], "its columns are altered or filled"),
        ([ops.RenameModel("Book", "Volume")], "the table is renamed"),
        (
            [postgres_operations.AddConstraintNotValid("Book", check("old", models.Q(extra=1)))],
            "the constraint is made in the same migration",
        ),
    ],
    ids=named,
)
def test_a_validation_stays_where_the_migration_makes_what_it_needs(before: list[Operation], reason: str) -> None:
    name = "Volume" if isinstance(before[0], ops.RenameModel) else "Book"
    validate = postgres_operations.ValidateConstraint(name, "old")
    operations = [EXTRA, *before, validate] if "made" in reason else [*before, validate]
    migration_plan = plan(*operations, book=WITH_CONSTRAINT if "made" not in reason else BOOK)
    (kept,) = [step.kept_in_place for step in migration_plan.steps if "VALIDATE" in step.sql[0]]
    assert reason in kept


def test_what_is_added_not_valid_and_validated_goes_ahead_together() -> None:
    condition = check("old", models.Q(pages__gte=0))
    pair = (postgres_operations.AddConstraintNotValid("Book", condition), VALIDATE)
    for operations in (pair, (EXTRA, *pair)):
        migration_plan = plan(*operations)
        addition, validation = migration_plan.phase(Phase.EXPAND)
        assert [addition.statements[0].sql[-9:], validation.sql[0][-25:]] == [
            "NOT VALID",
            ' VALIDATE CONSTRAINT "old"'[-25:],
        ]
        assert addition.undo == ('ALTER TABLE "library_book" DROP CONSTRAINT IF EXISTS "old"',)
    assert phases(pair[0]) == ["switch"], "alone it has nothing to gain"


@pytest.mark.parametrize("operation", [INDEX, unique("u", fields=["pages"]), CHECK, SET_NOT_NULL], ids=named)
def test_a_small_table_is_left_alone(operation: Operation) -> None:
    assert phases(operation, book=BOOK._replace(size=MEGABYTE)) == ["switch"]
    assert kept(operation, book=BOOK._replace(size=MEGABYTE)) == []


@pytest.mark.parametrize("attributes", [{"atomic": False}, {"online": False}], ids=str)
def test_a_migration_may_ask_to_be_left_alone(attributes: dict[str, bool]) -> None:
    assert phases(INDEX, **attributes) == ["switch"]


@pytest.mark.parametrize("data", [NOTHING, ops.RunSQL("SELECT 1")], ids=["RunPython", "RunSQL"])
@pytest.mark.parametrize("operation", [INDEX, unique("u", fields=["pages"]), CHECK, SET_NOT_NULL], ids=named)
@pytest.mark.parametrize("nested", [False, True])
def test_data_changed_before_keeps_it_in_place(data: Operation, operation: Operation, nested: bool) -> None:
    given_operation = ops.SeparateDatabaseAndState(database_operations=[data]) if nested else data
    reason = f"{type(data).__name__} runs before it in the same migration, and it may depend on that"
    assert kept(given_operation, operation) == [reason]
    assert set(phases(given_operation, operation)) == {"switch"}


class Asks(Operation):
    """A third party's operation that asks the server."""

    reduces_to_sql = True

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing changes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.connection.cursor().execute("SELECT 1")

    def describe(self) -> str:
        return "asks"


class Brings(Asks):
    reduces_to_sql = False


class Marks(Brings):
    """A marker for some tool."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Nothing is done."""


def test_an_operation_that_does_nothing_keeps_nothing_in_place() -> None:
    assert kept(Marks(), INDEX, Marks()) == []


@pytest.mark.parametrize("other", [Asks(), Brings(), Sends("SELECT 1")], ids=["asks", "brings code", "sends SQL"])
def test_a_third_partys_operation_before_or_after_keeps_it_in_place(other: Operation) -> None:
    name = type(other).__name__
    assert kept(other, INDEX) == [f"{name} runs before it in the same migration, and it may depend on that"]
    said = "run SQL" if isinstance(other, Sends) else "unknown"
    assert kept(EXTRA, EXTRA_INDEX, other) == [f"{said} comes after it in the same migration"]


def test_what_may_use_an_extension_waits_for_the_switch_that_makes_it() -> None:
    trigrams = ops.AddIndex("Book", GinIndex(fields=["title"], name="x", opclasses=["gin_trgm_ops"]))
    assert phases(TrigramExtension(), trigrams) == ["switch", "finish"]
    assert phases(trigrams) == ["expand"]


@pytest.mark.parametrize("method", ["apply", "unapply"])
def test_a_migration_with_methods_of_its_own_is_one_unknown_step(method: str) -> None:
    """label-studio's io_storages.0018 does nothing on PostgreSQL, whatever its operations say."""
    own = type("Own", (Migration,), {method: lambda self, *args: args[0], "operations": [INDEX, CHECK]})
    state = library()
    (step,) = new_planner().plan(own("0001_case", plans.APP), state).steps
    assert (step.phase, [change.kind for change in step.changes], step.locks) == (Phase.SWITCH, [Kind.UNKNOWN], ())
    assert f"it overrides Migration.{method}" in step.changes[0].name
    assert [one_index.name for one_index in state.models[plans.APP, "book"].options["indexes"]] == ["pages_idx"]


NOTE = ops.CreateModel(
    "Note",
    [("id", models.BigAutoField(primary_key=True)), ("book", models.ForeignKey("library.Book", models.CASCADE))],
)


@pytest.mark.parametrize(
    ("later", "made"),
    [
        (ops.RemoveField("Note", "book"), 0),
        (ops.DeleteModel("Note"), 0),
        (ops.AlterField("Note", "book", models.ForeignKey("library.Book", models.CASCADE, null=True)), 1),
        (ops.AddField("Book", "extra", models.IntegerField(null=True)), 1),
    ],
    ids=named,
)
def test_a_foreign_key_that_django_defers_is_there_at_the_end_or_never(later: Operation, made: int) -> None:
    sent = [sql for step in plan(NOTE, later).steps for sql in step.sql]
    assert len([sql for sql in sent if "FOREIGN KEY" in sql]) == made
    assert not any("DROP CONSTRAINT" in sql for sql in sent)
    assert not made or "FOREIGN KEY" in "".join(sent[-2:])


def test_what_django_defers_stays_with_its_operation_where_nothing_in_between_matters() -> None:
    migration_plan = plan(NOTE, ops.AddField("Shelf", "extra", models.IntegerField(null=True)))
    assert [(step.operation, len(step.sql)) for step in migration_plan.steps] == [(0, 3), (1, 1)]


def test_data_changed_after_does_not() -> None:
    assert phases(INDEX, NOTHING) == ["expand", "switch"]


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ([EXTRA, EXTRA_INDEX, ops.RenameModel("Book", "Volume")], 'rename table "library_book"'),
        ([EXTRA, EXTRA_INDEX, ops.RenameField("Book", "extra", "more")], 'rename column "extra"'),
        ([EXTRA, EXTRA_INDEX, ops.RenameIndex("Book", "y", old_name="x")], 'rename index "x"'),
        ([EXTRA, EXTRA_INDEX, ops.RunSQL("SELECT 1")], "run SQL"),
        ([EXTRA, unique("u", fields=["extra"]), NOTHING], "run Python"),
    ],
    ids=["RenameModel", "RenameField", "RenameIndex", "RunSQL", "RunPython"],
)
def test_what_the_migration_touches_later_is_not_put_off(operations: list[Operation], reason: str) -> None:
    assert kept(*operations) == [f"{reason} comes after it in the same migration"]
    assert Phase.FINISH not in {step.phase for step in plan(*operations).steps}


FILLED = add("extra", models.IntegerField(default=0))
MIGHT = "rows may violate it, which must fail before anything is committed"


@pytest.mark.parametrize(
    "operations",
    [
        [FILLED, unique("u", fields=["extra"])],
        [EXTRA, unique("u", fields=["extra"], nulls_distinct=False)],
        [EXTRA, unique("u", Coalesce("extra", 0))],
        [FILLED, ops.AddConstraint("Book", models.CheckConstraint(condition=models.Q(extra__gt=0), name="c"))],
        [ops.RenameField("Book", "pages", "sheets"), unique("u", fields=["sheets"])],
        [ops.RenameModel("Book", "Volume"), ops.AddConstraint("Volume", CHECK.constraint)],
    ],
    ids=["unique", "unique NULLs", "unique expression", "check", "renamed column", "renamed table"],
)
def test_what_rows_may_violate_once_the_migration_counts_is_not_put_off(operations: list[Operation]) -> None:
    assert MIGHT in kept(*operations)
    assert Phase.FINISH not in {step.phase for step in plan(*operations).steps}


def test_a_check_of_other_columns_than_the_new_one_goes_before_the_switch() -> None:
    assert phases(FILLED, CHECK) == ["expand", "expand", "switch", "contract"]


def test_an_index_is_dropped_before_its_column_is_filled() -> None:
    state, planner = library(), new_planner()
    planner.plan(plans.migration("0001_index", index("isbn_idx", fields=["isbn"])), state)
    removed, filled = (
        ops.RemoveIndex("Book", "isbn_idx"),
        alter("isbn", models.CharField(max_length=20, default="none")),
    )
    last = planner.plan(plans.migration("0002_filled", removed, filled), state)
    assert Phase.FINISH not in {step.phase for step in last.steps}


def test_other_columns_and_code_do_not_keep_a_plain_index() -> None:
    assert phases(EXTRA, EXTRA_INDEX, ops.RemoveField("Book", "title"), NOTHING)[-1] == "finish"

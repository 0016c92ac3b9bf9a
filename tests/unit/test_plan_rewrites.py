"""What is rewritten, what stays in place, and the reason that is given for it. No server is asked."""

from __future__ import annotations

import datetime
import re
import secrets
import uuid
from functools import partial
from itertools import count
from typing import Any

import pytest
from django.contrib.postgres import operations as postgres_operations
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import TrigramExtension
from django.db import models
from django.db.migrations import Migration
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Func
from django.db.models.functions import Abs, Coalesce
from django.utils import timezone
from django.utils.crypto import get_random_string

from lockgate.facts.tables import ConstraintFacts, DatabaseFacts, TableFacts
from lockgate.linting.rules.case import Case, HazardSettings
from lockgate.linting.rules.compatibility import required_column
from lockgate.planning import kept_defaults, planner
from lockgate.planning.recorder.literals import is_written
from lockgate.planning.recorder.offline import offline_connection
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Kind, MigrationPlan, Phase
from tests.support import plans
from tests.support.plan_case import BASE, Sends, add, alter, check, index, unique

MEGABYTE = 1024**2
BOOK = TableFacts("library_book", "r", size=100 * MEGABYTE, rows=10**6)
AUTHOR, SHELF = BOOK._replace(name="library_author"), BOOK._replace(name="library_shelf")
INDEX = index("pages_idx", fields=["pages"])
SET_NOT_NULL = alter("isbn", models.CharField(max_length=20))
CHECK = ops.AddConstraint("Book", check("c", models.Q(pages__gte=0)))
NOTHING = ops.RunPython(ops.RunPython.noop)

EXTRA = add("extra", models.IntegerField(null=True))
EXTRA_INDEX = index("x", fields=["extra"])

SETTINGS = planner.Settings(threshold=8 * MEGABYTE)


def named(parameter: object) -> str:
    """A test's name, the same in every process: a function's would have its address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(parameter))


def new_planner(book: TableFacts = BOOK, version: int = 160000) -> planner.Planner:
    facts = DatabaseFacts(version, tables={each.name: each for each in (book, AUTHOR, SHELF)})
    connection = offline_connection("default", version)
    return planner.Planner(facts, lambda prospect: recording(connection, prospect), SETTINGS)


def library() -> ProjectState:
    state = ProjectState()
    for each in BASE:
        each.state_forwards(plans.APP, state)
    return state


def plan(*operations: Operation, book: TableFacts = BOOK, version: int = 160000, **attributes: Any) -> MigrationPlan:
    return new_planner(book, version).plan(plans.migration("0001_case", *operations, **attributes), library())


def kept(*operations: Operation, **options: Any) -> list[str]:
    """The reasons for what stays in place."""
    return [step.kept_in_place for step in plan(*operations, **options).steps if step.kept_in_place]


def phases(*operations: Operation, **options: Any) -> list[str]:
    return [step.phase.value for step in plan(*operations, **options).steps]


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
    made = plan(*before, VALIDATE, book=WITH_CONSTRAINT)
    assert made.steps[0].phase is Phase.EXPAND
    assert made.steps[0].sql == ('ALTER TABLE "library_book" VALIDATE CONSTRAINT "old"',)
    assert not made.steps[0].undo, "it was there before"
    assert [step.kept_in_place for step in made.steps if step.kept_in_place] == []


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
    made = plan(*operations, book=WITH_CONSTRAINT if "made" not in reason else BOOK)
    (kept,) = [step.kept_in_place for step in made.steps if "VALIDATE" in step.sql[0]]
    assert reason in kept


def test_what_is_added_not_valid_and_validated_goes_ahead_together() -> None:
    condition = check("old", models.Q(pages__gte=0))
    pair = (postgres_operations.AddConstraintNotValid("Book", condition), VALIDATE)
    for operations in (pair, (EXTRA, *pair)):
        made = plan(*operations)
        addition, validation = made.phase(Phase.EXPAND)
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
    given = ops.SeparateDatabaseAndState(database_operations=[data]) if nested else data
    reason = f"{type(data).__name__} runs before it in the same migration, and it may depend on that"
    assert kept(given, operation) == [reason]
    assert set(phases(given, operation)) == {"switch"}


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
    assert [each.name for each in state.models[plans.APP, "book"].options["indexes"]] == ["pages_idx"]


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
    made = plan(NOTE, ops.AddField("Shelf", "extra", models.IntegerField(null=True)))
    assert [(step.operation, len(step.sql)) for step in made.steps] == [(0, 3), (1, 1)]


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
    state, made = library(), new_planner()
    made.plan(plans.migration("0001_index", index("isbn_idx", fields=["isbn"])), state)
    removed, filled = (
        ops.RemoveIndex("Book", "isbn_idx"),
        alter("isbn", models.CharField(max_length=20, default="none")),
    )
    last = made.plan(plans.migration("0002_filled", removed, filled), state)
    assert Phase.FINISH not in {step.phase for step in last.steps}


def test_other_columns_and_code_do_not_keep_a_plain_index() -> None:
    assert phases(EXTRA, EXTRA_INDEX, ops.RemoveField("Book", "title"), NOTHING)[-1] == "finish"


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
    made = plan(add("extra", field))
    assert [step.phase.value for step in made.steps] == expected
    (first, *_) = (step for step in made.steps if step.phase is Phase.SWITCH)
    assert not any(word in first.sql[0] for word in ("UNIQUE", "CHECK"))
    assert made.replaced[0][1] == first.sql


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
    made = new_planner(BOOK._replace(name='other"."book')).plan(
        plans.migration("0001_case", add("extra", UNIQUE)), state
    )
    assert [step.phase for step in made.steps] == [Phase.SWITCH]
    assert "names a schema" in made.steps[0].kept_in_place


def test_a_key_of_a_table_that_the_migration_makes_stops_numbering_its_rows() -> None:
    made = ops.CreateModel("Plain", [("id", models.AutoField(primary_key=True))])
    steps = plan(made, alter("id", models.IntegerField(primary_key=True), "Plain")).steps
    sent = [statement for step in steps for statement in step.sql]
    assert sum("DROP IDENTITY" in each for each in sent) == 1
    assert not any("SEQUENCE" in each for each in sent)  # it goes along


def test_a_constraint_says_of_itself_what_it_is() -> None:
    changes = [each for step in plan(unique("u", fields=["pages"]), CHECK).steps for each in step.changes]
    found = {each.kind: each for each in changes if each.kind in (Kind.ADD_UNIQUE, Kind.ADD_CHECK)}
    assert (found[Kind.ADD_UNIQUE].unique, found[Kind.ADD_UNIQUE].columns) == (True, ("pages",))
    assert (found[Kind.ADD_CHECK].unique, found[Kind.ADD_CHECK].columns) == (False, ("pages",))


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


DEFAULTED = add("extra", models.IntegerField(default=7))


@pytest.mark.parametrize("book", [BOOK, BOOK._replace(size=0)], ids=["large", "empty"])
@pytest.mark.parametrize("earlier", [[], [NOTHING], [ops.RunSQL("UPDATE library_book SET pages = 1")]])
def test_a_default_stays_until_the_contract_phase_whatever_the_size(earlier: list[Operation], book: TableFacts) -> None:
    made = plan(*earlier, DEFAULTED, book=book)
    (step,) = made.phase(Phase.CONTRACT)
    assert step.sql == ('ALTER TABLE "library_book" ALTER COLUMN "extra" DROP DEFAULT',)
    assert not any("DROP DEFAULT" in sql for each in made.phase(Phase.SWITCH) for sql in each.sql)


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


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (INDEX, "PostgreSQL builds no index on all partitions concurrently"),
        (unique("u", fields=["pages"]), "no index can be attached to all partitions as a constraint"),
        (
            add("shelf", models.ForeignKey("library.Shelf", models.CASCADE, null=True)),
            "PostgreSQL builds no index on all partitions concurrently",
        ),
    ],
    ids=named,
)
def test_a_partitioned_table_says_why(operation: Operation, reason: str) -> None:
    assert kept(operation, book=BOOK._replace(kind="p")) == [f"the table is partitioned, and {reason}"]


FOREIGN_KEY = alter("copies", models.ForeignKey("library.Author", models.CASCADE, null=True, db_column="copies"))


@pytest.mark.parametrize(("version", "rewritten"), [(160000, False), (180000, True)])
def test_a_foreign_key_of_a_partitioned_table_is_not_valid_from_18_on(version: int, rewritten: bool) -> None:
    made = plan(FOREIGN_KEY, book=BOOK._replace(kind="p"), version=version)
    assert any("NOT VALID" in sql for step in made.steps for sql in step.sql) is rewritten


def test_a_foreign_key_of_a_small_table_to_a_large_one_is_validated_online_too() -> None:
    made = plan(FOREIGN_KEY, book=BOOK._replace(size=MEGABYTE))
    assert any("FOREIGN KEY" in sql and "NOT VALID" in sql for step in made.steps for sql in step.sql)


def test_a_column_that_is_filled_in_the_same_migration_is_not_required_online() -> None:
    filled = alter("copies", models.IntegerField(default=1))
    assert kept(filled) == ["the column's rows are filled, or the column is made, in the same migration"]


def test_not_null_is_proven_by_a_check_before_18_and_by_itself_from_18_on() -> None:
    before, after = (plan(SET_NOT_NULL, version=version).phase(Phase.EXPAND)[0].sql for version in (160000, 180000))
    assert before == (
        'ALTER TABLE "library_book" ADD CONSTRAINT "library_book_isbn_lockgate_not_null"'
        ' CHECK ("isbn" IS NOT NULL) NOT VALID',
    )
    assert after == (
        'ALTER TABLE "library_book" ADD CONSTRAINT "library_book_isbn_not_null" NOT NULL "isbn" NOT VALID',
    )


def test_every_step_of_expand_can_be_undone_and_says_why_it_is_there() -> None:
    for step in plan(INDEX, unique("u", fields=["pages"]), CHECK, SET_NOT_NULL).phase(Phase.EXPAND):
        assert step.undo
        assert step.reason
        assert not any(lock.mode.blocks_reads and lock.work.grows for lock in step.locks)


@pytest.mark.parametrize(("swapped", "tables"), [("library.Author", 0), (None, 1)])
def test_a_model_that_is_swapped_out_has_no_table(settings: Any, swapped: str | None, tables: int) -> None:
    settings.LIBRARY_READER_MODEL = swapped
    made = plan(
        ops.CreateModel(
            "Reader", [("id", models.AutoField(primary_key=True))], options={"swappable": "LIBRARY_READER_MODEL"}
        )
    )
    assert len([sql for step in made.steps for sql in step.sql]) == tables


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
    made = plan(add("extra", field))
    assert len(made.phase(Phase.CONTRACT)) == 1
    assert not any("SET DEFAULT" in sql for step in made.steps for sql in step.sql)


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
    made = plan(add("extra", field))
    (switch,) = made.phase(Phase.SWITCH)
    assert switch.sql[-1] == f'ALTER TABLE "library_book" ALTER COLUMN "extra" SET DEFAULT {expression}'
    assert len(made.phase(Phase.CONTRACT)) == 1


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
    made = plan(add("extra", field))
    assert made.phase(Phase.CONTRACT) == ()
    assert kept(add("extra", field)) == [
        "its default is a function that may give each row another value, and the server has none like it"
    ]
    facts = DatabaseFacts(160000, tables={"library_book": BOOK})
    migration = plans.migration("0001_case", add("extra", field))
    (found,) = required_column.find(Case(migration, made, facts, HazardSettings(8 * MEGABYTE, MEGABYTE**2)))
    assert 'column "extra"' in found.what
    assert "its default is a function" in found.what


@pytest.mark.parametrize("code", [widens, asks_a_cursor, passes_on], ids=named)
def test_code_that_cannot_be_read_touches_every_kept_default(code: Any) -> None:
    assert plan(DEFAULTED, ops.RunPython(code)).phase(Phase.CONTRACT) == ()
    statements = plan(ops.RunPython(code)).sent(Phase.SWITCH)
    assert kept_defaults.follow("library_book", "extra", statements) is kept_defaults.Fate.TOUCHED


@pytest.mark.parametrize(
    "sql", ["DO $$ BEGIN EXECUTE 'a' || b; END $$", "CALL anything()", "ALTER SCHEMA a RENAME TO b"]
)
def test_sql_that_cannot_be_read_touches_every_kept_default(sql: str) -> None:
    statements = plan(ops.RunSQL(sql)).sent(Phase.SWITCH)
    assert kept_defaults.follow("library_book", "extra", statements) is kept_defaults.Fate.TOUCHED


@pytest.mark.parametrize("later", [NOTHING, ops.RunPython(fills), ops.RunSQL("UPDATE library_book SET pages = 1")])
def test_code_that_was_read_and_works_on_rows_leaves_kept_defaults_alone(later: Operation) -> None:
    statements = plan(later).sent(Phase.SWITCH)
    assert kept_defaults.follow("library_book", "extra", statements) == ("library_book", "extra")


COLLATED = add("extra", models.CharField(max_length=9, null=True, db_index=True, db_collation="odd"))


def collated(collations: dict[str, bool]) -> MigrationPlan:
    facts = DatabaseFacts(160000, tables={"library_book": BOOK}, collations=collations)
    connection = offline_connection("default", 160000)
    made = planner.Planner(facts, lambda prospect: recording(connection, prospect), SETTINGS)
    return made.plan(plans.migration("0001_case", COLLATED), library())


@pytest.mark.parametrize(("deterministic", "indexes"), [(True, 2), (False, 1)])
def test_whether_text_has_an_index_of_its_patterns_is_asked_of_its_collation(deterministic: bool, indexes: int) -> None:
    assert len(collated({"odd": deterministic}).phase(Phase.FINISH)) == indexes


def test_what_has_a_collation_of_which_nothing_is_known_stays_in_place() -> None:
    (step,) = collated({}).steps
    assert [change.kind for change in step.changes] == [Kind.UNKNOWN]


class Whatever(Func):
    """A third party's: what it sends is its own affair."""

    function = "ABS"
    template = "COALESCE(random()::int, %(expressions)s)"


@pytest.mark.parametrize(
    ("default", "computed"),
    [
        (Whatever(models.Value(1)), "volatile"),
        (Func(models.Value(1), template="COALESCE(random()::int, %(expressions)s)"), "volatile"),
        (Abs(models.Value(1)), "constant"),
    ],
    ids=named,
)
def test_a_database_default_that_writes_its_own_sql_may_call_anything(default: Any, computed: str) -> None:
    changes = [
        change for step in plan(add("extra", models.IntegerField(db_default=default))).steps for change in step.changes
    ]
    assert [change.default for change in changes if change.kind is Kind.ADD_COLUMN] == [computed]


class Renamed(Func):
    """Django's own, as its ``UUID4`` from 6.1 on: another function on PostgreSQL than its class is called after."""

    __module__ = "django.db.models.functions.uuid"
    function = "UUIDV4"
    arity = 0

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="RANDOM", **context)


@pytest.mark.parametrize(
    ("default", "computed"),
    [(Renamed(), "volatile"), (Abs(Renamed()), "volatile"), (Abs(models.Value("random()")), "constant")],
    ids=["itself", "within", "text"],
)
def test_a_database_default_is_known_by_the_sql_that_django_makes_of_it(default: Any, computed: str) -> None:
    facts = DatabaseFacts(160000, tables={"library_book": BOOK}, volatile_functions=frozenset({"random"}))
    connection = offline_connection("default", 160000)
    made = planner.Planner(facts, lambda prospect: recording(connection, prospect), SETTINGS)
    adds = add("extra", models.FloatField(db_default=default))
    changes = [
        change for step in made.plan(plans.migration("0001_case", adds), library()).steps for change in step.changes
    ]
    assert [change.default for change in changes if change.kind is Kind.ADD_COLUMN] == [computed]


def test_what_asks_for_the_constraints_of_a_table_that_nobody_looked_at_stays_in_place() -> None:
    connection = offline_connection("default", 160000)
    unseen = DatabaseFacts(160000, tables={"library_author": AUTHOR})
    made = planner.Planner(unseen, lambda prospect: recording(connection, prospect), SETTINGS)
    (step,) = made.plan(plans.migration("0001_case", ops.AlterUniqueTogether("Author", set())), library()).steps
    assert step.changes == ()
    made = planner.Planner(unseen, lambda prospect: recording(connection, prospect), SETTINGS)
    unindexed = alter("author", models.IntegerField())
    (step,) = made.plan(plans.migration("0001_case", unindexed), library()).steps
    assert [change.kind for change in step.changes] == [Kind.UNKNOWN]


def test_a_dict_is_written_as_hstore_before_any_database_has_the_type() -> None:
    assert is_written({"a": "1"})

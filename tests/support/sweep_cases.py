"""The migrations that are killed: on one start schema, every kind of operation, alone and together.

They know nothing of how a runner does them, so none of them changes when a rewrite is added. What runs outside a
transaction may run twice; everything else would show it, in the tally or as an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.postgres import constraints as postgres_constraints
from django.contrib.postgres import fields as postgres_fields
from django.contrib.postgres import operations as postgres_operations
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Lower

from tests.support import sweep_functions

APP = "library"
ROWS = 500
# Below the size of every table that ROWS rows make, so that all of them are large.
LARGE_TABLE_BYTES = 16 * 1024
CASCADE = models.CASCADE


@dataclass(frozen=True)
class Pending:
    """One migration that has not been applied."""

    operations: tuple[Operation, ...]
    atomic: bool = True


@dataclass(frozen=True)
class Case:
    """What is pending on the start schema. adopted: whether Lockgate has its ledger in the database already."""

    title: str
    pending: tuple[Pending, ...]
    adopted: bool = True

    def __str__(self) -> str:
        return self.title


def case(title: str, *operations: Operation, atomic: bool = True, **options: Any) -> Case:
    """A case of one migration."""
    return Case(title, (Pending(operations, atomic),), **options)


def add(name: str, field: models.Field[Any, Any], model: str = "Book", **options: Any) -> ops.AddField:
    return ops.AddField(model, name, field, **options)


def alter(name: str, field: models.Field[Any, Any], model: str = "Book", **options: Any) -> ops.AlterField:
    return ops.AlterField(model, name, field, **options)


def index(name: str, *expressions: Any, **options: Any) -> ops.AddIndex:
    return ops.AddIndex("Book", models.Index(*expressions, name=name, **options))


def unique(name: str, *expressions: Any, **options: Any) -> ops.AddConstraint:
    return ops.AddConstraint("Book", models.UniqueConstraint(*expressions, name=name, **options))


def check(name: str, condition: models.Q) -> models.CheckConstraint:
    return models.CheckConstraint(condition=condition, name=name)


def exclusion(name: str) -> postgres_constraints.ExclusionConstraint:
    return postgres_constraints.ExclusionConstraint(name=name, expressions=[("span", "&&")])


def shelf(**options: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey("library.Shelf", CASCADE, **options)


def number(**options: Any) -> models.IntegerField[Any, Any]:
    return models.IntegerField(**options)


def text(length: int = 100, **options: Any) -> models.CharField[Any, Any]:
    return models.CharField(max_length=length, **options)


COUNT = ops.RunPython(sweep_functions.count_up, ops.RunPython.noop)
COUNT_OUTSIDE = ops.RunPython(sweep_functions.count_up, sweep_functions.count_down)
COUNT_WITHIN = ops.RunPython(sweep_functions.count_up, sweep_functions.count_down, atomic=True)
BIG = models.BigAutoField(primary_key=True)
LONG = models.Q(pages__gte=0)
LONG_TABLE = "library_table_with_a_name_that_is_nearly_as_long_as_names_may_be"[:60]

# What is there, large and filled. What cases take away has a name that says so.
START = (
    ops.CreateModel("Tally", [("id", BIG), ("n", models.IntegerField(default=0))]),
    ops.CreateModel("Author", [("id", models.AutoField(primary_key=True)), ("name", text())]),
    ops.CreateModel("Editor", [("id", models.AutoField(primary_key=True)), ("name", text(unique=True))]),
    ops.CreateModel("Shelf", [("id", BIG), ("code", number())]),
    ops.CreateModel(
        "Book",
        [
            ("id", BIG),
            ("title", text()),
            ("isbn", text(20, null=True)),
            ("pages", number()),
            ("copies", number(null=True)),
            ("price", models.DecimalField(max_digits=8, decimal_places=2)),
            ("rank", models.PositiveIntegerField()),
            ("out_of_print", models.BooleanField(default=False)),
            ("author", models.ForeignKey("library.Author", CASCADE)),
            ("loose", models.ForeignKey("library.Editor", CASCADE, db_constraint=False, related_name="+")),
            ("indexed", text(db_index=True)),
            ("unique", text(unique=True)),
            ("span", postgres_fields.IntegerRangeField(null=True)),
            ("shelves", models.ManyToManyField("library.Shelf")),
        ],
        options={
            "unique_together": {("rank", "copies")},
            "indexes": [models.Index(fields=["price"], name="price_idx")],
            "constraints": [
                check("price_check", models.Q(price__gte=0)),
                models.UniqueConstraint(fields=["price"], name="price_uniq"),
                models.UniqueConstraint(fields=["price"], condition=models.Q(copies__gt=5), name="price_part"),
            ],
        },
    ),
    ops.CreateModel(
        "Note", [("id", BIG), ("text", text(db_index=True)), ("book", models.ForeignKey("library.Book", CASCADE))]
    ),
    ops.CreateModel(
        "Longish",
        [("id", BIG), ("first_column", number(null=True)), ("second_column", number(null=True))],
        options={"db_table": LONG_TABLE},
    ),
)

INDEXES = (
    case("AddIndex", index("pages_idx", fields=["pages"])),
    case("AddIndex, partial and expression", index("t", Lower("title"), condition=models.Q(out_of_print=False))),
    case("RemoveIndex", ops.RemoveIndex("Book", "price_idx")),
    case("RenameIndex", ops.RenameIndex("Book", "price_new", old_name="price_idx")),
    case("AlterField: db_index set on text", alter("title", text(db_index=True))),
    case("AlterField: db_index taken away", alter("indexed", text())),
    case(
        "AddIndexConcurrently",
        postgres_operations.AddIndexConcurrently("Book", models.Index(fields=["pages"], name="pages_idx")),
        atomic=False,
    ),
    case("RemoveIndexConcurrently", postgres_operations.RemoveIndexConcurrently("Book", "price_idx"), atomic=False),
)

CONSTRAINTS = (
    case("AddConstraint Unique", unique("u", fields=["pages", "title"])),
    case("AddConstraint Unique, partial", unique("u", fields=["pages"], condition=models.Q(out_of_print=False))),
    case("AddConstraint Unique, expression", unique("u", Lower("title"))),
    case("AddConstraint Unique, covering", unique("u", fields=["pages"], include=["title"])),
    case("AddConstraint Unique, deferrable", unique("u", fields=["pages"], deferrable=models.Deferrable.DEFERRED)),
    case("AddConstraint Unique, nulls not distinct", unique("u", fields=["isbn"], nulls_distinct=False)),
    case("AlterUniqueTogether", ops.AlterUniqueTogether("Book", [("title", "pages")])),
    case("AlterField: unique set on text", alter("title", text(unique=True))),
    case("AlterField: unique taken away", alter("unique", text())),
    case("AddConstraint Check", ops.AddConstraint("Book", check("c", LONG))),
    case(
        "RemoveConstraint Check, Unique, partial Unique",
        ops.RemoveConstraint("Book", "price_check"),
        ops.RemoveConstraint("Book", "price_uniq"),
        ops.RemoveConstraint("Book", "price_part"),
    ),
    case("AddConstraint Exclusion", ops.AddConstraint("Book", exclusion("x"))),
    case(
        "AddConstraintNotValid, then ValidateConstraint",
        postgres_operations.AddConstraintNotValid("Book", check("c", LONG)),
        postgres_operations.ValidateConstraint("Book", "c"),
        atomic=False,
    ),
)

NEW_COLUMNS = (
    case("AddField, ForeignKey", add("shelf", shelf(null=True, related_name="+"))),
    case("AddField, OneToOneField", add("one", models.OneToOneField("library.Shelf", CASCADE, null=True))),
    case("AddField, db_index on text", add("extra", text(9, null=True, db_index=True))),
    case("AddField, unique", add("extra", number(null=True, unique=True))),
    case("AddField, constant default", add("extra", number(default=7))),
    case("AddField, constant db_default", add("extra", number(db_default=7))),
    case("AddField, PositiveIntegerField with default", add("extra", models.PositiveIntegerField(default=1))),
    case("AddField, ManyToManyField", add("others", models.ManyToManyField("library.Editor", related_name="+"))),
    case(
        "AddField, GeneratedField",
        add("extra", models.GeneratedField(expression=models.F("pages") + 1, output_field=number(), db_persist=True)),
    ),
)

COLUMNS = (
    case("AlterField: null → not null", alter("isbn", text(20))),
    case("AlterField: null → not null, with default", alter("copies", number(default=1))),
    case("AlterField: longer CharField", alter("title", text(200))),
    case("AlterField: shorter CharField", alter("title", text(90))),
    case("AlterField: IntegerField → BigIntegerField", alter("pages", models.BigIntegerField())),
    case(
        "AlterField: IntegerField → ForeignKey",
        alter("copies", models.ForeignKey("library.Author", CASCADE, null=True, db_column="copies", related_name="+")),
    ),
    case("AlterField: ForeignKey to another table", alter("author", models.ForeignKey("library.Editor", CASCADE))),
    case(
        "AlterField: db_constraint turned on",
        alter("loose", models.ForeignKey("library.Editor", CASCADE, related_name="+")),
    ),
    case("RenameField", ops.RenameField("Book", "pages", "sheets")),
    case("RemoveField, indexed", ops.RemoveField("Book", "indexed")),
    case("RemoveField, ForeignKey", ops.RemoveField("Book", "author")),
)

TABLES = (
    case(
        "CreateModel with ForeignKey and ManyToManyField",
        ops.CreateModel(
            "Loan",
            [
                ("id", BIG),
                ("book", models.ForeignKey("library.Book", CASCADE)),
                ("notes", models.ManyToManyField("library.Note")),
            ],
        ),
    ),
    case("DeleteModel", ops.DeleteModel("Note")),
    case("RenameModel, referenced", ops.RenameModel("Shelf", "Rack")),
    case("AlterModelTable", ops.AlterModelTable("Book", "volumes")),
)

MIXED = (
    case(
        "SeparateDatabaseAndState",
        ops.SeparateDatabaseAndState(
            database_operations=[index("pages_idx", fields=["pages"])],
            state_operations=[index("pages_idx", fields=["pages"])],
        ),
    ),
    case("RunSQL", ops.RunSQL("UPDATE library_tally SET n = n + 1; CREATE INDEX raw ON library_book (pages)")),
    case("RunPython that counts, then AddIndex", COUNT, index("pages_idx", fields=["pages"])),
    case(
        "Several operations on one table",
        index("pages_idx", fields=["pages"]),
        add("shelf", shelf(null=True, related_name="+")),
        ops.AddConstraint("Book", check("c", LONG)),
        alter("isbn", text(20)),
        unique("u", fields=["title"]),
        COUNT,
    ),
    case(
        "Not atomic: schema operations, RunPython and an index",
        add("extra", number(null=True)),
        ops.RunPython(sweep_functions.fill_isbn, ops.RunPython.noop),
        ops.AddConstraint("Book", check("c", LONG)),
        ops.CreateModel("Loan", [("id", BIG), ("book", models.ForeignKey("library.Book", CASCADE))]),
        postgres_operations.AddIndexConcurrently("Book", models.Index(fields=["extra"], name="extra_idx")),
        atomic=False,
    ),
    case(
        "Not atomic: two concurrent indexes, RunSQL between them",
        postgres_operations.AddIndexConcurrently("Book", models.Index(fields=["pages"], name="one")),
        ops.RunSQL("UPDATE library_book SET isbn = 'x' WHERE pages < 9", ops.RunSQL.noop),
        postgres_operations.AddIndexConcurrently("Shelf", models.Index(fields=["code"], name="two")),
        postgres_operations.RemoveIndexConcurrently("Book", "price_idx"),
        atomic=False,
    ),
    Case(
        "A release: three migrations",
        (
            Pending((add("extra", number(default=7)), index("extra_idx", fields=["extra"]))),
            Pending((COUNT,)),
            Pending((add("stamped", models.DateTimeField(null=True)), alter("title", text(200, db_index=True)))),
        ),
    ),
    case(
        "AddIndex and AddField, on a database that Lockgate has not seen",
        index("pages_idx", fields=["pages"]),
        add("shelf", shelf(null=True, related_name="+")),
        adopted=False,
    ),
)

EXTRA = Pending((add("extra", number(default=7)),))

# Histories that undo, rename or meet again what they have made.
ODD = (
    case("AlterField: unique set and taken away", alter("title", text(unique=True)), alter("title", text())),
    case(
        "AlterUniqueTogether, and back",
        ops.AlterUniqueTogether("Book", [("title", "pages"), ("rank", "copies")]),
        ops.AlterUniqueTogether("Book", [("rank", "copies")]),
    ),
    case(
        "AlterIndexTogether, then RenameIndex",
        ops.AlterIndexTogether("Book", [("title", "pages")]),
        ops.RenameIndex("Book", "title_pages", old_fields=("title", "pages")),
    ),
    Case(
        "A partial unique index dropped, then its column filled",
        (
            Pending((unique("part", fields=["copies"], condition=LONG),)),
            Pending((ops.RunSQL("UPDATE library_book SET copies = NULL WHERE id % 2 = 0"),)),
            Pending((ops.RemoveConstraint("Book", "part"), alter("copies", number(default=1)))),
        ),
    ),
    case("AddField, and a check of another column", EXTRA.operations[0], ops.AddConstraint("Book", check("c", LONG))),
    case(
        "Two columns required of a table with a long name",
        ops.AlterField("Longish", "first_column", number()),
        ops.AlterField("Longish", "second_column", number()),
    ),
    Case(
        "A column required whose name another one had",
        (
            Pending((ops.RenameField("Book", "pages", "sheets"), add("pages", number(null=True)))),
            Pending((ops.RunSQL("UPDATE library_book SET pages = sheets"),)),
            Pending((alter("pages", number()),)),
        ),
    ),
    case(
        "Constraints with names that are too long",
        unique("u" * 80, fields=["pages"]),
        ops.AddConstraint("Book", check("c" * 80, LONG)),
        unique("p" * 80, fields=["pages"], condition=LONG),
    ),
    case(
        "AddField, unique, on a table with a long name",
        add("a_third_column", number(null=True, unique=True), "Longish"),
    ),
    Case(
        "A default kept, then set by SQL",
        (EXTRA, Pending((ops.RunSQL("ALTER TABLE library_book ALTER COLUMN extra SET DEFAULT 7"),))),
    ),
    Case(
        "A default kept, its column renamed, not atomic",
        (EXTRA, Pending((ops.RenameField("Book", "extra", "more"),), atomic=False)),
    ),
    Case(
        "A default kept, its column removed and added with a db_default",
        (EXTRA, Pending((ops.RemoveField("Book", "extra"),)), Pending((add("extra", number(db_default=7)),))),
    ),
    Case(
        "A default kept, its column removed and added with a db_default, not atomic",
        (EXTRA, Pending((ops.RemoveField("Book", "extra"), add("extra", number(db_default=7))), atomic=False)),
    ),
)

# What is not atomic, with data in between that counts each application, forwards and backwards.
COUNTED = (
    case(
        "Not atomic, counted: concurrent indexes",
        postgres_operations.AddIndexConcurrently("Book", models.Index(fields=["pages"], name="one")),
        COUNT_OUTSIDE,
        postgres_operations.AddIndexConcurrently("Shelf", models.Index(fields=["code"], name="two")),
        postgres_operations.RemoveIndexConcurrently("Book", "price_idx"),
        atomic=False,
    ),
    case(
        "Not atomic, counted: columns and checks",
        add("extra", number(null=True)),
        COUNT_WITHIN,
        ops.AddConstraint("Book", check("c", LONG)),
        COUNT_OUTSIDE,
        unique("p", fields=["pages"], condition=LONG),
        atomic=False,
    ),
    case(
        "Not atomic, counted: defaults",
        add("extra", number(default=7)),
        COUNT_OUTSIDE,
        add("more", text(9, default="none", db_index=True)),
        COUNT_WITHIN,
        atomic=False,
    ),
    case(
        "Not atomic, counted: a foreign key and NOT NULL",
        add("shelf", shelf(null=True, related_name="+")),
        COUNT_OUTSIDE,
        alter("isbn", text(20)),
        atomic=False,
    ),
)

CASES = (*INDEXES, *CONSTRAINTS, *NEW_COLUMNS, *COLUMNS, *TABLES, *MIXED, *ODD)
# Those that the sweep of single runs does not have are the sweep of two releases'.
WRITTEN = (*CASES, *COUNTED)

"""One migration for every kind of schema operation: what plans are proven with, and what docs/locks.md lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.postgres import constraints as postgres_constraints
from django.contrib.postgres import fields as postgres_fields
from django.contrib.postgres import operations as postgres_operations
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.models import functions
from django.db.models.functions import Collate, Lower, Now, Random, Round

CASCADE = models.CASCADE


class Typed(models.Field):  # type: ignore[type-arg]
    """A column of whatever type."""

    def __init__(self, type: str, **options: Any) -> None:
        super().__init__(**options)
        self.type = type

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, [self.type, *args], kwargs

    def db_type(self, connection: Any) -> str:
        return self.type


class Sends(Operation):
    """A third party's operation that sends SQL of its own."""

    reduces_to_sql = True

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing changes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute(self.sql)

    def describe(self) -> str:
        return f"Sends {self.sql}"


BASE = (
    ops.CreateModel("Author", [("id", models.AutoField(primary_key=True)), ("name", models.CharField(max_length=100))]),
    ops.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True)), ("code", models.IntegerField())]),
    ops.CreateModel(
        "Book",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=100)),
            ("isbn", models.CharField(max_length=20, null=True)),
            ("pages", models.IntegerField()),
            ("copies", models.IntegerField(null=True)),
            ("price", models.DecimalField(max_digits=8, decimal_places=2)),
            ("out_of_print", models.BooleanField(default=False)),
            ("author", models.ForeignKey("library.Author", CASCADE)),
        ],
    ),
)


@dataclass(frozen=True)
class Case:
    """A migration, on top of what is there. title: as the table of locks calls it."""

    title: str
    operations: tuple[Operation, ...]
    before: tuple[Operation, ...] = ()
    atomic: bool = True
    listed: bool = True

    def __str__(self) -> str:
        return self.title


def case(title: str, *operations: Operation, before: tuple[Operation, ...] = (), **options: Any) -> Case:
    return Case(title, operations, before, **options)


def index(name: str, *expressions: Any, **options: Any) -> ops.AddIndex:
    return ops.AddIndex("Book", models.Index(*expressions, name=name, **options))


def unique(name: str, *expressions: Any, **options: Any) -> ops.AddConstraint:
    return ops.AddConstraint("Book", models.UniqueConstraint(*expressions, name=name, **options))


def check(name: str, condition: models.Q) -> models.CheckConstraint:
    return models.CheckConstraint(condition=condition, name=name)


def add(name: str, field: models.Field[Any, Any], **options: Any) -> ops.AddField:
    return ops.AddField("Book", name, field, **options)


def alter(name: str, field: models.Field[Any, Any], model: str = "Book", **options: Any) -> ops.AlterField:
    return ops.AlterField(model, name, field, **options)


NOT_NULL_ISBN = models.CharField(max_length=20)
LONG = models.Q(pages__gte=0)

INDEXES = (
    case("AddIndex", index("pages_idx", fields=["pages"])),
    case("AddIndex, partial", index("pages_part", fields=["pages"], condition=models.Q(out_of_print=False))),
    case("AddIndex, expression", index("title_lower", Lower("title"))),
    case("AddIndex, covering", index("pages_cover", fields=["pages"], include=["title"])),
    case("AddIndex, descending, operator class", index("t", fields=["-title"], opclasses=["text_pattern_ops"])),
    case("RemoveIndex", ops.RemoveIndex("Book", "pages_idx"), before=(index("pages_idx", fields=["pages"]),)),
    case(
        "RenameIndex",
        ops.RenameIndex("Book", "pages_new", old_name="pages_idx"),
        before=(index("pages_idx", fields=["pages"]),),
    ),
    case("AlterField: db_index set", alter("pages", models.IntegerField(db_index=True))),
    case("AlterField: db_index set on text", alter("title", models.CharField(max_length=100, db_index=True))),
    case(
        "AlterField: db_index taken away",
        alter("title", models.CharField(max_length=100)),
        before=(alter("title", models.CharField(max_length=100, db_index=True)),),
    ),
    case(
        "AlterIndexTogether to nothing (index_together leftovers)",
        ops.AlterIndexTogether("Book", []),
        before=(ops.AlterIndexTogether("Book", [("title", "pages")]),),
    ),
    case(
        "RenameIndex from index_together",
        ops.RenameIndex("Book", "title_pages", old_fields=("title", "pages")),
        before=(ops.AlterIndexTogether("Book", [("title", "pages")]),),
    ),
    case(
        "AddIndexConcurrently",
        postgres_operations.AddIndexConcurrently("Book", models.Index(fields=["pages"], name="pages_idx")),
        atomic=False,
    ),
    case(
        "RemoveIndexConcurrently",
        postgres_operations.RemoveIndexConcurrently("Book", "pages_idx"),
        before=(index("pages_idx", fields=["pages"]),),
        atomic=False,
    ),
)

CONSTRAINTS = (
    case("AddConstraint Unique", unique("u", fields=["pages", "title"])),
    case("AddConstraint Unique, partial", unique("u", fields=["pages"], condition=models.Q(out_of_print=False))),
    case("AddConstraint Unique, expression", unique("u", Lower("title"))),
    case("AddConstraint Unique, covering", unique("u", fields=["pages"], include=["title"])),
    case("AddConstraint Unique, operator class", unique("u", fields=["title"], opclasses=["text_pattern_ops"])),
    case("AddConstraint Unique, deferrable", unique("u", fields=["pages"], deferrable=models.Deferrable.DEFERRED)),
    case("AddConstraint Unique, nulls not distinct", unique("u", fields=["isbn"], nulls_distinct=False)),
    case("AddConstraint Unique, nulls distinct", unique("u", fields=["isbn"], nulls_distinct=True)),
    case("AlterField: unique set", alter("pages", models.IntegerField(unique=True))),
    case("AlterField: unique set on text", alter("title", models.CharField(max_length=100, unique=True))),
    case(
        "AlterField: unique taken away",
        alter("title", models.CharField(max_length=100)),
        before=(alter("title", models.CharField(max_length=100, unique=True)),),
    ),
    case(
        "AlterField: unique instead of db_index",
        alter("title", models.CharField(max_length=100, unique=True)),
        before=(alter("title", models.CharField(max_length=100, db_index=True)),),
    ),
    case(
        "AlterField: db_index instead of unique",
        alter("title", models.CharField(max_length=100, db_index=True)),
        before=(alter("title", models.CharField(max_length=100, unique=True)),),
    ),
    case("AlterUniqueTogether", ops.AlterUniqueTogether("Book", [("title", "pages")])),
    case(
        "AlterUniqueTogether to nothing",
        ops.AlterUniqueTogether("Book", []),
        before=(ops.AlterUniqueTogether("Book", [("title", "pages")]),),
    ),
    case("AddConstraint Check", ops.AddConstraint("Book", check("c", LONG))),
    case(
        "RemoveConstraint Check",
        ops.RemoveConstraint("Book", "c"),
        before=(ops.AddConstraint("Book", check("c", LONG)),),
    ),
    case("RemoveConstraint Unique", ops.RemoveConstraint("Book", "u"), before=(unique("u", fields=["pages"]),)),
    case(
        "RemoveConstraint Unique, partial",
        ops.RemoveConstraint("Book", "u"),
        before=(unique("u", fields=["pages"], condition=models.Q(out_of_print=False)),),
    ),
    case(
        "AddConstraint Exclusion",
        ops.AddConstraint("Book", postgres_constraints.ExclusionConstraint(name="x", expressions=[("span", "&&")])),
        before=(add("span", postgres_fields.IntegerRangeField(null=True)),),
    ),
    case(
        "RemoveConstraint Exclusion",
        ops.RemoveConstraint("Book", "x"),
        before=(
            add("span", postgres_fields.IntegerRangeField(null=True)),
            ops.AddConstraint("Book", postgres_constraints.ExclusionConstraint(name="x", expressions=[("span", "&&")])),
        ),
    ),
    case(
        "AddConstraintNotValid",
        postgres_operations.AddConstraintNotValid("Book", check("c", LONG)),
    ),
    case(
        "ValidateConstraint",
        postgres_operations.ValidateConstraint("Book", "c"),
        before=(postgres_operations.AddConstraintNotValid("Book", check("c", LONG)),),
    ),
    case(
        "AlterField, null=False, proven by a check",
        ops.AlterField("Book", "proven", models.IntegerField()),
        before=(
            add("proven", models.IntegerField(null=True, default=1)),
            postgres_operations.AddConstraintNotValid("Book", check("c", models.Q(proven__isnull=False))),
            postgres_operations.ValidateConstraint("Book", "c"),
        ),
        listed=False,
    ),
)


def foreign_key(**options: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey("library.Shelf", CASCADE, **options)


NEW_COLUMNS = (
    case("AddField, nullable", add("extra", models.IntegerField(null=True))),
    case("AddField, constant default", add("extra", models.IntegerField(default=7))),
    case("AddField of a type serial", add("extra", Typed("serial")), listed=False),
    case(
        "AddField of a domain with a check",
        add("extra", Typed("positive", null=True)),
        before=(Sends("CREATE DOMAIN positive AS int CHECK (VALUE > 0)"),),
        listed=False,
    ),
    case(
        "AddField of a domain over another, without a check",
        add("extra", Typed("over", null=True)),
        before=(Sends("CREATE DOMAIN short AS varchar(10); CREATE DOMAIN over AS short"),),
        listed=False,
    ),
    case("AddField, nullable, constant default", add("extra", models.IntegerField(null=True, default=7))),
    case("AddField, text, default", add("extra", models.CharField(max_length=10, default=""))),
    case("AddField, callable default", add("extra", models.JSONField(default=dict))),
    case("AddField, constant db_default", add("extra", models.IntegerField(db_default=7))),
    case("AddField, db_default Now()", add("extra", models.DateTimeField(db_default=Now()))),
    case("AddField, volatile db_default", add("extra", models.FloatField(db_default=Random()))),
    case("AddField, db_default RandomUUID()", add("extra", models.UUIDField(db_default=RandomUUID())), listed=False),
    case(
        "AddField, db_default with a volatile function inside",
        add("extra", models.FloatField(db_default=Round(Random() * 10))),
        listed=False,
    ),
    case("AddField, one-off default", add("extra", models.IntegerField(default=7), preserve_default=False)),
    case("AddField, db_index", add("extra", models.IntegerField(null=True, db_index=True))),
    case("AddField, db_index on text", add("extra", models.CharField(max_length=9, null=True, db_index=True))),
    case("AddField, unique", add("extra", models.IntegerField(null=True, unique=True))),
    case("AddField, unique on text", add("extra", models.CharField(max_length=9, null=True, unique=True))),
    case("AddField, PositiveIntegerField", add("extra", models.PositiveIntegerField(null=True))),
    case("AddField, PositiveIntegerField with default", add("extra", models.PositiveIntegerField(default=1))),
    case("AddField, PositiveIntegerField with db_default", add("extra", models.PositiveIntegerField(db_default=1))),
    case("AddField, PositiveIntegerField, unique", add("extra", models.PositiveIntegerField(null=True, unique=True))),
    case(
        "AddField, unique, with default",
        add("extra", models.UUIDField(unique=True, db_default=RandomUUID())),
        listed=False,
    ),
    case(
        "AddField, unique, where the name of its constraint is taken",
        add("pages", models.IntegerField(null=True, unique=True)),
        add("copies", models.PositiveIntegerField(null=True)),
        before=(
            ops.RemoveField("Book", "pages"),
            ops.RemoveField("Book", "copies"),
            ops.AddConstraint("Book", check("library_book_copies_check", models.Q(title__gt="!"))),
            unique("library_book_pages_key", fields=["title"]),
        ),
        listed=False,
    ),
    case(
        "AddField, unique and checked, with a long name",
        add("e" * 60, models.PositiveIntegerField(null=True, unique=True)),
        listed=False,
    ),
    case("AddField, ForeignKey", add("shelf", foreign_key(null=True))),
    case("AddField, ForeignKey with default", add("shelf", foreign_key(default=1))),
    case("AddField, ForeignKey without index", add("shelf", foreign_key(null=True, db_index=False))),
    case("AddField, ForeignKey without constraint", add("shelf", foreign_key(null=True, db_constraint=False))),
    case("AddField, ForeignKey to itself", add("sequel", models.ForeignKey("library.Book", CASCADE, null=True))),
    case("AddField, OneToOneField", add("shelf", models.OneToOneField("library.Shelf", CASCADE, null=True))),
    case("AddField, ManyToManyField", add("shelves", models.ManyToManyField("library.Shelf"))),
    case("AddField, with db_comment", add("extra", models.IntegerField(null=True, db_comment="why"))),
    case(
        "AddField, GeneratedField, stored",
        add(
            "extra",
            models.GeneratedField(
                expression=models.F("pages") + 1, output_field=models.IntegerField(), db_persist=True
            ),
        ),
    ),
)

COLUMNS = (
    case("AlterField: null → not null", alter("isbn", NOT_NULL_ISBN)),
    case("AlterField: null → not null, with default", alter("copies", models.IntegerField(default=1))),
    case(
        "AlterField: null → not null, one-off default",
        alter("copies", models.IntegerField(default=1), preserve_default=False),
    ),
    case("AlterField: null → not null, with db_default", alter("copies", models.IntegerField(db_default=1))),
    case("AlterField: not null → null", alter("pages", models.IntegerField(null=True))),
    case("AlterField: default set", alter("pages", models.IntegerField(default=1))),
    case("AlterField: db_default set", alter("pages", models.IntegerField(db_default=1))),
    case(
        "AlterField: db_default taken away",
        alter("pages", models.IntegerField()),
        before=(alter("pages", models.IntegerField(db_default=1)),),
    ),
    case("AlterField: db_comment set", alter("pages", models.IntegerField(db_comment="how many"))),
    case(
        "AlterField: db_comment set, with a check on it",
        alter("pages", models.PositiveIntegerField(db_comment="how many")),
        before=(alter("pages", models.PositiveIntegerField()), ops.AddConstraint("Book", check("c", LONG))),
        listed=False,
    ),
    case("AlterField: to PositiveIntegerField", alter("pages", models.PositiveIntegerField())),
    case(
        "AlterField: from PositiveIntegerField",
        alter("pages", models.IntegerField()),
        before=(alter("pages", models.PositiveIntegerField()),),
    ),
    case("AlterField: longer CharField", alter("title", models.CharField(max_length=200))),
    case("AlterField: shorter CharField", alter("title", models.CharField(max_length=90))),
    case("AlterField: CharField → TextField", alter("title", models.TextField())),
    case(
        "AlterField: CharField → TextField, indexed",
        alter("title", models.TextField(db_index=True)),
        before=(alter("title", models.CharField(max_length=100, db_index=True)),),
    ),
    case(
        "AlterField: longer CharField with a partial index",
        alter("title", models.CharField(max_length=200)),
        before=(index("part", fields=["pages"], condition=~models.Q(title="")),),
    ),
    case(
        "AlterField: longer CharField with an index on its expression",
        alter("title", models.CharField(max_length=200)),
        before=(index("title_lower", Lower("title")),),
    ),
    case(
        "AlterField: longer CharField with another column's partial index",
        alter("title", models.CharField(max_length=200)),
        before=(index("part", fields=["pages"], condition=models.Q(copies__gt=5)),),
        listed=False,
    ),
    case(
        "AlterField: longer CharField with a check on it",
        alter("title", models.CharField(max_length=200)),
        before=(ops.AddConstraint("Book", check("c", ~models.Q(title=""))),),
    ),
    case(
        "AlterField: longer CharField, unique, with a foreign key to it",
        alter("name", models.CharField(max_length=200, unique=True), "Author"),
        before=(
            alter("name", models.CharField(max_length=100, unique=True), "Author"),
            add("by", models.ForeignKey("library.Author", CASCADE, to_field="name", null=True, related_name="+")),
        ),
    ),
    case("AlterField: other collation", alter("title", models.CharField(max_length=100, db_collation="C"))),
    case(
        "AlterField: other collation, indexed",
        alter("title", models.CharField(max_length=100, db_index=True, db_collation="C")),
        before=(alter("title", models.CharField(max_length=100, db_index=True)),),
    ),
    case(
        "AlterField: DecimalField with more digits",
        alter("price", models.DecimalField(max_digits=12, decimal_places=2)),
    ),
    case(
        "AlterField: DecimalField with more places",
        alter("price", models.DecimalField(max_digits=12, decimal_places=4)),
    ),
    case("AlterField: IntegerField → BigIntegerField", alter("pages", models.BigIntegerField())),
    case("AlterField: IntegerField → CharField", alter("pages", models.CharField(max_length=20))),
    case(
        "AlterField: IntegerField → BigIntegerField, indexed and unique",
        alter("pages", models.BigIntegerField(unique=True)),
        before=(alter("pages", models.IntegerField(unique=True)),),
    ),
    case(
        "AlterField: type and null → not null and db_index",
        alter("copies", models.BigIntegerField(db_index=True)),
    ),
    case(
        "AlterField: primary key AutoField → BigAutoField, referenced",
        alter("id", models.BigAutoField(primary_key=True), "Author"),
    ),
    case(
        "AlterField: primary key IntegerField → AutoField",
        alter("id", models.AutoField(primary_key=True), "Plain"),
        before=(ops.CreateModel("Plain", [("id", models.IntegerField(primary_key=True))]),),
    ),
    case(
        "AlterField: primary key AutoField → IntegerField",
        alter("id", models.IntegerField(primary_key=True), "Plain"),
        before=(ops.CreateModel("Plain", [("id", models.AutoField(primary_key=True)), ("n", models.IntegerField())]),),
    ),
    case(
        "AlterField: primary key AutoField → IntegerField, referenced",
        alter("id", models.IntegerField(primary_key=True), "Author"),
    ),
    case(
        "AlterField: primary key AutoField → IntegerField, referenced by a ManyToManyField",
        alter("id", models.IntegerField(primary_key=True), "Author"),
        before=(add("others", models.ManyToManyField("library.Author")),),
        listed=False,
    ),
    case(
        "AlterField: db_comment set, referenced",
        alter("id", models.AutoField(primary_key=True, db_comment="who"), "Author"),
        listed=False,
    ),
    case(
        "AlterField: db_comment set, on a unique column that is referenced",
        alter("name", models.CharField(max_length=100, unique=True, db_comment="who"), "Author"),
        before=(
            alter("name", models.CharField(max_length=100, unique=True), "Author"),
            add("by", models.ForeignKey("library.Author", CASCADE, to_field="name", null=True, related_name="+")),
        ),
        listed=False,
    ),
    case(
        "AlterField: db_comment set, on a column beside one that is referenced",
        alter("name", models.CharField(max_length=100, db_comment="who"), "Author"),
        listed=False,
    ),
    case(
        "AlterField: another field becomes the primary key",
        ops.RemoveField("Plain", "id"),
        ops.AlterField("Plain", "n", models.IntegerField(primary_key=True)),
        before=(ops.CreateModel("Plain", [("id", models.AutoField(primary_key=True)), ("n", models.IntegerField())]),),
    ),
    case(
        "AlterField: IntegerField → ForeignKey",
        alter("copies", models.ForeignKey("library.Author", CASCADE, null=True, db_column="copies", related_name="+")),
    ),
    case(
        "AlterField: ForeignKey to another table",
        alter("author", models.ForeignKey("library.Editor", CASCADE)),
        before=(ops.CreateModel("Editor", [("id", models.AutoField(primary_key=True)), ("n", models.IntegerField())]),),
    ),
    case(
        "AlterField: db_constraint turned on",
        alter("author", models.ForeignKey("library.Author", CASCADE)),
        before=(alter("author", models.ForeignKey("library.Author", CASCADE, db_constraint=False)),),
    ),
    case(
        "AlterField: db_constraint turned off",
        alter("author", models.ForeignKey("library.Author", CASCADE, db_constraint=False)),
    ),
    case("AlterField: ForeignKey → OneToOneField", alter("author", models.OneToOneField("library.Author", CASCADE))),
    case("AlterField: ForeignKey null", alter("author", models.ForeignKey("library.Author", CASCADE, null=True))),
    case("RenameField", ops.RenameField("Book", "pages", "sheets")),
    case("RenameField, ForeignKey", ops.RenameField("Book", "author", "writer")),
    case("RemoveField", ops.RemoveField("Book", "pages")),
    case(
        "RemoveField, indexed",
        ops.RemoveField("Book", "title"),
        before=(alter("title", models.CharField(max_length=100, db_index=True)), index("t", fields=["title", "pages"])),
    ),
    case("RemoveField, ForeignKey", ops.RemoveField("Book", "author")),
    case(
        "RemoveField, ManyToManyField",
        ops.RemoveField("Book", "shelves"),
        before=(add("shelves", models.ManyToManyField("library.Shelf")),),
    ),
)

TABLES = (
    case("CreateModel", ops.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])),
    case(
        "CreateModel with a ForeignKey",
        ops.CreateModel(
            "Note",
            [("id", models.BigAutoField(primary_key=True)), ("book", models.ForeignKey("library.Book", CASCADE))],
        ),
    ),
    case(
        "CreateModel with a ManyToManyField",
        ops.CreateModel(
            "Note", [("id", models.BigAutoField(primary_key=True)), ("books", models.ManyToManyField("library.Book"))]
        ),
    ),
    case(
        "CreateModel, proxy",
        ops.CreateModel("Ebook", [], options={"proxy": True}, bases=("library.book",)),
    ),
    case(
        "CreateModel, child of another (multi-table)",
        ops.CreateModel(
            "Ebook",
            [
                (
                    "book_ptr",
                    models.OneToOneField(
                        "library.Book", CASCADE, parent_link=True, primary_key=True, auto_created=True
                    ),
                )
            ],
            bases=("library.book",),
        ),
    ),
    case("DeleteModel", ops.DeleteModel("Shelf")),
    case("DeleteModel with a ForeignKey", ops.DeleteModel("Book")),
    case(
        "DeleteModel with a ManyToManyField",
        ops.DeleteModel("Note"),
        before=(
            ops.CreateModel(
                "Note",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("shelves", models.ManyToManyField("library.Shelf")),
                    ("book", models.ForeignKey("library.Book", CASCADE)),
                    ("author", models.ForeignKey("library.Author", CASCADE)),
                ],
            ),
        ),
    ),
    case("RenameModel", ops.RenameModel("Shelf", "Rack")),
    case("RenameModel, referenced", ops.RenameModel("Author", "Writer")),
    case(
        "RenameModel with a ManyToManyField",
        ops.RenameModel("Book", "Volume"),
        before=(add("shelves", models.ManyToManyField("library.Shelf")),),
    ),
    case("AlterModelTable", ops.AlterModelTable("Book", "volumes")),
    case(
        "AlterModelTable with a ManyToManyField",
        ops.AlterModelTable("Book", "volumes"),
        before=(add("shelves", models.ManyToManyField("library.Shelf")),),
    ),
    case("AlterModelTableComment", ops.AlterModelTableComment("Book", "what there is to read")),
    case("AlterModelOptions", ops.AlterModelOptions("Book", {"ordering": ["title"]})),
)

DEFAULTED = add("extra", models.IntegerField(default=7))
NOTE = ops.CreateModel(
    "Note", [("id", models.BigAutoField(primary_key=True)), ("book", models.ForeignKey("library.Book", CASCADE))]
)
INDEXED = add("extra", models.IntegerField(null=True, db_index=True))

MIXED = (
    case(
        "SeparateDatabaseAndState",
        ops.SeparateDatabaseAndState(
            database_operations=[index("pages_idx", fields=["pages"])],
            state_operations=[index("pages_idx", fields=["pages"])],
        ),
    ),
    case(
        "SeparateDatabaseAndState, state alone",
        ops.SeparateDatabaseAndState(state_operations=[ops.RemoveField("Book", "pages")]),
    ),
    case(
        "AddField, then AddIndex on it",
        add("extra", models.IntegerField(null=True)),
        index("extra_idx", fields=["extra"]),
        listed=False,
    ),
    case(
        "AddField, then unique constraint on it",
        add("extra", models.IntegerField(null=True)),
        unique("u", fields=["extra", "pages"]),
        listed=False,
    ),
    case(
        "AddField, then check on it",
        add("extra", models.IntegerField(null=True)),
        ops.AddConstraint("Book", check("c", models.Q(extra__gte=0) | models.Q(pages__gte=0))),
        listed=False,
    ),
    case(
        "AddField, then partial index that names it",
        add("extra", models.IntegerField(null=True)),
        index("part", fields=["pages"], condition=models.Q(extra=1)),
        listed=False,
    ),
    case(
        "AddField, then covering index that names it",
        add("extra", models.IntegerField(null=True)),
        index("cover", fields=["pages"], include=["extra"]),
        listed=False,
    ),
    case(
        "RenameField, then AddIndex on it",
        ops.RenameField("Book", "pages", "sheets"),
        index("sheets_idx", fields=["sheets"]),
        listed=False,
    ),
    case(
        "RenameField, then AddIndex on the old name, used anew",
        ops.RenameField("Book", "pages", "sheets"),
        add("pages", models.IntegerField(null=True)),
        index("pages_idx", fields=["pages"]),
        listed=False,
    ),
    case(
        "RenameModel, then AddIndex on it",
        ops.RenameModel("Book", "Volume"),
        ops.AddIndex("Volume", models.Index(fields=["pages"], name="pages_idx")),
        listed=False,
    ),
    case(
        "AddIndex, then RenameModel",
        index("pages_idx", fields=["pages"]),
        ops.RenameModel("Book", "Volume"),
        listed=False,
    ),
    case(
        "AddIndex, then RenameField",
        index("pages_idx", fields=["pages"]),
        ops.RenameField("Book", "pages", "sheets"),
        listed=False,
    ),
    case(
        "AddIndex, then RenameIndex",
        index("pages_idx", fields=["pages"]),
        ops.RenameIndex("Book", "pages_new", old_name="pages_idx"),
        listed=False,
    ),
    case(
        "AddIndex, then RemoveIndex",
        index("pages_idx", fields=["pages"]),
        ops.RemoveIndex("Book", "pages_idx"),
        listed=False,
    ),
    case(
        "RemoveIndex, then AddIndex of the same name",
        ops.RemoveIndex("Book", "pages_idx"),
        index("pages_idx", fields=["pages", "title"]),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "RenameIndex, then RemoveIndex",
        ops.RenameIndex("Book", "pages_new", old_name="pages_idx"),
        ops.RemoveIndex("Book", "pages_new"),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "RenameIndex, then AddIndex of the name that is free",
        ops.RenameIndex("Book", "pages_new", old_name="pages_idx"),
        index("pages_idx", fields=["title"]),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "RemoveIndex, then RemoveField",
        ops.RemoveIndex("Book", "pages_idx"),
        ops.RemoveField("Book", "pages"),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "RemoveIndex, then DeleteModel",
        ops.RemoveIndex("Book", "pages_idx"),
        ops.DeleteModel("Book"),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "RemoveIndex, then RenameModel",
        ops.RemoveIndex("Book", "pages_idx"),
        ops.RenameModel("Book", "Volume"),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "AddIndex, then RemoveField",
        index("pages_idx", fields=["pages"]),
        ops.RemoveField("Book", "pages"),
        listed=False,
    ),
    case(
        "AddConstraint Check, then RemoveConstraint",
        ops.AddConstraint("Book", check("c", LONG)),
        ops.RemoveConstraint("Book", "c"),
        listed=False,
    ),
    case(
        "AddConstraint Check, then RenameField",
        ops.AddConstraint("Book", check("c", LONG)),
        ops.RenameField("Book", "pages", "sheets"),
        listed=False,
    ),
    case(
        "RemoveConstraint Check, then AddConstraint of the same name",
        ops.RemoveConstraint("Book", "c"),
        ops.AddConstraint("Book", check("c", models.Q(pages__gte=-1))),
        before=(ops.AddConstraint("Book", check("c", LONG)),),
        listed=False,
    ),
    case(
        "RemoveConstraint Unique, then AddConstraint of the same name",
        ops.RemoveConstraint("Book", "u"),
        unique("u", fields=["pages", "title"]),
        before=(unique("u", fields=["pages"]),),
        listed=False,
    ),
    case(
        "AlterField: not null, then type",
        alter("isbn", models.CharField(max_length=20)),
        alter("isbn", models.CharField(max_length=40)),
        listed=False,
    ),
    case(
        "AlterField: not null, then null again",
        alter("isbn", models.CharField(max_length=20)),
        alter("isbn", models.CharField(max_length=20, null=True)),
        listed=False,
    ),
    case(
        "AlterField: type, then index on it",
        alter("pages", models.BigIntegerField()),
        index("pages_idx", fields=["pages"]),
        listed=False,
    ),
    case(
        "AddIndex, then type of its column",
        index("pages_idx", fields=["pages"]),
        alter("pages", models.BigIntegerField()),
        listed=False,
    ),
    case(
        "AlterField: ForeignKey to a table that the migration makes",
        ops.CreateModel("Person", [("id", models.AutoField(primary_key=True))]),
        ops.AddField("Book", "person", models.ForeignKey("library.Person", CASCADE, null=True)),
        listed=False,
    ),
    case(
        "AlterField: db_constraint off and on again",
        alter("author", models.ForeignKey("library.Author", CASCADE, db_constraint=False)),
        alter("author", models.ForeignKey("library.Author", CASCADE)),
        listed=False,
    ),
    case(
        "AddField with default, then type", DEFAULTED, alter("extra", models.BigIntegerField(default=7)), listed=False
    ),
    case("AddField with default, then RenameField", DEFAULTED, ops.RenameField("Book", "extra", "more"), listed=False),
    case("AddField with default, then RenameModel", DEFAULTED, ops.RenameModel("Book", "Volume"), listed=False),
    case("AddField with default, then RemoveField", DEFAULTED, ops.RemoveField("Book", "extra"), listed=False),
    case(
        "AddField with default, then db_default",
        DEFAULTED,
        alter("extra", models.IntegerField(db_default=8)),
        listed=False,
    ),
    case(
        "AddField with default, then RunSQL that sets another",
        DEFAULTED,
        ops.RunSQL("ALTER TABLE library_book ALTER COLUMN extra SET DEFAULT 8"),
        listed=False,
    ),
    case("RunPython, then AddField with default", ops.RunPython(ops.RunPython.noop), DEFAULTED, listed=False),
    case(
        "AddField with default, RunSQL that fills it, then index on it",
        DEFAULTED,
        ops.RunSQL("UPDATE library_book SET extra = pages"),
        index("extra_idx", fields=["extra"]),
        listed=False,
    ),
    case(
        "CreateModel, then AddField with default",
        ops.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))]),
        ops.AddField("Note", "extra", models.IntegerField(default=7)),
        listed=False,
    ),
    case(
        "CreateModel, then AddIndex on it",
        ops.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())]),
        ops.AddIndex("Note", models.Index(fields=["n"], name="note_n")),
        listed=False,
    ),
    case(
        "AddField, AddIndex on it, then RenameModel",
        add("extra", models.IntegerField(null=True)),
        index("extra_idx", fields=["extra"]),
        ops.RenameModel("Book", "Volume"),
        listed=False,
    ),
    case(
        "AddField, AddIndex on it, then RenameField",
        add("extra", models.IntegerField(null=True)),
        index("extra_idx", fields=["extra"]),
        ops.RenameField("Book", "extra", "more"),
        listed=False,
    ),
    case(
        "AddField, AddIndex on it, then RenameIndex",
        add("extra", models.IntegerField(null=True)),
        index("extra_idx", fields=["extra"]),
        ops.RenameIndex("Book", "more_idx", old_name="extra_idx"),
        listed=False,
    ),
    case(
        "CreateModel with a ForeignKey, RunSQL that fills it, then AddField",
        ops.CreateModel(
            "Note",
            [("id", models.BigAutoField(primary_key=True)), ("book", models.ForeignKey("library.Book", CASCADE))],
        ),
        ops.RunSQL("INSERT INTO library_note (book_id) SELECT id FROM library_book"),
        ops.AddField("Note", "text", models.TextField(null=True)),
        listed=False,
    ),
    case(
        "CreateModel with a ForeignKey, RunSQL, then DeleteModel",
        ops.CreateModel(
            "Note",
            [("id", models.BigAutoField(primary_key=True)), ("book", models.ForeignKey("library.Book", CASCADE))],
        ),
        ops.RunSQL("SELECT 1"),
        ops.DeleteModel("Note"),
        listed=False,
    ),
    case("CreateModel with a ForeignKey, then RemoveField of it", NOTE, ops.RemoveField("Note", "book"), listed=False),
    case(
        "CreateModel with a ForeignKey, then AlterField of it",
        NOTE,
        ops.AlterField("Note", "book", models.ForeignKey("library.Book", CASCADE, null=True)),
        listed=False,
    ),
    case(
        "CreateModel with a ForeignKey, then to another table",
        NOTE,
        ops.AlterField("Note", "book", models.ForeignKey("library.Shelf", CASCADE)),
        listed=False,
    ),
    case(
        "CreateModel with a ForeignKey, then without constraint",
        NOTE,
        ops.AlterField("Note", "book", models.ForeignKey("library.Book", CASCADE, db_constraint=False)),
        listed=False,
    ),
    case("CreateModel with a ForeignKey, then DeleteModel", NOTE, ops.DeleteModel("Note"), listed=False),
    case(
        "CreateModel with a ForeignKey, then RenameField",
        NOTE,
        ops.RenameField("Note", "book", "of"),
        ops.AddField("Note", "text", models.TextField(null=True)),
        listed=False,
    ),
    case("CreateModel with a ForeignKey, then RenameModel", NOTE, ops.RenameModel("Note", "Mark"), listed=False),
    case("AddField, db_index, then RenameModel", INDEXED, ops.RenameModel("Book", "Volume"), listed=False),
    case("AddField, db_index, then RenameField", INDEXED, ops.RenameField("Book", "extra", "more"), listed=False),
    case("AddField, db_index, then RemoveField", INDEXED, ops.RemoveField("Book", "extra"), listed=False),
    case("AddField, db_index, then type", INDEXED, alter("extra", models.TextField(null=True)), listed=False),
    case(
        "AddField, db_index, then without",
        INDEXED,
        alter("extra", models.IntegerField(null=True)),
        listed=False,
    ),
    case(
        "AddField, db_index, RunSQL, then RenameModel",
        add("extra", models.IntegerField(null=True, db_index=True)),
        ops.RunSQL("UPDATE library_book SET extra = pages"),
        ops.RenameModel("Book", "Volume"),
        listed=False,
    ),
    case(
        "AddField, db_index, then RunPython",
        add("extra", models.IntegerField(null=True, db_index=True)),
        ops.RunPython(ops.RunPython.noop),
        listed=False,
    ),
    case(
        "AddField, check on it, then RemoveConstraint",
        add("extra", models.IntegerField(null=True)),
        ops.AddConstraint("Book", check("c", models.Q(extra__gte=0))),
        ops.RemoveConstraint("Book", "c"),
        listed=False,
    ),
    case(
        "AddField, unique constraint on it, then RunPython",
        add("extra", models.IntegerField(null=True)),
        unique("u", fields=["extra"]),
        ops.RunPython(ops.RunPython.noop),
        listed=False,
    ),
    case(
        "RemoveIndex, RunSQL, then AddIndex of the same name",
        ops.RemoveIndex("Book", "pages_idx"),
        ops.RunSQL("SELECT 1"),
        index("pages_idx", fields=["title"]),
        before=(index("pages_idx", fields=["pages"]),),
        listed=False,
    ),
    case(
        "AlterField: unique set, then ForeignKey to it",
        alter("name", models.CharField(max_length=100, unique=True), "Author"),
        add("by", models.ForeignKey("library.Author", CASCADE, to_field="name", null=True, related_name="+")),
        listed=False,
    ),
    case(
        "AddField, unique constraint on it, then ForeignKey to it",
        ops.AddField("Author", "code", models.IntegerField(null=True)),
        ops.AddConstraint("Author", models.UniqueConstraint(fields=["code"], name="u")),
        ops.SeparateDatabaseAndState(
            database_operations=[
                ops.RunSQL("ALTER TABLE library_book ADD COLUMN by int REFERENCES library_author (code)")
            ]
        ),
        listed=False,
    ),
    case(
        "SeparateDatabaseAndState, columns of the database alone",
        ops.SeparateDatabaseAndState(
            database_operations=[add("extra", models.IntegerField(null=True)), index("x", fields=["extra"])]
        ),
        listed=False,
    ),
    case(
        "SeparateDatabaseAndState, RunSQL in it, then unique",
        ops.SeparateDatabaseAndState(database_operations=[ops.RunSQL("UPDATE library_book SET pages = pages + 1")]),
        unique("u", fields=["pages"]),
        listed=False,
    ),
    case(
        "a third party's SQL, then unique",
        Sends("UPDATE library_book SET pages = pages + 1"),
        unique("u", fields=["pages"]),
        listed=False,
    ),
    case(
        "AddField, db_index, then a third party's SQL that changes it",
        add("extra", models.IntegerField(null=True, db_index=True)),
        Sends("ALTER TABLE library_book ALTER COLUMN extra TYPE bigint"),
        listed=False,
    ),
    case(
        "CreateCollation, then index with it",
        postgres_operations.CreateCollation("plain", locale="C"),
        index("title_plain", Collate("title", "plain")),
        listed=False,
    ),
    case(
        "RunPython, then AddIndex",
        ops.RunPython(ops.RunPython.noop),
        index("pages_idx", fields=["pages"]),
        listed=False,
    ),
    case(
        "RunSQL, then unique",
        ops.RunSQL("UPDATE library_book SET pages = pages + 1"),
        unique("u", fields=["pages"]),
        listed=False,
    ),
)

# Names that need quotes, wherever a name can stand.
ODD = (
    ops.CreateModel(
        "Odd",
        [
            ("id", models.BigAutoField(primary_key=True, db_column="The Id")),
            ("n", models.IntegerField(db_column="Big Column", null=True)),
            (
                "author",
                models.ForeignKey("library.Author", CASCADE, db_column="Au thor", null=True, db_constraint=False),
            ),
        ],
        options={"db_table": "Odd Table"},
    ),
)
QUOTED = (
    case(
        "odd names: index, unique, check, not null, foreign key",
        ops.AddIndex("Odd", models.Index(fields=["n"], name="Odd Index")),
        ops.AddConstraint("Odd", models.UniqueConstraint(fields=["n"], name="Odd Unique")),
        ops.AddConstraint("Odd", check("Odd Check", models.Q(n__gte=0))),
        ops.AlterField("Odd", "n", models.IntegerField(db_column="Big Column")),
        ops.AlterField("Odd", "author", models.ForeignKey("library.Author", CASCADE, db_column="Au thor", null=True)),
        before=ODD,
        listed=False,
    ),
    case(
        "odd names: fields added and removed",
        ops.AddField("Odd", "shelf", foreign_key(null=True, db_column="Sh elf")),
        ops.AddField("Odd", "more", models.PositiveIntegerField(db_column="Mo re", default=1, unique=False)),
        ops.RemoveField("Odd", "n"),
        before=ODD,
        listed=False,
    ),
)


def newer() -> Iterator[Case]:
    """What this Django has, and an older one has not."""
    if hasattr(functions, "UUID4"):
        yield case("AddField, db_default UUID4()", add("extra", models.UUIDField(db_default=functions.UUID4())))
        # It came with this: a number of any precision.
        yield case("AlterField: DecimalField, precision taken away", alter("price", models.DecimalField()))
    if hasattr(models, "DB_CASCADE"):
        shelf = models.ForeignKey("library.Shelf", models.DB_CASCADE, null=True)
        yield case("AddField, ForeignKey, DB_CASCADE", add("shelf", shelf))
        author = models.ForeignKey("library.Author", models.DB_CASCADE)
        yield case("AlterField: ForeignKey, DB_CASCADE", alter("author", author))
    if hasattr(ops, "AlterConstraint"):
        told = check("long", LONG).clone()
        told.violation_error_message = "too short"
        before = (ops.AddConstraint("Book", check("long", LONG)),)
        yield case("AlterConstraint", ops.AlterConstraint("Book", "long", told), before=before)


CASES = (*INDEXES, *CONSTRAINTS, *NEW_COLUMNS, *COLUMNS, *TABLES, *MIXED, *QUOTED)
CASES += tuple(replace(each, listed=False) for each in newer())

PARTITION = Sends(
    "ALTER TABLE library_book RENAME TO whole;"
    " CREATE TABLE library_book (LIKE whole INCLUDING DEFAULTS) PARTITION BY HASH (id);"
    " DROP TABLE whole;"
    " CREATE TABLE library_book_0 PARTITION OF library_book FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
    " CREATE TABLE library_book_1 PARTITION OF library_book FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
    " ALTER TABLE library_book ADD PRIMARY KEY (id);"
    " ALTER TABLE library_book ADD CONSTRAINT author_fk FOREIGN KEY (author_id) REFERENCES library_author (id)"
    " DEFERRABLE INITIALLY DEFERRED;"
    " CREATE INDEX author_idx ON library_book (author_id)"
)
# PostgreSQL has no unique constraint without the key that rows are divided by, and nothing concurrent, on such tables.
UNIQUE_WITH_KEY = (
    case("AddConstraint Unique", unique("u", fields=["id", "title"]), listed=False),
    case("AlterUniqueTogether", ops.AlterUniqueTogether("Book", [("id", "title")]), listed=False),
    case(
        "AddConstraint Unique, partial, on the key",
        unique("u", fields=["id"], condition=models.Q(out_of_print=False)),
        listed=False,
    ),
)
REFUSED_OF_PARTITIONED = ("unique", "Unique", "Exclusion", "Concurrently", "primary key", "OneToOne", "FTS")


def partitioned(found: Case) -> Case:
    return replace(found, title=f"partitioned: {found}", before=(PARTITION, *found.before), listed=False)


PARTITIONED = tuple(
    partitioned(each)
    for each in (*INDEXES, *CONSTRAINTS, *NEW_COLUMNS, *COLUMNS)
    if not any(word in each.title for word in REFUSED_OF_PARTITIONED)
) + tuple(map(partitioned, UNIQUE_WITH_KEY))

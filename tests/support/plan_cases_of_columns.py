"""Cases of columns: new ones, and those that are there."""

from __future__ import annotations

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.migrations import operations as ops
from django.db.models.functions import Lower, Now, Random, Round

from tests.support.plan_case import (
    CASCADE,
    LONG,
    NOT_NULL_ISBN,
    Sends,
    Typed,
    add,
    alter,
    case,
    check,
    foreign_key,
    index,
    unique,
)

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

"""Cases of tables, and of names that need quotes."""

from __future__ import annotations

from django.db import models
from django.db.migrations import operations as ops

from tests.support.plan_case import (
    CASCADE,
    add,
    case,
    check,
    foreign_key,
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

"""Cases of several operations: a column or a reference, and what comes after it; data and SQL between."""

from __future__ import annotations

from django.contrib.postgres import operations as postgres_operations
from django.db import models
from django.db.migrations import operations as ops
from django.db.models.functions import Collate

from tests.support.plan_case import (
    CASCADE,
    Sends,
    add,
    alter,
    case,
    check,
    index,
    unique,
)

DEFAULTED = add("extra", models.IntegerField(default=7))
NOTE = ops.CreateModel(
    "Note", [("id", models.BigAutoField(primary_key=True)), ("book", models.ForeignKey("library.Book", CASCADE))]
)
INDEXED = add("extra", models.IntegerField(null=True, db_index=True))


SEVERAL_COLUMNS = (
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

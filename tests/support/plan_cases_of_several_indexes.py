"""Cases of several operations: an index or a constraint, and what comes after it."""

from __future__ import annotations

from django.db import models
from django.db.migrations import operations as ops

from tests.support.plan_case import (
    CASCADE,
    LONG,
    add,
    alter,
    case,
    check,
    index,
    unique,
)

SEVERAL_INDEXES = (
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
)

"""Cases of indexes and constraints."""

from __future__ import annotations

from django.contrib.postgres import constraints as postgres_constraints
from django.contrib.postgres import fields as postgres_fields
from django.contrib.postgres import operations as postgres_operations
from django.db import models
from django.db.migrations import operations as ops
from django.db.models.functions import Lower

from tests.support.plan_case import (
    LONG,
    add,
    alter,
    case,
    check,
    index,
    unique,
)

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

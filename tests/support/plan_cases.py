"""One migration for every kind of schema operation: what plans are proven with, and what docs/locks.md lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.db import models
from django.db.migrations import operations as ops
from django.db.models import functions

from tests.support.plan_case import (
    LONG,
    Case,
    Sends,
    add,
    alter,
    case,
    check,
    unique,
)
from tests.support.plan_cases_of_columns import COLUMNS, NEW_COLUMNS
from tests.support.plan_cases_of_indexes import CONSTRAINTS, INDEXES
from tests.support.plan_cases_of_several_columns import SEVERAL_COLUMNS
from tests.support.plan_cases_of_several_indexes import SEVERAL_INDEXES
from tests.support.plan_cases_of_tables import QUOTED, TABLES


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


CASES = (*INDEXES, *CONSTRAINTS, *NEW_COLUMNS, *COLUMNS, *TABLES, *SEVERAL_INDEXES, *SEVERAL_COLUMNS, *QUOTED)
CASES += tuple(replace(one_case, listed=False) for one_case in newer())

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


def partitioned(found_case: Case) -> Case:
    return replace(found_case, title=f"partitioned: {found_case}", before=(PARTITION, *found_case.before), listed=False)


PARTITIONED = tuple(
    partitioned(one_case)
    for one_case in (*INDEXES, *CONSTRAINTS, *NEW_COLUMNS, *COLUMNS)
    if not any(word in one_case.title for word in REFUSED_OF_PARTITIONED)
) + tuple(map(partitioned, UNIQUE_WITH_KEY))

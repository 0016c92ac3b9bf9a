"""What is rewritten by the kind of a table, by its server and by what is known of it. No server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation

from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import planner
from lockgate.planning.recorder.literals import is_written
from lockgate.planning.recorder.offline import offline_connection
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Kind, MigrationPlan, Phase
from tests.support import plans
from tests.support.large_book import (
    AUTHOR,
    BOOK,
    CHECK,
    INDEX,
    MEGABYTE,
    SET_NOT_NULL,
    SETTINGS,
    kept,
    library,
    named,
    plan,
)
from tests.support.plan_case import add, alter, unique


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
    migration_plan = plan(FOREIGN_KEY, book=BOOK._replace(kind="p"), version=version)
    assert any("NOT VALID" in sql for step in migration_plan.steps for sql in step.sql) is rewritten


def test_a_foreign_key_of_a_small_table_to_a_large_one_is_validated_online_too() -> None:
    migration_plan = plan(FOREIGN_KEY, book=BOOK._replace(size=MEGABYTE))
    assert any("FOREIGN KEY" in sql and "NOT VALID" in sql for step in migration_plan.steps for sql in step.sql)


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
    migration_plan = plan(
        ops.CreateModel(
            "Reader", [("id", models.AutoField(primary_key=True))], options={"swappable": "LIBRARY_READER_MODEL"}
        )
    )
    assert len([sql for step in migration_plan.steps for sql in step.sql]) == tables


COLLATED = add("extra", models.CharField(max_length=9, null=True, db_index=True, db_collation="odd"))


def collated(collations: dict[str, bool]) -> MigrationPlan:
    facts = DatabaseFacts(160000, tables={"library_book": BOOK}, collations=collations)
    connection = offline_connection("default", 160000)
    new_planner = planner.Planner(facts, lambda catalog: recording(connection, catalog), SETTINGS)
    return new_planner.plan(plans.migration("0001_case", COLLATED), library())


@pytest.mark.parametrize(("deterministic", "indexes"), [(True, 2), (False, 1)])
def test_whether_text_has_an_index_of_its_patterns_is_asked_of_its_collation(deterministic: bool, indexes: int) -> None:
    assert len(collated({"odd": deterministic}).phase(Phase.FINISH)) == indexes


def test_what_has_a_collation_of_which_nothing_is_known_stays_in_place() -> None:
    (step,) = collated({}).steps
    assert [change.kind for change in step.changes] == [Kind.UNKNOWN]


def test_what_asks_for_the_constraints_of_a_table_that_nobody_looked_at_stays_in_place() -> None:
    connection = offline_connection("default", 160000)
    unseen = DatabaseFacts(160000, tables={"library_author": AUTHOR})
    new_planner = planner.Planner(unseen, lambda catalog: recording(connection, catalog), SETTINGS)
    (step,) = new_planner.plan(plans.migration("0001_case", ops.AlterUniqueTogether("Author", set())), library()).steps
    assert step.changes == ()
    new_planner = planner.Planner(unseen, lambda catalog: recording(connection, catalog), SETTINGS)
    unindexed = alter("author", models.IntegerField())
    (step,) = new_planner.plan(plans.migration("0001_case", unindexed), library()).steps
    assert [change.kind for change in step.changes] == [Kind.UNKNOWN]


def test_a_dict_is_written_as_hstore_before_any_database_has_the_type() -> None:
    assert is_written({"a": "1"})

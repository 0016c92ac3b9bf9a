"""What a transaction holds, and that plans say whom a step blocks with what the steps before it have locked."""

from __future__ import annotations

from django.contrib.postgres import operations as postgres_operations
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation

from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import transaction_locks
from lockgate.planning.steps import MigrationPlan
from lockgate.reporting import plan_document, plan_report
from tests.support.large_book import NOTHING, plan
from tests.support.plan_case import add, alter

FACTS = DatabaseFacts(160000)
EXTRA = add("extra", models.IntegerField(null=True))
VALIDATE = postgres_operations.ValidateConstraint("Book", "c")
OTHER_TABLE = alter("code", models.BigIntegerField(), "Shelf")


def held(*operations: Operation, **attributes: bool) -> list[list[str]]:
    """Of each transaction every lock of its total, with the work it is held over."""
    migration_plan = plan(*operations, online=False, **attributes)
    return [
        [
            f"{held_lock.table} {held_lock.mode.name} {[' '.join(during) for during in held_lock.over]}"
            for held_lock in transaction.total
        ]
        for transaction in transaction_locks.of(migration_plan.steps, atomic=migration_plan.atomic)
    ]


def shown(migration_plan: MigrationPlan) -> str:
    return "\n".join(plan_report.text([migration_plan], FACTS)).replace(" (size unknown)", "")


def test_a_lock_is_held_over_the_work_of_later_steps() -> None:
    assert held(EXTRA, VALIDATE) == [["library_book ACCESS_EXCLUSIVE ['scan library_book']"]]
    assert held(EXTRA, OTHER_TABLE) == [
        [
            "library_book ACCESS_EXCLUSIVE ['rewrite library_shelf']",
            "library_shelf ACCESS_EXCLUSIVE ['rewrite library_shelf']",
        ]
    ]


def test_and_not_over_that_of_earlier_ones() -> None:
    scanned_first = ["library_book SHARE_UPDATE_EXCLUSIVE ['scan library_book']", "library_book ACCESS_EXCLUSIVE []"]
    assert held(VALIDATE, EXTRA) == [scanned_first[1:]], "who reads and writes waits for a moment"
    index = ops.AddIndex("Book", models.Index(fields=["pages"], name="pages_idx"))
    assert held(index, EXTRA) == [["library_book SHARE ['build library_book']", scanned_first[1]]]


def test_code_takes_an_unknown_time() -> None:
    assert held(EXTRA, NOTHING) == [["library_book ACCESS_EXCLUSIVE ['unknown ']"]]
    assert held(EXTRA, ops.RunSQL("SELECT f()")) == [["library_book ACCESS_EXCLUSIVE ['unknown ']"]]
    assert held(NOTHING, EXTRA) == [["library_book ACCESS_EXCLUSIVE []"]]


def test_a_table_that_is_renamed_on_the_way_is_one_table() -> None:
    later = ops.AddIndex("Volume", models.Index(fields=["pages"], name="pages_idx"))
    assert held(ops.RenameModel("Book", "Volume"), later) == [["library_book ACCESS_EXCLUSIVE ['build library_book']"]]


def test_each_operation_of_a_migration_that_is_not_atomic_holds_its_own() -> None:
    assert held(EXTRA, OTHER_TABLE, atomic=False) == [
        ["library_book ACCESS_EXCLUSIVE []"],
        ["library_shelf ACCESS_EXCLUSIVE ['rewrite library_shelf']"],
    ]


def test_a_plan_says_whom_a_step_blocks_with_what_was_locked_before() -> None:
    text = shown(plan(EXTRA, VALIDATE, online=False))
    blocks = 'blocks reads and writes: ACCESS EXCLUSIVE since "Add field extra to Book"'
    assert f"SHARE UPDATE EXCLUSIVE while every row is read; {blocks}" in text
    assert (
        "holds   library_book: ACCESS EXCLUSIVE while every row of library_book is read; blocks reads and writes"
        in text
    )
    text = shown(plan(EXTRA, OTHER_TABLE, online=False))
    assert 'holds   library_book: ACCESS EXCLUSIVE since "Add field extra to Book"; blocks reads and writes' in text
    text = shown(plan(VALIDATE, EXTRA, online=False))
    assert "SHARE UPDATE EXCLUSIVE while every row is read; blocks neither" in text
    assert "holds   library_book: ACCESS EXCLUSIVE for a moment; blocks reads and writes" in text


def test_a_step_alone_says_all_there_is_to_say() -> None:
    assert "commit" not in shown(plan(EXTRA))


def test_the_document_has_it_too() -> None:
    (found,) = plan_document.document([plan(EXTRA, VALIDATE, online=False)], FACTS)["migrations"]
    assert [step["locks"][0]["blocks_reads"] for step in found["steps"]] == [True, True]
    assert [step["locks"][0]["mode"] for step in found["steps"]] == ["AccessExclusiveLock", "ShareUpdateExclusiveLock"]
    blocks = {"blocks_reads": True, "blocks_writes": True}
    lock = {"table": "library_book", "mode": "AccessExclusiveLock", "since": 0, "parents": [], **blocks}
    assert [step["holds"] for step in found["steps"]] == [[], [lock]]
    assert found["transactions"] == [[{**lock, "over": [{"work": "scan", "table": "library_book"}]}]]


def test_what_holds_a_lock_over_code_is_not_harmless() -> None:
    assert plan_report.is_harmless(plan(EXTRA))
    assert plan_report.is_harmless(plan(NOTHING, EXTRA))
    assert not plan_report.is_harmless(plan(EXTRA, NOTHING))

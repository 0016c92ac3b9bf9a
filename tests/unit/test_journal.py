"""What a row of the journal means by itself."""

from __future__ import annotations

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import operations as ops

from lockgate.facts import Key
from lockgate.gate import leftovers
from lockgate.gate.leftovers import Leftovers
from lockgate.ledger import journal
from lockgate.models import JournalEntry
from lockgate.planning.steps import Kind
from tests.support import plans

STATE = JournalEntry.State


@pytest.mark.parametrize(
    ("committed", "state", "is_open"),
    [
        (False, STATE.DONE, True),
        (False, STATE.RUNNING, True),
        (True, STATE.PLANNED, True),
        (True, STATE.FAILED, True),
        (True, STATE.DONE, False),
        (True, STATE.OBSOLETE, False),
    ],
)
def test_a_step_is_open_until_its_migration_counts_and_it_is_done(
    committed: bool, state: JournalEntry.State, is_open: bool
) -> None:
    assert journal.is_open(JournalEntry(committed=committed, state=state)) is is_open


@pytest.mark.parametrize(
    ("ordinals", "done"), [((0, 1, 2), [0, 1]), ((0, 1), [0]), ((0, 2), [0]), ((1, 2), [1]), ((), []), ((3,), [3])]
)
def test_an_operation_of_several_parts_is_done_when_all_of_them_are(ordinals: tuple[int, ...], done: list[int]) -> None:
    index = AddIndexConcurrently("Book", models.Index(fields=["id"], name="i"))
    two = ops.SeparateDatabaseAndState(database_operations=[index, ops.RunSQL("SELECT 1")])
    nothing = ops.SeparateDatabaseAndState(state_operations=[index])
    migration = plans.migration("0001_case", index, two, nothing, ops.RunSQL("SELECT 2"), atomic=False)
    key = Key(plans.APP, "0001_case")
    rows = [
        JournalEntry(ordinal=ordinal, phase=journal.SWITCH, state=STATE.DONE, kind=Kind.ADD_INDEX)
        for ordinal in ordinals
    ]
    others = [
        JournalEntry(ordinal=9, phase=journal.SWITCH, state=STATE.FAILED),
        JournalEntry(ordinal=9, phase=journal.EXPAND),
    ]
    assert Leftovers({key: [*rows, *others]}, {}).done([migration]) == {(key, each) for each in done}


@pytest.mark.parametrize(
    ("kind", "undo", "proves"),
    [(Kind.VALIDATE_CONSTRAINT, [], True), (Kind.VALIDATE_CONSTRAINT, ["DROP"], False), (Kind.ADD_INDEX, [], False)],
)
def test_what_was_only_validated_was_there_before(kind: Kind, undo: list[str], proves: bool) -> None:
    assert leftovers._proves(JournalEntry(kind=kind, undo=undo)) is proves

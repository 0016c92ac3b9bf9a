"""With models rendered lazily, migrations send what they send when Django renders them: the same, in order."""

from __future__ import annotations

import copy

import pytest
from django.db.migrations import Migration

from tests.support import plans, rendering
from tests.support.plan_cases import BASE, CASES, Case
from tests.support.plans import Scratch
from tests.support.rendering import History, different
from tests.support.rendering_cases import HISTORIES, SCHEMAS, renames
from tests.support.schema import dump


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_kind_of_operation_sends_the_same(scratch: Scratch, case: Case) -> None:
    def history() -> list[Migration]:
        operations = copy.deepcopy([*BASE, *case.before])
        earlier = [plans.migration(f"{number:04}_before", each) for number, each in enumerate(operations)]
        return [*earlier, plans.migration("9999_case", *copy.deepcopy(case.operations), atomic=case.atomic)]

    expected = rendering.by_django(scratch, history)
    assert different(rendering.lazily(scratch, history), expected) == []


@pytest.mark.parametrize("name", HISTORIES)
def test_every_history_sends_the_same_and_ends_alike(scratch: Scratch, name: str) -> None:
    history = HISTORIES[name]
    expected = rendering.by_django(scratch, history)
    schema = dump(scratch.database)
    assert different(rendering.lazily(scratch, history), expected) == []
    assert dump(scratch.database) == schema


@pytest.mark.parametrize("history", SCHEMAS, ids=lambda history: history.__name__)
def test_every_history_sends_the_same_backwards(scratch: Scratch, history: History) -> None:
    expected = rendering.by_django(scratch, history, back=True)
    assert different(rendering.lazily(scratch, history, back=True), expected) == []


@pytest.mark.parametrize("back", [False, True])
def test_a_renamed_models_relations_are_seen_to_in_whatever_order(scratch: Scratch, back: bool) -> None:
    """In Django's own case it differs from process to process, with the seed of hashes."""
    expected = rendering.by_django(scratch, renames, back=back)
    schema = dump(scratch.database)
    assert rendering.unordered(rendering.lazily(scratch, renames, back=back), expected) == []
    assert dump(scratch.database) == schema

"""A plan ends in the schema that stock Django's migration ends in; and expand, undone, in the schema before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from lockgate.planning.steps import MigrationPlan, Phase
from tests.support import plans
from tests.support.plan_case import BASE, Case
from tests.support.plan_cases import CASES, PARTITIONED
from tests.support.plans import Scratch
from tests.support.schema import dump

# What pg_dump leaves out.
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


def schema(scratch: Scratch) -> str:
    assert scratch.query(INVALID) == []
    return dump(scratch.database)


def pending(case: Case) -> Any:
    return plans.migration("0001_case", *case.operations, atomic=case.atomic)


@contextlib.contextmanager
def sent(scratch: Scratch) -> Iterator[list[str]]:
    """The statements that go to the server in this block, but for questions."""
    found: list[str] = []

    def keep(execute: Any, statement: Any, params: Any, many: bool, context: Any) -> Any:
        if not str(statement).lstrip().startswith("SELECT") or "pg_" not in str(statement):
            found.append(str(statement))
        return execute(statement, params, many, context)

    with scratch.connection.execute_wrapper(keep):
        yield found


@pytest.mark.parametrize("case", [*CASES, *PARTITIONED], ids=str)
def test_a_plan_ends_as_stock_django_does(scratch: Scratch, case: Case) -> None:
    """In place it sends what stock Django sends; online it ends in the same schema, and expand can be undone."""
    state = scratch.prepare(*BASE, *case.before)
    in_place, online = (scratch.plan([pending(case)], state, online=each)[0] for each in (False, True))
    with sent(scratch) as statements:
        scratch.migrate(pending(case), state)
    recorded = [statement for step in in_place.steps for statement in step.sql if statement]
    assert sorted(recorded) == sorted(statements)
    if online.steps == in_place.steps:
        return
    expected = schema(scratch)
    scratch.prepare(*BASE, *case.before)
    expand_and_undo(scratch, online)
    plans.run_all(scratch, online)
    assert schema(scratch) == expected


def expand_and_undo(scratch: Scratch, plan: MigrationPlan) -> None:
    expand = [step for step in plan.phase(Phase.EXPAND) if step.undo]  # a constraint that was there stays validated
    if not expand:
        return
    before = schema(scratch)
    for step in expand:
        for statement in step.sql:
            scratch.send(statement)
    assert schema(scratch) != before
    for step in reversed(expand):
        for statement in step.undo:
            scratch.send(statement)
    assert schema(scratch) == before

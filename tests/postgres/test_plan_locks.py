"""What a plan claims of locks and work is what PostgreSQL does: each step is run and watched."""

from __future__ import annotations

import pytest

from lockgate.planning.steps import Kind, MigrationPlan
from tests.support import lock_table, plans
from tests.support.plan_case import BASE, Case
from tests.support.plan_cases import CASES, PARTITIONED
from tests.support.plans import Scratch


def prove(scratch: Scratch, case: Case, planned: MigrationPlan) -> None:
    """Run every step of a plan and compare what it claims with what it did."""
    wrong = []
    there = set(scratch.relations())
    for step in planned.steps:
        new = {table for oid, table in scratch.relations().items() if oid not in there}  # nobody else knows of them
        observed = {table: lock for table, lock in plans.run(scratch, step).items() if table not in new}
        if any(change.kind is Kind.RUN_PYTHON for change in step.changes):
            continue  # code is not run here, so nothing of it is seen
        if observed != plans.claimed(step):
            sql = "\n    ".join(step.sql)
            wrong.append(
                f"{step.phase} {step.title}\n    {sql}\n"
                f"  claimed  {plans.show(plans.claimed(step))}\n  observed {plans.show(observed)}"
            )
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("case", [*CASES, *PARTITIONED], ids=str)
def test_claimed_is_observed(scratch: Scratch, case: Case) -> None:
    """In place, as stock Django would do it; and online, where that is another plan."""
    pending = plans.migration("0001_case", *case.operations, atomic=case.atomic)
    state = scratch.prepare(*BASE, *case.before)
    (in_place,) = scratch.plan([pending], state, online=False)
    (online,) = scratch.plan([pending], state)
    prove(scratch, case, in_place)
    if case.listed:  # as docs/locks.md has it
        shown = lock_table.planned(case, scratch.version // 10000, online=False)
        assert [plans.claimed(step) for step in shown.steps] == [plans.claimed(step) for step in in_place.steps]
    if online.steps != in_place.steps:
        scratch.prepare(*BASE, *case.before)
        prove(scratch, case, online)
